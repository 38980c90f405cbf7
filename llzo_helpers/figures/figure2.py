"""Figure 2 of the paper: the density of lithium, coloured by residence time."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.site_panels import DensityPanel
from llzo_helpers.errors import InputError
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.residence_colour import ResidenceColour
from llzo_helpers.figures.style import GREY, columns_of, ion_name, new_panels

_SCALE = 1.4
"""With which a cell fills its panel."""


@registered("figure_2")
def figure_2(
    panels: Sequence[DensityPanel], mobile: str = "Li", *, colour: ResidenceColour | None = None
) -> go.Figure:
    """Isosurface of the density of the ions in each system, with its cell.

    Parameters
    ----------
    panels
        In reading order.
    mobile
        Elements of the ions, for the caption.
    colour
        Scale of residence times; by default over those shown.

    Raises
    ------
    InputError
        If there are no panels.
    """
    if not panels:
        raise InputError("panels: none; give at least one system")
    if colour is None:
        times = np.concatenate([panel.residence_time_ps for panel in panels])
        colour = ResidenceColour.covering(times)
    columns = columns_of(len(panels))
    rows = -(-len(panels) // columns)
    figure, places = new_panels(
        [panel.title for panel in panels],
        caption=(
            f"Figure 2. Isosurfaces of the time-averaged density of {ion_name(mobile)}, at "
            f"{_levels(panels)} times its mean. Colour: residence time of the nearest site; "
            "yellow: fast, blue: slow."
        ),
        columns=columns,
        x="",
        height=150,
        subplots={
            "specs": [[{"type": "scene"}] * columns] * rows,
        },
        coloraxis=colour.axis,
        showlegend=False,
    )
    for panel, place in zip(panels, places, strict=True):
        x, y, z = panel.surface.vertices.T.round(2)
        i, j, k = panel.surface.triangles.T
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
        edges = _cell_edges(panel.cell)
        x, y, z = edges.T
        figure.add_scatter3d(
            x=x,
            y=y,
            z=z,
            mode="lines",
            line={"color": GREY, "width": 2},
            hoverinfo="skip",
            **place,
        )
        size = np.nanmax(edges, axis=0) - np.nanmin(edges, axis=0)
        ratio = dict(zip("xyz", _SCALE * size / size.max(), strict=True))
        figure.update_scenes(aspectratio=ratio, **place)
    figure.update_scenes(
        aspectmode="manual",
        xaxis_visible=False,
        yaxis_visible=False,
        zaxis_visible=False,
        camera={"eye": {"x": 1.15, "y": 0.8, "z": 0.55}, "projection": {"type": "orthographic"}},
    )
    return figure


def _levels(panels: Sequence[DensityPanel]) -> str:
    return " or ".join(f"{level:g}" for level in sorted({panel.relative_level for panel in panels}))


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
