"""What every registered figure gets at last: ticks that differ, and room for its legend."""

import base64
import math
import re
from typing import Any

import numpy as np
import plotly.graph_objects as go

from llzo_helpers.arrays import FloatArray
from llzo_helpers.figures.style import log_ticks

_LETTER, _SYMBOL, _LINE = 6.0, 46, 20
"""Of legends, pixels: mean width of a letter, width of an entry without its text, of a line."""


_DIGITS: tuple[tuple[float, ...], ...] = ((1, 2, 5), (1, 3), (1,))
_FINE_DIGITS: tuple[tuple[float, ...], ...] = (
    (1, 2, 3, 5, 7),
    (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
)
"""Of the ticks of logarithmic axes, within a decade."""


def finish(figure: go.Figure) -> go.Figure:
    """Write the ticks of logarithmic axes in full, and lay the legend out below the axes."""
    for name, axis in _axes(figure).items():
        if axis.type == "log" and axis.tickvals is None:
            _label_logarithmic(figure, name, axis)
    _arrange_legend(figure)
    return figure


def resized(figure: go.Figure, width: int, height: int) -> go.Figure:
    """Return a finished figure laid out anew in another size, which its legend adds to."""
    small = go.Figure(figure)
    # there is no room for names beside points
    small.data = [trace for trace in small.data if getattr(trace, "mode", None) != "text"]
    margin, meta = small.layout.margin, small.layout.meta or {}
    small.update_layout(
        width=width,
        height=height,
        margin={"l": min(margin.l, 64), "r": 10, "b": margin.b - meta.get("legend_height", 0)},
    )
    small.update_annotations(font_size=11)
    for axis in _axes(small).values():
        axis.update(title_font_size=12, tickfont_size=11)
        if axis.type == "log":
            axis.update(tickvals=None, ticktext=None)
    return finish(small)


def tick_text(value: float) -> str:
    """Return a number as it stands at an axis.

    Examples
    --------
    >>> tick_text(0.05), tick_text(2e-6), tick_text(1e5)
    ('0.05', '2×10<sup>−6</sup>', '10<sup>5</sup>')
    """
    if 0.01 <= value < 1e4:
        return f"{value:g}"
    power = math.floor(math.log10(value) + 1e-9)
    digits = f"{value / 10.0**power:g}"
    factor = "" if digits == "1" else f"{digits}×"
    return f"{factor}10<sup>{power}</sup>".replace("-", "−")


def _axes(figure: go.Figure) -> dict[str, Any]:
    """Return the axes by the names that traces call them by: x, x2, y and so on."""
    names = [key for key in figure.layout if re.fullmatch(r"[xy]axis\d*", key)]
    return {name.replace("axis", ""): figure.layout[name] for name in names}


def _label_logarithmic(figure: go.Figure, name: str, axis: Any) -> None:
    """Label as many of 1, 2, 5 times powers of ten as there is room for, each in full."""
    if axis.range:
        low, high = 10.0 ** np.sort(np.array(axis.range, dtype=float))
    else:
        values = _values(figure, name)
        if not len(values):
            return
        low, high = 0.95 * values.min(), 1.05 * values.max()
    length, needed = _length(figure, name, axis), 48 if name[0] == "x" else 17
    per_decade = length / np.log10(high / low)
    digits = next((d for d in _DIGITS if per_decade * _closest(d) >= needed), (1.0,))
    if len(log_ticks(low, high, digits)) < 2:
        digits = next(
            (d for d in _FINE_DIGITS if len(log_ticks(low, high, d)) > 1), _FINE_DIGITS[-1]
        )
    # error bars may reach farther than values
    ticks = log_ticks(low / 30, high * 30, digits)
    axis.update(tickvals=ticks, ticktext=[tick_text(tick) for tick in ticks], tickangle=0)


def _closest(digits: tuple[float, ...]) -> float:
    """Return the smallest distance of ticks in decades."""
    return float(np.diff(np.log10([*digits, 10])).min())


def _values(figure: go.Figure, name: str) -> FloatArray:
    """Return the positive values on an axis and on those that move with it."""
    axes = _axes(figure)
    root = axes[name].matches or name
    together = {other for other, axis in axes.items() if (axis.matches or other) == root}
    letter = name[0]
    found = [
        np.asarray(numbers(trace[letter]), dtype=float)
        for trace in figure.data
        if (trace[f"{letter}axis"] or letter) in together and trace[letter] is not None
    ]
    values = np.concatenate(found) if found else np.empty(0)
    return values[np.isfinite(values) & (values > 0)]


def numbers(values: Any) -> Any:
    """Return an array of a figure; plotly leaves those of figures that were read in base 64."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return list(values)


def _length(figure: go.Figure, name: str, axis: Any) -> float:
    """Return the length of an axis in pixels."""
    layout, margin = figure.layout, figure.layout.margin
    start, end = axis.domain or (0, 1)
    full = layout.width - margin.l - margin.r if name[0] == "x" else 0
    full = full or layout.height - margin.t - margin.b
    return float((end - start) * full)


def _arrange_legend(figure: go.Figure) -> None:
    """Put the legend below the axes, in columns, and make the figure taller by its height."""
    shown = [trace for trace in figure.data if trace.name and trace.showlegend is not False]
    layout = figure.layout
    if layout.showlegend is False or not shown or (len(figure.data) == 1 and layout.height):
        return
    for trace in shown:
        # only then does plotly fill a row before it begins the next
        trace.legendgroup = trace.legendgroup or trace.name
    margin = layout.margin
    room = layout.width - margin.l - margin.r
    widest = _LETTER * max(len(re.sub("<.*?>", "", trace.name)) for trace in shown)
    columns = max(1, int(room // (widest + _SYMBOL)))
    if len(shown) > columns:
        # so wide that plotly, which adds 40 pixels, cannot fit another column
        widest = max(widest, room / (columns + 1) - 39)
    height = _LINE * -(-len(shown) // columns) + 10
    figure.update_layout(
        height=layout.height + height,
        margin={"b": margin.b + height},
        meta={**(layout.meta or {}), "legend_height": height},
        legend={
            "orientation": "h",
            "font": {"size": 12},
            "entrywidth": widest,
            "x": 0,
            "yref": "container",
            "y": 0.005,
            "yanchor": "bottom",
            # it would scroll beyond half the height of the axes
            "maxheight": height + 20,
            "tracegroupgap": 0,
        },
    )
