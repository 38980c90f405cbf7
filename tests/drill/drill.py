"""Fault drill: break a running campaign in every way, let it go on, compare the frames.

    make drill                      all faults
    python tests/drill/drill.py kill-lammps requeue ...

A campaign of one run is disturbed in the middle of its production and started again as a user
would. It survives if its frames are the very bytes of an undisturbed run. Faults of Slurm need
root on Debian (see `tests/slurm`), the full disk needs root; elsewhere they are left out.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from llzo_helpers import slurm  # noqa: E402
from llzo_helpers.trajectory import completed_segments  # noqa: E402

CAMPAIGN = {
    "description": "One run, to be disturbed",
    "seed": 1,
    "md": {
        "equilibration_ps": 0.5,
        "production_ps": 8,
        "frame_interval_fs": 20,
        "segment_ps": 1,
    },
    "systems": [
        {
            "phase": "crystal",
            "li_per_formula": 6.25,
            "volume_ratio": 1.01,
            "md_potential": "bush1994_woodley1999",
            "temperature_K": 1100,
        }
    ],
}
PATIENCE_S = 600


class DrillError(Exception):
    """Something did not happen that had to."""


@dataclass
class Drill:
    """A campaign with a folder of results of its own."""

    directory: Path
    profile: str = "local"

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.campaign = self.directory / "drill.yaml"
        self.campaign.write_text(yaml.safe_dump(CAMPAIGN))

    @property
    def run(self) -> Path:
        (run,) = (self.directory / "results/drill/runs").glob("*")
        return run

    def start(self) -> subprocess.Popen[bytes]:
        """Start the batch engine in the background, as `make reproduce` does."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LLZO_RESULTS": str(self.directory / "results"),
        }
        command = [sys.executable, "-m", "llzo_helpers.batch", str(self.campaign)]
        with (self.directory / "batch.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--profile", self.profile],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def finish(self, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait for the process, and start again until all is done, at most three times."""
        for _ in range(4):
            process = process or self.start()
            if process.wait(PATIENCE_S) == 0:
                return
            process = None
        raise DrillError((self.directory / "batch.log").read_text()[-500:])

    def segments(self) -> int:
        """Return how many segments are complete."""
        runs = list((self.directory / "results/drill/runs").glob("*"))
        return len(completed_segments(runs[0])) if runs else 0

    def wait_for_segments(self, number: int) -> None:
        """Wait until LAMMPS works on the segment after `number` complete ones."""

        def begun() -> bool:
            part = f"results/drill/runs/*/segment_{number:04d}.part/thermo.csv"
            return self.segments() >= number and any(self.directory.glob(part))

        wait_until(begun, f"{number} segments")

    def lammps(self) -> int:
        """Return the number of the LAMMPS process that works on this drill."""
        found = processes_in(self.run, "lmp")
        if not found:
            raise DrillError("no LAMMPS")
        return found[0]

    def job(self) -> str:
        """Return the number of this drill's Slurm job that runs."""
        jobs = slurm.jobs_in(self.directory / "results/drill")
        return next(job for job, state in jobs.items() if state == "RUNNING")

    def frames(self) -> dict[str, str]:
        """Return the SHA-256 of every file of frames."""
        return {
            str(path.relative_to(self.run)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.run.glob("segment_*/frames.dcd"))
        }

    def n_frames(self) -> int:
        """Return the number of frames that the run's records count."""
        return sum(record["n_frames"] for record in completed_segments(self.run))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise DrillError(f"no {what} within {PATIENCE_S} s")
        time.sleep(0.02)


def processes_in(directory: Path, name: str) -> list[int]:
    """Return the processes named `name` whose working folder lies in `directory`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").readlink().is_relative_to(directory)
            if here and (process / "comm").read_text().strip().startswith(name):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def parents(pid: int) -> list[int]:
    """Return the chain of parents of a process, nearest first."""
    chain = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        chain.append(pid)
    return chain


# --------------------------------------------------------------------------- faults


def kill_lammps(drill: Drill, at: int) -> None:
    """`kill -9` of LAMMPS: the run fails, the next call goes on."""
    process = drill.start()
    drill.wait_for_segments(at)
    os.kill(drill.lammps(), signal.SIGKILL)
    drill.finish(process)


def kill_kernel(drill: Drill, at: int) -> None:
    """`kill -9` of the notebook's kernel, the parent of LAMMPS."""
    process = drill.start()
    drill.wait_for_segments(at)
    os.kill(parents(drill.lammps())[0], signal.SIGKILL)
    drill.finish(process)


def kill_controller(drill: Drill, at: int) -> None:
    """`kill -9` of the batch engine; another is started at once, while the run still goes on."""
    process = drill.start()
    drill.wait_for_segments(at)
    process.kill()
    process.wait()
    drill.finish()


def two_controllers(drill: Drill, at: int) -> None:
    """A second controller on the same campaign is refused and harms nothing."""
    process = drill.start()
    drill.wait_for_segments(at)
    second = drill.start()
    if (
        second.wait(PATIENCE_S) != 2
        or "locked by process" not in (drill.directory / "batch.log").read_text()
    ):
        raise DrillError("the second controller was not refused")
    drill.finish(process)


def disk_full(drill: Drill, at: int) -> None:
    """Another program fills the disk in the middle of a segment, and later makes room again."""
    hog = drill.directory / "hog"
    process = drill.start()
    drill.wait_for_segments(at)
    with hog.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    if process.wait(PATIENCE_S) == 0:
        raise DrillError("the full disk went unnoticed")
    hog.unlink()
    drill.finish()


def scancel(drill: Drill, at: int) -> None:
    """`scancel` of the run's job: Snakemake submits it anew."""
    process = drill.start()
    drill.wait_for_segments(at)
    subprocess.run(["scancel", drill.job()], check=True)
    drill.finish(process)


def requeue(drill: Drill, at: int) -> None:
    """`scontrol requeue`, what a preemption does: the same job starts again."""
    process = drill.start()
    drill.wait_for_segments(at)
    job = drill.job()
    subprocess.run(["scontrol", "requeue", job], check=True)
    start_without_delay(drill, job)
    drill.finish(process)


def time_limit(drill: Drill, at: int) -> None:
    """The job's time limit ends it in the middle of a segment."""
    process = drill.start()
    drill.wait_for_segments(at)
    # less than the minute that has passed already, or soon will have: Slurm kills the job
    subprocess.run(
        ["scontrol", "update", f"jobid={drill.job()}", "timelimit=0:01"],
        check=True,
    )
    drill.finish(process)


def node_restart(drill: Drill, at: int) -> None:
    """The node's daemon is killed and started again; the job's processes are killed meanwhile."""
    process = drill.start()
    drill.wait_for_segments(at)
    pid = int(Path("/tmp/llzo-slurm/slurmd.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    os.kill(drill.lammps(), signal.SIGKILL)
    time.sleep(3)
    subprocess.run(["slurmd", "-N", "localhost"], check=True)
    drill.finish(process)


def kill_controller_slurm(drill: Drill, at: int) -> None:
    """`kill -9` of the controller while its Slurm job runs on; another controller at once."""
    process = drill.start()
    drill.wait_for_segments(at)
    job = drill.job()
    process.kill()
    process.wait()
    again = drill.start()
    wait_until(lambda: b"earlier call" in (drill.directory / "batch.log").read_bytes(), "notice")
    if list(slurm.jobs_in(drill.directory / "results/drill")) not in ([job], []):
        raise DrillError("a second job was submitted beside the running one")
    drill.finish(again)


def start_without_delay(drill: Drill, job: str) -> None:
    """Spare the two minutes that Slurm lets pass before it starts a requeued job again."""
    wait_until(
        lambda: slurm.jobs_in(drill.directory / "results/drill").get(job) == "PENDING", "requeue"
    )
    subprocess.run(["scontrol", "update", f"jobid={job}", "starttime=now"], check=True)


LOCAL = {
    "kill -9 of LAMMPS": kill_lammps,
    "kill -9 of the notebook kernel": kill_kernel,
    "kill -9 of the controller": kill_controller,
    "two controllers at once": two_controllers,
    "disk full in a segment": disk_full,
}
SLURM = {
    "scancel": scancel,
    "scontrol requeue": requeue,
    "time limit": time_limit,
    "node daemon killed and restarted": node_restart,
    "kill -9 of the controller, Slurm job goes on": kill_controller_slurm,
}


# --------------------------------------------------------------------------- the table


def slurm_profile(directory: Path) -> Path:
    """Write the project's Slurm profile as this machine needs it: no accounts, quick answers."""
    profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/config.yaml").read_text())
    del profile["default-resources"]["slurm_account"]
    profile |= {
        "slurm-no-account": True,
        "slurm-status-command": "squeue",
        "slurm-init-seconds-before-status-checks": 1,
        "seconds-between-status-checks": 2,
        "latency-wait": 5,
    }
    directory.mkdir()
    (directory / "config.yaml").write_text(yaml.safe_dump(profile))
    return directory


def main() -> int:
    """Run the drill and print its table; return 1 if a fault was not survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faults", nargs="*", help="parts of the faults' names; default: all")
    parser.add_argument("--times", type=int, default=2, help="times each fault is tried")
    arguments = parser.parse_args()

    started_slurm = False
    left_out = []
    is_root = os.geteuid() == 0
    faults = {
        name: fault
        for name, fault in (LOCAL | SLURM).items()
        if not arguments.faults or any(part in name for part in arguments.faults)
    }
    if faults.keys() & SLURM.keys():
        start = subprocess.run([ROOT / "tests/slurm/start.sh"], capture_output=True, text=True)
        started_slurm = start.returncode == 0
        if not started_slurm:
            left_out = [name for name in faults if name in SLURM]
    if not is_root and "disk full in a segment" in faults:
        left_out.append("disk full in a segment")

    survived_all = True
    with tempfile.TemporaryDirectory(prefix="llzo-drill-") as scratch:
        folder = Path(scratch)
        reference = Drill(folder / "undisturbed")
        reference.finish()
        expected, n_frames = reference.frames(), reference.n_frames()
        profile = str(slurm_profile(folder / "profile"))
        print(f"{'fault':<46} {'tried':>5} {'survived':>8} {'lost':>5} {'doubled':>7} {'s':>5}")
        for name, fault in faults.items():
            if name in left_out:
                print(f"{name:<46} left out: needs root, and Debian for Slurm")
                continue
            survived = lost = doubled = 0
            began = time.monotonic()
            for time_ in range(arguments.times):
                directory = folder / f"{fault.__name__}-{time_}"
                with small_disk(directory, needed=fault is disk_full):
                    drill = Drill(directory, profile if name in SLURM else "local")
                    try:
                        # first in the run's beginning, then near its end
                        fault(drill, at=2 + 4 * (time_ % 2))
                        frames = drill.frames()
                        survived += frames == expected
                        lost += max(0, n_frames - drill.n_frames())
                        doubled += max(0, drill.n_frames() - n_frames)
                    except (DrillError, subprocess.SubprocessError, StopIteration) as error:
                        print(f"  {name}: {error!r}", file=sys.stderr)
            seconds = time.monotonic() - began
            survived_all &= survived == arguments.times
            print(
                f"{name:<46} {arguments.times:>5} {survived:>8} {lost:>5} {doubled:>7} "
                f"{seconds:>5.0f}",
                flush=True,
            )
    if started_slurm:
        subprocess.run([ROOT / "tests/slurm/stop.sh"], check=False)
    return 0 if survived_all else 1


class small_disk:  # noqa: N801
    """A file system of 64 MB at `directory`, if needed."""

    def __init__(self, directory: Path, *, needed: bool) -> None:
        self._directory = directory
        self._needed = needed

    def __enter__(self) -> None:
        self._directory.mkdir(parents=True)
        if self._needed:
            words = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(self._directory)]
            subprocess.run(words, check=True)

    def __exit__(self, *_: object) -> None:
        if self._needed:
            subprocess.run(["umount", "-l", str(self._directory)], check=True)
        shutil.rmtree(self._directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
