"""With which settings results were made: kept beside them, and compared when they are read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llzo_helpers.campaign.model import Campaign
from llzo_helpers.errors import InputError, clipped

_WITHOUT_EFFECT = {"launcher", "processes", "segment_ps"}
"""Of molecular dynamics: how it is run."""
_ELSEWHERE = {"file", "topology", "label"}
"""Of a trajectory: where it is, which may change, and its name."""


def made_with(campaign: Campaign) -> dict[str, Any]:
    """Return the settings on which results depend, by their keys in the campaign's file.

    Not those of single systems, nor the `md` of vibrations: they are part of the names of their
    runs, or a run made with others does not count as finished.
    """
    sections = {
        "md": campaign.md.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
        "diffusion": campaign.diffusion.model_dump(mode="json"),
        "sites": campaign.sites.model_dump(mode="json"),
        "order": campaign.order.model_dump(mode="json"),
    }
    if campaign.vibration:
        sections["vibration"] = campaign.vibration.model_dump(mode="json", exclude={"md"})
    for run in campaign.trajectories:
        sections[f"trajectories: {run.title}"] = run.model_dump(mode="json", exclude=_ELSEWHERE)
    return {
        f"{section}.{key}": value
        for section, values in sections.items()
        for key, value in values.items()
    }


def require_made_with(campaign: Campaign, recorded: Mapping[str, Any], path: Path) -> None:
    """Raise InputError if a result was made with other settings than the campaign now has."""
    for key, value in made_with(campaign).items():
        if key in recorded and recorded[key] != value:
            raise InputError(
                f"{path}: made with {key} = {clipped(recorded[key])}, the campaign has "
                f"{clipped(value)}; run its notebook again, or give the campaign another name"
            )
