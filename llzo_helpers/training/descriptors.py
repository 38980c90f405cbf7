"""Symmetry functions of types 2 and 9 with their gradients, atom by atom.

The evaluator of `llzo_helpers.hdnnp` gives forces without ever holding these gradients; a fit
needs them one by one. This is the plain definition, in loops over neighbours and pairs, and an
independent check of the evaluator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from ase.neighborlist import neighbor_list
from numba import njit
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.files import SymmetryFunction

CUTOFF_TYPE = 6
"""n2p2's number of the cutoff function used here: the polynomial 1 - 10 x^3 + 15 x^4 - 6 x^5."""

_COLUMNS = np.dtype(
    [
        ("angular", np.bool_),
        ("first", np.int64),
        ("second", np.int64),
        ("gaussian", np.int64),
        ("lambda_", np.float64),
        ("zeta", np.int64),
    ]
)


@dataclass(frozen=True)
class FunctionTable:
    """Symmetry functions of all elements in the form that the loops read.

    Attributes
    ----------
    symbols
        Elements, in order of atomic number.
    functions
        For each element its functions, in n2p2's order.
    columns
        Their parameters, [element, function].
    gaussians
        Distinct (eta, shift) of all functions, [gaussian, 2].
    cutoff
        Å, one for all.
    """

    symbols: tuple[str, ...]
    functions: tuple[tuple[SymmetryFunction, ...], ...]
    columns: NDArray[np.void]
    gaussians: FloatArray
    cutoff: float

    def element_numbers(self, atoms: ase.Atoms) -> IntArray:
        """Return the element of each atom, as an index of `symbols`."""
        return np.array([self.symbols.index(s) for s in atoms.get_chemical_symbols()], np.int64)


def tabulate(functions: Mapping[str, Sequence[SymmetryFunction]]) -> FunctionTable:
    """Collect symmetry functions, equally many for each element.

    Raises
    ------
    InputError
        For functions that are not of type 2 or 9 with a whole zeta and one common cutoff.
    """
    every = [f for own in functions.values() for f in own]
    for f in every:
        if f.type not in (2, 9) or (f.type == 9 and f.zeta != int(f.zeta)):
            raise InputError(f"symmetry function '{f}': only types 2 and 9 (zeta whole) are fitted")
    if len({f.rc for f in every}) != 1 or len({len(own) for own in functions.values()}) != 1:
        raise InputError("symmetry functions must share one cutoff, equally many for each element")
    symbols = tuple(functions)
    gaussians = sorted({(f.eta, f.rs) for f in every})
    columns = np.array(
        [
            [
                (
                    f.type == 9,
                    symbols.index(f.neighbours[0]),
                    symbols.index(f.neighbours[-1]),
                    gaussians.index((f.eta, f.rs)),
                    f.lambda_,
                    int(f.zeta),
                )
                for f in own
            ]
            for own in functions.values()
        ],
        dtype=_COLUMNS,
    )
    kept = tuple(tuple(own) for own in functions.values())
    return FunctionTable(symbols, kept, columns, np.array(gaussians), every[0].rc)


@dataclass(frozen=True)
class Descriptors:
    """Symmetry functions of a structure, and how they change with the positions of some atoms.

    Attributes
    ----------
    values
        [atom, function]; in double precision, since their extremes bound the training range.
    centres, moved
        For each gradient the atom whose functions change, and the index in `atoms` of the one that
        moves, [gradient].
    elements
        Element of the neighbour that moves, or the number of elements if the centre itself does,
        [gradient].
    gradients
        Change of the functions with the position, 1/Å, [gradient, axis, function].
    """

    values: FloatArray
    centres: NDArray[np.int32]
    moved: NDArray[np.int32]
    elements: NDArray[np.int32]
    gradients: NDArray[np.float32]


def describe(
    atoms: ase.Atoms, table: FunctionTable, moving: NDArray[np.intp] | None = None
) -> Descriptors:
    """Evaluate the symmetry functions of a structure.

    Parameters
    ----------
    atoms
        Any cell, periodic or not.
    table
        From `tabulate`.
    moving
        Indices of the atoms that move; none by default, then there are no gradients.
    """
    numbers = table.element_numbers(atoms)
    centre, neighbour, vectors = neighbor_list("ijD", atoms, table.cutoff)
    starts = np.searchsorted(centre, np.arange(len(atoms) + 1))
    place = np.full(len(atoms), -1, np.int32)
    if moving is not None:
        place[moving] = np.arange(len(moving), dtype=np.int32)
    gradients_of = (place[neighbour] >= 0).sum() + (place >= 0).sum()
    n_functions = table.columns.shape[1]
    values = np.empty((len(atoms), n_functions))
    centres = np.empty(gradients_of, np.int32)
    moved = np.empty(gradients_of, np.int32)
    elements = np.empty(gradients_of, np.int32)
    gradients = np.empty((gradients_of, 3, n_functions), np.float32)
    _describe(
        numbers,
        starts,
        neighbour,
        vectors,
        place,
        table.columns,
        table.gaussians,
        table.cutoff,
        values,
        centres,
        moved,
        elements,
        gradients,
    )
    return Descriptors(values, centres, moved, elements, gradients)


