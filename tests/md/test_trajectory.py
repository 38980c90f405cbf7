import shutil
import struct
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest

from llzo_helpers.errors import InputError
from llzo_helpers.files import read_record, sha256, write_json
from llzo_helpers.md.dcd import dcd_bytes
from llzo_helpers.md.folder import read_thermo
from llzo_helpers.md.trajectory import Trajectory


def test_frames_follow_on_over_the_segments(finished_run: Path):
    """MDAnalysis's own reader of several files, as an independent reading."""
    trajectory = Trajectory(finished_run)
    files = sorted(map(str, finished_run.glob("segment_*/frames.dcd")))
    universe = MDAnalysis.Universe.empty(186, trajectory=False)
    universe.load_new(files)
    theirs = np.array([frame.positions for frame in universe.trajectory])
    assert np.array_equal(trajectory.positions(), theirs)
    assert len(trajectory) == 40
    assert trajectory.times_ps[[0, -1]] == pytest.approx([0.01, 0.4])
    # the fastest ion moves half an ångström in 10 fs, also across the borders of segments
    assert np.abs(np.diff(theirs, axis=0)).max() < 0.6


def test_a_run_s_own_long_steps_are_real(tmp_path: Path, finished_run: Path):
    """In a small cell at 6000 K, lithium crosses half of it within 0.2 ps."""
    run_copy = Path(shutil.copytree(finished_run, tmp_path / "run"))
    before = Trajectory(run_copy).positions()
    step = 0.55 * Trajectory(run_copy).cell[0, 0]
    segment = sorted(run_copy.glob("segment_*/frames.dcd"))[-1].parent
    record = read_record(segment / "segment.json", {"sha256": dict, "n_frames": int})
    frames = segment / "frames.dcd"
    content = bytearray(frames.read_bytes())
    header, one = dcd_bytes(0, 186), dcd_bytes(1, 186) - dcd_bytes(0, 186)
    for frame in range(record["n_frames"]):
        # after the cell's record, x of all atoms
        at = header + frame * one + 56 + 4
        (x,) = struct.unpack_from("<f", content, at)
        struct.pack_into("<f", content, at, x + step)
    frames.write_bytes(content)
    record["sha256"]["frames.dcd"] = sha256(frames)
    write_json(segment / "segment.json", record)
    moved = Trajectory(run_copy).positions() - before
    assert moved[-record["n_frames"] :, 0, 0] == pytest.approx(step, abs=1e-4)
    assert np.count_nonzero(moved) == record["n_frames"]


def test_lithium_alone_is_the_same_lithium(finished_run: Path):
    trajectory = Trajectory(finished_run)
    lithium = trajectory.atoms("Li")
    assert len(lithium) == 50
    assert np.array_equal(trajectory.positions(lithium), trajectory.positions()[:, lithium])


@pytest.mark.parametrize("frames", [1, 3, 7, 1000])
def test_pieces_of_any_size_are_the_whole(finished_run: Path, frames: int):
    trajectory = Trajectory(finished_run)
    pieces = list(trajectory.chunks(frames))
    assert max(map(len, pieces)) <= frames
    assert np.array_equal(np.concatenate(pieces), trajectory.positions())


@pytest.mark.parametrize("at_most", [1, 2, 3, 7, 39, 40, 1000])
def test_some_frames_of_many_are_evenly_spaced_from_the_first_to_the_last(
    finished_run: Path, at_most: int
):
    """Over the borders of segments, which hold unequal numbers of frames."""
    trajectory = Trajectory(finished_run)
    indices = trajectory.thinned_indices(at_most)
    assert len(indices) == min(at_most, len(trajectory))
    assert indices[0] == 0
    if at_most > 1:
        assert indices[-1] == len(trajectory) - 1
        assert np.ptp(np.diff(indices)) <= 1
    assert np.array_equal(trajectory.thinned(at_most), trajectory.positions()[indices])


def test_lithium_relative_to_the_framework(finished_run: Path):
    trajectory = Trajectory(finished_run)
    positions = trajectory.positions().astype(float)
    masses = {"La": 138.90547, "Zr": 91.224, "O": 15.999}
    weights = np.array([masses.get(symbol, 0.0) for symbol in trajectory.symbols])
    drift = np.einsum("fac,a->fc", positions - positions[0], weights / weights.sum())
    expected = positions[:, trajectory.symbols == "Li"] - drift[:, None]
    assert trajectory.relative_to_framework() == pytest.approx(expected, abs=1e-4)


def test_thermo_has_a_row_for_each_frame(finished_run: Path):
    thermo = read_thermo(finished_run)
    assert thermo["step"].to_list() == list(range(110, 501, 10))
    assert len(read_thermo(finished_run, None)) == 50


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="nope: not found; give the folder of a run"):
        Trajectory(tmp_path / "nope")


def test_a_folder_without_frames_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no production frames yet; run notebook 02 first"):
        Trajectory(tmp_path)
