"""What the site analysis is based on: survival of stays, superbasins, sensitivity, diffusion."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.analysis.sites import SuperbasinScan, Survival
from llzo_helpers.campaign.labels import CURVE_COLUMNS, curve_label
from llzo_helpers.campaign.site_sensitivity import SensitivityPoint
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import (
    BLUE,
    GREEN,
    GREY,
    SEQUENCE,
    VERMILION,
    add_band,
    new_figure,
    new_panels,
)


@registered("survival")
def survival_figure(curves: Mapping[str, Mapping[str, Survival]]) -> go.Figure:
    """Probability that a stay lasts longer than a time, by system and kind of site.

    Parameters
    ----------
    curves
        By system, then by kind of site.
    """
    figure, places = new_panels(
        list(curves),
        caption=(
            "Probability that an ion stays at a site longer than a given time, by the Kaplan-Meier "
            "estimator, which accounts for stays cut off by the end of the run. Bands: standard "
            "error. A single rate gives a straight line; a steep start indicates quick returns."
        ),
        legend_rows=1,
        subplots={"shared_yaxes": True, "horizontal_spacing": 0.04},
    )
    kinds = sorted({kind for panel in curves.values() for kind in panel})
    named: set[str] = set()
    for panel, place in zip(curves.values(), places, strict=True):
        for colour, kind in zip(SEQUENCE * 9, kinds, strict=False):
            if kind not in panel:
                continue
            curve = panel[kind]
            band = np.array([-1, 1])[:, None] * curve.standard_error + curve.survival
            low, high = np.clip(band, 1e-4, 1)
            add_band(figure, curve.time, low, high, colour=colour, group=kind, **place)
            figure.add_scatter(
                x=curve.time,
                y=np.where(curve.survival > 0, curve.survival, np.nan),
                mode="lines",
                line={"color": colour, "shape": "hv"},
                name=kind,
                legendgroup=kind,
                showlegend=kind not in named,
                **place,
            )
            named.add(kind)
    figure.update_yaxes(type="log", range=[-3, 0.05], exponentformat="power", dtick=1)
    figure.update_yaxes(title_text="Probability to stay longer", col=1)
    figure.update_xaxes(title_text="Time (ps)", rangemode="tozero")
    return figure


@registered("superbasins")
def superbasin_figure(scans: Mapping[str, SuperbasinScan], n_sites: Mapping[str, int]) -> go.Figure:
    """How the network of fast links grows as slower links are added, and where it percolates.

    Parameters
    ----------
    scans
        By system.
    n_sites
        Sites of each system.
    """
    figure, (left, right) = new_panels(
        ["largest superbasin", "number of superbasins"],
        caption=(
            "Superbasins: sites joined by links that are at least as fast, in both directions, as "
            "the threshold on the axis; single sites are not counted. Diamonds: the critical rate, "
            "at which the fast links percolate in three dimensions. With slow bottlenecks, "
            "superbasins merge late and many remain."
        ),
        columns=2,
        panel_size=(310, 300),
        legend_rows=1 + len(scans) // 5,
        subplots={"horizontal_spacing": 0.12},
    )
    for colour, (name, scan) in zip(SEQUENCE * 9, scans.items(), strict=False):
        common = {"x": scan.minimum_rate_per_ps, "line": {"color": colour}, "legendgroup": name}
        share = scan.largest / n_sites[name]
        figure.add_scatter(y=share, mode="lines", name=name, **common, **left)
        figure.add_scatter(y=scan.n_superbasins, mode="lines", showlegend=False, **common, **right)
        percolating = np.flatnonzero(scan.rank == 3)[:1]
        figure.add_scatter(
            x=scan.minimum_rate_per_ps[percolating],
            y=share[percolating],
            mode="markers",
            marker={"color": colour, "size": 12, "symbol": "diamond"},
            showlegend=False,
            legendgroup=name,
            hovertemplate="percolates at %{x:.3g} ps<sup>-1</sup><extra></extra>",
            **left,
        )
    figure.update_xaxes(
        type="log",
        autorange="reversed",
        title_text="Minimum rate of a link (ps<sup>-1</sup>)",
        exponentformat="power",
        dtick="D2",
    )
    figure.update_yaxes(title_text="Fraction of sites", range=[0, 1.05], **left)
    figure.update_yaxes(title_text="Superbasins", rangemode="tozero", **right)
    return figure


_DASHES = ("solid", "dash", "dot", "dashdot")


@registered("site_sensitivity")
def sensitivity_figure(points: Sequence[SensitivityPoint]) -> go.Figure:
    """How results depend on the assignment threshold and the clustering method.

    Parameters
    ----------
    points
        All with the same quantities; each quantity has a panel.
    """
    quantities = list(points[0].values)
    figure, places = new_panels(
        quantities,
        caption=(
            "Sensitivity of the site analysis to its choices: the threshold above which an "
            "ion counts as being at a site, and the clustering (colour). Line style: system. Bars: "
            "standard error. A result that changes from point to point depends on convention and "
            "is not a property of the material alone."
        ),
        legend_rows=1 + len({(point.system, point.method) for point in points}) // 2,
    )
    methods = sorted({point.method for point in points})
    systems = list(dict.fromkeys(point.system for point in points))
    for (system, dash), (method, colour) in itertools.product(
        zip(systems, _DASHES * 9, strict=False), zip(methods, SEQUENCE * 9, strict=False)
    ):
        chosen = [point for point in points if (point.system, point.method) == (system, method)]
        name = f"{system}: {method}"
        for quantity, place in zip(quantities, places, strict=True):
            figure.add_scatter(
                x=[point.assignment_threshold for point in chosen],
                y=[point.values[quantity] for point in chosen],
                error_y={
                    "array": [point.errors.get(quantity, 0.0) for point in chosen],
                    "thickness": 1.5,
                    "width": 5,
                },
                mode="lines+markers",
                line={"color": colour, "width": 1.5, "dash": dash},
                marker={"size": 8},
                name=name,
                legendgroup=name,
                showlegend=place == places[0],
                **place,
            )
    figure.update_xaxes(title_text="Assignment threshold")
    figure.update_yaxes(rangemode="tozero")
    return figure


_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
_NO_DIFFUSION_CM2_S = 1e-15


def _systems(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the runs of each phase, composition and potential by volume, with a name.

    The name is empty if there is only one such system.
    """
    groups = [
        (f", {curve_label(rows.iloc[0].to_dict())}", rows.sort_values("volume_ratio"))
        for _, rows in table.groupby(CURVE_COLUMNS, dropna=False, sort=False)
    ]
    return groups if len(groups) > 1 else [("", rows) for _, rows in groups]


