"""Histograms of site volumes coloured by residence time: the form of Figures 4 and 5."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.campaign.site_panels import VolumePanel
from llzo_helpers.errors import InputError
from llzo_helpers.figures.residence_colour import ResidenceColour
from llzo_helpers.figures.style import new_panels

_BIN_WIDTH_A3 = 0.2


def volume_histograms(
    panels: Sequence[VolumePanel],
    *,
    quantity: str,
    caption: str,
    colour: ResidenceColour | None = None,
) -> go.Figure:
    """One histogram per system, each bar coloured by its sites' residence time.

    Parameters
    ----------
    panels
        In reading order.
    quantity
        What the volumes are, for the axis.
    caption
        What the figure shows.
    colour
        Scale of residence times; by default over those shown.

    Raises
    ------
    InputError
        If there is no site with a volume.
    """
    bars = [_bars(panel) for panel in panels]
    times = np.concatenate([time for _, _, time in bars]) if bars else np.empty(0)
    if not len(times):
        raise InputError("panels: no site has a volume; analyse a longer run")
    colour = colour or ResidenceColour.covering(times)
    figure, places = new_panels(
        [panel.title for panel in panels],
        caption=caption,
        x=f"{quantity} (Å<sup>3</sup>)",
        y="number of sites",
        height=130,
        subplots={"shared_xaxes": "all"},
        coloraxis=colour.axis,
        showlegend=False,
    )
    ends = np.concatenate([middle for middle, _, _ in bars])
    low, high = ends.min() - _BIN_WIDTH_A3, ends.max() + _BIN_WIDTH_A3
    # no bar reaches the frame
    margin = 0.08 * (high - low)
    figure.update_xaxes(range=[low - margin, high + margin])
    for panel, (middle, count, time), place in zip(panels, bars, places, strict=True):
        figure.add_bar(
            x=middle,
            y=count,
            width=_BIN_WIDTH_A3,
            marker={
                "color": colour(time),
                "coloraxis": "coloraxis",
                "line": {"width": 0},
            },
            customdata=time,
            hovertemplate=(
                "%{x:.2f} Å<sup>3</sup><br>%{y} sites<br>%{customdata:.2f} ps<extra></extra>"
            ),
            **place,
        )
        means = _type_means(panel)
        # above the bars, on separate lines: means may be close together
        top = max(count, default=1) / (0.96 - 0.09 * len(means))
        for level, (name, mean) in enumerate(means):
            y = (0.95 - 0.09 * level) * top
            figure.add_annotation(
                x=np.clip(mean, low, high),
                # towards the middle of the panel, so that no name leaves it
                xanchor="left" if mean < (low + high) / 2 else "right",
                y=y,
                text=name,
                showarrow=False,
                font={"size": 11},
                **place,
            )
        figure.update_yaxes(range=[0, top], **place)
    return figure


def _bars(panel: VolumePanel) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return middle, number of sites and residence time of each bar that has sites."""
    present = np.isfinite(panel.volumes)
    bins, member, count = np.unique(
        np.floor(panel.volumes[present] / _BIN_WIDTH_A3), return_inverse=True, return_counts=True
    )
    # one site that nobody left must not colour a whole bar: rates are averaged, not times
    rate = np.bincount(member, 1 / panel.residence_time_ps[present], len(bins)) / count
    with np.errstate(divide="ignore"):
        return (bins + 0.5) * _BIN_WIDTH_A3, count, 1 / rate


def _type_means(panel: VolumePanel) -> list[tuple[str, float]]:
    names, count = np.unique(panel.types, return_counts=True)
    frequent = names[count >= 0.1 * len(panel.types)]
    means = [(str(name), panel.volumes[panel.types == name]) for name in frequent]
    return [
        (name, float(np.nanmean(volumes))) for name, volumes in means if np.isfinite(volumes).any()
    ]
