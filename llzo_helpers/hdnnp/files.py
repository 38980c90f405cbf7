"""Read the files of an n2p2 potential: ``input.nn``, ``scaling.data``, ``weights.NNN.data``.

The result, `Potential`, holds what the energy depends on, in the potential's own units and
in n2p2's own order (elements by atomic number, symmetry functions sorted). Keywords that
only steer training are skipped; whatever would change the energy and cannot be run here
is refused by name.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.keywords import Keywords, read_keywords
from llzo_helpers.hdnnp.text import read_rows, shown, to_number

ACTIVATIONS = "tlpsSrgche"
COMPACT_SUBTYPES = ("p1", "p1a", "p2", "p2a", "p3", "p3a", "p4", "p4a", "e")

_LARGEST_RADIUS = 30.0
"""In the potential's unit of length, usually Å or Bohr; the usual 6 Å are 11 Bohr."""

# names of the columns that follow the central element and the type
_COLUMNS: dict[int, tuple[str, ...]] = {
    2: ("e1", "eta", "rs", "rc"),
    3: ("e1", "e2", "eta", "lambda_", "zeta", "rc", "rs"),
    9: ("e1", "e2", "eta", "lambda_", "zeta", "rc", "rs"),
    12: ("eta", "rs", "rc"),
    13: ("eta", "rs", "lambda_", "zeta", "rc"),
    20: ("e1", "rl", "rc", "subtype"),
    21: ("e1", "e2", "rl", "rc", "angle_left", "angle_right", "subtype"),
    22: ("e1", "e2", "rl", "rc", "angle_left", "angle_right", "subtype"),
    23: ("rl", "rc", "subtype"),
    24: ("rl", "rc", "angle_left", "angle_right", "subtype"),
    25: ("rl", "rc", "angle_left", "angle_right", "subtype"),
}


@dataclass(frozen=True)
class SymmetryFunction:
    """One line ``symfunction_short``; lengths in the potential's unit, angles in degrees.

    ``neighbours`` are the neighbour elements: one (radial), two in order of atomic number
    (angular) or none (functions that weight all elements by their atomic numbers).
    """

    type: int
    element: str
    neighbours: tuple[str, ...]
    rc: float
    eta: float = 0.0
    rs: float = 0.0
    lambda_: float = 0.0
    zeta: float = 0.0
    rl: float = 0.0
    angle_left: float = 0.0
    angle_right: float = 0.0
    subtype: str = ""

    @property
    def radial(self) -> bool:
        """Whether the function depends on distances from the central atom only."""
        return self.type in (2, 12, 20, 23)

    @property
    def narrow(self) -> bool:
        """Whether the distance between the two neighbours enters, too."""
        return self.type in (3, 13, 21, 24)

    @property
    def compact(self) -> bool:
        """Whether it is made of functions with compact support (types 20 to 25)."""
        return self.type >= 20

    @property
    def sort_key(self) -> tuple[int | float | str, ...]:
        """What n2p2 sorts by: the order of network inputs and of rows in scaling.data."""
        elements = tuple(atomic_numbers[symbol] for symbol in self.neighbours)
        if self.compact:
            support = (self.rc, self.rl, self.angle_left, self.angle_right)
            return (self.type, self.subtype, *elements, *support)
        return (self.type, self.rc, self.eta, self.rs, self.zeta, self.lambda_, *elements)

    def __str__(self) -> str:
        words = [self.element, str(self.type), *self.neighbours]
        if self.compact:
            words += [f"{self.rl:g}", f"{self.rc:g}"]
            if not self.radial:
                words += [f"{self.angle_left:g}", f"{self.angle_right:g}"]
            return " ".join([*words, self.subtype])
        words += [f"eta={self.eta:g}", f"rs={self.rs:g}", f"rc={self.rc:g}"]
        if not self.radial:
            words += [f"lambda={self.lambda_:g}", f"zeta={self.zeta:g}"]
        return " ".join(words)


