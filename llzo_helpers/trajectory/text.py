"""Text files of many frames: where each begins, and numbers from them at the speed of reading.

Only the position of each frame is kept in memory. A file compressed by gzip is read through
once for that, and again for the frames.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError

_BLOCK = 1 << 22
_BEFORE = 1024
"""Bytes before a mark that a format may inspect, for what it writes ahead of each frame."""

_WHOLE_ENOUGH = re.compile(rb"\.[0-9]{3,}[ \t\r]*\Z")
"""A last number that has no newline: if it is cut short, then by digits that do not matter."""


class TextFile:
    """A text file, compressed or not, whose parts are read by their position."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._open()

    def _open(self) -> None:
        path = self.path
        try:
            with path.open("rb") as file:
                self._gzip = file.read(2) == b"\x1f\x8b"
            # open for as long as frames may be read
            if self._gzip:
                self._file: IO[bytes] = cast(IO[bytes], gzip.open(path))  # noqa: SIM115
            else:
                self._file = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; check the name") from None

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: it opens the file itself."""
        return {"path": self.path, "size": self.size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.size = state["path"], state["size"]
        self._open()

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to `stop`, with a newline at the end as in `blocks`."""
        self._file.seek(start)
        try:
            text = self._file.read(stop - start)
            return text + b"\n" if len(text) == stop - start - 1 else text
        except (EOFError, OSError, zlib.error) as error:
            raise self._damaged(error) from None

    def blocks(self) -> Iterator[bytes]:
        """Go through the whole file; a last line that is whole ends with a newline."""
        self._file.seek(0)
        last = b""
        try:
            while block := self._file.read(_BLOCK):
                yield block
                last = (last + block[-_BEFORE:])[-_BEFORE:]
            if _WHOLE_ENOUGH.search(last):
                yield b"\n"
        except (EOFError, OSError, zlib.error) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> InputError:
        return InputError(
            f"{self.path}: cut short or damaged ({error}); copy it again, or unpack what it has "
            "and give that"
        )

    def marks(self, mark: bytes, head: int = 1024) -> Iterator[tuple[int, bytes, bytes]]:
        """Find a mark.

        Parameters
        ----------
        mark
            What each frame has once.
        head
            Number of bytes to give with it, from the mark on; fewer at the end of the file.

        Yields
        ------
        tuple
            Position of the mark, up to 1024 bytes before it, bytes from the mark on.
        """
        kept, place = b"", 0  # `place` is that of kept[0]
        searched = 0
        for block in self.blocks():
            kept += block
            while (found := kept.find(mark, searched)) >= 0 and found + head <= len(kept):
                yield (
                    place + found,
                    kept[max(0, found - _BEFORE) : found],
                    kept[found : found + head],
                )
                searched = found + len(mark)
            # a mark may straddle the border of two blocks, or have its head beyond it
            end = found if found >= 0 else max(searched, len(kept) - len(mark) + 1)
            cut = max(0, end - _BEFORE)
            kept, place, searched = kept[cut:], place + cut, end - cut
        while (found := kept.find(mark, searched)) >= 0:
            yield place + found, kept[max(0, found - _BEFORE) : found], kept[found : found + head]
            searched = found + len(mark)
        self.size = place + len(kept)


def numbers(text: bytes, n_rows: int, columns: IntArray, n_columns: int) -> FloatArray | None:
    """Return some columns of a table of words.

    Parameters
    ----------
    text
        Begins with the first row.
    n_rows
        Rows wanted.
    columns
        Indices of the columns wanted, counted from 0, [column].
    n_columns
        Words in a row.

    Returns
    -------
    ndarray
        [row, column]; NaN for what is not a number. None if the text ends early, or a row has
        another number of words.
    """
    slots = np.full(n_columns, -1, dtype=np.int64)
    slots[columns] = np.arange(len(columns))
    table = np.empty((n_rows, len(columns)))
    whole = _parse(np.frombuffer(text, dtype=np.uint8), slots, table)
    return table if whole else None


_POWERS = 10.0 ** np.arange(23)


@njit(cache=True, nogil=True)
def _parse(text: NDArray[np.uint8], slots: IntArray, table: FloatArray) -> bool:
    """Fill `table`; False if rows are missing, short or long."""
    place, end = 0, len(text)
    for row in range(len(table)):
        for column in range(len(slots)):
            while place < end and (text[place] == 32 or text[place] == 9):
                place += 1
            if place == end or text[place] == 10 or text[place] == 13:
                return False
            start = place
            while place < end and text[place] > 32:
                place += 1
            if slots[column] >= 0:
                table[row, slots[column]] = _number(text, start, place)
        while place < end and (text[place] == 32 or text[place] == 9 or text[place] == 13):
            place += 1
        # the newline shows that the last word is complete
        if place == end or text[place] != 10:
            return False
        place += 1
    return True


@njit(cache=True, nogil=True)
def _number(text: NDArray[np.uint8], start: int, stop: int) -> float:
    """Return a decimal number, exact to the last bit or two; NaN if it is not a number."""
    place, negative = start, text[start] == 45
    if negative or text[start] == 43:
        place += 1
    mantissa, digits, exponent, point, seen = np.uint64(0), 0, 0, False, False
    while place < stop:
        byte = text[place]
        if 48 <= byte <= 57:
            seen = True
            if digits < 19:
                mantissa = mantissa * np.uint64(10) + np.uint64(byte - 48)
                if mantissa > 0:
                    digits += 1
                exponent -= point
            else:
                exponent += not point
        elif byte == 46 and not point:
            point = True
        else:
            break
        place += 1
    if not seen:
        return np.nan
    if place < stop:
        if text[place] != 101 and text[place] != 69:
            return np.nan
        place += 1
        down = place < stop and text[place] == 45
        if place < stop and (text[place] == 45 or text[place] == 43):
            place += 1
        if place == stop:
            return np.nan
        power = 0
        while place < stop:
            if not 48 <= text[place] <= 57 or power > 9999:
                return np.nan
            power = power * 10 + int(text[place] - 48)
            place += 1
        exponent += -power if down else power
    value = float(mantissa)
    if -22 <= exponent < 0:
        value /= _POWERS[-exponent]
    elif 0 < exponent <= 22:
        value *= _POWERS[exponent]
    elif exponent:
        value *= 10.0**exponent
    return -value if negative else value
