"""ASE calculator of an n2p2 potential."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.evaluator import HDNNP


class HDNNPCalculator(Calculator):  # type: ignore[misc]
    """Energy, energies of atoms, forces and stress from a folder of n2p2's files.

    Parameters
    ----------
    directory
        Folder with ``input.nn``, ``scaling.data`` and ``weights.NNN.data``.
    **options
        `length_unit`, `energy_unit`, `skin`, `threads` of `llzo_helpers.hdnnp.HDNNP`.

    Raises
    ------
    InputError
        If the potential cannot be read; when used, if a structure has an element that it
        lacks, positions that are not finite numbers, or, for the stress, no full cell.

    Examples
    --------
    >>> atoms.calc = HDNNPCalculator("potentials/my_network")  # doctest: +SKIP
    >>> atoms.get_potential_energy()  # doctest: +SKIP
    """

    implemented_properties: ClassVar[list[str]] = [
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
    ]

    def __init__(self, directory: str | Path, **options: Any) -> None:
        super().__init__()
        self.potential = HDNNP(directory, **options)
        self.extrapolations: dict[str, int] = {}
        """Of the last structure: see `llzo_helpers.hdnnp.Evaluation`."""

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate the potential; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        periodic = bool(np.all(self.atoms.pbc))
        if "stress" in (properties or []) and not periodic:
            raise InputError("stress: the structure must be periodic along all three cell vectors")
        result = self.potential.evaluate(
            self.atoms.positions,
            self.atoms.cell.array,
            self.atoms.pbc,
            self.potential.element_numbers(self.atoms.get_chemical_symbols()),
        )
        self.extrapolations = result.extrapolations
        self.results = {
            "energy": result.energy,
            "free_energy": result.energy,
            "energies": result.energies,
            "forces": result.forces,
        }
        if periodic:
            stress = -result.virial / self.atoms.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)
