"""Structures to rotate."""

import ase
import nglview

_RADII_A = {"Li": 0.7, "La": 0.6, "Zr": 0.5, "O": 0.35}


def structure_view(atoms: ase.Atoms) -> nglview.NGLWidget:
    """Return a structure to rotate: lithium large, the framework small."""
    view = nglview.show_ase(atoms)
    view.clear_representations()
    for element in dict.fromkeys(atoms.get_chemical_symbols()):
        view.add_spacefill(f"_{element}", radius=_RADII_A.get(element, 0.5))
    view.add_unitcell()
    view.center()
    return view
