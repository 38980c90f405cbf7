"""A figure of one campaign drawn over that of another."""

import plotly.graph_objects as go

from llzo_helpers.campaign.model import Campaign
from llzo_helpers.errors import InputError
from llzo_helpers.figures.register import as_saved, load_figures


def with_other(figure: go.Figure, other: Campaign | None) -> go.Figure:
    """Add to a figure what the saved figure of another campaign shows, with outlined symbols.

    Parameters
    ----------
    figure
        A registered figure with one panel.
    other
        The campaign with the other; with None nothing is added.

    Raises
    ------
    InputError
        If that campaign has no such figure.
    """
    if other is None:
        return figure
    name = figure.layout.meta["name"]
    saved = load_figures(other, name)
    if not saved:
        raise InputError(
            f"{other.directory / 'figures' / name}.json: not found; run the campaign "
            f"{other.name} first"
        )
    # the paper's values, for example, are in both; compared as they are saved
    known = {(trace.name, str(trace.y)) for trace in go.Figure(as_saved(figure)).data}
    for trace in saved[0].data:
        if (trace.name, str(trace.y)) in known:
            continue
        label = f"{trace.name} ({other.name})"
        trace.update(name=label, legendgroup=label)
        if trace.mode and "markers" in trace.mode:
            trace.marker.update(line={"color": "black", "width": 1.5})
        if trace.mode and "lines" in trace.mode:
            trace.line.update(dash="dot")
        figure.add_trace(trace)
    return figure
