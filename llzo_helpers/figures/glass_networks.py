"""Figure 3A as the paper has it: diffusivity and connectivity of glasses at several densities."""

from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.campaign.labels import CURVE_COLUMNS, curve_label
from llzo_helpers.figures.looks import look
from llzo_helpers.figures.measured import add_line, add_measured
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import diffusivity_axis, new_panels

_COLUMNS = (
    ("gop_k3", "gop_k3_std"),
    ("network_D_cm2_s", "network_D_std_cm2_s"),
    ("critical_rate_per_ps", None),
)


@registered("figure_3a_densities")
def glass_network_figure(table: pd.DataFrame, mobile: str = "Li") -> go.Figure:
    """Diffusivity, order parameter and better measures of the networks of glasses by volume.

    Parameters
    ----------
    table
        `gop.csv`; of its rows those of amorphous systems are drawn, at the temperature that most
        of them have.
    mobile
        Elements of the ions, for the axis.
    """
    glasses = table[table["phase"] == "amorphous"]
    temperature_K = glasses["temperature_K"].mode().iloc[0]
    glasses = glasses[glasses["temperature_K"] == temperature_K]
    figure, places = new_panels(
        ["diffusivity", "order parameter", "conductance of the network", "critical rate"],
        caption=(
            f"Figure 3A by density, at {temperature_K:g} K: tracer diffusion coefficient (pale "
            "with an arrow: upper bounds); graph "
            "order parameter θ with k = 3 (upwards: more connected by the paper's reading); D of "
            "ions without memory on the measured network, and the rate of the slowest link that "
            "percolation needs: measures that say how well the network conducts. Bars: standard "
            "errors; the rate of a single link has none. A network that does not percolate has "
            "neither of the last two."
        ),
        x="V / V<sub>exp</sub> (%)",
        columns=2,
        height=210,
    )
    for _, rows in glasses.groupby(CURVE_COLUMNS, dropna=False, sort=True):
        points = rows.sort_values("volume_ratio")
        first = points.iloc[0].to_dict()
        drawn, name = look(first), curve_label(first)
        volumes = 100 * points["volume_ratio"]
        add_measured(figure, points, volumes, look=drawn, name=name, joined=True, place=places[0])
        figure.update_yaxes(type="log", **places[0])
        for (column, error), place in zip(_COLUMNS, places[1:], strict=True):
            logarithmic = column != "gop_k3"
            y = points[column].where(points[column] > 1e-15) if logarithmic else points[column]
            add_line(figure, volumes, y, drawn, name, place)
            figure.add_scatter(
                x=volumes,
                y=y,
                error_y={"array": points[error], "thickness": 1.5, "width": 4} if error else None,
                mode="markers",
                marker=drawn.marker,
                name=name,
                legendgroup=name,
                showlegend=False,
                **place,
            )
            if logarithmic:
                figure.update_yaxes(type="log", **place)
    titles = (
        diffusivity_axis(mobile),
        "θ",
        "D of the network (cm<sup>2</sup>/s)",
        "critical rate (ps<sup>−1</sup>)",
    )
    for title, place in zip(titles, places, strict=True):
        figure.update_yaxes(title_text=title, **place)
    figure.update_yaxes(autorange="reversed", **places[1])
    ratios = np.unique(glasses["volume_ratio"])
    if all(after - before > 0.02 for before, after in pairwise(ratios)):
        figure.update_xaxes(tickvals=(100 * ratios).tolist(), tickformat=".4~g")
    figure.update_xaxes(range=[100 * ratios[0] - 2, 100 * ratios[-1] + 2])
    return figure
