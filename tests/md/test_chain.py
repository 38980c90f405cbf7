"""The chain of segments, with real LAMMPS; kills are real, too (SIGKILL)."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import ase
import numpy as np
import pytest
from short_run import SHORT

from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.files import sha256
from llzo_helpers.md.chain import Progress, run_md, run_schedule
from llzo_helpers.md.folder import completed_segments, read_thermo, run_progress
from llzo_helpers.md.launch import environment, find_lammps, require_capabilities
from llzo_helpers.md.lock import locked
from llzo_helpers.md.segments import Stage
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.potentials import Potential, load_potential


@pytest.fixture
def arguments(structure: Path, potential: Potential) -> dict:
    return {
        "structure": structure,
        "potential": potential,
        "temperature_K": 1100,
        "seed": 7,
        "settings": SHORT,
    }


def frames_of(directory: Path) -> list[str]:
    return [sha256(path) for path in sorted(directory.glob("segment_*/frames.dcd"))]


@pytest.fixture
def run_copy(tmp_path: Path, finished_run: Path) -> Path:
    """A copy of a finished run, to be damaged."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_a_finished_run_is_recognised_and_not_repeated(finished_run: Path, arguments):
    before = {path: path.stat().st_mtime_ns for path in finished_run.rglob("frames.dcd")}
    summary = run_md(finished_run, **arguments)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert summary["n_frames"] == 40
    assert summary["steps"] == 500
    assert not list(finished_run.glob("*.part"))


def test_temperature_and_conserved_quantity(tmp_path: Path, arguments):
    settings = MDSettings(equilibration_ps=1, production_ps=3, segment_ps=2, frame_interval_fs=20)
    run_md(tmp_path / "run", **{**arguments, "settings": settings})
    thermo = read_thermo(tmp_path / "run")
    n_atoms = 186
    # canonical fluctuation of the temperature of N atoms; samples are correlated over ~0.1 ps
    spread = 1100 * np.sqrt(2 / (3 * n_atoms))
    assert abs(thermo["temperature_K"].mean() - 1100) < 4 * spread / np.sqrt(30)
    assert np.ptp(thermo["conserved_energy_eV"]) / n_atoms < 1e-3
    assert thermo["step"].is_monotonic_increasing
    assert len(thermo) == len(Trajectory(tmp_path / "run")) == 150


def test_no_net_momentum(finished_run: Path):
    """The centre of mass of all atoms must stay where it is, to single precision."""
    trajectory = Trajectory(finished_run)
    masses = ase.Atoms(trajectory.symbols).get_masses()
    centre = np.average(trajectory.positions(), axis=1, weights=masses)
    assert np.abs(centre - centre[0]).max() < 1e-4


def test_the_script_runs_by_hand(finished_run: Path, tmp_path: Path):
    """A LAMMPS user's own call of in.lmp gives the same first segment."""
    for name in ("in.lmp", "structure.lmp"):
        shutil.copy(finished_run / name, tmp_path)
    shutil.copytree(finished_run / "potential", tmp_path / "potential")
    command = [find_lammps(), "-in", "in.lmp", "-screen", "none"]
    subprocess.run(command, cwd=tmp_path, env=environment(), check=True)
    by_hand = tmp_path / "end.restart"
    assert sha256(by_hand) == sha256(finished_run / "segment_0000" / "end.restart")


CHILD = """
import json, os, pathlib, signal, sys
from llzo_helpers.md.chain import run_md
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.potentials import load_potential

spec = json.loads(sys.argv[1])
rename = pathlib.Path.rename

def deadly_rename(self, target):
    # the rename of a segment is where kills are most delicate: die just before or just after
    if str(self).endswith(".part") and spec["kill"] == "before rename":
        os.kill(os.getpid(), signal.SIGKILL)
    result = rename(self, target)
    if str(self).endswith(".part") and spec["kill"] == "after rename":
        os.kill(os.getpid(), signal.SIGKILL)
    return result

pathlib.Path.rename = deadly_rename
run_md(
    pathlib.Path(spec["directory"]),
    structure=pathlib.Path(spec["structure"]),
    potential=load_potential("bush1994_woodley1999"),
    temperature_K=1100,
    seed=7,
    settings=MDSettings(**spec["settings"]),
)
"""


def start_child(directory: Path, structure: Path, kill: str) -> subprocess.Popen[bytes]:
    spec = {
        "directory": str(directory),
        "structure": str(structure),
        "settings": SHORT.model_dump(),
        "kill": kill,
    }
    return subprocess.Popen([sys.executable, "-c", CHILD, json.dumps(spec)])


