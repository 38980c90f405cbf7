"""Energies, forces and stress of the reference, and which of them are fitted."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator
from tqdm.auto import tqdm

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.files import written_aside
from llzo_helpers.training.settings import Fit


def fingerprint(atoms: ase.Atoms) -> str:
    """Name of a structure by what it is: elements, positions and cell to 1e-5 Å."""
    content = b"".join(
        np.round(array, 5).astype(dtype).tobytes()
        for array, dtype in (
            (atoms.numbers, np.int64),
            (atoms.positions + 0.0, np.float64),
            (atoms.cell.array + 0.0, np.float64),
        )
    )
    return hashlib.sha256(content).hexdigest()[:16]


def label(
    structures: Sequence[ase.Atoms], directory: Path, calculator: Callable[[], Calculator]
) -> list[ase.Atoms]:
    """Calculate what has not been calculated before.

    Parameters
    ----------
    structures
        Periodic structures.
    directory
        Holds a file for each label, named by the structure's `fingerprint`.
    calculator
        Makes the reference; called once, if anything is missing.

    Returns
    -------
    list of ase.Atoms
        The structures with energy (eV), forces (eV/Å) and stress (eV/Å^3) in a
        `SinglePointCalculator`.
    """
    labelled = []
    reference: Calculator | None = None
    for atoms in tqdm(structures, desc="labels", unit="structure"):
        path = label_path(directory, atoms)
        if not path.is_file():
            reference = reference or calculator()
            copy = atoms.copy()
            copy.calc = reference
            results = {
                "energy": copy.get_potential_energy(),
                "forces": copy.get_forces(),
                "stress": copy.get_stress(),
            }
            copy.calc = SinglePointCalculator(copy, **results)
            write_label(directory, copy)
        labelled.append(ase.io.read(path))
    return labelled


def label_path(directory: Path, atoms: ase.Atoms) -> Path:
    """Return the file of a structure's label."""
    return directory / f"{fingerprint(atoms)}.extxyz"


def write_label(directory: Path, atoms: ase.Atoms) -> None:
    """Write a structure with its energy, forces and stress."""
    with written_aside(label_path(directory, atoms)) as aside:
        ase.io.write(aside, atoms, format="extxyz")


def is_held_out(atoms: ase.Atoms, fraction: float) -> bool:
    """Whether a structure is kept for testing; all frames of a run are treated alike."""
    run = f"{atoms.info['phase']} {atoms.info['seed']}".encode()
    return int.from_bytes(hashlib.sha256(run).digest()[:4]) < fraction * 2**32


def force_atoms(elements: IntArray, number: int, rng: np.random.Generator) -> IntArray:
    """Draw the atoms whose forces are fitted: equally many of each element, or all of them.

    Zirconium is rare, and its forces are the largest: if all atoms were equally likely to be
    drawn, it would hardly be learnt.
    """
    groups = [np.flatnonzero(elements == k) for k in np.unique(elements)]
    return np.sort(np.concatenate([rng.permutation(group)[:number] for group in groups]))


def force_weights(forces: FloatArray, settings: Fit) -> FloatArray:
    """Weights [...] of forces [..., 3] by which errors of large forces count as relative ones."""
    return 1.0 / (1.0 + (forces**2).sum(axis=-1) / settings.large_force_eV_A**2)
