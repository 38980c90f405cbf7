"""Figures with a panel for each potential (and temperature), and systems within it."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from llzo_helpers.figures.looks import Look
from llzo_helpers.figures.style import BLACK, new_panels

UNTOLD = Look(BLACK, "circle", "solid")
"""Of what is drawn without a look."""


def new_facets(
    names: Collection[str],
    looks: Mapping[str, Look] | None,
    quantities: Sequence[str] = ("",),
    **panels: Any,
) -> tuple[go.Figure, dict[str, list[dict[str, int]]]]:
    """Return an empty figure with a panel for each potential, and each quantity within it.

    Parameters
    ----------
    names
        What is drawn.
    looks
        By name.
    quantities
        Each has a column; a single one has none of its own.
    **panels
        Arguments of `llzo_helpers.figures.style.new_panels`.

    Returns
    -------
    figure
    places
        Where each is drawn, by its name, one place per quantity; panel by panel.
    """
    rows = sorted({look_of(name, looks).panel for name in names}, key=_with_numbers)
    titles = [": ".join(filter(None, (row, each))) for row in rows for each in quantities]
    several = len(quantities) > 1
    figure, places = new_panels(titles, columns=len(quantities) if several else 2, **panels)
    of_row = {
        row: places[len(quantities) * i : len(quantities) * (i + 1)] for i, row in enumerate(rows)
    }
    ordered = sorted(names, key=lambda name: rows.index(look_of(name, looks).panel))
    return figure, {name: of_row[look_of(name, looks).panel] for name in ordered}


def _with_numbers(title: str) -> list[tuple[float, str]]:
    """Return what sorts titles by their words, and by the numbers in them: 700 K before 1100 K."""
    parts = re.split(r"(\d+)", title)
    return [(float(part), "") if part.isdigit() else (0, part) for part in parts]


def once(places: Mapping[str, Sequence[dict[str, int]]]) -> list[dict[str, int]]:
    """Return the first place of each panel, once, for what all panels show."""
    found: list[dict[str, int]] = []
    for place, *_ in places.values():
        if place not in found:
            found.append(place)
    return found


def look_of(name: str, looks: Mapping[str, Look] | None) -> Look:
    """Return a look, black where it is not told."""
    return (looks or {}).get(name, UNTOLD)


def add_key(figure: go.Figure, name: str, **style: Any) -> None:
    """Add an entry to the legend that stands for curves of several colours."""
    mode = "markers" if "marker" in style else "lines"
    figure.add_scatter(x=[None], y=[None], mode=mode, name=name, hoverinfo="skip", **style)
