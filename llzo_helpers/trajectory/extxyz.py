"""Extended XYZ, read lazily."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.elements import checked_symbols
from llzo_helpers.trajectory.guard import reading
from llzo_helpers.trajectory.readers import IdOrder, require_periodic
from llzo_helpers.trajectory.text import TextFile, numbers


class ExtxyzReader:
    """An extended XYZ file; see `llzo_helpers.trajectory.readers.Reader`."""

    scaled = unwrapped = False
    steps = times_ps = interval_ps = schedule = None

    def __init__(self, path: Path) -> None:
        self.name, self.files = str(path), (path,)
        self.notes: list[str] = []
        self._text = TextFile(path)
        self._n_atoms = 0
        self._rows: list[tuple[int, int]] = []
        cells: list[FloatArray] = []
        self._properties = ""
        self._scan(cells)
        if not self._rows:
            raise InputError(f"{path}: holds no complete frame; give a file that has some")
        self._columns, self._n_columns = _places(self._properties, str(path))
        if len(cells) > 1 and self._read_table(len(cells) - 1) is None:
            self._leave_out_last()
            del self._rows[-1], cells[-1]
        self.cells = np.array(cells)
        self._by_id = IdOrder(self._table(0)[:, 3], self.name) if "id" in self._columns else None
        self._words = self._species(0, self._rows_by_id(self._table(0), 0))
        self.symbols = checked_symbols(self._words.tolist(), str(path))

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
            n_atoms = self._n_atoms = count
            start = stop = 0
            for row in range(count):
                stop, line = next(lines, (0, b""))
                start = start if row else stop - len(line)
                if not line.endswith(b"\n"):
                    self._leave_out_last()
                    return
            cells.append(self._header(comment.decode(errors="replace"), frame))
            self._rows.append((start, stop))

    def _leave_out_last(self) -> None:
        self.notes.append(f"{self.name}: its last frame is cut short: left out")

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

        with reading(frame, "is its second line that of extended XYZ?"):
            values = key_val_str_to_dict(comment)
        if "Lattice" not in values:
            raise InputError(f"{frame}: no Lattice; write extended XYZ with the cell")
        require_periodic(values.get("pbc", True), frame, f"pbc {values.get('pbc')}")
        properties = str(values.get("Properties", "species:S:1:pos:R:3"))
        if self._properties not in ("", properties):
            raise InputError(
                f"{frame}: Properties differ from frame 0; give files written in the same way"
            )
        self._properties = properties
        # ASE has refused all but nine numbers, and holds the vectors as columns
        return np.array(values["Lattice"], dtype=float).T

    def __len__(self) -> int:
        return len(self._rows)

    def _table(self, frame: int) -> FloatArray:
        """Return positions, and ids where there are some, [atom, column], as in the file."""
        table = self._read_table(frame)
        if table is None:
            raise InputError(
                f"{self.name}: frame {frame}: its lines are not those that Properties="
                f"{self._properties} tell; write all frames the same"
            )
        return table

    def _read_table(self, frame: int) -> FloatArray | None:
        """Return the same; None if rows have other numbers of columns."""
        pos = self._columns["pos"]
        ids = [self._columns["id"]] if "id" in self._columns else []
        columns = np.array([pos, pos + 1, pos + 2, *ids])
        return numbers(self._text.read(*self._rows[frame]), self._n_atoms, columns, self._n_columns)

    def _rows_by_id(self, table: FloatArray, frame: int) -> IntArray | slice:
        return slice(None) if self._by_id is None else self._by_id(table[:, 3], frame)

    def _species(self, frame: int, rows: IntArray | slice) -> NDArray[np.str_]:
        words = self._text.read(*self._rows[frame]).decode(errors="replace").split()
        return np.array(words[self._columns["species"] :: self._n_columns])[rows]

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        positions = np.empty((len(frames), len(self.symbols), 3))
        for row, frame in enumerate(frames.tolist()):
            table = self._table(frame)
            order = self._rows_by_id(table, frame)
            if not np.array_equal(self._species(frame, order), self._words):
                raise InputError(
                    f"{self.name}: frame {frame}: atoms in another order than before; write them "
                    "with their ids (id in Properties), or all frames the same"
                )
            positions[row] = table[order, :3]
        return positions, self.cells[frames]


def _places(properties: str, source: str) -> tuple[dict[str, int], int]:
    """Return the first column of each property, and the number of columns."""
    parts = properties.split(":")
    try:
        widths = dict(zip(parts[::3], map(int, parts[2::3]), strict=True))
    except ValueError:
        widths = {}
    if (widths.get("species"), widths.get("pos"), widths.get("id", 1)) != (1, 3, 1):
        raise InputError(
            f"{source}: Properties={properties}: give name, type and number of columns of each, "
            "as species:S:1:pos:R:3"
        )
    starts = np.cumsum([0, *widths.values()]).tolist()
    return dict(zip(widths, starts, strict=False)), starts[-1]
