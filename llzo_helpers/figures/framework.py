"""What becomes of the frameworks: positions of the crystal that their atoms have left."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from llzo_helpers.analysis.framework import AMORPHOUS
from llzo_helpers.arrays import FloatArray
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.style import GREY, SEQUENCE, legend_at_right, new_figure


@registered("framework")
def framework_figure(curves: Mapping[str, tuple[FloatArray, FloatArray]]) -> go.Figure:
    """Fraction of the crystal's La and Zr positions that are vacated, against time.

    Parameters
    ----------
    curves
        Times, ps, and fractions, by run.
    """
    figure = new_figure(
        x="time in production (ps)",
        y="La and Zr sites vacated (%)",
        caption=(
            "Fraction of the garnet's La and Zr positions that none of their ions is nearest to, "
            "by mean positions over blocks of the run. Above the dotted line a framework counts as "
            "amorphous; a crystal that crosses it amorphises."
        ),
    )
    changing = {name: curve for name, curve in curves.items() if curve[1].any()}
    for colour, (name, (times, fraction)) in zip(SEQUENCE * 99, changing.items(), strict=False):
        figure.add_scatter(
            x=times, y=100 * fraction, mode="lines", line={"color": colour, "width": 1.8}, name=name
        )
    unchanged = [times for times, fraction in curves.values() if not fraction.any()]
    if unchanged:
        longest = max(unchanged, key=lambda times: times[-1])
        figure.add_scatter(
            x=longest,
            y=np.zeros(len(longest)),
            mode="lines",
            line={"color": GREY, "width": 3},
            name=f"{len(unchanged)} that keep all positions",
        )
    figure.add_hline(y=100 * AMORPHOUS, line={"dash": "dot", "color": GREY, "width": 1})
    figure.update_yaxes(range=[-2, 102])
    legend_at_right(figure)
    return figure
