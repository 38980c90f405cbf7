"""Figure 5 of the paper: accessible site volumes."""

from collections.abc import Sequence

import plotly.graph_objects as go

from llzo_helpers.campaign.site_panels import VolumePanel
from llzo_helpers.figures.register import registered
from llzo_helpers.figures.residence_colour import ResidenceColour
from llzo_helpers.figures.style import ion_name
from llzo_helpers.figures.volume_histograms import volume_histograms


@registered("figure_5")
def figure_5(
    panels: Sequence[VolumePanel],
    mobile: str = "Li",
    *,
    n_samples: int,
    colour: ResidenceColour | None = None,
) -> go.Figure:
    """Histograms of the volume that ions explore while at the sites of each system.

    Parameters
    ----------
    panels
        With `fixed_samples` of `llzo_helpers.analysis.sites.accessible_volumes`.
    mobile
        Elements of the ions, for the caption.
    n_samples
        Positions in each hull.
    colour
        Scale of residence times; by default over those shown.
    """
    return volume_histograms(
        panels,
        quantity="accessible site volume",
        caption=(
            f"Figure 5. Accessible volume of the sites of {ion_name(mobile)}: the convex hull of "
            f"{n_samples} positions of ions at the site. The number is the same for all sites, "
            "because a hull grows with it; sites with fewer are not shown. Colour: residence time "
            "of the sites in a bar, from the mean rate at which they are left."
        ),
        colour=colour,
    )
