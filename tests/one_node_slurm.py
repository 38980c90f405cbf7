"""The Slurm of tests/slurm as tests, drill and benchmark use it: start, profile, end."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "tests/slurm"


class NoSlurmError(Exception):
    """Slurm cannot be started here; the message says why."""


@contextmanager
def running_slurm(cpus: int | None = None) -> Iterator[None]:
    """Start Slurm, unless it answers already; end what was started.

    Whoever else wants to start it on this machine waits meanwhile. What a process that was killed
    here has left, jobs included, is ended first.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoSlurmError("starting a Slurm needs root on Debian or Ubuntu")
    with Path("/tmp/llzo-slurm.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # not where the file ended when it was opened: another process may have been at work then
        if os.fstat(lock.fileno()).st_size:
            subprocess.run([SCRIPTS / "stop.sh"], check=False)
            lock.truncate(0)
        print(f"Slurm of process {os.getpid()}", file=lock, flush=True)
        start = subprocess.run(
            [SCRIPTS / "start.sh", *([str(cpus)] if cpus else [])], capture_output=True, text=True
        )
        if "answers already" in start.stdout:
            # somebody's, not to be ended whatever becomes of this process
            lock.truncate(0)
            yield
            return
        try:
            if start.returncode:
                raise NoSlurmError((start.stderr or start.stdout).strip().splitlines()[-1])
            yield
        finally:
            subprocess.run([SCRIPTS / "stop.sh"], check=False)
            lock.truncate(0)


def write_profile(directory: Path, **changes: Any) -> Path:
    """Write the project's profile as this Slurm needs it: no accounts, quick answers."""
    profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/config.yaml").read_text())
    del profile["default-resources"]["slurm_account"]
    profile |= {
        "slurm-no-account": True,
        # ten seconds more after every look that finds no job ended: so most end before the second
        "slurm-init-seconds-before-status-checks": 8,
        "latency-wait": 5,
    }
    directory.mkdir()
    (directory / "config.yaml").write_text(yaml.safe_dump(profile | changes))
    return directory


def start_requeued(job: str, *, minutes: int | None = None) -> None:
    """Let a job that is back in the queue start now, not in two minutes; set its time limit."""
    # In the second of its end the node takes the new start for the old one and refuses it
    # ("Job credential revoked"), which fails the job.
    soon = "starttime=now+2"
    limit = [f"timelimit={minutes}"] if minutes else []
    words = ["scontrol", "update", f"jobid={job}", soon, *limit]
    subprocess.run(words, check=True, capture_output=True)
