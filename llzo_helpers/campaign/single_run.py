"""A run made by hand, analysed as a campaign of one run."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.errors import InputError
from llzo_helpers.generate.settings import Structure
from llzo_helpers.md.folder import read_run
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.schema import FilePath, validate


class SingleRun(Campaign):
    """A campaign whose only run is in a folder of its own; its results go to `analysis` in it."""

    folder: FilePath
    run: Run

    @model_validator(mode="after")
    def _something(self) -> Self:
        """It has no systems, but a run."""
        return self

    @property
    def runs(self) -> list[Run]:
        """The run."""
        return [self.run]

    @property
    def finished_runs(self) -> list[Run]:
        """The run, once it is complete: nothing else is asked for."""
        return [run for run in self.runs if (self.folder / "summary.json").is_file()]

    @property
    def directory(self) -> Path:
        """Where the results go."""
        return self.folder / "analysis"

    def md_settings(self, run: Run) -> MDSettings:
        """Settings of the run, as far as they are known."""
        return self.md

    def run_directory(self, run: Run) -> Path:
        """Folder of the run's files."""
        return self.folder


def single_run(folder: Path) -> SingleRun:
    """Return the run of notebook 02 in a folder as a campaign, to be analysed.

    Raises
    ------
    InputError
        If it is not known what the run's structure is, because notebook 01 did not make it.
    """
    record = read_run(folder)
    inputs, made_with = record["inputs"], record["structure"].get("parameters")
    path = folder / "run.json"
    if not isinstance(made_with, dict):
        raise InputError(
            f"{path}: its structure was not made by notebook 01; list the run's frames.dcd under "
            "trajectories of a campaign"
        )
    structure = {key: made_with[key] for key in Structure.model_fields if key in made_with}
    temperature_K = inputs.get("temperature_K")
    run = {
        "structure": structure,
        "md_potential": inputs.get("potential", {}).get("name"),
        "temperature_K": temperature_K,
    }
    values = {
        "name": folder.name,
        "description": f"the run in {folder}",
        "seed": inputs.get("seed"),
        "sites": {"temperature_K": temperature_K},
        "order": {"temperature_K": temperature_K},
        "folder": folder,
        "run": run,
    }
    campaign = validate(SingleRun, values, path)
    equilibration_ps = inputs.get("equilibration_ps", 0.0)
    md = MDSettings().model_copy(update={"equilibration_ps": equilibration_ps})
    return campaign.model_copy(update={"md": md})
