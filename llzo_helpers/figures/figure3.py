"""Figure 3 of the paper: order parameter of the network (A), spectrum (B), distances (C)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.analysis.order import BondAngles, PairDistribution
from llzo_helpers.analysis.vibration import THZ_TO_WAVENUMBER, VibrationalDensityOfStates
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS
from llzo_helpers.figures.facets import look_of, new_facets
from llzo_helpers.figures.looks import PAPER_COLOURS, Look, look
from llzo_helpers.figures.measured import add_curve
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import BLACK, GREY, diffusivity_axis, new_figure

_SHARED = {"shared_xaxes": "all", "shared_yaxes": "all"}

_FEW = 12
"""Points with their volumes beside them; of more, the numbers would overlap."""

_GAP = "\N{NO-BREAK SPACE}"

PAPER_GOP = {"CIP": -100.0, "ML": -250.0}
"""Approximate values for the paper's amorphous structures."""


@registered("figure_3a")
def figure_3a(table: pd.DataFrame, mobile: str = "Li") -> go.Figure:
    """Graph order parameter of the network of jumps against the diffusion coefficient.

    Parameters
    ----------
    table
        `gop.csv`: a row per run, with the columns of the system, `temperature_K`,
        `tracer_D_cm2_s`, `tracer_D_std_cm2_s`, `upper_bound`, `tracer_D_limit_cm2_s`, `gop_k3`,
        `gop_k3_std` and `gop_k3_counting_limit`. With amorphous runs, the paper's values for
        its (larger) amorphous cells are drawn as well.
    mobile
        Elements of the ions, for the axis.
    """
    figure = new_figure(
        x=diffusivity_axis(mobile),
        y="graph order parameter θ (k = 3)",
        caption=(
            "Figure 3A. Graph order parameter of the network of jumps against the tracer "
            "diffusion coefficient. Bars: standard errors; pale with an arrow: upper bounds of D. "
            "Crosses: (mean degree − ln n)³ with "
            "the number n of connected sites, which is θ where all degrees differ: it does not "
            "depend on how the sites are connected."
        ),
    )
    figure.update_xaxes(type="log")
    table = table.assign(
        drawn_D=table["tracer_D_cm2_s"].where(~table["upper_bound"], table["tracer_D_limit_cm2_s"])
    )
    # below the symbols, and larger
    figure.add_scatter(
        x=table["drawn_D"],
        y=table["gop_k3_counting_limit"],
        mode="markers",
        marker={"color": BLACK, "symbol": "x-thin-open", "size": 18},
        name="(mean degree − ln n)³",
    )
    values = table[["gop_k3", "gop_k3_counting_limit"]].to_numpy().ravel()
    ordered = table.sort_values(["md_potential", "phase"], ascending=[True, False], kind="stable")
    for _, rows in ordered.groupby(SYSTEM_COLUMNS, sort=False, dropna=False):
        first = rows.iloc[0].to_dict()
        drawn = look(first, shaded=True)
        bound = rows["upper_bound"]
        for bounded, part in rows.groupby(bound):
            std = part["tracer_D_std_cm2_s"].where(~part["upper_bound"])
            figure.add_scatter(
                x=part["drawn_D"],
                y=part["gop_k3"],
                error_x={"array": std, "thickness": 1.5, "width": 4},
                error_y={"array": part["gop_k3_std"], "thickness": 1.5, "width": 4},
                text=[f"{temperature:g} K" for temperature in part["temperature_K"]],
                mode="markers",
                marker=drawn.pale if bounded else drawn.marker,
                name=system_label(first),
                legendgroup=system_label(first),
                showlegend=not bounded or bool(bound.all()),
            )
        if bound.any():
            # no data of its own
            figure.add_scatter(
                x=rows.loc[bound, "drawn_D"] / 1.15,
                y=rows.loc[bound, "gop_k3"],
                mode="markers",
                marker={"color": drawn.colour, "symbol": "arrow-bar-left", "size": 12},
                legendgroup=system_label(first),
                showlegend=False,
                hoverinfo="skip",
            )
    if len(table) <= _FEW:
        _name_volumes(figure, table)
    shown = values.tolist()
    if "amorphous" in set(table["phase"]):
        for label, value in PAPER_GOP.items():
            figure.add_hline(
                y=value,
                line={"dash": "dash", "color": PAPER_COLOURS[label], "width": 1},
                annotation_text=f"paper, amorphous {label}",
                annotation_position="top left",
            )
        shown += PAPER_GOP.values()
    if shown:
        # θ of a single network is its count up to rounding, and plotly would show the rounding
        margin = 0.1 * max(map(abs, shown))
        figure.update_yaxes(range=[min(shown) - margin, max(shown) + margin])
    return figure


