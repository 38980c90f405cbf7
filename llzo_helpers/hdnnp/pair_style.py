"""What a `potential.lmp` says, where the forces of its pair styles come from Python.

LAMMPS commands are read as LAMMPS reads them: comments, continued lines, quotes, variables; of
several `pair_style` the last counts. What Python does not support is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NoReturn

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.text import read_text, shown, to_number

_WORD = re.compile(r'"""(.*?)"""|"([^"]*)"|\'([^\']*)\'|(\S+)', re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w)|(\())")
_OPTIONS = ("dir", "showew", "showewsum", "maxew", "resetew", "cflength", "cfenergy")
_HERE = ("${potential}", "${potential}/")
# commands that change neither energies nor which commands are read
_HARMLESS = {
    *("pair_style", "pair_coeff", "variable", "set", "mass", "labelmap", "group", "info"),
    *("print", "echo", "log", "neighbor", "neigh_modify", "comm_modify", "comm_style"),
}


@dataclass(frozen=True)
class Command:
    """One command of a LAMMPS script."""

    line: int
    """On which it begins."""
    words: tuple[str, ...]
    text: str
    """All of it on one line, without comment."""


@dataclass(frozen=True)
class Zbl:
    """`pair_style zbl`: distances in Å, and the nuclear charges of the pairs that repel."""

    inner: float
    outer: float
    charges: dict[tuple[str, str], tuple[float, float]]
    """By pair of elements, either way round."""


@dataclass(frozen=True)
class PairStyle:
    """An n2p2 network and its additional repulsion, as a `potential.lmp` sets them up."""

    cutoff: float
    """Å; LAMMPS refuses one that is smaller than the network's."""
    length_unit: float
    """The network's, in Å."""
    energy_unit: float
    """The network's, in eV."""
    elements: tuple[str, ...]
    """Of the atom types, in their order."""
    zbl: Zbl | None
    max_extrapolations: int
    """`maxew`: LAMMPS stops at more; 0 unless it is given."""
    of_each_step: bool
    """`resetew`: the number is of one step, not of all since the beginning."""


def read_commands(script: Path) -> list[Command]:
    """Return the commands of a LAMMPS script, in order."""
    commands = []
    text, begin = "", 0
    for number, line in enumerate(read_text(script).splitlines(), start=1):
        begin = begin if text else number
        text += line
        if text.rstrip().endswith("&"):
            text = text.rstrip()[:-1] + " "
            continue
        command = _without_comment(text).strip()
        if words := [next(filter(None, match.groups()), "") for match in _WORD.finditer(command)]:
            commands.append(Command(begin, tuple(words), " ".join(command.split())))
        text = ""
    if text.strip():
        raise InputError(f"{script}, line {begin}: ends with '&'; write the line that follows")
    return commands


def _without_comment(text: str) -> str:
    quote = ""
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#":
            return text[:at]
    return text


def require_no_forces(script: Path) -> None:
    """Raise InputError if a `potential.lmp` has a pair style whose forces would not be computed."""
    for command in read_commands(script):
        if command.words[0] == "pair_style" and command.words[1:2] not in (("zero",), ("none",)):
            raise InputError(
                f"{script}, line {command.line}: pair_style {shown([*command.words[1:2]])}: all "
                "forces come from the calculator; write 'pair_style zero' or leave it out"
            )


def read_pair_style(directory: Path) -> PairStyle | None:
    """Return what the `potential.lmp` of a folder says; None if there is no such file.

    Raises
    ------
    InputError
        If it cannot be read, or asks for something that Python does not support.
    """
    script = directory / "potential.lmp"
    return _Reader(script).read() if script.is_file() else None


