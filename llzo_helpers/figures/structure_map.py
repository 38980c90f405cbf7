"""The map of structures: crystal, strained crystal, melt and glass, and the path of a quench."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from llzo_helpers.analysis.structure_map import StructureMap
from llzo_helpers.figures.facets import look_of, new_facets, once
from llzo_helpers.figures.looks import DASHES, SYMBOLS, Look
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import BLACK, GREY, new_panels


@registered("structure_map")
def map_figure(
    of_map: StructureMap,
    reference: Mapping[str, NDArray[Any]],
    systems: Mapping[str, NDArray[Any]],
    quenches: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    looks: Mapping[str, Look] | None = None,
) -> go.Figure:
    """Structures on their map.

    Parameters
    ----------
    of_map
        The map.
    reference
        Scores on the map by structure of the reference, [frame, component]; in grey.
    systems
        Scores by system of the campaign.
    quenches
        Scores in the order of time [frame, component] and temperatures [frame], K, of quenches.
    looks
        Of the systems; black where it is not told.
    """
    percent = [f"{100 * fraction:.0f} %" for fraction in of_map.explained]
    panels = list(dict.fromkeys(look_of(name, looks).panel for name in systems))
    figure, (first, *places) = new_panels(
        ["reference and quenches", *panels],
        x=f"first component ({percent[0]})",
        y=f"second component ({percent[1]})",
        height=230,
        subplots={"shared_xaxes": "all", "shared_yaxes": "all"},
        caption=(
            "Structures on a map made without labels: principal components of the mean "
            "environments of La, Zr and O, at one density; in brackets: their parts of the "
            "variance. Each point is a frame. Grey: the reference that the map is made from; lines "
            "in the first panel: quenches, coloured by temperature. The other panels: the runs of "
            "this campaign, by potential."
        ),
        coloraxis={
            "colorscale": "Inferno",
            "cmin": 0,
            "cmax": max((float(T.max()) for _, T in quenches.values()), default=3000.0),
            "colorbar": {"title": {"text": " T of quenches (K)"}},
        },
    )
    for symbol, (name, scores) in zip(SYMBOLS * 9, reference.items(), strict=False):
        for place in (first, *places):
            figure.add_scatter(
                x=scores[:, 0],
                y=scores[:, 1],
                mode="markers",
                marker={"color": GREY, "symbol": f"{symbol}-open", "size": 7},
                name=name,
                legendgroup=name,
                showlegend=place is first,
                **place,
            )
    for symbol, (name, (scores, temperatures)) in zip(SYMBOLS * 9, quenches.items(), strict=False):
        figure.add_scatter(
            x=scores[:, 0],
            y=scores[:, 1],
            mode="lines+markers",
            line={"color": GREY, "width": 1},
            marker={"size": 7, "symbol": symbol, "color": temperatures, "coloraxis": "coloraxis"},
            name=name,
            **first,
        )
    for system in sorted(systems, key=lambda name: panels.index(look_of(name, looks).panel)):
        scores = systems[system]
        drawn = look_of(system, looks)
        figure.add_scatter(
            x=scores[:, 0],
            y=scores[:, 1],
            mode="markers",
            marker=drawn.marker | {"size": drawn.size - 2},
            name=system,
            **places[panels.index(drawn.panel)],
        )
    return figure


@registered("distance_from_crystal")
def distance_figure(
    reference: Mapping[str, NDArray[Any]],
    systems: Mapping[str, NDArray[Any]],
    element: str,
    looks: Mapping[str, Look] | None = None,
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
    looks
        Of the systems; black where it is not told.
    """
    figure, places = new_facets(
        systems,
        looks,
        x=f"distance of {element} from the crystal",
        y="fraction of atoms closer",
        height=300,
        subplots={"shared_xaxes": "all", "shared_yaxes": "all"},
        caption=(
            f"Distance of the environments of {element} from those in the crystal, atom by "
            "atom (cumulative); 1 (dotted) is the root mean square within the crystal. Grey: "
            "reference."
        ),
    )
    panels = once(places)
    for dash, (name, values) in zip(DASHES[1:] * 9, reference.items(), strict=False):
        for place in panels:
            line = {"color": GREY, "width": 1.5, "dash": dash}
            _add_cumulative(figure, values, name, line, showlegend=place is panels[0], **place)
    for name, (place,) in places.items():
        _add_cumulative(figure, systems[name], name, look_of(name, looks).line, **place)
    figure.add_vline(x=1, line={"color": BLACK, "width": 1, "dash": "dot"})
    figure.update_xaxes(type="log")
    return figure


def _add_cumulative(
    figure: go.Figure, values: NDArray[Any], name: str, line: dict[str, Any], **layout: Any
) -> None:
    quantiles = np.linspace(0, 1, 201)
    figure.add_scatter(
        x=np.quantile(values, quantiles), y=quantiles, mode="lines", line=line, name=name, **layout
    )
