"""Read the reference data of n2p2 in tests/data/hdnnp."""

from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np

from llzo_helpers.garnet import ELEMENTS

DATA = Path(__file__).parent / "data" / "hdnnp"
BOHR, HARTREE = 1.0 / 1.8897261258369282, 1.0 / 0.03674932217565499
CASES = sorted(path.parent.relative_to(DATA).parts for path in DATA.glob("*/*/ref.out"))


def units(potential):
    """Length and energy unit of a potential in Å and eV."""
    return (BOHR, HARTREE) if potential.startswith("c_") else (1.0, 1.0)


def read_structure(name):
    cell, positions, symbols = [], [], []
    for line in (DATA / "structures" / f"{name}.data").read_text().splitlines():
        words = line.split()
        if words[0] == "lattice":
            cell.append([float(word) for word in words[1:4]])
        elif words[0] == "atom":
            positions.append([float(word) for word in words[1:4]])
            symbols.append(words[4])
    return ase.Atoms(symbols, positions, cell=cell or None, pbc=bool(cell))


@dataclass
class Reference:
    """What n2p2 computed, in eV and Å."""

    atoms: ase.Atoms
    energy: float
    forces: np.ndarray
    functions: dict[int, np.ndarray]
    stress: np.ndarray | None
    extrapolations: int


def read_reference(potential, structure):
    length, energy = units(potential)
    atoms = read_structure(f"{structure}_bohr" if length != 1.0 else structure)
    atoms.set_cell(atoms.cell.array * length)
    atoms.positions *= length
    folder = DATA / potential / structure
    lines = (folder / "ref.out").read_text().splitlines()
    forces = np.array([[float(word) for word in line.split()[3:6]] for line in lines[3:]])
    functions = {}
    if (folder / "G.out").exists():
        for line in (folder / "G.out").read_text().splitlines()[1:]:
            words = line.split()
            functions[int(words[0]) - 1] = np.array([float(word) for word in words[2:]])
    stress = None
    if (folder / "stress.txt").exists():
        stress = np.loadtxt(folder / "stress.txt")[3:]
    return Reference(
        atoms,
        float(lines[1].split()[1]) * energy,
        forces * energy / length,
        functions,
        stress,
        int((folder / "ew.txt").read_text().split()[1]),
    )


def crowd(seed: int) -> ase.Atoms:
    """A periodic crowd with many pairs nearer than the outer distance, and some than the inner."""
    rng = np.random.default_rng(seed)
    symbols = [*ELEMENTS, *rng.choice(ELEMENTS, 20)]
    positions = rng.uniform(-1.0, 5.0, (len(symbols), 3))
    return ase.Atoms(symbols, positions, cell=[4.0, 3.6, 4.4], pbc=True)
