"""n2p2's neural network potentials (2G HDNNPs) without n2p2.

Read a folder of n2p2's files and evaluate structures, alone (`HDNNP`), in ASE
(`HDNNPCalculator`) or in LAMMPS (`llzo_helpers.md.callback`).
"""

from llzo_helpers.hdnnp.calculator import HDNNPCalculator
from llzo_helpers.hdnnp.evaluator import HDNNP, Evaluation

__all__ = ["HDNNP", "Evaluation", "HDNNPCalculator"]
