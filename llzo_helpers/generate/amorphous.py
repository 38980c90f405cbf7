"""Amorphous structures of any lithium content and volume, made from a glass."""

from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase.geometry import get_distances
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError
from llzo_helpers.files import read_json
from llzo_helpers.garnet import lithium_count, volume_ratio
from llzo_helpers.generate.melt_quench import lithium_sites, relaxation_record
from llzo_helpers.md.relax import relax
from llzo_helpers.potentials import Potential
from llzo_helpers.structures import read_structure


def amorphous_structure(
    glass: Path,
    output: Path,
    *,
    li_per_formula: float,
    volume_ratio: float,
    potential: Potential,
    seed: int,
) -> tuple[ase.Atoms, dict[str, Any]]:
    """Make an amorphous structure of a lithium content and volume from a glass.

    Lithium is added at empty sites or removed, the cell is expanded at fixed relative positions,
    and the ions are relaxed.

    Parameters
    ----------
    glass
        Folder of `make_glass`.
    output
        Folder of the structure, which receives `relaxation/`.
    li_per_formula, volume_ratio
        X in Li_X La3 Zr2 O12; volume divided by V_exp.
    potential
        For the relaxation.
    seed
        Of the random choices.

    Returns
    -------
    atoms
        The structure.
    record
        What was done, for the provenance.

    Raises
    ------
    InputError
        If more lithium is requested than there are sites.
    """
    atoms = read_structure(glass)
    supercell = round((atoms.symbols.count("Zr") / 16) ** (1 / 3))
    present = atoms.symbols.count("Li")
    n_li = lithium_count(li_per_formula, supercell)
    sites = lithium_sites(glass) if n_li > present else None
    filled = set_lithium(atoms, n_li, sites, seed=seed)
    expanded = expand(filled, volume_ratio)
    relaxation = relax(expanded, output / "relaxation", potential=potential)
    return relaxation.atoms, {
        "glass": str(read_json(glass / "provenance.json")["sha256"]["structure.extxyz"]),
        "verdict": read_json(glass / "provenance.json")["verdict"],
        "lithium": {
            "added": max(n_li - present, 0),
            "removed": max(present - n_li, 0),
            "sites_known": None if sites is None else len(sites),
            "shortest_distance_before_expansion_angstrom": shortest_lithium_distance(filled),
        },
        "relaxation": relaxation_record(relaxation),
    }


MINIMUM_ADDED_LI_DISTANCE = 2.0
"""Å, the minimum distance between lithium ions for an insertion."""


def expand(atoms: ase.Atoms, ratio: float) -> ase.Atoms:
    """Return the structure at another volume, with all relative positions fixed.

    Parameters
    ----------
    atoms
        Periodic.
    ratio
        New volume, divided by the experimental volume.
    """
    result = atoms.copy()
    factor = (ratio / volume_ratio(atoms)) ** (1 / 3)
    result.set_cell(atoms.cell * factor, scale_atoms=True)
    return result


def set_lithium(atoms: ase.Atoms, n_li: int, sites: ArrayLike | None, *, seed: int) -> ase.Atoms:
    """Return the structure with `n_li` lithium ions: some added at `sites`, or some removed.

    Parameters
    ----------
    atoms
        Sorted like `llzo_helpers.garnet.ELEMENTS`.
    n_li
        Number of lithium ions in the result.
    sites
        Positions of lithium sites, occupied or not, Å, [site, axis]; needed to add.
    seed
        Of the choice among equally good sites, or of the ions to remove.

    Raises
    ------
    InputError
        If more are to be added than there are sites, or no sites are known.
    """
    present = np.flatnonzero(atoms.symbols == "Li")
    if n_li > len(present):
        if sites is None:
            raise InputError(
                f"li_per_formula: {n_li} Li requested, but the glass has {len(present)} and its "
                "empty sites are not known; set sites_ps of melt_quench above 0"
            )
        added = spread_out_sites(atoms, sites, n_li - len(present), seed=seed)
        lithium = ase.Atoms("Li" * len(added), added, cell=atoms.cell, pbc=True)
        return lithium + atoms
    rng = np.random.default_rng(seed)
    leaving = rng.choice(present, len(present) - n_li, replace=False)
    result = atoms.copy()
    del result[leaving]
    return result


