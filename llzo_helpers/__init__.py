"""Helpers of the llzo-notebooks: structures, molecular dynamics and analysis of lithium garnets."""

__version__ = "0.1.0"
