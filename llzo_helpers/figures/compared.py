"""Two runs beside each other: how far their ions get, and D against lag."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from llzo_helpers.analysis.diffusion import TracerDiffusion
from llzo_helpers.figures.facets import look_of
from llzo_helpers.figures.finish import finish
from llzo_helpers.figures.looks import DASHES, Look
from llzo_helpers.figures.style import add_band, new_panels


def comparison_figure(
    results: Mapping[str, TracerDiffusion], looks: Mapping[str, Look] | None = None
) -> go.Figure:
    """Mean squared displacement and running D of some runs, each with a line of its own.

    Parameters
    ----------
    results
        By the run's label.
    looks
        Of the runs, whose colours they have; black where it is not told.
    """
    figure, (left, right) = new_panels(
        ["mean squared displacement (Å<sup>2</sup>)", "D against lag (cm<sup>2</sup>/s)"],
        x="lag (ps)",
        columns=2,
        height=280,
        caption="Mean squared displacements and D against lag, with standard errors.",
    )
    for dash, (name, result) in zip(DASHES * 9, results.items(), strict=False):
        colour, running = look_of(name, looks).colour, result.running
        for place, lags, values, std in (
            (left, result.lags_ps, result.msd_A2, result.msd_std_A2),
            (right, running.lags_ps, running.D_cm2_s, running.D_std_cm2_s),
        ):
            shown = values > 0
            x, y, error = lags[shown], values[shown], std[shown]
            # on a logarithmic axis a band that reaches zero has no end
            low = np.maximum(y - error, y / 10)
            add_band(figure, x, low, y + error, colour=colour, group=name, **place)
            figure.add_scatter(
                x=x,
                y=y,
                mode="lines",
                line={"color": colour, "dash": dash, "width": 1.8},
                name=name,
                legendgroup=name,
                showlegend=place is left,
                **place,
            )
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    return finish(figure)
