"""Runs made elsewhere: their trajectories, and what the files do not say."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ase.data import atomic_numbers
from pydantic import Field, PrivateAttr, model_validator

from llzo_helpers.analysis.fit_window import DEFAULT_WINDOW, window_in_frames
from llzo_helpers.analysis.stationarity import LEAST_FRAMES
from llzo_helpers.errors import InputError
from llzo_helpers.schema import FilePath, Model, OneOrMore, Positive, Temperature

LEAST_IONS = 2
LEAST_FRAMEWORK = 4
"""Atoms around a node of the Voronoi diagram."""

if TYPE_CHECKING:
    from llzo_helpers.md.trajectory import Trajectory


class ObservedRun(Model):
    """A trajectory of any material and program, analysed as a run of the campaign."""

    file: OneOrMore[FilePath]
    """The trajectory, or its pieces in their order; relative to the campaign's YAML file."""
    temperature_K: Temperature
    mobile: OneOrMore[str]
    """Elements of the ions that diffuse; all others are the framework."""
    frame_interval_ps: Positive | None = None
    """Time between frames, where the file doesn't say."""
    elements: dict[int | str, str] | list[str] | None = None
    """Symbols by atom type, or one per atom, where the file has none."""
    topology: FilePath | None = None
    """A file with the same atoms, where the trajectory holds positions only."""
    label: str | None = Field(default=None, min_length=1, max_length=100)
    """Its name in figures; that of the file by default."""
    group: str | None = Field(default=None, min_length=1)
    """Runs of one group at several temperatures give one Arrhenius fit."""
    sites: bool = True
    """Whether its sites, network and structure are also analysed (notebooks 04 and 05)."""
    _entry: str = PrivateAttr("")
    """File and key that it was read from, for messages."""

    @model_validator(mode="after")
    def _elements(self) -> Self:
        for symbol in self.mobile:
            if atomic_numbers.get(symbol, 0) == 0:
                raise ValueError(f"mobile = {symbol!r}: not a chemical symbol; give one, as 'Na'")
        return self

    def of_file(self, campaign: Path, index: int) -> Self:
        """Return the same as an entry of a campaign's file, to which its paths are relative."""
        folder = campaign.absolute().parent
        entry = self.model_copy(
            update={
                "file": [(folder / path).resolve() for path in self.file],
                "topology": (folder / self.topology).resolve() if self.topology else None,
            }
        )
        entry._entry = f"{campaign}: trajectories[{index}]"
        return entry

    @property
    def files(self) -> list[Path]:
        """All files that are read."""
        return [*self.file, *([self.topology] if self.topology else [])]

    @property
    def name(self) -> str:
        """Name of its folders, unique in a campaign."""
        stem = self.label or self.file[0].name.removesuffix(".gz").rpartition(".")[0]
        return re.sub(r"[^A-Za-z0-9.+_-]+", "-", stem or self.file[0].name).strip("-.") or "run"

    @property
    def title(self) -> str:
        """Name in figures."""
        return self.label or self.name

    # what it has in common with a run that the campaign makes
    @property
    def phase(self) -> str:
        """None of the phases that the campaign makes."""
        return "observed"

    @property
    def replica(self) -> int:
        """The only one."""
        return 1

    def trajectory(self, stage: str = "production") -> "Trajectory":
        """Return its frames without the framework's drift; it has only one stage."""
        # imported here: it is slow, and reading a campaign does without
        from llzo_helpers.md.trajectory import Trajectory

        with self._named():
            trajectory = Trajectory.read(
                self.file,
                frame_interval_ps=self.frame_interval_ps,
                elements=self.elements,
                topology=self.topology,
            )
            return trajectory.without_drift(self.mobile)

    def require_analysable(self, fit_window: tuple[float, float] | None) -> None:
        """Read all frames, and raise InputError unless they can be analysed."""
        with self._named():
            trajectory = self.trajectory()
            n_frames = len(trajectory)
            window_in_frames(fit_window or DEFAULT_WINDOW, n_frames)
            if n_frames < LEAST_FRAMES:
                raise InputError(
                    f"{n_frames} frames, {LEAST_FRAMES} are needed to see whether the run drifts; "
                    "give a longer trajectory, or one with more frames"
                )
            n_ions = len(trajectory.atoms(*self.mobile))
            n_framework = len(trajectory.symbols) - n_ions
            if n_ions < LEAST_IONS:
                raise InputError(
                    f"{n_ions} ion of {'+'.join(self.mobile)}, {LEAST_IONS} are needed, by whose "
                    "differences D has an error; give a larger cell"
                )
            if self.sites and n_framework < LEAST_FRAMEWORK:
                raise InputError(
                    f"{n_framework} framework atoms, {LEAST_FRAMEWORK} are needed to find sites "
                    "between them; set sites: false"
                )
            for _ in trajectory.chunks():
                pass

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Begin errors of the block with the entry and the data's file, unless they name them."""
        try:
            yield
        except InputError as error:
            told = str(error)
            if not any(path.name in told for path in self.file):
                told = f"{self.file[0]}: {told}"
            if self._entry and not told.startswith(self._entry):
                told = f"{self._entry}: {told}"
            raise InputError(told) from None