@pytest.mark.slow
def test_a_run_killed_ten_times_ends_with_the_same_frames(
    tmp_path: Path, structure: Path, finished_run: Path, arguments
):
    directory = tmp_path / "run"
    kinds = ["middle", "before rename", "middle", "before rename", "after rename"] * 3
    rng = random.Random(1)
    kills = 0
    for kill in kinds:
        began = time.time()
        child = start_child(directory, structure, kill)
        if kill == "middle":
            # wait until LAMMPS works on a segment, then a random while
            while child.poll() is None and not any(
                log.stat().st_mtime > began for log in directory.glob("*.part/log.lammps")
            ):
                assert time.time() < began + 60
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.2))
            child.kill()
        kills += child.wait() == -signal.SIGKILL
        wait_until_unlocked(directory)
    run_md(directory, **arguments)
    assert kills >= 10
    assert frames_of(directory) == frames_of(finished_run)
    assert not list(directory.glob("*.part"))
    assert np.array_equal(Trajectory(directory).positions(), Trajectory(finished_run).positions())


def wait_until_unlocked(directory: Path) -> None:
    """LAMMPS dies with its parent, within moments."""
    deadline = time.monotonic() + 5
    while True:
        try:
            with locked(directory):
                return
        except InputError:
            assert time.monotonic() < deadline, "LAMMPS outlived its parent"
            time.sleep(0.02)


def test_a_second_process_is_kept_out(run_copy: Path, arguments):
    with (
        locked(run_copy),
        pytest.raises(InputError, match=f"locked by process {os.getpid()} on"),
    ):
        run_md(run_copy, **arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature_K": 1000}, "temperature_K: the folder holds a run with 1100, not 1000"),
        ({"seed": 8}, "seed: the folder holds a run with 7, not 8"),
        (
            {"settings": SHORT.model_copy(update={"timestep_fs": 0.5})},
            "timestep_fs: the folder holds a run with 1.0, not 0.5",
        ),
        (
            {"settings": SHORT.model_copy(update={"production_ps": 0.2})},
            "holds 5 segments, more than the 3 that production_ps asks for",
        ),
        (
            {"potential": load_potential("wang2014")},
            "potential: the folder holds a run with bush1994_woodley1999, not wang2014",
        ),
    ],
)
def test_a_run_with_other_parameters_is_refused(run_copy: Path, arguments, change, message):
    before = frames_of(run_copy)
    with pytest.raises(InputError, match=message):
        run_md(run_copy, **{**arguments, **change})
    assert frames_of(run_copy) == before


def test_a_longer_production_goes_on_from_the_shorter(run_copy: Path, finished_run, arguments):
    longer = SHORT.model_copy(update={"production_ps": 0.5})
    summary = run_md(run_copy, **{**arguments, "settings": longer})
    assert summary["n_frames"] == 50
    assert frames_of(run_copy)[:4] == frames_of(finished_run)


def test_a_changed_script_is_refused(run_copy: Path, arguments):
    script = run_copy / "in.lmp"
    script.write_text(script.read_text().replace("0.1 ", "0.2 "))
    with pytest.raises(InputError, match=r"in\.lmp: changed since the run began"):
        run_md(run_copy, **arguments)


