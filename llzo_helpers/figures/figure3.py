"""Figure 3 of the paper: order parameter of the network (A), spectrum (B), distances (C)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from llzo_helpers.analysis.networks.connectivity import RankCorrelation
from llzo_helpers.analysis.networks.gop import counting_limit
from llzo_helpers.analysis.networks.resampling import Dependence
from llzo_helpers.analysis.order import BondAngles, PairDistribution
from llzo_helpers.analysis.vibration import THZ_TO_WAVENUMBER, VibrationalDensityOfStates
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import (
    BLACK,
    GREY,
    SEQUENCE,
    add_band,
    diffusivity_axis,
    legend_at_right,
    log_ticks,
    new_figure,
)

PAPER_GOP = {"CIP": -100.0, "ML": -250.0}
"""Approximate values for the paper's amorphous structures."""


@registered("figure_3a")
def figure_3a(table: pd.DataFrame, mobile: str = "Li") -> go.Figure:
    """Graph order parameter of the network of jumps against the diffusion coefficient.

    Parameters
    ----------
    table
        `gop.csv`: a row per run, with columns `system`, `phase`, `temperature_K`,
        `tracer_D_cm2_s`, `tracer_D_std_cm2_s`, `gop_k3`, `gop_k3_std` and
        `gop_k3_counting_limit`. With amorphous runs, the paper's values for its (larger)
        amorphous cells are drawn as well.
    mobile
        Elements of the ions, for the axis.
    """
    figure = new_figure(
        x=diffusivity_axis(mobile),
        y="graph order parameter θ (k = 3)",
        caption=(
            "Figure 3A. Graph order parameter of the network of jumps against the tracer "
            "diffusion coefficient. Bars: standard errors. Crosses: the value that the number "
            "of connected sites alone gives, (mean degree − ln n)³."
        ),
    )
    D = table["tracer_D_cm2_s"].dropna()
    ticks = log_ticks(0.7 * D.min(), 1.4 * D.max()) if len(D) else []
    figure.update_xaxes(type="log", exponentformat="power", tickvals=ticks, tickangle=0)
    for colour, (system, rows) in zip(
        SEQUENCE * 9, table.groupby("system", sort=False), strict=False
    ):
        figure.add_scatter(
            x=rows["tracer_D_cm2_s"],
            y=rows["gop_k3"],
            error_x={"array": rows["tracer_D_std_cm2_s"], "thickness": 1.5, "width": 4},
            error_y={"array": rows["gop_k3_std"], "thickness": 1.5, "width": 4},
            text=[f"{temperature:g} K" for temperature in rows["temperature_K"]],
            mode="markers",
            marker={"color": colour, "size": 10},
            name=system,
        )
    figure.add_scatter(
        x=table["tracer_D_cm2_s"],
        y=table["gop_k3_counting_limit"],
        mode="markers",
        marker={"color": BLACK, "symbol": "x-thin-open", "size": 9},
        name="count of sites",
    )
    amorphous = "amorphous" in set(table["phase"])
    for label, value in PAPER_GOP.items() if amorphous else ():
        figure.add_hline(
            y=value,
            line={"dash": "dot", "color": GREY, "width": 1},
            annotation_text=f"paper, amorphous {label}",
            annotation_position="top left",
        )
    legend_at_right(figure)
    return figure


@registered("figure_3b")
def figure_3b(
    spectra: Mapping[str, VibrationalDensityOfStates], n_atoms: Mapping[str, int]
) -> go.Figure:
    """Vibrational density of states of oxygen.

    Parameters
    ----------
    spectra
        By system.
    n_atoms
        Number of atoms, by system: the density is drawn per atom.
    """
    first = next(iter(spectra.values()))
    figure = new_figure(
        x="frequency (THz)",
        y="states per THz and O",
        caption=(
            "Figure 3B. Vibrational density of states of oxygen (power spectrum of its "
            f"velocities); Hann window, resolution {first.resolution_THz:.2g} THz, zero-padded to "
            "twice its length. Bands: standard errors. The integral is 3, the degrees of "
            "freedom of an atom."
        ),
    )
    highest = 0.0
    for colour, (system, spectrum) in zip(SEQUENCE * 9, spectra.items(), strict=False):
        per_atom = spectrum.density / n_atoms[system]
        _add_curve(
            figure, spectrum.frequencies_THz, per_atom, spectrum.standard_error / n_atoms[system],
            colour, system,
        )  # fmt: skip
        highest = max(highest, spectrum.frequencies_THz[per_atom > 0.01 * per_atom.max()].max())
    _show_wavenumbers(figure, 1.05 * highest)
    figure.update_yaxes(rangemode="tozero")
    legend_at_right(figure)
    return figure


