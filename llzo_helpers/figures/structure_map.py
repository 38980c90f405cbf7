"""The map of structures: crystal, strained crystal, melt and glass, and the path of a quench."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from llzo_helpers.analysis.structure_map import StructureMap
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import BLACK, GREY, SEQUENCE, legend_at_right, log_ticks, new_figure

_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "triangle-down", "cross", "star")
_DASHES = ("dash", "dot", "dashdot", "longdash")


@registered("structure_map")
def map_figure(
    of_map: StructureMap,
    reference: Mapping[str, NDArray[Any]],
    systems: Mapping[str, NDArray[Any]],
    quenches: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
) -> go.Figure:
    """Structures on their map.

    Parameters
    ----------
    of_map
        The map.
    reference
        Scores on the map by structure of the reference, [frame, component]; in grey.
    systems
        Scores by system of the campaign, coloured.
    quenches
        Scores in the order of time [frame, component] and temperatures [frame], K, of quenches.
    """
    percent = [f"{100 * fraction:.0f} %" for fraction in of_map.explained]
    figure = new_figure(
        x=f"first component ({percent[0]} of the variance)",
        y=f"second component ({percent[1]})",
        caption=(
            "Structures on a map made without labels: principal components of the mean "
            "environments of La, Zr and O, at one density. Each point is a frame. Grey: the "
            "reference that the map is made from; lines: quenches, coloured by temperature; "
            "coloured: the runs of this campaign."
        ),
    )
    for symbol, (name, scores) in zip(_SYMBOLS * 9, reference.items(), strict=False):
        figure.add_scatter(
            x=scores[:, 0],
            y=scores[:, 1],
            mode="markers",
            marker={"color": GREY, "symbol": f"{symbol}-open", "size": 9},
            name=name,
        )
    for symbol, (name, (scores, temperatures)) in zip(_SYMBOLS * 9, quenches.items(), strict=False):
        figure.add_scatter(
            x=scores[:, 0],
            y=scores[:, 1],
            mode="lines+markers",
            line={"color": GREY, "width": 1},
            marker={"size": 7, "symbol": symbol, "color": temperatures, "coloraxis": "coloraxis"},
            name=name,
        )
    figure.update_layout(
        coloraxis={
            "colorscale": "Inferno",
            "cmin": 0,
            "cmax": max((float(T.max()) for _, T in quenches.values()), default=3000.0),
            "colorbar": {"title": "T (K)", "thickness": 14, "x": 1.01, "len": 0.55, "y": 0.25},
        }
    )
    for colour, (system, scores) in zip(SEQUENCE * 9, systems.items(), strict=False):
        figure.add_scatter(
            x=scores[:, 0],
            y=scores[:, 1],
            mode="markers",
            marker={"color": colour, "size": 8},
            name=system,
        )
    legend_at_right(figure, gap=0.14)
    figure.update_layout(height=600)
    return figure


@registered("distance_from_crystal")
def distance_figure(
    reference: Mapping[str, NDArray[Any]], systems: Mapping[str, NDArray[Any]], element: str
) -> go.Figure:
    """Distances of atoms from the crystal, as cumulative distributions.

    Parameters
    ----------
    reference
        Distances by structure of the reference, of any shape; drawn in grey.
    systems
        By system of the campaign.
    element
        Element whose environments are compared.
    """
    figure = new_figure(
        x=f"distance of {element} from the crystal",
        y="fraction of atoms closer",
        caption=(
            f"Distance of the environments of {element} from those in the crystal, atom by "
            "atom (cumulative); 1 is the root mean square within the crystal. Grey: reference."
        ),
    )
    for dash, (name, values) in zip(_DASHES * 9, reference.items(), strict=False):
        _add_cumulative(figure, values, name, {"color": GREY, "width": 1.5, "dash": dash})
    for colour, (name, values) in zip(SEQUENCE * 9, systems.items(), strict=False):
        _add_cumulative(figure, values, name, {"color": colour, "width": 2})
    everything = np.concatenate([v.ravel() for v in (*reference.values(), *systems.values())])
    figure.add_vline(x=1, line={"color": BLACK, "width": 1, "dash": "dot"})
    figure.update_xaxes(type="log", tickvals=log_ticks(everything.min(), everything.max()))
    legend_at_right(figure)
    return figure


def _add_cumulative(
    figure: go.Figure, values: NDArray[Any], name: str, line: dict[str, Any]
) -> None:
    quantiles = np.linspace(0, 1, 201)
    figure.add_scatter(
        x=np.quantile(values, quantiles), y=quantiles, mode="lines", line=line, name=name
    )