@dataclass(frozen=True)
class Network:
    """Feed-forward network of one element.

    ``weights[k]`` has the shape [inputs, outputs] of layer k, ``biases[k]`` [outputs];
    ``activations[k]`` is n2p2's letter.
    """

    weights: tuple[NDArray[np.float64], ...]
    biases: tuple[NDArray[np.float64], ...]
    activations: str


@dataclass(frozen=True)
class ElementPotential:
    """What the energy of the atoms of one element depends on.

    ``minimum`` and ``maximum`` [function] bound the training data; the network sees
    ``offset + (value - origin) * scale`` of each symmetry function.
    """

    symbol: str
    functions: tuple[SymmetryFunction, ...]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    origin: NDArray[np.float64]
    scale: NDArray[np.float64]
    offset: float
    network: Network
    atom_energy: float


@dataclass(frozen=True)
class Potential:
    """A 2G HDNNP in its own units (n2p2 names none: often Å and eV, or Bohr and Hartree).

    The energy of N atoms is ``sum(network outputs) / conv_energy + N mean_energy +
    sum(atom_energy)``. n2p2's ``conv_length`` is not needed: symmetry functions don't
    change when all lengths, those of the functions included, are scaled alike.
    """

    elements: tuple[ElementPotential, ...]
    cutoff_type: int
    cutoff_alpha: float
    mean_energy: float
    conv_energy: float

    @property
    def cutoff_radius(self) -> float:
        """Largest cutoff radius of all symmetry functions."""
        return max(f.rc for element in self.elements for f in element.functions)


def read_potential(directory: str | Path) -> Potential:
    """Read a potential.

    Parameters
    ----------
    directory
        Folder with ``input.nn``, ``scaling.data`` and one ``weights.NNN.data`` per element.

    Raises
    ------
    InputError
        If a file is missing, cannot be parsed or does not fit the others, or if the
        potential needs what this package does not do.
    """
    folder = Path(directory)
    keywords = read_keywords(folder / "input.nn")
    symbols = _read_elements(keywords)
    functions = _read_symmetry_functions(keywords, symbols)
    networks = _read_networks(folder, keywords, symbols, functions)
    scaling = _read_scaling(folder, keywords, symbols, functions)
    atom_energies = _read_atom_energies(keywords, symbols)
    cutoff_type, cutoff_alpha = _read_cutoff(keywords)
    mean_energy, conv_energy = _read_normalisation(keywords)
    return Potential(
        elements=tuple(
            ElementPotential(
                symbol=symbol,
                functions=functions[symbol],
                **asdict(scaling[symbol]),
                network=networks[symbol],
                atom_energy=atom_energies[symbol],
            )
            for symbol in symbols
        ),
        cutoff_type=cutoff_type,
        cutoff_alpha=cutoff_alpha,
        mean_energy=mean_energy,
        conv_energy=conv_energy,
    )


def _read_elements(keywords: Keywords) -> tuple[str, ...]:
    line, symbols = keywords.required("elements")
    for symbol in symbols:
        if symbol not in atomic_numbers or symbol == "X":
            raise keywords.error(line, f"'{shown([symbol])}' is not the symbol of an element")
    if len(set(symbols)) != len(symbols) or not symbols:
        raise keywords.error(line, "elements must be named once each")
    expected = keywords.number("number_of_elements", len(symbols))
    if expected != len(symbols):
        raise keywords.error(line, f"{len(symbols)} elements, but number_of_elements {expected:g}")
    return tuple(sorted(symbols, key=atomic_numbers.__getitem__))


def _check_element(keywords: Keywords, line: int, symbol: str, symbols: tuple[str, ...]) -> None:
    if symbol not in symbols:
        raise keywords.error(line, f"element '{shown([symbol])}' is not among {' '.join(symbols)}")


