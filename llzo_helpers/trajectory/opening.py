"""What must be known of frames before they are read: their order, interval and cells."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.arguments import check_frame_interval
from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.readers import BLOCK_FRAMES, Reader, repeated_frames

_INTERVAL_TOLERANCE = 1e-3
"""Of the time between frames."""
_CONSTANT_CELL = 1e-6
"""Relative; a file's digits, not a barostat."""


def ordered_frames(reader: Reader) -> IntArray:
    """Return the reader's frames without those that were written again after a restart.

    Raises
    ------
    InputError
        If steps or times begin anew: what came before would all be left out.
    """
    clock = reader.steps if reader.steps is not None else reader.times_ps
    if clock is None:
        return np.setdiff1d(np.arange(len(reader)), repeated_frames(reader))
    kept: list[int] = []
    for frame, time in enumerate(clock):
        # what a killed run wrote after its last restart file was computed again
        while kept and clock[kept[-1]] >= time:
            kept.pop()
        # a first frame may be there twice
        if not kept and frame > 1:
            unit = "times" if reader.steps is None else "steps"
            raise InputError(
                f"{reader.name}: frame {frame}: {unit} begin anew at {time:g}; if they were reset, "
                "give each part as a file and a run of its own"
            )
        kept.append(frame)
    return np.array(kept)


def frame_interval_ps(reader: Reader, frames: IntArray, given: float | None) -> float:
    """Return the time between the frames in order, from the file or as given.

    Raises
    ------
    InputError
        If it is neither told nor given, or not the same throughout.
    """
    if given is not None:
        check_frame_interval(given)
    for unit, values in (("steps", reader.steps), ("times", reader.times_ps)):
        if values is not None and len(frames) > 2:
            clock = values[frames].astype(np.float64)
            gaps = np.diff(clock)
            usual = np.median(gaps)
            allowed = _INTERVAL_TOLERANCE * usual + 2 * _resolution(values)
            uneven = np.flatnonzero(np.abs(gaps - usual) > allowed)
            if len(uneven):
                first = int(uneven[0])
                raise InputError(
                    f"{reader.name}: {unit} {clock[first]:.9g} and {clock[first + 1]:.9g} of "
                    f"frames {first} and {first + 1} are not {usual:g} apart like others; give "
                    "frames at one interval"
                )
    times = reader.times_ps
    # a file can be full of zeros for times
    if times is not None and times[frames[-1]] > times[frames[0]]:
        n_intervals = len(frames) - 1
        told = (float(times[frames[-1]]) - float(times[frames[0]])) / n_intervals
        allowed = _INTERVAL_TOLERANCE * told + 2 * _resolution(times) / n_intervals
    elif reader.interval_ps is not None:
        told = reader.interval_ps
        allowed = _INTERVAL_TOLERANCE * told
    elif given is not None:
        return float(given)
    else:
        raise InputError(
            f"{reader.name}: does not state the time between frames; give frame_interval_ps"
        )
    if given is not None and abs(given - told) > allowed:
        raise InputError(
            f"frame_interval_ps = {given:g}: {reader.name} says {told:g}; leave it out, or "
            "correct it"
        )
    return float(given) if given is not None else told


def _resolution(times: NDArray[Any]) -> float:
    """Return how far apart times can be told in the precision that they were written in."""
    if not np.issubdtype(times.dtype, np.floating):
        return 0.0
    return float(np.spacing(np.abs(times).max()))


def mean_cell(reader: Reader, frames: IntArray) -> tuple[FloatArray, float | None]:
    """Return the mean cell [3, 3], Å, and the relative spread of its volume if it changes."""
    if reader.cells is not None:
        cells = reader.cells[frames]
    else:
        # a few frames suffice to reveal a barostat
        few = np.unique(np.linspace(0, len(frames) - 1, 5).astype(int))
        cells = reader.read(frames[few])[1]
        if not _same_cells(cells):
            parts = np.array_split(frames, -(-len(frames) // BLOCK_FRAMES))
            cells = np.concatenate([reader.read(part)[1] for part in parts])
    volumes = np.abs(np.linalg.det(cells))
    if not np.all(volumes > 1e-3):
        number = frames[int(np.argmin(np.nan_to_num(volumes)))] if len(cells) > 5 else 0
        raise InputError(
            f"{reader.name}: frame {number}: its cell has no volume; give frames with a cell, "
            "or a topology that has it"
        )
    if _same_cells(cells):
        return cells[0].copy(), None
    return cells.mean(axis=0), float(volumes.std() / volumes.mean())


def _same_cells(cells: FloatArray) -> bool:
    scale = np.abs(cells[0]).max()
    return bool(np.all(np.abs(cells - cells[0]) <= _CONSTANT_CELL * scale))
