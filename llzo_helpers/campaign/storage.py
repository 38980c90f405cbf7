"""Results of an analysis as one file that any program can read: arrays of NumPy and JSON.

A zip archive (`.npz`) of the arrays, and `tree`, JSON that says how they belong together and holds
short vectors itself. Long arrays are in single precision, like the frames that they come from. What
JSON has no word for is a mapping with one key: `array`, `vector`, `tuple`, `dict`, `table`, or
`class`, a dataclass or model of this package.
"""

import dataclasses
import hashlib
import importlib
import json
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel

from llzo_helpers.errors import InputError
from llzo_helpers.files import written_aside

LARGE = 100
"""Numbers of an array, above which they are stored in single precision."""
SHORT = 8
"""Numbers of a vector, up to which it takes less space in the tree: an array has two headers."""
_PACKAGE = __name__.partition(".")[0]
DAMAGES = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, EOFError, ImportError),
    # of zip: another version, method, or encrypted; of JSON: too deep; of arrays: too large
    *(RuntimeError, MemoryError, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""What a damaged file, or one of another version, raises."""


def store(path: Path, result: Any, record: Mapping[str, Any]) -> None:
    """Write a result: numbers, texts, arrays, tables, dataclasses, and nests of these.

    Parameters
    ----------
    path
        Of the file, which is written completely or not at all.
    result
        What `load` returns, with arrays of more than `LARGE` numbers in single precision.
    record
        What it is of, in words of JSON.
    """
    arrays: dict[str, NDArray[Any]] = {}
    arrays["tree"] = _as_bytes(json.dumps(_encoded(result, arrays)))
    arrays["record"] = _as_bytes(json.dumps(dict(record)))
    arrays["seal"] = _as_bytes(_seal(arrays))
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load(path: Path, remedy: str) -> tuple[Any, dict[str, Any]]:
    """Return the result and the record that `store` wrote.

    Parameters
    ----------
    path
        Of the file.
    remedy
        What to do if it is missing, damaged, changed, or made by another version; part of the
        error.

    Raises
    ------
    InputError
        In these cases.
    """
    try:
        with np.load(path, allow_pickle=False) as packed:
            arrays = dict(packed)
        if arrays.pop("seal").tobytes().decode() != _seal(arrays):
            raise ValueError("changed since it was written")
        record: dict[str, Any] = json.loads(arrays["record"].tobytes())
        return _decoded(json.loads(arrays["tree"].tobytes()), arrays), record
    except DAMAGES as error:
        raise InputError(
            f"{path}: cannot be read ({str(error).splitlines()[0][:60]}); {remedy}"
        ) from None


def _as_bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _seal(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _encoded(value: Any, arrays: dict[str, Any]) -> Any:
    def inside(part: Any) -> Any:
        return _encoded(part, arrays)

    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case None | bool() | int() | float() | str():
            return value
        case np.ndarray() if value.ndim == 1 and value.size <= SHORT:
            return {"vector": [value.dtype.str, value.tolist()]}
        case np.ndarray():
            name = f"array_{len(arrays)}"
            if value.dtype.kind == "i":
                arrays[name] = _by_columns(in_few_bits(value))
                return {"array": name, "dtype": value.dtype.str}
            large = value.dtype == float and value.size > LARGE
            arrays[name] = value.astype(np.float32) if large else value
            return {"array": name}
        case list():
            return [inside(part) for part in value]
        case tuple():
            return {"tuple": [inside(part) for part in value]}
        case dict():
            return {"dict": [[inside(key), inside(part)] for key, part in value.items()]}
        case pd.DataFrame():
            return {"table": inside({str(name): list(value[name]) for name in value})}
        case BaseModel():
            fields = value.model_dump(mode="json")
        case _ if dataclasses.is_dataclass(value):
            fields = {
                field.name: inside(getattr(value, field.name))
                for field in dataclasses.fields(value)
            }
        case _:
            raise TypeError(f"{type(value).__name__}: no way to store it")
    return {"class": f"{type(value).__module__}:{type(value).__qualname__}", "fields": fields}


def _by_columns(array: NDArray[Any]) -> NDArray[Any]:
    """Return a table of whole numbers by columns: what an ion does in time compresses better."""
    return np.asfortranarray(array) if array.ndim == 2 else array


def in_few_bits(array: NDArray[np.integer], *, least: int = 8) -> NDArray[np.integer]:
    """Return whole numbers in as few bits as hold all of them, and no fewer than so many."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind in (np.int8, np.int16, np.int32):
        limits = np.iinfo(kind)
        if limits.bits >= least and limits.min <= low and high <= limits.max:
            return array.astype(kind)
    return array


def _decoded(tree: Any, arrays: Any) -> Any:
    def inside(part: Any) -> Any:
        return _decoded(part, arrays)

    match tree:
        case list():
            return [inside(part) for part in tree]
        case {"array": name, "dtype": dtype}:
            return np.ascontiguousarray(arrays[name], dtype=dtype)
        case {"array": name}:
            return _doubles(arrays[name])
        case {"vector": [dtype, numbers]}:
            return _doubles(np.array(numbers, dtype=dtype))
        case {"tuple": parts}:
            return tuple(inside(part) for part in parts)
        case {"dict": items}:
            return {inside(key): inside(part) for key, part in items}
        case {"table": columns}:
            return pd.DataFrame(inside(columns))
        case {"class": name, "fields": fields}:
            kind = _class(name)
            if issubclass(kind, BaseModel):
                return kind.model_validate(fields)
            return kind(**{field: inside(part) for field, part in fields.items()})
    return tree


def _doubles(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(float) if array.dtype.kind == "f" else array


def _class(name: str) -> type:
    """Return a class of this package; no file makes any other code run."""
    module, _, qualified = name.partition(":")
    if module.partition(".")[0] != _PACKAGE:
        raise TypeError(f"{name}: not of this package")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    is_result = isinstance(found, type) and (
        dataclasses.is_dataclass(found) or issubclass(found, BaseModel)
    )
    if not is_result:
        raise TypeError(f"{name}: not a result")
    return found
