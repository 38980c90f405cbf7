"""Figures as files, for the report."""

from pathlib import Path

import plotly.graph_objects as go
import plotly.io

from llzo_helpers.figures.style import make_room_for_legend
from llzo_helpers.files import write_text


def save_figure(directory: Path, name: str, figure: go.Figure) -> None:
    """Write a figure as plotly's JSON to `directory/figures`, for the report."""
    make_room_for_legend(figure)
    write_text(directory / "figures" / f"{name}.json", figure.to_json())


def load_figure(path: Path) -> go.Figure:
    """Read what `save_figure` wrote."""
    return plotly.io.from_json(path.read_text(encoding="utf-8"))
