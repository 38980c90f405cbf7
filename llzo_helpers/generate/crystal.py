"""Crystalline LLZO: the cubic garnet at any lithium content, volume and supercell."""

import ase
import numpy as np
import scipy  # spatial and special are loaded at first use
from ase.geometry import find_mic
from numpy.typing import NDArray

from llzo_helpers.arguments import check_number, check_whole
from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError
from llzo_helpers.garnet import FORMAL_CHARGES, garnet, lithium_count

MINIMUM_LI_DISTANCE_A = 2.2
"""Å, in the unstrained crystal. It keeps a 24d site and the four 96h positions next to it, or the
two halves of one octahedral site, from being occupied together."""


COULOMB_EV_ANGSTROM = 14.399645


def crystal(
    *,
    li_per_formula: float,
    volume_ratio: float = 1.0,
    supercell: int = 1,
    seed: int,
    draws: int = 20,
) -> ase.Atoms:
    """Build cubic Li_X La3 Zr2 O12 with lithium distributed at random.

    Lithium occupies the 24d and 96h positions of the garnet so that no two ions are closer than
    `MINIMUM_LI_DISTANCE_A`; of several such draws, the one with the lowest Coulomb energy (formal
    charges) is taken.

    Parameters
    ----------
    li_per_formula
        X, from 5.5 to 7.5; X times the number of formula units (8 per cell) must be an integer.
    volume_ratio
        Volume divided by the experimental volume, (13.00 Å)^3 per cell.
    supercell
        Number of cells along each axis.
    seed
        Of the random choice; the same arguments give the same structure.
    draws
        Number of random arrangements to choose from.

    Returns
    -------
    ase.Atoms
        Periodic, sorted like `ELEMENTS`.

    Raises
    ------
    InputError
        For a lithium content outside the range, or one that needs a fraction of an ion.
    """
    n_li = lithium_count(li_per_formula, supercell)
    check_number("volume_ratio", volume_ratio, "a volume, 1 is V_exp", low=0.1, high=10)
    check_whole("seed", seed, "a seed", low=0, high=2**63)
    check_whole("draws", draws, "a number of draws", low=1, high=10_000)
    framework, li_sites = garnet(supercell)
    rng = np.random.default_rng(seed)
    neighbours = _sites_too_close(li_sites)
    candidates = [_place_lithium(neighbours, n_li, rng) for _ in range(draws)]
    energy = _LithiumCoulombEnergy(framework, li_sites)
    occupied = min(candidates, key=energy)
    lithium = li_sites[occupied]
    del lithium.arrays["wyckoff"]
    atoms = lithium + framework
    atoms.set_cell(atoms.cell * volume_ratio ** (1 / 3), scale_atoms=True)
    return atoms


def tetragonal(*, volume_ratio: float = 1.0) -> ase.Atoms:
    """Build tetragonal Li7La3Zr2O12 (I4_1/acd), in which all lithium is ordered.

    The framework is that of the cubic garnet, stretched. Lithium fills 8a, the third of the
    garnet's 24d sites whose fourfold axis lies along c, and 16f and 32g, which are the garnet's
    octahedral sites. A relaxation brings all ions to their places.

    Parameters
    ----------
    volume_ratio
        Volume divided by the experimental volume of the cubic garnet. The ratio of the axes is that
        of a = 13.134 Å and c = 12.663 Å (Awaka et al., J. Solid State Chem. 182, 2046 (2009)).

    Returns
    -------
    ase.Atoms
        Of 192 atoms, periodic, sorted like `ELEMENTS`.
    """
    framework, sites = garnet()
    edge = framework.cell.lengths()[0]
    is_24d = sites.arrays["wyckoff"] == "d"
    # the axis of a 24d site is the one along which it lies at an odd multiple of 1/8
    eighths = np.round(sites.get_scaled_positions()[:, 2] * 8).astype(int)
    filled = np.flatnonzero(is_24d & (eighths % 2 == 1))
    octahedral = sites[~is_24d]
    between = octahedral.get_all_distances(mic=True)
    np.fill_diagonal(between, np.inf)
    twin = between.argmin(axis=1)
    to_filled = np.array(
        [sites.get_distances(site, filled, mic=True).min() for site in np.flatnonzero(~is_24d)]
    )
    # 32g: the half of the octahedron that is farther away; 16f: its middle, where both are equal
    split = to_filled > to_filled[twin] + 1e-3
    middle = np.isclose(to_filled, to_filled[twin], atol=1e-3) & (np.arange(len(twin)) < twin)
    half, _ = find_mic(octahedral.positions[twin] - octahedral.positions, octahedral.cell)
    octahedral.positions[middle] += half[middle] / 2
    lithium = sites[filled] + octahedral[split | middle]
    del lithium.arrays["wyckoff"]
    atoms = lithium + framework
    shape = np.array([13.134, 13.134, 12.663])
    shape *= edge / np.cbrt(shape.prod()) * np.cbrt(volume_ratio)
    atoms.set_cell(np.diag(shape), scale_atoms=True)
    return atoms


