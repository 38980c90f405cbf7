"""What the diffusion coefficients rest on: mean squared displacements and Arrhenius plots."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.analysis.diffusion import Arrhenius, TracerDiffusion
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.tables import SystemKey, system_key
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import (
    SEQUENCE,
    add_band,
    diffusivity_axis,
    ion_name,
    new_figure,
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
    # many runs: names beside the plot
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
            "Arrhenius plots. Points: this work, with standard errors; lines and bands: fit with "
            "its standard error."
        ),
    )
    keys = [system_key(row) for row in diffusion.to_dict("records")]
    for colour, (system, fit) in zip(SEQUENCE * 50, fits.items(), strict=False):
        rows = diffusion[[key == system for key in keys]].sort_values("temperature_K")
        name = system_label(rows.iloc[0].to_dict())
        figure.add_scatter(
            x=1000 / rows["temperature_K"],
            y=rows["tracer_D_cm2_s"],
            error_y={"array": rows["tracer_D_std_cm2_s"], "thickness": 1.5, "width": 4},
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