@registered("figure_3c")
def figure_3c(
    pairs: Mapping[str, PairDistribution], first: str = "O", second: str = "O"
) -> go.Figure:
    """Pair distribution functions.

    Parameters
    ----------
    pairs
        By system.
    first, second
        The two species.
    """
    figure = new_figure(
        x="r (Å)",
        y=f"g<sub>{first}{second}</sub>(r)",
        caption=(
            f"Figure 3C. {first}-{second} pair distribution function. Bands: standard errors "
            "from blocks of frames."
        ),
    )
    for colour, (system, pair) in zip(SEQUENCE * 9, pairs.items(), strict=False):
        _add_curve(figure, pair.radii, pair.values, pair.standard_error, colour, system)
    start = min(pair.radii[np.argmax(pair.values > 0)] for pair in pairs.values())
    end = min(pair.radii[-1] for pair in pairs.values())
    figure.update_xaxes(range=[max(0.0, start - 0.3), end])
    figure.add_hline(y=1, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_yaxes(rangemode="tozero")
    legend_at_right(figure)
    return figure


@registered("angles_O_Zr_O")
def angles_figure(angles: Mapping[str, BondAngles], names: str = "O-Zr-O") -> go.Figure:
    """Distributions of bond angles.

    Parameters
    ----------
    angles
        By system.
    names
        The three atoms.
    """
    figure = new_figure(
        x=f"angle {names} (°)",
        y="fraction of angles per degree",
        caption=f"Distribution of the angle {names} between neighbours. Octahedra: 90° and 180°.",
    )
    for colour, (system, distribution) in zip(SEQUENCE * 9, angles.items(), strict=False):
        figure.add_scatter(
            x=distribution.angles,
            y=distribution.density,
            mode="lines",
            line={"color": colour, "width": 1.8},
            name=system,
        )
    figure.update_xaxes(range=[40, 180], dtick=20)
    figure.update_yaxes(rangemode="tozero")
    legend_at_right(figure)
    return figure


@registered("gop_counting")
def counting_figure(
    by_sites: Mapping[str, Dependence], full: Mapping[str, float], null: Mapping[str, NDArray[Any]]
) -> go.Figure:
    """How much of the order parameter is counting: θ against the number of connected sites.

    Parameters
    ----------
    by_sites
        θ (k = 3) of connected pieces of each system's network.
    full
        Of the whole networks.
    null
        Of rewired networks of the same degrees, [draw].
    """
    figure = new_figure(
        x="connected sites n",
        y="graph order parameter θ (k = 3)",
        caption=(
            "How much of the order parameter is counting. Points: connected pieces of the networks "
            "of jumps (bars: standard deviation); stars: whole networks; open circles: random "
            "networks with the same degrees. Lines: all degrees different, with mean 0 or 1/2, "
            "(mean − ln n)³. Rewiring, which turns a lattice of sites into a random "
            "graph, leaves θ unchanged."
        ),
    )
    largest = max(int(curve.amounts.max()) for curve in by_sites.values())
    smallest = min(int(curve.amounts.min()) for curve in by_sites.values())
    figure.update_xaxes(type="log", tickvals=log_ticks(smallest, 2 * largest))
    n = np.geomspace(smallest, largest, 60)
    for mean, dash in ((0.0, "solid"), (0.5, "dash")):
        figure.add_scatter(
            x=n,
            y=counting_limit(n, exponent=3, mean_degree=mean),
            mode="lines",
            line={"color": GREY, "width": 1.5, "dash": dash},
            name=f"count alone, mean degree {mean:g}",
        )
    for colour, (system, curve) in zip(SEQUENCE * 9, by_sites.items(), strict=False):
        figure.add_scatter(
            x=curve.amounts,
            y=curve.means,
            error_y={"array": curve.standard_deviations, "thickness": 1.5, "width": 3},
            mode="markers",
            marker={"color": colour, "size": 6},
            name=system,
            legendgroup=system,
        )
        for values, symbol, size in (
            ([full[system]], "star", 13),
            (null[system], "circle-open", 18),
        ):
            figure.add_scatter(
                x=np.full(len(values), curve.amounts.max()),
                y=values,
                mode="markers",
                marker={"color": colour, "size": size, "symbol": symbol},
                showlegend=False,
                legendgroup=system,
            )
    legend_at_right(figure)
    return figure


@registered("gop_length")
def length_figure(
    by_length: Mapping[str, Dependence], frame_intervals_ps: Mapping[str, float]
) -> go.Figure:
    """Graph order parameter against the length of the trajectory in which jumps are counted.

    Parameters
    ----------
    by_length
        θ by system; amounts are frames.
    frame_intervals_ps
        Time between frames, by system.
    """
    figure = new_figure(
        x="length of the trajectory (ps)",
        y="graph order parameter θ (k = 3)",
        caption=(
            "Graph order parameter against the length of the trajectory, mean over consecutive "
            "windows (bars: standard deviation)."
        ),
    )
    lengths = {name: curve.amounts * frame_intervals_ps[name] for name, curve in by_length.items()}
    everything = np.concatenate(list(lengths.values()))
    figure.update_xaxes(type="log", tickvals=log_ticks(everything.min(), everything.max()))
    for colour, (system, curve) in zip(SEQUENCE * 9, by_length.items(), strict=False):
        figure.add_scatter(
            x=lengths[system],
            y=curve.means,
            error_y={"array": curve.standard_deviations, "thickness": 1.5, "width": 4},
            mode="lines+markers",
            marker={"color": colour, "size": 7},
            name=system,
        )
    legend_at_right(figure)
    return figure


@registered("predictors")
def predictors_figure(correlations: Mapping[str, RankCorrelation]) -> go.Figure:
    """Rank correlation of measures of the network with the diffusion coefficient.

    Parameters
    ----------
    correlations
        By the measure's name; drawn from the strongest down.
    """
    ordered = sorted(correlations.items(), key=lambda item: abs(item[1].coefficient))
    names = [name for name, _ in ordered]
    rho = np.array([c.coefficient for _, c in ordered])
    low, high = (np.array([c.interval[side] for _, c in ordered]) for side in (0, 1))
    counts = sorted({c.n for _, c in ordered})
    figure = new_figure(
        x="rank correlation with D",
        y="",
        caption=(
            "Which measure of the network predicts the diffusion coefficient: Spearman's rank "
            f"correlation over {' to '.join(map(str, counts))} runs, with 95 % confidence "
            "intervals."
        ),
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.add_scatter(
        x=rho,
        y=names,
        error_x={
            "array": high - rho,
            "arrayminus": rho - low,
            "thickness": 2,
            "width": 6,
        },
        mode="markers",
        marker={"size": 11, "color": SEQUENCE[0]},
        showlegend=False,
    )
    figure.update_xaxes(range=[-1.05, 1.05])
    figure.update_layout(margin={"l": 270}, width=820, height=90 + 42 * len(names))
    return figure


def _add_curve(
    figure: go.Figure, x: NDArray[Any], y: NDArray[Any], error: NDArray[Any], colour: str, name: str
) -> None:
    """Draw a curve with the band of its standard error."""
    band = np.nan_to_num(error)
    add_band(figure, x, y - band, y + band, colour=colour, group=name)
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": colour, "width": 1.8}, name=name, legendgroup=name
    )


def _show_wavenumbers(figure: go.Figure, highest: float) -> None:
    """Add an axis in cm⁻¹ on top of one in THz from 0 to `highest`."""
    figure.update_xaxes(range=[0, highest])
    # an axis is drawn only where a trace is
    figure.add_scatter(x=[None], y=[None], xaxis="x2", showlegend=False)
    axis = figure.layout.xaxis.to_plotly_json()
    figure.update_layout(
        xaxis={"mirror": False},
        xaxis2=axis
        | {
            "overlaying": "x",
            "side": "top",
            "range": [0, highest * THZ_TO_WAVENUMBER],
            "title": {"text": "wavenumber (cm<sup>−1</sup>)", "standoff": 8},
            "tickmode": "linear",
            "dtick": 200,
            "mirror": False,
        },
        margin={"t": 70},
    )