def _read_atom_energies(keywords: Keywords, symbols: tuple[str, ...]) -> dict[str, float]:
    energies: dict[str, float] = {}
    for line, words in keywords.all("atom_energy"):
        if len(words) != 2:
            raise keywords.error(line, "atom_energy takes an element and a number")
        _check_element(keywords, line, words[0], symbols)
        if words[0] in energies:
            raise keywords.error(line, f"atom_energy of {words[0]} is given twice")
        energies[words[0]] = keywords.to_float(line, "atom_energy", words[1])
    return dict.fromkeys(symbols, 0.0) | energies


def _read_normalisation(keywords: Keywords) -> tuple[float, float]:
    """Mean energy and unit of energy of a potential that was trained on normalised data."""
    names = ("mean_energy", "conv_energy", "conv_length")
    given = [name for name in names if name in keywords]
    if given and len(given) < len(names):
        raise InputError(
            f"{keywords.path}: {' and '.join(given)} without the others of {' '.join(names)}; "
            "use all or none of them, as n2p2 does"
        )
    for name in names[1:]:
        if not keywords.number(name, 1.0) > 0.0:
            raise keywords.error(keywords.required(name)[0], f"{name} must be a number above 0")
    return keywords.number("mean_energy", 0.0), keywords.number("conv_energy", 1.0)


def _read_cutoff(keywords: Keywords) -> tuple[int, float]:
    line, words = keywords.required("cutoff_type")
    if len(words) not in (1, 2) or words[0] not in tuple("012345678"):
        raise keywords.error(line, f"cutoff_type must be 0 to 8, found '{shown(words)}'")
    alpha = keywords.to_float(line, "inner cutoff", words[1]) if len(words) == 2 else 0.0
    if not 0.0 <= alpha < 1.0:
        raise keywords.error(line, f"the inner cutoff must be from 0 to below 1, found {alpha:g}")
    return int(words[0]), alpha


def _read_symmetry_functions(
    keywords: Keywords, symbols: tuple[str, ...]
) -> dict[str, tuple[SymmetryFunction, ...]]:
    functions: dict[str, list[SymmetryFunction]] = {symbol: [] for symbol in symbols}
    for line, words in keywords.all("symfunction_short"):
        function = _parse_symmetry_function(keywords, line, words, symbols)
        functions[function.element].append(function)
    for symbol, found in functions.items():
        if not found:
            raise InputError(f"{keywords.path}: element {symbol} has no symfunction_short")
    return {
        symbol: tuple(sorted(found, key=lambda f: f.sort_key))
        for symbol, found in functions.items()
    }


def _parse_symmetry_function(
    keywords: Keywords, line: int, words: list[str], symbols: tuple[str, ...]
) -> SymmetryFunction:
    if len(words) < 2:
        raise keywords.error(line, "symfunction_short takes an element, a type and parameters")
    element, kind = words[0], words[1]
    _check_element(keywords, line, element, symbols)
    known = [str(k) for k in _COLUMNS]
    if kind not in known:
        raise keywords.error(
            line, f"symmetry function type '{shown([kind])}' is none of {' '.join(known)}"
        )
    names, values = _COLUMNS[int(kind)], words[2:]
    optional = int(kind) in (3, 9)  # rs of these two may be left out
    if len(values) != len(names) and not (optional and len(values) == len(names) - 1):
        columns = " ".join(name.rstrip("_") for name in names)
        raise keywords.error(line, f"type {kind} takes '{columns}', found '{shown(values)}'")
    neighbours: list[str] = []
    numbers: dict[str, float] = {}
    subtype = ""
    for name, word in zip(names, values, strict=False):
        if name in ("e1", "e2"):
            _check_element(keywords, line, word, symbols)
            neighbours.append(word)
        elif name == "subtype":
            if word not in COMPACT_SUBTYPES:
                raise keywords.error(
                    line,
                    f"compact function '{shown([word])}' is none of {' '.join(COMPACT_SUBTYPES)}",
                )
            subtype = word
        else:
            numbers[name] = keywords.to_float(line, name.rstrip("_"), word)
    function = SymmetryFunction(
        type=int(kind),
        element=element,
        neighbours=tuple(sorted(neighbours, key=atomic_numbers.__getitem__)),
        subtype=subtype,
        **numbers,
    )
    if not max(0.0, function.rl) < function.rc <= _LARGEST_RADIUS:
        raise keywords.error(
            line,
            f"the cutoff radius {function.rc:g} must exceed 0 and rl, and be at most "
            f"{_LARGEST_RADIUS:g}",
        )
    if function.compact and not function.radial and function.angle_left >= function.angle_right:
        raise keywords.error(line, "the left angle must be below the right one")
    if function.compact and not function.radial:
        _require_smooth(keywords, line, function.angle_left, function.angle_right)
    return function


