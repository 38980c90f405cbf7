"""Fault drill: break a running campaign in every way, let it go on, compare the frames.

    make drill                      all faults
    python tests/drill/drill.py --times 4 kill requeue ...

A campaign of one run is disturbed in the middle of a segment, early and late, and started again
as a user would. It survives if its files of frames are the very bytes of an undisturbed run's.
Faults of Slurm need root on Debian (see `tests/slurm`), the full disk needs root; elsewhere they
are left out.
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
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from one_node_slurm import NoSlurmError, running_slurm, start_requeued, write_profile  # noqa: E402

from llzo_helpers import slurm  # noqa: E402
from llzo_helpers.campaign.model import load_campaign  # noqa: E402
from llzo_helpers.files import read_json  # noqa: E402
from llzo_helpers.md.dcd import dcd_bytes  # noqa: E402

CAMPAIGN = {
    "description": "One run, to be disturbed",
    "seed": 1,
    "md": {
        "equilibration_ps": 0.5,
        "production_ps": 6,
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
SEGMENTS = 7
PATIENCE_S = 300


class DrillError(Exception):
    """Something did not happen that had to."""


class OwnFaultError(Exception):
    """The drill could not break what it meant to, or mend it: a try that tells nothing."""


@dataclass
class Drill:
    """A campaign with a folder of results of its own."""

    directory: Path
    profile: str = "local"

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.campaign = self.directory / "drill.yaml"
        self.campaign.write_text(yaml.safe_dump(CAMPAIGN))
        self.results = self.directory / "results/drill"
        (run,) = load_campaign(str(self.campaign)).runs
        self.run = self.results / "runs" / run.name
        self.log = self.directory / "batch.log"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the batch engine in the background, as notebook 02 does for a chosen run."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LLZO_RESULTS": str(self.directory / "results"),
        }
        command = [sys.executable, "-m", "llzo_helpers", "run", str(self.campaign)]
        command += ["--profile", self.profile, "--only", self.run.name]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def start_and_wait(self, segments: int) -> subprocess.Popen[bytes]:
        """Start, and return once LAMMPS works on the segment after that many complete ones."""
        process = self.start()
        part = self.run / f"segment_{segments:04d}.part/thermo.csv"
        wait_until(lambda: part.exists() or process.poll() is not None, f"{segments} segments")
        if not part.exists():
            raise DrillError(f"ended early: {self.log.read_text()[-500:]}")
        return process

    def finish(self, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait for the process, and start again until all is done, at most three times."""
        for _ in range(4):
            process = process or self.start()
            if process.wait(PATIENCE_S) == 0:
                return
            process = None
        raise DrillError(self.log.read_text()[-500:])

    def lammps(self) -> int:
        """Return the number of the LAMMPS process that works on this drill."""
        found = processes_in(self.run, "lmp")
        if not found:
            raise DrillError("no LAMMPS")
        return found[0]

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Stop LAMMPS while the block runs: what happens meanwhile happens in this segment."""
        lammps = self.lammps()
        os.kill(lammps, signal.SIGSTOP)
        try:
            yield
        finally:
            # the fault may have ended it
            with suppress(ProcessLookupError):
                os.kill(lammps, signal.SIGCONT)

    def job(self) -> str:
        """Return the number of this drill's Slurm job that runs."""
        return next(job for job, state in self.jobs().items() if state == "RUNNING")

    def jobs(self) -> dict[str, str]:
        """Return this drill's unfinished Slurm jobs and their states."""
        return slurm.jobs_in(self.results)

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of every file of frames."""
        return {
            path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.run.glob("segment_*/frames.dcd")
        }

    def frames(self) -> Counter[bytes]:
        """Return how often each frame is in the files, all told."""
        n_atoms = read_json(self.run / "run.json")["structure"]["n_atoms"]
        header = dcd_bytes(0, n_atoms)
        size = dcd_bytes(1, n_atoms) - header
        counter: Counter[bytes] = Counter()
        for path in self.run.glob("segment_*/frames.dcd"):
            content = path.read_bytes()
            counter.update(content[at : at + size] for at in range(header, len(content), size))
        return counter


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
            if here and comm(int(process.name)).startswith(name):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def comm(pid: int) -> str:
    """Return the name of a process."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def processes_of_job(job: str) -> list[int]:
    """Return the daemons that watch over a Slurm job's steps, and all that they have started."""
    found = []
    for process in map(int, (path.name for path in Path("/proc").glob("[0-9]*"))):
        with suppress(OSError):
            for ancestor in (process, *parents(process)):
                title = Path(f"/proc/{ancestor}/cmdline").read_bytes()
                if title.startswith(f"slurmstepd: [{job}.".encode()):
                    found.append(process)
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
    process = drill.start_and_wait(at)
    os.kill(drill.lammps(), signal.SIGKILL)
    drill.finish(process)


