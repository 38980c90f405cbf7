"""Molecular dynamics with LAMMPS: chains of segments that survive being killed."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llzo_helpers.md.chain import (
        Progress,
        Stage,
        nvt_schedule,
        plan_segments,
        run_md,
        run_progress,
        run_schedule,
    )

__all__ = [
    "Progress",
    "Stage",
    "nvt_schedule",
    "plan_segments",
    "run_md",
    "run_progress",
    "run_schedule",
]

STOPPED_FRAME = "stopped.xyz"
"""The frame at which `llzo_helpers.md.callback` stopped a run for too many extrapolations."""


def __getattr__(name: str) -> Any:
    # the process in which LAMMPS runs (`llzo_helpers.md.callback`) has no use for what the chain
    # imports, and should be small
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from llzo_helpers.md import chain

    return getattr(chain, name)
