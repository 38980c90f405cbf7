"""Parameters of the notebooks."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from llzo_helpers.generate.settings import Structure
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.paths import RESULTS, named_path
from llzo_helpers.potentials import PotentialName
from llzo_helpers.schema import Model, Seed, Temperature, validate


def _in_results(folder: str) -> str:
    # "./here" and "../here" mean the current folder, as in a shell
    base = Path() if folder.startswith(".") else RESULTS
    return str(named_path("folder", folder, base))


Folder = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_in_results)]
"""A path; without a leading `/` or `.` it is relative to the folder of the results."""


class GenerateParameters(Structure):
    """Parameters of notebook 01."""

    seed: Seed
    output: Folder
    """Folder for the structure; made if missing."""
    glass_output: Folder | None = None
    """Of an amorphous phase: folder of its glass; made if missing."""
    glass_seed: Seed = 1
    """Of the crystal that is melted, and of the velocities."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_given(cls, values: Any) -> Any:
        return {key: value for key, value in values.items() if value != ""}

    @model_validator(mode="after")
    def _glass_folder(self) -> Self:
        if self.phase == "amorphous" and not self.glass_output:
            raise ValueError("glass_output: missing; name the folder of the glass")
        return self


class RunParameters(MDSettings):
    """Parameters of notebook 02."""

    structure: Folder
    """Folder of a structure, from notebook 01."""
    md_potential: PotentialName
    temperature_K: Temperature
    seed: Annotated[int, Field(ge=1, lt=2**31)]
    output: Folder
    """Folder for the run; made if missing."""

    @property
    def settings(self) -> MDSettings:
        """The settings that all runs of a campaign share."""
        return MDSettings(**{key: getattr(self, key) for key in MDSettings.model_fields})

    def settings_for(self, production_ps: float) -> MDSettings:
        """Return the settings with another production time, which a slider of a panel gives."""
        values = self.settings.model_dump() | {"production_ps": production_ps}
        return validate(MDSettings, values, "time (ps)")


class CampaignParameters(Model):
    """Parameters of the notebooks that analyse a whole campaign."""

    campaign: str
    """A file in `parameters/`, the path of one, or a run's folder in that of the results."""


class DiffusionParameters(CampaignParameters):
    """Parameters of notebook 03."""

    drawn_with: str = ""
    """Another campaign, whose values are drawn in the same figures 1A and 1B; empty for none."""


class CrossoverParameters(CampaignParameters):
    """Parameters of notebook 06."""

    temperature_K: Annotated[float, Field(ge=0)] = 0
    """Temperature shown; 0 for the lowest available."""
