"""Figures of a campaign as files for a manuscript, with their data: `llzo figures CAMPAIGN`."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.campaign.model import Campaign
from llzo_helpers.errors import InputError
from llzo_helpers.figures.register import load_figure
from llzo_helpers.files import write_text

FORMATS = ("svg", "pdf", "png")


def export_figures(campaign: Campaign, formats: Sequence[str] = ("svg", "pdf")) -> list[Path]:
    """Write each figure of a campaign, and beside it the numbers that it shows.

    Parameters
    ----------
    campaign
        Whose notebooks have left figures in `results/<campaign>/figures`.
    formats
        Some of `FORMATS`. They are drawn by a Chromium or Chrome, which must be installed.

    Returns
    -------
    list of Path
        The files: `figures/NAME.svg` and so on, and `figures/NAME.csv`.

    Raises
    ------
    InputError
        If there are no figures, a format is unknown, or there is no browser.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise InputError(f"--format {unknown[0]}: unknown; choose from {', '.join(FORMATS)}")
    folder = campaign.directory / "figures"
    figures = {path.with_suffix(""): load_figure(path) for path in sorted(folder.glob("*.json"))}
    if not figures:
        raise InputError(f"{folder}: no figures; run the campaign's notebooks first")
    tables = []
    for path, figure in figures.items():
        tables.append(path.with_suffix(".csv"))
        write_text(tables[-1], figure_data(figure).to_csv(index=False))
    pictures = [path.with_suffix(f".{name}") for path in figures for name in formats]
    # one start of the browser for all of them
    _draw(
        [
            {"fig": figures[path.with_suffix("")], "path": str(path), "format": path.suffix[1:]}
            for path in pictures
        ]
    )
    return [*tables, *pictures]


def is_scene(figure: go.Figure) -> bool:
    """Return whether a figure is three-dimensional, which browsers are slow to draw."""
    return any(trace.type in ("mesh3d", "scatter3d") for trace in figure.data)


def picture_of(figure: go.Figure, path: Path) -> bytes | None:
    """Return a figure as PNG, drawn into a file; None if there is no browser to draw it."""
    try:
        _draw([{"fig": figure, "path": str(path), "format": "png"}])
    except InputError:
        return None
    return path.read_bytes()


def _draw(pictures: list[dict[str, Any]]) -> None:
    # imported here: it is slow, and nothing else needs it
    import kaleido
    from kaleido.errors import ChromeNotFoundError

    for picture in pictures:
        picture["opts"] = {"format": picture.pop("format"), "scale": 2}
    try:
        kaleido.write_fig_from_object_sync(pictures)
    except ChromeNotFoundError:
        raise InputError(
            "no Chromium or Chrome found, which draws the figures; install one, or name its "
            "program in BROWSER_PATH"
        ) from None


def figure_data(figure: go.Figure) -> pd.DataFrame:
    """Return the numbers that a figure shows, a row per point.

    Returns
    -------
    DataFrame
        `curve` (its name in the legend), `panel` (number of the axes), `x`, `y`, and where there
        are any `error_x`, `error_y`. Surfaces are left out, and so are bands and what else is
        drawn without being data of its own.
    """
    rows = [table for trace in figure.data if (table := _points(trace)) is not None]
    columns = ["curve", "panel", "x", "y"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def _points(trace: Any) -> pd.DataFrame | None:
    if trace.type not in ("scatter", "scattergl", "bar") or getattr(trace, "fill", None):
        return None
    if trace.x is None or trace.y is None or not len(trace.x) or trace.hoverinfo == "skip":
        return None
    panel = (trace.xaxis or "x").removeprefix("x") or "1"
    table = pd.DataFrame({"x": _values(trace.x), "y": _values(trace.y)})
    table.insert(0, "curve", trace.name or "")
    table.insert(1, "panel", int(panel))
    for axis in ("x", "y"):
        error = getattr(trace, f"error_{axis}", None)
        for kind, ending in (("array", ""), ("arrayminus", "_minus")):
            values = getattr(error, kind, None)
            if values is not None:
                table[f"error_{axis}{ending}"] = _values(values)
    return table


def _values(values: Any) -> Any:
    """Return the numbers of a figure that was read; plotly leaves arrays in base 64."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return list(values)
