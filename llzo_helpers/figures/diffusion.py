"""What diffusion coefficients are based on: mean squared displacements and Arrhenius plots."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.analysis.arrhenius import Arrhenius
from llzo_helpers.analysis.diffusion import TracerDiffusion
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.tables import SystemKey, system_key
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import (
    BLACK,
    BLUE,
    GREY,
    SEQUENCE,
    VERMILION,
    add_band,
    add_bounds,
    diffusivity_axis,
    ion_name,
    new_figure,
    new_panels,
)


@registered("msd")
def msd_figure(results: Mapping[str, TracerDiffusion], mobile: str = "Li") -> go.Figure:
    """Mean squared displacements, the window of each fit drawn as a thick line.

    Parameters
    ----------
    results
        By run.
    mobile
        Elements of the ions, for the caption.
    """
    figure = new_figure(
        x="lag t (ps)",
        y="MSD (Å<sup>2</sup>)",
        log_y=True,
        caption=(
            f"Mean squared displacement of {ion_name(mobile)} relative to the framework. Bands: "
            "standard error; thick: the straight line fitted in its window. Motion is diffusive "
            "where the curve runs parallel to the grey line, MSD ∝ t."
        ),
    )
    figure.update_xaxes(type="log", exponentformat="power")
    # many runs: names next to the plot
    figure.update_layout(
        width=960, legend={"orientation": "v", "x": 1.02, "y": 1, "font": {"size": 10}}
    )
    for colour, (name, result) in zip(SEQUENCE * 50, results.items(), strict=False):
        lags, msd, std = result.lags_ps, result.msd, result.msd_std
        add_band(figure, lags, msd - std, msd + std, colour=colour, group=name)
        figure.add_scatter(
            x=lags, y=msd, line={"color": colour, "width": 1}, name=name, legendgroup=name
        )
        window = np.linspace(*result.fit_lags_ps, 20)
        figure.add_scatter(
            x=window,
            y=result.intercept + result.slope * window,
            mode="lines",
            line={"color": colour, "width": 4},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
    if results:
        lags = next(iter(results.values())).lags_ps
        top = max(result.msd[-1] for result in results.values())
        figure.add_scatter(
            x=lags,
            y=2 * top * lags / lags[-1],
            mode="lines",
            line={"color": "grey", "width": 1, "dash": "dash"},
            name="∝ t",
        )
    return figure


@registered("running_diffusion")
def running_diffusion_figure(results: Mapping[str, TracerDiffusion]) -> go.Figure:
    """D against lag, a panel per run: level where the motion is diffusive.

    Parameters
    ----------
    results
        By the name shown.
    """
    figure, places = new_panels(
        list(results),
        caption=(
            "D against lag: slopes of the mean squared displacement over a factor of two in lag, "
            "with standard errors. Shaded: the window of the fit; line: D of the fit. Where D "
            "still falls, ions rattle or jump back, and D of the fit is an upper bound (red)."
        ),
        panel_size=(230, 170),
        subplots={"vertical_spacing": 0.55 / max(1, -(-len(results) // 3))},
        showlegend=False,
    )
    for (name, result), place in zip(results.items(), places, strict=True):
        running, colour = result.running, VERMILION if result.upper_bound else BLUE
        shown = running.D_cm2_s > 0
        lags, D = running.lags_ps[shown], running.D_cm2_s[shown]
        std = running.D_std_cm2_s[shown]
        # on a logarithmic axis, a band that reaches zero has no lower end
        add_band(
            figure, lags, np.maximum(D - std, D / 10), D + std, colour=colour, group=name, **place
        )
        figure.add_scatter(x=lags, y=D, mode="lines", line={"color": colour}, **place)
        first, last = result.fit_lags_ps
        figure.add_vrect(x0=first, x1=last, fillcolor=GREY, opacity=0.15, line_width=0, **place)
        if result.D_cm2_s > 0:
            figure.add_scatter(
                x=[first, last],
                y=[result.D_cm2_s] * 2,
                mode="lines",
                line={"color": BLACK, "width": 2},
                **place,
            )
    figure.update_xaxes(type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(type="log", exponentformat="power", dtick="D2")
    figure.update_xaxes(title_text="lag (ps)")
    figure.update_yaxes(title_text="D (cm<sup>2</sup>/s)", col=1)
    return figure.update_annotations(font_size=11)


@registered("ageing")
def ageing_figure(ageing: pd.DataFrame) -> go.Figure:
    """D of glasses in consecutive parts of their runs, against age.

    Parameters
    ----------
    ageing
        `ageing.csv`.
    """
    figure = new_figure(
        x="age (ps)",
        y="D<sub>Li</sub> (cm<sup>2</sup>/s)",
        log_y=True,
        caption=(
            "Tracer diffusion coefficient of glasses in consecutive parts of their runs, with "
            "standard errors, against the time since the run began. Open symbols with an arrow: "
            "upper bounds. In a glass that ages, lithium slows down."
        ),
    )
    for colour, (_, rows) in zip(SEQUENCE * 9, ageing.groupby("run", sort=False), strict=False):
        bound = rows["upper_bound"]
        values, bounds = rows[~bound], rows[bound]
        replica = rows["replica"].iloc[0]
        name = system_label(rows.iloc[0].to_dict()) + (f" r{replica}" if replica > 1 else "")
        name += f", {rows['temperature_K'].iloc[0]:g} K"
        figure.add_scatter(
            x=values["age_ps"],
            y=values["tracer_D_cm2_s"],
            error_y={"array": values["tracer_D_std_cm2_s"], "thickness": 1.5, "width": 4},
            mode="lines+markers",
            line={"color": colour, "width": 1},
            marker={"size": 9},
            name=name,
            legendgroup=name,
        )
        if len(bounds):
            add_bounds(
                figure,
                bounds["age_ps"].to_list(),
                bounds["tracer_D_limit_cm2_s"].to_list(),
                colour=colour,
                symbol="circle",
                group=name,
                named=values.empty,
            )
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
            "Arrhenius plots. Points: this work, with standard errors; open symbols with an "
            "arrow: upper bounds, treated as such in the fit; lines and bands: fit with its "
            "standard error."
        ),
    )
    keys = [system_key(row) for row in diffusion.to_dict("records")]
    for colour, (system, fit) in zip(SEQUENCE * 50, fits.items(), strict=False):
        rows = diffusion[[key == system for key in keys]].sort_values("temperature_K")
        name = system_label(rows.iloc[0].to_dict())
        values, bounds = rows[~rows["upper_bound"]], rows[rows["upper_bound"]]
        if len(bounds):
            add_bounds(
                figure,
                (1000 / bounds["temperature_K"]).to_list(),
                bounds["tracer_D_limit_cm2_s"].to_list(),
                colour=colour,
                symbol="circle",
                group=name,
                named=values.empty,
            )
        figure.add_scatter(
            x=1000 / values["temperature_K"],
            y=values["tracer_D_cm2_s"],
            error_y={"array": values["tracer_D_std_cm2_s"], "thickness": 1.5, "width": 4},
            mode="markers",
            marker={"color": colour, "size": 9},
            name=f"{name}: {fit.E_a_eV:.2f} ± {fit.E_a_std_eV:.2f} eV",
            legendgroup=name,
        )
        temperature = np.linspace(rows["temperature_K"].min(), rows["temperature_K"].max(), 50)
        D, std = fit.D_cm2_s(temperature), fit.ln_D_std(temperature)
        figure.add_scatter(
            x=1000 / temperature,
            y=D,
            mode="lines",
            line={"color": colour, "width": 1.5},
            showlegend=False,
            legendgroup=name,
        )
        low, high = D * np.exp(-std), D * np.exp(std)
        add_band(figure, 1000 / temperature, low, high, colour=colour, group=name)
    return figure
