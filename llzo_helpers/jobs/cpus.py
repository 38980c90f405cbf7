"""How many CPUs this process may use."""

import math
import os
from pathlib import Path

from llzo_helpers.errors import InputError, clipped

_CGROUPS = Path("/sys/fs/cgroup")


def usable_cpus() -> int:
    """Return the CPUs that this process is allowed, by its affinity and its cgroup's quota."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota())))


def require_cores(cores: int) -> None:
    """Raise InputError unless it is a possible number of cores."""
    if not 1 <= cores <= 1_000_000:
        raise InputError(f"--cores {clipped(cores)}: give a number from 1 to 1000000")


def _quota() -> float:
    """Return the CPUs whose time the cgroups of this process grant it; infinity if all."""
    try:
        (path,) = [
            line.removeprefix("0::")
            for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
            if line.startswith("0::")
        ]
    except (OSError, ValueError):
        return math.inf
    own = _CGROUPS / path.strip("/")
    return min((_limit(group) for group in (own, *own.parents)), default=math.inf)


def _limit(group: Path) -> float:
    try:
        quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        # there is none, or it says "max"
        return math.inf