@registered("jump_diffusion")
def jump_diffusion_figure(table: pd.DataFrame) -> go.Figure:
    """Diffusion coefficients from three descriptions of the same ions, against volume.

    Parameters
    ----------
    table
        A row per run, the content of `sites.csv`.
    """
    figure = new_figure(
        x="V / V<sub>exp</sub> (%)",
        y="D<sub>Li</sub> (cm<sup>2</sup>/s)",
        log_y=True,
        caption=(
            "From jumps to diffusion. Independent jumps: rate times distance squared over 6. "
            "Network: a walk on the measured network without memory (master equation). Tracer: "
            "from the mean squared displacement. The ratio of network to independent jumps is the "
            "correlation due to the shape of the network; the ratio of tracer to network is the "
            "correlation due to memory, as when ions jump back. Bars: standard errors. Networks "
            "that do not percolate have no D and are not shown."
        ),
    )
    for column, error, name, colour in (
        ("uncorrelated_D_cm2_s", None, "independent jumps", GREY),
        ("jump_D_cm2_s", "jump_D_std_cm2_s", "network", BLUE),
        ("tracer_D_cm2_s", "tracer_D_std_cm2_s", "tracer", VERMILION),
    ):
        for symbol, (system, rows) in zip(_SYMBOLS * 9, _systems(table), strict=False):
            figure.add_scatter(
                x=100 * rows["volume_ratio"],
                # zero but for rounding, where nothing percolates
                y=rows[column].where(rows[column] > _NO_DIFFUSION_CM2_S),
                error_y={"array": rows[error], "thickness": 1.5, "width": 5} if error else None,
                mode="lines+markers",
                marker={"size": 10, "color": colour, "symbol": symbol},
                line={"color": colour, "width": 1.5},
                name=f"{name}{system}",
            )
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
    figure = new_figure(
        x="V / V<sub>exp</sub> (%)",
        y="Back-jumps (%)",
        caption=(
            "Fraction of jumps that are reversed by the next jump of the same ion. Filled symbols: "
            "this work; thick bars: standard errors; thin bars: from the smallest to the largest "
            "value by other definitions (threshold, minimum stay, interval between frames), "
            "standard error included. Open symbols: the paper."
        ),
    )
    for symbol, (system, rows) in zip(_SYMBOLS * 9, _systems(table), strict=False):
        value, error = rows["back_jump_fraction"], rows["back_jump_fraction_std"]
        figure.add_scatter(
            x=100 * rows["volume_ratio"],
            y=100 * value,
            error_y={
                "array": 100 * (rows["back_jump_highest"] - value + error),
                "arrayminus": 100 * (value - rows["back_jump_lowest"] + error),
                "thickness": 1,
                "width": 7,
                "color": GREY,
            },
            mode="markers",
            marker={"size": 1, "color": GREY},
            showlegend=False,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=100 * rows["volume_ratio"],
            y=100 * value,
            error_y={"array": 100 * error, "thickness": 2.5, "width": 4},
            mode="markers",
            marker={"size": 10, "color": GREEN, "symbol": symbol},
            name=f"this work{system}",
        )
    from_paper = paper[paper["quantity"] == "back_jump_fraction"]
    figure.add_scatter(
        x=100 * from_paper["volume_ratio"],
        y=100 * from_paper["value"],
        mode="markers",
        marker={"size": 11, "color": "black", "symbol": "circle-open", "line": {"width": 1.5}},
        name="paper",
    )
    figure.update_yaxes(range=[0, 100])
    return figure
