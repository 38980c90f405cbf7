"""Figure 3A as the paper has it: diffusivity and connectivity of glasses at several densities."""

from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.campaign.labels import CURVE_COLUMNS, curve_label
from llzo_helpers.figures.looks import look
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import diffusivity_axis, new_panels


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
        ["diffusivity and order parameter", "conductance of the network", "critical rate"],
        caption=(
            f"Figure 3A by density, at {temperature_K:g} K. (A) Tracer diffusion coefficient "
            "(filled, left) and graph order parameter θ with k = 3 (open, dotted, right; upwards: "
            "more connected by the paper's reading). (B) D of ions without memory on the measured "
            "network, and (C) the rate of the slowest link that percolation needs: measures that "
            "say how well the network conducts. Bars: standard errors. A network that does not "
            "percolate has neither."
        ),
        panel_size=(230, 260),
        legend_rows=1 + glasses.groupby(CURVE_COLUMNS, dropna=False).ngroups // 2,
        subplots={
            "specs": [[{"secondary_y": True}, {}, {}]],
            "horizontal_spacing": 0.17,
        },
    )
    for _, rows in glasses.groupby(CURVE_COLUMNS, dropna=False, sort=True):
        points = rows.sort_values("volume_ratio")
        first = points.iloc[0].to_dict()
        drawn, name = look(first), curve_label(first)
        for column, error, place, is_open in (
            ("tracer_D_cm2_s", "tracer_D_std_cm2_s", places[0] | {"secondary_y": False}, False),
            ("gop_k3", "gop_k3_std", places[0] | {"secondary_y": True}, True),
            ("network_D_cm2_s", None, places[1], False),
            ("critical_rate_per_ps", None, places[2], False),
        ):
            values = points[column] if is_open else points[column].where(points[column] > 1e-15)
            figure.add_scatter(
                x=100 * points["volume_ratio"],
                y=values,
                error_y={"array": points[error], "thickness": 1.5, "width": 4} if error else None,
                mode="lines+markers",
                marker=drawn.marker | ({"symbol": f"{drawn.symbol}-open"} if is_open else {}),
                line=drawn.line | {"dash": "dot" if is_open else "solid"},
                name=name,
                legendgroup=name,
                showlegend=column == "tracer_D_cm2_s",
                **place,
            )
    figure.update_xaxes(title_text="V / V<sub>exp</sub> (%)")
    logarithmic = {"type": "log", "exponentformat": "power", "dtick": "D2"}
    figure.update_yaxes(
        title_text=diffusivity_axis(mobile), **logarithmic, col=1, secondary_y=False
    )
    figure.update_yaxes(
        title_text="θ",
        autorange="reversed",
        tickmode="auto",
        nticks=6,
        tickformat=".0f",
        mirror=False,
        col=1,
        secondary_y=True,
    )
    figure.update_yaxes(title_text="D of the network (cm<sup>2</sup>/s)", **logarithmic, col=2)
    figure.update_yaxes(title_text="Critical rate (ps<sup>-1</sup>)", type="log", nticks=8, col=3)
    ratios = np.unique(glasses["volume_ratio"])
    if all(after - before > 0.02 for before, after in pairwise(ratios)):
        figure.update_xaxes(tickvals=(100 * ratios).tolist(), tickformat=".4~g")
    figure.update_xaxes(range=[100 * ratios[0] - 2, 100 * ratios[-1] + 2])
    return figure
