"""A run as a schedule of stages, divided into segments."""

from collections.abc import Sequence
from dataclasses import dataclass

from llzo_helpers.md.settings import ChainSettings, MDSettings


@dataclass(frozen=True)
class Stage:
    """A part of a run, at one temperature or on a straight line from one to another."""

    name: str
    duration_ps: float
    start_K: float
    end_K: float
    frame_interval_fs: float | None = None
    """Time between frames; None to keep none."""


@dataclass(frozen=True)
class Segment:
    """One piece of a stage: the steps after `first_step` up to `last_step`."""

    index: int
    stage: str
    first_step: int
    last_step: int
    start_K: float
    end_K: float
    frame_steps: int
    """Steps between frames; 0 to keep none."""

    @property
    def name(self) -> str:
        """Name of the segment's folder."""
        return segment_name(self.index)

    @property
    def n_frames(self) -> int:
        """Number of frames that it keeps."""
        return (self.last_step - self.first_step) // self.frame_steps if self.frame_steps else 0


def segment_name(index: int) -> str:
    """Return the name of a segment's folder."""
    return f"segment_{index:04d}"


def nvt_schedule(temperature_K: float, settings: MDSettings) -> list[Stage]:
    """Return equilibration, production and jump run at one temperature."""
    T = temperature_K
    return [
        Stage("equilibration", settings.equilibration_ps, T, T),
        Stage("production", settings.production_ps, T, T, settings.frame_interval_fs),
        Stage("jumps", settings.jump_run_ps, T, T, settings.jump_frame_interval_fs),
    ]


def plan_segments(schedule: Sequence[Stage], settings: ChainSettings) -> list[Segment]:
    """Divide the stages into segments of at most `segment_ps`."""
    length = settings.steps(settings.segment_ps)
    segments: list[Segment] = []
    begin = 0
    for stage in schedule:
        steps = settings.steps(stage.duration_ps)
        slope = (stage.end_K - stage.start_K) / max(steps, 1)
        for done in range(0, steps, length):
            after = min(done + length, steps)
            segments.append(
                Segment(
                    index=len(segments),
                    stage=stage.name,
                    first_step=begin + done,
                    last_step=begin + after,
                    start_K=stage.start_K + slope * done,
                    end_K=stage.start_K + slope * after,
                    frame_steps=settings.interval_steps(stage.frame_interval_fs or 0),
                )
            )
        begin += steps
    return segments
