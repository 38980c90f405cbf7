"""Formats that MDAnalysis and ASE read."""

import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.elements import Elements, checked_symbols, symbols_given
from llzo_helpers.trajectory.readers import ArrayReader

_TELLS_TIME = {"XTC", "TRR", "NCDF"}
"""Formats whose times are in ps and those of the run; in DCD this depends on who wrote it."""


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
    cell
        Å, [3, 3]; where the file holds none.
    """

    scaled = unwrapped = False
    steps = cells = None

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
        self._cell = cell
        self.times_ps: FloatArray | None = None
        formats = {trajectory.format} if isinstance(trajectory.format, str) else trajectory.format
        if _TELLS_TIME & set(formats) and len(trajectory) > 1:
            self.times_ps = np.array([frame.time for frame in trajectory])

    def __len__(self) -> int:
        return len(self._trajectory)

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        from MDAnalysis.lib.mdamath import triclinic_vectors

        positions = np.empty((len(frames), len(self.symbols), 3))
        cells = np.zeros((len(frames), 3, 3))
        for row, frame in enumerate(frames):
            try:
                step = self._trajectory[int(frame)]
            except (OSError, ValueError, EOFError) as error:
                raise InputError(
                    f"{self.name}: frame {frame}: cannot be read ({_line(error)}); copy the file "
                    "again, or cut it before this frame"
                ) from None
            positions[row] = step.positions
            if step.dimensions is not None:
                cells[row] = triclinic_vectors(step.dimensions, dtype=np.float64)
            elif self._cell is not None:
                cells[row] = self._cell
        return positions, cells


def read_mdanalysis(
    path: Path, elements: Elements | None, topology: Path | None
) -> MDAnalysisReader:
    """Read DCD, XTC, TRR, NetCDF or anything else that MDAnalysis recognises as a trajectory."""
    # imported here: it is slow, and our own runs do without
    import MDAnalysis
    from MDAnalysis.coordinates.core import get_reader_for

    try:
        with warnings.catch_warnings():
            # about missing times and cells, which are asked for here
            warnings.simplefilter("ignore")
            reader = get_reader_for(str(path))
            n_atoms = reader.parse_n_atoms(str(path))
            trajectory = MDAnalysis.Universe.empty(n_atoms, trajectory=False)
            trajectory = trajectory.load_new(str(path)).trajectory
    except (OSError, ValueError, TypeError, EOFError, IndexError, RuntimeError) as error:
        raise InputError(
            f"{path}: cannot be read ({_line(error)}); is it complete, and is its extension right?"
        ) from None
    symbols = symbols_given(elements, topology, n_atoms, str(path))
    return MDAnalysisReader(trajectory, symbols, str(path), (path,), _cell_of(topology))


def _cell_of(topology: Path | None) -> FloatArray | None:
    """Return the cell of a topology that has one."""
    if topology is None:
        return None
    from ase.io import read

    try:
        atoms = read(topology)
    except Exception:
        return None
    return atoms.cell.array if atoms.cell.rank == 3 else None


class AseTrajectoryReader:
    """ASE's own .traj; see `llzo_helpers.trajectory.readers.Reader`."""

    scaled = unwrapped = False
    steps = times_ps = cells = None

    def __init__(self, path: Path) -> None:
        from ase.io.trajectory import TrajectoryReader

        self.name, self.files = str(path), (path,)
        self.notes: list[str] = []
        try:
            self._trajectory = TrajectoryReader(str(path))
            n_frames = len(self._trajectory)
        except Exception as error:
            raise InputError(
                f"{path}: cannot be read ({_line(error)}); is it complete, and written by ASE?"
            ) from None
        if not n_frames:
            raise InputError(f"{path}: holds no frame; give a file that has some")
        self.symbols: NDArray[np.str_] = np.array(self._trajectory[0].get_chemical_symbols())

    def __len__(self) -> int:
        return len(self._trajectory)

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        taken = [self._trajectory[int(frame)] for frame in frames]
        for frame, atoms in zip(frames, taken, strict=True):
            require_same_atoms(atoms, self.symbols, f"{self.name}: frame {frame}")
        positions = np.array([atoms.positions for atoms in taken])
        return positions, np.array([atoms.cell.array for atoms in taken])


