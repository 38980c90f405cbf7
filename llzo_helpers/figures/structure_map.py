"""The map of structures: crystal, strained crystal, melt and glass, and the way of a quench."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from llzo_helpers.figures.style import BLACK, GREY, SEQUENCE, log_ticks, new_figure
from llzo_helpers.structure_map import StructureMap


def map_figure(
    places: Mapping[str, NDArray[Any]],
    of_map: StructureMap,
    path: NDArray[Any] | None = None,
    temperatures: NDArray[Any] | None = None,
) -> go.Figure:
    """Structures on their map.

    Parameters
    ----------
    places
        Scores on the map by system, [frame, component].
    of_map
        The map.
    path
        Scores of a quench in the order of time, [frame, component].
    temperatures
        Of the frames of `path`, K.
    """
    percent = [f"{100 * fraction:.0f} %" for fraction in of_map.explained]
    figure = new_figure(
        x=f"first component ({percent[0]} of the variance)",
        y=f"second component ({percent[1]})",
        caption=(
            "Structures on a map made without labels (principal components of the mean local "
            "environments of La, Zr and O, at one density). Each point is a frame."
            + (
                " Line: the way of a quench, coloured by its temperature."
                if path is not None
                else ""
            )
        ),
    )
    if path is not None:
        figure.add_scatter(
            x=path[:, 0],
            y=path[:, 1],
            mode="lines+markers",
            line={"color": GREY, "width": 1},
            marker={
                "size": 6,
                "color": temperatures,
                "colorscale": "Inferno",
                "cmin": 0,
                "showscale": temperatures is not None,
                "colorbar": {"title": "T (K)", "thickness": 14, "x": 1.02},
            },
            name="quench",
        )
    symbols = ("circle", "diamond", "square", "triangle-up", "triangle-down", "cross", "star")
    for index, (system, scores) in enumerate(places.items()):
        figure.add_scatter(
            x=scores[:, 0],
            y=scores[:, 1],
            mode="markers",
            marker={
                "color": SEQUENCE[index % len(SEQUENCE)],
                "symbol": symbols[index % len(symbols)],
                "size": 8,
                "opacity": 0.7,
            },
            name=system,
        )
    figure.update_layout(
        width=900, height=560, legend={"x": 1.16 if path is not None else 1.02, "y": 1}
    )
    return figure


def distance_figure(distances: Mapping[str, NDArray[Any]], element: str) -> go.Figure:
    """Distances of atoms from the crystal.

    Parameters
    ----------
    distances
        By system, of any shape.
    element
        Whose they are.
    """
    figure = new_figure(
        x=f"distance of {element} from the crystal",
        y="fraction of atoms per decade",
        caption=(
            f"How far the environments of {element} are from those in the crystal, atom by "
            "atom: 1 is the root mean square of the crystal that the others are compared with."
        ),
    )
    lowest = min(float(d.min()) for d in distances.values())
    highest = max(float(d.max()) for d in distances.values())
    edges = np.linspace(np.log10(lowest), np.log10(highest), 60)
    middles = 10 ** ((edges[1:] + edges[:-1]) / 2)
    for colour, (system, values) in zip(SEQUENCE * 9, distances.items(), strict=False):
        counts, _ = np.histogram(np.log10(values), edges, density=True)
        figure.add_scatter(
            x=middles,
            y=counts,
            mode="lines",
            line={"color": colour, "width": 2, "shape": "hvh"},
            name=system,
        )
    figure.add_vline(x=1, line={"color": BLACK, "width": 1, "dash": "dot"})
    figure.update_xaxes(type="log", tickvals=log_ticks(lowest, highest))
    return figure