def test_a_corrupt_restart_is_refused(run_copy: Path, arguments):
    last = completed_segments(run_copy)[-2]
    shutil.rmtree(run_copy / f"segment_{last['index'] + 1:04d}")
    restart = run_copy / f"segment_{last['index']:04d}" / "end.restart"
    content = bytearray(restart.read_bytes())
    content[len(content) // 2] ^= 1
    restart.write_bytes(content)
    with pytest.raises(InputError, match=r"end\.restart: damaged .* delete the folder"):
        run_md(run_copy, **arguments)
    assert not list(run_copy.glob("*.part"))


def test_a_truncated_trajectory_is_refused(run_copy: Path):
    frames = sorted(run_copy.glob("segment_*/frames.dcd"))[1]
    frames.write_bytes(frames.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"frames\.dcd: \d+ bytes instead of \d+: cut short"):
        Trajectory(run_copy)


def test_lammps_errors_come_in_its_own_words(tmp_path: Path, arguments):
    directory = tmp_path / "potentials" / "broken"
    shutil.copytree(arguments["potential"].directory, directory)
    script = directory / "potential.lmp"
    script.write_text(script.read_text().replace("426.480", "much"))
    potential = load_potential("broken", tmp_path / "potentials")
    with pytest.raises(SimulationError, match=r"ERROR: Expected floating point .*log\.lammps\)"):
        run_md(tmp_path / "run", **{**arguments, "potential": potential})
    assert not list((tmp_path / "run").glob("segment_????"))


def test_lost_atoms_are_an_error(tmp_path: Path, arguments):
    """A time step far too long blows the crystal up."""
    settings = SHORT.model_copy(update={"timestep_fs": 10.0})
    with pytest.raises(SimulationError, match=r"LAMMPS: ERROR.*log: "):
        run_md(tmp_path / "run", **{**arguments, "temperature_K": 9000, "settings": settings})


def test_a_potential_without_an_element_of_the_structure(tmp_path: Path, arguments):
    directory = tmp_path / "potentials" / "partial"
    shutil.copytree(arguments["potential"].directory, directory)
    description = directory / "potential.yaml"
    description.write_text(description.read_text().replace("[Li, La, Zr, O]", "[Li, La, O]"))
    potential = load_potential("partial", tmp_path / "potentials")
    with pytest.raises(InputError, match=r"the structure also holds Zr"):
        run_md(tmp_path / "run", **{**arguments, "potential": potential})
    assert not (tmp_path / "run").exists()


def test_a_missing_lammps_is_said_before_the_start(tmp_path: Path, arguments, monkeypatch):
    monkeypatch.setenv("LLZO_LMP", str(tmp_path / "lmp"))
    with pytest.raises(InputError, match=r"lmp: no LAMMPS at .*; run 'make setup'"):
        run_md(tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("launcher", "package"), [("gpu", "GPU"), ("kokkos", "KOKKOS")])
def test_what_this_lammps_lacks_is_said_by_name(tmp_path: Path, arguments, launcher, package):
    settings = SHORT.model_copy(update={"launcher": launcher})
    with pytest.raises(InputError, match=f"built without package {package}"):
        run_md(tmp_path / "run", **{**arguments, "settings": settings})


def test_a_style_that_lammps_lacks_is_said_by_name(tmp_path: Path, arguments):
    directory = tmp_path / "potentials" / "network"
    shutil.copytree(arguments["potential"].directory, directory)
    (directory / "potential.lmp").write_text("pair_style hdnnp 6.0\n")
    potential = load_potential("network", tmp_path / "potentials")
    with pytest.raises(InputError, match=r"potential\.lmp: pair_style hdnnp: .* without it"):
        run_md(tmp_path / "run", **{**arguments, "potential": potential})


@pytest.mark.parametrize("launcher", ["auto", "openmp"])
def test_parallel_launchers_give_the_same_trajectory(
    tmp_path: Path, arguments, finished_run: Path, launcher
):
    settings = SHORT.model_copy(update={"launcher": launcher, "processes": 2})
    run_md(tmp_path / "run", **{**arguments, "settings": settings})
    log = (tmp_path / "run" / "segment_0000" / "log.lammps").read_text()
    assert ("1 by 1 by 2 MPI processor grid" in log) == (launcher == "auto")
    ours, serial = (Trajectory(d).positions()[:10] for d in (tmp_path / "run", finished_run))
    # another order of summation; chaos makes it grow, in 0.2 ps to no more than this
    assert np.abs(ours - serial).max() < 1e-3


def test_mpi_ranks_that_run_as_copies_are_noticed(tmp_path: Path, arguments, monkeypatch):
    """What an mpiexec of another MPI does: N serial runs."""
    fake = tmp_path / "mpiexec"
    fake.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("LLZO_MPIEXEC", str(fake))
    settings = SHORT.model_copy(update={"launcher": "mpi", "processes": 2})
    with pytest.raises(SimulationError, match="ran on 1 MPI ranks instead of 2"):
        run_md(tmp_path / "run", **{**arguments, "settings": settings})
    assert not list((tmp_path / "run").glob("segment_????"))


@pytest.mark.parametrize("launcher", ["auto", "mpi"])
def test_without_mpiexec_two_ranks_are_refused_before_work(launcher, potential, monkeypatch):
    monkeypatch.setenv("LLZO_MPIEXEC", "/nowhere/mpiexec")
    settings = SHORT.model_copy(update={"launcher": launcher, "processes": 2})
    with pytest.raises(InputError, match="mpiexec: not found at /nowhere/mpiexec"):
        require_capabilities(find_lammps(), settings, potential)


def test_progress_counts_up_to_the_end(tmp_path: Path, arguments):
    seen: list[Progress] = []
    run_md(tmp_path / "run", **arguments, on_progress=seen.append)
    steps = [progress.steps_done for progress in seen]
    assert steps == sorted(steps)
    assert (
        steps[-1]
        == seen[-1].steps_total
        == round(1000 * (SHORT.equilibration_ps + SHORT.production_ps))
    )
    assert seen[-1].seconds_left == 0
    assert run_progress(tmp_path / "run") == 500


def test_an_interrupted_run_ends_lammps_and_goes_on(tmp_path: Path, arguments, finished_run: Path):
    def interrupt(progress: Progress) -> None:
        if progress.steps_done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_md(tmp_path / "run", **arguments, on_progress=interrupt)
    with locked(tmp_path / "run"):
        pass
    run_md(tmp_path / "run", **arguments)
    assert frames_of(tmp_path / "run") == frames_of(finished_run)


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 600 kB; needs root."""
    mount = tmp_path / "disk"
    mount.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(options, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_too_little_disk_is_said_before_the_start(small_disk: Path, arguments):
    settings = SHORT.model_copy(update={"production_ps": 5.0})
    with pytest.raises(InputError, match=r"disk: 1\.2 MB are needed for frames, 0\.. MB are free"):
        run_md(small_disk / "run", **{**arguments, "settings": settings})
    assert not list((small_disk / "run").glob("segment*"))


def test_a_disk_that_fills_up_loses_nothing(small_disk: Path, arguments, finished_run: Path):
    """Another program takes the space that there was at the start."""
    hog = small_disk / "hog"

    def fill(progress: Progress) -> None:
        if progress.steps_done >= 200 and not hog.exists():
            with hog.open("wb") as file:
                try:
                    while True:
                        file.write(b"0" * 4096)
                        file.flush()
                except OSError:
                    pass

    with pytest.raises(SimulationError) as error:
        run_md(small_disk / "run", **arguments, on_progress=fill)
    assert hog.exists()
    assert "\n" not in str(error.value)
    hog.unlink()
    run_md(small_disk / "run", **arguments)
    assert frames_of(small_disk / "run") == frames_of(finished_run)


def test_a_missing_potential_is_refused_with_those_there():
    with pytest.raises(InputError, match="no potential 'missing'; available: bush"):
        load_potential("missing")


SCHEDULE = (
    Stage("cold", 0.2, 300, 300, 10.0),
    Stage("heating", 0.3, 300, 1500),
    Stage("hot", 0.2, 1500, 1500, 10.0),
)


@pytest.fixture(scope="module")
def scheduled_run(tmp_path_factory, structure: Path, potential: Potential) -> Path:
    """Folder of an undisturbed run through `SCHEDULE`; not to be changed."""
    directory = tmp_path_factory.mktemp("scheduled") / "run"
    run_schedule(
        directory,
        structure=structure,
        potential=potential,
        schedule=SCHEDULE,
        seed=7,
        settings=SHORT,
    )
    return directory


def test_a_schedule_is_followed(scheduled_run: Path):
    records = completed_segments(scheduled_run)
    assert [record["stage"] for record in records] == ["cold"] * 2 + ["heating"] * 3 + ["hot"] * 2
    targets = [record["start_K"] for record in records] + [records[-1]["end_K"]]
    assert targets == pytest.approx([300, 300, 300, 700, 1100, 1500, 1500, 1500])
    assert all(before["end_K"] == after["start_K"] for before, after in pairwise(records))
    heating = read_thermo(scheduled_run, stage="heating")
    assert len(heating) == 30
    conserved = read_thermo(scheduled_run, None)["conserved_energy_eV"]
    assert np.ptp(conserved[:20]) < 0.01 * 186
    assert heating["temperature_K"].iloc[-5:].mean() > heating["temperature_K"].iloc[:5].mean() + 50


def test_frames_of_a_stage(scheduled_run: Path):
    cold, hot = (Trajectory(scheduled_run, stage).positions() for stage in ("cold", "hot"))
    assert len(cold) == len(hot) == 20
    assert np.abs(np.diff(cold, axis=0)).max() < np.abs(np.diff(hot, axis=0)).max()
    with pytest.raises(InputError, match="no heating frames"):
        Trajectory(scheduled_run, "heating")


def test_an_interrupted_schedule_ends_with_the_same_frames(
    tmp_path: Path, scheduled_run: Path, arguments
):
    def interrupt(progress: Progress) -> None:
        if progress.steps_done > 350:
            raise KeyboardInterrupt

    del arguments["temperature_K"]
    arguments["schedule"] = SCHEDULE
    with pytest.raises(KeyboardInterrupt):
        run_schedule(tmp_path / "run", **arguments, on_progress=interrupt)
    run_schedule(tmp_path / "run", **arguments)
    assert frames_of(tmp_path / "run") == frames_of(scheduled_run)


def test_another_schedule_is_refused(scheduled_run: Path, arguments):
    del arguments["temperature_K"]
    with pytest.raises(InputError, match="schedule: the folder holds a run with another one"):
        run_schedule(scheduled_run, **arguments, schedule=SCHEDULE[:2])
