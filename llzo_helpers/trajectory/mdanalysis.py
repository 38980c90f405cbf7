"""DCD, XTC, TRR and NetCDF, which MDAnalysis reads."""

import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import MDAnalysis
import numpy as np
from MDAnalysis.coordinates.core import get_reader_for
from MDAnalysis.coordinates.TRR import TRRReader
from MDAnalysis.coordinates.XTC import XTCReader
from MDAnalysis.lib.mdamath import triclinic_vectors
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.elements import (
    Elements,
    symbols_given,
    topology_cell,
    universe_symbols,
)
from llzo_helpers.trajectory.guard import reading
from llzo_helpers.trajectory.readers import IdOrder

_TELLS_TIME = {"XTC", "TRR", "NCDF"}
"""Formats whose times are in ps and those of the run; in DCD this depends on who wrote it."""
_SAME_LENGTHS, _SAME_ANGLES = 0.05, 2.0
"""Relative, and in degrees: two cells of one run, whose cell may have changed."""


class _XDR:
    """What MDAnalysis's readers of GROMACS files leave out or do too much."""

    def _load_offsets(self) -> None:
        self._read_offsets()

    def _read_offsets(self, store: bool = False) -> None:
        # MDAnalysis would keep them in hidden files beside the user's
        super()._read_offsets(store=False)  # type: ignore[misc]

    def _frame_to_ts(self, frame: Any, ts: Any) -> Any:
        # nm; MDAnalysis only hands on lengths and angles
        ts.data["vectors"] = 10 * np.asarray(frame.box, dtype=np.float64)
        return super()._frame_to_ts(frame, ts)  # type: ignore[misc]


class _XTC(_XDR, XTCReader):  # type: ignore[misc]
    pass


class _TRR(_XDR, TRRReader):  # type: ignore[misc]
    pass


class MDAnalysisReader:
    """Frames by a reader of MDAnalysis; see `llzo_helpers.trajectory.readers.Reader`.

    Parameters
    ----------
    trajectory
        MDAnalysis's own object.
    symbols
        Chemical symbols, [atom].
    name
        What messages call it.
    files
        The file.
    cell
        Å, [3, 3]; where the file holds none, or lengths and angles only.
    """

    scaled = unwrapped = False
    steps = cells = interval_ps = None

    def __init__(
        self,
        trajectory: Any,
        symbols: NDArray[np.str_],
        name: str,
        files: tuple[Path, ...] = (),
        cell: FloatArray | None = None,
    ) -> None:
        self.name, self.files, self.symbols = name, files, symbols
        self.notes: list[str] = []
        self._trajectory = trajectory
        self._cell, self._rotation = cell, np.eye(3)
        self._n_frames = len(trajectory)
        self.times_ps: NDArray[Any] | None = None
        self.schedule = _schedule(trajectory)
        formats = {trajectory.format} if isinstance(trajectory.format, str) else trajectory.format
        if _TELLS_TIME & set(formats):
            # single precision, as in the file: tells how far apart times can be told
            times = np.array([frame.time for frame in trajectory], dtype=np.float32)
            self._leave_out_unreadable(len(times))
            fine = np.ptp(times) >= 2 * np.spacing(np.abs(times).max()) * (len(times) - 1)
            if fine and getattr(trajectory, "has_time", True):
                self.times_ps = times
        ids = self._ids(0)
        self._by_id = IdOrder(ids, name) if ids is not None else None
        if cell is not None:
            self._lie_as(cell)

    def _leave_out_unreadable(self, n_readable: int) -> None:
        if not n_readable:
            raise InputError(f"{self.name}: its only frame is cut short; give a complete one")
        if n_readable < self._n_frames:
            self.notes.append(
                f"{self.name}: cut short or damaged: read up to frame {n_readable - 1}, the last "
                "complete one"
            )
        self._n_frames = n_readable

    def _ids(self, frame: int) -> IntArray | None:
        """Return the ids [atom] that LAMMPS adds to NetCDF, where atoms come in any order."""
        netcdf = getattr(self._trajectory, "trjfile", None)
        if netcdf is None or "id" not in netcdf.variables:
            return None
        return np.array(netcdf.variables["id"][frame], dtype=np.int64)

    def _lie_as(self, cell: FloatArray) -> None:
        """Turn the file's cells as this one lies, where they have lengths and angles only."""
        from ase.geometry import cell_to_cellpar

        step = self._trajectory[0]
        rotation = _orientation(cell)
        if (
            step.dimensions is None
            or "vectors" in step.data
            or np.allclose(rotation, np.eye(3), atol=1e-4)
        ):
            return
        there, here = cell_to_cellpar(cell), np.asarray(step.dimensions)
        if (np.abs(there - here) > [*_SAME_LENGTHS * here[:3], *[_SAME_ANGLES] * 3]).any():
            raise InputError(
                f"{self.name}: lengths and angles of its cell are {_words(here)}, those of "
                f"topology {_words(there)}: how its cell lies is not known; give a topology with "
                "the cell of this run"
            )
        self._rotation = rotation
        self.notes.append(
            f"{self.name}: holds lengths and angles of the cell only: its vectors point as those "
            "of topology"
        )

    def __len__(self) -> int:
        return self._n_frames

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        positions = np.empty((len(frames), len(self.symbols), 3))
        cells = np.zeros((len(frames), 3, 3))
        for row, frame in enumerate(frames):
            with reading(
                f"{self.name}: frame {frame}", "copy the file again, or cut it before this frame"
            ):
                step = self._trajectory[int(frame)]
                positions[row] = step.positions
                ids = self._ids(int(frame))
            if self._by_id is not None and ids is not None:
                positions[row] = positions[row][self._by_id(ids, int(frame))]
            if "vectors" in step.data and step.dimensions is not None:
                cells[row] = step.data["vectors"]
            elif step.dimensions is not None:
                vectors = triclinic_vectors(step.dimensions, dtype=np.float64)
                cells[row] = vectors @ self._rotation
            elif self._cell is not None:
                cells[row] = self._cell
        return positions, cells


