"""The frames that a run wrote, read lazily over all its segments."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.arguments import checked_path
from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError, clipped
from llzo_helpers.md.dcd import dcd_bytes
from llzo_helpers.md.folder import finished_segments, read_run, read_start, require_frames
from llzo_helpers.md.segments import segment_name
from llzo_helpers.trajectory.readers import Reader
from llzo_helpers.trajectory.series import AnyTrajectory, Species


class Trajectory(AnyTrajectory):
    """The frames of one stage of a run, or of any other simulation (`read`, `from_...`).

    Nothing is read before it is asked for.

    Parameters
    ----------
    source
        A run's folder, see `llzo_helpers.md`; of an unfinished run, the completed segments. Or a
        reader of frames, see `llzo_helpers.trajectory.readers`.
    stage
        Name of the stage. "jumps" is the run after production with frames close together; where
        there is none, it means production.
    frame_interval_ps
        Time between frames, where the source does not know it; a run does.

    Raises
    ------
    InputError
        If there are no frames yet, or a file is missing or cut short.
    """

    def __init__(
        self,
        source: Path | str | Reader,
        stage: str = "production",
        *,
        frame_interval_ps: float | None = None,
    ) -> None:
        if isinstance(source, Path | str) or not hasattr(source, "symbols"):
            run = RunReader(checked_path("source", source), stage)
            source, frame_interval_ps = run, run.frame_interval_ps
            # in a small cell at 6000 K, lithium crosses half of it from one frame to the next
            self._follow_on = True
        super().__init__(source, frame_interval_ps)

    @classmethod
    def from_run(cls, directory: Path | str, stage: str = "production") -> Self:
        """Read a stage of a run from its folder."""
        return cls(directory, stage)

    @classmethod
    def _of(cls, reader: Reader, frame_interval_ps: float | None) -> Self:
        return cls(reader, frame_interval_ps=frame_interval_ps)

    def relative_to_framework(
        self, mobile: Species = "Li", reference: Species | None = None
    ) -> FloatArray:
        """See `AnyTrajectory.relative_to_framework`; of lithium by default."""
        return super().relative_to_framework(mobile, reference)


class RunReader:
    """The frames of one stage of a run; see `llzo_helpers.trajectory.readers.Reader`."""

    scaled, unwrapped = False, True
    interval_ps = schedule = None

    def __init__(self, directory: Path, stage: str) -> None:
        self.name = str(directory)
        if not directory.is_dir():
            raise InputError(
                f"{directory}: not found; give the folder of a run, or read a file of another "
                "program with Trajectory.read"
            )
        if not isinstance(stage, str):
            raise InputError(f"stage: {clipped(stage)}; give its name, such as production")
        records = finished_segments(directory)
        if stage == "jumps" and not any(record["stage"] == "jumps" for record in records):
            stage = "production"
        records = [record for record in records if record["stage"] == stage and record["n_frames"]]
        if not records:
            raise InputError(f"{directory}: no {stage} frames yet; run notebook 02 first")
        timestep_fs = read_run(directory)["inputs"]["timestep_fs"]
        self.frame_interval_ps: float = records[0]["frame_steps"] * timestep_fs / 1000
        start = read_start(directory)
        self.symbols: NDArray[np.str_] = np.array(start.get_chemical_symbols())
        segments = [
            (directory / segment_name(segment["index"]) / "frames.dcd", segment["n_frames"])
            for segment in records
        ]
        for path, n_frames in segments:
            expected = dcd_bytes(n_frames, len(self.symbols))
            found = path.stat().st_size if path.is_file() else 0
            if found != expected:
                raise InputError(
                    f"{path}: {found} bytes instead of {expected}: cut short or damaged; delete "
                    "its folder and later ones, and run notebook 02 again"
                )
        self._dcd = [path for path, _ in segments]
        self._records = records
        self._first = np.cumsum([0, *(n_frames for _, n_frames in segments)])
        self.files = (directory / "run.json",)
        # since the beginning of the stage
        self.times_ps: FloatArray = self.frame_interval_ps * np.arange(1, len(self) + 1)
        self.steps: IntArray = np.arange(1, len(self) + 1)
        self.cells: FloatArray = np.broadcast_to(start.cell.array, (len(self), 3, 3))
        self.notes: list[str] = []

    def __len__(self) -> int:
        return int(self._first[-1])

    def read(self, frames: IntArray) -> tuple[NDArray[Any], FloatArray]:
        """See `Reader`; single precision, as written."""
        # imported here: it is slow, and a run that only writes frames does without
        from MDAnalysis.lib.formats.libdcd import DCDFile

        which = np.searchsorted(self._first, frames, side="right") - 1
        parts = []
        for number in np.unique(which):
            inside = frames[which == number] - self._first[number]
            begin, end = int(inside[0]), int(inside[-1]) + 1
            require_frames(self._dcd[number], self._records[number])
            with DCDFile(str(self._dcd[number])) as file:
                read = file.readframes(begin, end, 1, order="fac").xyz
            parts.append(read[inside - begin])
        return np.concatenate(parts), self.cells[frames]
