"""A trajectory: frames in order, unwrapped, in a constant cell, at a constant interval."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import ase
import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.arguments import checked_numbers, checked_path
from llzo_helpers.arrays import BoolArray, FloatArray
from llzo_helpers.errors import InputError, counted
from llzo_helpers.trajectory.elements import Elements, check_elements, checked_symbols
from llzo_helpers.trajectory.opening import frame_interval_ps as interval
from llzo_helpers.trajectory.opening import mean_cell, ordered_frames
from llzo_helpers.trajectory.readers import BLOCK_FRAMES, ArrayReader, ChainReader, Reader
from llzo_helpers.trajectory.unwrapping import Unwrapping

Species = str | Sequence[str] | NDArray[np.integer]
"""Atoms by element, by several elements, or by their indices."""


class AnyTrajectory:
    """The frames of a simulation by any program; nothing is read before it is asked for.

    Parameters
    ----------
    reader
        Gives the frames.
    frame_interval_ps
        Time between frames; needed where the reader does not know it.

    Attributes
    ----------
    symbols
        Chemical symbols, [atom].
    cell
        Rows are the cell vectors, Å, [3, 3]; the mean of cells that change.
    frame_interval_ps
        Time between frames.
    files
        The files that are read.
    notes
        What a user should know about how the frames were interpreted; reading adds to it.

    Raises
    ------
    InputError
        If there is no frame, no cell, or no time between frames.
    """

    _follow_on = False
    """Whether unwrapped frames are known to follow on, so that even the longest steps are real."""

    def __init__(self, reader: Reader, frame_interval_ps: float | None = None) -> None:
        self._reader = reader
        self.files: tuple[Path, ...] = reader.files
        self.notes: list[str] = list(reader.notes)
        self.symbols: NDArray[np.str_] = reader.symbols
        if not len(reader) or not len(reader.symbols):
            raise InputError(f"{reader.name}: holds no frame; give a file that has some")
        self._frames, self._selected = ordered_frames(reader), slice(None)
        if dropped := len(reader) - len(self._frames):
            self.notes.append(
                f"{reader.name}: {counted(dropped, 'frame')} repeated at a restart: left out"
            )
        self._reference: NDArray[np.intp] | None = None
        self.cell, volume_spread = mean_cell(reader, self._frames)
        self._cells_change = volume_spread is not None
        self.frame_interval_ps: float = interval(reader, self._frames, frame_interval_ps)
        if volume_spread is not None:
            self.notes.append(
                f"{reader.name}: the cell changes (its volume by {100 * volume_spread:.2g} % "
                "rms): positions are its scaled coordinates in the mean cell"
            )

    # ------------------------------------------------------------------ constructors

    @classmethod
    def read(
        cls,
        path: Path | str | Sequence[Path | str],
        *,
        frame_interval_ps: float | None = None,
        elements: Elements | None = None,
        topology: Path | str | None = None,
    ) -> Self:
        """Read a file, or several consecutive ones as one.

        LAMMPS dumps (text, also gzip), DCD, XTC, TRR, NetCDF, XDATCAR, vasprun.xml, extended XYZ,
        ASE's .traj, and formats of ASE that may hold molecular dynamics, such as OUTCAR.

        Parameters
        ----------
        path
            The file, or the pieces of a run in order.
        frame_interval_ps
            Time between frames, where the file does not state it.
        elements
            Symbols by atom type, such as {1: "Na", 2: "Cl"}, or one per atom.
        topology
            A file with the same atoms in the same order, for formats that hold positions only.

        Raises
        ------
        InputError
            If a file cannot be read, or lacks something that must be known.
        """
        # imported here: readers load numba and ASE's formats, and our own runs do without
        from llzo_helpers.trajectory.formats import open_reader

        several = path if isinstance(path, Iterable) and not isinstance(path, str) else [path]
        paths = [checked_path("path", each) for each in several]
        if not paths:
            raise InputError("path: no file; give one or several")
        known = checked_path("topology", topology) if topology is not None else None
        check_elements(elements)
        readers = [open_reader(each, elements, known) for each in paths]
        return cls._of(readers[0] if len(readers) == 1 else ChainReader(readers), frame_interval_ps)

    @classmethod
    def from_ase(cls, images: Iterable[ase.Atoms], *, frame_interval_ps: float) -> Self:
        """Take structures, one per frame."""
        from llzo_helpers.trajectory.ase_files import read_ase

        return cls._of(read_ase(images, "list of Atoms"), frame_interval_ps)

    @classmethod
    def from_mdanalysis(
        cls,
        universe: Any,
        *,
        frame_interval_ps: float | None = None,
        elements: Elements | None = None,
    ) -> Self:
        """Take the trajectory of a `MDAnalysis.Universe`.

        Parameters
        ----------
        universe
            With elements or masses, or with types and `elements`.
        frame_interval_ps
            Time between frames; needed except for XTC, TRR and NetCDF.
        elements
            Symbols by atom type, or one per atom.
        """
        from llzo_helpers.trajectory.mdanalysis import read_universe

        check_elements(elements)
        return cls._of(read_universe(universe, elements), frame_interval_ps)

    @classmethod
    def from_arrays(
        cls,
        positions: ArrayLike,
        symbols: Sequence[str],
        cell: ArrayLike,
        *,
        frame_interval_ps: float,
    ) -> Self:
        """Take arrays.

        Parameters
        ----------
        positions
            Å, [frame, atom, axis], wrapped or not.
        symbols
            Chemical symbols, [atom].
        cell
            Rows are the cell vectors, Å, [3, 3] or, where it changes, [frame, 3, 3].
        frame_interval_ps
            Time between frames.
        """
        array = checked_numbers("positions", positions).astype(np.float64)
        cells = checked_numbers("cell", cell).astype(np.float64)
        known = checked_symbols(symbols, "symbols")
        if array.ndim != 3 or array.shape[2] != 3 or array.shape[1] != len(known):
            raise InputError(
                f"positions: shape {array.shape}; give [frame, atom, axis] for {len(known)} atoms"
            )
        if cells.shape not in ((3, 3), (len(array), 3, 3)):
            raise InputError(f"cell: shape {cells.shape}; give [3, 3] or [frame, 3, 3], Å")
        reader = ArrayReader(array, np.broadcast_to(cells, (len(array), 3, 3)), known)
        return cls._of(reader, frame_interval_ps)

    @classmethod
    def _of(cls, reader: Reader, frame_interval_ps: float | None) -> Self:
        return cls(reader, frame_interval_ps)

    # ------------------------------------------------------------------ what it holds

    def __len__(self) -> int:
        return len(range(len(self._frames))[self._selected])

    def __getitem__(self, frames: slice) -> Self:
        """Return a part of the frames: `trajectory[100:]`, `trajectory[::10]`."""
        if not isinstance(frames, slice):
            raise InputError(f"frames {frames!r}: give a slice, such as [100:] or [::10]")
        chosen = range(len(self._frames))[self._selected][frames]
        if chosen.step < 1 or not len(chosen):
            raise InputError(
                f"frames {frames}: must be an increasing selection of the {len(self)} frames"
            )
        part = copy.copy(self)
        part._selected = slice(chosen.start, chosen.stop, chosen.step)
        before = range(len(self._frames))[self._selected].step
        part.frame_interval_ps = self.frame_interval_ps * chosen.step / before
        return part

    @property
    def times_ps(self) -> FloatArray:
        """Times of the frames, [frame]; from the first frame on if the file states none."""
        start = 0.0
        chosen = range(len(self._frames))[self._selected]
        if self._reader.times_ps is not None:
            start = float(self._reader.times_ps[self._frames[chosen.start]])
        else:
            start = self.frame_interval_ps / chosen.step * chosen.start
        return np.asarray(start + self.frame_interval_ps * np.arange(len(self)), dtype=np.float64)

    def atoms(self, *symbols: str) -> NDArray[np.intp]:
        """Return the indices of the atoms of the elements `symbols`."""
        return np.flatnonzero(np.isin(self.symbols, symbols))

    def structure(self, frame: int = 0) -> ase.Atoms:
        """Return one frame as a structure, atoms in the cell."""
        positions = next(self[range(len(self))[frame] :].chunks(1))[0]
        structure = ase.Atoms(self.symbols, positions=positions, cell=self.cell, pbc=True)
        structure.wrap()
        return structure

    def chunks(
        self, frames: int = 1000, *, atoms: NDArray[np.intp] | None = None
    ) -> Iterator[NDArray[Any]]:
        """Go through the frames in pieces.

        Parameters
        ----------
        frames
            Largest number of frames in a piece.
        atoms
            Indices of the atoms to keep; all by default.

        Yields
        ------
        ndarray
            Unwrapped positions, Å, [frame, atom, axis].

        Raises
        ------
        InputError
            If a position is not a number, or an atom moves too far between two frames to follow it.
        """
        chosen = range(len(self._frames))[self._selected]
        blocks = (
            self._unwrapped(chosen, atoms)
            if self._reference is None
            else self._without_drift(chosen, atoms, self._reference)
        )
        pending: list[FloatArray] = []
        for positions in blocks:
            pending.append(positions)
            while sum(map(len, pending)) >= frames:
                joined = np.concatenate(pending) if len(pending) > 1 else pending[0]
                yield joined[:frames]
                pending = [joined[frames:]] if len(joined) > frames else []
        if pending:
            yield np.concatenate(pending)

    def _unwrapped(self, chosen: range, atoms: NDArray[np.intp] | None) -> Iterator[FloatArray]:
        """Yield unwrapped positions of the chosen frames, a block at a time."""
        reader = self._reader
        # where the file says that positions are unwrapped, frames between can be left out
        stride = chosen.step if reader.unwrapped else 1
        read = self._frames[chosen.start : chosen.stop : stride]
        check = stride == 1 and not self._follow_on
        unwrap = Unwrapping(reader.name, nearest_image=not reader.unwrapped, check=check)
        inverse = np.linalg.inv(self.cell)
        keep = chosen.step // stride
        for start in range(0, len(read), BLOCK_FRAMES):
            positions, cells = reader.read(read[start : start + BLOCK_FRAMES])
            if atoms is not None:
                positions = positions[:, atoms]
            if reader.scaled:
                scaled = positions
            elif self._cells_change:
                scaled = positions @ np.linalg.inv(cells)
            else:
                scaled = positions @ inverse
            images = unwrap(scaled, chosen.start + stride * start)
            if reader.scaled or self._cells_change:
                positions = (scaled + images) @ self.cell if images is not None else (
                    scaled @ self.cell)  # fmt: skip
            elif images is not None:
                positions = positions + images @ self.cell
            if unwrap.crossings and not any("nearest image" in note for note in self.notes):
                self.notes.append(
                    f"{reader.name}: positions are wrapped into the cell: unwrapped by the nearest "
                    "image from frame to frame"
                )
            yield positions[-start % keep :: keep] if keep > 1 else positions

    def _without_drift(
        self, chosen: range, atoms: NDArray[np.intp] | None, reference: NDArray[np.intp]
    ) -> Iterator[FloatArray]:
        """Yield the same, minus the displacement of the reference since the first of the frames."""
        weights = self._mass_fractions(reference)
        origin: FloatArray | None = None
        for positions in self._unwrapped(chosen, None):
            centre = np.einsum("fac,a->fc", positions[:, reference], weights)
            origin = centre[0].copy() if origin is None else origin
            kept = positions if atoms is None else positions[:, atoms]
            yield kept - (centre - origin)[:, None]

    def without_drift(self, mobile: Species, reference: Species | None = None) -> Self:
        """Return the same trajectory minus the displacement of the framework, for site analyses.

        Parameters
        ----------
        mobile, reference
            As in `relative_to_framework`.
        """
        is_reference = (
            ~self.mask(mobile) if reference is None else self.mask(reference, "reference")
        )
        still = copy.copy(self)
        still._reference = np.flatnonzero(is_reference)
        return still

    def positions(self, atoms: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Return the unwrapped positions of all frames, Å, [frame, atom, axis]."""
        n_atoms = len(self.symbols) if atoms is None else len(atoms)
        positions: NDArray[Any] = np.empty((0, n_atoms, 3))
        begin = 0
        for chunk in self.chunks(atoms=atoms):
            if not begin:
                positions = np.empty((len(self), n_atoms, 3), dtype=chunk.dtype)
            positions[begin : begin + len(chunk)] = chunk
            begin += len(chunk)
        return positions

    def thinned(self, at_most: int) -> NDArray[Any]:
        """Return the frames of `thinned_indices`, Å, [frame, atom, axis]."""
        wanted = self.thinned_indices(at_most)
        begin, kept = 0, []
        for chunk in self.chunks():
            kept.append(chunk[wanted[(wanted >= begin) & (wanted < begin + len(chunk))] - begin])
            begin += len(chunk)
        return np.concatenate(kept)

    def thinned_indices(self, at_most: int) -> NDArray[np.intp]:
        """Return the indices of evenly spaced frames, from the first to the last, [frame]."""
        return np.unique(np.linspace(0, len(self) - 1, at_most).round().astype(np.intp))

    def _mass_fractions(self, atoms: NDArray[np.intp]) -> FloatArray:
        masses = ase.Atoms(self.symbols[atoms]).get_masses()
        return np.asarray(masses / masses.sum())

    def mask(self, species: Species, name: str = "mobile") -> BoolArray:
        """Return which atoms are selected, [atom].

        Parameters
        ----------
        species
            An element, several, or indices of atoms.
        name
            Its name in messages.

        Raises
        ------
        InputError
            If there is no such atom, or no other atom.
        """
        mask = np.zeros(len(self.symbols), dtype=bool)
        try:
            chosen = np.asarray([species] if isinstance(species, str) else species)
        except ValueError:
            # lists of different lengths
            chosen = np.empty(())
        found = False
        if chosen.ndim == 1 and chosen.dtype.kind in "UO":
            wanted = chosen.astype(str)
            found = bool(np.isin(wanted, self.symbols).all())
            mask[self.atoms(*wanted)] = True
        elif chosen.ndim == 1 and chosen.dtype.kind in "iu":
            found = 0 <= chosen.min(initial=0) <= chosen.max(initial=0) < len(mask)
            if found:
                mask[chosen] = True
        if not found or not 0 < mask.sum() < len(mask):
            present = ", ".join(sorted(set(self.symbols.tolist())))
            raise InputError(
                f"{name} = {species!r}: must be some, not all, of the atoms: {present}"
            )
        return mask

    def relative_to_framework(
        self, mobile: Species, reference: Species | None = None
    ) -> FloatArray:
        """Return positions of the mobile ions minus the displacement of the framework.

        Parameters
        ----------
        mobile
            The ions: an element, several, or indices of atoms.
        reference
            The atoms whose centre of mass is the framework's; all that are not mobile by default.

        Returns
        -------
        ndarray
            Å, [frame, ion, axis].

        Raises
        ------
        InputError
            If there is no such ion, or no other atom.
        """
        is_mobile = self.mask(mobile)
        is_reference = ~is_mobile if reference is None else self.mask(reference, "reference")
        ions = np.flatnonzero(is_mobile)
        # of all atoms, so that none need be selected
        weights = np.zeros(len(self.symbols))
        weights[is_reference] = self._mass_fractions(np.flatnonzero(is_reference))
        positions = np.empty((len(self), len(ions), 3))
        begin, origin = 0, np.zeros(3)
        # in one pass: reading takes most of the time
        for chunk in self.chunks(BLOCK_FRAMES):
            centre = weights @ chunk
            if not begin:
                origin = centre[0].copy()
            part = positions[begin : begin + len(chunk)]
            np.subtract(chunk[:, ions], (centre - origin)[:, None], out=part)
            begin += len(chunk)
        return positions
