"""What panels show below their controls, drawn anew whenever a control moves."""

import ipywidgets as widgets
import plotly.graph_objects as go


def show(box: widgets.Box, *contents: go.Figure | widgets.Widget) -> None:
    """Replace what a box holds.

    A figure becomes a widget of its own each time. A widget that is changed in place before it is
    on the page stays empty there, and it keeps titles and lines of what it showed before.
    """
    previous = box.children
    box.children = [
        go.FigureWidget(content) if isinstance(content, go.Figure) else content
        for content in contents
    ]
    for child in previous:
        child.close()
