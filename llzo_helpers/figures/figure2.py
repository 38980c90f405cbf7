"""Figure 2 of the paper: the density of lithium, coloured by residence time."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.site_panels import DensityPanel
from llzo_helpers.errors import InputError
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.residence_colour import ResidenceColour
from llzo_helpers.figures.style import GREY, ion_name, new_panels


@registered("figure_2")
def figure_2(panels: Sequence[DensityPanel], mobile: str = "Li", *, columns: int = 3) -> go.Figure:
    """Isosurface of the density of the ions in each system, with its cell.

    Parameters
    ----------
    panels
        In reading order.
    mobile
        Elements of the ions, for the caption.
    columns
        Panels in a row.

    Raises
    ------
    InputError
        If there are no panels.
    """
    if not panels:
        raise InputError("panels: none; give at least one system")
    colour = ResidenceColour.covering(np.concatenate([panel.residence_time_ps for panel in panels]))
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure, places = new_panels(
        [panel.title for panel in panels],
        caption=(
            f"Figure 2. Isosurface of the time-averaged density of {ion_name(mobile)}. Colour: "
            "residence time of the nearest site; yellow: fast, blue: slow."
        ),
        columns=columns,
        x="",
        height=190,
        subplots={
            "specs": [[{"type": "scene"}] * columns] * rows,
        },
        coloraxis=colour.axis,
        showlegend=False,
    )
    for panel, place in zip(panels, places, strict=True):
        x, y, z = panel.surface.vertices.T.astype(np.float32)
        i, j, k = panel.surface.triangles.T.astype(np.int32)
        figure.add_mesh3d(
            x=x,
            y=y,
            z=z,
            i=i,
            j=j,
            k=k,
            intensity=colour(panel.residence_time_ps),
            customdata=panel.residence_time_ps.astype(np.float32),
            coloraxis="coloraxis",
            lighting={"ambient": 0.85, "diffuse": 0.4, "specular": 0.05},
            hovertemplate="%{customdata:.2f} ps<extra></extra>",
            **place,
        )
        x, y, z = _cell_edges(panel.cell).T
        figure.add_scatter3d(
            x=x,
            y=y,
            z=z,
            mode="lines",
            line={"color": GREY, "width": 2},
            hoverinfo="skip",
            **place,
        )
    figure.update_scenes(
        aspectmode="data",
        xaxis_visible=False,
        yaxis_visible=False,
        zaxis_visible=False,
        camera={"eye": {"x": 1.15, "y": 0.8, "z": 0.55}, "projection": {"type": "orthographic"}},
    )
    return figure


def _cell_edges(cell: FloatArray) -> FloatArray:
    """Return the twelve edges of a cell as one line [point, axis], broken by NaN."""
    corners = np.array(list(np.ndindex(2, 2, 2)))
    lines = [
        np.stack([corner @ cell, (corner + step) @ cell, np.full(3, np.nan)])
        for corner in corners
        for step in np.eye(3, dtype=int)
        if corner @ step == 0
    ]
    return np.concatenate(lines)
