"""Histograms of site volumes coloured by residence time: the form of Figs. 4 and 5."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from llzo_helpers.errors import InputError


@dataclass(frozen=True)
class VolumePanel:
    """One system of a figure of site volumes.

    Attributes
    ----------
    title : str
        Names the system.
    volumes : ndarray, shape [site]
        Å3; NaN is left out.
    residence_time : ndarray, shape [site]
        ps; infinite where no ion was seen to leave.
    types : ndarray of str, shape [site], optional
        Kinds of site; the mean volume of the more frequent ones is marked.
    """

    title: str
    volumes: NDArray[np.float64]
    residence_time: NDArray[np.float64]
    types: NDArray[np.str_] | None = None


def volume_histograms(
    panels: Sequence[VolumePanel],
    *,
    quantity: str,
    columns: int = 4,
    bin_width: float = 0.1,
    largest_time: float | None = None,
) -> go.Figure:
    """Draw one histogram a system, each bar coloured by its sites' mean residence time.

    Parameters
    ----------
    panels : sequence of VolumePanel
        In reading order.
    quantity : str
        What the volumes are, for the axis: "Static site volume".
    columns : int
        Panels in a row.
    bin_width : float
        Å3, the same in all panels.
    largest_time : float, optional
        End of the colour scale, ps; by default the longest mean of a bar.

    Raises
    ------
    InputError
        No panels, or none with a volume.
    """
    counted = [_bars(panel, bin_width) for panel in panels]
    counted_times = [time for _, _, time in counted if len(time)]
    if not counted_times:
        raise InputError("panels: no site has a volume; give at least one system with sites")
    if largest_time is None:
        finite = np.concatenate(counted_times)
        largest_time = float(np.nanmax(np.where(np.isfinite(finite), finite, np.nan)))
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[f"({chr(65 + i)}) {panel.title}" for i, panel in enumerate(panels)],
        shared_xaxes="all",
        horizontal_spacing=0.06,
        vertical_spacing=0.2 if rows > 1 else 0.0,
    )
    for index, (panel, (middle, count, time)) in enumerate(zip(panels, counted, strict=True)):
        row, column = index // columns + 1, index % columns + 1
        figure.add_bar(
            x=middle,
            y=count,
            width=bin_width,
            marker={
                "color": time,
                "coloraxis": "coloraxis",
                "line": {"width": 0.5, "color": "#444"},
            },
            customdata=time,
            hovertemplate=(
                "%{x:.2f} Å<sup>3</sup><br>%{y} sites<br>%{customdata:.2f} ps<extra></extra>"
            ),
            row=row,
            col=column,
        )
        for name, mean in _type_means(panel):
            figure.add_vline(
                mean,
                line={"dash": "dot", "width": 1, "color": "#444"},
                annotation={"text": name, "font_size": 11, "textangle": -90, "yanchor": "top"},
                annotation_position="top right",
                row=row,
                col=column,
            )
    figure.update_xaxes(title_text=f"{quantity} / Å<sup>3</sup>", showticklabels=True)
    figure.update_yaxes(title_text="Number of sites", col=1)
    figure.update_layout(
        template="simple_white",
        showlegend=False,
        width=80 + 290 * columns,
        height=110 + 260 * rows,
        coloraxis={
            "colorscale": "Plasma",
            "reversescale": True,
            "cmin": 0,
            "cmax": largest_time,
            "colorbar": {"title": {"text": "Mean residence<br>time / ps"}},
        },
        margin={"t": 50, "r": 20},
    )
    return figure


def _bars(
    panel: VolumePanel, bin_width: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return middle, number of sites and mean residence time of each bar with sites."""
    present = np.isfinite(panel.volumes)
    volumes = panel.volumes[present]
    bins, member, count = np.unique(
        np.floor(volumes / bin_width), return_inverse=True, return_counts=True
    )
    time = np.bincount(member, panel.residence_time[present], len(bins)) / count
    return (bins + 0.5) * bin_width, count, time


def _type_means(panel: VolumePanel) -> list[tuple[str, float]]:
    if panel.types is None:
        return []
    names, count = np.unique(panel.types, return_counts=True)
    frequent = names[count >= 0.1 * len(panel.types)]
    return [(str(name), float(np.nanmean(panel.volumes[panel.types == name]))) for name in frequent]