class _Reader:
    """Reads one script; its methods are given words of the line `self._line`."""

    def __init__(self, script: Path) -> None:
        self._script = script
        self._line = 0
        self._variables: dict[str, str] = {}

    def read(self) -> PairStyle:
        style: list[str] = []
        coefficients: list[tuple[int, list[str]]] = []
        for command in read_commands(self._script):
            self._line = command.line
            name, *words = command.words
            if name not in _HARMLESS:
                self._refuse(
                    f"command '{shown([name])}' is not done in Python; remove it, or set LLZO_LMP "
                    "to a LAMMPS with ML-HDNNP"
                )
            if name == "variable":
                self._define(words)
            elif name == "pair_style":
                # as in LAMMPS, a new style forgets the coefficients of the one before
                style, coefficients, line = self._expanded(words), [], command.line
            elif name == "pair_coeff":
                coefficients.append((command.line, self._expanded(words)))
        if not style:
            raise InputError(f"{self._script}: no 'pair_style hdnnp'; write one")
        self._line = line
        return self._pair_style(style, coefficients)

    def _refuse(self, problem: str) -> NoReturn:
        raise InputError(f"{self._script}, line {self._line}: {problem}")

    def _define(self, words: list[str]) -> None:
        if words[1:] == ["delete"]:
            self._variables.pop(words[0], None)
        if len(words) < 3:
            return
        name, style, value = words[0], words[1], words[2]
        if style == "index":
            self._variables.setdefault(name, value)
        elif style == "string" or (style == "equal" and not math.isnan(to_number(value))):
            self._variables[name] = value
        else:
            self._variables.pop(name, None)

    def _expanded(self, words: list[str]) -> list[str]:
        def value(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if name == "potential":
                return match[0]
            if name not in self._variables:
                self._refuse(
                    f"{shown([match[0]])}: only variables of the styles index, string and equal "
                    "with a plain value in this file are read in Python; write the value"
                )
            return self._variables[name]

        return [_VARIABLE.sub(value, word) for word in words]

    def _pair_style(self, style: list[str], coefficients: list[tuple[int, list[str]]]) -> PairStyle:
        hybrid = style[0] == "hybrid/overlay"
        line = self._line
        sections = list(self._sections(style[1:])) if hybrid else [(style[0], style[1:])]
        names = [name for name, _ in sections]
        for name in names:
            if name not in ("hdnnp", "zbl"):
                self._refuse(
                    f"pair_style {shown([name])} is not done in Python, only hdnnp and, beside it "
                    "in hybrid/overlay, zbl; remove it, or set LLZO_LMP to a LAMMPS with ML-HDNNP"
                )
            if names.count(name) > 1:
                self._refuse(f"pair_style {name} is given twice; remove one")
        by_name = dict(sections)
        if "hdnnp" not in by_name:
            self._refuse(f"pair_style {shown(names)}: without hdnnp; add it")
        options = self._hdnnp(by_name["hdnnp"])
        elements = self._elements(coefficients, hybrid)
        self._line = line
        zbl = self._zbl(by_name["zbl"], coefficients, elements) if "zbl" in by_name else None
        limit = self._whole("maxew", options.get("maxew", "0"))
        return PairStyle(
            cutoff=to_number(by_name["hdnnp"][0]),
            length_unit=1.0 / self._unit("cflength", options),
            energy_unit=1.0 / self._unit("cfenergy", options),
            elements=elements,
            zbl=zbl,
            max_extrapolations=limit,
            of_each_step=options.get("resetew", "no") in ("yes", "on", "true"),
        )

    def _sections(self, words: list[str]) -> Iterator[tuple[str, list[str]]]:
        """Divide the words of a style, or of several in a hybrid, at the names of styles."""
        begin = 0
        for at in range(1, len(words) + 1):
            # names of styles have letters, and are no options or their values
            ends = at == len(words) or (
                words[at][:1].isalpha()
                and words[at] not in _OPTIONS
                and words[at - 1] not in _OPTIONS
            )
            if ends and words[begin:at]:
                yield words[begin], words[begin + 1 : at]
                begin = at

    def _hdnnp(self, words: list[str]) -> dict[str, str]:
        cutoff = to_number(words[0]) if words else math.nan
        if not cutoff > 0:
            self._refuse(f"hdnnp {shown(words[:1])}: give the cutoff first, in Å")
        names, values = words[1::2], words[2::2]
        for name in names:
            if name not in _OPTIONS:
                self._refuse(f"hdnnp: option '{shown([name])}' is none of {' '.join(_OPTIONS)}")
        if len(names) != len(values):
            self._refuse(f"hdnnp: option '{names[-1]}' has no value; add it")
        # as in LAMMPS, the last of several counts
        options = dict(zip(names, values, strict=True))
        if options.get("dir") not in _HERE:
            self._refuse(
                f"hdnnp: dir {shown([options.get('dir', 'is missing')])}: write "
                "'dir ${potential}'"
            )
        return options

    def _unit(self, name: str, options: dict[str, str]) -> float:
        value = to_number(options.get(name, "1.0"))
        if not 1e-6 <= value <= 1e6:
            self._refuse(f"{name} {shown([options[name]])}: give a number from 1e-6 to 1e6")
        return value

    def _whole(self, name: str, word: str) -> int:
        if not (word.isascii() and word.isdigit() and len(word) < 19):
            self._refuse(f"{name} {shown([word])}: give a whole number")
        return int(word)

    def _elements(self, coefficients: list[tuple[int, list[str]]], hybrid: bool) -> tuple[str, ...]:
        own = [
            (line, words) for line, words in coefficients if not hybrid or words[2:3] == ["hdnnp"]
        ]
        if not own:
            what = "* * hdnnp" if hybrid else "* *"
            self._refuse(f"no 'pair_coeff {what} ELEMENTS' follows; write it")
        self._line, words = own[-1]
        elements = words[3:] if hybrid else words[2:]
        if words[:2] != ["*", "*"] or not elements or "NULL" in elements:
            self._refuse(
                f"pair_coeff {shown(words)}: hdnnp takes '* *' and the elements of all atom types"
            )
        return tuple(elements)

    def _zbl(
        self,
        words: list[str],
        coefficients: list[tuple[int, list[str]]],
        elements: tuple[str, ...],
    ) -> Zbl:
        inner, outer = map(to_number, words) if len(words) == 2 else (math.nan, math.nan)
        # the comparisons are false of NaN
        if not 0 < inner < outer <= 10:
            self._refuse(
                f"zbl {shown(words)}: give two distances in Å, the smaller one first, at most 10"
            )
        charges: dict[tuple[str, str], tuple[float, float]] = {}
        for self._line, coefficient in coefficients:
            if coefficient[2:3] == ["hdnnp"]:
                continue
            if coefficient[2:3] != ["zbl"] or len(coefficient) != 5:
                self._refuse(
                    f"pair_coeff {shown(coefficient)}: write two atom types, zbl, two nuclear "
                    "charges"
                )
            z1, z2 = (to_number(word) for word in coefficient[3:])
            if not (0 < z1 <= 120 and 0 < z2 <= 120):
                self._refuse(f"pair_coeff {shown(coefficient)}: nuclear charges go from 1 to 120")
            pairs = list(self._pairs(coefficient, elements))
            if not pairs or (z1 != z2 and any(first == second for first, second in pairs)):
                self._refuse(
                    f"pair_coeff {shown(coefficient)}: LAMMPS takes no range before a lower one, "
                    "and for pairs of one type twice the same charge"
                )
            for first, second in pairs:
                charges[first, second] = z1, z2
                charges[second, first] = z2, z1
        return Zbl(inner, outer, charges)

    def _pairs(
        self, coefficient: list[str], elements: tuple[str, ...]
    ) -> Iterator[tuple[str, str]]:
        first, second = (self._types(word, elements) for word in coefficient[:2])
        # LAMMPS turns two types round, but not ranges of them
        if len(first) == len(second) == 1 and not any("*" in w for w in coefficient[:2]):
            first, second = sorted((first, second))
        for i, j in product(first, second):
            if i <= j:
                yield elements[i], elements[j]

    def _types(self, word: str, elements: tuple[str, ...]) -> list[int]:
        if word in elements:
            return [elements.index(word)]
        match = re.fullmatch(r"(\d{0,3})(\*?)(\d{0,3})", word, re.ASCII)
        if not match or not word:
            self._refuse(
                f"pair_coeff: '{shown([word])}' is neither one of the types {' '.join(elements)} "
                "nor a range of numbers"
            )
        low = int(match[1] or 1)
        high = int(match[3] or len(elements)) if match[2] else low
        if not 1 <= low <= high <= len(elements):
            self._refuse(f"pair_coeff: '{word}': the types go from 1 to {len(elements)}")
        return list(range(low - 1, high))