def _require_smooth(keywords: Keywords, line: int, left: float, right: float) -> None:
    """Refuse a compact function of the angle with a kink where three atoms are in line.

    Beyond 0 and 180 degrees it must go on as its own mirror image, as n2p2 asks, too.
    """
    centre = (left + right) / 2
    if (left < 0 and centre != 0) or (right > 180 and centre != 180):
        raise keywords.error(
            line,
            f"angles {left:g} to {right:g}: those beyond 0 or 180 degrees must be centred there",
        )


def _read_networks(
    folder: Path,
    keywords: Keywords,
    symbols: tuple[str, ...],
    functions: dict[str, tuple[SymmetryFunction, ...]],
) -> dict[str, Network]:
    line, words = keywords.required("global_hidden_layers_short")
    hidden = keywords.to_count(line, "number of hidden layers", " ".join(words))
    line, words = keywords.required("global_nodes_short")
    if len(words) != hidden:
        raise keywords.error(line, f"{len(words)} numbers of nodes for {hidden} hidden layers")
    nodes = {s: [keywords.to_count(line, "number of nodes", w) for w in words] for s in symbols}
    for line, words in keywords.all("element_nodes_short"):
        _check_element(keywords, line, words[0] if words else "", symbols)
        numbers = [keywords.to_count(line, "number of nodes", word) for word in words[1:]]
        # RuNNer names a layer and its nodes, n2p2's present version the nodes of all layers; of
        # two numbers for two layers, a first one of 1 or 2 is taken for a layer
        if len(numbers) == 2 and numbers[0] <= hidden:
            nodes[words[0]][numbers[0] - 1] = numbers[1]
        elif len(numbers) == hidden:
            nodes[words[0]] = numbers
        else:
            raise keywords.error(
                line,
                f"element_nodes_short '{shown(words)}': takes an element, and a layer and its "
                f"nodes or the nodes of all {hidden} hidden layers",
            )
    line, words = keywords.required("global_activation_short")
    activations = "".join(words)
    if len(words) != hidden + 1 or any(word not in tuple(ACTIVATIONS) for word in words):
        raise keywords.error(
            line,
            f"{hidden + 1} activations of {' '.join(ACTIVATIONS)} expected, found '{shown(words)}'",
        )
    normalise = "normalize_nodes" in keywords
    return {
        symbol: _read_network(
            folder / f"weights.{atomic_numbers[symbol]:03d}.data",
            [len(functions[symbol]), *nodes[symbol], 1],
            activations,
            normalise,
        )
        for symbol in symbols
    }


def _read_network(path: Path, sizes: list[int], activations: str, normalise: bool) -> Network:
    _check_order(path)
    values = np.array([row[0] for row in _read_table(path, 1)])
    expected = sum((n + 1) * m for n, m in pairwise(sizes))
    if len(values) != expected:
        shape = "-".join(str(n) for n in sizes)
        raise InputError(
            f"{path}: {len(values)} weights, but a {shape} network has {expected}; "
            "is the file truncated, or does it belong to another input.nn?"
        )
    weights, biases = [], []
    start = 0
    for n, m in pairwise(sizes):
        divisor = n if normalise else 1
        weights.append(values[start : start + n * m].reshape(n, m) / divisor)
        biases.append(values[start + n * m : start + (n + 1) * m] / divisor)
        start += (n + 1) * m
    return Network(tuple(weights), tuple(biases), activations)


