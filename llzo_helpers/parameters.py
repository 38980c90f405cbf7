"""Campaigns: what to simulate and how, read from YAML and checked before any work starts."""

import hashlib
import itertools
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from llzo_helpers.errors import InputError
from llzo_helpers.paths import PARAMETERS, RESULTS
from llzo_helpers.potentials import load_potential
from llzo_helpers.schema import Model, load_yaml, validate
from llzo_helpers.structures import ELEMENTS, lithium_count
from llzo_helpers.vibration import frames_needed

Positive = Annotated[float, Field(gt=0)]


class ChainSettings(Model):
    """How the equations of motion are integrated, piece by piece; the defaults are the paper's."""

    timestep_fs: Annotated[float, Field(gt=0, le=5)] = 1.0
    frame_interval_fs: Positive = 200.0
    segment_ps: Positive = 100.0
    """Length of the pieces that a run is made of: a killed run loses at most this much."""
    thermostat_damping_fs: Positive = 100.0
    """Relaxation time of the Nosé-Hoover thermostat."""
    durations: ClassVar[tuple[str, ...]] = ("segment_ps",)
    """Keys that must be whole numbers of frame intervals."""
    launcher: Literal["serial", "mpi", "openmp", "gpu", "kokkos"] = "serial"
    processes: Annotated[int, Field(ge=1)] = 1
    """MPI ranks (`mpi`), threads (`openmp`) or GPUs (`gpu`, `kokkos`) of one run."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _require_multiple("frame_interval_fs", self.frame_interval_fs, "timestep_fs", self)
        for key in self.durations:
            _require_multiple(key, 1000 * getattr(self, key), "frame_interval_fs", self)
        if self.launcher == "serial" and self.processes > 1:
            raise ValueError(
                f"processes = {self.processes}: launcher 'serial' uses 1; take 'mpi' or 'openmp'"
            )
        return self

    def steps(self, duration_ps: float) -> int:
        """Return the number of time steps in a duration."""
        return round(1000 * duration_ps / self.timestep_fs)

    def interval_steps(self, interval_fs: float) -> int:
        """Return the number of time steps between frames."""
        return round(interval_fs / self.timestep_fs)

    @property
    def frame_steps(self) -> int:
        """Number of time steps between frames."""
        return self.interval_steps(self.frame_interval_fs)


class MDSettings(ChainSettings):
    """How a molecular dynamics run at one temperature is made; the defaults are the paper's."""

    durations: ClassVar[tuple[str, ...]] = ("segment_ps", "equilibration_ps", "production_ps")
    equilibration_ps: Annotated[float, Field(ge=0)] = 1000.0
    """Run before the first frame is kept."""
    production_ps: Positive = 5000.0
    """Run that is analysed."""
    jump_run_ps: Annotated[float, Field(ge=0)] = 0.0
    """Run that follows production with frames close together, for the analysis of jumps; with 0
    the frames of production serve."""
    jump_frame_interval_fs: Positive = 50.0

    @model_validator(mode="after")
    def _whole_jump_frames(self) -> Self:
        if self.jump_run_ps:
            key = "jump_frame_interval_fs"
            _require_multiple(key, self.jump_frame_interval_fs, "timestep_fs", self)
            for duration in ("segment_ps", "jump_run_ps"):
                _require_multiple(duration, 1000 * getattr(self, duration), key, self)
        return self

    @property
    def total_steps(self) -> int:
        """Number of time steps of a whole run."""
        return self.steps(self.equilibration_ps + self.production_ps + self.jump_run_ps)


def _require_multiple(key: str, value_fs: float, unit_key: str, settings: ChainSettings) -> None:
    ratio = value_fs / getattr(settings, unit_key)
    if abs(ratio - round(ratio)) > 1e-6:
        raise ValueError(
            f"{key} = {getattr(settings, key):g}: must be a multiple of "
            f"{unit_key} = {getattr(settings, unit_key):g}"
        )


Temperature = Annotated[float, Field(gt=0, le=10_000)]
Duration = Annotated[float, Field(ge=0)]


