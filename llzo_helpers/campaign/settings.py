"""How the runs of a campaign are analysed."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from llzo_helpers.analysis.fit_window import DEFAULT_WINDOW, window_in_frames
from llzo_helpers.analysis.stationarity import LEAST_FRAMES
from llzo_helpers.analysis.vibration import frames_needed
from llzo_helpers.errors import InputError
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.schema import Model, OneOrMore, Pair, Positive, Temperature


class DiffusionSettings(Model):
    """How the tracer diffusion coefficient is taken from a mean squared displacement."""

    fit_window: Pair[Positive, Positive] | None = (0.1, 0.5)
    """First and last lag of the fit, as fractions of the production run; null looks for the first
    window in which D no longer depends on the lag."""
    jump_length_A: Positive = 2.0
    """About the distance between neighbouring 24d and 48g sites: while the mean squared
    displacement is below its square, D is only an upper bound."""

    def require_enough_frames(self, md: MDSettings) -> None:
        """Raise ValueError if a production run is too short for its diffusion to be analysed."""
        n_frames = round(1000 * md.production_ps / md.frame_interval_fs)
        try:
            window_in_frames(self.fit_window or DEFAULT_WINDOW, n_frames)
        except InputError as error:
            raise ValueError(f"diffusion.{error}") from None
        if n_frames < LEAST_FRAMES:
            raise ValueError(
                f"md.production_ps = {md.production_ps:g}: makes {n_frames} frames, {LEAST_FRAMES} "
                "are needed to see whether the run drifts; run longer or lower md.frame_interval_fs"
            )


class SiteSettings(Model):
    """Which runs have their sites analysed, and how.

    See `llzo_helpers.analysis.sites.landmark_analysis`.
    """

    temperature_K: OneOrMore[Temperature] = Field(default=[1100.0])
    """Of the runs that are analysed, one or several; only they are followed by a jump run."""
    crystal_sites: Literal["seeded", "found"] = "seeded"
    """Of an intact garnet: its known 24d and 48g positions, or clusters like elsewhere. In an
    expanded crystal the clusters of neighbouring positions run into one another (measured: 61 of 72
    at 112 %)."""
    clustering: Literal["dotprod", "mcl"] = "dotprod"
    clustering_threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of "dotprod". The published 0.45 merges some 24d sites of the crystal with a 48g site;
    0.5 gives 24 + 48 (measured on eight runs of one cell at 86 and 101 %)."""
    assignment_threshold: Annotated[float, Field(ge=0.2, le=1)] = 0.8
    place_distance_A: Annotated[float, Field(gt=0, le=100)] = 1.5
    """A framework atom whose mean position moves as far as this has changed its place: about half
    the distance between neighbouring places."""
    minimum_stay_ps: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Shorter stays count as spent at the site before; 0: one frame elsewhere and back are two
    jumps."""
    coordination_cutoff_A: Annotated[float, Field(gt=0, le=20)] | None = None
    """Up to where framework atoms around a site count for its coordination; null takes 2.9 Å for
    lithium among oxygens, which is between the shells of the garnet, and elsewhere 1.25 times the
    usual distance between a site and its nearest neighbour."""
    hull_samples: Annotated[int, Field(ge=5, le=100_000)] = 300
    """Number of positions whose hull is a site's accessible volume."""

    @property
    def temperatures(self) -> str:
        """Temperatures in words, K."""
        return ", ".join(f"{temperature:g}" for temperature in self.temperature_K)

    def require_enough_frames(self, md: MDSettings) -> None:
        """Raise ValueError if a jump run is too short for its jumps to be analysed."""
        n_frames = round(1000 * md.jump_run_ps / md.jump_frame_interval_fs)
        if 0 < n_frames < LEAST_FRAMES:
            raise ValueError(
                f"md.jump_run_ps = {md.jump_run_ps:g}: has {n_frames} frames, "
                f"{LEAST_FRAMES} are needed; run longer or lower md.jump_frame_interval_fs"
            )


class OrderSettings(Model):
    """How order is measured: that of the networks of jumps, and that of structures."""

    temperature_K: Temperature = 1100.0
    """Of the runs whose structures are compared."""
    bins: Annotated[int, Field(ge=2, le=1000)] = 20
    """Of the degrees in the binned graph order parameter."""
    resamples: Annotated[int, Field(ge=10, le=10_000)] = 100
    """Of ions and time blocks, for standard errors."""


class VibrationSettings(Model):
    """Short runs with frames a few femtoseconds apart, for the spectrum of vibrations."""

    volume_ratio: OneOrMore[float]
    """Of the campaign's structures to examine: their first replica, and for an amorphous one only
    the potential that made it."""
    temperature_K: Temperature = 1100.0
    resolution_THz: Annotated[float, Field(ge=0.001, le=100)] = 0.5
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
