"""What the project asks of Slurm: a job's time left, a campaign's jobs, a requeue.

Jobs are submitted by Snakemake (`workflow/profiles/slurm`). On a machine without Slurm, every
query returns None or nothing.
"""

import os
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

REQUEUE_VARIABLE = "LLZO_REQUEUE"
"""Set in the jobs of the workflow: a run that lacks time may requeue its whole job."""


def job_id() -> str | None:
    """Return the number of the Slurm job that this process is part of.

    One task of an array has the number of the whole array; it is called `12_3`, or what is asked
    for it would be asked for all.
    """
    job = os.environ.get("SLURM_JOB_ID")
    # not by these variables alone: a task hands them on to the jobs that it submits
    if job and job == os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{job}_{os.environ.get('SLURM_ARRAY_TASK_ID')}"
    return job


def seconds_left() -> float | None:
    """Return how long this Slurm job may still run; None outside Slurm or without a limit."""
    job = job_id()
    end = _ask("squeue", "--noheader", "--format=%e", "--job", job) if job else None
    try:
        return datetime.fromisoformat((end or "").strip()).timestamp() - time.time()
    except ValueError:
        return None


def requeue() -> None:
    """Send this job back to the queue, if it is one of the workflow's; Slurm then ends it."""
    job = job_id()
    if job and REQUEUE_VARIABLE in os.environ:
        _ask("scontrol", "requeue", job)


def answers() -> bool:
    """Whether there is a Slurm here that takes jobs."""
    return _ask("scontrol", "ping") is not None


def refusal(options: Mapping[str, str]) -> str:
    """Return what `sbatch` says against a job with some options; nothing if it would take it."""
    words = [f"--{option}={value}" for option, value in options.items()]
    try:
        test = subprocess.run(
            ["sbatch", "--test-only", *words, "--wrap=true"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return test.stderr if test.returncode else ""


def keeps_accounts() -> bool:
    """Whether `sacct` can tell how jobs ended; Slurm without a database cannot."""
    return _ask("sacct", "--noheader", "--allocations", "--starttime=now") is not None


def is_active(job: str) -> bool | None:
    """Whether a job runs or may run again; None if Slurm does not answer."""
    jobs = _unfinished_jobs()
    return None if jobs is None else job in jobs


def jobs_in(directory: Path) -> dict[str, str]:
    """Return number and state of this user's unfinished jobs that were submitted in a folder."""
    jobs = _unfinished_jobs() or {}
    return {job: state for job, (state, folder) in jobs.items() if folder == directory.resolve()}


def cancel_jobs_in(directory: Path, *, only_waiting: bool = False) -> None:
    """Cancel this user's jobs that were submitted in a folder."""
    if jobs := jobs_in(directory):
        states = ["--state=PENDING"] if only_waiting else []
        _ask("scancel", *states, *jobs)


def _unfinished_jobs() -> dict[str, tuple[str, Path]] | None:
    """Return state and folder of this user's jobs by number, as of `job_id`; None if not known."""
    lines = _ask("squeue", "--noheader", "--array", "--format=%A|%F|%K|%T|%Z", "--me")
    if lines is None:
        return None
    # there may be empty lines in between
    rows = (line.split("|", 4) for line in lines.splitlines() if line.count("|") >= 4)
    return {
        # outside arrays, the number of the array is that of the job, and that of the task "N/A"
        f"{job}_{task}" if job == array and task.isdigit() else job: (state, Path(folder))
        for job, array, task, state, folder in rows
    }


def _ask(*words: str) -> str | None:
    """Return what a command of Slurm prints; None if it is not there, fails or does not answer."""
    # a user may have changed the format of times, and which jobs are shown and how
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "SLURM_TIME_FORMAT" and not name.startswith(("SQUEUE_", "SCANCEL_"))
    }
    try:
        return subprocess.run(
            words, capture_output=True, text=True, check=True, timeout=60, env=environment
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
