"""Sliders for what notebooks show once: crystals, densities, the order parameter."""

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import pandas as pd

from llzo_helpers.analysis.networks.gop import graph_order_parameter
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.site_panels import density_panel
from llzo_helpers.campaign.sites import RunSites
from llzo_helpers.errors import InputError
from llzo_helpers.figures.figure2 import figure_2
from llzo_helpers.figures.figure3 import figure_3a
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.lab.shown import say, show
from llzo_helpers.lab.structure_view import structure_view
from llzo_helpers.structures import describe


def explore_crystal(*, li_per_formula: float, volume_ratio: float, seed: int) -> widgets.VBox:
    """Return sliders for lithium content and volume, with the resulting crystal of one cell.

    Parameters
    ----------
    li_per_formula, volume_ratio
        Initial values of the sliders.
    seed
        Of the distribution of lithium.
    """
    # one cell has eight formula units
    lithium = widgets.FloatSlider(
        value=round(8 * li_per_formula) / 8, min=5.5, max=7.5, step=0.125, description="Li X"
    )
    volume = widgets.FloatSlider(
        value=volume_ratio,
        min=min(0.8, volume_ratio),
        max=max(1.3, volume_ratio),
        step=0.01,
        description="V / V_exp",
    )
    shown = widgets.VBox()

    def update(change: Any = None) -> None:
        atoms = crystal(li_per_formula=lithium.value, volume_ratio=volume.value, seed=seed)
        table = describe(atoms).to_frame().to_html(border=0)
        show(shown, structure_view(atoms), widgets.HTML(table))

    for slider in (lithium, volume):
        slider.continuous_update = False
        slider.observe(update, names="value")
    update()
    return widgets.VBox([lithium, volume, shown])


def explore_density(systems: Mapping[str, RunSites]) -> widgets.VBox:
    """Return a choice of system and of isosurface density, with the surface."""
    system = widgets.Dropdown(options=list(systems), description="system")
    level = widgets.FloatSlider(value=4, min=1, max=15, step=0.5, description="ρ / mean ρ")
    level.continuous_update = False
    shown = widgets.VBox()

    def update(change: Any = None) -> None:
        chosen = systems[system.value]
        try:
            panel = density_panel(chosen, relative_level=level.value)
        except InputError as error:
            show(shown, words := widgets.HTML())
            say(words, str(error))
            return
        figure = figure_2([panel], " and ".join(chosen.run.mobile))
        show(shown, figure.update_layout(width=640, height=520))

    system.observe(update, names="value")
    level.observe(update, names="value")
    update()
    return widgets.VBox([system, level, shown])


def explore_order_parameter(
    table: pd.DataFrame, probabilities: Mapping[str, FloatArray], mobile: str = "Li"
) -> widgets.VBox:
    """Return sliders for the exponent and the bins, with the order parameter against D.

    Parameters
    ----------
    table
        `gop.csv`.
    probabilities : mapping of str to ndarray, shape [from, to]
        Of jumps in the network of each system, see `graph_order_parameter`.
    mobile
        Elements of the ions, for the axis.
    """
    exponent = widgets.ToggleButtons(options=[1, 3], value=3, description="k")
    # one bin has no entropy
    counts = [("none", 0), *((str(count), count) for count in range(2, 61))]
    bins = widgets.SelectionSlider(options=counts, value=0, description="bins")
    bins.style.description_width = "initial"
    bins.continuous_update = False
    shown = widgets.VBox()

    def update(change: Any = None) -> None:
        values = {
            system: graph_order_parameter(jumps, exponent=exponent.value, bins=bins.value or None)
            for system, jumps in probabilities.items()
        }
        figure = figure_3a(
            table.assign(
                gop_k3=[values[system].value for system in table["system"]],
                gop_k3_std=0.0,
                gop_k3_counting_limit=[values[name].counting_limit for name in table["system"]],
            ),
            mobile,
        )
        if exponent.value != 3 or bins.value:
            # the paper's values, drawn as lines, are of another definition
            figure.layout.shapes = figure.layout.annotations = ()
            figure.update_yaxes(range=None, autorange=True)
        figure.update_yaxes(title=f"graph order parameter θ (k = {exponent.value})")
        show(shown, figure)

    exponent.observe(update, names="value")
    bins.observe(update, names="value")
    update()
    return widgets.VBox([exponent, bins, shown])
