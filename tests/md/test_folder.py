"""What is read of a run is what was written, or is refused in one line that names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from llzo_helpers.errors import InputError
from llzo_helpers.files import read_json, write_json
from llzo_helpers.md.folder import completed_segments, read_start, read_thermo
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.structures import read_structure


@pytest.fixture
def run(tmp_path: Path, finished_run: Path) -> Path:
    """A copy of a finished run, to be spoilt."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def edit(path: Path, **changes: object) -> None:
    """Change keys of a JSON file and seal it anew."""
    write_json(path, read_json(path) | changes)


def cut(path: Path, at: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(at * len(data))])


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def rescale_time(run: Path) -> None:
    inputs = read_json(run / "run.json")["inputs"]
    edit(run / "run.json", inputs=inputs | {"timestep_fs": 10.0})


def nan_into_frames(run: Path) -> None:
    path = run / "segment_0002" / "frames.dcd"
    data = bytearray(path.read_bytes())
    data[1000:1004] = np.float32(np.nan).tobytes()
    path.write_bytes(data)


def seal_gone(run: Path) -> None:
    path = run / "segment_0002" / "segment.json"
    content = json.loads(path.read_text())
    del content["seal"]
    path.write_text(json.dumps(content))


def sealed_digit(run: Path) -> None:
    path = run / "segment_0001" / "segment.json"
    path.write_text(path.read_text().replace('"stage": "production"', '"stage": "jumps"'))


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "middle record gone": (lambda r: (r / "segment_0002/segment.json").unlink(), "segment.json"),
    "middle segment gone": (lambda r: shutil.rmtree(r / "segment_0002"), "segment_0002: not found"),
    "last segment gone": (lambda r: shutil.rmtree(r / "segment_0004"), "summary.json: records"),
    "last record gone": (lambda r: (r / "segment_0004/segment.json").unlink(), "segment.json"),
    "a byte of the frames": (lambda r: flip(r / "segment_0002/frames.dcd", 1001), "frames.dcd"),
    "NaN in the frames": (nan_into_frames, "frames.dcd: changed since"),
    "header of the frames": (lambda r: flip(r / "segment_0002/frames.dcd", 8), "frames.dcd"),
    "frames gone": (lambda r: (r / "segment_0002/frames.dcd").unlink(), "frames.dcd"),
    "time step": (rescale_time, "run.json: timestep_fs = 10.0: changed since the run began"),
    "script": (lambda r: flip(r / "in.lmp", 100), "in.lmp: changed since the run began"),
    "seal gone": (seal_gone, "segment.json: changed since it was written"),
    "sealed stage": (sealed_digit, "segment.json: changed since it was written"),
    "number of frames": (
        lambda r: edit(r / "segment_0002/segment.json", n_frames=5),
        "segment.json: does not continue",
    ),
    "index": (lambda r: edit(r / "segment_0002/segment.json", index=7), "does not continue"),
    "no number": (
        lambda r: edit(r / "segment_0002/segment.json", last_step="x"),
        "last_step = 'x'",
    ),
    "no record": (lambda r: (r / "segment_0002/segment.json").write_text("[1]"), "segment.json"),
    "cut record": (lambda r: cut(r / "segment_0002/segment.json", 0.5), "not valid JSON"),
    "deep record": (
        lambda r: (r / "segment_0002/segment.json").write_text("[" * 100_000),
        "not valid JSON",
    ),
    "cut structure": (lambda r: cut(r / "structure.lmp", 0.5), "structure.lmp: changed since"),
    "run gone": (lambda r: (r / "run.json").unlink(), "run.json: not found"),
    "cut summary": (lambda r: cut(r / "summary.json", 0.3), "summary.json: not valid JSON"),
    "cut table": (lambda r: cut(r / "segment_0002/thermo.csv", 0.6), "thermo.csv: changed since"),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILT.values(), ids=SPOILT)
def test_a_changed_run_is_not_believed(run: Path, spoil, words: str):
    spoil(run)
    with pytest.raises(InputError) as error:
        Trajectory(run).positions()
        read_thermo(run, None)
    message = str(error.value)
    assert words in message
    assert "\n" not in message
    assert len(message) < 300


def test_an_unchanged_run_is(run: Path, finished_run: Path):
    assert np.array_equal(Trajectory(run).positions(), Trajectory(finished_run).positions())
    assert read_thermo(run).equals(read_thermo(finished_run))


def test_no_production_yet(run: Path):
    (run / "summary.json").unlink()
    for folder in run.glob("segment_000[1-9]"):
        shutil.rmtree(folder)
    with pytest.raises(InputError, match="no production yet; run notebook 02 first"):
        read_thermo(run)


def test_structures_that_are_none(run: Path):
    (run / "run.json").unlink()
    (run / "structure.lmp").write_text("nonsense\n")
    with pytest.raises(InputError, match=r"structure\.lmp: not LAMMPS data"):
        read_start(run)


def test_a_structure_that_was_edited(structure: Path, tmp_path: Path):
    copy = Path(shutil.copytree(structure, tmp_path / "structure"))
    flip(copy / "structure.extxyz", 400)
    with pytest.raises(InputError, match=r"structure\.extxyz: changed since it was written"):
        read_structure(copy)


def test_segments_after_the_ten_thousandth_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # waiting for the disk, 10,000 times
    monkeypatch.setattr("llzo_helpers.files.flush_to_disk", lambda path: None)
    record = {"stage": "production", "start_K": 1, "end_K": 1, "frame_steps": 1, "n_frames": 1}
    record |= {"wall_seconds": 1.0, "lammps": "x", "sha256": {}}
    for index in range(10_003):
        folder = tmp_path / f"segment_{index:04d}"
        folder.mkdir()
        steps = {"index": index, "first_step": index, "last_step": index + 1}
        write_json(folder / "segment.json", record | steps)
    assert [r["index"] for r in completed_segments(tmp_path)] == list(range(10_003))


def test_a_seal_tells_of_any_change(tmp_path: Path):
    path = tmp_path / "x.json"
    content = {"a": 1.5, "b": {"c": [1, None, "Å"]}}
    write_json(path, content)
    assert read_json(path) == content
    path.write_text(path.read_text().replace("1.5", "1.6"))
    with pytest.raises(InputError, match=r"x\.json: changed since it was written"):
        read_json(path)
