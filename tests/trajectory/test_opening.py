"""The order of frames, and the time between them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trajectory.writers import (
    ELEMENTS,
    INTERVAL_PS,
    MadeRun,
    dump,
    made_run,
    mdanalysis,
    ovito_xyz,
)

from llzo_helpers import Trajectory
from llzo_helpers.errors import InputError

TYPES: dict[str, Any] = {"elements": ELEMENTS, "frame_interval_ps": INTERVAL_PS}


@pytest.fixture(scope="module")
def run() -> MadeRun:
    return made_run(40)


def part(run: MadeRun, frames: slice) -> MadeRun:
    return MadeRun(run.positions[frames], run.symbols, run.cell)


def test_pieces_that_begin_anew_or_come_in_the_wrong_order(run, tmp_path):
    first = dump(tmp_path / "1.dump", run, range(20))
    second = dump(tmp_path / "2.dump", run, range(19, 40))
    reset = dump(tmp_path / "reset.dump", part(run, slice(19, 40)))
    assert len(Trajectory.read([first, second], **TYPES)) == 40
    with pytest.raises(InputError, match=r"reset.dump: steps begin at 0, those of .*1.dump at 0"):
        Trajectory.read([first, reset], **TYPES)
    with pytest.raises(InputError, match=r"1.dump: steps begin at 0, .* give the pieces in order"):
        Trajectory.read([second, first], **TYPES)


@pytest.mark.parametrize("name", ["r.xtc", "r.trr", "r.nc"])
def test_pieces_whose_times_begin_anew(name, run, tmp_path):
    pieces = [
        mdanalysis(tmp_path / f"{number}{name}", part(run, frames), wrap=True)
        for number, frames in enumerate((slice(20), slice(19, 40)))
    ]
    with pytest.raises(InputError, match=f"1{name}: times begin at 0, those of .*0{name} at 0"):
        Trajectory.read(pieces, elements=run.symbols)


def test_one_file_whose_steps_begin_anew(run, tmp_path):
    first = dump(tmp_path / "1.dump", run, range(20))
    reset = dump(tmp_path / "2.dump", part(run, slice(19, 40)))
    joined = tmp_path / "joined.dump"
    joined.write_bytes(first.read_bytes() + reset.read_bytes())
    with pytest.raises(InputError, match=r"joined.dump: frame 20: steps begin anew at 0"):
        Trajectory.read(joined, **TYPES)
    # LAMMPS writes a first frame twice where two runs begin at the same step
    once = dump(tmp_path / "once.dump", run, [0])
    joined.write_bytes(once.read_bytes() + first.read_bytes())
    assert len(Trajectory.read(joined, **TYPES)) == 20


def test_times_that_stand_still_tell_nothing(run, tmp_path):
    path = dump(tmp_path / "r.dump", run, columns="id element x y z")
    text = path.read_text().replace("ITEM: TIMESTEP", "ITEM: TIME\n0\nITEM: TIMESTEP")
    path.write_text("ITEM: UNITS\nmetal\n" + text)
    with pytest.raises(InputError, match="does not state the time between frames"):
        Trajectory.read(path)
    assert len(Trajectory.read(path, frame_interval_ps=INTERVAL_PS)) == 40


@pytest.mark.parametrize("given", ["0.2", True, np.nan, [0.2]])
def test_intervals_that_are_no_time(given, run):
    with pytest.raises(InputError, match=r"frame_interval_ps: .*; give the time between frames"):
        Trajectory.from_ase(run.images, frame_interval_ps=given)


def test_atoms_of_extended_xyz_are_sorted_by_their_ids(run, tmp_path):
    path: Path = ovito_xyz(tmp_path / "r.xyz", run)
    trajectory = Trajectory.read(path, frame_interval_ps=INTERVAL_PS)
    assert trajectory.symbols.tolist() == run.symbols
    positions = trajectory.positions()
    assert positions - positions[0] == pytest.approx(run.positions - run.positions[0], abs=1e-6)
    path.write_text(path.read_text().replace("\n96 F", "\n97 F", 1))
    with pytest.raises(InputError, match="frame 1: other ids than in frame 0"):
        Trajectory.read(path, frame_interval_ps=INTERVAL_PS).positions()
