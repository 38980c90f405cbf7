"""The warnings of a report: those that differ in their numbers alone are one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llzo_helpers.campaign.tables import rounded

# not the digits in names, such as those of potentials
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)")

_OFTEN_OUTSIDE = 0.1
"""Symmetry functions per atom and step outside the training range. Crystals and glasses of one cell
have 0.015 at most, a glass for which its network was wrong had 0.4 (measured)."""


@dataclass(frozen=True)
class Warnings:
    """A warning, and what it is of.

    Attributes
    ----------
    text
        With the lowest and highest of its numbers, where they differ.
    each
        What it is of and its own text, in order.
    """

    text: str
    each: list[tuple[str, str]]


def alike(warnings: Sequence[tuple[str, str]]) -> list[Warnings]:
    """Put warnings together that differ in their numbers alone, in the order of the first ones.

    Parameters
    ----------
    warnings
        What each is of, and its text.

    Examples
    --------
    >>> alike([("a", "falls by 2 %"), ("b", "zero"), ("c", "falls by 13 %")])[0].text
    'falls by 2 to 13 %'
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for of, text in warnings:
        groups.setdefault(_NUMBER.sub("#", text), []).append((of, text))
    return [Warnings(_with_ranges([text for _, text in each]), each) for each in groups.values()]


def _with_ranges(texts: Sequence[str]) -> str:
    """Return the first of texts that differ in numbers alone, with the range of each number."""
    ranges = iter(
        min(numbers, key=float) + " to " + max(numbers, key=float)
        if len(set(map(float, numbers))) > 1
        else numbers[0]
        for numbers in zip(*(_NUMBER.findall(text) for text in texts), strict=True)
    )
    return _NUMBER.sub(lambda _: next(ranges), texts[0])


def extrapolations(summary: Mapping[str, Any], potential: str, n_atoms: int) -> str:
    """Say how often a run left the training range of its network.

    Parameters
    ----------
    summary
        Of the run, see `llzo_helpers.md.folder.read_summary`.
    potential
        Name of the network.
    n_atoms
        Of the run.
    """
    elements = ", ".join(
        f"{name.removeprefix('extrapolations_')} {count}"
        for name, count in summary.items()
        if name.startswith("extrapolations_") and count
    )
    a_step = summary["extrapolations"] / summary["steps"]
    text = (
        f"{summary['extrapolations']} symmetry functions outside the training range of "
        f"{potential} ({elements}) in {summary['steps']} steps, {rounded(a_step, 1)} a step"
    )
    if a_step < _OFTEN_OUTSIDE * n_atoms:
        return text
    return (
        f"{text}, {rounded(a_step / n_atoms, 1)} an atom and step: what the network says of them "
        "is not to be trusted"
    )
