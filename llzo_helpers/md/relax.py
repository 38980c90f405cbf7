"""Relaxation of a structure: LAMMPS's minimisation of its potential energy."""

import shutil
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import ase
import numpy as np
import pandas as pd
from scipy.optimize import root_scalar

from llzo_helpers.errors import SimulationError
from llzo_helpers.files import make_folder
from llzo_helpers.md import launch
from llzo_helpers.md.chain import failure, terminated
from llzo_helpers.md.lock import locked
from llzo_helpers.md.settings import ChainSettings
from llzo_helpers.potentials import Potential
from llzo_helpers.structures import write_structure

FORCE_TOLERANCE = 0.01
"""eV/Å, on the norm of all forces: well below what moves an ion."""
PRESSURE_TOLERANCE_BAR = 500.0
"""Some 0.01 % in the cell's edge."""
_BULK_MODULUS_BAR = 1e6
"""Rough, for the first step."""


@dataclass(frozen=True)
class Relaxation:
    """A relaxed structure and what its relaxation released."""

    atoms: ase.Atoms
    energy_before_eV: float
    energy_after_eV: float
    steps: int
    largest_force_eV_A: float
    """Largest remaining component of the force on any atom."""
    pressure_bar: float

    @property
    def released_eV_per_atom(self) -> float:
        """Energy released, per atom."""
        return (self.energy_before_eV - self.energy_after_eV) / len(self.atoms)


def relax(atoms: ase.Atoms, directory: Path, *, potential: Potential) -> Relaxation:
    """Relax the ions in a fixed cell, by conjugate gradients.

    Parameters
    ----------
    atoms
        Sorted as `llzo_helpers.garnet.ELEMENTS`.
    directory
        Folder for the script, the log and the result; anything already in it is deleted, unless
        another process is working there.
    potential
        The interatomic potential.

    Raises
    ------
    InputError
        If the potential lacks an element, or another process is working in the folder.
    SimulationError
        If LAMMPS fails: its own message and the path of its log.
    """
    lmp = launch.find_lammps()
    settings = ChainSettings()
    launch.require_capabilities(lmp, settings, potential)
    potential.require_elements(atoms.get_chemical_symbols())
    make_folder(directory)
    with locked(directory) as lock:
        _empty(directory)
        write_structure(atoms, directory, {"purpose": "start of a relaxation"})
        (directory / "potential").mkdir()
        for file in potential.files():
            shutil.copy(file, directory / "potential")
        script = (files("llzo_helpers.md") / "relax.lmp").read_text(encoding="utf-8")
        (directory / "in.lmp").write_text(script, encoding="utf-8")
        words = [*launch.command(lmp, settings, potential), "-in", "in.lmp", "-log", "log.lammps"]
        words += ["-screen", "none", "-var", "force", str(FORCE_TOLERANCE)]
        with terminated(launch.start(words, directory, lock)) as process:
            code = process.wait()
        if code != 0:
            raise SimulationError(failure(directory, code))
        return _read(atoms, directory)


def relax_cell(atoms: ase.Atoms, directory: Path, *, potential: Potential) -> Relaxation:
    """Relax the ions and the size of the cell, its shape kept, to zero pressure.

    The edge at which the pressure vanishes is found by the secant method, with the ions relaxed at
    each. (LAMMPS's own `fix box/relax` ends far from zero pressure with these potentials.)

    Parameters
    ----------
    atoms, directory, potential
        As for `relax`.

    Raises
    ------
    SimulationError
        Also if no such edge is found.
    """
    relaxed = relax(atoms, directory, potential=potential)
    before = relaxed.energy_before_eV

    def pressure(scale: float) -> float:
        nonlocal relaxed
        scaled = relaxed.atoms.copy()
        scaled.set_cell(atoms.cell * scale, scale_atoms=True)
        relaxed = relax(scaled, directory, potential=potential)
        return relaxed.pressure_bar

    second = 1 + relaxed.pressure_bar / (3 * _BULK_MODULUS_BAR)
    try:
        found = root_scalar(pressure, x0=1.0, x1=second, method="secant", xtol=1e-5, maxiter=20)
        converged = found.converged and abs(relaxed.pressure_bar) < PRESSURE_TOLERANCE_BAR
    except RuntimeError:
        converged = False
    if not converged:
        raise SimulationError(
            f"{directory}: no zero-pressure cell found ({relaxed.pressure_bar:.0f} bar at "
            f"{relaxed.atoms.cell.lengths()[0]:.3f} Å); set relax_cell to false"
        )
    return replace(relaxed, energy_before_eV=before)


def _empty(directory: Path) -> None:
    """Delete everything in a folder but its lock: a new file of this name would be another lock."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def _read(atoms: ase.Atoms, directory: Path) -> Relaxation:
    energy = pd.read_csv(directory / "energy.csv").iloc[0]
    lines = (directory / "relaxed.dump").read_text(encoding="utf-8").splitlines()
    # after "ITEM: BOX BOUNDS" three lines with the ends of the cell, then "ITEM: ATOMS" and rows
    bounds = np.array([line.split() for line in lines[5:8]], dtype=float)
    positions = np.array([line.split() for line in lines[9:]], dtype=float)
    relaxed = atoms.copy()
    relaxed.set_cell(np.diag(bounds[:, 1] - bounds[:, 0]))
    relaxed.positions = positions - bounds[:, 0]
    return Relaxation(
        atoms=relaxed,
        energy_before_eV=float(energy["before_eV"]),
        energy_after_eV=float(energy["after_eV"]),
        steps=int(energy["steps"]),
        largest_force_eV_A=float(energy["largest_force_eV_A"]),
        pressure_bar=float(energy["pressure_bar"]),
    )
