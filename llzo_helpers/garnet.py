"""What is known about the LLZO garnet: composition, volume, and the positions of its ions."""

from pathlib import Path

import ase
import numpy as np

from llzo_helpers.arguments import check_number, check_whole
from llzo_helpers.errors import InputError
from llzo_helpers.paths import DATA

ELEMENTS = ("Li", "La", "Zr", "O")
"""Elements in the order of the LAMMPS atom types and of the atoms in every file."""

FORMAL_CHARGES = {"Li": 1.0, "La": 3.0, "Zr": 4.0, "O": -2.0}
FORMULA_UNITS_PER_CELL = 8
LI_PER_FORMULA_RANGE = (5.5, 7.5)
LARGEST_SUPERCELL = 8
"""Cells along an axis: 98,000 atoms."""
_CIF = DATA / "llzo_cubic.cif"

SPACE_GROUP = 230  # Ia-3d
# Li sites of cubic LLZO in fractions of the cubic cell; y of 48g as refined for Li7La3Zr2O12.
LI_SITES = {"24d": (3 / 8, 0.0, 1 / 4), "48g": (1 / 8, 0.1763, 1 / 4 + 0.1763)}

SITE_RADII_A = {"Li": 0.59, "O": 1.24, "Zr": 0.86, "La": 1.30}
"""Shannon radii that the paper uses for site volumes."""


def lithium_count(li_per_formula: float, supercell: int) -> int:
    """Return the number of Li ions in the supercell; InputError if X does not fit."""
    low, high = LI_PER_FORMULA_RANGE
    check_number("li_per_formula", li_per_formula, "the Li per formula unit", low=low, high=high)
    check_whole("supercell", supercell, "a number of cells", low=1, high=LARGEST_SUPERCELL)
    formula_units = FORMULA_UNITS_PER_CELL * supercell**3
    n_li = li_per_formula * formula_units
    if abs(n_li - round(n_li)) > 1e-6:
        raise InputError(
            f"li_per_formula = {li_per_formula}: {formula_units} formula units would hold {n_li:g} "
            f"Li; give a multiple of {1 / formula_units:g}"
        )
    return round(n_li)


def garnet(supercell: int = 1) -> tuple[ase.Atoms, ase.Atoms]:
    """Return the framework (La, Zr, O) and all Li positions (24d, then 96h) of the garnet.

    The unstrained crystal of `data/llzo_cubic.cif`. The Li positions carry the array `wyckoff`
    with "d" or "h".
    """
    cell = _read(_CIF)
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


def volume_ratio(atoms: ase.Atoms) -> float:
    """Return the volume over the experimental volume of the same number of formula units.

    Formula units are counted by Zr, which no process of the study adds or removes.
    """
    reference = _read(_CIF)
    per_unit = reference.cell.volume / FORMULA_UNITS_PER_CELL
    return float(atoms.cell.volume / (per_unit * atoms.symbols.count("Zr") / 2))


def li_per_formula(atoms: ase.Atoms) -> float:
    """Return X of Li_X La3 Zr2 O12, counted against Zr."""
    return float(2 * atoms.symbols.count("Li") / atoms.symbols.count("Zr"))


def _read(path: Path) -> ase.Atoms:
    # imported here: ase.io is slow, and starting or watching runs does without
    from ase.io import read

    return read(path)
