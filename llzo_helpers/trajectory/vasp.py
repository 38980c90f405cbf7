"""XDATCAR of VASP, with a constant or a changing cell, and vasprun.xml."""

import gzip
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import IO, cast

import numpy as np

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.elements import checked_symbols
from llzo_helpers.trajectory.guard import reading
from llzo_helpers.trajectory.readers import ArrayReader
from llzo_helpers.trajectory.text import TextFile, numbers

MARK = b"Direct configuration"
_HEADER_LINES = 7


class XdatcarReader:
    """An XDATCAR; see `llzo_helpers.trajectory.readers.Reader`."""

    scaled, unwrapped = True, False
    steps = times_ps = interval_ps = schedule = None

    def __init__(self, path: Path) -> None:
        self.name, self.files = str(path), (path,)
        self.notes: list[str] = []
        self._text = TextFile(path)
        headers: list[list[str]] = []
        rows, marks, which = [], [], []
        for place, before, head in self._text.marks(MARK, head=120):
            lines = before.decode(errors="replace").splitlines()[-_HEADER_LINES:]
            # a changing cell, or a concatenated file, has the header before every frame
            if not headers or _is_header(lines):
                headers.append(lines)
            marks.append(place)
            rows.append(place + head.find(b"\n") + 1)
            which.append(len(headers) - 1)
        if not marks:
            raise InputError(f"{path}: holds no frame; give an XDATCAR that has some")
        species, counts, cells = zip(*(_read_header(lines, path) for lines in headers), strict=True)
        if len(set(species)) > 1 or len(set(counts)) > 1:
            changed = next(i for i, s in enumerate(zip(species, counts, strict=True)) if s != (
                species[0], counts[0]))  # fmt: skip
            raise InputError(
                f"{path}: frame {which.index(changed)}: other atoms than in frame 0; give frames "
                "of the same atoms"
            )
        self.symbols = checked_symbols(
            [s for s, n in zip(species[0], counts[0], strict=True) for _ in range(n)], str(path)
        )
        self.cells = np.array(cells)[which]
        self._rows, self._end = np.array(rows), np.array([*marks[1:], self._text.size])
        if self._table(len(self) - 1) is None:
            self.notes.append(f"{path}: its last frame is cut short: left out")
            self._rows, self._end = self._rows[:-1], self._end[:-1]
            self.cells = self.cells[:-1]
        if not len(self):
            raise InputError(f"{path}: its only frame is cut short; give a complete one")

    def __len__(self) -> int:
        return len(self._rows)

    def _table(self, frame: int) -> FloatArray | None:
        text = self._text.read(self._rows[frame], self._end[frame])
        return numbers(text, len(self.symbols), np.arange(3), 3)

    def read(self, frames: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Reader`."""
        positions = np.empty((len(frames), len(self.symbols), 3))
        for row, frame in enumerate(frames):
            table = self._table(frame)
            if table is None:
                raise InputError(
                    f"{self.name}: frame {frame}: lines are missing or cut; delete it from the file"
                )
            positions[row] = table
        return positions, self.cells[frames]


def _is_header(lines: list[str]) -> bool:
    """Whether seven lines are title, scale, three vectors, species and counts."""
    if len(lines) < _HEADER_LINES:
        return False
    counts = lines[6].split()
    return bool(counts) and all(count.isdigit() for count in counts) and len(lines[1].split()) == 1


def _read_header(
    lines: list[str], path: Path
) -> tuple[tuple[str, ...], tuple[int, ...], FloatArray]:
    try:
        scale = float(lines[1])
        cell = np.array([line.split() for line in lines[2:5]], dtype=float)
        # a negative scale is the volume of the cell
        scale = scale if scale > 0 else (-scale / abs(np.linalg.det(cell))) ** (1 / 3)
        # POTCAR names such as Na_pv
        species = tuple(name.split("_")[0] for name in lines[5].split())
        counts = tuple(int(count) for count in lines[6].split())
        if cell.shape != (3, 3) or len(species) != len(counts):
            raise ValueError
    except (ValueError, IndexError):
        raise InputError(
            f"{path}: no cell, elements and numbers of atoms before its frames; is it an XDATCAR?"
        ) from None
    return species, counts, scale * cell


def read_vasprun(path: Path) -> ArrayReader:
    """Read vasprun.xml, which also states the time between its frames.

    ASE keeps the whole tree of its elements; here only positions and cells are kept.
    """
    symbols: list[str] = []
    positions: list[FloatArray] = []
    cells: list[FloatArray] = []
    settings: dict[str, str] = {}
    notes: list[str] = []
    with reading(str(path), "is it a vasprun.xml?"), _opened(path) as file:
        try:
            for _, element in ElementTree.iterparse(file):
                if element.tag == "array" and element.get("name") == "atoms":
                    symbols = [_word(name) for name in element.iterfind("set/rc/c[1]")]
                elif element.tag == "incar":
                    settings = {each.get("name", ""): _word(each) for each in element}
                elif element.tag == "calculation":
                    structure = element.find("structure")
                    if structure is not None:
                        frame = f"{path}: frame {len(positions)}"
                        positions.append(_vectors(structure, "positions", len(symbols), frame))
                        cells.append(_vectors(structure, "basis", 3, frame))
                    element.clear()
        except (ElementTree.ParseError, EOFError):
            # a run that is unfinished, or was killed
            notes.append(f"{path}: its end is missing: read up to the last complete frame")
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
        # every step is in it, whatever NBLOCK says of XDATCAR; with ML_OUTBLOCK, in some versions
        with reading(f"{path}: POTIM", "is it a vasprun.xml?"):
            interval_ps = float(settings["POTIM"]) / 1000
        if interval_ps > 0 and settings.get("ML_OUTBLOCK", "1") == "1":
            reader.interval_ps = interval_ps
    return reader


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _word(element: ElementTree.Element) -> str:
    return (element.text or "").strip()


def _vectors(structure: ElementTree.Element, name: str, n_rows: int, frame: str) -> FloatArray:
    """Return the rows of an array [row, axis]."""
    array = structure.find(f".//varray[@name='{name}']")
    rows = [] if array is None else [(row.text or "").split() for row in array.iterfind("v")]
    if [len(row) for row in rows] != [3] * n_rows:
        raise InputError(
            f"{frame}: {name}: not {n_rows} rows of three numbers; give frames of the same atoms"
        )
    with reading(frame, "is it a vasprun.xml?"):
        return np.array(rows, dtype=np.float64)