def kill_kernel(drill: Drill, at: int) -> None:
    """`kill -9` of the notebook's kernel, the parent of LAMMPS."""
    process = drill.start_and_wait(at)
    os.kill(parents(drill.lammps())[0], signal.SIGKILL)
    drill.finish(process)


def kill_controller(drill: Drill, at: int) -> None:
    """`kill -9` of the batch engine; another is started while the run (or its job) still goes on.

    It waits for the run, and starts no second one.
    """
    process = drill.start_and_wait(at)
    with drill.held_up():
        jobs = drill.jobs()
        process.kill()
        process.wait()
        again = drill.start()
        wait_until(lambda: "earlier call are still running" in drill.log.read_text(), "notice")
        if drill.jobs() != jobs or len(processes_in(drill.run, "lmp")) != 1:
            raise DrillError("a second copy was started beside the one that runs")
    drill.finish(again)


def two_controllers(drill: Drill, at: int) -> None:
    """A second controller on the same campaign is refused and harms nothing."""
    process = drill.start_and_wait(at)
    with drill.held_up():
        second = drill.start()
        if second.wait(PATIENCE_S) != 2 or "locked by process" not in drill.log.read_text():
            raise DrillError("the second controller was not refused")
    drill.finish(process)


def disk_full(drill: Drill, at: int) -> None:
    """Another program fills the disk in the middle of a segment, and later makes room again."""
    hog = drill.directory / "hog"
    process = drill.start_and_wait(at)
    with drill.held_up(), hog.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    if process.wait(PATIENCE_S) == 0:
        raise DrillError("the full disk went unnoticed")
    hog.unlink()
    drill.finish()


def scancel(drill: Drill, at: int) -> None:
    """`scancel` of the run's job: Snakemake submits it anew."""
    process = drill.start_and_wait(at)
    subprocess.run(["scancel", drill.job()], check=True)
    drill.finish(process)


def requeue(drill: Drill, at: int) -> None:
    """`scontrol requeue`: the same job starts again."""
    process = drill.start_and_wait(at)
    job = drill.job()
    subprocess.run(["scontrol", "requeue", job], check=True)
    start_when_requeued(drill, job)
    drill.finish(process)


def preempted(drill: Drill, at: int) -> None:
    """A job of a partition with precedence wants the node: Slurm requeues the run's job."""
    process = drill.start_and_wait(at)
    job = drill.job()
    urgent = ["sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true"]
    subprocess.run(urgent, check=True, capture_output=True)
    start_when_requeued(drill, job)
    drill.finish(process)


def time_limit(drill: Drill, at: int) -> None:
    """The job's time limit ends it in the middle of a segment; Snakemake submits it anew."""
    process = drill.start_and_wait(at)
    job = drill.job()
    with drill.held_up():
        soon = "endtime=now+1"
        subprocess.run(["scontrol", "update", f"jobid={job}", soon], check=True)
        # Slurm looks every half minute
        wait_until(lambda: drill.jobs().get(job) != "RUNNING", "time limit")
    drill.finish(process)


def node_daemon(drill: Drill, at: int) -> None:
    """The node's daemon is killed and started again: its jobs do not notice."""
    process = drill.start_and_wait(at)
    with drill.held_up():
        restart_node_daemon()
    drill.finish(process)


def node_failure(drill: Drill, at: int) -> None:
    """The node goes down with all its processes and comes back: Slurm requeues the job."""
    process = drill.start_and_wait(at)
    job = drill.job()
    node = ["scontrol", "update", "nodename=localhost"]

    def go_down() -> None:
        for pid in processes_of_job(job):
            # some end with their parents
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # what Slurm does by itself when the node has not answered for minutes
        subprocess.run([*node, "state=down", "reason=drill"], check=True)

    restart_node_daemon(meanwhile=go_down)
    resume_node()
    start_when_requeued(drill, job)
    drill.finish(process)