def _name_volumes(figure: go.Figure, table: pd.DataFrame) -> None:
    """Write the volume above each point, to the left where another point follows closely."""
    D = table["drawn_D"].to_numpy()
    ratios = D / D[:, None]
    followed = ((ratios > 1) & (ratios < 1.25)).any(axis=1)
    figure.add_scatter(
        x=D,
        y=table["gop_k3"],
        text=[f"{_GAP}{100 * ratio:.4g} %{_GAP}<br>{_GAP}" for ratio in table["volume_ratio"]],
        textposition=np.where(followed, "top left", "top right").tolist(),
        textfont={"size": 11},
        mode="text",
        hoverinfo="skip",
        showlegend=False,
    )


@registered("figure_3b")
def figure_3b(
    spectra: Mapping[str, VibrationalDensityOfStates],
    n_atoms: Mapping[str, int],
    looks: Mapping[str, Look] | None = None,
) -> go.Figure:
    """Vibrational density of states of oxygen.

    Parameters
    ----------
    spectra
        By system.
    n_atoms
        Number of atoms, by system: the density is drawn per atom.
    looks
        Of the systems; black where it is not told.
    """
    first = next(iter(spectra.values()))
    figure = new_figure(
        x="frequency (THz)",
        y="states per THz per O atom",
        caption=(
            "Figure 3B. Vibrational density of states of oxygen (power spectrum of its "
            f"velocities); Hann window, resolution {first.resolution_THz:.2g} THz, zero-padded to "
            "twice its length. Bands: standard errors. The integral is 3, the degrees of "
            "freedom of an atom."
        ),
    )
    highest = 0.0
    for system, spectrum in spectra.items():
        per_atom = spectrum.density / n_atoms[system]
        error = spectrum.standard_error / n_atoms[system]
        drawn = look_of(system, looks)
        add_curve(figure, spectrum.frequencies_THz, per_atom, error, look=drawn, name=system)
        highest = max(highest, spectrum.frequencies_THz[per_atom > 0.01 * per_atom.max()].max())
    _show_wavenumbers(figure, 1.05 * highest)
    figure.update_yaxes(rangemode="tozero")
    return figure


@registered("figure_3c")
def figure_3c(
    pairs: Mapping[str, PairDistribution],
    first: str = "O",
    second: str = "O",
    looks: Mapping[str, Look] | None = None,
) -> go.Figure:
    """Pair distribution functions.

    Parameters
    ----------
    pairs
        By system.
    first, second
        The two species.
    looks
        Of the systems; black where it is not told.
    """
    figure, places = new_facets(
        pairs,
        looks,
        x="r (Å)",
        y=f"g<sub>{first}{second}</sub>(r)",
        height=300,
        subplots=_SHARED,
        caption=(
            f"Figure 3C. {first}-{second} pair distribution function. Bands: standard errors "
            "from blocks of frames."
        ),
    )
    for system, (place,) in places.items():
        pair = pairs[system]
        add_curve(
            figure,
            pair.radii,
            pair.values,
            pair.standard_error,
            look=look_of(system, looks),
            name=system,
            place=place,
        )
    start = min(pair.radii[np.argmax(pair.values > 0)] for pair in pairs.values())
    end = min(pair.radii[-1] for pair in pairs.values())
    figure.update_xaxes(range=[max(0.0, start - 0.3), end])
    figure.add_hline(y=1, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_yaxes(range=[0, 1.05 * max(pair.values.max() for pair in pairs.values())])
    return figure


@registered("angles_O_Zr_O")
def angles_figure(
    angles: Mapping[str, BondAngles],
    names: str = "O-Zr-O",
    looks: Mapping[str, Look] | None = None,
) -> go.Figure:
    """Distributions of bond angles.

    Parameters
    ----------
    angles
        By system.
    names
        The three atoms.
    looks
        Of the systems; black where it is not told.
    """
    figure, places = new_facets(
        angles,
        looks,
        x=f"angle {names} (°)",
        y="fraction of angles per degree",
        height=300,
        subplots=_SHARED,
        caption=f"Distribution of the angle {names} between neighbours. Octahedra: 90° and 180°.",
    )
    for system, (place,) in places.items():
        figure.add_scatter(
            x=angles[system].angles,
            y=angles[system].density,
            mode="lines",
            line=look_of(system, looks).line,
            name=system,
            **place,
        )
    figure.update_xaxes(range=[40, 180], tickvals=[60, 90, 120, 150, 180])
    figure.update_yaxes(range=[0, 1.05 * max(each.density.max() for each in angles.values())])
    return figure


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