def read_ase(images: Sequence[ase.Atoms], name: str, files: tuple[Path, ...] = ()) -> ArrayReader:
    """Take a list of structures as frames."""
    if not len(images):
        raise InputError(f"{name}: holds no frame; give some")
    symbols: NDArray[np.str_] = np.array(images[0].get_chemical_symbols())
    for frame, atoms in enumerate(images):
        require_same_atoms(atoms, symbols, f"{name}: frame {frame}")
    return ArrayReader(
        np.array([atoms.positions for atoms in images]),
        np.array([atoms.cell.array for atoms in images]),
        symbols,
        name,
        files,
    )


def read_vasprun(path: Path) -> ArrayReader:
    """Read vasprun.xml, which also states the time between its frames.

    ASE keeps the whole tree of its elements; here only positions and cells are kept.
    """
    symbols: list[str] = []
    positions, cells = [], []
    settings: dict[str, str] = {}
    notes: list[str] = []
    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag == "array" and element.get("name") == "atoms":
                symbols = [(words.text or "").strip() for words in element.iterfind("set/rc/c[1]")]
            elif element.tag == "incar":
                settings = {each.get("name", ""): (each.text or "").strip() for each in element}
            elif element.tag == "calculation":
                structure = element.find("structure")
                if structure is not None:
                    positions.append(_vectors(structure, "varray"))
                    cells.append(_vectors(structure, "crystal/varray[@name='basis']"))
                element.clear()
    except ElementTree.ParseError:
        # a run that is unfinished, or was killed
        notes.append(f"{path}: its end is missing: read up to the last complete frame")
    except ValueError as error:
        raise InputError(f"{path}: frame {len(positions)}: {error}; is it a vasprun.xml?") from None
    if not symbols or not positions:
        raise InputError(f"{path}: holds no frame; give a vasprun.xml of molecular dynamics")
    reader = ArrayReader(
        np.array(positions),
        np.array(cells),
        checked_symbols(symbols, str(path)),
        str(path),
        (path,),
    )
    reader.scaled = True
    reader.notes = notes
    if settings.get("IBRION") == "0" and "POTIM" in settings:
        # every step is in it, whatever NBLOCK says of XDATCAR
        interval_ps = float(settings["POTIM"]) / 1000
        reader.times_ps = np.arange(len(reader), dtype=np.float64) * interval_ps
    return reader


def _vectors(structure: ElementTree.Element, place: str) -> list[list[float]]:
    array = structure.find(place)
    rows = [] if array is None else array.findall("v")
    return [[float(word) for word in (row.text or "").split()] for row in rows]


def read_with_ase(path: Path) -> ArrayReader:
    """Read any other ASE format that has several frames, all of them into memory."""
    from ase.io import read

    try:
        images = read(path, index=":")
    except Exception as error:
        raise InputError(
            f"{path}: unknown format, or damaged ({_line(error)}); give a LAMMPS dump, DCD, XTC, "
            "TRR, NetCDF, XDATCAR, vasprun.xml, extended XYZ or .traj"
        ) from None
    return read_ase(images, str(path), (path,))


def require_same_atoms(atoms: ase.Atoms, symbols: NDArray[np.str_], source: str) -> None:
    """Raise InputError if the atoms are not those expected, in the same order."""
    if len(atoms) != len(symbols):
        raise InputError(
            f"{source}: {len(atoms)} atoms instead of {len(symbols)}; give frames of the same atoms"
        )
    if atoms.get_chemical_symbols() != symbols.tolist():
        raise InputError(f"{source}: atoms in another order than in frame 0; keep their order")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
