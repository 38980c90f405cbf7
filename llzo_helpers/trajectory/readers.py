"""What a reader provides of a file's frames; frames in memory; several files as one."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError

BLOCK_FRAMES = 64
"""Frames that are read at once: enough to work on whole arrays, few enough for large systems."""


class Reader(Protocol):
    """Frames as a file holds them: wrapped or not, in the order of the file, repeated or not.

    Attributes
    ----------
    name
        Its name in messages: the file.
    files
        All files it reads.
    symbols
        Chemical symbols, [atom].
    scaled
        Whether positions are fractions of the cell.
    unwrapped
        Whether the format says that positions are unwrapped.
    steps
        Time steps of the frames, [frame]; None where the file has none.
    times_ps
        Times of the frames, ps, [frame]; None where the file does not state them.
    interval_ps
        Time between frames, ps, where the file states it instead of times; None otherwise.
    schedule
        First step, and steps between frames, where a header tells them; many programs begin at 0
        in each piece of a run. None otherwise.
    cells
        Rows are cell vectors, Å, [frame, 3, 3]; None where only reading the frames shows them.
    notes
        What a user should know about how the file was interpreted.
    """

    # as properties, because a reader may always or never have some of them
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def files(self) -> tuple[Path, ...]: ...  # noqa: D102
    @property
    def symbols(self) -> NDArray[np.str_]: ...  # noqa: D102
    @property
    def scaled(self) -> bool: ...  # noqa: D102
    @property
    def unwrapped(self) -> bool: ...  # noqa: D102
    @property
    def steps(self) -> IntArray | None: ...  # noqa: D102
    @property
    def times_ps(self) -> FloatArray | None: ...  # noqa: D102
    @property
    def interval_ps(self) -> float | None: ...  # noqa: D102
    @property
    def schedule(self) -> tuple[int, int] | None: ...  # noqa: D102
    @property
    def cells(self) -> FloatArray | None: ...  # noqa: D102
    @property
    def notes(self) -> list[str]: ...  # noqa: D102

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def read(self, frames: IntArray) -> tuple[NDArray[Any], FloatArray]:
        """Return positions [frame, atom, axis] from the cell's origin, and cells [frame, 3, 3]."""
        ...


def repeated_frames(reader: Reader) -> IntArray:
    """Return the frames identical to the previous one; for files that hold no time steps."""
    repeats: list[IntArray] = []
    before = np.empty((0, len(reader.symbols), 3))
    for start in range(0, len(reader), BLOCK_FRAMES):
        frames = np.arange(start, min(start + BLOCK_FRAMES, len(reader)))
        positions = np.concatenate([before, reader.read(frames)[0]])
        same = np.flatnonzero(np.all(positions[1:] == positions[:-1], axis=(1, 2)))
        repeats.append(frames[-1] + 1 - (len(positions) - 1) + same)
        before = positions[-1:]
    return np.concatenate(repeats) if repeats else np.empty(0, dtype=np.int64)


class IdOrder:
    """Brings atoms that are written in any order into that of their ids.

    Parameters
    ----------
    ids
        Of the first frame, in the order of the file, [atom].
    name
        The file's name in messages.
    """

    def __init__(self, ids: NDArray[Any], name: str) -> None:
        self._name, self._sorted = name, np.sort(ids)
        self._ids, self._order = ids, np.argsort(ids, kind="stable")
        if (np.diff(self._sorted) == 0).any():
            raise InputError(f"{name}: an id is given twice in frame 0; write each atom once")

    def __call__(self, ids: NDArray[Any], frame: int) -> IntArray:
        """Return the rows of a frame in the order of ids, mostly those of the frame before."""
        if not np.array_equal(ids, self._ids):
            self._ids, self._order = ids, np.argsort(ids, kind="stable")
            if not np.array_equal(ids[self._order], self._sorted):
                raise InputError(
                    f"{self._name}: frame {frame}: other ids than in frame 0; give frames of the "
                    "same atoms"
                )
        return self._order


def require_periodic(periodic: ArrayLike, source: str, said: str) -> None:
    """Raise InputError unless the cell repeats along all its vectors.

    A box that is not periodic follows its atoms, or has nothing beyond it.
    """
    if not np.all(periodic):
        raise InputError(
            f"{source}: its cell is not periodic in all directions ({said}); give a run in a "
            "periodic cell, or mend this if it was one"
        )