def _check_order(path: Path) -> None:
    """Refuse weights in another order, where the file numbers them: `a` weights, `b` biases."""
    counts = {"a": 0, "b": 0}
    for number, words in read_rows(path):
        if len(words) > 2 and words[1] in counts:
            counts[words[1]] += 1
            if to_number(words[2]) != counts[words[1]]:
                raise InputError(
                    f"{path}, line {number}: '{shown(words[1:])}' where {words[1]} "
                    f"{counts[words[1]]} is due; put the lines back in order"
                )


def _read_table(path: Path, columns: int) -> list[list[float]]:
    """Rows of numbers, the first ``columns`` of each row, comments left out."""
    rows = []
    for number, words in read_rows(path):
        row = [to_number(word) for word in words[:columns]]
        if any(math.isnan(value) for value in row):
            raise InputError(f"{path}, line {number}: numbers expected, found '{shown(words)}'")
        rows.append(row)
    return rows


@dataclass(frozen=True)
class _Scaling:
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    origin: NDArray[np.float64]
    scale: NDArray[np.float64]
    offset: float


def _read_scaling(
    folder: Path,
    keywords: Keywords,
    symbols: tuple[str, ...],
    functions: dict[str, tuple[SymmetryFunction, ...]],
) -> dict[str, _Scaling]:
    by_range = "scale_symmetry_functions" in keywords
    centered = "center_symmetry_functions" in keywords
    by_sigma = "scale_symmetry_functions_sigma" in keywords and not (by_range or centered)
    low = keywords.number("scale_min_short", 0.0)
    high = keywords.number("scale_max_short", 1.0)
    if (by_range or by_sigma) and high <= low:
        raise InputError(
            f"{keywords.path}: scale_min_short {low:g}, scale_max_short {high:g}: all symmetry "
            "functions would be the same number; give a larger maximum"
        )
    path = folder / "scaling.data"
    statistics = _read_statistics(path, symbols, functions, columns=6 if by_sigma else 5)
    scaling = {}
    for symbol in symbols:
        minimum, maximum, mean = statistics[symbol].T[:3]
        if (minimum > maximum).any():
            raise InputError(
                f"{path}: element {symbol}: a minimum above its maximum; is the file of this "
                "potential?"
            )
        origin = mean if centered or by_sigma else minimum if by_range else np.zeros_like(mean)
        scale = np.ones_like(mean)
        offset = 0.0
        if by_range or by_sigma:
            width = statistics[symbol].T[3] if by_sigma else maximum - minimum
            for function, w in zip(functions[symbol], width, strict=True):
                if not w > 0.0:
                    raise InputError(
                        f"{path}: symmetry function '{function}' has no range in the training "
                        "data; delete it from input.nn and train again"
                    )
            scale = (high - low) / width
            offset = low
        scaling[symbol] = _Scaling(minimum, maximum, origin, scale, offset)
    return scaling


def _read_statistics(
    path: Path,
    symbols: tuple[str, ...],
    functions: dict[str, tuple[SymmetryFunction, ...]],
    columns: int,
) -> dict[str, NDArray[np.float64]]:
    """Minimum, maximum, mean (and sigma) of each symmetry function, by element."""
    rows = _read_table(path, columns)
    # RuNNer ends the file with the range of energies
    rows = [row for row in rows if len(row) > 2]
    statistics = {}
    for index, symbol in enumerate(symbols, start=1):
        own = [row for row in rows if row[0] == index]
        expected = len(functions[symbol])
        if [row[1] for row in own] != list(range(1, expected + 1)):
            raise InputError(
                f"{path}: element {symbol} needs rows 1 to {expected} for its symmetry "
                f"functions, found {len(own)}"
            )
        if any(len(row) < columns for row in own):
            raise InputError(f"{path}: rows of element {symbol} need {columns} columns")
        statistics[symbol] = np.array([row[2:] for row in own])
    return statistics
