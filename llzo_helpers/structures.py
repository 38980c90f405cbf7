"""Crystalline LLZO: the cubic garnet at any lithium content, volume and supercell."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pandas as pd
import scipy  # spatial and special load at their first use
from ase.geometry import find_mic
from numpy.typing import NDArray
from scipy import constants

from llzo_helpers.errors import InputError
from llzo_helpers.files import sha256, write_json, write_text, written_aside
from llzo_helpers.paths import DATA

ELEMENTS = ("Li", "La", "Zr", "O")
"""Elements in the order of the LAMMPS atom types and of the atoms in every file."""

FORMAL_CHARGES = {"Li": 1.0, "La": 3.0, "Zr": 4.0, "O": -2.0}
FORMULA_UNITS_PER_CELL = 8
LI_PER_FORMULA_RANGE = (5.5, 7.5)
MINIMUM_LI_DISTANCE = 2.2
"""Å, in the unstrained crystal. It keeps a 24d site and the four 96h positions beside it, or the
two halves of one octahedral site, from being occupied together."""

COULOMB_EV_ANGSTROM = 14.399645
_G_CM3_PER_U_A3 = constants.atomic_mass * 1e27
_GARNET_CIF = DATA / "llzo_cubic.cif"


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
    `MINIMUM_LI_DISTANCE`; of several such draws the one of lowest Coulomb energy (formal charges)
    is taken.

    Parameters
    ----------
    li_per_formula
        X, from 5.5 to 7.5; X times the number of formula units (8 in a cell) must be whole.
    volume_ratio
        Volume over the experimental volume, (13.00 Å)^3 a cell.
    supercell
        Number of cells along each axis.
    seed
        Of the random choice; the same arguments give the same structure.
    draws
        Number of random arrangements to choose from.

    Returns
    -------
    ase.Atoms
        Periodic, sorted as `ELEMENTS`.

    Raises
    ------
    InputError
        For a lithium content outside the range or that needs a fraction of an ion.
    """
    n_li = lithium_count(li_per_formula, supercell)
    if volume_ratio <= 0:
        raise InputError(f"volume_ratio = {volume_ratio}: must be greater than 0, 1.0 is V_exp")
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
    octahedral sites. A relaxation brings all to their places.

    Parameters
    ----------
    volume_ratio
        Volume over the experimental volume of the cubic garnet. The ratio of the axes is that of
        a = 13.134 Å and c = 12.663 Å (Awaka et al., J. Solid State Chem. 182, 2046 (2009)).

    Returns
    -------
    ase.Atoms
        Of 192 atoms, periodic, sorted as `ELEMENTS`.
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


def lithium_count(li_per_formula: float, supercell: int) -> int:
    """Return the number of Li ions in the supercell; InputError if X doesn't fit."""
    low, high = LI_PER_FORMULA_RANGE
    if not low <= li_per_formula <= high:
        raise InputError(f"li_per_formula = {li_per_formula}: must be from {low} to {high}")
    formula_units = FORMULA_UNITS_PER_CELL * supercell**3
    n_li = li_per_formula * formula_units
    if abs(n_li - round(n_li)) > 1e-6:
        raise InputError(
            f"li_per_formula = {li_per_formula}: {formula_units} formula units would hold {n_li:g} "
            f"Li; take a multiple of {1 / formula_units:g}"
        )
    return round(n_li)


def garnet(supercell: int = 1) -> tuple[ase.Atoms, ase.Atoms]:
    """Return the framework (La, Zr, O) and all Li positions (24d, then 96h) of the garnet.

    The unstrained crystal of `data/llzo_cubic.cif`. The Li positions carry the array `wyckoff`
    with "d" or "h".
    """
    cell = _read(_GARNET_CIF)
    kinds = cell.arrays.pop("spacegroup_kinds")
    cell.info.clear()
    cell.set_array("wyckoff", np.array(["c", "a", "h", "d", "h"])[kinds])
    supercell_atoms = cell * (supercell, supercell, supercell)
    symbols = np.array(supercell_atoms.get_chemical_symbols())
    framework = supercell_atoms[
        np.concatenate([np.flatnonzero(symbols == s) for s in ELEMENTS[1:]])
    ]
    del framework.arrays["wyckoff"]
    lithium = supercell_atoms[symbols == "Li"]
    return framework, lithium[np.argsort(lithium.arrays["wyckoff"], kind="stable")]


