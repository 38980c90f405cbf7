"""Values in figures: ours with error bars or as upper bounds, the paper's beside them."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.arrays import FloatArray
from llzo_helpers.figures.looks import Look
from llzo_helpers.figures.style import add_band


def add_measured(
    figure: go.Figure,
    rows: pd.DataFrame,
    x: Iterable[Any],
    *,
    value: str = "tracer_D_cm2_s",
    std: str = "tracer_D_std_cm2_s",
    look: Look,
    name: str,
    joined: bool = False,
    place: Mapping[str, int] | None = None,
) -> None:
    """Draw values with their standard errors; those that are upper bounds pale, with an arrow.

    Parameters
    ----------
    figure
        Receives them.
    rows
        A row per value, with `upper_bound` and `tracer_D_limit_cm2_s` where there are bounds.
    x
        Abscissa, [row].
    value, std
        Columns of the value and its standard error.
    look
        Of the system.
    name
        For the legend; also its group.
    joined
        Join the values by a line, replicas at their mean; not those half of which are bounds.
    place
        `row` and `col` in a figure of several panels.
    """
    abscissa = pd.Series(list(x), index=rows.index)
    bound = rows.get("upper_bound", pd.Series(False, index=rows.index)).astype(bool)
    replicas = not abscissa.is_unique
    if joined and replicas:
        known = ~bound & (bound.groupby(abscissa).transform("mean") < 0.5)
        add_line(figure, abscissa[known], rows.loc[known, value], look, name, place)
    figure.add_scatter(
        x=abscissa[~bound],
        y=rows.loc[~bound, value],
        error_y={"array": rows.loc[~bound, std], "thickness": 1.5, "width": 4},
        mode="lines+markers" if joined and not replicas else "markers",
        marker=look.marker,
        line=look.line,
        name=name,
        legendgroup=name,
        showlegend=not bound.all(),
        **(place or {}),
    )
    if bound.any():
        limits = rows.loc[bound, "tracer_D_limit_cm2_s"].to_numpy()
        _add_bounds(
            figure, abscissa[bound], limits, look, name, named=bool(bound.all()), place=place
        )


def add_line(
    figure: go.Figure,
    x: "pd.Series[float]",
    y: "pd.Series[float]",
    look: Look,
    name: str,
    place: Mapping[str, int] | None = None,
) -> None:
    """Join values from left to right, those at the same place at their mean."""
    means = y.groupby(x).mean()
    figure.add_scatter(
        x=means.index,
        y=means,
        mode="lines",
        line=look.line,
        name=name,
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
        **(place or {}),
    )


def add_paper(
    figure: go.Figure,
    x: Iterable[Any],
    y: Iterable[float],
    *,
    look: Look,
    name: str,
    joined: bool = False,
    place: Mapping[str, int] | None = None,
) -> None:
    """Draw values of the paper: open symbols in the colour of the system, dashed lines."""
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers" if joined else "markers",
        marker=look.open,
        line={"width": 1, "color": look.colour, "dash": "dash"},
        name=name,
        **(place or {}),
    )


def add_curve(
    figure: go.Figure,
    x: FloatArray,
    y: FloatArray,
    error: FloatArray,
    *,
    look: Look,
    name: str,
    showlegend: bool = True,
    place: Mapping[str, int] | None = None,
) -> None:
    """Draw a curve with the band of its standard error, which may be NaN: not known."""
    band = np.nan_to_num(error)
    add_band(figure, x, y - band, y + band, colour=look.colour, group=name, **(place or {}))
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line=look.line,
        name=name,
        legendgroup=name,
        showlegend=showlegend,
        **(place or {}),
    )


def _add_bounds(
    figure: go.Figure,
    x: pd.Series,
    limits: FloatArray,
    look: Look,
    name: str,
    *,
    named: bool,
    place: Mapping[str, int] | None = None,
) -> None:
    """Draw upper bounds on a logarithmic ordinate."""
    common: dict[str, Any] = {"x": x, "mode": "markers", "name": name, "legendgroup": name}
    common |= place or {}
    figure.add_scatter(
        y=limits,
        marker=look.pale,
        showlegend=named,
        hovertemplate="upper bound<extra></extra>",
        **common,
    )
    # no data of its own
    figure.add_scatter(
        y=limits / 1.35,
        marker={"color": look.colour, "symbol": "arrow-bar-down", "size": 12},
        showlegend=False,
        hoverinfo="skip",
        **common,
    )
