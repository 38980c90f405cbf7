"""Molecular dynamics with LAMMPS: chains of segments that survive being killed."""

from llzo_helpers.md.chain import Progress, plan_segments, run_md, run_progress

__all__ = ["Progress", "plan_segments", "run_md", "run_progress"]