def read_mdanalysis(
    path: Path, elements: Elements | None, topology: Path | None
) -> MDAnalysisReader:
    """Read DCD, XTC, TRR or NetCDF."""
    remedy = "is it complete, and is its extension right?"
    with reading(str(path), remedy), _quietly():
        kind = get_reader_for(str(path))
        trajectory = {XTCReader: _XTC, TRRReader: _TRR}.get(kind, kind)(str(path))
    symbols = symbols_given(elements, topology, trajectory.n_atoms, str(path))
    cell = topology_cell(topology) if topology is not None else None
    with reading(str(path), remedy), _quietly():
        reader = MDAnalysisReader(trajectory, symbols, str(path), (path,), cell)
    if path.suffix.lower() == ".dcd":
        told = _dcd_frames(path)
        if told > len(reader):
            reader.notes.append(
                f"{path}: cut short: {len(reader)} of the {told} frames that its header tells"
            )
    return reader


def read_universe(universe: Any, elements: Elements | None) -> MDAnalysisReader:
    """Take the trajectory of a universe."""
    if not isinstance(universe, MDAnalysis.Universe):
        raise InputError(
            f"universe: {type(universe).__name__}; give a MDAnalysis.Universe with a trajectory"
        )
    symbols = universe_symbols(universe, elements, "universe")
    with reading("universe", "give a MDAnalysis.Universe with a trajectory"):
        return MDAnalysisReader(universe.trajectory, symbols, "universe")


def _quietly() -> AbstractContextManager[Any]:
    # about missing times and cells, which are asked for here
    return warnings.catch_warnings(action="ignore")


def _orientation(cell: FloatArray) -> FloatArray:
    """Return what turns a cell with a along x, and b in the xy plane, to where `cell` lies."""
    q, r = np.linalg.qr(cell.T)
    return np.asarray((q * np.sign(np.diag(r))).T)


def _schedule(trajectory: Any) -> tuple[int, int] | None:
    """Return the first step, and the steps between frames, by the header of a DCD."""
    header = getattr(getattr(trajectory, "_file", None), "header", None)
    if not isinstance(header, dict) or header.get("nsavc", 0) < 1:
        return None
    return int(header["istart"]), int(header["nsavc"])


def _dcd_frames(path: Path) -> int:
    """Return the number of frames in the header; 0 in files that were not closed."""
    with path.open("rb") as file:
        header = file.read(12)
    if header[4:8] != b"CORD":
        return 0
    order = "<i4" if header[:4] == b"\x54\x00\x00\x00" else ">i4"
    return int(np.frombuffer(header[8:12], dtype=order)[0])


def _words(cellpar: FloatArray) -> str:
    return " ".join(f"{value:.4g}" for value in cellpar)
