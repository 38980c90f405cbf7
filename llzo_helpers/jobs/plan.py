"""Predict what a campaign will cost: `llzo plan CAMPAIGN`.

The speed of molecular dynamics is measured in a few seconds on this machine, for one cell with each
potential and one process, and taken to fall with the number of atoms (6 % too fast for 2x2x2 cells
with the classical potential); or it is given in steps per second, for another machine. A run on
several cores, be it by MPI or by threads, is taken to be as many times as fast, which is the best
case.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient
from llzo_helpers.campaign.archive import open_campaign
from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.campaign.tables import rounded
from llzo_helpers.errors import InputError, SimulationError, counted
from llzo_helpers.garnet import FORMULA_UNITS_PER_CELL, lithium_count
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.generate.melt_quench import schedules
from llzo_helpers.generate.settings import Glass, Structure
from llzo_helpers.jobs.cpus import require_cores
from llzo_helpers.jobs.progress import steps_of_glass, steps_of_run
from llzo_helpers.md.chain import run_md
from llzo_helpers.md.dcd import dcd_bytes
from llzo_helpers.md.segments import Stage, nvt_schedule, plan_segments
from llzo_helpers.md.settings import ChainSettings, MDSettings
from llzo_helpers.paths import NOTEBOOKS
from llzo_helpers.potentials import load_potential
from llzo_helpers.structures import write_structure

_LOOP_TIME = re.compile(r"Loop time of (\S+) on \d+ procs for (\d+) steps")
# of LAMMPS in double precision: positions, velocities, charge, identity
_RESTART_BYTES_PER_ATOM = 110
_THERMO_BYTES_PER_FRAME = 130
_LOG_BYTES_PER_SEGMENT = 20_000
_NOTEBOOK_BYTES = 500_000
# atom times steps: one to five seconds on a core
_BENCHMARK_WORK = 200_000
_BENCHMARK_FRAMES = 2_000


@dataclass(frozen=True)
class StageCost:
    """What one stage of a campaign costs."""

    stage: str
    tasks: int
    core_hours: float
    core_hours_left: float
    """Of what is not made yet."""
    wall_hours: float
    """On the given number of cores."""
    wall_hours_left: float
    disk_MB: float


def atom_count(structure: Structure) -> int:
    """Return the number of atoms of a structure."""
    n_li = lithium_count(structure.li_per_formula, structure.supercell)
    return n_li + 17 * FORMULA_UNITS_PER_CELL * structure.supercell**3


def disk_bytes(schedule: Sequence[Stage], n_atoms: int, settings: ChainSettings) -> int:
    """Return the size of a run's folder, in bytes; mostly frames."""
    segments = plan_segments(schedule, settings)
    frames = sum(dcd_bytes(segment.n_frames, n_atoms) for segment in segments)
    rows = segments[-1].last_step // settings.frame_steps
    per_segment = _RESTART_BYTES_PER_ATOM * n_atoms + _LOG_BYTES_PER_SEGMENT
    return frames + rows * _THERMO_BYTES_PER_FRAME + len(segments) * per_segment


def run_bytes(run: Run, settings: MDSettings) -> int:
    """Return the size of a run's folder with its notebook, in bytes."""
    schedule = nvt_schedule(run.temperature_K, settings)
    return disk_bytes(schedule, atom_count(run.structure), settings) + _NOTEBOOK_BYTES


def glass_bytes(glass: Glass) -> int:
    """Return the size of a glass's folder, in bytes; the melt is of one cell."""
    n_atoms = atom_count(glass.as_quenched)
    return sum(
        disk_bytes(
            schedule,
            n_atoms // glass.supercell**3 if name == "melt" else n_atoms,
            glass.melt_quench,
        )
        for name, schedule in schedules(glass.melt_quench).items()
    )


def molecular_dynamics(campaign: Campaign) -> list[tuple[Run, MDSettings, Path]]:
    """Return all runs of a campaign with their settings and folders, including short ones."""
    runs = [(run, campaign.md_settings(run), campaign.run_directory(run)) for run in campaign.runs]
    if campaign.vibration:
        runs += [
            (run, campaign.vibration.md, campaign.vibration_directory(run))
            for run in campaign.vibration_runs
        ]
    return runs


def require_disk_space(campaign: Campaign) -> None:
    """Raise InputError if what a campaign still has to write does not fit on the disk."""
    needed = 0.0
    for run, settings, folder in molecular_dynamics(campaign):
        needed += run_bytes(run, settings) * _left_of_run(folder, settings)
    for glass in campaign.glasses:
        needed += glass_bytes(glass) * _left_of_glass(campaign, glass)
    existing = campaign.directory
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise InputError(
            f"{campaign.directory}: disk: the campaign needs {rounded(needed / 1e9, 3)} GB more, "
            f"{rounded(free / 1e9, 3)} GB are free; free some space, set LLZO_RESULTS "
            "to another disk, or raise frame_interval_fs"
        )


