"""Sliders for what notebooks show once: crystals, densities, the order parameter."""

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import pandas as pd
import plotly.graph_objects as go
from IPython.display import display

from llzo_helpers.analysis.networks.gop import graph_order_parameter
from llzo_helpers.campaign.site_panels import density_panel
from llzo_helpers.campaign.sites import RunSites
from llzo_helpers.figures.figure2 import density_view
from llzo_helpers.figures.figure3 import figure_3a
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.lab.structure_view import structure_view
from llzo_helpers.structures import describe


def explore_crystal(seed: int) -> widgets.VBox:
    """Return sliders for lithium content and volume, with the resulting structure."""
    lithium = widgets.FloatSlider(value=6.25, min=5.5, max=7.5, step=0.125, description="Li X")
    volume = widgets.FloatSlider(value=1.0, min=0.8, max=1.3, step=0.01, description="V / V_exp")
    output = widgets.Output()

    def update(change: Any = None) -> None:
        with output:
            output.clear_output(wait=True)
            atoms = crystal(li_per_formula=lithium.value, volume_ratio=volume.value, seed=seed)
            display(structure_view(atoms), describe(atoms).to_frame())

    for slider in (lithium, volume):
        slider.continuous_update = False
        slider.observe(update, names="value")
    update()
    return widgets.VBox([lithium, volume, output])


def explore_density(systems: Mapping[str, RunSites]) -> widgets.VBox:
    """Return a choice of system and of isosurface density, with the surface."""
    system = widgets.Dropdown(options=list(systems), description="system")
    level = widgets.FloatSlider(value=4, min=1, max=15, step=0.5, description="ρ / mean ρ")
    level.continuous_update = False
    output = widgets.Output()

    def update(change: Any = None) -> None:
        with output:
            output.clear_output(wait=True)
            display(density_view(density_panel(systems[system.value], relative_level=level.value)))

    system.observe(update, names="value")
    level.observe(update, names="value")
    update()
    return widgets.VBox([system, level, output])


def explore_order_parameter(table: pd.DataFrame, graphs: Mapping[str, Any]) -> widgets.VBox:
    """Return sliders for the exponent and the bins, with the order parameter against D.

    Parameters
    ----------
    table
        `gop.csv`.
    graphs
        The network of each system.
    """
    exponent = widgets.ToggleButtons(options=[1, 3], value=3, description="k")
    bins = widgets.IntSlider(value=0, min=0, max=60, description="bins (0: none)")
    bins.style.description_width = "initial"
    figure = go.FigureWidget()

    def update(change: Any = None) -> None:
        if bins.value == 1:
            return
        values = {
            system: graph_order_parameter(graph, exponent=exponent.value, bins=bins.value or None)
            for system, graph in graphs.items()
        }
        shown = table.assign(
            gop_k3=[values[system].value for system in table["system"]],
            gop_k3_std=0.0,
            gop_k3_counting_limit=[values[system].counting_limit for system in table["system"]],
        )
        drawn = figure_3a(shown)
        with figure.batch_update():
            figure.data = []
            figure.add_traces(drawn.data)
            figure.update_layout(drawn.layout)
            figure.update_yaxes(title=f"graph order parameter θ (k = {exponent.value})")

    exponent.observe(update, names="value")
    bins.observe(update, names="value")
    update()
    return widgets.VBox([exponent, bins, figure])
