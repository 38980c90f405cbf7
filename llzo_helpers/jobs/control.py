"""A campaign's runs seen from outside: their state, starting and cancelling them.

Everything is read from the results folder, so it does not matter who started what, or where:
on this machine, on Slurm, or in a notebook that has been closed since.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import pandas as pd

from llzo_helpers import slurm
from llzo_helpers.campaign.model import Campaign, Run, load_campaign
from llzo_helpers.errors import InputError
from llzo_helpers.files import make_folder
from llzo_helpers.jobs.executed import notebook_error
from llzo_helpers.md.folder import completed_segments, other_than_asked, run_progress
from llzo_helpers.md.lock import holder, local_process
from llzo_helpers.md.segments import nvt_schedule, plan_segments
from llzo_helpers.paths import ROOT


@dataclass(frozen=True)
class RunStatus:
    """State of a run."""

    run: str
    state: Literal["waiting", "running", "done", "failed"]
    progress: float
    """Fraction of the steps completed."""
    steps_per_second: float | None
    """Of the current segment."""
    reason: str
    """Of a failure or an interruption; for a running one, who is working on it."""


_INTERRUPTIONS = {"KeyboardInterrupt": "cancelled", "OutOfTimeError": "out of the job's time"}
"""Ends of a notebook that are not failures: the run resumes when it is started again."""


def run_status(campaign: Campaign, run: Run) -> RunStatus:
    """Return the state of a run of a campaign, from its files and its lock."""
    folder = campaign.run_directory(run)
    settings = campaign.md_settings(run)
    steps = plan_segments(nvt_schedule(run.temperature_K, settings), settings)[-1].last_step
    try:
        progress = run_progress(folder) / steps
    except InputError as error:
        return RunStatus(run.name, "failed", 0.0, None, str(error))
    finished = (folder / "summary.json").is_file()
    other = other_than_asked(folder, settings) if finished else ""
    if finished and not other:
        # an archived run has a summary, but no segments
        return RunStatus(run.name, "done", 1.0, None, "")
    if worker := holder(folder):
        return RunStatus(run.name, "running", progress, _present_speed(folder), worker)
    if failure := notebook_error(folder / "02_run_md.ipynb"):
        if interruption := _INTERRUPTIONS.get(failure.partition(":")[0]):
            return RunStatus(run.name, "waiting", progress, None, interruption)
        return RunStatus(run.name, "failed", progress, None, failure)
    return RunStatus(run.name, "waiting", progress, None, other)


def run_table(campaign: Campaign) -> pd.DataFrame:
    """Return the state of all runs of a campaign, a row each."""
    rows = [asdict(run_status(campaign, run)) for run in campaign.runs]
    return pd.DataFrame(rows, columns=[field.name for field in fields(RunStatus)])


def last_words(campaign: Campaign) -> str:
    """Return the last line that the batch engine, started by `start`, printed."""
    log = campaign.directory / "batch.log"
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return lines[-1] if lines else ""


def start(
    campaign_name: str, *, profile: str = "local", only: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start the batch engine independently of this process: it continues when this one ends.

    What it prints goes to `batch.log` in the campaign's folder.

    Parameters
    ----------
    campaign_name
        As in `load_campaign`.
    profile
        Folder of `workflow/profiles`: `local` or `slurm`.
    only
        Names of runs; all, and the analyses after them, by default.

    Returns
    -------
    Popen
        The engine. It may take some seconds before it holds the campaign's lock.

    Raises
    ------
    InputError
        If the campaign is wrong, or is already running.
    """
    campaign = load_campaign(campaign_name)
    if controller := holder(campaign.directory):
        raise InputError(
            f"{campaign.name}: already running ({controller}); wait for it or cancel it"
        )
    make_folder(campaign.directory)
    command = [
        sys.executable,
        "-m",
        "llzo_helpers",
        "run",
        campaign_name,
        "--profile",
        profile,
    ]
    command += ["--only", *only] if only else []
    with (campaign.directory / "batch.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            # nobody is watching notebooks that the engine runs
            env={key: value for key, value in os.environ.items() if not _of_a_session(key)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def cancel(campaign: Campaign) -> None:
    """End the batch engine of a campaign, its Slurm jobs, and runs that a killed engine left.

    Completed segments are kept.

    Raises
    ------
    InputError
        If the engine is running on another machine.
    """
    if controller := holder(campaign.directory):
        process = local_process(controller)
        if process is None:
            raise InputError(f"{campaign.name}: run by {controller}; cancel it there")
        os.kill(process, signal.SIGINT)
    else:
        stop_runs(campaign)


def stop_runs(campaign: Campaign) -> None:
    """End the runs of a campaign on this machine, whoever started them, and its Slurm jobs."""
    for process in filter(None, map(local_process, run_locks(campaign).values())):
        # it may have ended since
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGINT)
    slurm.cancel_jobs_in(campaign.directory)


def run_locks(campaign: Campaign) -> dict[Path, str]:
    """Return the folders of runs that somebody works in, those inside a glass's too, and who."""
    locks = [*campaign.directory.glob("*/*/lock"), *campaign.directory.glob("glasses/*/*/lock")]
    return {lock.parent: record for lock in locks if (record := holder(lock.parent))}


def _of_a_session(variable: str) -> bool:
    return variable.startswith("JPY_") or variable == "VSCODE_PID"


def _present_speed(folder: Path) -> float | None:
    """Return the steps per second of the current segment; None before its first step."""
    records = completed_segments(folder)
    first_step = records[-1]["last_step"] if records else 0
    steps = run_progress(folder) - first_step
    for part in folder.glob("segment_*.part"):
        try:
            # LAMMPS writes no messages, so the file is as old as the segment
            began = (part / "stderr.txt").stat().st_mtime
            seconds = (part / "thermo.csv").stat().st_mtime - began
        except FileNotFoundError:
            continue
        if steps > 0 and seconds > 0:
            return steps / seconds
    return None
