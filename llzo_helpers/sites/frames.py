"""Trajectories as chunks of frames, and distances in a periodic cell."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CHUNK_FRAMES = 64


@runtime_checkable
class Frames(Protocol):
    """What the site analysis needs of a trajectory: its length and its frames, in chunks."""

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def chunks(self, *, frames: int) -> Iterator[NDArray[Any]]:
        """Yield positions [frame, atom, axis], Å, at most `frames` frames at a time."""
        ...


@dataclass(frozen=True)
class ArrayFrames:
    """Positions [frame, atom, axis] in memory (or memory-mapped), as chunks."""

    positions: NDArray[Any]

    def __len__(self) -> int:
        return len(self.positions)

    def chunks(self, *, frames: int) -> Iterator[NDArray[Any]]:
        """Yield views of at most `frames` frames."""
        for start in range(0, len(self), frames):
            yield self.positions[start : start + frames]


def as_frames(positions: ArrayLike | Frames) -> Frames:
    """Return `positions` as an object that gives its frames in chunks.

    Parameters
    ----------
    positions : array_like, shape [frame, atom, axis], or Frames
        Positions in Å, wrapped or unwrapped.

    Raises
    ------
    InputError
        An array of another shape, or fewer than two frames.
    """
    if isinstance(positions, Frames):
        frames = positions
    else:
        array = np.asarray(positions)
        if array.ndim != 3 or array.shape[2] != 3:
            raise InputError(
                f"positions: shape {array.shape}; give [frame, atom, axis] with three axes"
            )
        frames = ArrayFrames(array)
    if len(frames) < 2:
        raise InputError(
            f"positions: {len(frames)} frame(s); a site analysis needs at least 2 "
            "(and hundreds for its statistics)"
        )
    return frames


def nearest_image(displacements: NDArray[Any], cell: FloatArray) -> FloatArray:
    """Return displacements [..., axis] brought to the image nearest in fractional coordinates.

    It is the nearest image in space, too, for whatever is shorter than half the smallest
    height of the cell; for longer vectors use `ase.geometry.find_mic`.
    """
    fractional = displacements @ np.linalg.inv(cell)
    fractional -= np.round(fractional)
    return np.asarray(fractional @ cell)
