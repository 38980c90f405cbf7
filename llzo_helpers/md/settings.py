"""How the equations of motion are integrated."""

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from llzo_helpers.schema import Duration, Interval, Model, PositiveDuration

MOST_SEGMENTS = 10_000
MOST_FRAMES = 10_000_000
MOST_STEPS = 2_000_000_000
"""Of one run."""


class ChainSettings(Model):
    """How the equations of motion are integrated, in segments; the defaults are the paper's."""

    timestep_fs: Annotated[float, Field(ge=0.01, le=5)] = 1.0
    frame_interval_fs: Interval = 200.0
    segment_ps: PositiveDuration = 100.0
    """Length of the pieces that a run is made of: a killed run loses at most this much."""
    thermostat_damping_fs: Interval = 100.0
    """Relaxation time of the Nosé-Hoover thermostat."""
    durations: ClassVar[tuple[str, ...]] = ("segment_ps",)
    """Keys that must be whole numbers of frame intervals."""
    launcher: Literal["auto", "serial", "mpi", "openmp", "gpu", "kokkos"] = "auto"
    """`auto`: MPI ranks where LAMMPS computes the forces itself, threads where Python does."""
    processes: Annotated[int, Field(ge=1, le=1024)] = 1
    """MPI ranks (`mpi`), threads (`openmp`) or GPUs (`gpu`, `kokkos`) of one run."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _require_multiple("frame_interval_fs", self.frame_interval_fs, "timestep_fs", self)
        for key in self.durations:
            _require_multiple(key, 1000 * getattr(self, key), "frame_interval_fs", self)
        if self.launcher == "serial" and self.processes > 1:
            raise ValueError(
                f"processes = {self.processes}: launcher 'serial' uses 1; choose 'auto'"
            )
        if self.thermostat_damping_fs < 5 * self.timestep_fs:
            raise ValueError(
                f"thermostat_damping_fs = {self.thermostat_damping_fs:g}: shorter than 5 "
                f"timestep_fs = {self.timestep_fs:g}; some 100 are usual"
            )
        self.require_bounded([getattr(self, key) for key in self.durations[1:]])
        return self

    def require_bounded(self, durations_ps: list[float], frame_interval_fs: float = 0) -> None:
        """Raise ValueError for stages of more segments, frames or steps than are sensible."""
        segments = sum(math.ceil(duration / self.segment_ps) for duration in durations_ps)
        if segments > MOST_SEGMENTS:
            raise ValueError(
                f"segment_ps = {self.segment_ps:g}: makes {segments} segments of a run, at most "
                f"{MOST_SEGMENTS} are sensible; raise it"
            )
        interval = frame_interval_fs or self.frame_interval_fs
        if (frames := 1000 * sum(durations_ps) / interval) > MOST_FRAMES:
            raise ValueError(
                f"frame_interval_fs = {interval:g}: makes {frames:.0f} frames of a run, at most "
                f"{MOST_FRAMES} are sensible; raise it"
            )
        if (steps := self.steps(sum(durations_ps))) > MOST_STEPS:
            raise ValueError(
                f"timestep_fs = {self.timestep_fs:g}: makes {steps} steps of a run, at most "
                f"{MOST_STEPS} are sensible; shorten the run"
            )

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
    equilibration_ps: Duration = 1000.0
    """Run before the first frame is kept."""
    production_ps: PositiveDuration = 5000.0
    """Run that is analysed."""
    jump_run_ps: Duration = 0.0
    """Run that follows production with frames close together, for the analysis of jumps; with 0
    the frames of production serve."""
    jump_frame_interval_fs: Interval = 50.0

    @model_validator(mode="after")
    def _whole_jump_frames(self) -> Self:
        if self.jump_run_ps:
            key = "jump_frame_interval_fs"
            _require_multiple(key, self.jump_frame_interval_fs, "timestep_fs", self)
            for duration in ("segment_ps", "jump_run_ps"):
                _require_multiple(duration, 1000 * getattr(self, duration), key, self)
            self.require_bounded([self.jump_run_ps], self.jump_frame_interval_fs)
        durations = [self.equilibration_ps, self.production_ps, self.jump_run_ps]
        self.require_bounded(durations)
        return self

    @property
    def total_steps(self) -> int:
        """Number of time steps of a whole run."""
        return self.steps(self.equilibration_ps + self.production_ps + self.jump_run_ps)

    @property
    def total_frames(self) -> int:
        """Number of frames that a whole run keeps."""
        production = self.production_ps / self.frame_interval_fs
        return round(1000 * (production + self.jump_run_ps / self.jump_frame_interval_fs))


def _require_multiple(key: str, value_fs: float, unit_key: str, settings: ChainSettings) -> None:
    ratio = value_fs / getattr(settings, unit_key)
    # of a duration of 0 there is nothing to divide; less than one unit would become 0
    if value_fs and (round(ratio) < 1 or abs(ratio - round(ratio)) > 1e-6 * max(1, ratio / 1e6)):
        raise ValueError(
            f"{key} = {getattr(settings, key):g}: must be a multiple of "
            f"{unit_key} = {getattr(settings, unit_key):g}"
        )