@dataclass
class ArrayReader:
    """Frames in memory; see `Reader`."""

    positions: FloatArray
    cells: FloatArray
    symbols: NDArray[np.str_]
    name: str = "positions"
    files: tuple[Path, ...] = ()
    times_ps: FloatArray | None = None
    scaled: bool = False
    unwrapped: bool = False
    steps: IntArray | None = None
    interval_ps: float | None = None
    schedule: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.positions)

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        return self.positions[frames], self.cells[frames]


class ChainReader:
    """Several files as one; see `Reader`."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        first = readers[0]
        for reader in readers[1:]:
            if not np.array_equal(reader.symbols, first.symbols):
                raise InputError(
                    f"{reader.name}: {len(reader.symbols)} atoms, not those of {first.name} in "
                    "the same order; give pieces of one run"
                )
            if (reader.scaled, reader.unwrapped) != (first.scaled, first.unwrapped):
                raise InputError(
                    f"{reader.name}: its positions are of another kind than those of {first.name} "
                    "(wrapped, unwrapped or scaled); give files written in the same way"
                )
        for before, reader in itertools.pairwise(readers):
            _require_later(before, reader)
            _require_same_interval(before, reader)
        self.name = f"{first.name} and {len(readers) - 1} more"
        self.files = tuple(path for reader in readers for path in reader.files)
        self.symbols = first.symbols
        self.scaled, self.unwrapped = first.scaled, first.unwrapped
        self.steps = _joined([reader.steps for reader in readers])
        if self.steps is None:
            self.steps = _scheduled_steps(readers)
        self.schedule, self.interval_ps = None, first.interval_ps
        self.times_ps = _joined([reader.times_ps for reader in readers])
        self.cells = _joined([reader.cells for reader in readers])
        self.notes = [note for reader in readers for note in reader.notes]
        self._readers = readers
        self._first = np.cumsum([0, *map(len, readers)])

    def __len__(self) -> int:
        return int(self._first[-1])

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        which = np.searchsorted(self._first, frames, side="right") - 1
        parts = [
            self._readers[number].read(frames[which == number] - self._first[number])
            for number in np.unique(which)
        ]
        positions, cells = zip(*parts, strict=True)
        return np.concatenate(positions), np.concatenate(cells)


def _require_later(before: Reader, reader: Reader) -> None:
    """Raise InputError if a piece begins where or before the one ahead of it began.

    After a restart it begins later: otherwise all of that piece would be left out.
    """
    for unit, earlier, later in (
        ("steps", before.steps, reader.steps),
        ("times", before.times_ps, reader.times_ps),
    ):
        if earlier is not None and later is not None and later[0] <= earlier[0]:
            raise InputError(
                f"{reader.name}: {unit} begin at {later[0]:g}, those of {before.name} at "
                f"{earlier[0]:g}: give the pieces in order; if {unit} were reset, read each piece "
                "as a run of its own"
            )


def _require_same_interval(before: Reader, reader: Reader) -> None:
    """Raise InputError if headers tell that frames are further apart in one piece than before."""
    for unit, earlier, later in (
        ("steps", before.schedule and before.schedule[1], reader.schedule and reader.schedule[1]),
        ("ps", before.interval_ps, reader.interval_ps),
    ):
        if earlier and later and not np.isclose(earlier, later, rtol=1e-3):
            raise InputError(
                f"{reader.name}: a frame every {later:g} {unit}, in {before.name} every "
                f"{earlier:g}; give pieces with frames at one interval"
            )


def _scheduled_steps(readers: Sequence[Reader]) -> IntArray | None:
    """Return the steps of all frames by headers; None where these count from 0 in each piece."""
    schedules = [reader.schedule for reader in readers if reader.schedule]
    starts = [start for start, _ in schedules]
    if len(schedules) < len(readers) or (np.diff(starts) <= 0).any():
        return None
    return np.concatenate(
        [
            start + every * np.arange(len(reader))
            for reader, (start, every) in zip(readers, schedules, strict=True)
        ]
    )


_Array = TypeVar("_Array", FloatArray, IntArray)


def _joined(parts: Sequence[_Array | None]) -> _Array | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None