def resume_node() -> None:
    """Have the node up again; it comes by itself once its daemon has answered, or must be told."""

    def is_up() -> bool:
        question = ["sinfo", "--noheader", "--Format=statelong", "--nodes=localhost"]
        state = subprocess.run(question, capture_output=True, text=True, check=True).stdout
        if "down" in state or "drain" in state:
            # refused while the daemon has not answered, or when the node came up just now
            words = ["scontrol", "update", "nodename=localhost", "state=resume"]
            subprocess.run(words, check=False, capture_output=True)
            return False
        return any(word in state for word in ("idle", "allocated", "mixed"))

    try:
        wait_until(is_up, "node up again")
    except DrillError as error:
        raise OwnFaultError(str(error)) from None


def start_when_requeued(drill: Drill, job: str) -> None:
    """Wait until a job is back in the queue and let it start."""
    wait_until(lambda: drill.jobs().get(job) == "PENDING", "requeue")
    start_requeued(job)


def restart_node_daemon(meanwhile: Callable[[], object] = lambda: None) -> None:
    """Kill `slurmd` and start it again some seconds later."""
    os.kill(int(Path("/tmp/llzo-slurm/slurmd.pid").read_text()), signal.SIGKILL)
    meanwhile()
    time.sleep(3)
    subprocess.run(["slurmd", "-N", "localhost"], check=True)


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
    "preempted": preempted,
    "time limit": time_limit,
    "node daemon killed and restarted": node_daemon,
    "node down and up again": node_failure,
    "kill -9 of the controller, Slurm job goes on": kill_controller,
}


# --------------------------------------------------------------------------- the table


def main() -> int:
    """Run the drill and print its table; return 1 if a fault was not survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faults", nargs="*", help="parts of the faults' names; default: all")
    parser.add_argument("--times", type=int, default=2, help="times each fault is tried")
    arguments = parser.parse_args()
    faults = {
        name: fault
        for name, fault in (LOCAL | SLURM).items()
        if not arguments.faults or any(part in name for part in arguments.faults)
    }
    left_out = {}
    if os.geteuid() != 0:
        left_out[disk_full] = "needs root"

    survived_all = True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="llzo-drill-")))
        if faults.keys() & SLURM.keys():
            try:
                stack.enter_context(running_slurm())
            except NoSlurmError as error:
                left_out |= dict.fromkeys(map(faults.get, SLURM), str(error))
        undisturbed = Drill(folder / "undisturbed")
        undisturbed.finish()
        profile = str(write_profile(folder / "profile"))
        print(
            f"{'fault':<46} {'tried':>5} {'void':>4} {'survived':>8} {'lost':>5} {'doubled':>7} "
            f"{'s':>5}"
        )
        for name, fault in faults.items():
            if fault in left_out:
                print(f"{name:<46} left out: {left_out[fault]}")
                continue
            survived = void = lost = doubled = 0
            began = time.monotonic()
            for trial in range(arguments.times):
                # early, late, and between
                at = (1, SEGMENTS - 2, SEGMENTS // 2)[trial % 3]
                directory = folder / f"{name.replace(' ', '_')}-{trial}"
                with small_disk(directory) if fault is disk_full else nullcontext():
                    drill = Drill(directory, profile if name in SLURM else "local")
                    copy_structures(undisturbed, drill)
                    try:
                        fault(drill, at)
                        survived += drill.files() == undisturbed.files()
                    except DrillError as error:
                        print(f"  {name}: {error!r}", file=sys.stderr)
                    except (OwnFaultError, subprocess.SubprocessError, StopIteration) as error:
                        # the drill's own commands were refused, or came too late
                        print(f"  {name}: void: {error!r}", file=sys.stderr)
                        void += 1
                        continue
                    lost += (undisturbed.frames() - drill.frames()).total()
                    doubled += (drill.frames() - undisturbed.frames()).total()
            survived_all &= survived == arguments.times - void and void < arguments.times
            print(
                f"{name:<46} {arguments.times:>5} {void:>4} {survived:>8} {lost:>5} {doubled:>7} "
                f"{time.monotonic() - began:>5.0f}",
                flush=True,
            )
    return 0 if survived_all else 1


def copy_structures(there: Drill, here: Drill) -> None:
    """Spare a drill the step before its run."""
    shutil.copytree(there.results / "structures", here.results / "structures")


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """Mount a file system of 64 MB at `directory` while the block runs."""
    directory.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(directory)]
    subprocess.run(words, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


if __name__ == "__main__":
    sys.exit(main())
