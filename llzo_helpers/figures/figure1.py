"""Figure 1 of the paper: diffusivity (A) and activation energy (B) against volume."""

import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import (
    BLACK,
    CURVE_COLUMNS,
    GREY,
    SEQUENCE,
    add_bounds,
    curve_name,
    new_figure,
)

_SYMBOLS = {"crystal": "circle", "amorphous": "square"}
_PAPER_LINES = ({"color": BLACK, "dash": "dash"}, {"color": GREY, "dash": "dashdot"})
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
            "volume. Filled symbols: this work, with standard errors; open with an arrow: upper "
            "bounds; open without: the paper. Crossed out: crystals whose framework amorphised."
        ),
    )
    ours = diffusion[diffusion["temperature_K"] == temperature_K]
    theirs = paper[
        (paper["quantity"] == "tracer_D_cm2_s") & (paper["temperature_K"] == temperature_K)
    ]
    _add_ours(figure, ours, "tracer_D_cm2_s", "tracer_D_std_cm2_s")
    _add_paper(figure, theirs)
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
                name="amorphised: no crystal any more",
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
    _add_ours(figure, arrhenius, "E_a_eV", "E_a_std_eV")
    _add_paper(figure, paper[paper["quantity"] == "E_a_eV"])
    figure.add_hline(y=EXPERIMENT_E_A_EV, line={"dash": "dot", "color": BLACK, "width": 1})
    figure.update_yaxes(rangemode="tozero")
    return figure


def _add_ours(figure: go.Figure, table: pd.DataFrame, value: str, std: str) -> None:
    for colour, (_, rows) in zip(
        SEQUENCE * 9, table.groupby(CURVE_COLUMNS, dropna=False, sort=True), strict=False
    ):
        phase = rows["phase"].iloc[0]
        points = rows.sort_values("volume_ratio")
        bound = points.get("upper_bound", pd.Series(False, index=points.index)).astype(bool)
        name = curve_name(points.iloc[0].to_dict())
        values = points[~bound]
        figure.add_scatter(
            x=100 * values["volume_ratio"],
            y=values[value],
            error_y={"array": values[std], "thickness": 1.5, "width": 5},
            mode="lines+markers",
            marker={"symbol": _SYMBOLS[phase], "size": 10, "color": colour},
            line={"color": colour, "width": 1.5},
            name=name,
            legendgroup=name,
        )
        if bound.any():
            add_bounds(
                figure,
                (100 * points.loc[bound, "volume_ratio"]).to_list(),
                points.loc[bound, "tracer_D_limit_cm2_s"].to_list(),
                colour=colour,
                symbol=_SYMBOLS[phase],
                group=name,
                named=values.empty,
            )


def _add_paper(figure: go.Figure, table: pd.DataFrame) -> None:
    # the paper's potentials differ by line and shade, as phases do by symbol
    lines = dict(zip(sorted(table["md_potential"].unique()), _PAPER_LINES, strict=False))
    columns = [column for column in CURVE_COLUMNS if column in table]
    for _, rows in table.groupby(columns, dropna=False, sort=True):
        phase, line = rows["phase"].iloc[0], lines[rows["md_potential"].iloc[0]]
        points = rows.sort_values("volume_ratio")
        figure.add_scatter(
            x=100 * points["volume_ratio"],
            y=points["value"],
            mode="lines+markers",
            marker={
                "symbol": f"{_SYMBOLS[phase]}-open",
                "size": 11,
                "color": line["color"],
                "line": {"width": 1.5},
            },
            line={"width": 1, **line},
            name=f"paper: {curve_name(rows.iloc[0].to_dict())}",
        )
