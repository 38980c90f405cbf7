"""The evaluator against n2p2's own numbers."""

import numpy as np
import pytest
from hdnnp_reference import CASES, DATA, read_reference, units

from llzo_helpers.hdnnp import HDNNP


@pytest.mark.parametrize(("potential", "structure"), CASES, ids="-".join)
def test_agrees_with_n2p2(potential, structure):
    reference = read_reference(potential, structure)
    atoms = reference.atoms
    length, energy = units(potential)
    network = HDNNP(DATA / potential, length_unit=length, energy_unit=energy)
    arguments = (
        atoms.positions,
        atoms.cell.array,
        atoms.pbc,
        network.element_numbers(atoms.get_chemical_symbols()),
    )

    result = network.evaluate(*arguments)
    functions = network.symmetry_functions(*arguments)

    assert result.energy == pytest.approx(reference.energy, abs=1e-9, rel=0)
    assert result.energies.sum() == pytest.approx(result.energy, abs=1e-9)
    np.testing.assert_allclose(result.forces, reference.forces, atol=1e-9, rtol=0)
    for atom, expected in reference.functions.items():
        # scaled functions near zero are differences of larger numbers
        np.testing.assert_allclose(functions[atom], expected, rtol=1e-10, atol=5e-12)
    if reference.stress is not None:
        stress = -result.virial / atoms.get_volume()
        np.testing.assert_allclose(stress, reference.stress, atol=1e-6, rtol=0)
    assert sum(result.extrapolations.values()) == reference.extrapolations
