"""Distances in a periodic cell of any shape."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from ase.geometry import find_mic, minkowski_reduce
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.arguments import checked_numbers, checked_species
from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError, clipped

_LONGEST_VECTOR_A = 1e7
"""Of a cell; beyond, double precision has less than 1e-9 Å left."""


def checked_cell(cell: ArrayLike) -> FloatArray:
    """Return the cell [vector, axis] in Å as float64, or raise InputError if it has no volume."""
    matrix = checked_numbers("cell", cell).astype(float)
    if matrix.shape != (3, 3):
        raise InputError(f"cell: shape {matrix.shape}; give its three vectors as rows, 3x3, in Å")
    if not np.all(np.abs(matrix) < _LONGEST_VECTOR_A) or abs(np.linalg.det(matrix)) < 1e-6:
        raise InputError("cell: its vectors don't span a volume; give three independent rows in Å")
    return matrix


def reduced_cell(cell: ArrayLike) -> FloatArray:
    """Return the shortest vectors of the same lattice, right-handed.

    Where others are as short, as in a face-centred or hexagonal lattice, which are taken depends on
    how the cell was given, and so may `largest_distance`.

    In a skewed or flat cell, an image next to it may be nearer than the one that rounding
    fractions finds; in the reduced one it is not, up to `largest_distance`. A cell that is reduced
    and right-handed is returned as it is.

    Parameters
    ----------
    cell : array_like, shape [vector, axis]
        Å.

    Returns
    -------
    ndarray, shape [vector, axis]
        Å (Minkowski's reduction).
    """
    return _reduced(np.ascontiguousarray(checked_cell(cell)).tobytes())


@lru_cache(maxsize=32)
def _reduced(content: bytes) -> FloatArray:
    cell = np.frombuffer(content).reshape(3, 3)
    reduced = minkowski_reduce(cell)[0]
    shorter = (reduced**2).sum() < (1 - 1e-9) * (cell**2).sum()
    if np.linalg.det(cell) > 0 and not shorter:
        return cell
    # each vector in the direction in which it goes farthest along an axis, and right-handed
    farthest = np.abs(reduced).argmax(axis=1)
    reduced = reduced * np.sign(reduced[np.arange(3), farthest])[:, None]
    reduced = reduced[np.lexsort(reduced.round(6).T[[2, 1, 0]])[::-1]]
    if np.linalg.det(reduced) < 0:
        reduced = reduced[[1, 0, 2]]
    reduced.flags.writeable = False
    return np.asarray(reduced)


def largest_distance(cell: FloatArray) -> float:
    """Return half the smallest height of the reduced cell, Å: closer there is only one image."""
    return float(0.5 / np.linalg.norm(np.linalg.inv(reduced_cell(cell)), axis=0).max())


def close_pairs(
    points: FloatArray, cell: FloatArray, within_A: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the points [point, axis] that are near one another, in pairs, the closest first.

    Each pair is there twice, once from either of its points: first and second point, and their
    distance, Å [pair].
    """
    first, second, distance = primitive_neighbor_list(
        "ijd", (True, True, True), cell, points, within_A, self_interaction=False
    )
    order = np.argsort(distance, kind="stable")
    return first[order], second[order], distance[order]


def check_cutoff(cutoff_A: float, cell: FloatArray) -> None:
    """Refuse a cutoff, Å, within which an atom may have two images."""
    limit = largest_distance(cell)
    if not 0 < cutoff_A <= limit:
        raise InputError(
            f"cutoff: {cutoff_A:g} Å; give at most half the smallest height of the cell, "
            f"{limit:.3f} Å"
        )


def fractional_positions(positions: NDArray[Any], cell: FloatArray) -> FloatArray:
    """Return fractional coordinates [..., vector] of positions [..., axis], Å."""
    return np.ascontiguousarray(positions @ np.linalg.inv(cell))


@numba.njit(cache=True, inline="always")
def image_vector(a, b, cell):  # type: ignore[no-untyped-def]
    """Return the vector from fractional a to the nearest image of b, and its square."""
    u, v, w = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    u -= np.rint(u)
    v -= np.rint(v)
    w -= np.rint(w)
    x = u * cell[0, 0] + v * cell[1, 0] + w * cell[2, 0]
    y = u * cell[0, 1] + v * cell[1, 1] + w * cell[2, 1]
    z = u * cell[0, 2] + v * cell[1, 2] + w * cell[2, 2]
    return x, y, z, x * x + y * y + z * z


def atoms_of(species: Sequence[str], element: str) -> IntArray:
    """Return the indices of the atoms of an element, or raise InputError if there are none."""
    present = checked_species(species)
    atoms = np.flatnonzero(present == element) if isinstance(element, str) else []
    if not len(atoms):
        raise InputError(
            f"species: no {clipped(element)}; present: {', '.join(np.unique(present).tolist())}"
        )
    return atoms


def nearest_image(
    displacements: NDArray[Any], cell: FloatArray, *, however_long: bool = False
) -> FloatArray:
    """Return displacements [..., axis] brought to their nearest image, in a cell of any shape.

    It is the nearest if it is shorter than half the smallest height of the reduced cell; longer
    ones may not be, in an oblique cell, unless other images are tried for them (`however_long`).
    """
    cell = reduced_cell(cell)
    fractional = displacements @ np.linalg.inv(cell)
    fractional -= np.round(fractional)
    nearest = np.asarray(fractional @ cell)
    if however_long:
        long = np.linalg.norm(nearest, axis=-1) > largest_distance(cell)
        if long.any():
            nearest[long] = find_mic(nearest[long], cell)[0]
    return nearest
