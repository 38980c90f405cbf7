"""Writing result files completely or not at all, and detecting whether they have changed since."""

import functools
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llzo_helpers.errors import InputError, clipped


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` once the block has succeeded.

    A reader of `path` thus never sees a half-written file. On failure the temporary file is
    removed.
    """
    make_folder(path.parent)
    aside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield aside
        flush_to_disk(aside)
        aside.rename(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror}; free disk space or change permissions"
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, completely or not at all."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


_SEAL = "seal"
"""Key of a JSON file's own checksum: the SHA-256 of everything else in it."""


def write_json(path: Path, content: Any, *, indent: int | None = 2) -> None:
    """Write `content` to `path` as JSON, completely or not at all.

    A mapping gets the key `seal`, by which `read_json` detects later changes.
    """
    if isinstance(content, dict):
        content = content | {_SEAL: _seal(json.loads(json.dumps(content)))}
    write_text(path, json.dumps(content, indent=indent, ensure_ascii=False) + "\n")


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote; InputError says which file is missing, damaged or changed."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run the stage that writes it first") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; correct that") from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not valid JSON ({str(error)[:80]}); delete it and run again"
        ) from None
    if isinstance(content, dict) and content.pop(_SEAL, None) != _seal(content):
        raise InputError(
            f"{path}: changed since it was written; restore it, or run its stage again"
        )
    return content


Kinds = type | tuple[type, ...]
NUMBER = (int, float)


def read_record(path: Path, keys: Mapping[str, Kinds]) -> dict[str, Any]:
    """Read a JSON file that holds a mapping with `keys`, whose values have the given types.

    Raises
    ------
    InputError
        If the file is missing, damaged or changed, or a key is missing or has another type.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: no mapping; damaged: restore it, or run its stage again")
    for key, kind in keys.items():
        value = content.get(key)
        wrong = isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value))
        if wrong or not isinstance(value, kind):
            raise InputError(
                f"{path}: {key} = {clipped(value)}: damaged; restore it, or run its stage again"
            )
    return dict(content)


def require_sha256(
    path: Path, expected: str, remedy: str, *, since: str = "it was written"
) -> None:
    """Raise InputError if a file is not the one whose SHA-256 was recorded.

    A process reads a file for this only once, unless it changes again.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {remedy}") from None
    if _known_sha256(path, state.st_mtime_ns, state.st_size) != expected:
        raise InputError(f"{path}: changed since {since}, or damaged; {remedy}")


@functools.lru_cache(maxsize=100_000)
def _known_sha256(path: Path, mtime_ns: int, size: int) -> str:
    return sha256(path)


def make_folder(path: Path) -> None:
    """Make a folder and its parents if they are missing; InputError if that is impossible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be made: {error.strerror}; change permissions, or set LLZO_RESULTS to "
            "a folder that you may write to"
        ) from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; correct that") from None


def flush_to_disk(path: Path) -> None:
    """Ask the operating system to write a file, or a folder's list of names, to the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
