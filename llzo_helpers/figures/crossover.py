"""The crossover of structures and potentials: Table 1 of the paper as a figure, and its effects."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.analysis.factorial import FactorialDecomposition
from llzo_helpers.campaign.crossover import Switch
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.tables import system_columns
from llzo_helpers.figures.looks import SYMBOLS, look, run_looks
from llzo_helpers.figures.measured import add_curve, add_measured, add_paper
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import (
    BLACK,
    GREY,
    diffusivity_axis,
    new_figure,
    new_panels,
    show_factors,
)
from llzo_helpers.potentials import short_name

_PAIRS = (("Zr", "O"), ("O", "O"))


@registered("crossover")
def crossover_figure(table: pd.DataFrame, temperature_K: float) -> go.Figure:
    """Diffusivity of each structure origin with each potential.

    Parameters
    ----------
    table
        `crossover.csv`.
    temperature_K
        Temperature shown.
    """
    rows = table[table["temperature_K"] == temperature_K]
    panels = list(rows.groupby(["li_per_formula", "volume_ratio", "supercell"], sort=False))
    figure, places = new_panels(
        [_condition(panel.iloc[0].to_dict()) for _, panel in panels],
        caption=(
            f"Tracer diffusion coefficient at {temperature_K:g} K of amorphous structures made by "
            "one potential and run with one (abscissa, colour), with standard errors. Grey lines "
            "join the runs of structures made alike, unless one is a bound: parallel where "
            "structure and potential act independently. Pale with an arrow: upper bounds; open, "
            "beside: the paper."
        ),
        columns=2,
        x="potential of the dynamics",
        y=diffusivity_axis("Li"),
        height=330,
        subplots={"shared_yaxes": "all"},
    )
    for (_, panel), place in zip(panels, places, strict=True):
        positions = {name: i for i, name in enumerate(dict.fromkeys(panel["md_potential"]))}
        protocols = panel.groupby("structure_potential")["melt_quench"].nunique()
        origins = ["structure_potential", "melt_quench"]
        for _, group in panel.groupby(origins, dropna=False, sort=False):
            x = group["md_potential"].map(positions)
            known = group["tracer_D_cm2_s"].where(~group["upper_bound"])
            figure.add_scatter(
                x=x, y=known, mode="lines", line={"color": GREY, "width": 1}, showlegend=False,
                hoverinfo="skip", **place,
            )  # fmt: skip
            for i in range(len(group)):
                row = group.iloc[i].to_dict()
                maker, runner = (short_name(row[f"{key}_potential"]) for key in ("structure", "md"))
                if protocols[row["structure_potential"]] > 1:
                    maker += f" ({row['melt_quench']})"
                name, drawn = f"{maker} structures with {runner}", look(row)
                at = float(x.iloc[i])
                add_measured(figure, group.iloc[[i]], [at], look=drawn, name=name, place=place)
                if not np.isnan(row["paper_D_cm2_s"]):
                    beside = [at + 0.12]
                    add_paper(
                        figure,
                        beside,
                        [row["paper_D_cm2_s"]],
                        look=drawn,
                        name=f"paper: {name}",
                        place=place,
                    )
        names = [short_name(name) for name in positions]
        figure.update_xaxes(
            tickvals=list(positions.values()), ticktext=names, range=[-0.4, len(names) - 0.6],
            **place,
        )  # fmt: skip
    figure.update_yaxes(type="log")
    return figure


def _condition(row: Mapping[Any, Any]) -> str:
    n = row["supercell"]
    size = f", {n}x{n}x{n}" if n > 1 else ""
    return f"Li<sub>{row['li_per_formula']:g}</sub>, {100 * row['volume_ratio']:g} %{size}"


@registered("effects")
def effects_figure(decompositions: Mapping[str, FactorialDecomposition]) -> go.Figure:
    """Factors in D due to structure, potential and their interaction, with 95 % intervals."""
    figure = new_figure(
        x="factor in D",
        y="",
        caption=(
            "Decomposition of ln D: the factor by which D changes with the origin of the "
            "structure and with the potential of the dynamics, and the factor by which one effect "
            "depends on the other. Bars: 95 % intervals; dotted: no effect."
        ),
    )
    names = ("interaction", "potential", "structure")
    ends: list[float] = []
    for index, (label, effects) in enumerate(decompositions.items()):
        shift = 0.2 * (index - (len(decompositions) - 1) / 2)
        factors = np.array([getattr(effects, name).factor for name in names])
        limits = np.array([getattr(effects, name).factor_interval() for name in names])
        figure.add_scatter(
            x=factors,
            y=np.arange(len(names)) - shift,
            error_x={
                "array": limits[:, 1] - factors,
                "arrayminus": factors - limits[:, 0],
                "thickness": 1.5,
                "width": 5,
            },
            mode="markers",
            marker={"color": BLACK, "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 10},
            name=label,
        )
        ends += [*factors, *limits[np.isfinite(limits)]]
    # a decade to each side where there is nothing to show
    show_factors(figure, min(ends, default=0.1), max(ends, default=10.0))
    if not decompositions:
        figure.add_annotation(
            text="no pair of structures whose D is known with both potentials",
            **{"x": 0.5, "y": 0.9, "xref": "paper", "yref": "paper", "showarrow": False},
            bgcolor="white",
        )
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=list(names))
    return figure


@registered("switches")
def switch_figure(switches: Sequence[Switch]) -> go.Figure:
    """Energy, framework displacement and pair distributions after a switch of potential."""
    figure, places = new_panels(
        [
            "potential energy − mean (meV/atom)",
            "framework: r.m.s. displacement (Å)",
            *(f"{'–'.join(pair)}: g(r)" for pair in _PAIRS),
        ],
        columns=2,
        height=230,
        caption=(
            "Did the structures survive the switch of potential? Potential energy, averaged over "
            "200 blocks, from the start of the run, displacement of the framework from the "
            "initial structure, and pair distributions of the last fifth of the run, with standard "
            "errors. First replicas."
        ),
    )
    runs = {system_label(system_columns(observed.run)): observed.run for observed in switches}
    looks = run_looks(runs)
    for observed in switches:
        name = system_label(system_columns(observed.run))
        drawn = looks[name]
        same = {"mode": "lines", "legendgroup": name, "name": name}
        figure.add_scatter(
            x=observed.time_ps,
            y=1000 * observed.energy_eV_atom,
            line=drawn.line | {"width": 1},
            **same,
            **places[0],
        )
        mean_square = np.mean(
            [values**2 for values in observed.drift.displacement.values()], axis=0
        )
        # on the same clock: both end with the run, half a block after the last block's middle
        end = observed.time_ps[-1] + np.diff(observed.time_ps)[-1] / 2
        offset = end - observed.drift.times_ps[-1]
        figure.add_scatter(
            x=offset + observed.drift.times_ps,
            y=np.sqrt(mean_square),
            line=drawn.line,
            showlegend=False,
            **same,
            **places[1],
        )
        for pair, place in zip(_PAIRS, places[2:], strict=True):
            add_curve(
                figure,
                observed.end[pair].radii,
                observed.end[pair].values,
                observed.end[pair].standard_error,
                look=drawn,
                name=name,
                showlegend=False,
                place=place,
            )
    figure.update_xaxes(title_text="time since the switch (ps)", row=1)
    figure.update_xaxes(title_text="r (Å)", row=2, range=[1.2, None])
    return figure
