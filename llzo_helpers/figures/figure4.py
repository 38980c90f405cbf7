"""Fig. 4: histograms of static site volumes, coloured by mean residence time."""

from collections.abc import Sequence

import plotly.graph_objects as go

from llzo_helpers.figures.volume_histograms import VolumePanel, volume_histograms


def static_volume_figure(
    panels: Sequence[VolumePanel], *, columns: int = 4, largest_time: float | None = None
) -> go.Figure:
    """Draw the volume that the static framework leaves at the sites of each system.

    Parameters
    ----------
    panels : sequence of VolumePanel
        With radical Voronoi volumes, from `static_site_volumes`.
    columns : int
        Panels in a row.
    largest_time : float, optional
        End of the colour scale, ps.
    """
    return volume_histograms(
        panels,
        quantity="Static site volume",
        columns=columns,
        bin_width=0.1,
        largest_time=largest_time,
    )
