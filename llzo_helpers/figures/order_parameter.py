"""What lies behind Figure 3A: θ as a count, its dependence on length, and better predictors."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from llzo_helpers.analysis.networks.connectivity import RankCorrelation
from llzo_helpers.analysis.networks.gop import counting_limit
from llzo_helpers.analysis.networks.resampling import Dependence
from llzo_helpers.figures.facets import look_of, new_facets, once
from llzo_helpers.figures.looks import SYMBOLS, Look
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import BLACK, GREY, new_figure

_SHARED = {"shared_xaxes": "all", "shared_yaxes": "all"}


@registered("gop_counting")
def counting_figure(
    by_sites: Mapping[str, Dependence],
    full: Mapping[str, float],
    null: Mapping[str, NDArray[Any]],
    looks: Mapping[str, Look] | None = None,
) -> go.Figure:
    """How much of the order parameter is counting: θ against the number of connected sites.

    Parameters
    ----------
    by_sites
        θ (k = 3) of connected pieces of each system's network.
    full
        Of the whole networks.
    null
        Of rewired networks of the same degrees, [draw].
    looks
        Of the systems; black where it is not told.
    """
    figure, places = new_facets(
        by_sites,
        looks,
        x="connected sites n",
        y="graph order parameter θ (k = 3)",
        height=330,
        subplots=_SHARED,
        caption=(
            "How much of the order parameter is counting. Small symbols: connected pieces of the "
            "networks of jumps (bars: standard deviation); large, filled: whole networks; open, "
            "beside them: random networks with the same degrees. Grey: (mean degree − ln n)³, θ "
            "where all degrees differ, for a mean degree of 0 (line) and 1/2 (dashed). Rewiring, "
            "which turns a lattice of sites into a random graph, leaves θ unchanged."
        ),
    )
    largest = max(int(curve.amounts.max()) for curve in by_sites.values())
    smallest = min(int(curve.amounts.min()) for curve in by_sites.values())
    figure.update_xaxes(type="log")
    n = np.geomspace(smallest, largest, 60)
    for (mean, dash), place in itertools.product(((0.0, "solid"), (0.5, "dash")), once(places)):
        figure.add_scatter(
            x=n,
            y=counting_limit(n, exponent=3, mean_degree=mean),
            mode="lines",
            line={"color": GREY, "width": 1.5, "dash": dash},
            name=f"count alone, mean degree {mean:g}",
            showlegend=False,
            **place,
        )
    for system, (place,) in places.items():
        drawn, curve = look_of(system, looks), by_sites[system]
        whole = drawn.marker | {"size": drawn.size + 3, "line": {"width": 1, "color": BLACK}}
        largest_piece = curve.amounts.max()
        common = {"name": system, "legendgroup": system, "mode": "markers"} | place
        figure.add_scatter(
            x=curve.amounts,
            y=curve.means,
            error_y={"array": curve.standard_deviations, "thickness": 1.5, "width": 3},
            marker=drawn.marker | {"size": drawn.size - 3},
            showlegend=False,
            **common,
        )
        for values, x, marker, named in (
            (null[system], 1.25 * largest_piece, drawn.open | {"size": drawn.size + 3}, False),
            ([full[system]], largest_piece, whole, True),
        ):
            figure.add_scatter(
                x=np.full(len(values), x),
                y=values,
                marker=marker,
                showlegend=named,
                **common,
            )
    return figure


@registered("gop_length")
def length_figure(
    by_length: Mapping[str, Dependence],
    frame_intervals_ps: Mapping[str, float],
    looks: Mapping[str, Look] | None = None,
) -> go.Figure:
    """Graph order parameter against the length of the trajectory in which jumps are counted.

    Parameters
    ----------
    by_length
        θ by system; amounts are frames.
    frame_intervals_ps
        Time between frames, by system.
    looks
        Of the systems; black where it is not told.
    """
    figure, places = new_facets(
        by_length,
        looks,
        x="length of the trajectory (ps)",
        y="graph order parameter θ (k = 3)",
        height=300,
        subplots=_SHARED,
        caption=(
            "Graph order parameter against the length of the trajectory, mean over consecutive "
            "windows (bars: standard deviation)."
        ),
    )
    figure.update_xaxes(type="log")
    for system, (place,) in places.items():
        drawn, curve = look_of(system, looks), by_length[system]
        figure.add_scatter(
            x=curve.amounts * frame_intervals_ps[system],
            y=curve.means,
            error_y={"array": curve.standard_deviations, "thickness": 1.5, "width": 4},
            mode="lines+markers",
            marker=drawn.marker,
            line=drawn.line,
            name=system,
            **place,
        )
    return figure


@registered("predictors")
def predictors_figure(correlations: Mapping[str, Mapping[str, RankCorrelation]]) -> go.Figure:
    """Rank correlation of measures of the network with the diffusion coefficient.

    Parameters
    ----------
    correlations
        Of `llzo_helpers.campaign.networks.correlate_with_diffusion`; measures are drawn in the
        order of their strength over all systems, from the top down.
    """
    first = next(iter(correlations.values()))
    names = sorted(first, key=lambda name: abs(first[name].coefficient))
    places = {name: place for place, name in enumerate(names)}
    figure = new_figure(
        x="ρ with D",
        y="",
        caption=(
            "Which measure of the network predicts the diffusion coefficient: Spearman's rank "
            "correlation ρ with 95 % confidence intervals, over all systems of one cell size and "
            "over glasses and crystals alone; replicas count once. Of a network in one piece, θ "
            "with k = 3 is the cube of θ with k = 1: they rank the systems alike, and have the "
            "same ρ."
        ),
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    for index, (over, measures) in enumerate(correlations.items()):
        drawn = [name for name in names if name in measures]
        found = [measures[name] for name in drawn]
        rho = np.array([one.coefficient for one in found])
        low, high = (np.array([one.interval[side] for one in found]) for side in (0, 1))
        shift = 0.25 * ((len(correlations) - 1) / 2 - index)
        figure.add_scatter(
            x=rho,
            y=[places[name] + shift for name in drawn],
            error_x={"array": high - rho, "arrayminus": rho - low, "thickness": 2, "width": 5},
            mode="markers",
            marker={"size": 10, "color": BLACK, "symbol": SYMBOLS[index]},
            text=[f"{name}, {over}: {_signed(one.coefficient)}"
                  for name, one in zip(drawn, found, strict=True)],
            hoverinfo="text",
            name=f"{over} ({found[0].n})" if found else over,
        )  # fmt: skip
    figure.update_xaxes(range=[-1.05, 1.05])
    figure.update_yaxes(tickvals=list(places.values()), ticktext=names)
    figure.update_layout(margin={"l": 250}, width=740, height=120 + 55 * len(names))
    return figure


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
