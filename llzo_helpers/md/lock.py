"""One process at a time in a run's folder.

The lock is a `flock` on the file `lock`: it belongs to the open file, so it ends with the last
process that has it open, however that process dies. File systems that share these locks between
nodes (NFS, Lustre mounted with `flock`, GPFS, CephFS) give the same guarantee across a cluster.

Where locks are silently local to each node (NFS with `local_lock`, Lustre with
`localflock`), the content of the file takes their place: it names process, node and Slurm job, is
erased when the holder ends, even by an error, unless it is killed, and is touched every half minute
while it lives. A lock that names another node counts as stale if its Slurm job is over, or is this
very job, requeued; without a job, if nobody has touched it for five minutes. There two processes
that start within the same second could still both get in.
"""

import fcntl
import os
import random
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llzo_helpers import slurm
from llzo_helpers.errors import InputError

_TOUCH_SECONDS = 30
_STALE_SECONDS = 300
_LOOK_SECONDS = 10  # a look takes microseconds, unless the node is busy
_RECORD = re.compile(r"process (?P<pid>\d+) on (?P<host>\S+?)(, Slurm job (?P<job>[\d_]+))?$")


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    """Hold the lock of a run's folder, and yield its file descriptor.

    Raises
    ------
    InputError
        If another process holds it; the message says which.
    """
    path = directory / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror}; change permissions, or set LLZO_RESULTS "
            "to a folder that you may write to"
        ) from None
    try:
        if not _acquire(descriptor, path) or _held_elsewhere(descriptor, directory):
            raise InputError(
                f"{directory}: locked by {_record(descriptor) or 'another process'}, which is "
                "working there; wait for it or end it"
            )
        job = f", Slurm job {slurm.job_id()}" if slurm.job_id() else ""
        os.ftruncate(descriptor, 0)
        text = f"process {os.getpid()} on {socket.gethostname()}{job}\n"
        os.pwrite(descriptor, text.encode(), 0)
        try:
            with _touched(descriptor):
                yield descriptor
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder(directory: Path) -> str | None:
    """Return who holds the lock of a folder, as `process 12 on node3`; None if nobody does.

    Looking needs no permission to write: the folder may be another user's.

    Raises
    ------
    InputError
        If the lock cannot be read.
    """
    path = directory / "lock"
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror}; ask its owner for permission"
        ) from None
    try:
        # on NFS, only a file that is open for writing can be locked exclusively
        if not _flock(descriptor, path, fcntl.LOCK_SH):
            return _record(descriptor) or "another process"
        return _record(descriptor) if _held_elsewhere(descriptor, directory) else None
    finally:
        os.close(descriptor)


def local_process(record: str) -> int | None:
    """Return the number of the process that a lock names; None if it is on another node."""
    match = _RECORD.match(record)
    return int(match["pid"]) if match and match["host"] == socket.gethostname() else None


def slurm_job(record: str) -> str | None:
    """Return the number of the Slurm job that a lock names, if any."""
    match = _RECORD.match(record)
    return match["job"] if match else None


def _acquire(descriptor: int, path: Path) -> bool:
    """Take the lock; wait for those who only look at it, as `holder` does with a shared lock."""
    deadline = time.monotonic() + _LOOK_SECONDS
    while not _flock(descriptor, path, fcntl.LOCK_EX):
        # a shared lock is refused by a holder, not by who looks
        if not _flock(descriptor, path, fcntl.LOCK_SH) or time.monotonic() > deadline:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        # at random, so that two who want it do not try in step
        time.sleep(random.uniform(0, 0.01))
    return True


def _flock(descriptor: int, path: Path, operation: int) -> bool:
    """Take the lock, exclusively or shared; return False if another process has it."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise InputError(
            f"{path}: this file system has no locks ({error.strerror}); move the results to "
            "another one, or have it mounted with flock"
        ) from None
    return True


def _record(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace").strip()


def _held_elsewhere(descriptor: int, directory: Path) -> bool:
    """Whether the lock names a living process on a node with which flock is not shared."""
    match = _RECORD.match(_record(descriptor))
    # on this node flock has the last word
    if match is None or match["host"] == socket.gethostname():
        return False
    if match["job"]:
        if match["job"] == slurm.job_id():
            return False
        active = slurm.is_active(match["job"])
        if active is not None:
            return active
    try:
        # both times are then the file server's
        with tempfile.TemporaryFile(dir=directory) as probe:
            now = os.fstat(probe.fileno()).st_mtime
    except OSError:
        # another user's folder: the clock of this node must do
        now = time.time()
    return now - os.fstat(descriptor).st_mtime < _STALE_SECONDS


@contextmanager
def _touched(descriptor: int) -> Iterator[None]:
    """Renew the file's time of modification while the block runs."""
    ended = threading.Event()

    def touch() -> None:
        while not ended.wait(_TOUCH_SECONDS):
            os.utime(descriptor)

    thread = threading.Thread(target=touch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