class MeltQuench(ChainSettings):
    """How a glass is made; the defaults are the paper's for its classical potential.

    A crystal of one cubic cell is melted by superheating at constant volume, because at 3000 K
    and constant volume the perfect crystal does not melt. The melt is repeated to the supercell,
    held, and quenched; the last stages look at what has become of it.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._]*$")] = "cip"
    """Label of the protocol, part of the names of folders."""
    li_per_formula: float = 6.25
    """X of the melt; lithium is added or removed after the quench."""
    volume_ratio: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    """Volume of the melt over V_exp; an assumption, the paper gives none."""
    crystal_ps: Positive = 5.0
    """Run of the crystal at `end_K`, to compare with."""
    superheat_K: Temperature = 6000.0
    superheat_ps: Positive = 10.0
    hold_K: Temperature = 3000.0
    hold_ps: Positive = 1000.0
    quench_K_ps: Positive | None = 5.0
    """Rate of cooling; without one, the melt is only relaxed."""
    end_K: Temperature = 500.0
    relax_cell: bool = False
    """Relax ions and the size of the cubic cell after the quench."""
    glass_ps: Positive = 20.0
    """Run of the glass at `end_K`: is it frozen?"""
    sites_K: Temperature = 1100.0
    sites_ps: Duration = 100.0
    """Run in which the sites for added lithium are found; 0 leaves it out."""

    durations: ClassVar[tuple[str, ...]] = (
        "segment_ps",
        "crystal_ps",
        "superheat_ps",
        "hold_ps",
        "glass_ps",
        "sites_ps",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        lithium_count(self.li_per_formula, 1)
        if not self.end_K < self.hold_K <= self.superheat_K:
            raise ValueError(
                f"end_K = {self.end_K:g}, hold_K = {self.hold_K:g}, superheat_K = "
                f"{self.superheat_K:g}: a quench goes down; give end_K < hold_K <= superheat_K"
            )
        if self.quench_K_ps is not None:
            # the thermostat cannot follow a faster one, nor the integrator a shorter
            least_fs = max(10 * self.thermostat_damping_fs, 100 * self.timestep_fs)
            fastest = 1000 * (self.hold_K - self.end_K) / least_fs
            if self.quench_K_ps > fastest:
                raise ValueError(
                    f"quench_K_ps = {self.quench_K_ps:g}: {self.hold_K - self.end_K:g} K would "
                    f"take less than {least_fs:g} fs (10 thermostat_damping_fs, 100 timestep_fs); "
                    f"give at most {fastest:g}"
                )
        return self

    @property
    def quench_ps(self) -> float:
        """Duration of the quench, a whole number of frame intervals."""
        if self.quench_K_ps is None:
            return 0.0
        interval_ps = self.frame_interval_fs / 1000
        return interval_ps * round((self.hold_K - self.end_K) / self.quench_K_ps / interval_ps)

    @property
    def total_steps(self) -> int:
        """Number of time steps of all that is run for a glass."""
        stages = (self.crystal_ps, self.superheat_ps, self.hold_ps, self.quench_ps)
        return self.steps(sum(stages) + self.glass_ps + self.sites_ps)


MELT_QUENCH_PRESETS: dict[str, dict[str, Any]] = {
    # melt of a unit cell, 1 ns at 3000 K, 5 K/ps to 500 K
    "cip": {},
    # a = 13.5 Å, 100 ps at 3000 K with 0.5 fs, then relaxation of ions and cubic cell; the
    # paper begins with an ab initio glass, which is not public: a melt stands for it, superheated
    # no more than the network was trained for
    "ml": {
        "superheat_K": 3500.0,
        "li_per_formula": 7.0,
        "volume_ratio": (13.5 / 13.0) ** 3,
        "timestep_fs": 0.5,
        "hold_ps": 100.0,
        "quench_K_ps": None,
        "relax_cell": True,
    },
    # seconds instead of an hour: the same path, 40 times as fast
    "quick": {
        "frame_interval_fs": 50.0,
        "crystal_ps": 1.0,
        "superheat_ps": 6.0,
        "hold_ps": 5.0,
        "quench_K_ps": 200.0,
        "glass_ps": 2.0,
        "sites_ps": 0.0,
        "segment_ps": 10.0,
    },
}
"""The paper's two protocols and a fast one, as changes to the defaults of `MeltQuench`."""


