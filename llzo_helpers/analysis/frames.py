"""Trajectories as chunks of frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.arguments import check_finite
from llzo_helpers.errors import InputError, counted

CHUNK_FRAMES = 64


@runtime_checkable
class Frames(Protocol):
    """What the analyses need of a trajectory: its length and its frames, in chunks."""

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


def as_frames(positions: ArrayLike | Frames, *, at_least: int = 1) -> Frames:
    """Return `positions` as an object that gives its frames in chunks.

    Parameters
    ----------
    positions : array_like, shape [frame, atom, axis], or Frames
        Positions in Å, wrapped or unwrapped.
    at_least : int
        Number of frames that are needed.

    Raises
    ------
    InputError
        An array of another shape or not of real numbers, or too few frames.
    """
    if isinstance(positions, Frames):
        frames = positions
    else:
        try:
            array = np.asarray(positions)
        except ValueError:
            raise InputError(
                "positions: frames differ in shape; give as many atoms in each"
            ) from None
        if array.dtype.kind not in "fiu":
            raise InputError(f"positions: {array.dtype}; give real numbers, Å")
        if array.ndim != 3 or array.shape[2] != 3:
            raise InputError(
                f"positions: shape {array.shape}; give [frame, atom, axis] with three axes"
            )
        frames = ArrayFrames(array)
    if len(frames) < at_least:
        raise InputError(f"positions: {counted(len(frames), 'frame')}; give at least {at_least}")
    return frames


def frame_chunks(
    positions: ArrayLike | Frames, n_atoms: int, *, at_least: int = 1
) -> Iterator[NDArray[Any]]:
    """Yield chunks of frames, at least `at_least` of them if there are enough frames.

    Parameters
    ----------
    positions : array_like, shape [frame, atom, axis], or Frames
        Å.
    n_atoms : int
        Number of atoms that each frame must have.
    at_least : int
        Minimum number of chunks, for as many blocks.

    Raises
    ------
    InputError
        Another number of atoms, no frame, or a position that is not a number.
    """
    frames = as_frames(positions)
    size = max(1, min(CHUNK_FRAMES, len(frames) // at_least))
    first = 0
    for chunk in frames.chunks(frames=size):
        if chunk.shape[1:] != (n_atoms, 3):
            raise InputError(
                f"positions: shape {chunk.shape}; give [frame, atom, axis] for {n_atoms} atoms"
            )
        check_finite(chunk, first)
        first += len(chunk)
        yield chunk
