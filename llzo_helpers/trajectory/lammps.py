"""LAMMPS text dumps: any order of atoms and columns, with or without image flags."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError, counted
from llzo_helpers.trajectory.elements import (
    Elements,
    checked_symbols,
    symbols_given,
    symbols_of_masses,
    symbols_of_types,
)
from llzo_helpers.trajectory.readers import IdOrder, require_periodic
from llzo_helpers.trajectory.text import TextFile, numbers

MARK = b"ITEM: TIMESTEP"
_SUSPICIOUSLY_SHORT = 0.98
"""Frames shorter than this fraction of the usual length are checked for missing lines."""

_COMPARED_FRAMES = 10

# names of the columns of positions, whether they are scaled, and whether unwrapped; best first
_KINDS = (
    (("xu", "yu", "zu"), False, True),
    (("xsu", "ysu", "zsu"), True, True),
    (("x", "y", "z"), False, False),
    (("xs", "ys", "zs"), True, False),
)
_PS = {"metal": 1.0, "real": 1e-3}
"""Time units with lengths in Å."""


class DumpReader:
    """A LAMMPS text dump; see `llzo_helpers.trajectory.readers.Reader`.

    Parameters
    ----------
    path
        The file, compressed by gzip or not.
    elements, topology
        For a dump without the columns `element` or `mass`.
    """

    interval_ps = schedule = None

    def __init__(self, path: Path, elements: Elements | None, topology: Path | None) -> None:
        self.name, self.files = str(path), (path,)
        self.notes: list[str] = []
        self._text = TextFile(path)
        places: list[tuple[int, int]] = []
        steps, cells, times = [], [], []
        self._columns: list[str] = []
        n_atoms = 0
        for place, before, head in self._text.marks(MARK):
            header = _Header.read(before, head, f"{path}: frame {len(places)}")
            if header is None:
                # the file ends inside this header
                continue
            if not places:
                n_atoms, self._columns, units = header.n_atoms, header.columns, header.units
                if units not in (None, *_PS):
                    raise InputError(f"{path}: units {units}: lengths are not in Å; convert it")
            if header.n_atoms != n_atoms:
                raise InputError(
                    f"{path}: frame {len(places)}: {header.n_atoms} atoms instead of {n_atoms}; "
                    "give frames of the same atoms"
                )
            if header.columns != self._columns:
                raise InputError(
                    f"{path}: frame {len(places)}: columns {' '.join(header.columns)} instead of "
                    f"{' '.join(self._columns)}; give files written in the same way"
                )
            places.append((place, place + header.length))
            steps.append(header.step)
            cells.append((header.origin, header.cell))
            times.append(header.time)
        if not places:
            raise InputError(f"{path}: holds no frame; give a dump that has some")
        marks = np.array([place for place, _ in places] + [self._text.size])
        self._rows = np.array([rows for _, rows in places])
        self._end = marks[1:]
        self._n_atoms = n_atoms
        self._origins = np.array([origin for origin, _ in cells])
        self._frames = self._whole_frames(marks)
        self.cells: FloatArray = np.array([cell for _, cell in cells])[self._frames]
        self.steps: IntArray = np.array(steps)[self._frames]
        known = units is not None and None not in times
        self.times_ps = (
            np.array(times, dtype=float)[self._frames] * _PS[units] if known and units else None
        )
        self._choose_columns()
        self.symbols = self._symbols(elements, topology)
        self._require_the_same_atoms()

    def __len__(self) -> int:
        return len(self._frames)

    def _whole_frames(self, marks: IntArray) -> IntArray:
        """Return the frames without those cut short, which a killed run leaves behind."""
        lengths = np.diff(marks)
        suspicious = lengths < _SUSPICIOUSLY_SHORT * np.median(lengths)
        suspicious[-1] = True
        cut = [
            number
            for number in np.flatnonzero(suspicious)
            if self._columns_of(number, np.arange(0)) is None
        ]
        if cut:
            self.notes.append(
                f"{self.name}: frame {', '.join(map(str, cut))} of the file is cut short: left out"
            )
        if len(cut) == len(lengths):
            raise InputError(f"{self.name}: its only frame is cut short; give a complete one")
        return np.setdiff1d(np.arange(len(lengths)), cut)

    def _choose_columns(self) -> None:
        columns = self._columns
        kinds = [kind for kind in _KINDS if set(kind[0]) <= set(columns)]
        if not kinds:
            raise InputError(
                f"{self.name}: columns {' '.join(columns)}: no positions; write x y z, xu yu zu, "
                "xs ys zs or xsu ysu zsu"
            )
        names, scaled, unwrapped = kinds[0]
        images = ["ix", "iy", "iz"]
        self._with_images = not unwrapped and set(images) <= set(columns)
        self.scaled, self.unwrapped = scaled, unwrapped or self._with_images
        wanted = [*names, *(images if self._with_images else []), *(["id"] * ("id" in columns))]
        self._wanted = np.array([columns.index(name) for name in wanted])
        if "id" not in columns:
            self.notes.append(f"{self.name}: no column id: atoms are assumed to keep their order")
        if self._with_images:
            self.notes.append(f"{self.name}: positions unwrapped by their image flags ix iy iz")
        self._by_id = IdOrder(self._table(0)[:, -1], self.name) if "id" in columns else None

    def _table(self, frame: int, columns: IntArray | None = None) -> FloatArray:
        """Return columns [atom, column] of a frame, rows in the order of the file."""
        number = self._frames[frame]
        table = self._columns_of(number, self._wanted if columns is None else columns)
        if table is None:
            raise InputError(
                f"{self.name}: frame {number}: lines are missing or cut; delete it from the file"
            )
        return table

    def _columns_of(self, number: int, columns: IntArray) -> FloatArray | None:
        """Return columns of a frame of the file; None if it is not whole."""
        text = self._text.read(self._rows[number], self._end[number])
        return numbers(text, self._n_atoms, columns, len(self._columns))

    def _symbols(self, elements: Elements | None, topology: Path | None) -> NDArray[np.str_]:
        order = self._by_id(self._table(0)[:, -1], 0) if self._by_id is not None else slice(None)
        if elements is not None and topology is not None:
            raise InputError(f"{self.name}: elements and topology are given; give one of them")
        if isinstance(elements, Mapping) and "type" in self._columns:
            return symbols_of_types(self._words("type")[order], elements, self.name)
        if elements is not None or topology is not None:
            return symbols_given(elements, topology, self._n_atoms, self.name)
        if "element" in self._columns:
            return checked_symbols(self._words("element")[order].tolist(), self.name)
        if "mass" in self._columns:
            mass = self._table(0, np.array([self._columns.index("mass")]))
            return symbols_of_masses(mass[:, 0][order], self.name)
        raise InputError(
            f"{self.name}: holds no elements; give elements by type, as {{1: 'Na'}}, or topology"
        )

    def _require_the_same_atoms(self) -> None:
        """Raise InputError if atoms are of other types in later frames; a few frames tell."""
        column = next((name for name in ("type", "element") if name in self._columns), None)
        if column is None:
            return
        first = None
        for frame in np.unique(np.linspace(0, len(self) - 1, _COMPARED_FRAMES).astype(int)):
            words = self._words(column, frame)
            if self._by_id is not None:
                words = words[self._by_id(self._table(frame)[:, -1], self._frames[frame])]
            first = words if first is None else first
            if len(changed := np.flatnonzero(words != first)):
                raise InputError(
                    f"{self.name}: frame {self._frames[frame]}: another {column} than in the first "
                    f"frame for {counted(len(changed), 'atom')}; give frames of the same atoms"
                )

    def _words(self, column: str, frame: int = 0) -> NDArray[np.str_]:
        """Return a column of a frame as text, rows in the order of the file."""
        number = self._frames[frame]
        text = self._text.read(self._rows[number], self._end[number]).decode()
        words = text.split()[: self._n_atoms * len(self._columns)]
        return np.array(words[self._columns.index(column) :: len(self._columns)])

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        positions = np.empty((len(frames), self._n_atoms, 3))
        cells = self.cells[frames]
        for row, frame in enumerate(frames):
            table = self._table(frame)
            if self._by_id is not None:
                table = table[self._by_id(table[:, -1], self._frames[frame])]
            positions[row] = table[:, :3]
            if not self.scaled:
                positions[row] -= self._origins[self._frames[frame]]
            if self._with_images:
                images = table[:, 3:6]
                positions[row] += images if self.scaled else images @ cells[row]
        return positions, cells


class _Header:
    """What precedes the atoms of a frame."""

    step: int
    time: float | None
    units: str | None
    n_atoms: int
    origin: FloatArray
    cell: FloatArray
    columns: list[str]
    length: int

    @classmethod
    def read(cls, before: bytes, head: bytes, source: str) -> "_Header | None":
        """Return the header, from what stands before its mark and after; None if incomplete."""
        body = head.find(b"ITEM: ATOMS")
        end = head.find(b"\n", body)
        if body < 0 or end < 0:
            if len(head) >= 1024:
                raise InputError(
                    f"{source}: no 'ITEM: ATOMS' after 'ITEM: TIMESTEP'; is it a dump?"
                )
            return None
        above, lines = _lines(before), _lines(head[:end])
        time = above[-1] if above[-2:-1] == ["ITEM: TIME"] else None
        header = cls()
        try:
            header.units = _after("ITEM: UNITS", above)
            header.time = float(time) if time is not None else None
            header.step = int(lines[1])
            header.n_atoms = int(lines[lines.index("ITEM: NUMBER OF ATOMS") + 1])
            box = next(i for i, line in enumerate(lines) if line.startswith("ITEM: BOX BOUNDS"))
            bounds = np.array([line.split() for line in lines[box + 1 : box + 4]], dtype=float)
            if ("xy" in lines[box].split()) != (bounds.shape == (3, 3)):
                raise ValueError("tilts are announced and missing, or the other way round")
            header.origin, header.cell = _box(bounds)
            if not np.linalg.det(header.cell) > 0:
                raise ValueError("an upper bound is not above the lower one")
        except (ValueError, StopIteration, IndexError):
            shown = [*(above[-2:] if time is not None else []), *lines[:5]]
            raise InputError(
                f"{source}: its header is not that of a dump: {' | '.join(shown)[:100]}"
            ) from None
        # such as pp pp ss; old dumps do not say
        kinds = [word for word in lines[box].split() if re.fullmatch("[pfsm]{2}", word)]
        require_periodic([kind == "pp" for kind in kinds], source, " ".join(kinds))
        header.columns = lines[-1].split()[2:]
        header.length = end + 1
        return header


def _box(bounds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return origin and cell from the three lines of the box: orthogonal, triclinic or general."""
    if bounds.shape == (3, 4):
        return bounds[:, 3], bounds[:, :3]
    low, high = bounds[:, 0], bounds[:, 1]
    if bounds.shape == (3, 2):
        return low, np.diag(high - low)
    xy, xz, yz = bounds[:, 2]
    # the bounds are those of the box around the tilted cell
    low = low - [min(0, xy, xz, xy + xz), min(0, yz), 0]
    high = high - [max(0, xy, xz, xy + xz), max(0, yz), 0]
    cell = np.diag(high - low)
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    return low, cell


def _lines(text: bytes) -> list[str]:
    return [line.rstrip() for line in text.decode(errors="replace").splitlines()]


def _after(title: str, lines: list[str]) -> str | None:
    return lines[lines.index(title) + 1] if title in lines else None
