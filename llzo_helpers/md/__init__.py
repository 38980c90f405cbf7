"""Molecular dynamics with LAMMPS: chains of segments that survive being killed."""

STOPPED_FRAME = "stopped.xyz"
"""The frame at which `llzo_helpers.md.callback` stopped a run for too many extrapolations."""