def _sites_too_close(sites: ase.Atoms) -> list[NDArray[np.intp]]:
    """For each site, the sites closer than `MINIMUM_LI_DISTANCE_A`."""
    edges = sites.cell.lengths()
    tree = scipy.spatial.cKDTree(sites.positions % edges % edges, boxsize=edges)
    pairs = tree.query_pairs(MINIMUM_LI_DISTANCE_A, output_type="ndarray")
    both_ways = np.concatenate([pairs, pairs[:, ::-1]])
    both_ways = both_ways[np.lexsort((both_ways[:, 1], both_ways[:, 0]))]
    return np.split(both_ways[:, 1], np.searchsorted(both_ways[:, 0], np.arange(1, len(sites))))


def _place_lithium(
    neighbours: list[NDArray[np.intp]], n_li: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Choose `n_li` sites at random, no two of them neighbours.

    Greedy filling stalls above X = 6.5, so ions start anywhere, and those in conflict move one
    by one to an empty site with the fewest conflicts (the min-conflicts heuristic of Minton et
    al., Artif. Intell. 58, 161 (1992)), with an occasional random move against dead ends.
    """
    n_sites = len(neighbours)
    occupied = np.zeros(n_sites, dtype=bool)
    occupied[rng.choice(n_sites, n_li, replace=False)] = True
    conflicts = np.array([occupied[near].sum() for near in neighbours])
    for _ in range(2000 * n_li):
        in_conflict = np.flatnonzero(occupied & (conflicts > 0))
        if len(in_conflict) == 0:
            return np.flatnonzero(occupied)
        leaving = rng.choice(in_conflict)
        occupied[leaving] = False
        conflicts[neighbours[leaving]] -= 1
        empty = np.flatnonzero(~occupied)
        if rng.random() > 0.02:
            empty = empty[conflicts[empty] == conflicts[empty].min()]
        arriving = rng.choice(empty)
        occupied[arriving] = True
        conflicts[neighbours[arriving]] += 1
    raise InputError(
        f"li_per_formula: no arrangement of {n_li} Li without pairs below "
        f"{MINIMUM_LI_DISTANCE_A} Å was found; use another seed or a smaller li_per_formula"
    )


class _LithiumCoulombEnergy:
    """Coulomb energy (eV) of lithium on chosen sites of a fixed framework, by Ewald summation.

    The energy of the framework alone, and terms that depend only on the number of Li, are left
    out: it only serves to compare arrangements with the same number of ions.
    """

    def __init__(self, framework: ase.Atoms, sites: ase.Atoms) -> None:
        edges = sites.cell.lengths()
        self._cutoff = 6.0
        self._splitting = 0.55
        self._edges = edges
        self._sites = sites.positions
        half = int(np.ceil(3.8 * 2 * self._splitting * edges.max() / (2 * np.pi)))
        counts = np.stack(np.meshgrid(*[np.arange(-half, half + 1)] * 3, indexing="ij"), -1)
        counts = counts.reshape(-1, 3)
        k = 2 * np.pi * counts / edges
        k2 = (k**2).sum(axis=1)
        # one of each pair k, -k
        keep = (k2 > 0) & (k2 < (3.8 * 2 * self._splitting) ** 2)
        keep &= np.arange(len(k2)) > len(k2) // 2
        k, k2 = k[keep], k2[keep]
        self._weights = 8 * np.pi / sites.cell.volume * np.exp(-k2 / (4 * self._splitting**2)) / k2
        charges = np.array([FORMAL_CHARGES[s] for s in framework.get_chemical_symbols()])
        self._framework_factor = np.exp(1j * framework.positions @ k.T).T @ charges
        self._site_factors = np.exp(1j * self._sites @ k.T)
        near = self._tree(self._sites).sparse_distance_matrix(
            self._tree(framework.positions), self._cutoff, output_type="coo_matrix"
        )
        self._framework_potential = np.bincount(
            near.row, charges[near.col] * self._screened(near.data), minlength=len(sites)
        )

    def __call__(self, occupied: NDArray[np.intp]) -> float:
        """Return the energy of Li on the sites `occupied`."""
        lithium_factor = self._site_factors[occupied].sum(axis=0)
        cross = (
            np.abs(lithium_factor) ** 2 / 2 + (lithium_factor * self._framework_factor.conj()).real
        )
        pairs = self._tree(self._sites[occupied])
        near = pairs.sparse_distance_matrix(pairs, self._cutoff, output_type="coo_matrix")
        real = self._screened(near.data[near.row < near.col]).sum()
        real += self._framework_potential[occupied].sum()
        return float(COULOMB_EV_ANGSTROM * (real + self._weights @ cross))

    def _tree(self, positions: FloatArray) -> "scipy.spatial.cKDTree":
        return scipy.spatial.cKDTree(positions % self._edges % self._edges, boxsize=self._edges)

    def _screened(self, distances: FloatArray) -> FloatArray:
        return scipy.special.erfc(self._splitting * distances) / distances
