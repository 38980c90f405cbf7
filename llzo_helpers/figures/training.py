"""What a trained potential is made from, and how good it is."""

from collections.abc import Mapping, Sequence

import ase
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from llzo_helpers.analysis.order import PairDistribution
from llzo_helpers.figures.style import ELEMENT_COLOURS, SEQUENCE, new_figure, new_panels


def conditions_figure(structures: Sequence[ase.Atoms]) -> go.Figure:
    """Volume and temperature of the labelled structures, by phase."""
    figure = new_figure(
        x="V / V<sub>exp</sub>",
        y="temperature (K)",
        caption=(
            "Conditions of the labelled structures. For an amorphous structure, the temperature is "
            "that of the melt from which it was quenched to 300 K."
        ),
    )
    table = pd.DataFrame([atoms.info for atoms in structures])
    for colour, (phase, part) in zip(SEQUENCE, table.groupby("phase"), strict=False):
        figure.add_scatter(
            x=part.volume_ratio,
            y=part.temperature_K,
            mode="markers",
            marker={"color": colour, "size": 5, "opacity": 0.6},
            name=f"{phase} ({len(part)})",
        )
    figure.update_layout(legend_itemsizing="constant")
    return figure


def learning_figure(curve: pd.DataFrame) -> go.Figure:
    """Held-out force errors against the number of labels.

    Parameters
    ----------
    curve
        From `llzo_helpers.training.rounds.learning_curve`.
    """
    figure = new_figure(
        x="labelled structures",
        y="RMSE of force components (eV/Å)",
        caption=(
            "Force errors on all structures held out in the finished training, after each round; "
            "labels are added where the committee of the previous round disagrees most."
        ),
    )
    curves = {
        str(phase): (part.labels, part.force_rmse_eV_A)
        for phase, part in curve.groupby("phase", sort=False)
    }
    figure.update_yaxes(rangemode="tozero")
    return _with_lines(figure, curves, mode="lines+markers")


def parity_figure(table: pd.DataFrame) -> go.Figure:
    """Predicted against reference forces of held-out structures, a panel for each phase.

    Parameters
    ----------
    table
        From `llzo_helpers.training.validate.parity`.
    """
    phases = list(dict.fromkeys(table.phase))
    figure, places = new_panels(
        phases,
        columns=2,
        panel_size=(300, 300),
        caption=(
            "Force components of held-out structures: network against reference. At most 3000 "
            "points per panel, drawn at random; the diagonal is perfect agreement."
        ),
    )
    for phase, place in zip(phases, places, strict=True):
        part = table[table.phase == phase]
        part = part.sample(min(3000, len(part)), random_state=0)
        limit = float(np.abs(part[["reference", "predicted"]]).to_numpy().max())
        for element, colour in ELEMENT_COLOURS.items():
            own = part[part.element == element]
            figure.add_scattergl(
                x=own.reference,
                y=own.predicted,
                mode="markers",
                marker={"color": colour, "size": 3, "opacity": 0.5},
                name=element,
                legendgroup=element,
                showlegend=phase == phases[0],
                **place,
            )
        figure.add_scatter(
            x=[-limit, limit],
            y=[-limit, limit],
            mode="lines",
            line={"color": "black", "width": 1},
            showlegend=False,
            hoverinfo="skip",
            **place,
        )
        figure.update_xaxes(title="reference (eV/Å)", **place)
        figure.update_yaxes(title="network (eV/Å)", **place)
    # the points would hardly be visible in the legend
    figure.update_layout(legend_itemsizing="constant")
    return figure


def equation_of_state_figure(tables: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Energy against volume; each curve relative to its minimum.

    Parameters
    ----------
    tables
        By name of the calculator, see `llzo_helpers.training.validate.equation_of_state`.
    """
    figure = new_figure(
        x="V / V<sub>exp</sub>",
        y="energy above the minimum (meV/atom)",
        caption="Energy of tetragonal Li7 against volume, ions relaxed at each volume.",
    )
    curves = {
        name: (table.volume_ratio, 1000 * (table.energy_eV - table.energy_eV.min()))
        for name, table in tables.items()
    }
    return _with_lines(figure, curves, mode="lines+markers")


def conservation_figure(tables: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Total energy of runs without a thermostat.

    Parameters
    ----------
    tables
        By name of the run, see `llzo_helpers.training.validate.energy_conservation`.
    """
    figure = new_figure(
        x="time (ps)",
        y="total energy − initial value (meV/atom)",
        caption="Total energy without a thermostat: a test of the forces and the time step.",
    )
    curves = {
        name: (table.time_ps, 1000 * (table.energy_eV - table.energy_eV.iloc[0]))
        for name, table in tables.items()
    }
    return _with_lines(figure, curves, width=1)


def vibrations_figure(modes: Mapping[str, pd.DataFrame], *, width_THz: float = 0.4) -> go.Figure:
    """Density of vibrations of oxygen at the zone centre, broadened by a Gaussian.

    Parameters
    ----------
    modes
        By name of the calculator, see `llzo_helpers.training.validate.vibrations`.
    width_THz
        Standard deviation of the Gaussians.
    """
    figure = new_figure(
        x="frequency (THz)",
        y="density of vibrations of O (1/THz)",
        caption=(
            f"Vibrations of tetragonal Li7 at the zone centre, weighted by the contribution of "
            f"oxygen; Gaussians of {width_THz:g} THz. Integrals are one."
        ),
    )
    curves = {}
    for name, table in modes.items():
        x = np.linspace(0, table.frequency_THz.max() + 2, 600)
        peaks = np.exp(-0.5 * ((x[:, None] - table.frequency_THz.to_numpy()) / width_THz) ** 2)
        density = peaks @ table["O"].to_numpy()
        curves[name] = (x, density / np.trapezoid(density, x))
    return _with_lines(figure, curves)


def pair_distributions_figure(
    distributions: Mapping[str, Mapping[tuple[str, str], PairDistribution]], title: str
) -> go.Figure:
    """Partial pair distributions of runs with several potentials.

    Parameters
    ----------
    distributions
        From `llzo_helpers.training.validate.pair_distributions_of`.
    title
        What was run.
    """
    names = ["Li–O", "Zr–O", "La–O", "O–O", "Li–Li", "La–Zr"]
    figure, places = new_panels(
        names,
        caption=f"Partial pair distributions: {title}. Both runs start from the same structure.",
    )
    for name, place in zip(names, places, strict=True):
        first, second = name.split("–")
        for colour, (label, pairs) in zip(SEQUENCE, distributions.items(), strict=False):
            pair = pairs[first, second]
            figure.add_scatter(
                x=pair.radii,
                y=pair.values,
                mode="lines",
                line={"color": colour, "width": 1.5},
                name=label,
                legendgroup=label,
                showlegend=name == names[0],
                **place,
            )
        figure.update_xaxes(title="r (Å)", range=[1.2, None], **place)
        figure.update_yaxes(title="g(r)", **place)
    return figure


def _with_lines(
    figure: go.Figure,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    mode: str = "lines",
    width: float = 2,
) -> go.Figure:
    for colour, (name, (x, y)) in zip(SEQUENCE, curves.items(), strict=False):
        figure.add_scatter(x=x, y=y, mode=mode, line={"color": colour, "width": width}, name=name)
    return figure
