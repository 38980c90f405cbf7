"""A molecular dynamics run as a chain of segments.

Each segment is one LAMMPS process that starts from the restart file of the previous segment, works
in a folder `segment_NNNN.part`, and counts from the moment this folder is renamed to
`segment_NNNN`. So whatever kills a run, and whenever, the next start resumes from the last complete
segment and computes the very same frames.

    run.json            what the run is: parameters and the SHA-256 of its inputs
    in.lmp              the LAMMPS script; can also be run by hand
    structure.lmp       where it starts
    potential/          a copy of the potential
    segment_0000/       thermo.csv, log.lammps, end.restart, segment.json; frames.dcd if kept
    lock                see `llzo_helpers.md.lock`

A run goes through the stages of a schedule: equilibration, production and jump run at one
temperature (`run_md`), or any sequence of constant temperatures and ramps (`run_schedule`).
"""

import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llzo_helpers import slurm
from llzo_helpers.arguments import check_number, check_whole, checked_path
from llzo_helpers.errors import InputError, OutOfTimeError, SimulationError, clipped
from llzo_helpers.files import flush_to_disk, make_folder, sha256, write_json
from llzo_helpers.md import STOPPED_FRAME, launch
from llzo_helpers.md.dcd import dcd_bytes, erase_creation_time
from llzo_helpers.md.folder import (
    check_completed,
    completed_segments,
    last_step,
    prepare,
    read_run,
    summarise,
)
from llzo_helpers.md.lock import locked
from llzo_helpers.md.segments import Segment, Stage, nvt_schedule, plan_segments, segment_name
from llzo_helpers.md.settings import ChainSettings, MDSettings
from llzo_helpers.potentials import Potential
from llzo_helpers.structures import read_structure

_LARGEST_SEED = 2**31 - 1
"""Of LAMMPS."""


@dataclass(frozen=True)
class Progress:
    """How far a run has got."""

    steps_done: int
    steps_total: int
    steps_per_second: float
    """Of the current process; 0 before the first steps."""

    @property
    def seconds_left(self) -> float | None:
        """Estimated time left; None while there is nothing to base it on."""
        if self.steps_per_second == 0:
            return None
        return (self.steps_total - self.steps_done) / self.steps_per_second


