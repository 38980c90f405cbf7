"""Campaigns: what to simulate and how, read from YAML and checked before any work starts."""

import hashlib
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from llzo_helpers.arguments import checked_path
from llzo_helpers.campaign.observed import ObservedRun
from llzo_helpers.campaign.settings import (
    DiffusionSettings,
    OrderSettings,
    SiteSettings,
    VibrationSettings,
)
from llzo_helpers.errors import InputError, clipped
from llzo_helpers.generate.settings import Glass, MeltQuench, Protocol, Structure, Supercell
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.paths import PARAMETERS, RESULTS
from llzo_helpers.potentials import PotentialName
from llzo_helpers.schema import (
    Model,
    OneOrMore,
    Seed,
    Temperature,
    Text,
    load_yaml,
    validate,
)

MOST_RUNS = 5000
"""In a campaign; the paper's has 423."""

if TYPE_CHECKING:
    from llzo_helpers.md.trajectory import Trajectory


class Run(Model):
    """One molecular dynamics run: a structure, a potential and a temperature."""

    structure: Structure
    md_potential: str
    temperature_K: float

    @property
    def name(self) -> str:
        """Label, unique in a campaign; also the name of the run's folder."""
        return f"{self.structure.name}-{self.md_potential}-{self.temperature_K:g}K"

    # what it has in common with a run made elsewhere
    @property
    def mobile(self) -> list[str]:
        """Elements of the ions that diffuse."""
        return ["Li"]

    @property
    def phase(self) -> str:
        """As of its structure."""
        return self.structure.phase

    @property
    def replica(self) -> int:
        """As of its structure."""
        return self.structure.replica


AnyRun = Run | ObservedRun
"""A run that the campaign makes, or one made elsewhere."""


class System(Model):
    """A block of runs: every combination of the given values, one or several of each."""

    phase: Literal["crystal", "amorphous"]
    structure_potential: OneOrMore[PotentialName] | None = None
    """Of an amorphous phase: makes the structures. With several here and in `md_potential`, every
    structure runs with every potential."""
    melt_quench: Protocol | None = None
    """Of an amorphous phase: how its structures are made."""
    li_per_formula: OneOrMore[float]
    volume_ratio: OneOrMore[float]
    md_potential: OneOrMore[PotentialName]
    temperature_K: OneOrMore[Temperature]
    supercell: Supercell = 1
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Independent structures and runs of each, from different seeds."""
    md: dict[str, Any] = Field(default_factory=dict)
    """Settings that differ from the campaign's `md`: slow systems need longer runs."""

    @model_validator(mode="after")
    def _same_launcher(self) -> Self:
        for key in ("launcher", "processes"):
            if key in self.md:
                raise ValueError(f"md.{key}: the same for all runs; give it in md of the campaign")
        return self

    @model_validator(mode="after")
    def _possible_structures(self) -> Self:
        if self.n_runs > MOST_RUNS:
            raise ValueError(
                f"replicas = {self.replicas}: with all the lists this makes {self.n_runs} runs, at "
                f"most {MOST_RUNS} are sensible; shorten the lists"
            )
        self.runs()
        return self

    @property
    def n_runs(self) -> int:
        """Number of combinations."""
        numbers = len(self.li_per_formula) * len(self.volume_ratio) * len(self.temperature_K)
        potentials = len(self.md_potential) * len(self.structure_potential or [""])
        return self.replicas * numbers * potentials

    @property
    def _origins(self) -> list[str | None]:
        return list(self.structure_potential or ()) or [None]

    def makes(self, run: Run) -> bool:
        """Return whether a run is one of its combinations."""
        structure = run.structure
        return (
            structure.phase == self.phase
            and structure.supercell == self.supercell
            and structure.replica <= self.replicas
            and structure.melt_quench == self.melt_quench
            and structure.li_per_formula in self.li_per_formula
            and structure.volume_ratio in self.volume_ratio
            and structure.structure_potential in self._origins
            and run.md_potential in self.md_potential
            and run.temperature_K in self.temperature_K
        )

    def runs(self) -> list[Run]:
        """Return all combinations."""
        structures = [
            Structure(
                phase=self.phase,
                li_per_formula=li,
                volume_ratio=ratio,
                supercell=self.supercell,
                replica=replica,
                structure_potential=origin,
                melt_quench=self.melt_quench,
            )
            for origin, li, ratio, replica in itertools.product(
                self._origins, self.li_per_formula, self.volume_ratio, range(1, self.replicas + 1)
            )
        ]
        return [
            Run(structure=structure, md_potential=potential, temperature_K=temperature)
            for structure, potential, temperature in itertools.product(
                structures, self.md_potential, self.temperature_K
            )
        ]


