"""Structures as files: written with their provenance, read back, described."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pandas as pd
from scipy import constants

from llzo_helpers.errors import InputError, clipped
from llzo_helpers.files import (
    read_record,
    require_sha256,
    sha256,
    write_json,
    write_text,
    written_aside,
)
from llzo_helpers.garnet import ELEMENTS, FORMAL_CHARGES, li_per_formula, volume_ratio

_G_CM3_PER_U_A3 = constants.atomic_mass * 1e27


def describe(atoms: ase.Atoms) -> pd.Series:
    """Composition, density and shortest distances of a structure, for display."""
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
    """Write a structure as LAMMPS data, CIF and extended XYZ, with its provenance.

    Parameters
    ----------
    atoms
        Periodic; must be sorted as `ELEMENTS`.
    directory
        Receives `structure.lmp`, `structure.cif`, `structure.extxyz` and, last, as the sign that
        everything is there, `provenance.json`.
    provenance
        What made the structure; composition, cell and the files' SHA-256 are added.
    """
    from ase.io import write

    _require_possible(atoms, directory)
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
    write_json(
        directory / "provenance.json",
        {
            **provenance,
            "formula": atoms.get_chemical_formula(),
            "n_atoms": len(atoms),
            "li_per_formula": li_per_formula(atoms),
            "volume_ratio": volume_ratio(atoms),
            "cell_angstrom": atoms.cell.array.tolist(),
            "sha256": {name: sha256(directory / name) for name in _FILES},
        },
    )


def _require_possible(atoms: ase.Atoms, directory: Path) -> None:
    """Raise InputError for what cannot be a structure of this project."""
    if other := sorted(set(atoms.get_chemical_symbols()) - set(ELEMENTS)):
        raise InputError(f"{directory}: {other[0]}: must consist of {', '.join(ELEMENTS)}")
    if not atoms.pbc.all() or not atoms.cell.volume > 0:
        raise InputError(
            f"{directory}: must be periodic along three cell vectors; set cell and pbc"
        )
    if not np.isfinite(atoms.positions).all():
        raise InputError(f"{directory}: positions that are not finite; correct them")


def require_unoccupied(directory: Path, parameters: Mapping[str, Any]) -> None:
    """Raise InputError if a folder holds a structure that was made with other parameters.

    Parameters
    ----------
    directory
        Where a structure is to be written.
    parameters
        What it is to be made with; recorded as `parameters` in its provenance.
    """
    path = directory / "provenance.json"
    if not path.is_file():
        return
    recorded = read_record(path, {}).get("parameters") or {}
    wanted = json.loads(json.dumps(parameters))
    for key, value in wanted.items():
        if key not in recorded or recorded[key] != value:
            made = f"with {key} = {clipped(recorded[key])}" if key in recorded else f"without {key}"
            raise InputError(
                f"{directory}: holds a structure made {made}, not {clipped(value)}; give another "
                "folder as output, or delete this one"
            )


def read_structure(directory: Path) -> ase.Atoms:
    """Read back what `write_structure` wrote.

    Raises
    ------
    InputError
        If it is missing, damaged or changed since.
    """
    path = directory / "structure.extxyz"
    if not path.is_file():
        raise InputError(f"{path}: not found; generate the structure first (notebook 01)")
    require_unchanged(directory)
    # imported here: it is slow, and watching runs does without
    from ase.io import read

    try:
        return read(path)
    except Exception as error:  # ASE raises whatever its parser meets
        raise InputError(f"{path}: not a structure ({str(error)[:80]}); {_REMEDY}") from None


def require_unchanged(directory: Path) -> None:
    """Raise InputError if a structure's files are not those that `write_structure` wrote."""
    recorded = read_record(directory / "provenance.json", {"sha256": dict})["sha256"]
    for name in _FILES:
        require_sha256(directory / name, str(recorded.get(name)), _REMEDY)


_FILES = ("structure.lmp", "structure.cif", "structure.extxyz")
_REMEDY = "restore it, or generate the structure again (notebook 01)"
