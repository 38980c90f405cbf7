"""Temperature and energy during a run."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from llzo_helpers.figures.style import BLACK


def thermo_figure(thermo: pd.DataFrame, n_atoms: int, temperature_K: float) -> go.Figure:
    """Temperature, potential energy and conserved quantity against time.

    Parameters
    ----------
    thermo
        See `llzo_helpers.md.folder.read_thermo`.
    n_atoms
        Energies are shown per atom.
    temperature_K
        Of the thermostat, drawn as a line.
    """
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.04)
    time, conserved = thermo["time_ps"], thermo["conserved_energy_eV"]
    panels = (
        ("T (K)", thermo["temperature_K"]),
        ("E<sub>pot</sub> (eV/atom)", thermo["potential_energy_eV"] / n_atoms),
        ("Δ E<sub>conserved</sub> (meV/atom)", 1000 * (conserved - conserved.mean()) / n_atoms),
    )
    for row, (title, values) in enumerate(panels, start=1):
        figure.add_scattergl(
            x=time, y=values, mode="lines", line={"color": BLACK, "width": 1}, row=row, col=1
        )
        figure.update_yaxes(title=title, row=row, col=1, tickformat=".5~g")
    figure.add_hline(y=temperature_K, line={"dash": "dot", "width": 1}, row=1, col=1)
    figure.update_xaxes(title="time (ps)", row=3, col=1)
    figure.update_layout(
        template="plotly_white",
        showlegend=False,
        width=740,
        height=560,
        margin={"l": 90, "r": 20, "t": 20, "b": 60},
        meta={
            "caption": "Temperature, potential energy, and the conserved quantity less its mean."
        },
    )
    return figure
