"""What panels show below their controls, drawn anew whenever a control moves."""

import ipywidgets as widgets
import plotly.graph_objects as go


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
