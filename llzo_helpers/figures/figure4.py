"""Figure 4 of the paper: static site volumes."""

from collections.abc import Sequence

import plotly.graph_objects as go

from llzo_helpers.campaign.site_panels import VolumePanel
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.residence_colour import ResidenceColour
from llzo_helpers.figures.volume_histograms import volume_histograms


@registered("figure_4")
def figure_4(panels: Sequence[VolumePanel], *, colour: ResidenceColour | None = None) -> go.Figure:
    """Histograms of the volume that the static framework leaves at the sites of each system.

    Parameters
    ----------
    panels
        With volumes of `llzo_helpers.analysis.sites.static_site_volumes`.
    colour
        Scale of residence times; by default over those shown.
    """
    return volume_histograms(
        panels,
        quantity="static site volume",
        caption=(
            "Figure 4. Static volume of the lithium sites: their radical Voronoi cells in the "
            "mean framework, all sites filled, with the paper's radii. Colour: residence "
            "time of the sites in a bar, from the mean rate at which they are left."
        ),
        colour=colour,
    )
