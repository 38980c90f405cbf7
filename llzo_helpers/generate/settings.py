"""Which structure to make, and how a glass is made."""

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from llzo_helpers.errors import clipped
from llzo_helpers.garnet import LARGEST_SUPERCELL, lithium_count
from llzo_helpers.md.settings import ChainSettings
from llzo_helpers.potentials import PotentialName
from llzo_helpers.schema import LONGEST_PS, Duration, Model, PositiveDuration, Temperature

Supercell = Annotated[int, Field(ge=1, le=LARGEST_SUPERCELL)]
"""Cubic cells along each axis."""


LEAST_STAGE_FRAMES = 20
"""Of a stage whose framework is examined: of fewer, D has no window of lags."""
_RATE_TOLERANCE = 0.05
"""By how much whole frame intervals may change the rate of a quench."""


class MeltQuench(ChainSettings):
    """How a glass is made; the defaults are the paper's for its classical potential.

    A crystal of one cubic cell is melted by superheating at constant volume, because at 3000 K
    and constant volume the perfect crystal does not melt. The melt is repeated to the supercell,
    held, and quenched; the last stages examine the result.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._]*$", max_length=40)] = "cip"
    """Label of the protocol, part of the names of folders."""
    li_per_formula: float = 6.25
    """X of the melt; lithium is added or removed after the quench."""
    volume_ratio: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    """Volume of the melt over V_exp; an assumption, as the paper gives none."""
    crystal_ps: PositiveDuration = 5.0
    """Run of the crystal at `end_K`, to compare with."""
    superheat_K: Temperature = 6000.0
    superheat_ps: PositiveDuration = 10.0
    hold_K: Temperature = 3000.0
    hold_ps: PositiveDuration = 1000.0
    quench_K_ps: Annotated[float, Field(gt=0, le=1e6)] | None = 5.0
    """Rate of cooling; without one, the melt is only relaxed."""
    end_K: Temperature = 500.0
    relax_cell: bool = False
    """Relax ions and the size of the cubic cell after the quench."""
    glass_ps: PositiveDuration = 20.0
    """Run of the glass at `end_K`: is it frozen?"""
    sites_K: Temperature = 1100.0
    sites_ps: Duration = 100.0
    """Run that reveals the sites for added lithium; 0 omits it."""

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
                f"{self.superheat_K:g}: a quench cools; give end_K < hold_K <= superheat_K"
            )
        if self.quench_K_ps is not None:
            # the thermostat cannot follow a faster one, nor the integrator a shorter
            least_fs = max(10 * self.thermostat_damping_fs, 100 * self.timestep_fs)
            if self.quench_K_ps < (self.hold_K - self.end_K) / LONGEST_PS:
                raise ValueError(
                    f"quench_K_ps = {self.quench_K_ps:g}: would take more than {LONGEST_PS:g} ps; "
                    "raise it"
                )
            fastest = 1000 * (self.hold_K - self.end_K) / least_fs
            if self.quench_K_ps > fastest:
                raise ValueError(
                    f"quench_K_ps = {self.quench_K_ps:g}: {self.hold_K - self.end_K:g} K would "
                    f"take less than {least_fs:g} fs (10 thermostat_damping_fs, 100 timestep_fs); "
                    f"give at most {fastest:g}"
                )
            self._require_whole_quench()
        for key in ("crystal_ps", "hold_ps", "glass_ps"):
            n_frames = round(1000 * getattr(self, key) / self.frame_interval_fs)
            if n_frames < LEAST_STAGE_FRAMES:
                raise ValueError(
                    f"{key} = {getattr(self, key):g}: makes {n_frames} frames, "
                    f"{LEAST_STAGE_FRAMES} are needed to see whether the framework flows; raise "
                    "it, or lower frame_interval_fs"
                )
        self.require_bounded([self.hold_ps, self.quench_ps])
        return self

    def _require_whole_quench(self) -> None:
        """Raise ValueError for a quench whose rate whole frame intervals would change."""
        wanted_ps = (self.hold_K - self.end_K) / (self.quench_K_ps or math.inf)
        if abs(self.quench_ps - wanted_ps) > _RATE_TOLERANCE * wanted_ps:
            raise ValueError(
                f"quench_K_ps = {self.quench_K_ps:g}: the quench would take {wanted_ps:g} ps, "
                f"which is no whole number of frame_interval_fs = {self.frame_interval_fs:g}; "
                "lower this"
            )

    @property
    def quench_ps(self) -> float:
        """Duration of the quench, a whole number of frame intervals."""
        if self.quench_K_ps is None:
            return 0.0
        interval_ps = self.frame_interval_fs / 1000
        return interval_ps * round((self.hold_K - self.end_K) / self.quench_K_ps / interval_ps)

    @property
    def total_steps(self) -> int:
        """Number of time steps of all runs that make a glass."""
        stages = (self.crystal_ps, self.superheat_ps, self.hold_ps, self.quench_ps)
        return self.steps(sum(stages) + self.glass_ps + self.sites_ps)


MELT_QUENCH_PRESETS: dict[str, dict[str, Any]] = {
    # melt of a unit cell, 1 ns at 3000 K, 5 K/ps to 500 K
    "cip": {},
    # a = 13.5 Å, 100 ps at 3000 K with 0.5 fs, then relaxation of ions and cubic cell; the
    # paper starts from an ab initio glass, which is not public: a melt takes its place, superheated
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
        "glass_ps": 10.0,
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
    if not isinstance(preset, str) or preset not in MELT_QUENCH_PRESETS:
        known = ", ".join(MELT_QUENCH_PRESETS)
        raise ValueError(f"no preset {clipped(preset)}; available: {known}")
    return {"name": preset, **MELT_QUENCH_PRESETS[preset], **changes}


Protocol = Annotated[MeltQuench, BeforeValidator(_from_preset)]


class Glass(Model):
    """A melt-quenched cell, from which all amorphous structures of one origin derive."""

    structure_potential: PotentialName
    """The potential that it is made with."""
    melt_quench: Protocol
    supercell: Supercell = 1
    """Cubic cells along each axis."""
    replica: Annotated[int, Field(ge=1, le=1000)] = 1

    @property
    def as_quenched(self) -> "Structure":
        """The structure that is the quenched cell itself, neither filled nor expanded."""
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
    supercell: Supercell = 1
    """Cubic cells along each axis."""
    replica: Annotated[int, Field(ge=1, le=1000)] = 1
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
        protocol = self.melt_quench
        if protocol and self.li_per_formula > protocol.li_per_formula and not protocol.sites_ps:
            raise ValueError(
                f"li_per_formula = {self.li_per_formula:g}: more than the melt's "
                f"{protocol.li_per_formula:g}, and its empty sites are not known; set sites_ps of "
                "melt_quench above 0"
            )
        return self

    @property
    def glass(self) -> Glass | None:
        """The glass that an amorphous structure derives from; None for a crystal."""
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