class Campaign(Model):
    """A set of runs and how they are made and analysed."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """That of the YAML file; also of its folder in `results/`."""
    description: Text
    seed: Seed
    """All random choices derive from it."""
    md: MDSettings = MDSettings()
    diffusion: DiffusionSettings = DiffusionSettings()
    sites: SiteSettings = SiteSettings()
    order: OrderSettings = OrderSettings()
    systems: Annotated[list[System], Field(default_factory=list, max_length=1000)]
    """What the campaign runs."""
    trajectories: Annotated[list[ObservedRun], Field(default_factory=list, max_length=1000)]
    """What was run elsewhere, of any material."""
    vibration: VibrationSettings | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.systems and not self.trajectories:
            raise ValueError("systems: missing; list systems to run, or trajectories of your own")
        return self

    @model_validator(mode="after")
    def _analysable(self) -> Self:
        if (n_runs := sum(system.n_runs for system in self.systems)) > MOST_RUNS:
            raise ValueError(
                f"systems: {n_runs} runs in all, at most {MOST_RUNS} are sensible; divide them "
                "among several campaigns"
            )
        for index, system in enumerate(self.systems):
            try:
                settings = self._system_md(system)
                self.diffusion.require_enough_frames(settings)
                self.sites.require_enough_frames(settings)
            except ValueError as error:
                # what is wrong with `md` itself is said there
                raise ValueError(f"systems[{index}].{error}" if system.md else error) from None
        return self

    @model_validator(mode="after")
    def _vibration_of_existing_structures(self) -> Self:
        ratios = {structure.volume_ratio for structure in self.structures}
        for ratio in self.vibration.volume_ratio if self.vibration else []:
            if ratio not in ratios:
                raise ValueError(
                    f"vibration.volume_ratio = {ratio:g}: no system has it; choose from "
                    f"{', '.join(f'{known:g}' for known in sorted(ratios))}"
                )
        return self

    @model_validator(mode="after")
    def _no_duplicates(self) -> Self:
        seen: dict[str, int] = {}
        glasses: dict[str, Glass] = {}
        for index, system in enumerate(self.systems):
            for run in system.runs():
                if run.name in seen:
                    raise ValueError(
                        f"systems[{index}]: {run.name} is already in "
                        f"systems[{seen[run.name]}]; remove one of them"
                    )
                seen[run.name] = index
                glass = run.structure.glass
                if glass and glasses.setdefault(glass.name, glass) != glass:
                    raise ValueError(
                        f"systems[{index}]: melt_quench: another protocol of this campaign is "
                        f"also named {glass.melt_quench.name}; give one a different 'name'"
                    )
        return self

    @model_validator(mode="after")
    def _observed_apart(self) -> Self:
        names = {run.name: "systems" for run in self.runs}
        ions: dict[str, list[str]] = {}
        for index, run in enumerate(self.trajectories):
            where = f"trajectories[{index}]"
            if run.name in names:
                raise ValueError(
                    f"{where}: {run.name} is already in {names[run.name]}; give it another label"
                )
            names[run.name] = where
            if run.group and ions.setdefault(run.group, run.mobile) != run.mobile:
                raise ValueError(
                    f"{where}: mobile = {run.mobile}: group {run.group!r} has "
                    f"{ions[run.group]}; give it a group of its own"
                )
        for index, run in enumerate(self.trajectories):
            # a run without a group is one by itself, under its title
            if not run.group and run.title in ions:
                raise ValueError(
                    f"trajectories[{index}]: label = {run.title!r}: a group of other runs has this "
                    "name; give it another label, or this group"
                )
        return self

    @property
    def runs(self) -> list[Run]:
        """All runs that the campaign makes."""
        return [run for system in self.systems for run in system.runs()]

    @property
    def finished_runs(self) -> list[Run]:
        """The runs that are complete, and as the campaign now asks for them."""
        return [
            run for run in self.runs if _finished(self.run_directory(run), self.md_settings(run))
        ]

    @property
    def finished_vibration_runs(self) -> list[Run]:
        """Those of `vibration_runs`."""
        return [
            run
            for run in self.vibration_runs
            if self.vibration and _finished(self.vibration_directory(run), self.vibration.md)
        ]

    @property
    def analysed_runs(self) -> list[AnyRun]:
        """The finished runs, and those made elsewhere."""
        return [*self.finished_runs, *self.trajectories]

    @property
    def analysed_site_runs(self) -> list[AnyRun]:
        """Those of them whose sites are analysed."""
        made = [run for run in self.finished_runs if run in self.site_runs]
        return [*made, *(run for run in self.trajectories if run.sites)]

    @property
    def mobile(self) -> str:
        """Elements of all ions that diffuse, as "Li" or "Na and O"."""
        runs: list[AnyRun] = [*self.runs, *self.trajectories]
        return " and ".join(dict.fromkeys(symbol for run in runs for symbol in run.mobile))

    def trajectory(self, run: AnyRun, stage: str = "production") -> "Trajectory":
        """Return the frames of a run, whoever made it."""
        if isinstance(run, ObservedRun):
            return run.trajectory()
        # imported here: it is slow, and reading a campaign does without
        from llzo_helpers.md.trajectory import Trajectory

        return Trajectory(self.run_directory(run), stage)

    @property
    def compared_runs(self) -> list[Run]:
        """The finished runs whose structures are compared: first replicas, one temperature."""
        return by_volume(
            run
            for run in self.finished_runs
            if run.temperature_K == self.order.temperature_K and run.structure.replica == 1
        )

    @property
    def structures(self) -> list[Structure]:
        """All structures, each once."""
        return list({run.structure.name: run.structure for run in self.runs}.values())

    @property
    def glasses(self) -> list[Glass]:
        """All glasses, each once."""
        glasses = (structure.glass for structure in self.structures)
        return list({glass.name: glass for glass in glasses if glass}.values())

    @property
    def potentials(self) -> list[str]:
        """Names of all potentials, including those that make structures."""
        made_with = {glass.structure_potential for glass in self.glasses}
        return sorted(made_with | {run.md_potential for run in self.runs})

    @property
    def site_runs(self) -> list[Run]:
        """The runs whose sites are analysed."""
        return [run for run in self.runs if run.temperature_K in self.sites.temperature_K]

    def _system_md(self, system: System) -> MDSettings:
        try:
            return validate(MDSettings, self.md.model_dump() | system.md, "md")
        except InputError as error:
            raise ValueError(str(error)) from None

    def md_settings(self, run: Run) -> MDSettings:
        """Settings of one run: its system's, with the jump run only where sites are analysed."""
        settings = self._system_md(next(system for system in self.systems if system.makes(run)))
        if run.temperature_K in self.sites.temperature_K:
            return settings
        return settings.model_copy(update={"jump_run_ps": 0.0})

    @property
    def vibration_runs(self) -> list[Run]:
        """The short runs for the spectrum of vibrations, which does not need a large cell."""
        if self.vibration is None:
            return []
        runs = [
            run.model_copy(update={"temperature_K": self.vibration.temperature_K})
            for run in self.runs
            if run.structure.replica == 1
            and run.structure.volume_ratio in self.vibration.volume_ratio
            and run.structure.structure_potential in (None, run.md_potential)
        ]
        return smallest_cells({run.name: run for run in runs}.values())

    @property
    def directory(self) -> Path:
        """Where the results go."""
        return RESULTS / self.name

    def glass_directory(self, glass: Glass) -> Path:
        """Folder of a glass's files."""
        return self.directory / "glasses" / glass.name

    def structure_directory(self, structure: Structure) -> Path:
        """Folder of a structure's files."""
        return self.directory / "structures" / structure.name

    def run_directory(self, run: Run) -> Path:
        """Folder of a run's files."""
        return self.directory / "runs" / run.name

    def vibration_directory(self, run: Run) -> Path:
        """Folder of the files of a short run for the spectrum of vibrations."""
        return self.directory / "vibration" / run.name

    def seed_of(self, label: str) -> int:
        """Return the seed of one random choice, named by `label`: independent and reproducible."""
        digest = hashlib.sha256(f"{self.seed}:{label}".encode()).digest()
        # LAMMPS takes positive 32-bit integers
        return int.from_bytes(digest[:4], "big") % 900_000_000 + 1


