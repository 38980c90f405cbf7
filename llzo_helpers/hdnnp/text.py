"""Words and numbers in the text files of other programs, read as strictly as those do."""

from __future__ import annotations

import codecs
import math
import re
from pathlib import Path

from llzo_helpers.errors import InputError, clipped

_LARGEST_BYTES = 100_000_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


def read_text(path: Path) -> str:
    """Return the text of a file, UTF-8 with or without a byte-order mark, or Latin-1.

    Raises
    ------
    InputError
        If it is missing, not a file, unreadable or far too large.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(
                f"{path}: larger than {_LARGEST_BYTES // 10**6} MB; is it the right one?"
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} is missing: the potential needs it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); correct that") from None
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # comments of old files; where words or numbers hold such letters, they are refused
        return content.decode("latin-1")


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the number and the words of each row of a table, comments (``#``) left out.

    Raises
    ------
    InputError
        As `read_text`; also if the last row has no end, so that its last number may be cut.
    """
    lines = read_text(path).split("\n")
    # programs end every line
    if lines[-1].strip():
        raise InputError(
            f"{path}, line {len(lines)}: has no end; if nothing is cut off, add a line break"
        )
    rows = [(number, line.split("#")[0].split()) for number, line in enumerate(lines, start=1)]
    return [(number, words) for number, words in rows if words]


def to_number(word: str) -> float:
    """Return the number that a word represents; NaN if it is not a number.

    Python's `float` accepts more than any program whose files are read here: 1_0, the digits of
    other scripts, inf.
    """
    if not _NUMBER.fullmatch(word):
        return math.nan
    value = float(word)
    return value if math.isfinite(value) else math.nan


def shown(words: list[str]) -> str:
    """Return words for a message, as one."""
    return clipped(" ".join(words), quote=False)