def spread_out_sites(atoms: ase.Atoms, sites: ArrayLike, n: int, *, seed: int) -> FloatArray:
    """Choose `n` empty sites so that the shortest Li-Li distance is as large as possible.

    The largest distance is found by bisection over all distances that occur. Whether `n` sites
    can keep this distance from each other and from the present lithium is an independent-set
    problem, solved exactly by integer programming (HiGHS). Among the sets that reach the largest
    distance, one is chosen at random.

    Parameters
    ----------
    atoms
        Periodic; its lithium ions occupy sites.
    sites
        Å, [site, axis].
    n
        Number of ions to add.
    seed
        Of the random choice.

    Returns
    -------
    ndarray
        Positions of the chosen sites, Å, [ion, axis].

    Raises
    ------
    InputError
        If there are no `n` sites with all distances above `MINIMUM_ADDED_LI_DISTANCE`.
    """
    centres = np.asarray(sites, dtype=float).reshape(-1, 3)
    lithium = atoms.positions[atoms.symbols == "Li"]
    to_present = get_distances(centres, lithium, cell=atoms.cell, pbc=True)[1]
    between = get_distances(centres, cell=atoms.cell, pbc=True)[1]
    # an ion's distance to its own periodic image does not depend on the choice
    np.fill_diagonal(between, np.inf)
    nearest = to_present.min(axis=1, initial=np.inf)
    rng = np.random.default_rng(seed)
    levels = np.unique(np.concatenate([nearest, between.ravel()]))
    levels = levels[levels >= MINIMUM_ADDED_LI_DISTANCE]
    if not np.isfinite(levels).any():
        levels = np.array([MINIMUM_ADDED_LI_DISTANCE])
    chosen = _independent_sites(nearest, between, levels[0], n)
    if chosen is None:
        empty = int((nearest >= MINIMUM_ADDED_LI_DISTANCE).sum())
        raise InputError(
            f"li_per_formula: {n} Li to add, more than fit on the {empty} empty sites with "
            f"{MINIMUM_ADDED_LI_DISTANCE:g} Å or more between any two Li; lower li_per_formula, "
            "or find more sites with a longer sites_ps or a higher sites_K"
        )
    low, high = 0, len(levels)
    while high - low > 1:
        middle = (low + high) // 2
        if _independent_sites(nearest, between, levels[middle], n) is None:
            high = middle
        else:
            low = middle
    weights = rng.random(len(centres))
    chosen = _independent_sites(nearest, between, levels[low], n, weights)
    assert chosen is not None
    return centres[chosen]


def _independent_sites(
    nearest: FloatArray,
    between: FloatArray,
    distance: float,
    n: int,
    weights: FloatArray | None = None,
) -> NDArray[np.intp] | None:
    """Return `n` sites at least `distance` apart, of lowest total weight; None if impossible.

    Parameters
    ----------
    nearest
        Distance from each site to the nearest ion present, [site].
    between
        [site, site]
    """
    allowed = np.flatnonzero(nearest >= distance)
    if len(allowed) < n:
        return None
    first, second = np.nonzero(np.triu(between[np.ix_(allowed, allowed)] < distance, k=1))
    rows = np.arange(len(first))
    conflicts = np.zeros((len(first) + 1, len(allowed)))
    conflicts[rows, first] = conflicts[rows, second] = 1
    conflicts[-1] = 1  # the number of ions
    lower, upper = np.full(len(conflicts), -np.inf), np.ones(len(conflicts))
    lower[-1] = upper[-1] = n
    solution = milp(
        np.zeros(len(allowed)) if weights is None else weights[allowed],
        integrality=np.ones(len(allowed), dtype=int),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(conflicts, lower, upper),
    )
    return allowed[solution.x > 0.5] if solution.success else None


def shortest_lithium_distance(atoms: ase.Atoms) -> float:
    """Return the shortest distance between two lithium ions, Å."""
    lithium = atoms[atoms.symbols == "Li"]
    distances = lithium.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min())
