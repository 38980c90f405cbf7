"""The common style of all figures."""

import re
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
WHITE = "#FFFFFF"
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

_WIDTH, _LEFT, _RIGHT, _BELOW = 740, 66, 20, 52
"""Of figures of several panels, pixels: of all, left of the panels, right of and below them."""

_COLOUR_BAR = 40
"""Height of a colour bar with its ticks, pixels; it lies below the panels."""
_BELOW_ALL = {
    "orientation": "h",
    "title": {"side": "right", "font": {"size": 12}},
    "tickfont": {"size": 11},
    "thickness": 10,
    "len": 0.75,
    "x": 0,
    "xanchor": "left",
    "xpad": 0,
    "yanchor": "top",
    "ypad": 0,
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
        Logarithmic ordinate.
    **layout
        Further plotly layout.
    """
    figure = go.Figure()
    figure.update_xaxes(title=x, **_AXIS)
    figure.update_yaxes(title=y, **_AXIS)
    if log_y:
        figure.update_yaxes(type="log")
    figure.update_layout(
        **_LAYOUT,
        width=720,
        height=480,
        margin={"l": 90, "r": 20, "t": 20, "b": 60},
        meta={"caption": caption},
        **layout,
    )
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


def show_factors(figure: go.Figure, low: float, high: float) -> None:
    """Show factors and their intervals on a logarithmic abscissa, which a dotted 1 divides.

    Parameters
    ----------
    figure
        Of one panel.
    low, high
        Ends of all intervals; 1 is shown in any case.
    """
    ends = np.log10([min(low, 1.0), max(high, 1.0)])
    margin = 0.05 * (ends[1] - ends[0])
    figure.update_xaxes(type="log", range=[ends[0] - margin, ends[1] + margin])
    figure.add_vline(x=1, line={"dash": "dot", "color": BLACK, "width": 1})


def log_ticks(low: float, high: float, digits: Sequence[float] = (1, 2, 5)) -> list[float]:
    """Return these digits times powers of ten that lie between two values."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
    return [tick for tick in ticks if low <= tick <= high]


def columns_of(n_panels: int) -> int:
    """Return how many panels stand in a row: three, or four where the last would be alone."""
    return min(4 if n_panels % 3 == 1 else 3, n_panels)


def _wrapped(title: str, width: int) -> list[str]:
    """Return the lines of a title; units and what is in brackets are not broken."""
    unbroken = re.sub(
        r"\(.*?\)| (?=%|K\b)", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), title
    )
    return textwrap.wrap(unbroken, width, break_on_hyphens=False, break_long_words=False)


def new_panels(
    titles: Sequence[str],
    *,
    caption: str,
    x: str | None = None,
    y: str | None = None,
    columns: int | None = None,
    height: int = 150,
    subplots: Mapping[str, Any] | None = None,
    **layout: Any,
) -> tuple[go.Figure, list[dict[str, int]]]:
    """Return an empty figure of several panels with framed axes.

    Parameters
    ----------
    titles
        One per panel, in reading order.
    caption
        What the figure shows; the report prints it below.
    x, y
        Axis titles that all panels share, written below the lowest panels and beside the first
        ones; without them there is room for titles at each panel.
    columns
        Panels in a row; by default `columns_of` them.
    height
        Of a panel, pixels.
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
    arguments = dict(subplots or {})
    columns = min(columns or columns_of(len(titles)), len(titles))
    rows = -(-len(titles) // columns)
    width = _WIDTH if columns > 1 else 520
    # scenes have no ticks
    close = arguments.get("shared_yaxes") or "specs" in arguments
    between = 16 if close else 62 if columns < 4 else 46
    inner = width - _LEFT - _RIGHT
    panel_width = (inner - between * (columns - 1)) / columns
    lines = [_wrapped(title, int(panel_width / 6.2)) for title in titles]
    above = 10 + 15 * max(map(len, lines))
    below = 48 if x is None else 26
    full = rows * height + (rows - 1) * (above + below)
    below_all = _BELOW + (_COLOUR_BAR if "coloraxis" in layout else 0)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=["<br>".join(parts) for parts in lines],
        horizontal_spacing=between / inner,
        vertical_spacing=(above + below) / full if rows > 1 else 0,
        **arguments,
    )
    figure.update_xaxes(**_AXIS, title_font_size=12, tickfont_size=11, showticklabels=True)
    figure.update_yaxes(**_AXIS, title_font_size=12, tickfont_size=11)
    figure.update_annotations(font_size=12)
    figure.update_layout(
        **_LAYOUT,
        width=width,
        height=above + full + below_all,
        margin={"l": _LEFT, "r": _RIGHT, "t": above, "b": below_all},
        meta={"caption": caption},
        **layout,
    )
    if "coloraxis" in layout:
        figure.update_coloraxes(colorbar=_BELOW_ALL | {"y": -_BELOW / full})
    places = [{"row": i // columns + 1, "col": i % columns + 1} for i in range(len(titles))]
    for place in places if x is not None else ():
        if place["row"] == rows or place["row"] * columns + place["col"] > len(titles):
            figure.update_xaxes(title_text=x, **place)
    if y is not None:
        figure.update_yaxes(title_text=y, col=1)
    return figure, places
