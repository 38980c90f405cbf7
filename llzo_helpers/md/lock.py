"""One process at a time in a run's folder."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llzo_helpers.errors import InputError


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    """Hold the lock of a run's folder, and give its file descriptor.

    The lock belongs to the open file, so it ends with the last process that holds it, however
    that dies: there are no stale locks to clear by hand.

    Raises
    ------
    InputError
        If another process holds it; the message says which.
    """
    path = directory / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise InputError(
                f"{directory}: locked by {holder or 'another process'}, which works on this run; "
                "wait for it or end it"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)