def _from_preset(value: Any) -> Any:
    """Turn "cip", or {preset: cip, ...}, into the values of a `MeltQuench`."""
    changes = {"preset": value} if isinstance(value, str) else value
    if not isinstance(changes, dict) or "preset" not in changes:
        return value
    changes = dict(changes)
    preset = changes.pop("preset")
    if preset not in MELT_QUENCH_PRESETS:
        known = ", ".join(MELT_QUENCH_PRESETS)
        raise ValueError(f"no such preset as {preset!r}; there are: {known}")
    return {"name": preset, **MELT_QUENCH_PRESETS[preset], **changes}


Protocol = Annotated[MeltQuench, BeforeValidator(_from_preset)]


class DiffusionSettings(Model):
    """How the tracer diffusion coefficient is taken from a mean squared displacement."""

    fit_window: tuple[Positive, Positive] = (0.1, 0.5)
    """First and last lag of the fit, as fractions of the production run."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.fit_window[0] < self.fit_window[1] < 1:
            raise ValueError(
                f"fit_window = {list(self.fit_window)}: must rise and stay below 1, as [0.1, 0.5]"
            )
        return self


class SiteSettings(Model):
    """Whose sites are analysed, and how (see `llzo_helpers.sites.landmark_analysis`)."""

    temperature_K: Positive = 1100.0
    """Of the runs that are analysed; only they are followed by a jump run."""
    clustering: Literal["dotprod", "mcl"] = "dotprod"
    clustering_threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of "dotprod". The published 0.45 puts some 24d sites of the crystal together with a 48g site;
    0.5 gives 24 + 48 (measured on eight runs of one cell at 86 and 101 %)."""
    assignment_threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    static_movement_threshold: Positive = 3.0
    """Largest distance of a framework atom from its mean position, Å; beyond, the framework counts
    as melted. In expanded cells single oxygens move 2 Å (measured), which the landmarks bear."""
    hull_samples: Annotated[int, Field(ge=5)] = 300
    """Number of positions whose hull is a site's accessible volume."""


class OrderSettings(Model):
    """How order is measured: that of the networks of jumps, and that of structures."""

    temperature_K: Positive = 1100.0
    """Of the runs whose structures are compared."""
    bins: Annotated[int, Field(ge=2)] = 20
    """Of the degrees in the binned graph order parameter."""
    resamples: Annotated[int, Field(ge=10)] = 100
    """Of ions and time blocks, for standard errors."""


Item = TypeVar("Item")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _without_repetition(values: list[Item]) -> list[Item]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} stands twice; remove one")
    return values


def _existing_potential(name: str) -> str:
    # part of the names of folders and jobs
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError("must be the name of a folder of potentials/: letters, digits, . _ -")
    potential = load_potential(name)
    potential.require_elements(ELEMENTS)
    return potential.name


OneOrMore = Annotated[
    list[Item],
    Field(min_length=1),
    BeforeValidator(_as_list),
    AfterValidator(_without_repetition),
]
PotentialName = Annotated[str, AfterValidator(_existing_potential)]


class Glass(Model):
    """A melt-quenched cell, the start of all amorphous structures of one origin."""

    structure_potential: PotentialName
    """The potential that it is made with."""
    melt_quench: Protocol
    supercell: Annotated[int, Field(ge=1, le=8)] = 1
    """Cubic cells along each axis."""
    replica: Annotated[int, Field(ge=1)] = 1

    @property
    def as_quenched(self) -> "Structure":
        """The structure that is the quenched cell, neither filled nor expanded."""
        return Structure(
            phase="amorphous",
            li_per_formula=self.melt_quench.li_per_formula,
            volume_ratio=self.melt_quench.volume_ratio,
            supercell=self.supercell,
            replica=self.replica,
            structure_potential=self.structure_potential,
            melt_quench=self.melt_quench,
        )

    @property
    def name(self) -> str:
        """Label, unique in a campaign; also the name of the glass's folder."""
        size = "x".join([str(self.supercell)] * 3)
        return f"{self.structure_potential}.{self.melt_quench.name}-{size}-r{self.replica}"


