"""The figures of the report: each registers under a name, by which it is saved and shown."""

import functools
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
import plotly.graph_objects as go

from llzo_helpers.campaign.model import Campaign
from llzo_helpers.campaign.provenance import made_with, require_made_with
from llzo_helpers.errors import InputError
from llzo_helpers.figures.finish import finish
from llzo_helpers.files import read_record, write_json

Arguments = ParamSpec("Arguments")

REGISTERED: dict[str, Callable[..., go.Figure]] = {}
"""The functions that draw the figures of the report, by the name of the figure."""


def registered(
    name: str,
) -> Callable[[Callable[Arguments, go.Figure]], Callable[Arguments, go.Figure]]:
    """Register a function that draws a figure; the figure it returns is finished, and named.

    The report shows a figure where ``SECTIONS`` of `llzo_helpers.jobs.report` names it.
    """

    def decorate(draw: Callable[Arguments, go.Figure]) -> Callable[Arguments, go.Figure]:
        @functools.wraps(draw)
        def named(*args: Arguments.args, **kwargs: Arguments.kwargs) -> go.Figure:
            figure = finish(draw(*args, **kwargs))
            return figure.update_layout(meta={**(figure.layout.meta or {}), "name": name})

        assert name not in REGISTERED, name
        REGISTERED[name] = named
        return named

    return decorate


def save_figure(campaign: Campaign, figure: go.Figure, *, of: str = "") -> None:
    """Write a registered figure as plotly's JSON to the campaign's `figures`, for the report.

    Parameters
    ----------
    campaign
        Whose figure it is.
    figure
        Drawn by a function of `REGISTERED`.
    of
        Its subject, where a campaign has several; part of the file name.
    """
    name = (figure.layout.meta or {}).get("name")
    if name not in REGISTERED:
        raise InputError(f"figure {name!r}: not registered; decorate its function with @registered")
    file = f"{name}-{of}.json" if of else f"{name}.json"
    content = as_saved(figure)
    content["layout"]["meta"]["made_with"] = made_with(campaign)
    write_json(campaign.directory / "figures" / file, content, indent=None)


def as_saved(figure: go.Figure) -> dict[str, Any]:
    """Return plotly's JSON of a figure, its arrays in single precision, surfaces in decimals."""
    content: dict[str, Any] = json.loads(figure.to_json())
    for trace in content["data"]:
        if trace["type"] == "mesh3d":
            trace |= {axis: _decimals(trace[axis]) for axis in "xyzijk" if axis in trace}
    return dict(_in_single_precision(content))


def _decimals(array: Any) -> Any:
    # of few digits, they are smaller in an archive than bytes
    match array:
        case {"dtype": dtype, "bdata": numbers}:
            values = np.frombuffer(b64decode(numbers), f"<{dtype}")
            if np.issubdtype(values.dtype, np.integer):
                return values.tolist()
            # the shortest that are the same number in this precision
            return [float(str(value)) if np.isfinite(value) else None for value in values]
        case _:
            return array


def _in_single_precision(tree: Any) -> Any:
    # half the size, and looks the same
    match tree:
        case {"dtype": "f8", "bdata": numbers}:
            single = np.frombuffer(b64decode(numbers), "<f8").astype("<f4")
            return {**tree, "dtype": "f4", "bdata": b64encode(single.tobytes()).decode()}
        case dict():
            return {key: _in_single_precision(value) for key, value in tree.items()}
        case list():
            return [_in_single_precision(value) for value in tree]
    return tree


def figure_paths(directory: Path, name: str) -> list[Path]:
    """Return the files that `save_figure` wrote under a name, in the order of their subjects."""
    folder = directory / "figures"
    return [*folder.glob(f"{name}.json"), *sorted(folder.glob(f"{name}-*.json"))]


def load_figures(campaign: Campaign, name: str) -> list[go.Figure]:
    """Return what `save_figure` wrote under a name, in the order of their subjects."""
    return [load_figure(path, campaign) for path in figure_paths(campaign.directory, name)]


def load_figure(path: Path, campaign: Campaign) -> go.Figure:
    """Return the figure of a campaign in a file of `save_figure`.

    Raises
    ------
    InputError
        If the file is damaged or changed since, or was made with other settings than the campaign
        now has.
    """
    content = read_record(path, {"data": list, "layout": dict})
    try:
        figure = go.Figure(content)
        require_made_with(campaign, figure.layout.meta["made_with"], path)
    except (ValueError, TypeError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: not a figure ({str(error)[:60]}); delete it and run its notebook again"
        ) from None
    return figure
