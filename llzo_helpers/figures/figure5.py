"""Fig. 5: histograms of accessible site volumes, coloured by mean residence time."""

from collections.abc import Sequence

import plotly.graph_objects as go

from llzo_helpers.figures.volume_histograms import VolumePanel, volume_histograms


def accessible_volume_figure(
    panels: Sequence[VolumePanel], *, columns: int = 4, largest_time: float | None = None
) -> go.Figure:
    """Draw the volume that ions explore while at the sites of each system.

    Parameters
    ----------
    panels : sequence of VolumePanel
        With volumes from `accessible_volumes`, of the same kind in all panels.
    columns : int
        Panels in a row.
    largest_time : float, optional
        End of the colour scale, ps.
    """
    return volume_histograms(
        panels,
        quantity="Accessible site volume",
        columns=columns,
        bin_width=0.05,
        largest_time=largest_time,
    )