class Structure(Model):
    """One structure: what notebook 01 needs to make it."""

    phase: Literal["crystal", "amorphous"] = "crystal"
    li_per_formula: float = 6.25
    """X in Li_X La3 Zr2 O12."""
    volume_ratio: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    """Volume over the experimental volume V_exp."""
    supercell: Annotated[int, Field(ge=1, le=8)] = 1
    """Cubic cells along each axis."""
    replica: Annotated[int, Field(ge=1)] = 1
    structure_potential: PotentialName | None = None
    """The potential that an amorphous structure is made with."""
    melt_quench: Protocol | None = None
    """How; the name of a preset, or its values."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        lithium_count(self.li_per_formula, self.supercell)
        for key in ("structure_potential", "melt_quench"):
            given = getattr(self, key) is not None
            if given and self.phase == "crystal":
                raise ValueError(f"{key}: a crystal is built from its symmetry; remove this key")
            if not given and self.phase == "amorphous":
                raise ValueError(f"{key}: missing; an amorphous structure needs it")
        return self

    @property
    def glass(self) -> Glass | None:
        """The glass that an amorphous structure begins with; None for a crystal."""
        if self.structure_potential is None or self.melt_quench is None:
            return None
        return Glass(
            structure_potential=self.structure_potential,
            melt_quench=self.melt_quench,
            supercell=self.supercell,
            replica=self.replica,
        )

    @property
    def name(self) -> str:
        """Label, unique in a campaign, for example `C-Li6.25-V101-1x1x1-r1`."""
        size = "x".join([str(self.supercell)] * 3)
        name = (
            f"{self.phase[0].upper()}-Li{self.li_per_formula:g}"
            f"-V{100 * self.volume_ratio:g}-{size}-r{self.replica}"
        )
        if self.glass is None:
            return name
        return f"{name}-{self.structure_potential}.{self.glass.melt_quench.name}"


class Run(Model):
    """One molecular dynamics run: a structure, a potential and a temperature."""

    structure: Structure
    md_potential: str
    temperature_K: float

    @property
    def name(self) -> str:
        """Label, unique in a campaign; also the name of the run's folder."""
        return f"{self.structure.name}-{self.md_potential}-{self.temperature_K:g}K"


class System(Model):
    """A block of runs: every combination of the values given, one or several of each."""

    phase: Literal["crystal", "amorphous"]
    structure_potential: OneOrMore[PotentialName] | None = None
    """Of an amorphous phase: makes the structures. With several, and as many `md_potential`, every
    structure runs with every potential."""
    melt_quench: Protocol | None = None
    """Of an amorphous phase: how its structures are made."""
    li_per_formula: OneOrMore[float]
    volume_ratio: OneOrMore[float]
    md_potential: OneOrMore[PotentialName]
    temperature_K: OneOrMore[Temperature]
    supercell: int = 1
    replicas: Annotated[int, Field(ge=1)] = 1
    """Independent structures and runs of each, from different seeds."""

    @model_validator(mode="after")
    def _possible_structures(self) -> Self:
        self.runs()
        return self

    def runs(self) -> list[Run]:
        """Return all combinations."""
        origins: list[str | None] = list(self.structure_potential or ()) or [None]
        return [
            Run(
                structure=Structure(
                    phase=self.phase,
                    li_per_formula=li,
                    volume_ratio=ratio,
                    supercell=self.supercell,
                    replica=replica,
                    structure_potential=origin,
                    melt_quench=self.melt_quench,
                ),
                md_potential=potential,
                temperature_K=temperature,
            )
            for origin, li, ratio, replica, potential, temperature in itertools.product(
                origins,
                self.li_per_formula,
                self.volume_ratio,
                range(1, self.replicas + 1),
                self.md_potential,
                self.temperature_K,
            )
        ]


class VibrationSettings(Model):
    """Short runs with frames a few femtoseconds apart, for the spectrum of vibrations."""

    volume_ratio: OneOrMore[float]
    """Of the structures of the campaign to look at: their first replica, and of an amorphous one
    the potential that made it."""
    temperature_K: Temperature = 1100.0
    resolution_THz: Positive = 0.5
    md: MDSettings

    @model_validator(mode="after")
    def _resolved(self) -> Self:
        needed = frames_needed(self.resolution_THz, self.md.frame_interval_fs)
        production_ps = needed * self.md.frame_interval_fs / 1000
        if self.md.production_ps <= production_ps:
            raise ValueError(
                f"md.production_ps = {self.md.production_ps:g}: a resolution of "
                f"{self.resolution_THz:g} THz needs {needed} frames, more than {production_ps:g} ps"
            )
        return self


