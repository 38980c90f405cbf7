"""Checks of what public functions are given: numbers, arrays, masks, positions, paths."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.arrays import BoolArray, FloatArray
from llzo_helpers.errors import InputError, clipped, counted

_SHORTEST_PS, _LONGEST_PS = 1e-9, 1e9
"""Of a time between frames."""
_LARGEST_COORDINATE = 1e7
"""Å, or Å/ps; an ion of a liquid gets there in seconds."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_number(name: str, value: Any, sensible: str, *, low: float, high: float) -> None:
    """Refuse what is not a number from low to high, for `sensible` reasons in words."""
    if not (_is_number(value) and low <= value <= high):
        raise InputError(f"{name}: {clipped(value)}; give {sensible}, {low:g} to {high:g}")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is none of the words that a parameter may be."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name}: {clipped(value)}; give one of {', '.join(map(repr, choices))}")


def check_whole(name: str, value: Any, sensible: str, *, low: int, high: int) -> None:
    """Refuse what is not a whole number from low to high, see `check_number`."""
    meaning = f"{sensible}, a whole number"
    if not isinstance(value, int | np.integer):
        raise InputError(f"{name}: {clipped(value)}; give {meaning}, {low:g} to {high:g}")
    check_number(name, value, meaning, low=low, high=high)


def check_frame_interval(frame_interval_ps: Any) -> None:
    """Refuse what is not a time, ps."""
    check_number(
        "frame_interval_ps",
        frame_interval_ps,
        "the time between frames in ps",
        low=_SHORTEST_PS,
        high=_LONGEST_PS,
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
    mask = _array(mobile)
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


def _array(values: Any) -> NDArray[Any]:
    """Return an array, of one object where rows have unequal lengths."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError):
        return np.array(None)


def checked_numbers(name: str, values: Any) -> NDArray[np.number]:
    """Return an array of real numbers, or raise InputError if it holds anything else."""
    array = _array(values)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name}: {clipped(values)}; give an array of numbers")
    return array


def checked_flags(name: str, values: Any) -> BoolArray:
    """Return an array of booleans, or raise InputError if it holds anything else."""
    array = _array(values)
    if array.dtype != np.bool_ and array.size:
        raise InputError(f"{name}: {clipped(values)}; give an array of True and False")
    return array.astype(bool)


def checked_trajectory(values: Any, name: str = "positions") -> NDArray[Any]:
    """Return positions, or velocities, [frame, ion, axis], or raise InputError if none are."""
    trajectory = checked_numbers(name, values)
    if trajectory.ndim != 3 or trajectory.size == 0:
        raise InputError(
            f"{name}: shape {trajectory.shape}; must be [frame, ion, axis] with one of each or more"
        )
    # extremes reveal such values without an array of flags as large as the positions
    lowest, highest = trajectory.min(axis=(1, 2)), trajectory.max(axis=(1, 2))
    sensible = (lowest >= -_LARGEST_COORDINATE) & (highest <= _LARGEST_COORDINATE)
    if not sensible.all():
        raise InputError(
            f"{name}: not finite, or beyond {_LARGEST_COORDINATE:g}, in "
            f"{counted((~sensible).sum(), 'frame')}, first in frame "
            f"{int(np.argmin(sensible))}; check for a run that blew up or a damaged file"
        )
    return trajectory


def checked_points(name: str, points: ArrayLike) -> FloatArray:
    """Return positions [point, axis], Å, or raise InputError if they aren't finite."""
    array = checked_numbers(name, points).astype(float)
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise InputError(f"{name}: shape {array.shape}; give finite positions [point, axis] in Å")
    return array


def checked_species(species: Any) -> NDArray[np.str_]:
    """Return the element of each atom [atom], or raise InputError if these are not words."""
    array = _array(species)
    if array.ndim != 1 or array.dtype.kind != "U":
        raise InputError(f"species: {clipped(species)}; give the element of each atom")
    return array


def checked_path(name: str, value: Any) -> Path:
    """Return the path of a file or folder, which may not exist; InputError if none can have it."""
    try:
        path = Path(value)
        path.stat()
    except FileNotFoundError:
        pass  # for whoever opens it to say what it was needed for
    except (TypeError, ValueError):
        raise InputError(f"{name}: {clipped(value)}; give the path of a file or folder") from None
    except OSError as error:
        raise InputError(
            f"{name}: {clipped(value)}: {error.strerror}; give a path that can be read"
        ) from None
    return path
