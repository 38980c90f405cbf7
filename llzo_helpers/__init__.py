"""Lithium diffusion in solid electrolytes: structures, molecular dynamics, and their analysis.

>>> from llzo_helpers import Trajectory, tracer_diffusion_coefficient
>>> trajectory = Trajectory("results/quick/runs/...")  # doctest: +SKIP

Names imported from here are loaded on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llzo_helpers.analysis.arrhenius import fit_arrhenius
    from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient
    from llzo_helpers.analysis.msd import mean_squared_displacement
    from llzo_helpers.analysis.networks.gop import graph_order_parameter
    from llzo_helpers.analysis.order import pair_distribution
    from llzo_helpers.analysis.sites import landmark_analysis
    from llzo_helpers.analysis.vibration import vibrational_density_of_states
    from llzo_helpers.campaign.model import load_campaign
    from llzo_helpers.generate.crystal import crystal
    from llzo_helpers.hdnnp import HDNNPCalculator
    from llzo_helpers.md.chain import run_md
    from llzo_helpers.md.trajectory import Trajectory
    from llzo_helpers.potentials import load_potential

__version__ = "0.1.0"

_HOMES = {
    "HDNNPCalculator": "hdnnp",
    "Trajectory": "md.trajectory",
    "crystal": "generate.crystal",
    "fit_arrhenius": "analysis.arrhenius",
    "graph_order_parameter": "analysis.networks.gop",
    "landmark_analysis": "analysis.sites",
    "load_campaign": "campaign.model",
    "load_potential": "potentials",
    "mean_squared_displacement": "analysis.msd",
    "pair_distribution": "analysis.order",
    "run_md": "md.chain",
    "tracer_diffusion_coefficient": "analysis.diffusion",
    "vibrational_density_of_states": "analysis.vibration",
}

__all__ = [
    "HDNNPCalculator",
    "Trajectory",
    "crystal",
    "fit_arrhenius",
    "graph_order_parameter",
    "landmark_analysis",
    "load_campaign",
    "load_potential",
    "mean_squared_displacement",
    "pair_distribution",
    "run_md",
    "tracer_diffusion_coefficient",
    "vibrational_density_of_states",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
