"""Extended XYZ, read lazily."""

from pathlib import Path
from typing import Any

import numpy as np

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.elements import checked_symbols
from llzo_helpers.trajectory.text import TextFile, numbers


class ExtxyzReader:
    """An extended XYZ file; see `llzo_helpers.trajectory.readers.Reader`."""

    scaled = unwrapped = False
    steps = times_ps = None

    def __init__(self, path: Path) -> None:
        self.name, self.files = str(path), (path,)
        self.notes: list[str] = []
        self._text = TextFile(path)
        self._rows: list[tuple[int, int]] = []
        cells: list[FloatArray] = []
        self._properties = ""
        self._scan(cells)
        if not self._rows:
            raise InputError(f"{path}: holds no complete frame; give a file that has some")
        self.cells = np.array(cells)
        self._species, self._positions, self._n_columns = _places(self._properties, str(path))
        self._words = self._species_of(0)
        self.symbols = checked_symbols(self._words, str(path))

    def _scan(self, cells: list[FloatArray]) -> None:
        """Find where frames begin and end, and their cells."""
        lines = self._lines()
        n_atoms = -1
        for _, first in lines:
            if not first.strip():
                continue
            frame = f"{self.name}: frame {len(cells)}"
            if not first.strip().isdigit():
                raise InputError(
                    f"{frame}: {first[:30].decode(errors='replace')!r} where the number of atoms "
                    "should be; is it an extended XYZ file?"
                )
            count, (_, comment) = int(first), next(lines, (0, b""))
            if n_atoms not in (-1, count):
                raise InputError(
                    f"{frame}: {count} atoms instead of {n_atoms}; give frames of the same atoms"
                )
            n_atoms = count
            start = stop = 0
            for row in range(count):
                stop, line = next(lines, (0, b""))
                start = start if row else stop - len(line)
                if not line.endswith(b"\n"):
                    self.notes.append(f"{self.name}: its last frame is cut short: left out")
                    return
            cells.append(self._header(comment.decode(errors="replace"), frame))
            self._rows.append((start, stop))

    def _lines(self) -> Any:
        """Yield where each line ends, and the line."""
        rest, place = b"", 0
        for block in self._text.blocks():
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                place += len(line) + 1
                yield place, line + b"\n"
        if rest:
            yield place + len(rest), rest

    def _header(self, comment: str, frame: str) -> FloatArray:
        # imported here: ase.io is slow, and most formats do without
        from ase.io.extxyz import key_val_str_to_dict

        values = key_val_str_to_dict(comment)
        if "Lattice" not in values:
            raise InputError(f"{frame}: no Lattice; write extended XYZ with the cell")
        properties = str(values.get("Properties", "species:S:1:pos:R:3"))
        if self._properties not in ("", properties):
            raise InputError(
                f"{frame}: Properties differ from frame 0; give files written in the same way"
            )
        self._properties = properties
        # ASE holds the vectors as columns
        return np.array(values["Lattice"], dtype=float).reshape(3, 3).T

    def __len__(self) -> int:
        return len(self._rows)

    def _species_of(self, frame: int) -> list[str]:
        words = self._text.read(*self._rows[frame]).decode().split()
        return words[self._species :: self._n_columns]

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        positions = np.empty((len(frames), len(self.symbols), 3))
        columns = self._positions + np.arange(3)
        for row, frame in enumerate(frames):
            text = self._text.read(*self._rows[frame])
            table = numbers(text, len(self.symbols), columns, self._n_columns)
            if table is None or self._species_of(frame) != self._words:
                what = "lines are cut" if table is None else "atoms in another order than before"
                raise InputError(f"{self.name}: frame {frame}: {what}; write all frames the same")
            positions[row] = table
        return positions, self.cells[frames]


def _places(properties: str, source: str) -> tuple[int, int, int]:
    """Return the columns of species and positions, and the number of columns."""
    parts = properties.split(":")
    widths = dict(zip(parts[::3], map(int, parts[2::3]), strict=True))
    starts = dict(zip(widths, np.cumsum([0, *widths.values()]).tolist(), strict=False))
    if not {"species", "pos"} <= set(starts):
        raise InputError(f"{source}: Properties={properties}: must have species and pos")
    return starts["species"], starts["pos"], sum(widths.values())
