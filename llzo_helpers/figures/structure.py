"""A structure in three dimensions."""

import ase
import ase.data
import numpy as np
import plotly.graph_objects as go

from llzo_helpers.arrays import FloatArray
from llzo_helpers.figures.style import ELEMENT_COLOURS, GREY
from llzo_helpers.garnet import ELEMENTS

_SIZES = {"Li": 6, "La": 11, "Zr": 9, "O": 5}


def structure_figure(atoms: ase.Atoms) -> go.Figure:
    """Atoms of a periodic structure, drawn in their cell."""
    figure = go.Figure()
    symbols = np.array(atoms.get_chemical_symbols())
    positions = atoms.get_positions(wrap=True)
    for element in ELEMENTS:
        x, y, z = positions[symbols == element].T
        figure.add_scatter3d(
            x=x,
            y=y,
            z=z,
            mode="markers",
            marker={"size": _SIZES[element], "color": ELEMENT_COLOURS[element]},
            name=element,
        )
    edges = _cell_edges(atoms.cell.array)
    x, y, z = edges.T
    figure.add_scatter3d(
        x=x, y=y, z=z, mode="lines", line={"color": GREY}, showlegend=False, hoverinfo="skip"
    )
    figure.update_layout(
        width=640,
        height=560,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        scene={
            "aspectmode": "data",
            **{f"{axis}axis": {"title": f"{axis} (Å)"} for axis in "xyz"},
        },
        meta={"caption": f"{atoms.get_chemical_formula()} in its periodic cell."},
    )
    return figure


def _cell_edges(cell: FloatArray) -> FloatArray:
    """Return corners along the twelve edges, with gaps (NaN) between them, [point, axis]."""
    gap = np.full(3, np.nan)
    points = []
    for axis in range(3):
        others = [cell[other] for other in range(3) if other != axis]
        for i in (0, 1):
            for j in (0, 1):
                corner = i * others[0] + j * others[1]
                points += [corner, corner + cell[axis], gap]
    return np.array(points)
