"""Crystal, melt and glass side by side, as in the paper's supporting information."""

from collections.abc import Iterable, Mapping
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.analysis.order import CoordinationNumbers, PairDistribution
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.preparation import GLASS_COLUMNS
from llzo_helpers.figures.looks import SYMBOLS, Look, potential_colour, shade
from llzo_helpers.figures.measured import add_curve
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import BLACK, GREY, new_figure, new_panels, show_factors

_PAIRS = (("Zr", "Zr"), ("O", "O"), ("Zr", "O"), ("La", "La"), ("La", "O"), ("Li", "O"))
_BINS = 3
"""Bins of pair distributions joined into one, which a short run of a glass allows for."""


def _stage_looks(stages: Iterable[str], potential: str | None) -> dict[str, Look]:
    """Return how stages are drawn: black the crystal, in shades of the potential what it made."""
    colour = potential_colour(potential) if potential else GREY
    looks = {
        "crystal": Look(BLACK, "circle", "solid"),
        "melt": Look(shade(colour, -0.8), "triangle-up", "dot"),
        "glass": Look(colour, "diamond", "dash"),
    }
    return {name: looks[name] for name in stages}


@registered("glass_pair_distributions")
def pair_distribution_figure(
    stages: Mapping[str, Mapping[tuple[str, str], PairDistribution]],
    title: str,
    potential: str | None = None,
) -> go.Figure:
    """Partial pair distributions of several stages.

    Parameters
    ----------
    stages
        By name ("crystal", "melt", "glass"), by pair of elements.
    title
        Name of the glass.
    potential
        That made the glass, whose colour it has.
    """
    figure, places = new_panels(
        ["–".join(pair) for pair in _PAIRS],
        x="r (Å)",
        y="g(r)",
        height=190,
        subplots={"shared_xaxes": "all"},
        caption=(
            f"Partial pair distributions of {', '.join(stages)}: {title}. Bands: standard errors "
            "from blocks of frames. Where a glass has short-range order only, g(r) is close to 1 "
            "beyond the first shells. Tall peaks of the crystal are cut off."
        ),
    )
    looks = _stage_looks(stages, potential)
    for pair, place in zip(_PAIRS, places, strict=True):
        curves = {name: pairs[pair].coarser(_BINS) for name, pairs in stages.items()}
        for name, curve in curves.items():
            add_curve(
                figure,
                curve.radii,
                curve.values,
                curve.standard_error,
                look=looks[name],
                name=name,
                showlegend=place is places[0],
                place=place,
            )
        # the sharp shells of the crystal would flatten everything else
        others = [curve.values.max() for name, curve in curves.items() if name != "crystal"]
        figure.update_yaxes(range=[0, 1.15 * max(others)], **place)
    figure.update_xaxes(range=[1.2, None])
    return figure


@registered("glass_coordination")
def coordination_figure(
    stages: Mapping[str, Mapping[tuple[str, str], CoordinationNumbers]],
    title: str,
    potential: str | None = None,
) -> go.Figure:
    """Distributions of oxygen neighbours of each cation in several stages.

    Parameters
    ----------
    stages
        By name, by bond.
    title
        Name of the glass.
    potential
        That made the glass, whose colour it has.
    """
    bonds = {bond: numbers.cutoff_A for bond, numbers in next(iter(stages.values())).items()}
    figure, places = new_panels(
        [f"{a}–{b} < {cutoff:.2f} Å" for (a, b), cutoff in bonds.items()],
        x="number of neighbours",
        y="fraction of ions",
        height=230,
        subplots={"shared_yaxes": "all"},
        caption=f"Oxygen coordination of {', '.join(stages)}: {title}.",
    )
    looks = _stage_looks(stages, potential)
    for bond, place in zip(bonds, places, strict=True):
        for name, by_bond in stages.items():
            fractions = by_bond[bond].distribution
            figure.add_bar(
                x=np.arange(len(fractions)),
                y=fractions,
                marker={"color": looks[name].colour, "line": {"width": 0.5, "color": BLACK}},
                name=name,
                legendgroup=name,
                showlegend=place is places[0],
                **place,
            )
    figure.update_xaxes(dtick=2)
    return figure


def quench_figure(energy: pd.DataFrame) -> go.Figure:
    """Potential energy against temperature during the quench.

    Parameters
    ----------
    energy
        See `llzo_helpers.campaign.glasses.quench_energy`.
    """
    figure = new_figure(
        x="T (K)",
        y="E<sub>pot</sub> (eV/atom)",
        caption=(
            "Potential energy during the quench, from the melt (right) to the glass (left), at "
            "constant volume. Where the slope changes, the melt falls out of equilibrium; a jump "
            "would indicate crystallisation."
        ),
    )
    figure.add_scattergl(
        x=energy["temperature_K"],
        y=energy["potential_energy_eV_atom"],
        mode="markers",
        marker={"size": 3, "color": BLACK},
    )
    return figure


_MARKERS = (*SYMBOLS, *(f"{symbol}-open" for symbol in SYMBOLS))


@registered("preparation")
def preparation_figure(table: pd.DataFrame) -> go.Figure:
    """Factors in D due to lag, age and how glasses were made, with 95 % intervals.

    Parameters
    ----------
    table
        Of `llzo_helpers.campaign.preparation.preparation_effects`.
    """
    by_effect = [rows for _, rows in table.groupby("effect", sort=False)]
    changes = list(dict.fromkeys(pd.concat(by_effect)["change"]))
    figure = new_figure(
        x="factor in D",
        y="",
        caption=(
            "What D of a glass depends on. Lag and age: within each run, errors from the spread "
            "between runs. Otherwise: glasses made in another way, against those made as the "
            "first, errors from the spread between glasses made alike, which is shown, too. Bars: "
            "95 % intervals; dotted: no effect."
        ),
    )
    places = {change: len(changes) - 1 - row for row, change in enumerate(changes)}
    groups = list(table.groupby(GLASS_COLUMNS, sort=False))
    pitch = max(45, 14 * len(groups))
    figure.update_layout(height=140 + pitch * len(changes), margin={"l": 230})
    for index, (_, rows) in enumerate(groups):
        first = rows.iloc[0].to_dict()
        # a row's glasses leave a third of it free
        shift = 0.65 * ((index + 0.5) / len(groups) - 0.5)
        figure.add_scatter(
            x=rows["factor"],
            y=[places[change] - shift for change in rows["change"]],
            error_x={
                "array": rows["factor_high_95"] - rows["factor"],
                "arrayminus": rows["factor"] - rows["factor_low_95"],
                "thickness": 1.5,
                "width": 5,
            },
            mode="markers",
            marker={
                "color": potential_colour(first["md_potential"]),
                "symbol": _MARKERS[index % len(_MARKERS)],
                "size": 10,
            },
            name=f"{system_label(first | _ANY_GLASS)}, {first['temperature_K']:g} K",
        )
    show_factors(figure, table["factor_low_95"].min(), table["factor_high_95"].max())
    figure.update_yaxes(
        tickvals=list(places.values()),
        ticktext=["<br>".join(wrap(change, 32)) for change in changes],
        range=[-0.6, len(changes) - 0.4],
    )
    return figure


_ANY_GLASS = {"phase": "amorphous", "melt_quench": "as made"}
"""What a name needs that the glasses compared do not have in common."""
