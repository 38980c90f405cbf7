"""What diffusion coefficients are based on: mean squared displacements and Arrhenius plots."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.optimize import isotonic_regression

from llzo_helpers.analysis.arrhenius import Arrhenius
from llzo_helpers.analysis.diffusion import TracerDiffusion
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.tables import SystemKey, system_key
from llzo_helpers.figures.facets import add_key, look_of, new_facets
from llzo_helpers.figures.looks import Look, look, shade
from llzo_helpers.figures.measured import add_measured
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import (
    BLACK,
    GREY,
    add_band,
    diffusivity_axis,
    ion_name,
    new_figure,
    new_panels,
)


@registered("msd")
def msd_figure(
    systems: Mapping[str, Mapping[str, TracerDiffusion]],
    looks: Mapping[str, Look] | None = None,
    mobile: str = "Li",
) -> go.Figure:
    """Mean squared displacements, the window of each fit drawn as a thick line.

    Parameters
    ----------
    systems
        By system, a panel each, and by the run's name within it.
    looks
        Of the systems, whose colours they have; black where it is not told.
    mobile
        Elements of the ions, for the caption.
    """
    several = any(len(results) > 1 for results in systems.values())
    figure, places = new_panels(
        list(systems),
        caption=(
            f"Mean squared displacement of {ion_name(mobile)} relative to the framework, by system"
            f"{', from light to dark in the order of its runs' if several else ''}. Bands: "
            "standard error; thick: the straight line fitted in its window; of replicas, only the "
            "first is named. Motion is diffusive where the curve runs parallel to the grey line, "
            "MSD ∝ t."
        ),
        x="lag t (ps)",
        y="MSD (Å<sup>2</sup>)",
        height=_MSD_HEIGHT,
        subplots={"shared_yaxes": "all", "shared_xaxes": "all"},
        showlegend=False,
    )
    everything = np.concatenate(
        [r.msd_A2 for results in systems.values() for r in results.values()]
    )
    low, high = np.log10(everything.min()) - 0.2, np.log10(everything.max()) + 0.3
    for (system, results), place in zip(systems.items(), places, strict=True):
        colour = looks[system].colour if looks else BLACK
        shades = np.linspace(-0.7, 0.7, len(results)) if len(results) > 1 else [0.0]
        colours = [shade(colour, towards) for towards in shades]
        for tint, (name, result) in zip(colours, results.items(), strict=True):
            _add_msd(figure, name, result, tint, **place)
        _name_ends(figure, results, colours, _LETTER_HEIGHT / _MSD_HEIGHT * (high - low), **place)
        lags = np.concatenate([result.lags_ps for result in results.values()])
        top = 2 * max(result.msd_A2[-1] for result in results.values())
        ends = np.array([lags.min(), lags.max()])
        figure.add_scatter(
            x=ends,
            y=top * ends / ends[1],
            mode="lines",
            line={"color": GREY, "width": 1, "dash": "dash"},
            hoverinfo="skip",
            **place,
        )
    shortest = min(r.lags_ps[0] for results in systems.values() for r in results.values())
    longest = max(r.lags_ps[-1] for results in systems.values() for r in results.values())
    # with room for the names
    figure.update_xaxes(
        type="log",
        range=[np.log10(shortest) - 0.1, np.log10(longest) + 1.2],
    )
    figure.update_yaxes(type="log", range=[low, high])
    return figure


_MSD_HEIGHT, _LETTER_HEIGHT = 145, 11
"""Of a panel and of the names in it, pixels."""
_REPLICA = re.compile(r" r\d+$")
"""In the name of a run; beside the name of the first, others would not be read."""


def _add_msd(
    figure: go.Figure, name: str, result: TracerDiffusion, colour: str, **place: int
) -> None:
    lags, msd, std = result.lags_ps, result.msd_A2, result.msd_std_A2
    add_band(figure, lags, msd - std, msd + std, colour=colour, group=name, **place)
    figure.add_scatter(
        x=lags, y=msd, mode="lines", line={"color": colour, "width": 1}, name=name, **place
    )
    window = np.linspace(*result.fit_lags_ps, 20)
    figure.add_scatter(
        x=window,
        y=result.intercept + result.slope * window,
        mode="lines",
        line={"color": colour, "width": 4},
        hoverinfo="skip",
        **place,
    )


def _name_ends(
    figure: go.Figure,
    results: Mapping[str, TracerDiffusion],
    colours: Sequence[str],
    apart: float,
    **place: int,
) -> None:
    """Write the names at the ends of the curves, as near as they can be with decades between."""
    ends = sorted(
        (result.msd_A2[-1], result.lags_ps[-1], name, colour)
        for (name, result), colour in zip(results.items(), colours, strict=True)
        if not _REPLICA.search(name)
    )
    heights, lags, names, tints = zip(*ends, strict=True)
    steps = apart * np.arange(len(ends))
    placed = isotonic_regression(np.log10(heights) - steps).x + steps
    figure.add_scatter(
        x=lags,
        y=10**placed,
        mode="text",
        text=names,
        textposition="middle right",
        textfont={"size": 9, "color": tints},
        hoverinfo="skip",
        **place,
    )


@registered("running_diffusion")
def running_diffusion_figure(
    results: Mapping[str, TracerDiffusion], looks: Mapping[str, Look] | None = None
) -> go.Figure:
    """D against lag, a panel per run: level where the motion is diffusive.

    Parameters
    ----------
    results
        By the name shown.
    looks
        Of the runs, whose colours they have; black where it is not told.
    """
    figure, places = new_panels(
        list(results),
        caption=(
            "D against lag: slopes of the mean squared displacement over a factor of two in lag, "
            "with standard errors. Shaded: the window of the fit; line: D of the fit. Where D "
            "still falls, ions rattle and jump back, and D of the fit is an upper bound (line of "
            "the fit dotted). At short lags D may be beyond the axis. Of replicas, the first is "
            "shown."
        ),
        x="lag (ps)",
        y="D (10<sup>−5</sup> cm<sup>2</sup>/s)",
        height=125,
        showlegend=False,
    )
    for (name, result), place in zip(results.items(), places, strict=True):
        colour, running = look_of(name, looks).colour, result.running
        D, std = 1e5 * running.D_cm2_s, 1e5 * running.D_std_cm2_s
        add_band(figure, running.lags_ps, D - std, D + std, colour=colour, group=name, **place)
        _add_line(figure, running.lags_ps, D, colour, name, place)
        first, last = result.fit_lags_ps
        figure.add_vrect(x0=first, x1=last, fillcolor=GREY, opacity=0.15, line_width=0, **place)
        figure.add_scatter(
            x=[first, last],
            y=[1e5 * result.D_cm2_s] * 2,
            mode="lines",
            line={"color": BLACK, "width": 2, "dash": "dot" if result.upper_bound else "solid"},
            hoverinfo="skip",
            **place,
        )
        highest = float(np.nanmax(D + np.nan_to_num(std)))
        # what rattles at short lags would flatten the rest
        of_fit = 5e5 * result.D_cm2_s if result.D_cm2_s > 0 else highest
        figure.update_yaxes(range=[0, 1.05 * min(highest, of_fit)], nticks=5, **place)
    figure.update_xaxes(type="log")
    return figure


def _add_running_D(
    figure: go.Figure,
    lags_ps: FloatArray,
    D_cm2_s: FloatArray,
    D_std_cm2_s: FloatArray,
    colour: str,
    name: str,
    place: dict[str, int],
) -> None:
    """Draw D against lag with its band where it is positive: the axis is logarithmic."""
    shown = D_cm2_s > 0
    lags, D, std = lags_ps[shown], D_cm2_s[shown], D_std_cm2_s[shown]
    # on a logarithmic axis a band that reaches zero has no end
    add_band(figure, lags, np.maximum(D - std, D / 10), D + std, colour=colour, group=name, **place)
    _add_line(figure, lags, D, colour, name, place)


def _add_line(
    figure: go.Figure,
    lags_ps: FloatArray,
    D: FloatArray,
    colour: str,
    name: str,
    place: dict[str, int],
) -> None:
    figure.add_scatter(
        x=lags_ps,
        y=D,
        mode="lines",
        line={"color": colour},
        name=name,
        showlegend=False,
        **place,
    )


@registered("ageing")
def ageing_figure(ageing: pd.DataFrame, looks: Mapping[str, Look] | None = None) -> go.Figure:
    """D of glasses in consecutive parts of their runs, against age.

    Parameters
    ----------
    ageing
        `ageing.csv`.
    looks
        Of the runs, by label and temperature; black where it is not told.
    """
    runs = {_run_name(rows.iloc[0].to_dict()): rows for _, rows in ageing.groupby("run")}
    figure, places = new_facets(
        runs,
        looks,
        x="age (ps)",
        y="D<sub>Li</sub> (cm<sup>2</sup>/s)",
        height=280,
        subplots={"shared_xaxes": "all", "shared_yaxes": "all"},
        caption=(
            "Tracer diffusion coefficient of glasses in consecutive parts of their runs, with "
            "standard errors, against the time since the run began. Pale symbols with an arrow: "
            "upper bounds. In a glass that ages, lithium slows down."
        ),
    )
    # runs of some hundred picoseconds beside those of nanoseconds
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    for name, (place,) in places.items():
        rows, drawn = runs[name], look_of(name, looks)
        add_measured(figure, rows, rows["age_ps"], look=drawn, name=name, joined=True, place=place)
    return figure


def _run_name(row: Mapping[Any, Any]) -> str:
    replica = f" r{row['replica']}" if row["replica"] > 1 else ""
    return f"{system_label(row)}{replica}, {row['temperature_K']:g} K"


@registered("ageing_lags")
def ageing_lags_figure(
    lags: pd.DataFrame,
    whole: Mapping[str, TracerDiffusion],
    names: Mapping[str, str],
    looks: Mapping[str, Look] | None = None,
) -> go.Figure:
    """D of glasses against lag, in consecutive parts of their runs, a panel per run.

    Parameters
    ----------
    lags
        `ageing_lags.csv`.
    whole
        Of the whole runs, by run.
    names
        What to call the runs, by run.
    looks
        By what they are called; the shade is the age. Grey where it is not told.
    """
    runs = list(dict.fromkeys(lags["run"]))
    figure, places = new_panels(
        [names[run] for run in runs],
        caption=(
            "D of glasses against lag in consecutive parts of their runs, from young (light) to "
            "old (dark), and in the whole run (black), with standard errors. D that falls along a "
            "curve belongs to ions that jump back; curves that sink with age to a glass that ages."
        ),
        columns=4,
        x="lag (ps)",
        y="D (cm<sup>2</sup>/s)",
        height=120,
        subplots={"shared_xaxes": "all"},
    )
    most = lags.groupby("run")["age_ps"].nunique().max()
    for number, towards in enumerate(np.linspace(-1, 0.8, most), start=1):
        add_key(figure, f"part {number}", line={"color": shade(GREY, towards)})
    add_key(figure, "whole run", line={"color": BLACK})
    for run, place in zip(runs, places, strict=True):
        parts = lags[lags["run"] == run].groupby("age_ps", sort=True)
        base = (looks or {}).get(names[run])
        colour = base.colour if base else GREY
        shades = [shade(colour, towards) for towards in np.linspace(-1, 0.8, len(parts))]
        columns = ["lag_ps", "tracer_D_cm2_s", "tracer_D_std_cm2_s"]
        curves = [
            (*part[columns].to_numpy().T, tint, f"part {number} of {len(parts)}")
            for number, ((_, part), tint) in enumerate(zip(parts, shades, strict=True), start=1)
        ]
        of_run = whole[run].running
        curves.append((of_run.lags_ps, of_run.D_cm2_s, of_run.D_std_cm2_s, BLACK, "whole run"))
        for lag, D, std, colour, name in curves:
            _add_running_D(figure, lag, D, std, colour, name, place)
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    return figure


@registered("arrhenius")
def arrhenius_figure(
    diffusion: pd.DataFrame, fits: Mapping[SystemKey, Arrhenius], mobile: str = "Li"
) -> go.Figure:
    """Arrhenius plot: points with errors, fits with their bands.

    Parameters
    ----------
    diffusion
        Table of diffusion coefficients, replicas combined.
    fits
        Fits by system, see `llzo_helpers.campaign.tables.system_key`.
    mobile
        Elements of the ions, for the axis.
    """
    figure = new_figure(
        x="1000 / T (1/K)",
        y=diffusivity_axis(mobile),
        log_y=True,
        caption=(
            "Arrhenius plots. Points: this work, with standard errors; pale symbols with an "
            "arrow: upper bounds, treated as such in the fit; lines and bands: fit with its "
            "standard error."
        ),
    )
    keys = [system_key(row) for row in diffusion.to_dict("records")]
    for system, fit in fits.items():
        rows = diffusion[[key == system for key in keys]].sort_values("temperature_K")
        first = rows.iloc[0].to_dict()
        drawn, name = look(first, shaded=True), system_label(first)
        add_measured(
            figure,
            rows,
            1000 / rows["temperature_K"],
            look=drawn,
            name=f"{name}: {fit.E_a_eV:.2f} ± {fit.E_a_std_eV:.2f} eV",
        )
        temperature = np.linspace(rows["temperature_K"].min(), rows["temperature_K"].max(), 50)
        D, std = fit.D_cm2_s(temperature), fit.ln_D_std(temperature)
        figure.add_scatter(
            x=1000 / temperature, y=D, mode="lines", line=drawn.line, showlegend=False
        )
        low, high = D * np.exp(-std), D * np.exp(std)
        add_band(figure, 1000 / temperature, low, high, colour=drawn.colour, group=name)
    return figure