def _left_of_run(folder: Path, settings: MDSettings) -> float:
    """Return which fraction of a run's steps is not made yet."""
    return 1 - steps_of_run(folder, settings) / settings.total_steps


def _left_of_glass(campaign: Campaign, glass: Glass) -> float:
    made = steps_of_glass(campaign.glass_directory(glass), glass.melt_quench)
    return 1 - made / glass.melt_quench.total_steps


def _require_possible(cores: int, steps_per_second: float | None) -> None:
    require_cores(cores)
    # also false for NaN
    if steps_per_second is not None and not 1e-3 <= steps_per_second <= 1e9:
        raise InputError(
            f"--steps-per-second {steps_per_second:g}: give a number from 0.001 to 1e9"
        )


def estimate(
    campaign: Campaign,
    *,
    cores: int,
    steps_per_second: float | None = None,
    on_progress: Callable[[str], None] = lambda words: None,
) -> list[StageCost]:
    """Estimate the cost of the stages of a campaign.

    Parameters
    ----------
    campaign
        The campaign to plan.
    cores
        Number of cores that work at the same time.
    steps_per_second
        Of one core; measured here by default.
    on_progress
        Called with what is being measured.

    Returns
    -------
    list of StageCost
        Structures with their glasses, molecular dynamics and diffusion (notebooks 01 to 03). The
        analyses after them depend on how the ions move, and are not predicted.

    Raises
    ------
    InputError
        For a number of cores or a speed that makes no sense.
    """
    _require_possible(cores, steps_per_second)
    runs = molecular_dynamics(campaign)
    with tempfile.TemporaryDirectory(prefix="llzo-plan-") as scratch:
        on_progress("timing: the start of a notebook")
        notebook_seconds = _time_notebook(Path(scratch))
        speeds = {}
        for potential in () if steps_per_second else campaign.potentials:
            on_progress(f"timing: molecular dynamics with {potential}")
            speeds[potential] = _measure_speed(potential, campaign.md, Path(scratch) / potential)

    def speed(structure: Structure, potential: str) -> float:
        return steps_per_second or speeds[potential] / atom_count(structure)

    core_seconds = [
        settings.total_steps / speed(run.structure, run.md_potential) + notebook_seconds
        for run, settings, _ in runs
    ]
    seconds_left = [
        seconds * _left_of_run(folder, settings)
        for seconds, (_, settings, folder) in zip(core_seconds, runs, strict=True)
    ]
    # a run has no more cores than there are
    cores_of_a_run = min(campaign.md.processes, cores)
    at_once = max(1, cores // cores_of_a_run)
    wall, wall_left = (
        max(max(seconds), sum(seconds) / at_once) / cores_of_a_run
        for seconds in (core_seconds, seconds_left)
    )
    # the melt is of one cell, which is not accounted for
    melts = [
        glass.melt_quench.total_steps / speed(glass.as_quenched, glass.structure_potential)
        for glass in campaign.glasses
    ]
    generate = len(campaign.structures) * notebook_seconds + sum(melts)
    folders = map(campaign.structure_directory, campaign.structures)
    missing = sum(not (folder / "provenance.json").is_file() for folder in folders)
    melts_left = [
        melt * _left_of_glass(campaign, glass)
        for melt, glass in zip(melts, campaign.glasses, strict=True)
    ]
    generate_left = missing * notebook_seconds + sum(melts_left)
    of_each = [min(glass.melt_quench.processes, cores) for glass in campaign.glasses]
    longest, longest_left = (
        max((melt / n for melt, n in zip(of_glasses, of_each, strict=True)), default=0.0)
        for of_glasses in (melts, melts_left)
    )
    made_at_once = min(cores, len(campaign.structures))
    on_progress("timing: the analysis of diffusion")
    diffusion = notebook_seconds + _time_diffusion(campaign) * len(campaign.runs)
    hours = diffusion / 3600
    disk = sum(run_bytes(run, settings) for run, settings, _ in runs)
    glasses = sum(glass_bytes(glass) for glass in campaign.glasses)
    notebooks = _NOTEBOOK_BYTES / 1e6
    return [
        StageCost(
            "01 structures",
            len(campaign.structures),
            generate / 3600,
            generate_left / 3600,
            max(longest, generate / made_at_once) / 3600,
            max(longest_left, generate_left / made_at_once) / 3600,
            glasses / 1e6 + len(campaign.structures) * notebooks,
        ),
        StageCost(
            "02 molecular dynamics",
            len(runs),
            sum(core_seconds) / 3600,
            sum(seconds_left) / 3600,
            wall / 3600,
            wall_left / 3600,
            disk / 1e6,
        ),
        # made anew whenever a run is added
        StageCost("03 diffusion", 1, hours, hours, hours, hours, 10 * notebooks),
    ]


def _measure_speed(potential: str, settings: MDSettings, folder: Path) -> float:
    """Return steps per second times atoms of a short run of one cell, on one core (or GPU)."""
    structure = Structure(li_per_formula=6.25)
    n_atoms = atom_count(structure)
    frames = max(2, round(_BENCHMARK_WORK / n_atoms / settings.frame_steps))
    production_ps = frames * settings.frame_interval_fs / 1000
    short = MDSettings(
        timestep_fs=settings.timestep_fs,
        frame_interval_fs=settings.frame_interval_fs,
        equilibration_ps=0,
        production_ps=production_ps,
        segment_ps=production_ps,
        launcher=settings.launcher if settings.launcher in ("gpu", "kokkos") else "serial",
    )
    # a first draw of Li does: the speed does not depend on it
    atoms = crystal(li_per_formula=structure.li_per_formula, volume_ratio=1.0, seed=1, draws=1)
    write_structure(atoms, folder / "structure", {"made for": "a benchmark"})
    run_md(
        folder / "run",
        structure=folder / "structure",
        potential=load_potential(potential),
        temperature_K=1100,
        seed=1,
        settings=short,
    )
    log = (folder / "run" / "segment_0000" / "log.lammps").read_text(encoding="utf-8")
    seconds, steps = _LOOP_TIME.findall(log)[-1]
    return n_atoms * int(steps) / float(seconds)


def _time_notebook(folder: Path) -> float:
    """Return the seconds that notebook 01 takes, mostly to start any notebook."""
    parameters = {"phase": "crystal", "li_per_formula": 6.25, "volume_ratio": 1.0, "seed": 1}
    parameters["output"] = str(folder / "structure")
    began = time.monotonic()
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3"]
    command += [str(NOTEBOOKS / "01_generate.ipynb"), str(folder / "01_generate.ipynb")]
    result = subprocess.run(
        [*command, "-y", json.dumps(parameters)], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SimulationError(f"papermill: {result.stderr.strip().splitlines()[-1]}")
    return time.monotonic() - began


def _time_diffusion(campaign: Campaign) -> float:
    """Return the seconds that the analysis of one run takes, with random walks for its ions.

    Some frames do; the time grows with their number.
    """
    run = max(campaign.runs, key=lambda run: atom_count(run.structure))
    n_frames = round(1000 * campaign.md.production_ps / campaign.md.frame_interval_fs)
    some = min(n_frames, _BENCHMARK_FRAMES)
    n_ions = lithium_count(run.structure.li_per_formula, run.structure.supercell)
    walk = np.random.default_rng(1).normal(size=(some, n_ions, 3)).cumsum(axis=0)
    began = time.monotonic()
    tracer_diffusion_coefficient(
        walk, campaign.md.frame_interval_fs / 1000, campaign.diffusion.fit_window
    )
    return (time.monotonic() - began) * n_frames / some


def print_plan(name: str, *, cores: int, steps_per_second: float | None = None) -> None:
    """Print what a campaign will cost, and whether the disk here has room for it.

    Parameters
    ----------
    name
        Of the campaign.
    cores, steps_per_second
        As for `estimate`.

    Raises
    ------
    InputError
        If the campaign is wrong.
    """
    _require_possible(cores, steps_per_second)
    campaign = open_campaign(name)
    if not campaign.runs:
        raise InputError(f"{name}: has only trajectories: nothing to run, so nothing to plan")
    print(
        f"{name}: {len(campaign.runs)} runs; half a minute of benchmarks, more where a network has "
        "to be compiled first",
        flush=True,
    )
    stages = estimate(
        campaign,
        cores=cores,
        steps_per_second=steps_per_second,
        on_progress=lambda words: print(words, flush=True),
    )
    table = pd.DataFrame([asdict(stage) for stage in stages])
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    print(
        f"total: {table['core_hours'].sum():.2f} core-hours "
        f"({table['core_hours_left'].sum():.2f} left), "
        f"{table['wall_hours'].sum():.2f} hours by the clock on "
        f"{counted(cores, 'core')} ({table['wall_hours_left'].sum():.2f} left), "
        f"{table['disk_MB'].sum() / 1000:.2f} GB"
    )
    print(
        "notebooks 04 and later are not included; a run on several cores, MPI ranks or threads, is "
        "taken to be as many times as fast, which small cells are not"
    )
    try:
        require_disk_space(campaign)
        print("the disk has enough space")
    except InputError as error:
        # the plan may be for another machine
        print(f"not enough space to run it here: {error}")
