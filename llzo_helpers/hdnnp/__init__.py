"""n2p2's neural network potentials (2G HDNNPs) without n2p2.

Read a folder of n2p2's files and evaluate structures, alone (`HDNNP`), in ASE
(`HDNNPCalculator`) or in LAMMPS (`llzo_helpers.md.callback`). The evaluator is loaded on first use:
checking files does without.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llzo_helpers.hdnnp.calculator import HDNNPCalculator
    from llzo_helpers.hdnnp.evaluator import HDNNP, Evaluation

_HOMES = {"HDNNP": "evaluator", "Evaluation": "evaluator", "HDNNPCalculator": "calculator"}

__all__ = ["HDNNP", "Evaluation", "HDNNPCalculator"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
