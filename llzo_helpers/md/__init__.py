"""Molecular dynamics with LAMMPS: chains of segments that survive being killed."""

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
