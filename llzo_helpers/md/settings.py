"""How the equations of motion are integrated."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from llzo_helpers.schema import Model, Positive


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
