"""Kinds of site: by neighbours, and by symmetry in a crystal."""

from collections.abc import Mapping

import numpy as np
from ase.spacegroup import Spacegroup
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from llzo_helpers.analysis.periodic import checked_cell, nearest_image
from llzo_helpers.arrays import FloatArray, IntArray


def oxygen_coordination(
    centres: FloatArray, oxygens: FloatArray, cell: ArrayLike, *, cutoff: float = 2.9
) -> IntArray:
    """Count the oxygens around each site.

    Parameters
    ----------
    centres : ndarray, shape [site, axis]
        Å.
    oxygens : ndarray, shape [oxygen, axis]
        Mean positions, Å.
    cell : array_like, shape [vector, axis]
        Å.
    cutoff : float
        Å. In the garnet the bonds end at 2.0 (tetrahedron) and 2.5 Å (octahedron) and the next
        oxygens are beyond 3.4 Å.

    Returns
    -------
    ndarray of int, shape [site]
    """
    bonds = nearest_image(oxygens[None] - centres[:, None], checked_cell(cell))
    return np.asarray((np.linalg.norm(bonds, axis=2) < cutoff).sum(axis=1))


def coordination_types(coordination: NDArray[np.integer]) -> NDArray[np.str_]:
    """Name sites by their number of oxygens [site]: tetrahedral (4), octahedral (6), "5-fold"."""
    names = {4: "tetrahedral", 6: "octahedral"}
    return np.array([names.get(int(number), f"{number}-fold") for number in coordination])


def wyckoff_types(
    centres: FloatArray,
    cell: ArrayLike,
    *,
    space_group: int,
    positions: Mapping[str, tuple[float, float, float]],
    repeats: tuple[int, int, int] = (1, 1, 1),
    tolerance_A: float = 0.8,
) -> NDArray[np.str_]:
    """Name the sites of a crystal by their Wyckoff position.

    Parameters
    ----------
    centres : ndarray, shape [site, axis]
        Å; the crystal in its standard setting, at the standard origin.
    cell : array_like, shape [vector, axis]
        Of the simulation, Å.
    space_group : int
        Number in the International Tables.
    positions : mapping of str to tuple of float
        One position of each kind of site in fractions of the crystal's cell, by name.
    repeats : tuple of int
        Cells of the crystal along each vector.
    tolerance_A : float
        Largest distance from the ideal position, Å.

    Returns
    -------
    ndarray of str, shape [site]
        A name, or "other"; an ideal position goes to one site at most.
    """
    cell = checked_cell(cell)
    symmetry = Spacegroup(space_group)
    shifts = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), axis=-1).reshape(-1, 3)
    ideal, names = [], []
    for name, position in positions.items():
        orbit, _ = symmetry.equivalent_sites([position])
        ideal.append((orbit[None] + shifts[:, None]).reshape(-1, 3) / repeats)
        names += [name] * len(ideal[-1])
    offsets = nearest_image(np.concatenate(ideal) @ cell - centres[:, None], cell)
    distance = np.linalg.norm(offsets, axis=2)
    site, place = linear_sum_assignment(np.minimum(distance, 10 * tolerance_A))
    types = np.full(len(centres), "other", dtype=f"<U{max(map(len, ['other', *positions]))}")
    near = distance[site, place] <= tolerance_A
    types[site[near]] = np.array(names)[place[near]]
    return types
