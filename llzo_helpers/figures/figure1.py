"""Figure 1 of the paper: diffusivity (A) and activation energy (B) against volume."""

import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.campaign.labels import CURVE_COLUMNS, curve_label
from llzo_helpers.figures.looks import look
from llzo_helpers.figures.measured import add_measured, add_paper
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import BLACK, new_figure

EXPERIMENT_E_A_EV = 0.35
"""Average of experiments, as the paper draws it (its reference 14)."""


@registered("figure_1a")
def figure_1a(
    diffusion: pd.DataFrame,
    paper: pd.DataFrame,
    temperature_K: float,
    amorphised: pd.DataFrame | None = None,
) -> go.Figure:
    """Tracer diffusion coefficient against volume at one temperature.

    Parameters
    ----------
    diffusion
        `diffusion.csv`, replicas combined.
    paper
        `data/paper_values.csv`, of the same potentials.
    temperature_K
        Temperature shown.
    amorphised
        The rows of `diffusion.csv` of crystals whose framework did not stay one.
    """
    figure = new_figure(
        x="V / V<sub>exp</sub> (%)",
        y="D<sub>Li</sub> (cm<sup>2</sup>/s)",
        log_y=True,
        caption=(
            f"Figure 1A. Tracer diffusion coefficient of lithium at {temperature_K:g} K against "
            "volume. Filled symbols: this work, with standard errors; pale symbols with an "
            "arrow: upper bounds; open symbols: the paper. Crossed out: crystals whose "
            "framework amorphised."
        ),
    )
    this_work = diffusion[diffusion["temperature_K"] == temperature_K]
    from_paper = paper[
        (paper["quantity"] == "tracer_D_cm2_s") & (paper["temperature_K"] == temperature_K)
    ]
    _add_this_work(figure, this_work, "tracer_D_cm2_s", "tracer_D_std_cm2_s")
    _add_paper(figure, from_paper)
    if amorphised is not None:
        marked = amorphised[amorphised["temperature_K"] == temperature_K]
        if len(marked):
            figure.add_scatter(
                x=100 * marked["volume_ratio"],
                y=marked["tracer_D_cm2_s"].where(
                    ~marked["upper_bound"].astype(bool), marked["tracer_D_limit_cm2_s"]
                ),
                mode="markers",
                marker={"symbol": "x-thin", "size": 15, "line": {"width": 2, "color": BLACK}},
                name="amorphised crystal",
            )
    return figure


@registered("figure_1b")
def figure_1b(arrhenius: pd.DataFrame, paper: pd.DataFrame) -> go.Figure:
    """Activation energy against volume.

    Parameters
    ----------
    arrhenius
        `arrhenius.csv`.
    paper
        `data/paper_values.csv`, of the same potentials.
    """
    figure = new_figure(
        x="V / V<sub>exp</sub> (%)",
        y="E<sub>a</sub> (eV)",
        caption=(
            "Figure 1B. Activation energy of lithium diffusion against volume. Filled symbols: "
            "this work, with standard errors; open symbols: the paper; dotted line: average of "
            "experiments (the paper's reference 14)."
        ),
    )
    _add_this_work(figure, arrhenius, "E_a_eV", "E_a_std_eV")
    _add_paper(figure, paper[paper["quantity"] == "E_a_eV"])
    figure.add_hline(y=EXPERIMENT_E_A_EV, line={"dash": "dot", "color": BLACK, "width": 1})
    figure.update_yaxes(rangemode="tozero")
    return figure


def _add_this_work(figure: go.Figure, table: pd.DataFrame, value: str, std: str) -> None:
    for _, rows in table.groupby(CURVE_COLUMNS, dropna=False, sort=True):
        points = rows.sort_values("volume_ratio")
        first = points.iloc[0].to_dict()
        add_measured(
            figure,
            points,
            100 * points["volume_ratio"],
            value=value,
            std=std,
            look=look(first),
            name=curve_label(first),
            joined=True,
        )


def _add_paper(figure: go.Figure, table: pd.DataFrame) -> None:
    columns = [column for column in CURVE_COLUMNS if column in table]
    for _, rows in table.groupby(columns, dropna=False, sort=True):
        points = rows.sort_values("volume_ratio")
        first = points.iloc[0].to_dict()
        add_paper(
            figure,
            100 * points["volume_ratio"],
            points["value"],
            look=look(first),
            name=f"paper: {curve_label(first)}",
            joined=True,
        )
