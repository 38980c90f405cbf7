"""Structures as ASE holds them: in memory, in .traj, and in the formats that it reads."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ase
import numpy as np
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.elements import symbols_of_masses
from llzo_helpers.trajectory.guard import FRAMES, ase_format, reading
from llzo_helpers.trajectory.readers import ArrayReader, require_periodic


class AseTrajectoryReader:
    """ASE's own .traj; see `llzo_helpers.trajectory.readers.Reader`."""

    scaled = unwrapped = False
    steps = times_ps = interval_ps = schedule = cells = None

    def __init__(self, path: Path) -> None:
        from ase.io.trajectory import TrajectoryReader

        self.name, self.files = str(path), (path,)
        self.notes: list[str] = []
        with reading(str(path), "is it complete, and written by ASE?"):
            self._trajectory = TrajectoryReader(str(path))
            n_frames = len(self._trajectory)
        if not n_frames:
            raise InputError(f"{path}: holds no frame; give a file that has some")
        self.symbols: NDArray[np.str_] = np.array(self._image(0).get_chemical_symbols())

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process open the file itself."""
        return type(self), self.files

    def __len__(self) -> int:
        return len(self._trajectory)

    def _image(self, frame: int) -> ase.Atoms:
        with reading(f"{self.name}: frame {frame}", "is the file complete? Copy it again"):
            return self._trajectory[frame]

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        taken = [self._image(int(frame)) for frame in frames]
        for frame, atoms in zip(frames, taken, strict=True):
            _require_like(atoms, self.symbols, f"{self.name}: frame {frame}")
        positions = np.array([atoms.positions for atoms in taken])
        return positions, np.array([atoms.cell.array for atoms in taken])


def read_ase(images: Iterable[ase.Atoms], name: str, files: tuple[Path, ...] = ()) -> ArrayReader:
    """Take structures as frames."""
    # one structure can be gone through, too: atom by atom
    frames = list(images) if isinstance(images, Iterable) else [images]
    for frame, atoms in enumerate(frames):
        if not isinstance(atoms, ase.Atoms):
            raise InputError(
                f"{name}: frame {frame}: {type(atoms).__name__} instead of Atoms; give a list of "
                "ase.Atoms, one per frame"
            )
    if not frames:
        raise InputError(f"{name}: holds no frame; give some")
    symbols: NDArray[np.str_] = np.array(frames[0].get_chemical_symbols())
    for frame, atoms in enumerate(frames):
        _require_like(atoms, symbols, f"{name}: frame {frame}")
    return ArrayReader(
        np.array([atoms.positions for atoms in frames]),
        np.array([atoms.cell.array for atoms in frames]),
        symbols,
        name,
        files,
    )


def read_with_ase(path: Path) -> ArrayReader:
    """Read another of ASE's formats that have several frames, all of them into memory."""
    from ase.io import read

    kind = ase_format(path, FRAMES)
    if kind is None:
        raise InputError(
            f"{path}: unknown format; give a LAMMPS dump, DCD, XTC, TRR, NetCDF, XDATCAR, "
            "vasprun.xml, extended XYZ, .traj, or another file that docs/your_data.md names"
        )
    with reading(str(path), f"is it complete, and {kind}, as ASE calls it?"):
        images = read(path, index=":", format=kind)
    if kind == "dlp-history":
        # ASE takes elements from the names of atoms, where OS may be oxygen or osmium
        for atoms in images:
            atoms.set_chemical_symbols(symbols_of_masses(atoms.get_masses(), str(path)))
    return read_ase(images, str(path), (path,))


def _require_like(atoms: ase.Atoms, symbols: NDArray[np.str_], source: str) -> None:
    """Raise InputError if the atoms are not those expected, in the same order, in a crystal."""
    if len(atoms) != len(symbols):
        raise InputError(
            f"{source}: {len(atoms)} atoms instead of {len(symbols)}; give frames of the same atoms"
        )
    if atoms.get_chemical_symbols() != symbols.tolist():
        raise InputError(f"{source}: atoms in another order than in frame 0; keep their order")
    if atoms.cell.rank == 3:
        require_periodic(atoms.pbc, source, "pbc")