def _finished(folder: Path, settings: MDSettings) -> bool:
    # imported here: it is slow, and reading a campaign does without
    from llzo_helpers.md.folder import finished_as_asked

    return finished_as_asked(folder, settings)


RunType = TypeVar("RunType", bound=AnyRun)


def by_volume(runs: Iterable[RunType]) -> list[RunType]:
    """Return runs in the order in which figures show them; those made elsewhere as they come."""

    def order(run: AnyRun) -> tuple[bool, bool, float]:
        if isinstance(run, ObservedRun):
            return True, True, 0.0
        return False, run.phase != "crystal", run.structure.volume_ratio

    return sorted(runs, key=order)


def smallest_cells(runs: Iterable[RunType]) -> list[RunType]:
    """Return the runs but for those in a larger cell than another run of the same system.

    However its glass was made: large ones may need a protocol of their own.
    """
    sizes: dict[str, set[int]] = {}
    cells = [(run, *_cells(run)) for run in runs]
    for _, system, size in cells:
        sizes.setdefault(system, set()).add(size)
    return [run for run, system, size in cells if size == min(sizes[system])]


def _cells(run: AnyRun) -> tuple[str, int]:
    """Return the name that a run would have in one cell, and how many there are on each side."""
    if isinstance(run, ObservedRun):
        return run.name, 1
    protocol = MeltQuench() if run.phase == "amorphous" else None
    one = run.structure.model_copy(update={"supercell": 1, "melt_quench": protocol})
    return run.model_copy(update={"structure": one}).name, run.structure.supercell


