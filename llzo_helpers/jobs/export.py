"""Figures of a campaign as files for a manuscript, with their data: `llzo figures CAMPAIGN`."""

import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.campaign.model import Campaign
from llzo_helpers.errors import InputError
from llzo_helpers.figures.finish import numbers, resized
from llzo_helpers.figures.register import load_figure
from llzo_helpers.files import write_text
from llzo_helpers.jobs.cpus import usable_cpus
from llzo_helpers.jobs.pdf import print_drawings

FORMATS = ("svg", "pdf", "png")
WIDTHS_CM = {1: 8.5, 2: 17.8}
"""Of one and two columns of a journal."""

_PIXELS_PER_CM = 96 / 2.54
_NARROW = (350, 270)
"""Pixels that a figure is laid out in for one column; its letters are then at least 6 pt high."""
_PATIENCE_S = 300
"""For one figure; a scene takes ten seconds on a machine with nothing else to do."""
_DOTS_PER_PIXEL = 300 / 96
"""Of PNG, at 300 dots per inch."""


def export_figures(
    campaign: Campaign,
    formats: Sequence[str] = ("svg", "pdf"),
    *,
    columns: int = 2,
    names: Collection[str] | None = None,
) -> list[Path]:
    """Write figures of a campaign, and beside each the numbers that it shows.

    Parameters
    ----------
    campaign
        Whose notebooks have left figures in `results/<campaign>/figures`.
    formats
        Some of `FORMATS`. They are drawn by a Chromium or Chrome, which must be installed.
    columns
        Width, in columns of a journal (see `WIDTHS_CM`). Figures of several panels need two, and
        have two.
    names
        Of the figures; by default all.

    Returns
    -------
    list of Path
        The files: `figures/NAME.svg` and so on, and `figures/NAME.csv`.

    Raises
    ------
    InputError
        If there are no figures, a format or width is unknown, or there is no browser.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise InputError(f"--format {unknown[0]}: unknown; choose from {', '.join(FORMATS)}")
    if columns not in WIDTHS_CM:
        raise InputError(f"--columns {columns}: must be 1 or 2")
    paths = [path for path in figure_files(campaign) if names is None or path.stem in names]
    if not paths:
        folder = campaign.directory / "figures"
        raise InputError(f"{folder}: no figures; run the campaign's notebooks first")
    figures = {path.with_suffix(""): load_figure(path, campaign) for path in paths}
    tables = [path.with_suffix(".csv") for path in figures]
    for table, figure in zip(tables, figures.values(), strict=True):
        write_text(table, figure_data(figure).to_csv(index=False))
    pictures = [path.with_suffix(f".{name}") for path in figures for name in formats]
    drawn = {path: figures[path.with_suffix("")] for path in pictures if path.suffix != ".pdf"}
    with tempfile.TemporaryDirectory() as elsewhere:
        printed = {}
        for path in pictures:
            if path.suffix == ".pdf":
                svg = path.with_suffix(".svg")
                printed[path] = svg if "svg" in formats else Path(elsewhere) / svg.name
                drawn[printed[path]] = figures[path.with_suffix("")]
        # one start of the browser for all of them
        _draw([_at_width(figure, path, columns) for path, figure in drawn.items()])
        if printed:
            print_drawings(printed)
    for path in pictures:
        if path.suffix == ".svg":
            _state_width(path)
    return [*tables, *pictures]


def figure_files(campaign: Campaign) -> list[Path]:
    """Return the files of the figures that a campaign's notebooks have left."""
    return sorted((campaign.directory / "figures").glob("*.json"))


def _at_width(figure: go.Figure, path: Path, columns: int) -> dict[str, Any]:
    """Return what draws a figure into a file, as wide as these columns if it has one panel."""
    axes = [key for key in figure.layout if key.startswith("yaxis")]
    narrow = columns == 1 and len(axes) == 1 and not is_scene(figure)
    if narrow:
        figure = resized(figure, *_NARROW)
    width = WIDTHS_CM[1 if narrow else 2] * _PIXELS_PER_CM
    scale = width / figure.layout.width
    kind = path.suffix[1:]
    return _picture(figure, path, scale * (_DOTS_PER_PIXEL if kind == "png" else 1))


def _state_width(path: Path) -> None:
    """Write the size of an SVG in cm: programs differ in what a pixel is."""

    def in_cm(match: re.Match[str]) -> str:
        return f'{match[1]}="{float(match[2]) / _PIXELS_PER_CM:.3f}cm"'

    tag, end, rest = path.read_text(encoding="utf-8").partition(">")
    write_text(path, re.sub(r'\b(width|height)="([\d.]+)"', in_cm, tag) + end + rest)


def is_scene(figure: go.Figure) -> bool:
    """Return whether a figure is three-dimensional, which browsers are slow to draw."""
    return any(trace.type in ("mesh3d", "scatter3d") for trace in figure.data)


def picture_of(figure: go.Figure, source: Path) -> bytes | None:
    """Return a figure as WebP, beside the file that it is from; None if no browser draws it.

    A picture that is there is taken unless the figure has changed since.
    """
    path = source.with_suffix(".webp")
    if path.is_file() and path.stat().st_mtime >= source.stat().st_mtime:
        return path.read_bytes()
    return path.read_bytes() if draw_pictures({path: figure}) else None


def draw_pictures(figures: Mapping[Path, go.Figure]) -> bool:
    """Draw figures into files (PNG or WebP), all with one browser; return whether there is one."""
    try:
        _draw([_picture(figure, path, 2) for path, figure in figures.items()])
    except InputError:
        return False
    return True


def _picture(figure: go.Figure, path: Path, scale: float) -> dict[str, Any]:
    """Return what kaleido needs to draw a figure into a file."""
    options = {"format": path.suffix[1:], "scale": scale}
    return {"fig": figure, "path": str(path), "opts": options}


def _draw(pictures: list[dict[str, Any]]) -> None:
    # imported here: it is slow, and nothing else needs it
    import kaleido
    from kaleido.errors import ChromeNotFoundError

    # a page on each core; without `mathjax` each would wait for a server that has it
    options = {
        "n": min(usable_cpus(), len(pictures)),
        "mathjax": False,
        "timeout": _PATIENCE_S,
    }
    try:
        failed = kaleido.write_fig_from_object_sync(pictures, kopts=options)
    except ChromeNotFoundError:
        raise InputError(
            "no Chromium or Chrome found, which draws the figures; install one, or name its "
            "program in BROWSER_PATH"
        ) from None
    if failed:
        words = " ".join(str(failed[0]).split())[:80] or type(failed[0]).__name__
        raise InputError(
            f"{len(failed)} of {len(pictures)} figures could not be drawn ({words}); try again "
            "when the machine has less to do"
        )


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
    table = pd.DataFrame({"x": numbers(trace.x), "y": numbers(trace.y)})
    table.insert(0, "curve", trace.name or "")
    table.insert(1, "panel", int(panel))
    for axis in ("x", "y"):
        error = getattr(trace, f"error_{axis}", None)
        for kind, ending in (("array", ""), ("arrayminus", "_minus")):
            values = getattr(error, kind, None)
            if values is not None:
                table[f"error_{axis}{ending}"] = numbers(values)
    # an error that is nowhere known is no column
    return table.dropna(axis="columns", how="all")
