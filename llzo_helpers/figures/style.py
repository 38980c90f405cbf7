"""The look that all figures share."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

# Okabe and Ito's colours, which readers with any colour vision can tell apart
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#7F7F7F"
SEQUENCE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)

ELEMENT_COLOURS = {"Li": GREEN, "La": SKY, "Zr": ORANGE, "O": VERMILION}

_AXIS = {
    "showline": True,
    "linecolor": "black",
    "mirror": True,
    "ticks": "inside",
    "showgrid": False,
    "zeroline": False,
    "title_standoff": 8,
}


def new_figure(*, x: str, y: str, caption: str, log_y: bool = False, **layout: Any) -> go.Figure:
    """Return an empty figure with framed axes.

    Parameters
    ----------
    x, y
        Axis titles with units.
    caption
        What the figure shows; the report prints it below.
    log_y
        Logarithmic ordinate, its ticks as powers of ten.
    layout
        Further layout of plotly.
    """
    figure = go.Figure()
    figure.update_xaxes(title=x, **_AXIS)
    figure.update_yaxes(title=y, **_AXIS)
    if log_y:
        figure.update_yaxes(type="log", exponentformat="power", dtick="D2")
    figure.update_layout(
        template="plotly_white",
        font={"family": "Helvetica, Arial, sans-serif", "size": 14, "color": "black"},
        width=720,
        height=480,
        margin={"l": 90, "r": 20, "t": 20, "b": 60},
        legend={"orientation": "h", "yanchor": "top", "y": -0.17, "x": 0},
        meta={"caption": caption},
        **layout,
    )
    return figure


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 times powers of ten that lie between two values, to be written in full."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]