def load_campaign(name: str | Path) -> Campaign:
    """Read a campaign.

    Parameters
    ----------
    name
        Of a file in `parameters/` ("quick"), or the path of a YAML file. Or a run's folder, in that
        of the results: a campaign of one run, see `llzo_helpers.campaign.single_run`.

    Raises
    ------
    InputError
        In one line: file, key, value and remedy.
    """
    name = str(name)
    checked_path("campaign", name)
    path = Path(name) if name.endswith((".yaml", ".yml")) else PARAMETERS / f"{name}.yaml"
    if len(path.name) <= 100 and (RESULTS / name / "run.json").is_file():
        # imported here: it is a campaign itself
        from llzo_helpers.campaign.single_run import single_run

        return single_run(RESULTS / name)
    if len(path.name) > 100 or not path.is_file():
        available = ", ".join(sorted(p.stem for p in PARAMETERS.glob("*.yaml")))
        raise InputError(
            f"{clipped(name, quote=False)}: no such campaign; available: {available}, or give "
            "a .yaml file or a run's folder"
        )
    values = load_yaml(path)
    if "name" in values:
        raise InputError(f"{path}: name: a campaign is named by its file; remove this key")
    campaign = validate(Campaign, {**values, "name": path.stem}, path)
    observed = [run.of_file(path, index) for index, run in enumerate(campaign.trajectories)]
    return campaign.model_copy(update={"trajectories": observed})
