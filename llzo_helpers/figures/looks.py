"""The visual language of figures: what colour, marker, line and shade mean.

Colour is the potential that ran: blue for the one that stands for the paper's CIP, vermilion for
its ML, other colours for others. The marker is the structure: phase and lithium content; a glass
that another potential made has a marker and a line of its own. Where several volumes are in one
set of axes, shade and size of the marker are the volume: light and small when compressed, dark
and large when expanded, so that it is seen in grey, too; and each line of a panel has a dash of
its own. The paper's own values have the same colour and marker, open and dashed; our upper bounds
are pale, with an arrow. What takes more curves than that has a panel for each potential, and where
these are more than there are dashes, for crystals and glasses.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.model import AnyRun, Campaign
from llzo_helpers.campaign.observed import ObservedRun
from llzo_helpers.campaign.tables import system_columns
from llzo_helpers.errors import InputError
from llzo_helpers.figures.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, WHITE
from llzo_helpers.paths import POTENTIALS
from llzo_helpers.potentials import load_potential, short_name

PAPER_COLOURS = {"CIP": BLUE, "ML": VERMILION}
_PHASES = {"crystal": "crystals", "amorphous": "glasses"}
_OTHERS = (GREEN, PURPLE, ORANGE, SKY)
_OBSERVED = BLACK

_CRYSTALS = {6.25: "circle", 6.5: "hexagon", 6.75: "octagon", 7.0: "square"}
_GLASSES = {6.25: "diamond", 6.5: "star", 6.75: "triangle-left", 7.0: "triangle-up"}
_OTHER_CRYSTAL, _OTHER_GLASS = "pentagon", "hexagram"
_FOREIGN_GLASS = {6.25: "cross", 6.5: "hourglass", 6.75: "bowtie", 7.0: "x"}
_OTHER_FOREIGN_GLASS = "star-diamond"
_DASHES_OF_SUPERCELLS = {"solid": "longdash", "dash": "dashdot", "dot": "longdashdot"}

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "10px,2px,2px,2px,2px,2px")
"""For what is not told apart by potential, structure or volume: taken in turn."""

_MIDDLE, _WIDTH = 1.06, 0.15
"""Of the volume ratio, for shades: where a colour is itself, and how far from there it changes."""
_LIGHTEST, _DARKEST = 0.6, 0.8
"""Parts of white and of black in a colour; a lighter line is not seen on paper."""


@dataclass(frozen=True)
class Look:
    """How a system is drawn."""

    colour: str
    symbol: str
    dash: str
    panel: str = ""
    """Where a figure has panels, the one that it is in."""
    size: float = 9
    """Of the marker, pixels."""

    @property
    def pale(self) -> dict[str, Any]:
        """Marker of an upper bound: large enough to be seen around a value at the same place."""
        outline = {"size": self.size + 5, "line": {"width": 1.5, "color": self.colour}}
        return self.marker | {"color": shade(self.colour, -1, part=0.8)} | outline

    @property
    def open(self) -> dict[str, Any]:
        """Marker of a value of the paper."""
        shape, dot, _ = self.symbol.partition("-dot")
        return self.marker | {"symbol": f"{shape}-open{dot}", "size": 11, "line": {"width": 1.5}}

    @property
    def marker(self) -> dict[str, Any]:
        """Marker of plotly."""
        marker = {"color": self.colour, "symbol": self.symbol, "size": self.size}
        # a dot has the colour of the outline
        return marker | ({"line": {"color": WHITE, "width": 1}} if "-dot" in self.symbol else {})

    @property
    def line(self) -> dict[str, Any]:
        """Line of plotly."""
        return {"color": self.colour, "dash": self.dash, "width": 1.8}


def look(row: Mapping[Any, Any], *, shaded: bool = False) -> Look:
    """Return how a system is drawn.

    Parameters
    ----------
    row
        The columns of `llzo_helpers.campaign.tables.SYSTEM_COLUMNS`; of the paper's values, too,
        whose potentials are "CIP" and "ML". What was run elsewhere is black.
    shaded
        Tell volumes apart by shade and size.
    """
    if row["phase"] == "observed":
        return Look(_OBSERVED, "circle", "solid")
    md_potential, origin = row["md_potential"], row["structure_potential"]
    colour, size = potential_colour(md_potential), 9.0
    if shaded and not pd.isna(row["volume_ratio"]):
        # most volumes are near the middle, and even the farthest ones differ
        expanded = math.tanh((row["volume_ratio"] - _MIDDLE) / _WIDTH)
        part = _LIGHTEST if expanded < 0 else _DARKEST
        colour, size = shade(colour, expanded, part=part), 9 + 3 * expanded
    lithium = row["li_per_formula"]
    if row["phase"] == "crystal":
        symbol, dash = _CRYSTALS.get(lithium, _OTHER_CRYSTAL), "solid"
    elif isinstance(origin, str) and origin != md_potential:
        symbol, dash = _FOREIGN_GLASS.get(lithium, _OTHER_FOREIGN_GLASS), "dot"
    else:
        symbol, dash = _GLASSES.get(lithium, _OTHER_GLASS), "dash"
    if row.get("supercell", 1) > 1:
        symbol, dash = f"{symbol}-dot", _DASHES_OF_SUPERCELLS[dash]
    return Look(colour, symbol, dash, size=size)


def system_looks(campaign: Campaign) -> dict[str, Look]:
    """Return how each system of a campaign is drawn in a panel of its own, by its name."""
    runs: list[AnyRun] = [*campaign.runs, *campaign.trajectories]
    return {system_label(row): look(row) for row in map(system_columns, runs)}


def run_looks(
    runs: Mapping[str, AnyRun], *, by_phase: bool = False, replicas_apart: bool = True
) -> dict[str, Look]:
    """Return how runs are drawn beside each other, by what they are called.

    Each potential, or each phase, has a panel, and so has each temperature and, if they are to be
    apart, each replica; a crowded panel is one of crystals and one of glasses. Shade and size of
    the marker are the volume. Replicas in one panel, and runs made elsewhere, of which less is
    known, are told apart by shade, marker and line in turn. The lines of a panel have different
    dashes, given in the order of the runs.
    """
    several = len({run.temperature_K for run in runs.values()}) > 1
    panels = {
        name: _panel(run, by_phase=by_phase, several=several, replicas_apart=replicas_apart)
        for name, run in runs.items()
    }
    looks = {
        name: replace(look(system_columns(run), shaded=True), panel=panels[name])
        for name, run in runs.items()
    }
    in_panel = Counter(panels.values())
    for name, run in runs.items():
        if in_panel[panels[name]] > len(DASHES) and run.phase in _PHASES and not by_phase:
            panel = f"{panels[name]}, {_PHASES[run.phase]}"
            looks[name] = replace(looks[name], panel=panel)
    counts, seen = Counter(looks.values()), Counter[Look]()
    for name, same in looks.items():
        if counts[same] > 1:
            number = seen[same]
            colour = shade(same.colour, 1 - 2 * (number + 1) / counts[same])
            symbol, dash = SYMBOLS[number % len(SYMBOLS)], DASHES[number % len(DASHES)]
            looks[name] = replace(same, colour=colour, symbol=symbol, dash=dash)
            seen[same] += 1
    return _with_lines_that_differ(looks, panels)


def _with_lines_that_differ(
    looks: Mapping[str, Look], groups: Mapping[str, str]
) -> dict[str, Look]:
    """Give each line the dash that is rarest: first in its group and colour, then in its panel.

    A group is of panels whose lines some figures draw in one set of axes.
    """
    in_panel, in_colour = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    found = {}
    for name, drawn in looks.items():
        alike = {dash: (groups[name], dash, drawn.colour) for dash in (drawn.dash, *DASHES)}
        dash = min(
            alike,
            key=lambda dash: (in_colour[alike[dash]], in_panel[drawn.panel, dash]),
        )
        in_panel[drawn.panel, dash] += 1
        in_colour[alike[dash]] += 1
        found[name] = replace(drawn, dash=dash)
    return found


def _panel(run: AnyRun, *, by_phase: bool, several: bool, replicas_apart: bool) -> str:
    """Return the title of a run's panel; `several` temperatures are part of it."""
    if isinstance(run, ObservedRun):
        return ""
    temperature = f", {run.temperature_K:g} K" if several else ""
    replica = f", replica {run.replica}" if run.replica > 1 and replicas_apart else ""
    return (
        (_PHASES[run.phase] if by_phase else short_name(run.md_potential)) + temperature + replica
    )


def potential_colour(name: str) -> str:
    """Return the colour of a potential, or of one of the paper's ("CIP", "ML")."""
    if name in PAPER_COLOURS:
        return PAPER_COLOURS[name]
    try:
        label = load_potential(name).paper_label
    except InputError:
        # results may outlive their potential
        return BLACK
    if label:
        return PAPER_COLOURS[label]
    others = [
        path.parent.name
        for path in sorted(POTENTIALS.glob("*/potential.yaml"))
        if load_potential(path.parent.name).paper_label is None
    ]
    return _OTHERS[others.index(name) % len(_OTHERS)]


def shade(colour: str, towards: float, *, part: float = 0.6) -> str:
    """Return a colour made lighter (`towards` -1) or darker (1), at most by this part."""
    target = 255 if towards < 0 else 0
    part *= min(1.0, abs(towards))
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + part * (target - c)):02x}" for c in channels)
