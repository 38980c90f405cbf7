"""What becomes of the frameworks: positions of the crystal that their atoms have left."""

from collections.abc import Mapping

import plotly.graph_objects as go

from llzo_helpers.analysis.framework import AMORPHOUS
from llzo_helpers.arrays import FloatArray
from llzo_helpers.figures.facets import look_of, new_facets
from llzo_helpers.figures.looks import Look
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import GREY


@registered("framework")
def framework_figure(
    curves: Mapping[str, tuple[FloatArray, FloatArray]], looks: Mapping[str, Look] | None = None
) -> go.Figure:
    """Fraction of the crystal's La and Zr positions that are vacated, against time.

    Parameters
    ----------
    curves
        Times, ps, and fractions, by run; of those that leave positions.
    looks
        Of the runs; black where it is not told.
    """
    figure, places = new_facets(
        curves,
        looks,
        x="time in production (ps)",
        y="La and Zr sites vacated (%)",
        height=260,
        subplots={"shared_yaxes": "all"},
        caption=(
            "Fraction of the garnet's La and Zr positions that none of their ions is nearest to, "
            "by mean positions over blocks of the run. Above the dotted line a framework counts as "
            "amorphous; a crystal that crosses it amorphises. Runs that keep all positions are not "
            "shown."
        ),
    )
    for name, (place,) in places.items():
        times, fraction = curves[name]
        figure.add_scatter(
            x=times,
            y=100 * fraction,
            mode="lines",
            line=look_of(name, looks).line,
            name=name,
            **place,
        )
    figure.add_hline(y=100 * AMORPHOUS, line={"dash": "dot", "color": GREY, "width": 1})
    figure.update_yaxes(range=[-2, 102])
    return figure
