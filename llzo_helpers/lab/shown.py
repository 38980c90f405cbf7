"""What panels show below their controls, drawn anew whenever a control moves."""

from html import escape
from pathlib import Path

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import Image

from llzo_helpers.jobs.export import picture_of

_MOST_SCENES = 12
"""Browsers keep some 16 three-dimensional panels of a page; of more, the oldest go blank."""


def say(place: widgets.HTML, text: str) -> None:
    """Show plain text, in as many lines as it takes; a `Label` is cut at the edge of the page."""
    place.value = escape(text, quote=False)


def live_or_picture(figure: go.Figure, source: Path) -> go.Figure | Image:
    """Return a figure, or a picture of it if it has more scenes than browsers keep.

    Parameters
    ----------
    figure
        The figure.
    source
        The file that it was saved to; the picture is put beside it.
    """
    scenes = [key for key in figure.layout if key.startswith("scene")]
    picture = picture_of(figure, source) if len(scenes) > _MOST_SCENES else None
    return figure if picture is None else Image(picture, width=figure.layout.width)


def show(box: widgets.Box, *contents: go.Figure | widgets.Widget) -> None:
    """Replace what a box holds.

    A figure becomes a widget of its own each time. A widget changed in place keeps titles and
    lines of what it showed before, and loses changes that Plotly's JavaScript refuses ("cannot
    set yaxis.title.standoff and a parent attribute simultaneously").
    """
    previous = box.children
    box.children = [
        go.FigureWidget(content) if isinstance(content, go.Figure) else content
        for content in contents
    ]
    for child in previous:
        child.close()
