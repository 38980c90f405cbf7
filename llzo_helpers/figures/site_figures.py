"""What stands behind the site analysis: survival of stays, superbasins, sensitivity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.colors import qualitative
from plotly.subplots import make_subplots

from llzo_helpers.sites import SuperbasinScan, Survival

COLORS = qualitative.Safe


def survival_figure(curves: Mapping[str, Survival]) -> go.Figure:
    """Draw the probability that a stay lasts, by Kaplan and Meier, with its standard error.

    A straight line would be one exponential; a steep beginning is quick returns.

    Parameters
    ----------
    curves : mapping of str to Survival
        By the name of the sites.
    """
    figure = go.Figure()
    for color, (name, curve) in zip(_colors(len(curves)), curves.items(), strict=True):
        low = np.clip(curve.survival - curve.standard_error, 1e-4, 1)
        high = np.clip(curve.survival + curve.standard_error, 1e-4, 1)
        figure.add_scatter(
            x=np.concatenate([curve.time, curve.time[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor=color,
            opacity=0.25,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
        figure.add_scatter(
            x=curve.time,
            y=np.where(curve.survival > 0, curve.survival, np.nan),
            line={"color": color, "shape": "hv"},
            name=name,
            legendgroup=name,
        )
    figure.update_yaxes(type="log", title="Probability to stay longer", range=[-3, 0.05])
    figure.update_xaxes(title="Time at the site / ps", rangemode="tozero")
    figure.update_layout(template="simple_white", width=620, height=420)
    return figure


def superbasin_figure(scans: Mapping[str, SuperbasinScan], n_sites: Mapping[str, int]) -> go.Figure:
    """Draw how the fast network grows as slower links are let in, and where it percolates.

    Parameters
    ----------
    scans : mapping of str to SuperbasinScan
        By the name of the system.
    n_sites : mapping of str to int
        Sites of each system.
    """
    figure = make_subplots(
        1,
        2,
        subplot_titles=("Largest superbasin", "Number of superbasins of two or more sites"),
        horizontal_spacing=0.12,
    )
    for color, (name, scan) in zip(_colors(len(scans)), scans.items(), strict=True):
        line = {"color": color}
        figure.add_scatter(
            x=scan.minimum_rate,
            y=scan.largest / n_sites[name],
            line=line,
            name=name,
            legendgroup=name,
            row=1,
            col=1,
        )
        figure.add_scatter(
            x=scan.minimum_rate,
            y=scan.n_superbasins,
            line=line,
            name=name,
            legendgroup=name,
            showlegend=False,
            row=1,
            col=2,
        )
        percolating = np.flatnonzero(scan.rank == 3)
        if len(percolating):
            first = percolating[0]
            figure.add_scatter(
                x=[scan.minimum_rate[first]],
                y=[scan.largest[first] / n_sites[name]],
                mode="markers",
                marker={"color": color, "size": 11, "symbol": "diamond"},
                name=f"{name} percolates in 3D",
                legendgroup=name,
                row=1,
                col=1,
            )
    figure.update_xaxes(
        type="log", autorange="reversed", title="Least rate of a link / ps<sup>-1</sup>"
    )
    figure.update_yaxes(title="Fraction of sites", range=[0, 1.03], row=1, col=1)
    figure.update_layout(template="simple_white", width=1000, height=400)
    return figure


@dataclass(frozen=True)
class SensitivityPoint:
    """Results of one way to analyse a trajectory.

    Attributes
    ----------
    clustering : str
        Method.
    assignment_threshold : float
        Least similarity.
    values, errors : mapping of str to float
        By the name of the quantity, with its unit.
    """

    clustering: str
    assignment_threshold: float
    values: Mapping[str, float]
    errors: Mapping[str, float]


def sensitivity_figure(points: Sequence[SensitivityPoint]) -> go.Figure:
    """Draw how results depend on the assignment threshold and the clustering method.

    Parameters
    ----------
    points : sequence of SensitivityPoint
        All with the same quantities: one panel each.
    """
    quantities = list(points[0].values)
    figure = make_subplots(
        1, len(quantities), subplot_titles=quantities, horizontal_spacing=0.25 / len(quantities)
    )
    methods = list(dict.fromkeys(point.clustering for point in points))
    for color, method in zip(_colors(len(methods)), methods, strict=True):
        chosen = [point for point in points if point.clustering == method]
        for column, quantity in enumerate(quantities, start=1):
            figure.add_scatter(
                x=[point.assignment_threshold for point in chosen],
                y=[point.values[quantity] for point in chosen],
                error_y={"array": [point.errors.get(quantity, 0.0) for point in chosen]},
                mode="lines+markers",
                line={"color": color},
                name=method,
                legendgroup=method,
                showlegend=column == 1,
                row=1,
                col=column,
            )
    figure.update_xaxes(title="Assignment threshold")
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(template="simple_white", width=120 + 270 * len(quantities), height=360)
    return figure


def _colors(n: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(n)]
