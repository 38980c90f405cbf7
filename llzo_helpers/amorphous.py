"""Amorphous LLZO: defects that tell melt and glass from crystal; changing lithium and volume."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from ase.geometry import find_mic, get_distances
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.spatial import cKDTree

from llzo_helpers.diffusion import mean_squared_displacement, tracer_diffusion_coefficient
from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.structures import ELEMENTS, garnet, volume_ratio

FloatArray = NDArray[np.float64]

CATIONS = ("La", "Zr")
"""Elements whose Frenkel defects are counted."""
DISORDERED = 0.5
"""Fraction of the garnet's La and Zr sites left, from which on a cell counts as no crystal: 0 in
the crystal, about 0.75 where the ions lie anywhere."""
FROZEN_MSD = 1.0
"""Å^2; a framework whose mean squared displacement stays below is no liquid."""
MINIMUM_ADDED_LI_DISTANCE = 2.0
"""Å, the least distance between lithium ions that insertion accepts."""


@dataclass(frozen=True)
class FrenkelDefects:
    """Defects of one cation's sublattice, a mean over frames.

    Attributes
    ----------
    n_sites
        Sites of the element in the perfect garnet.
    vacated
        Of these, sites that no ion of the element is nearest to.
    interstitial
        Ions of the element nearest to an interstitial position: a lithium site.
    antisite
        Ions of the element nearest to a site of the other cation.
    """

    n_sites: int
    vacated: float
    interstitial: float
    antisite: float

    @property
    def vacated_fraction(self) -> float:
        """Fraction of the sites that are vacated."""
        return self.vacated / self.n_sites


def frenkel_defects(
    frames: Iterable[ArrayLike], cell: ArrayLike, symbols: ArrayLike
) -> dict[str, FrenkelDefects]:
    """Count the Frenkel defects of La and Zr against the perfect garnet.

    Each La and Zr belongs to the nearest of the garnet's cation positions: 24c (La), 16a (Zr), and
    as interstitial positions 24d and 96h (Li), the Wigner-Seitz rule. An ion of either kind so
    has to move more than half the way to another position to count, about 1.5 Å, which thermal
    vibration does not do.

    Parameters
    ----------
    frames
        Positions, Å, [frame, atom, axis]; wrapped or not.
    cell
        Rows are the vectors of a cubic cell, Å, [3, 3]: as many garnet cells along each axis as
        the number of Zr says.
    symbols
        [atom]

    Returns
    -------
    dict
        By element.

    Raises
    ------
    InputError
        If the cell is not cubic, or holds no whole number of garnet cells.
    """
    box = np.asarray(cell, dtype=float)
    names = np.asarray(symbols)
    edge = box[0, 0]
    if not np.allclose(box, edge * np.eye(3), atol=1e-6 * edge):
        raise InputError("cell: not cubic; Frenkel defects are counted against the cubic garnet")
    n_cells = (names == "Zr").sum() / 16
    supercell = round(n_cells ** (1 / 3))
    if n_cells == 0 or supercell**3 != n_cells:
        raise InputError(
            f"symbols: {(names == 'Zr').sum()} Zr are no cube of garnet cells with 16 each; give "
            "the whole supercell"
        )
    framework, lithium = garnet(supercell)
    sites = framework[framework.numbers != 8] + lithium
    kinds = np.array(sites.get_chemical_symbols())
    tree = cKDTree(np.asarray(sites.get_scaled_positions() % 1.0), boxsize=np.ones(3))
    counts: dict[str, list[tuple[int, int, int]]] = {element: [] for element in CATIONS}
    for frame in frames:
        fractional = np.asarray(frame, dtype=float) / edge % 1.0 % 1.0
        for element in CATIONS:
            nearest = np.asarray(tree.query(fractional[names == element])[1])
            own = kinds[nearest] == element
            interstitial = kinds[nearest] == "Li"
            counts[element].append(
                (
                    int((kinds == element).sum() - len(np.unique(nearest[own]))),
                    int(interstitial.sum()),
                    int((~own & ~interstitial).sum()),
                )
            )
    return {
        element: FrenkelDefects(int((kinds == element).sum()), *np.mean(counts[element], axis=0))
        for element in CATIONS
    }


def vacated_fraction(defects: dict[str, FrenkelDefects]) -> float:
    """Return the fraction of all La and Zr sites that are vacated."""
    sites = sum(defect.n_sites for defect in defects.values())
    return sum(defect.vacated for defect in defects.values()) / sites


@dataclass(frozen=True)
class FrameworkState:
    """What a stage of a melt-quench shows of the framework.

    Attributes
    ----------
    defects
        Of La and Zr, mean over the last quarter of the stage.
    msd
        Of each element, at half the length of the stage, Å^2.
    D_cm2_s, D_std_cm2_s
        Diffusion coefficient of La, Zr and O together, and its standard error.
    """

    defects: dict[str, FrenkelDefects]
    msd: dict[str, float]
    D_cm2_s: float
    D_std_cm2_s: float

    @property
    def disordered(self) -> bool:
        """Whether at least half of the La and Zr sites are vacated."""
        return vacated_fraction(self.defects) >= DISORDERED

    @property
    def flows(self) -> bool:
        """Whether the framework moves on: farther than vibration goes, D above three errors."""
        return not self.frozen and self.D_cm2_s > 3 * self.D_std_cm2_s

    @property
    def frozen(self) -> bool:
        """Whether La, Zr and O all keep their places."""
        return max(self.msd[element] for element in ELEMENTS[1:]) < FROZEN_MSD

    def __str__(self) -> str:
        """In words."""
        left = ", ".join(
            f"{defect.vacated:.1f} of {defect.n_sites} {element}"
            for element, defect in self.defects.items()
        )
        moved = ", ".join(f"{element} {self.msd[element]:.2g}" for element in ELEMENTS[1:])
        return (
            f"sites vacated: {left}; framework D = {self.D_cm2_s:.1e} ± {self.D_std_cm2_s:.0e} "
            f"cm2/s, MSD (Å2): {moved}"
        )


def framework_state(
    positions: ArrayLike, cell: ArrayLike, symbols: ArrayLike, frame_interval_ps: float
) -> FrameworkState:
    """Look at the framework in the frames of one stage.

    Parameters
    ----------
    positions
        Unwrapped, Å, [frame, atom, axis]; eight frames or more.
    cell
        Rows are the vectors of a cubic cell, Å, [3, 3].
    symbols
        [atom]
    frame_interval_ps
        Time between frames.
    """
    frames = np.asarray(positions, dtype=float)
    names = np.asarray(symbols)
    half = len(frames) // 2
    framework = names != "Li"
    masses = ase.Atoms(names[framework]).get_masses()
    centre = np.einsum("fac,a->fc", frames[:, framework], masses / masses.sum())
    relative = frames - (centre - centre[0])[:, np.newaxis]
    diffusion = tracer_diffusion_coefficient(relative[:, framework], frame_interval_ps)
    return FrameworkState(
        defects=frenkel_defects(frames[-max(len(frames) // 4, 1) :], cell, names),
        msd={
            element: float(mean_squared_displacement(relative[:, names == element], [half])[0])
            for element in ELEMENTS
        },
        D_cm2_s=diffusion.D_cm2_s,
        D_std_cm2_s=diffusion.D_std_cm2_s,
    )


def require_melted(melt: FrameworkState, hold_K: float) -> None:
    """Raise SimulationError if what was to be a melt is none."""
    if melt.disordered and melt.flows:
        return
    wrong = "is still crystalline" if not melt.disordered else "does not flow"
    raise SimulationError(
        f"the melt at {hold_K:g} K {wrong} ({melt}); raise superheat_K or superheat_ps, or hold_ps"
    )


def verdict(glass: FrameworkState) -> str:
    """Return what a quenched cell is: "glass", "crystal" or "not frozen"."""
    if not glass.disordered:
        return "crystal"
    return "glass" if glass.frozen else "not frozen"


# --------------------------------------------------------------------------- lithium and volume


def expand(atoms: ase.Atoms, ratio: float) -> ase.Atoms:
    """Return the structure at another volume, all relative positions kept.

    Parameters
    ----------
    atoms
        Periodic.
    ratio
        Volume wanted, over the experimental volume.
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
        Sorted as `llzo_helpers.structures.ELEMENTS`.
    n_li
        Wanted number.
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
                f"li_per_formula: {n_li} Li wanted, the glass holds {len(present)}, and its sites "
                "were not looked for; set sites_ps of melt_quench above 0"
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
    keep a distance from each other and from the lithium present is a question of independent
    sets, answered exactly by integer programming (HiGHS). Among the sets that reach it one is
    chosen at random.

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
            f"li_per_formula: {n} Li to add, more than fit on the {empty} empty sites found with "
            f"{MINIMUM_ADDED_LI_DISTANCE:g} Å between any two Li; lower it, or find more sites "
            "with a longer sites_ps or a higher sites_K"
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
    """Return `n` sites at least `distance` apart, of lowest sum of weights; None if there are none.

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


# --------------------------------------------------------------------------- after a switch


@dataclass(frozen=True)
class FrameworkDrift:
    """How far the framework went from where a run began.

    Attributes
    ----------
    times_ps
        Since the end of equilibration, [frame].
    displacement
        Root mean square over each element's atoms, Å, by element, [frame].
    moved_fraction
        Fraction of framework atoms farther than 1 Å from their start, [frame].
    """

    times_ps: FloatArray
    displacement: dict[str, FloatArray]
    moved_fraction: FloatArray


def framework_drift(positions: ArrayLike, times_ps: ArrayLike, start: ase.Atoms) -> FrameworkDrift:
    """Displacement of the framework from the structure a run began with.

    Parameters
    ----------
    positions
        Unwrapped positions of all atoms, Å, [frame, atom, axis].
    times_ps
        [frame]
    start
        The structure at the start, equilibration included in what is shown.
    """
    frames = np.asarray(positions, dtype=float)
    names = np.array(start.get_chemical_symbols())
    framework = names != "Li"
    # whole cells between the two records of the same atoms, from wrapping
    first, _ = find_mic(frames[0] - start.positions, start.cell)
    displacement = frames - frames[0] + first
    displacement -= displacement[:, framework].mean(axis=1, keepdims=True)
    squares = (displacement**2).sum(axis=2)
    return FrameworkDrift(
        times_ps=np.asarray(times_ps, dtype=float),
        displacement={
            element: np.sqrt(squares[:, names == element].mean(axis=1)) for element in ELEMENTS[1:]
        },
        moved_fraction=(squares[:, framework] > 1.0).mean(axis=1),
    )


def as_record(state: FrameworkState) -> dict[str, Any]:
    """Return a state as plain values, for a JSON file."""
    return {
        "vacated_fraction": round(vacated_fraction(state.defects), 4),
        "defects": {
            element: {
                "sites": defect.n_sites,
                "vacated": round(defect.vacated, 2),
                "interstitial": round(defect.interstitial, 2),
                "antisite": round(defect.antisite, 2),
            }
            for element, defect in state.defects.items()
        },
        "msd_angstrom2": {element: round(value, 3) for element, value in state.msd.items()},
        "framework_D_cm2_s": float(f"{state.D_cm2_s:.3e}"),
        "framework_D_std_cm2_s": float(f"{state.D_std_cm2_s:.3e}"),
    }
