"""The frames that a run wrote, read lazily over all its segments."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase
import numpy as np
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError
from llzo_helpers.files import read_json
from llzo_helpers.md.dcd import dcd_bytes
from llzo_helpers.md.folder import completed_segments, read_start


class Trajectory:
    """The frames of one stage of a run; nothing is read before it is asked for.

    Parameters
    ----------
    directory
        A run's folder, see `llzo_helpers.md`. A run that is still going on shows its completed
        segments.
    stage
        Name of the stage. "jumps" is the run after production with frames close together; where
        there is none, it means production.

    Attributes
    ----------
    symbols
        Chemical symbols, [atom].
    cell
        Rows are the cell vectors, Å, [3, 3].
    frame_interval_ps
        Time between frames.

    Raises
    ------
    InputError
        If there are no frames yet, or a file is missing or cut short.
    """

    def __init__(self, directory: Path | str, stage: str = "production") -> None:
        directory = Path(directory)
        self.directory = directory
        records = completed_segments(directory)
        if stage == "jumps" and not any(record["stage"] == "jumps" for record in records):
            stage = "production"
        records = [record for record in records if record["stage"] == stage and record["n_frames"]]
        if not records:
            raise InputError(f"{directory}: no {stage} frames yet; run notebook 02 first")
        timestep_fs = read_json(directory / "run.json")["inputs"]["timestep_fs"]
        self.frame_interval_ps: float = records[0]["frame_steps"] * timestep_fs / 1000
        start = read_start(directory)
        self.symbols: NDArray[np.str_] = np.array(start.get_chemical_symbols())
        self.cell: FloatArray = start.cell.array
        segments = [
            (directory / f"segment_{segment['index']:04d}" / "frames.dcd", segment["n_frames"])
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
        self._files = [path for path, _ in segments]
        self._first = np.cumsum([0, *(n_frames for _, n_frames in segments)])

    def __len__(self) -> int:
        return int(self._first[-1])

    @property
    def times_ps(self) -> NDArray[np.floating[Any]]:
        """Times of the frames since the beginning of their stage, [frame]."""
        return self.frame_interval_ps * np.arange(1, len(self) + 1)

    def atoms(self, *symbols: str) -> NDArray[np.intp]:
        """Return the indices of the atoms of the elements `symbols`."""
        return np.flatnonzero(np.isin(self.symbols, symbols))

    def chunks(
        self, frames: int = 1000, *, atoms: NDArray[np.intp] | None = None
    ) -> Iterator[NDArray[np.float32]]:
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
            Unwrapped positions, Å, [frame, atom, axis], single precision as written.
        """
        # here, because it is slow and a run that only writes frames does without
        from MDAnalysis.lib.formats.libdcd import DCDFile

        for path, n_frames in zip(self._files, np.diff(self._first), strict=True):
            for begin in range(0, n_frames, frames):
                with DCDFile(str(path)) as file:
                    yield file.readframes(
                        begin, min(begin + frames, n_frames), 1, order="fac", indices=atoms
                    ).xyz

    def positions(self, atoms: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
        """Return the unwrapped positions of all frames, Å, [frame, atom, axis]."""
        n_atoms = len(self.symbols) if atoms is None else len(atoms)
        positions = np.empty((len(self), n_atoms, 3), dtype=np.float32)
        begin = 0
        for chunk in self.chunks(atoms=atoms):
            positions[begin : begin + len(chunk)] = chunk
            begin += len(chunk)
        return positions

    def thinned_indices(self, at_most: int) -> NDArray[np.intp]:
        """Return the indices of evenly spaced frames, from the first to the last, [frame]."""
        return np.unique(np.linspace(0, len(self) - 1, at_most).round().astype(np.intp))

    def thinned(self, at_most: int) -> NDArray[np.float32]:
        """Return the frames of `thinned_indices`, Å, [frame, atom, axis]."""
        wanted = self.thinned_indices(at_most)
        begin, kept = 0, []
        for chunk in self.chunks():
            inside = wanted[(wanted >= begin) & (wanted < begin + len(chunk))]
            kept.append(chunk[inside - begin])
            begin += len(chunk)
        return np.concatenate(kept)

    def centre_of_mass(self, atoms: NDArray[np.intp]) -> FloatArray:
        """Return the centre of mass of some atoms, Å, [frame, axis]."""
        masses = ase.Atoms(self.symbols[atoms]).get_masses()
        weights = masses / masses.sum()
        return np.concatenate(
            [np.einsum("fac,a->fc", chunk, weights) for chunk in self.chunks(atoms=atoms)]
        )

    def relative_to_framework(self, mobile: str = "Li") -> FloatArray:
        """Return positions of the mobile ions less the displacement of all others.

        Parameters
        ----------
        mobile
            Element of the ions; the centre of mass of all other atoms is the reference.

        Returns
        -------
        ndarray
            Å, [frame, ion, axis].

        Raises
        ------
        InputError
            If there is no such ion, or nothing else.
        """
        ions = self.atoms(mobile)
        if not 0 < len(ions) < len(self.symbols):
            present = ", ".join(sorted(set(self.symbols.tolist())))
            raise InputError(f"mobile = {mobile!r}: must be one of several elements: {present}")
        centre = self.centre_of_mass(np.flatnonzero(self.symbols != mobile))
        positions = self.positions(ions).astype(np.float64)
        positions -= (centre - centre[0])[:, np.newaxis]
        return positions
