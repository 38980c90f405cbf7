"""The state of the framework: defects, motion and bonds that tell crystal, melt and glass apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from ase.neighborlist import neighbor_list
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient
from llzo_helpers.analysis.msd import mean_squared_displacement
from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.garnet import ELEMENTS, garnet

CATIONS = ("La", "Zr")
"""Elements whose Frenkel defects are counted."""
DISORDERED = 0.5
"""Fraction of vacated La and Zr sites of the garnet above which a cell is no longer a crystal: 0 in
the crystal, about 0.75 for ions placed at random."""
FROZEN_MSD_A2 = 1.0
"""Å^2; a framework whose mean squared displacement stays below this is not a liquid."""
FLOWING_EXPONENT = 0.5
"""Smallest exponent of the framework's mean squared displacement in a melt: 0 for vibration, 1 for
diffusion. The ratio of D to its error would not do, which is small in a stage of picoseconds."""
BOND_A = 1.8
"""Å; oxygen ions that are closer are bonded: 1.2 Å in O2, 1.5 in a peroxide. All others keep more
than 2 Å apart."""


def oxygen_bonds(atoms: ase.Atoms) -> int:
    """Return the number of pairs of bonded oxygen; Li2O, La2O3, ZrO2 and LLZO have none.

    Examples
    --------
    >>> oxygen_bonds(ase.Atoms("LiO3", [(0, 0, 0), (5, 0, 0), (6.3, 0, 0), (9, 0, 0)]))
    1
    """
    oxygen = atoms[atoms.symbols == "O"]
    return len(neighbor_list("i", oxygen, BOND_A)) // 2


@dataclass(frozen=True)
class FrenkelDefects:
    """Defects on the sublattice of one cation, averaged over frames.

    Attributes
    ----------
    n_sites
        Sites of the element in the perfect garnet.
    vacated
        Sites to which no ion of the element is assigned.
    interstitial
        Ions of the element assigned to an interstitial position: a lithium site.
    antisite
        Ions of the element assigned to a site of the other cation.
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
    """Count the Frenkel defects of La and Zr relative to the perfect garnet.

    Each La and Zr ion is assigned to the nearest cation position of the garnet: 24c (La), 16a
    (Zr), and as interstitial positions 24d and 96h (Li); this is the Wigner-Seitz rule. To count,
    an ion has to move more than half way to another position, about 1.5 Å, which is beyond
    thermal vibration.

    Parameters
    ----------
    frames
        Positions, Å, [frame, atom, axis]; wrapped or not.
    cell
        Rows are the vectors of a cubic cell, Å, [3, 3]; the number of garnet cells along each axis
        follows from the number of Zr.
    symbols
        [atom]

    Returns
    -------
    dict
        By element.

    Raises
    ------
    InputError
        If the cell is not cubic, or not a whole number of garnet cells.
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
            f"symbols: {(names == 'Zr').sum()} Zr do not form a cube of garnet cells with 16 each; "
            "give the whole supercell"
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
class StageFramework:
    """The state of the framework in a stage of a melt-quench.

    Attributes
    ----------
    defects
        Of La and Zr, averaged over the last quarter of the stage.
    msd_A2
        Of each element, at half the length of the stage, Å^2.
    msd_exponent
        By which that of La, Zr and O together grows from a quarter of the length to half.
    D_cm2_s, D_std_cm2_s
        Diffusion coefficient of La, Zr and O together, and its standard error.
    """

    defects: dict[str, FrenkelDefects]
    msd_A2: dict[str, float]
    msd_exponent: float
    D_cm2_s: float
    D_std_cm2_s: float

    @property
    def disordered(self) -> bool:
        """Whether at least half of the La and Zr sites are vacated."""
        return vacated_fraction(self.defects) >= DISORDERED

    @property
    def flows(self) -> bool:
        """Whether the framework diffuses: its displacement exceeds vibration and keeps growing."""
        return not self.frozen and self.msd_exponent > FLOWING_EXPONENT

    @property
    def frozen(self) -> bool:
        """Whether La, Zr and O all stay in place."""
        return max(self.msd_A2[element] for element in ELEMENTS[1:]) < FROZEN_MSD_A2

    def __str__(self) -> str:
        """In words."""
        left = ", ".join(
            f"{defect.vacated:.1f} of {defect.n_sites} {element}"
            for element, defect in self.defects.items()
        )
        moved = ", ".join(f"{element} {self.msd_A2[element]:.2g}" for element in ELEMENTS[1:])
        return (
            f"sites vacated: {left}; framework D = {self.D_cm2_s:.1e} ± {self.D_std_cm2_s:.0e} "
            f"cm2/s, MSD (Å2): {moved}, growing as t^{self.msd_exponent:.2f}"
        )


def framework_state(
    positions: ArrayLike, cell: ArrayLike, symbols: ArrayLike, frame_interval_ps: float
) -> StageFramework:
    """Return the state of the framework in the frames of one stage.

    Parameters
    ----------
    positions
        Unwrapped, Å, [frame, atom, axis]; 20 or more.
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
    quarter, middle = mean_squared_displacement(relative[:, framework], [half // 2, half])
    return StageFramework(
        defects=frenkel_defects(frames[-max(len(frames) // 4, 1) :], cell, names),
        msd_A2={
            element: float(mean_squared_displacement(relative[:, names == element], [half])[0])
            for element in ELEMENTS
        },
        msd_exponent=float(np.log(middle / quarter) / np.log(half / (half // 2))),
        D_cm2_s=diffusion.D_cm2_s,
        D_std_cm2_s=diffusion.D_std_cm2_s,
    )


def require_melted(melt: StageFramework, hold_K: float) -> None:
    """Raise SimulationError if the crystal has not melted."""
    if melt.disordered and melt.flows:
        return
    wrong = "is still crystalline" if not melt.disordered else "does not flow"
    raise SimulationError(
        f"the melt at {hold_K:g} K {wrong} ({melt}); raise superheat_K or superheat_ps, or hold_ps"
    )


def verdict(glass: StageFramework) -> str:
    """Return what a quenched cell is: "glass", "crystal" or "not frozen".

    A crystal is known by the positions that its La and Zr had before: one that grew elsewhere in
    the cell, or turned, counts as a glass. The map of structures of notebook 05 tells these apart.
    """
    if not glass.disordered:
        return "crystal"
    return "glass" if glass.frozen else "not frozen"


def as_record(state: StageFramework) -> dict[str, Any]:
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
        "msd_angstrom2": {element: round(value, 3) for element, value in state.msd_A2.items()},
        "framework_msd_exponent": round(state.msd_exponent, 3),
        "framework_D_cm2_s": float(f"{state.D_cm2_s:.3e}"),
        "framework_D_std_cm2_s": float(f"{state.D_std_cm2_s:.3e}"),
    }
