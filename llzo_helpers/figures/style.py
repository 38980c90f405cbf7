"""The common style of all figures."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from ase.data import atomic_names, atomic_numbers
from numpy.typing import NDArray
from plotly.subplots import make_subplots

# Okabe and Ito's colours, which can be told apart with any colour vision
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

_LAYOUT = {
    "template": "plotly_white",
    "font": {"family": "Helvetica, Arial, sans-serif", "size": 14, "color": "black"},
    "legend": {"bgcolor": "rgba(255,255,255,0.8)"},
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
    **layout
        Further plotly layout.
    """
    figure = go.Figure()
    figure.update_xaxes(title=x, **_AXIS)
    figure.update_yaxes(title=y, **_AXIS)
    if log_y:
        figure.update_yaxes(type="log", exponentformat="power", dtick="D2")
    figure.update_layout(
        **_LAYOUT,
        width=720,
        height=480,
        margin={"l": 90, "r": 20, "t": 20, "b": 60},
        meta={"caption": caption},
        **layout,
    )
    figure.update_layout(legend={"orientation": "h", "yanchor": "top", "y": -0.17, "x": 0})
    return figure


def ion_name(mobile: str) -> str:
    """Return the names of elements in words: "lithium" of "Li", "sodium and oxygen" of "Na and O".

    Parameters
    ----------
    mobile
        As `llzo_helpers.campaign.model.Campaign.mobile` gives it.
    """
    return " and ".join(
        atomic_names[atomic_numbers[symbol]].lower() for symbol in mobile.split(" and ")
    )


def diffusivity_axis(mobile: str) -> str:
    """Return the title of an axis of diffusion coefficients."""
    of = f"<sub>{mobile}</sub>" if mobile in atomic_numbers else ""
    return f"D{of} (cm<sup>2</sup>/s)"


def legend_at_right(figure: go.Figure, *, gap: float = 0.02) -> None:
    """Put the legend to the right of the axes, for many or long names, and make room for it."""
    figure.update_layout(
        width=740,
        legend={"orientation": "v", "x": 1 + gap, "y": 1, "yanchor": "top", "font": {"size": 12}},
    )


def make_room_for_legend(figure: go.Figure) -> None:
    """Make a figure with a long legend below it taller, so that the legend does not squeeze it."""
    if figure.layout.legend.orientation != "h" or figure.layout.height is None:
        return
    names = [trace.name for trace in figure.data if trace.name and trace.showlegend is not False]
    # as plotly does: columns as wide as the longest name
    columns = max(1, int(560 / (60 + 7.5 * max(map(len, names), default=1))))
    rows = -(-len(names) // columns)
    figure.update_layout(height=figure.layout.height + 21 * max(0, rows - 1))


def add_band(
    figure: go.Figure,
    x: NDArray[Any],
    low: NDArray[Any],
    high: NDArray[Any],
    *,
    colour: str,
    group: str,
    **place: int,
) -> None:
    """Fill the band between two curves, usually of a standard error, without a legend entry.

    Parameters
    ----------
    figure
        Receives the band.
    x, low, high
        Abscissa and the two curves.
    colour
        Drawn faintly.
    group
        Legend group of the curve that the band belongs to.
    **place
        `row` and `col` in a figure of several panels.
    """
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=colour,
        opacity=0.25,
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=group,
        **place,
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 times powers of ten that lie between two values, to be written in full."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]


def new_panels(
    titles: Sequence[str],
    *,
    caption: str,
    columns: int = 3,
    panel_size: tuple[int, int] = (205, 205),
    legend_rows: int = 0,
    subplots: Mapping[str, Any] | None = None,
    **layout: Any,
) -> tuple[go.Figure, list[dict[str, int]]]:
    """Return an empty figure of several panels, (A), (B), ..., with framed axes.

    Parameters
    ----------
    titles
        One per panel, in reading order.
    caption
        What the figure shows; the report prints it below.
    columns
        Panels in a row.
    panel_size
        Width and height of a panel, pixels.
    legend_rows
        Rows to keep free below for the legend.
    subplots
        Further arguments of plotly's `make_subplots`.
    **layout
        Further plotly layout.

    Returns
    -------
    figure
    places
        `row` and `col` of each panel.
    """
    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)
    width, height = panel_size
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[
            "<br>".join(textwrap.wrap(f"({_letters(i)}) {title}", width // 6))
            for i, title in enumerate(titles)
        ],
        **{
            "horizontal_spacing": 0.25 / columns,
            "vertical_spacing": 0.36 / rows,
            **(subplots or {}),
        },
    )
    figure.update_xaxes(**_AXIS, title_font_size=12, tickfont_size=11)
    figure.update_yaxes(**_AXIS, title_font_size=12, tickfont_size=11)
    figure.update_annotations(font_size=12)
    figure.update_layout(
        **_LAYOUT,
        width=110 + width * columns,
        height=60 + height * rows + 24 * legend_rows,
        margin={"l": 70, "r": 20, "t": 40, "b": 60 + 24 * legend_rows},
        meta={"caption": caption},
    )
    figure.update_layout(
        legend={"orientation": "h", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"}
    )
    figure.update_layout(**layout)
    places = [{"row": i // columns + 1, "col": i % columns + 1} for i in range(len(titles))]
    return figure, places


def _letters(index: int) -> str:
    """Return A to Z, then AA, AB, ..."""
    before, letter = divmod(index, 26)
    return (_letters(before - 1) if before else "") + chr(65 + letter)
