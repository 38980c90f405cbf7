"""Inputs spoilt at random, by a seed: values, words, lines and bytes."""

import copy
import json
import random
from pathlib import Path
from typing import Any

NASTY: list[Any] = [
    *(True, False, None, "", "x", [], {}, [[]], [{}], [None], -1, 0, 1, 2, -0.5, 0.5),
    *(1e-300, 1e-9, 1e6, 1e18, 1e306, 10**7, 10**30, float("nan"), float("inf"), float("-inf")),
    *("900", "1_0", "٣", "nan", "1e3", "0x10", "x" * 100_000, "a\nb", "\x1b[31m", "../..", "~"),
    *([1, 1], [1, "1"], list(range(2000)), {"a": 1}, {"preset": []}, {"preset": "cip"}, [True]),
]
WORDS = [
    *("nan", "inf", "-inf", "1_0", "٣", "1e999", "1e-999", "0", "-1", "1e6", "0x10", "1.5.2", "'"),
    *('"', "&", "#", "!", "$x", "${potential}", "*", "1*", "Li", "Xx", "zbl", "hdnnp", "buck", ""),
    *("x" * 10_000, "1,5", "1d0", "+", "\x00", "\ufeff", "é", "NULL", "1e308", "-1e308"),
]
SNIPPETS = [
    *("a: &a [*a]\n", "seed: 2001-13-45\n", "x: !!int abc\n", "x: !!map [1]\n", "{" * 500),
    *("- " * 300, 'x: "\\UFFFFFFFF"\n', "<<: 3\n", "? [a]\n: b\n", "\t", "---\n", "...\n", "%\n"),
    *("seed: 1\nseed: 2\n", "x: !!python/object:os.system {}\n", "&b *b\n", "*c\n", "!", "'", "`"),
    *("x: " + "9" * 5000 + "\n", "1: 2\n", "null: 3\n", "x: !!binary '*'\n", "[", "}", ":", "|\n"),
]


def leaves(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all values in nested mappings and lists, inner ones included."""
    inside = values.items() if isinstance(values, dict) else enumerate(values)
    found = []
    for key, value in inside:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += leaves(value, (*path, key))
    return found


def mutated_values(rng: random.Random, values: Any) -> Any:
    """Return nested values of which one is another, gone, doubled, or renamed."""
    values = copy.deepcopy(values)
    *path, last = rng.choice(leaves(values))
    place = values
    for key in path:
        place = place[key]
    kind = rng.random()
    if kind < 0.7:
        place[last] = copy.deepcopy(rng.choice(NASTY))
    elif kind < 0.8:
        del place[last]
    elif kind < 0.9 and isinstance(place, dict):
        place[str(rng.choice(WORDS)) or "y"] = place.pop(last)
    elif isinstance(place[last], int | float):
        place[last] = place[last] * rng.choice([1e-12, 1e-3, 0.1, 7, 1e3, 1e12, -1])
    else:
        place[last] = [copy.deepcopy(place[last])] * rng.choice([1, 2, 50])
    return values


def mutated_text(rng: random.Random, text: str) -> bytes:
    """Return a text with a word, a line or a byte changed, gone or put in."""
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    kind = rng.randrange(8)
    if kind == 0:
        lines[at] = ""
    elif kind == 1:
        lines.insert(at, lines[rng.randrange(len(lines))])
    elif kind == 2:
        lines.insert(at, rng.choice(SNIPPETS))
    elif kind in (3, 4, 5):
        # most lines of a file of numbers are numbers; others should have their turn, too
        words = lines[at].split(" ")
        words[rng.randrange(len(words))] = rng.choice(WORDS)
        lines[at] = " ".join(words)
    data = bytearray("\n".join(lines).encode(errors="replace"))
    if kind == 6:
        return bytes(data[: rng.randrange(len(data) + 1)])
    if kind == 7 and data:
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def mutated_bytes(rng: random.Random, data: bytes) -> bytes:
    """Return bytes of which some are others, gone, or more."""
    if not data:
        return b"x"
    kind, at = rng.randrange(5), rng.randrange(len(data))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data + rng.randbytes(rng.choice([1, 4, 1000]))
    if kind == 2:
        return b""
    changed = bytearray(data)
    if kind == 3:
        changed[at] ^= 1 << rng.randrange(8)
    else:
        # single precision NaN
        changed[at : at + 4] = b"\x00\x00\xc0\x7f"
    return bytes(changed)


def mutate_file(rng: random.Random, path: Path) -> None:
    """Change, empty, shorten or delete a file, as its kind suggests."""
    data = path.read_bytes()
    if rng.random() < 0.1:
        path.unlink()
    elif path.suffix == ".json" and rng.random() < 0.6:
        path.write_text(json.dumps(mutated_values(rng, json.loads(data)), default=str))
    elif path.suffix in (".dcd", ".npz", ".restart") or rng.random() < 0.4:
        path.write_bytes(mutated_bytes(rng, data))
    else:
        path.write_bytes(mutated_text(rng, data.decode()))