class Campaign(Model):
    """A set of runs and how they are made and analysed."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """That of the YAML file; also of its folder in `results/`."""
    description: str
    seed: Annotated[int, Field(ge=0)]
    """All random choices derive from it."""
    md: MDSettings = MDSettings()
    diffusion: DiffusionSettings = DiffusionSettings()
    sites: SiteSettings = SiteSettings()
    order: OrderSettings = OrderSettings()
    systems: Annotated[list[System], Field(min_length=1)]
    vibration: VibrationSettings | None = None

    @model_validator(mode="after")
    def _vibration_of_existing_structures(self) -> Self:
        ratios = {structure.volume_ratio for structure in self.structures}
        for ratio in self.vibration.volume_ratio if self.vibration else []:
            if ratio not in ratios:
                raise ValueError(
                    f"vibration.volume_ratio = {ratio:g}: no system has it; there are "
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
                        f"systems[{index}]: {run.name} stands already in "
                        f"systems[{seen[run.name]}]; remove one of them"
                    )
                seen[run.name] = index
                glass = run.structure.glass
                if glass and glasses.setdefault(glass.name, glass) != glass:
                    raise ValueError(
                        f"systems[{index}]: melt_quench: another protocol of this campaign is "
                        f"named {glass.melt_quench.name}, too; give one of them a 'name'"
                    )
        return self

    @property
    def runs(self) -> list[Run]:
        """All runs."""
        return [run for system in self.systems for run in system.runs()]

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
        """Names of all potentials, those that make structures included."""
        made_with = {glass.structure_potential for glass in self.glasses}
        return sorted(made_with | {run.md_potential for run in self.runs})

    @property
    def site_runs(self) -> list[Run]:
        """The runs whose sites are analysed."""
        return [run for run in self.runs if run.temperature_K == self.sites.temperature_K]

    def md_settings(self, run: Run) -> MDSettings:
        """Settings of one run: `md`, with the jump run only where sites are analysed."""
        if run.temperature_K == self.sites.temperature_K:
            return self.md
        return self.md.model_copy(update={"jump_run_ps": 0.0})

    @property
    def vibration_runs(self) -> list[Run]:
        """The short runs for the spectrum of vibrations."""
        if self.vibration is None:
            return []
        runs = [
            run.model_copy(update={"temperature_K": self.vibration.temperature_K})
            for run in self.runs
            if run.structure.replica == 1
            and run.structure.volume_ratio in self.vibration.volume_ratio
            and run.structure.structure_potential in (None, run.md_potential)
        ]
        return list({run.name: run for run in runs}.values())

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


def load_campaign(name: str) -> Campaign:
    """Read a campaign.

    Parameters
    ----------
    name
        Of a file in `parameters/` ("quick"), or the path of a YAML file.

    Raises
    ------
    InputError
        In one line: file, key, value and remedy.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else PARAMETERS / f"{name}.yaml"
    if not path.is_file():
        available = ", ".join(sorted(p.stem for p in PARAMETERS.glob("*.yaml")))
        raise InputError(f"{path}: no such campaign; available: {available}, or give a .yaml file")
    values = load_yaml(path)
    if "name" in values:
        raise InputError(f"{path}: name: a campaign is named by its file; remove this key")
    return validate(Campaign, {**values, "name": path.stem}, path)


class GenerateParameters(Structure):
    """Parameters of notebook 01."""

    seed: Annotated[int, Field(ge=0)]
    output: str
    """Folder for the structure; made if it is not there."""
    glass_output: str | None = None
    """Of an amorphous phase: folder of its glass; made if it is not there."""
    glass_seed: Annotated[int, Field(ge=0)] = 1
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

    structure: str
    """Folder of a structure, from notebook 01."""
    md_potential: PotentialName
    temperature_K: Temperature
    seed: Annotated[int, Field(ge=1, lt=2**31)]
    output: str
    """Folder for the run; made if it is not there."""

    @property
    def settings(self) -> MDSettings:
        """The part that is the same for all runs of a campaign."""
        return MDSettings(**{key: getattr(self, key) for key in MDSettings.model_fields})


class CampaignParameters(Model):
    """Parameters of the notebooks that look at a whole campaign."""

    campaign: str
    """Name of a file in `parameters/`, or the path of one."""


class CrossoverParameters(CampaignParameters):
    """Parameters of notebook 06."""

    temperature_K: Annotated[float, Field(ge=0)] = 0
    """Temperature shown; 0 for the lowest that there is."""
