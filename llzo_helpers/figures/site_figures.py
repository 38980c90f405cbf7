"""What the site analysis is based on: survival of stays, superbasins, sensitivity, diffusion."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.analysis.sites import SuperbasinScan, Survival
from llzo_helpers.campaign.labels import CURVE_COLUMNS, curve_label
from llzo_helpers.campaign.site_sensitivity import SensitivityPoint
from llzo_helpers.figures.facets import add_key, look_of, new_facets
from llzo_helpers.figures.looks import DASHES, SYMBOLS, Look, look
from llzo_helpers.figures.measured import add_line, add_measured, add_paper
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import (
    BLACK,
    GREY,
    add_band,
    diffusivity_axis,
    new_panels,
)

_NO_DIFFUSION_CM2_S = 1e-15
_RAREST = 1e-3
"""Of the probabilities to stay that are drawn."""


@registered("survival")
def survival_figure(
    curves: Mapping[str, Mapping[str, Survival]], looks: Mapping[str, Look] | None = None
) -> go.Figure:
    """Probability that a stay lasts longer than a time, by system and kind of site.

    Parameters
    ----------
    curves
        By system, then by kind of site.
    looks
        Of the systems; black where it is not told.
    """
    figure, places = new_panels(
        list(curves),
        x="time (ps)",
        y="probability of a longer stay",
        height=120,
        caption=(
            "Probability that an ion stays at a site longer than a given time, by the Kaplan-Meier "
            "estimator, which accounts for stays cut off by the end of the run. Line style: kind "
            "of site. Bands: standard error. A single rate gives a straight line; a steep start "
            "indicates quick returns."
        ),
        subplots={"shared_xaxes": "all", "shared_yaxes": "all"},
    )
    kinds = sorted({kind for panel in curves.values() for kind in panel})
    dashes = dict(zip(kinds, DASHES * 9, strict=False))
    for kind, dash in dashes.items():
        add_key(figure, kind, line={"color": BLACK, "dash": dash})
    for (system, panel), place in zip(curves.items(), places, strict=True):
        colour = look_of(system, looks).colour
        for kind, curve in panel.items():
            band = np.array([-1, 1])[:, None] * curve.standard_error + curve.survival
            low, high = np.clip(band, 1e-4, 1)
            add_band(figure, curve.time, low, high, colour=colour, group=kind, **place)
            figure.add_scatter(
                x=curve.time,
                y=np.where(curve.survival > 0, curve.survival, np.nan),
                mode="lines",
                line={"color": colour, "shape": "hv", "dash": dashes[kind]},
                name=kind,
                showlegend=False,
                **place,
            )
    figure.update_yaxes(type="log", range=[math.log10(_RAREST), 0.05])
    ends = [
        curve.time[curve.survival >= _RAREST][-1]
        for panel in curves.values()
        for curve in panel.values()
    ]
    figure.update_xaxes(range=[0, 1.03 * max(ends)])
    return figure


@registered("superbasins")
def superbasin_figure(
    scans: Mapping[str, SuperbasinScan],
    n_sites: Mapping[str, int],
    looks: Mapping[str, Look] | None = None,
) -> go.Figure:
    """How the network of fast links grows as slower links are added, and where it percolates.

    Parameters
    ----------
    scans
        By system.
    n_sites
        Sites of each system.
    looks
        Of the systems; black where it is not told.
    """
    figure, places = new_facets(
        scans,
        looks,
        ("share of the largest superbasin", "number of superbasins"),
        x="minimum rate of a link (ps<sup>−1</sup>)",
        height=230,
        subplots={"shared_xaxes": "all"},
        caption=(
            "Superbasins: sites joined by links that are at least as fast, in both directions, as "
            "the threshold on the axis; single sites are not counted. Symbols: the critical rate, "
            "at which the fast links percolate in three dimensions. With slow bottlenecks, "
            "superbasins merge late and many remain."
        ),
    )
    for name, (left, right) in places.items():
        drawn, scan = look_of(name, looks), scans[name]
        common = {"x": scan.minimum_rate_per_ps, "line": drawn.line, "legendgroup": name}
        share = scan.largest / n_sites[name]
        figure.add_scatter(y=share, mode="lines", name=name, **common, **left)
        figure.add_scatter(y=scan.n_superbasins, mode="lines", showlegend=False, **common, **right)
        percolating = np.flatnonzero(scan.rank == 3)[:1]
        figure.add_scatter(
            x=scan.minimum_rate_per_ps[percolating],
            y=share[percolating],
            mode="markers",
            marker=drawn.marker,
            showlegend=False,
            legendgroup=name,
            hovertemplate="percolates at %{x:.3g} ps<sup>−1</sup><extra></extra>",
            **left,
        )
    rates = np.concatenate([scan.minimum_rate_per_ps for scan in scans.values()])
    if len(rates):
        # falling: links are added from the fastest down
        figure.update_xaxes(
            type="log", range=[np.log10(rates.max()) + 0.1, np.log10(rates.min()) - 0.1]
        )
    figure.update_yaxes(range=[0, 1.05], col=1)
    figure.update_yaxes(rangemode="tozero", col=2)
    return figure


@registered("site_sensitivity")
def sensitivity_figure(
    points: Sequence[SensitivityPoint], looks: Mapping[str, Look] | None = None
) -> go.Figure:
    """How results depend on the assignment threshold and the clustering method.

    Parameters
    ----------
    points
        All with the same quantities; each quantity has a panel.
    looks
        Of the systems; black where it is not told.
    """
    quantities = list(points[0].values)
    figure, places = new_panels(
        quantities,
        x="assignment threshold",
        height=190,
        caption=(
            "Sensitivity of the site analysis to its choices: the threshold above which an "
            "ion counts as being at a site, and the clustering (marker and line). Colour: system. "
            "Points at the same threshold are drawn side by side. Bars: standard error. A result "
            "that changes from point to point depends on convention and is not a property of the "
            "material alone."
        ),
    )
    methods = list(dict.fromkeys(point.method for point in points))
    systems = list(dict.fromkeys(point.system for point in points))
    for system in systems:
        add_key(figure, system, line={"color": look_of(system, looks).colour, "width": 3})
    for number, method in enumerate(methods):
        symbol, dash = SYMBOLS[number % len(SYMBOLS)], DASHES[number % len(DASHES)]
        add_key(figure, method, marker={"color": BLACK, "symbol": symbol, "size": 8})
        for system, (quantity, place) in itertools.product(
            systems, zip(quantities, places, strict=True)
        ):
            chosen = [point for point in points if (point.system, point.method) == (system, method)]
            colour = look_of(system, looks).colour
            # they may coincide
            aside = 0.006 * (number - (len(methods) - 1) / 2 + 0.5 * systems.index(system))
            figure.add_scatter(
                x=[point.assignment_threshold + aside for point in chosen],
                y=[point.values[quantity] for point in chosen],
                error_y={
                    "array": [point.errors.get(quantity, 0.0) for point in chosen],
                    "thickness": 1.5,
                    "width": 5,
                },
                mode="lines+markers",
                line={"color": colour, "width": 1.5, "dash": dash},
                marker={"size": 7, "color": colour, "symbol": symbol},
                name=f"{system}: {method}",
                showlegend=False,
                **place,
            )
    thresholds = sorted({point.assignment_threshold for point in points})
    figure.update_xaxes(tickvals=thresholds)
    figure.update_yaxes(rangemode="tozero")
    return figure


def _curves(table: pd.DataFrame) -> list[tuple[str, Look, pd.DataFrame]]:
    """Return name, look and runs, by volume, of each phase, composition and potential."""
    found = []
    for _, rows in table.groupby(CURVE_COLUMNS, dropna=False, sort=False):
        first = rows.iloc[0].to_dict()
        found.append((curve_label(first), look(first), rows.sort_values("volume_ratio")))
    return found


@registered("jump_diffusion")
def jump_diffusion_figure(table: pd.DataFrame) -> go.Figure:
    """Diffusion coefficients from three descriptions of the same ions, against volume.

    Parameters
    ----------
    table
        A row per run, the content of `sites.csv`.
    """
    figure, places = new_panels(
        ["independent jumps", "walk on the network", "tracer"],
        x="V / V<sub>exp</sub> (%)",
        y=diffusivity_axis("Li"),
        height=300,
        subplots={"shared_yaxes": "all", "shared_xaxes": "all"},
        caption=(
            "From jumps to diffusion. Independent jumps: rate times distance squared over 6. "
            "Network: a walk on the measured network without memory (master equation). Tracer: "
            "from the mean squared displacement. The ratio of network to independent jumps is the "
            "correlation due to the shape of the network; the ratio of tracer to network is the "
            "correlation due to memory, as when ions jump back. Bars: standard errors; pale with "
            "an arrow: upper bounds. Networks that do not percolate have no D and are not shown."
        ),
    )
    columns = (
        ("uncorrelated_D_cm2_s", None),
        ("jump_D_cm2_s", "jump_D_std_cm2_s"),
    )
    for name, drawn, rows in _curves(table):
        volumes = 100 * rows["volume_ratio"]
        add_measured(figure, rows, volumes, look=drawn, name=name, joined=True, place=places[2])
        for (column, error), place in zip(columns, places[:2], strict=True):
            # zero but for rounding, where nothing percolates
            y = rows[column].where(rows[column] > _NO_DIFFUSION_CM2_S)
            add_line(figure, volumes, y, drawn, name, place)
            figure.add_scatter(
                x=volumes,
                y=y,
                error_y={"array": rows[error], "thickness": 1.5, "width": 5} if error else None,
                mode="markers",
                marker=drawn.marker,
                name=name,
                legendgroup=name,
                showlegend=False,
                **place,
            )
    figure.update_yaxes(type="log")
    return figure


@registered("back_jumps")
def back_jump_figure(table: pd.DataFrame, paper: pd.DataFrame) -> go.Figure:
    """Fraction of jumps reversed by the next jump of the same ion, against volume.

    Parameters
    ----------
    table
        A row per run, the content of `sites.csv`.
    paper
        `data/paper_values.csv`, of the same potentials.
    """
    phases = {"crystal": "crystals", "amorphous": "glasses"}
    shown = [phase for phase in phases if phase in set(table["phase"])]
    figure, places = new_panels(
        [phases[phase] for phase in shown],
        x="V / V<sub>exp</sub> (%)",
        y="back-jumps (%)",
        height=300,
        columns=2,
        subplots={"shared_yaxes": "all"},
        caption=(
            "Fraction of jumps that are reversed by the next jump of the same ion. Filled symbols: "
            "this work; thick bars: standard errors; thin bars: from the smallest to the largest "
            "value by other definitions (threshold, minimum stay, interval between frames), "
            "standard error included. Open symbols: the paper. Systems are shifted sideways, by "
            f"{_APART:g} % each, where they would hide one another."
        ),
    )
    place_of = dict(zip(shown, places, strict=True))
    for phase, place in place_of.items():
        curves = _curves(table[table["phase"] == phase])
        for number, (name, drawn, rows) in enumerate(curves):
            shift = _APART * (number - (len(curves) - 1) / 2)
            _add_back_jumps(figure, rows, shift, drawn, name, place)
    from_paper = paper[(paper["quantity"] == "back_jump_fraction") & paper["phase"].isin(shown)]
    columns = [column for column in CURVE_COLUMNS if column in from_paper]
    for _, rows in from_paper.groupby(columns, dropna=False):
        first = rows.iloc[0].to_dict()
        add_paper(
            figure,
            100 * rows["volume_ratio"],
            100 * rows["value"],
            look=look(first),
            name=f"paper: {curve_label(first)}",
            place=place_of[first["phase"]],
        )
    figure.update_yaxes(range=[0, 100])
    return figure


_APART = 0.3
"""Per cent of the experimental volume."""


def _add_back_jumps(
    figure: go.Figure,
    rows: pd.DataFrame,
    shift: float,
    drawn: Look,
    name: str,
    place: Mapping[str, int],
) -> None:
    """Draw the back-jumps of a system's runs, with their range over definitions."""
    volumes = 100 * rows["volume_ratio"] + shift
    value, error = rows["back_jump_fraction"], rows["back_jump_fraction_std"]
    # the range is known also where the error is not
    reach = error.fillna(0.0)
    figure.add_scatter(
        x=volumes,
        y=100 * value,
        error_y={
            "array": 100 * (rows["back_jump_highest"] - value + reach),
            "arrayminus": 100 * (value - rows["back_jump_lowest"] + reach),
            "thickness": 1,
            "width": 7,
            "color": GREY,
        },
        mode="markers",
        marker={"size": 1, "color": GREY},
        showlegend=False,
        hoverinfo="skip",
        **place,
    )
    figure.add_scatter(
        x=volumes,
        y=100 * value,
        error_y={"array": 100 * error, "thickness": 2.5, "width": 4},
        mode="markers",
        marker=drawn.marker,
        name=name,
        **place,
    )