def run_md(
    directory: Path,
    *,
    structure: Path,
    potential: Potential,
    temperature_K: float,
    seed: int,
    settings: MDSettings,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Run molecular dynamics at constant volume and temperature, or resume where it stopped.

    Parameters
    ----------
    directory
        The run's folder; created if missing.
    structure
        Folder of the structure (notebook 01).
    potential
        The interatomic potential.
    temperature_K
        Of the Nosé-Hoover thermostat and of the initial velocities.
    seed
        Of the initial velocities.
    settings
        Time step, durations, launcher.
    on_progress
        Called about twice per second.

    Returns
    -------
    dict
        Summary of the whole run, also written to `summary.json`.

    Raises
    ------
    InputError
        If the input is wrong, the folder belongs to a run with other parameters, its files are
        damaged, or another process is working in it.
    SimulationError
        If LAMMPS fails: its own message and the path of its log.
    OutOfTimeError
        If this is a Slurm job too close to its time limit for the next segment.
    """
    check_number("temperature_K", temperature_K, "a temperature", low=1, high=10_000)
    for name, value, kind in (
        ("potential", potential, Potential),
        ("settings", settings, MDSettings),
    ):
        if not isinstance(value, kind):
            raise InputError(f"{name}: {clipped(value)}; give a {kind.__name__}")
    # production_ps does not define a run: a longer one continues a shorter one
    identity = {"temperature_K": temperature_K, "equilibration_ps": settings.equilibration_ps}
    schedule = nvt_schedule(temperature_K, settings)
    return _run(directory, structure, potential, schedule, seed, settings, identity, on_progress)


def run_schedule(
    directory: Path,
    *,
    structure: Path,
    potential: Potential,
    schedule: Sequence[Stage],
    seed: int,
    settings: ChainSettings,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Run molecular dynamics at constant volume through stages, or resume where it stopped.

    Parameters
    ----------
    directory, structure, potential
        As for `run_md`.
    schedule
        The stages in order; initial velocities correspond to `start_K` of the first.
    seed, settings, on_progress
        As for `run_md`.

    Returns
    -------
    dict
        Summary of the whole run, also written to `summary.json`.

    Raises
    ------
    InputError, SimulationError, OutOfTimeError
        As for `run_md`.
    """
    identity = {"schedule": [asdict(stage) for stage in schedule]}
    return _run(directory, structure, potential, schedule, seed, settings, identity, on_progress)


def _run(
    directory: Path,
    structure: Path,
    potential: Potential,
    schedule: Sequence[Stage],
    seed: int,
    settings: ChainSettings,
    identity: dict[str, Any],
    on_progress: Callable[[Progress], None],
) -> dict[str, Any]:
    directory = checked_path("directory", directory)
    structure = checked_path("structure", structure)
    check_whole("seed", seed, "a seed", low=1, high=_LARGEST_SEED)
    end_of_job = _end_of_job()
    lmp = launch.find_lammps()
    launch.require_capabilities(lmp, settings, potential)
    potential.require_elements(read_structure(structure).get_chemical_symbols())
    make_folder(directory)
    segments = plan_segments(schedule, settings)
    with locked(directory) as lock:
        prepare(directory, structure, potential, segments[0], seed, settings, identity)
        done = check_completed(directory, segments)
        _require_disk_space(directory, segments[done:])
        meter = _Meter(segments[-1].last_step, on_progress)
        for segment in segments[done:]:
            _require_time(directory, segment, end_of_job, resumed_at=segments[done])
            try:
                _run_segment(directory, segment, settings, potential, lmp, lock, meter)
            except OSError as error:
                raise SimulationError(
                    f"{directory / segment.name}.part: {error.strerror}; fix that and start again: "
                    "complete segments are safe"
                ) from error
        meter.report(segments[-1].last_step)
        return summarise(directory)


def _require_disk_space(directory: Path, segments: list[Segment]) -> None:
    """Raise InputError if the frames to come do not fit on the disk."""
    n_atoms = read_run(directory)["structure"]["n_atoms"]
    needed = sum(_frames_bytes(segment, n_atoms) for segment in segments)
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise InputError(
            f"{directory}: disk: {needed / 1e6:.1f} MB are needed for frames, {free / 1e6:.1f} MB "
            "are free; free some space, or raise frame_interval_fs"
        )


def _end_of_job() -> float:
    """Return when this process's Slurm job must end, on the monotonic clock."""
    left = slurm.seconds_left()
    return math.inf if left is None else time.monotonic() + left


def _require_time(
    directory: Path, segment: Segment, end_of_job: float, *, resumed_at: Segment
) -> None:
    """Stop before a segment that would be cut off by the time limit of the Slurm job."""
    left = end_of_job - time.monotonic()
    records = completed_segments(directory)
    if not records or left == math.inf:
        return
    last = records[-1]
    seconds_per_step = last["wall_seconds"] / (last["last_step"] - last["first_step"])
    needed = 1.2 * seconds_per_step * (segment.last_step - segment.first_step) + 10
    if needed < left:
        return
    shortage = (
        f"{directory / segment.name}: needs about {needed / 60:.1f} minutes, the Slurm job has "
        f"{left / 60:.1f} left"
    )
    if segment == resumed_at:
        # the next job would get no further, so it is not worth starting
        raise SimulationError(
            f"{shortage}; raise runtime in workflow/profiles/slurm/config.yaml, or, in a new run, "
            "lower segment_ps"
        )
    slurm.requeue()
    raise OutOfTimeError(f"{shortage}; start again to resume from the last segment")


def _frames_bytes(segment: Segment, n_atoms: int) -> int:
    return dcd_bytes(segment.n_frames, n_atoms) if segment.frame_steps else 0


class _Meter:
    """Reports how far a run has got and how fast it is going."""

    def __init__(self, total: int, on_progress: Callable[[Progress], None]) -> None:
        self._total = total
        self._on_progress = on_progress
        self._began: tuple[float, int] | None = None

    def report(self, step: int) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began = (now, step)
        elapsed, steps = now - self._began[0], step - self._began[1]
        speed = steps / elapsed if steps > 0 else 0.0
        self._on_progress(Progress(step, self._total, speed))


def _run_segment(
    directory: Path,
    segment: Segment,
    settings: ChainSettings,
    potential: Potential,
    lmp: Path,
    lock: int,
    meter: _Meter,
) -> None:
    """Compute one segment in its `.part` folder and put it in place with a single rename."""
    part = directory / f"{segment.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    if segment.index == 0:
        first, start = "yes", "../structure.lmp"
    else:
        first, start = "no", f"../{segment_name(segment.index - 1)}/end.restart"
    variables = {
        "first": first,
        "start": start,
        "potential": "../potential",
        "temperature": f"{segment.start_K:.10g}",
        "end_temperature": f"{segment.end_K:.10g}",
        "last_step": str(segment.last_step),
        "keep_frames": "yes" if segment.frame_steps else "no",
        "frame_steps": str(segment.frame_steps or settings.frame_steps),
        "thermo_steps": str(segment.frame_steps or settings.frame_steps),
    }
    words = [*launch.command(lmp, settings, potential), "-in", "../in.lmp", "-log", "log.lammps"]
    words += ["-screen", "none"]
    for name, value in variables.items():
        words += ["-var", name, value]
    began = time.monotonic()
    with terminated(launch.start(words, part, lock)) as process:
        while True:
            meter.report(last_step(part / "thermo.csv") or segment.first_step)
            try:
                code = process.wait(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                continue
    if code != 0:
        for frame in part.glob(STOPPED_FRAME):
            shutil.copy(frame, directory)
        raise SimulationError(failure(part, code))
    launcher = launch.launcher_of(lmp, settings, potential)
    _check_segment(directory, part, segment, settings.processes if launcher == "mpi" else 1)
    kept = [part / "end.restart", part / "thermo.csv", *part.glob("frames.dcd")]
    record = {
        **asdict(segment),
        "n_frames": segment.n_frames,
        "wall_seconds": round(time.monotonic() - began, 3),
        "lammps": launch.lammps_version(lmp),
        "launcher": launcher,
        "processes": settings.processes,
        "sha256": {path.name: sha256(path) for path in kept},
    }
    write_json(part / "segment.json", record)
    for path in part.iterdir():
        flush_to_disk(path)
    part.rename(directory / segment.name)
    flush_to_disk(directory)


@contextmanager
def terminated(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Terminate the process when the block is interrupted."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def failure(part: Path, code: int) -> str:
    """State in one line why LAMMPS failed, in its own words."""
    for name in ("log.lammps", "stderr.txt"):
        path = part / name
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        if errors := re.findall(r"^.*ERROR.*$", text, re.MULTILINE):
            return f"LAMMPS: {errors[-1].strip()} (log: {path})"
        if name == "stderr.txt" and text.strip():
            return f"LAMMPS: {' '.join(text.split())[:300]} (log: {part / 'log.lammps'})"
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
    return f"LAMMPS {ended}; start again to resume from the last segment (log: {part}/log.lammps)"


def _check_segment(directory: Path, part: Path, segment: Segment, wanted: int) -> None:
    """Raise SimulationError if a segment is incomplete, or not by the `wanted` MPI ranks."""
    log = (part / "log.lammps").read_text(encoding="utf-8")
    grid = re.search(r"(\d+) by (\d+) by (\d+) MPI processor grid", log)
    ranks = int(grid[1]) * int(grid[2]) * int(grid[3]) if grid else 0
    if ranks != wanted:
        raise SimulationError(
            f"LAMMPS ran on {ranks} MPI ranks instead of {wanted}: mpiexec does not belong to "
            f"its MPI; set {launch.MPIEXEC_VARIABLE} (log: {part / 'log.lammps'})"
        )
    if last_step(part / "thermo.csv") != segment.last_step:
        raise SimulationError(f"{part / 'thermo.csv'}: cut short; is the disk full?")
    if segment.frame_steps:
        frames = part / "frames.dcd"
        n_atoms = read_run(directory)["structure"]["n_atoms"]
        expected = _frames_bytes(segment, n_atoms)
        if frames.stat().st_size != expected:
            raise SimulationError(
                f"{frames}: {frames.stat().st_size} bytes instead of {expected}; is the disk full?"
            )
        erase_creation_time(frames)
