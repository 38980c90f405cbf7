"""Structures to rotate."""

import ase
import ipywidgets as widgets
import nglview
import numpy as np
from ase.data import atomic_numbers
from ase.data.colors import jmol_colors

from llzo_helpers.figures.style import ELEMENT_COLOURS

_RADII_A = {"Li": 0.7, "La": 0.6, "Zr": 0.5, "O": 0.35}


def structure_view(atoms: ase.Atoms) -> widgets.VBox:
    """Return a structure to rotate, lithium large and the framework small, and its legend."""
    view = nglview.show_ase(atoms)
    view.clear_representations()
    elements = {element: _colour(element) for element in dict.fromkeys(atoms.symbols)}
    for element, colour in elements.items():
        view.add_spacefill(f"_{element}", radius=_RADII_A.get(element, 0.5), color=colour)
    view.add_unitcell()
    view.center()
    legend = "&ensp;".join(
        f'<span style="color:{colour}">⬤</span> {element}' for element, colour in elements.items()
    )
    return widgets.VBox([view, widgets.HTML(legend)])


def _colour(element: str) -> str:
    """Return that of all figures; of other elements, Jmol's."""
    if element in ELEMENT_COLOURS:
        return ELEMENT_COLOURS[element]
    red, green, blue = np.round(255 * jmol_colors[atomic_numbers[element]]).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"
