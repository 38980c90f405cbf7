"""Checks of the numbers, masks and positions that analyses are given."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.arrays import BoolArray, FloatArray
from llzo_helpers.errors import InputError, clipped


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_number(name: str, value: Any, sensible: str, *, low: float, high: float) -> None:
    """Refuse what is not a number from low to high, for `sensible` reasons in words."""
    if not (_is_number(value) and low <= value <= high):
        raise InputError(
            f"{name}: {clipped(value, quote=False)}; give {sensible}, {low:g} to {high:g}"
        )


def check_whole(name: str, value: Any, sensible: str, *, low: int, high: int) -> None:
    """Refuse what is not a whole number from low to high, see `check_number`."""
    if not isinstance(value, int | np.integer):
        value = str(value)
    check_number(name, value, f"{sensible}, a whole number", low=low, high=high)


def check_frame_interval(frame_interval_ps: Any) -> None:
    """Refuse what is not a time, ps."""
    if not (_is_number(frame_interval_ps) and 0 < frame_interval_ps < np.inf):
        raise InputError(
            f"frame_interval_ps: {clipped(frame_interval_ps)}; give the time between frames in ps"
        )


def check_repeats(repeats: Any) -> None:
    """Refuse what is not three numbers of cells."""
    given = np.asarray(repeats)
    if given.shape != (3,) or given.dtype.kind not in "iu" or given.min() < 1:
        raise InputError(
            f"repeats: {clipped(repeats)}; give three whole numbers of cells, 1 or more, "
            "such as (2, 2, 2)"
        )


def checked_mask(mobile: ArrayLike) -> BoolArray:
    """Return the mask of the mobile ions [atom]; refuse indices, and a mask of no ion."""
    mask = np.asarray(mobile)
    if mask.ndim != 1 or mask.dtype != np.bool_:
        raise InputError(
            f"mobile: {mask.dtype} of shape {mask.shape}; give one boolean per atom, "
            "such as numbers == 3"
        )
    if not mask.any():
        raise InputError("mobile: no mobile ion; set the mask True for the diffusing species")
    return mask


def check_finite(chunk: NDArray[Any], first_frame: int) -> None:
    """Refuse positions [frame, atom, axis] that are not numbers; the first frame has this one."""
    finite = np.isfinite(chunk).all(axis=(1, 2))
    if not finite.all():
        raise InputError(
            f"positions: not finite in frame {first_frame + int(np.argmin(finite))}; "
            "cut the trajectory before the simulation failed"
        )


def checked_points(name: str, points: ArrayLike) -> FloatArray:
    """Return positions [point, axis], Å, or raise InputError if they aren't finite."""
    try:
        array = np.asarray(points, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise InputError(f"{name}: shape {array.shape}; give finite positions [point, axis] in Å")
    return array
