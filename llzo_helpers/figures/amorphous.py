"""Crystal, melt and glass side by side, as in the paper's supporting information."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from llzo_helpers.analysis.order import CoordinationNumbers, PairDistribution
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import BLACK, BLUE, GREY, VERMILION, new_figure

_COLOURS = {"crystal": BLACK, "melt": VERMILION, "glass": BLUE, "start": GREY, "end": BLUE}
_PAIRS = (("Zr", "Zr"), ("O", "O"), ("Zr", "O"), ("La", "La"), ("La", "O"), ("Li", "O"))
_LAYOUT = {
    "template": "plotly_white",
    "font": {"family": "Helvetica, Arial, sans-serif", "size": 12, "color": "black"},
    "margin": {"l": 70, "r": 20, "t": 40, "b": 60},
}


@registered("glass_pair_distributions")
def pair_distribution_figure(
    stages: Mapping[str, Mapping[tuple[str, str], PairDistribution]], title: str
) -> go.Figure:
    """Partial pair distributions of several stages.

    Parameters
    ----------
    stages
        By name ("crystal", "melt", "glass"), by pair of elements.
    title
        Name of the glass.
    """
    figure = make_subplots(
        rows=2,
        cols=3,
        shared_xaxes=True,
        horizontal_spacing=0.07,
        vertical_spacing=0.1,
        subplot_titles=["–".join(pair) for pair in _PAIRS],
    )
    for index, pair in enumerate(_PAIRS):
        place = {"row": index // 3 + 1, "col": index % 3 + 1}
        for name, pairs in stages.items():
            figure.add_scatter(
                x=pairs[pair].radii,
                y=pairs[pair].values,
                mode="lines",
                line={"color": _COLOURS[name], "width": 1.5},
                name=name,
                legendgroup=name,
                showlegend=index == 0,
                **place,
            )
        # the sharp shells of the crystal would flatten everything else
        others = [pairs[pair].values.max() for name, pairs in stages.items() if name != "crystal"]
        figure.update_yaxes(range=[0, 1.15 * max(others)], **place)
    figure.update_xaxes(title="r (Å)", row=2)
    figure.update_xaxes(range=[1.2, None], showline=True, linecolor="black", mirror=True)
    figure.update_yaxes(title="g(r)", col=1)
    figure.update_yaxes(showline=True, linecolor="black", mirror=True)
    figure.update_layout(
        **_LAYOUT,
        width=740,
        height=560,
        meta={
            "caption": (
                f"Partial pair distributions of {', '.join(stages)}: {title}. A glass keeps the "
                "first shell of the crystal and has no order beyond the second. Tall peaks of the "
                "crystal are cut off."
            )
        },
    )
    return figure


@registered("glass_coordination")
def coordination_figure(
    stages: Mapping[str, Mapping[tuple[str, str], CoordinationNumbers]], title: str
) -> go.Figure:
    """Distributions of oxygen neighbours of each cation in several stages.

    Parameters
    ----------
    stages
        By name, by bond.
    title
        Name of the glass.
    """
    bonds = list(next(iter(stages.values())))
    cutoffs = [numbers.cutoff_A for numbers in next(iter(stages.values())).values()]
    titles = [f"{a}–{b} < {cutoff:.2f} Å" for (a, b), cutoff in zip(bonds, cutoffs, strict=True)]
    figure = make_subplots(rows=1, cols=len(bonds), subplot_titles=titles, shared_yaxes=True)
    for column, bond in enumerate(bonds, start=1):
        for name, by_bond in stages.items():
            fractions = by_bond[bond].distribution
            figure.add_bar(
                x=np.arange(len(fractions)),
                y=fractions,
                marker={"color": _COLOURS[name]},
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                row=1,
                col=column,
            )
    figure.update_xaxes(title="number of neighbours", dtick=2)
    figure.update_yaxes(title="fraction of ions", col=1)
    figure.update_layout(
        **_LAYOUT,
        width=740,
        height=360,
        meta={"caption": f"Oxygen coordination of {', '.join(stages)}: {title}."},
    )
    return figure


def quench_figure(energy: pd.DataFrame) -> go.Figure:
    """Potential energy against temperature during the quench.

    Parameters
    ----------
    energy
        See `llzo_helpers.campaign.glasses.quench_energy`.
    """
    figure = new_figure(
        x="T (K)",
        y="E<sub>pot</sub> (eV/atom)",
        caption=(
            "Potential energy during the quench, from the melt (right) to the glass (left), at "
            "constant volume. Where the slope changes, the melt falls out of equilibrium; a jump "
            "would indicate crystallisation."
        ),
    )
    figure.add_scattergl(
        x=energy["temperature_K"],
        y=energy["potential_energy_eV_atom"],
        mode="markers",
        marker={"size": 3, "color": BLUE},
    )
    return figure