def _sites_too_close(sites: ase.Atoms) -> list[NDArray[np.intp]]:
    """For each site the sites nearer than `MINIMUM_LI_DISTANCE`."""
    edges = sites.cell.lengths()
    tree = scipy.spatial.cKDTree(sites.positions % edges % edges, boxsize=edges)
    pairs = tree.query_pairs(MINIMUM_LI_DISTANCE, output_type="ndarray")
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
        f"{n_li} Li find no arrangement without pairs below {MINIMUM_LI_DISTANCE} Å; "
        "take another seed or a smaller li_per_formula"
    )


class _LithiumCoulombEnergy:
    """Coulomb energy (eV) of lithium on chosen sites of a fixed framework, by Ewald summation.

    The energy of the framework alone, and terms that depend only on the number of Li, are left
    out: it serves to compare arrangements of equally many ions.
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

    def _tree(self, positions: NDArray[np.float64]) -> "scipy.spatial.cKDTree":
        return scipy.spatial.cKDTree(positions % self._edges % self._edges, boxsize=self._edges)

    def _screened(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        return scipy.special.erfc(self._splitting * distances) / distances


def volume_ratio(atoms: ase.Atoms) -> float:
    """Return the volume over the experimental volume of as many formula units.

    Formula units are counted by Zr, which no process of the study adds or removes.
    """
    reference = _read(_GARNET_CIF)
    per_unit = reference.cell.volume / FORMULA_UNITS_PER_CELL
    return float(atoms.cell.volume / (per_unit * atoms.symbols.count("Zr") / 2))


def li_per_formula(atoms: ase.Atoms) -> float:
    """Return X of Li_X La3 Zr2 O12, counted against Zr."""
    return float(2 * atoms.symbols.count("Li") / atoms.symbols.count("Zr"))


def describe(atoms: ase.Atoms) -> pd.Series:
    """Composition, density and shortest distances of a structure, to be looked at."""
    symbols = np.array(atoms.get_chemical_symbols())
    distances = atoms.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)

    def shortest(a: str, b: str) -> float:
        return float(distances[np.ix_(symbols == a, symbols == b)].min())

    density = atoms.get_masses().sum() / atoms.cell.volume * _G_CM3_PER_U_A3
    return pd.Series(
        {
            "formula": atoms.get_chemical_formula(),
            "atoms": len(atoms),
            "cell lengths (Å)": " × ".join(f"{length:.3f}" for length in atoms.cell.lengths()),
            "V / V_exp": f"{volume_ratio(atoms):.4f}",
            "density (g/cm3)": f"{density:.3f}",
            "formal charge (e)": f"{sum(FORMAL_CHARGES[s] for s in symbols):+g}",
            "shortest Li-Li (Å)": f"{shortest('Li', 'Li'):.2f}",
            "shortest Li-O (Å)": f"{shortest('Li', 'O'):.2f}",
        },
        name="structure",
    )


def write_structure(atoms: ase.Atoms, directory: Path, provenance: Mapping[str, Any]) -> None:
    """Write a structure as LAMMPS data, CIF and extended XYZ, with a record of its making.

    Parameters
    ----------
    atoms
        Periodic; must be sorted as `ELEMENTS`.
    directory
        Receives `structure.lmp`, `structure.cif`, `structure.extxyz`, and last, as the sign that
        all is there, `provenance.json`.
    provenance
        What made the structure; composition, cell and the files' SHA-256 are added.
    """
    from ase.io import write

    data = io.StringIO()
    write(
        data,
        atoms,
        format="lammps-data",
        specorder=list(ELEMENTS),
        masses=True,
        atom_style="charge",
        atom_type_labels=True,
    )
    cif = io.BytesIO()
    write(cif, atoms, format="cif")
    write_text(directory / "structure.lmp", data.getvalue())
    write_text(directory / "structure.cif", cif.getvalue().decode())
    with written_aside(directory / "structure.extxyz") as aside:
        write(aside, atoms, format="extxyz")
    names = ("structure.lmp", "structure.cif", "structure.extxyz")
    write_json(
        directory / "provenance.json",
        {
            **provenance,
            "formula": atoms.get_chemical_formula(),
            "n_atoms": len(atoms),
            "li_per_formula": li_per_formula(atoms),
            "volume_ratio": volume_ratio(atoms),
            "cell_angstrom": atoms.cell.array.tolist(),
            "sha256": {name: sha256(directory / name) for name in names},
        },
    )


def read_structure(directory: Path) -> ase.Atoms:
    """Read back what `write_structure` wrote."""
    path = directory / "structure.extxyz"
    if not path.is_file():
        raise InputError(f"{path}: not found; generate the structure first (notebook 01)")
    return _read(path)


def _read(path: Path) -> ase.Atoms:
    # here, because ase.io is slow and whoever only starts or watches runs does without
    from ase.io import read

    return read(path)
