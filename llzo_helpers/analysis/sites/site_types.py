"""Kinds of site: by neighbours, and by symmetry in a crystal."""

from collections.abc import Mapping

import numpy as np
from ase.spacegroup import Spacegroup
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from llzo_helpers.analysis.periodic import check_cutoff, checked_cell, nearest_image
from llzo_helpers.arguments import check_repeats, checked_points
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

    Raises
    ------
    InputError
        Positions that are not finite, or a cell so flat or small that an oxygen may have two
        images within the cutoff.
    """
    centres, oxygens = checked_points("centres", centres), checked_points("oxygens", oxygens)
    check_cutoff(cutoff, checked_cell(cell))
    bonds = nearest_image(oxygens[None] - centres[:, None], checked_cell(cell))
    return np.asarray((np.linalg.norm(bonds, axis=2) < cutoff).sum(axis=1))


def coordination_types(coordination: NDArray[np.integer]) -> NDArray[np.str_]:
    """Name sites by their number of oxygens [site]: tetrahedral (4), octahedral (6), "5-fold"."""
    names = {4: "tetrahedral", 6: "octahedral"}
    return np.array([names.get(int(number), f"{number}-fold") for number in coordination])


def wyckoff_positions(
    space_group: int,
    positions: Mapping[str, tuple[float, float, float]],
    repeats: tuple[int, int, int] = (1, 1, 1),
) -> tuple[FloatArray, NDArray[np.str_]]:
    """Return all positions of a crystal's sites, and which kind each is.

    Parameters
    ----------
    space_group : int
        Number in the International Tables; standard setting and origin.
    positions : mapping of str to tuple of float
        One position of each kind of site in fractions of the crystal's cell, by name.
    repeats : tuple of int
        Cells of the crystal along each vector.

    Returns
    -------
    fractions : ndarray, shape [site, vector]
        Of the whole cell.
    names : ndarray of str, shape [site]

    Raises
    ------
    InputError
        Repeats that are not three numbers of cells.
    """
    check_repeats(repeats)
    symmetry = Spacegroup(space_group)
    shifts = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), axis=-1).reshape(-1, 3)
    fractions, names = [], []
    for name, position in positions.items():
        orbit, _ = symmetry.equivalent_sites([position])
        fractions.append((orbit[None] + shifts[:, None]).reshape(-1, 3) / repeats)
        names += [name] * len(fractions[-1])
    return np.concatenate(fractions), np.array(names)


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
    ideal, names = wyckoff_positions(space_group, positions, repeats)
    offsets = nearest_image(ideal @ cell - centres[:, None], cell)
    distance = np.linalg.norm(offsets, axis=2)
    site, place = linear_sum_assignment(np.minimum(distance, 10 * tolerance_A))
    types = np.full(len(centres), "other", dtype=f"<U{max(map(len, ['other', *positions]))}")
    near = distance[site, place] <= tolerance_A
    types[site[near]] = names[place[near]]
    return types
