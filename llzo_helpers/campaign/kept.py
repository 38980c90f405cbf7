"""What an analysis found in each run, kept: figures can be drawn again where the frames are not.

A campaign that is shipped (`llzo_helpers.campaign.archive`) consists of this and its tables.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from llzo_helpers.campaign.model import AnyRun, Campaign
from llzo_helpers.campaign.observed import ObservedRun
from llzo_helpers.campaign.parallel import on_all_cores
from llzo_helpers.campaign.provenance import made_with, require_made_with
from llzo_helpers.campaign.storage import load, store
from llzo_helpers.errors import InputError, clipped


class Named(Protocol):
    """A run or a glass."""

    @property
    def name(self) -> str:
        """Unique among those of its kind in the campaign."""


Item = TypeVar("Item", bound=Named)
Result = TypeVar("Result")


def of_each_run(
    campaign: Campaign,
    name: str,
    analyse: Callable[[Campaign, AnyRun], Result],
    runs: Sequence[AnyRun],
) -> list[Result]:
    """Return what an analysis finds in each run, see `of_each`."""
    return of_each(campaign, name, analyse, runs, frames_here(campaign, runs))


def frames_here(campaign: Campaign, runs: Sequence[AnyRun]) -> list[bool]:
    """Return whether the frames of each run are here, as `of_each` takes it.

    Those of a run made elsewhere are.
    """
    return [isinstance(run, ObservedRun) or has_frames(campaign.run_directory(run)) for run in runs]


def of_each(
    campaign: Campaign,
    name: str,
    analyse: Callable[[Campaign, Item], Result],
    items: Sequence[Item],
    here: Sequence[bool],
) -> list[Result]:
    """Return what an analysis finds in each of several simulations, on all cores.

    It is kept in `kept/` of the campaign's results, and taken from there where the frames of a
    simulation are missing.

    Parameters
    ----------
    campaign
        Whose simulations they are.
    name
        Of the analysis; part of the file's name.
    analyse
        A function of a module; what it returns is as `llzo_helpers.campaign.storage.store` takes.
    items
        Runs or glasses.
    here
        Whether what the analysis reads of each is here.

    Raises
    ------
    InputError
        If there are neither frames of a simulation nor results.
    """
    paths = [kept_path(campaign, name, item) for item in items]
    n = len(items)
    return on_all_cores(_found, [campaign] * n, [analyse] * n, items, here, paths)


def kept_path(campaign: Campaign, name: str, item: Named) -> Path:
    """Return the file of what an analysis found in a simulation."""
    return campaign.directory / "kept" / item.name / f"{name}.npz"


def _found(
    campaign: Campaign,
    analyse: Callable[[Campaign, Item], Result],
    item: Item,
    here: bool,
    path: Path,
) -> Result:
    remedy = "delete the campaign's results if they were unpacked, else the run, and run it again"
    subject = f"{path.stem} of {item.name}"
    if here:
        made = {"subject": subject, "made_with": made_with(campaign)}
        store(path, analyse(campaign, item), made)
    elif not path.is_file():
        raise InputError(f"{path}: not found, nor the frames; {remedy}")
    # also what was just found: an archived campaign has the same tables to the last digit
    result, record = load(path, remedy)
    if record.get("subject") != subject:
        raise InputError(f"{path}: holds {clipped(record.get('subject'))}, not {subject}; {remedy}")
    require_made_with(campaign, record.get("made_with", {}), path)
    return result


def has_frames(folder: Path) -> bool:
    """Return whether the frames of a run or a glass are here."""
    return next(folder.rglob("frames.dcd"), None) is not None