@njit(cache=True)
def _describe(
    numbers: IntArray,
    starts: IntArray,
    neighbours: IntArray,
    vectors: FloatArray,
    place: NDArray[np.int32],
    columns: Any,
    gaussians: FloatArray,
    cutoff: float,
    values: NDArray[np.float32],
    centres: NDArray[np.int32],
    moved: NDArray[np.int32],
    elements: NDArray[np.int32],
    gradients: NDArray[np.float32],
) -> None:
    n_functions = columns.shape[1]
    written = 0
    for i in range(len(numbers)):
        begin, end = starts[i], starts[i + 1]
        own = columns[numbers[i]]
        kinds = numbers[neighbours[begin:end]]
        value, gradient = _functions_of_atom(
            vectors[begin:end], kinds, own, gaussians, cutoff, place[i] >= 0 or len(gradients) > 0
        )
        values[i] = value
        if place[i] >= 0:
            # functions depend on differences: moving the centre undoes moving all neighbours
            centres[written], moved[written], elements[written] = i, place[i], len(columns)
            for axis in range(3):
                for f in range(n_functions):
                    gradients[written, axis, f] = -gradient[:, axis, f].sum()
            written += 1
        for n in range(end - begin):
            j = neighbours[begin + n]
            if place[j] >= 0:
                centres[written], moved[written], elements[written] = i, place[j], kinds[n]
                gradients[written] = gradient[n]
                written += 1


@njit(cache=True)
def _functions_of_atom(
    vectors: FloatArray,
    kinds: IntArray,
    own: Any,
    gaussians: FloatArray,
    cutoff: float,
    with_gradient: bool,
) -> tuple[FloatArray, FloatArray]:
    """Values [function] and gradients [neighbour, axis, function] of one atom's functions."""
    n, n_functions = len(vectors), len(own)
    value = np.zeros(n_functions)
    gradient = np.zeros((n if with_gradient else 0, 3, n_functions))
    distance = np.sqrt((vectors**2).sum(axis=1))
    radial = np.empty((n, len(gaussians)))
    slope = np.empty((n, len(gaussians)))
    for j in range(n):
        x = distance[j] / cutoff
        envelope = 1.0 + x**3 * (-10.0 + x * (15.0 - 6.0 * x))
        envelope_slope = -30.0 * x**2 * (1.0 - x) ** 2 / cutoff
        for g in range(len(gaussians)):
            eta, shift = gaussians[g]
            d = distance[j] - shift
            gaussian = np.exp(-eta * d * d)
            radial[j, g] = gaussian * envelope
            slope[j, g] = gaussian * (envelope_slope - 2.0 * eta * d * envelope)
    for f in range(n_functions):
        p = own[f]
        if not p.angular:
            for j in range(n):
                if kinds[j] == p.first:
                    value[f] += radial[j, p.gaussian]
                    if with_gradient:
                        for axis in range(3):
                            unit = vectors[j, axis] / distance[j]
                            gradient[j, axis, f] += slope[j, p.gaussian] * unit
            continue
        g = p.gaussian
        factor = 2.0 ** (1 - p.zeta)
        for j in range(n):
            if kinds[j] != p.first:
                continue
            for k in range(n):
                # each pair once
                if kinds[k] != p.second or k == j or (p.first == p.second and k < j):
                    continue
                cosine = 0.0
                for axis in range(3):
                    cosine += vectors[j, axis] * vectors[k, axis]
                cosine /= distance[j] * distance[k]
                base = 1.0 + p.lambda_ * cosine
                power = base ** (p.zeta - 1)
                angular = factor * power * base
                value[f] += angular * radial[j, g] * radial[k, g]
                if not with_gradient:
                    continue
                turn = factor * p.zeta * power * p.lambda_ * radial[j, g] * radial[k, g]
                for axis in range(3):
                    u, v = vectors[j, axis] / distance[j], vectors[k, axis] / distance[k]
                    gradient[j, axis, f] += (
                        turn * (v - cosine * u) / distance[j]
                        + angular * slope[j, g] * radial[k, g] * u
                    )
                    gradient[k, axis, f] += (
                        turn * (u - cosine * v) / distance[k]
                        + angular * slope[k, g] * radial[j, g] * v
                    )
    return value, gradient
