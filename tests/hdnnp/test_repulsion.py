"""The repulsion of the nuclei beside a network, against LAMMPS's own."""

import shutil
import subprocess
from pathlib import Path

import ase
import numpy as np
import pytest
from hdnnp_reference import DATA, crowd
from hypothesis import given, settings
from hypothesis import strategies as st

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp import HDNNPCalculator
from llzo_helpers.hdnnp.neighbours import NeighbourList
from llzo_helpers.hdnnp.repulsion import Repulsion as PairRepulsion
from llzo_helpers.hdnnp.repulsion import all_pairs, repulsion_of
from llzo_helpers.md import launch
from llzo_helpers.structures import write_structure
from llzo_helpers.training.rounds import write_potential_lmp
from llzo_helpers.training.settings import Repulsion

INNER, OUTER = 0.7, 1.3


def test_pairs_that_come_near_later_are_seen():
    """The pairs to look at are listed when the neighbour list is new, not at every step."""
    repulsion = PairRepulsion(("O", "Zr"), all_pairs(("O", "Zr"), INNER, OUTER))
    neighbours = NeighbourList(6.0, 1.0, 2)
    elements, periodic = np.array([0, 1]), np.array([True, True, True])
    cell = np.diag([9.0, 9.0, 9.0])
    for distance in (2.2, 1.9, 1.6, 1.25, 0.9, 1.2, 1.5, 8.0):  # at last near an image
        positions = np.array([[0.1, 0.0, 0.0], [0.1 + distance, 0.0, 0.0]])
        neighbours.update(positions, cell, periodic, elements)
        energies, gradient = np.zeros(2), np.zeros(neighbours.points.shape)
        repulsion.add(elements, neighbours, energies, gradient)
        atoms = ase.Atoms("OZr", positions, cell=cell, pbc=True)
        energy, forces, _ = repulsion_of(atoms, INNER, OUTER)
        assert energies.sum() == pytest.approx(energy, rel=1e-12)
        np.testing.assert_allclose(neighbours.fold(gradient)[0], forces, rtol=1e-12)
        assert (energy > 0) == (distance < OUTER or distance == 8.0)
    assert 1 < neighbours.n_builds < 8


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Folder of a network with a repulsion beside it."""
    folder = tmp_path / "network"
    folder.mkdir()
    for path in (DATA / "a_t2_t3_trained").iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    write_potential_lmp(folder, Repulsion(inner_A=INNER, outer_A=OUTER))
    return folder


def test_agrees_with_lammps(tmp_path: Path, network: Path):
    atoms = crowd(seed=1)
    write_structure(atoms, tmp_path / "start", {})
    # the lines that write_potential_lmp has written, without the network
    lines = (network / "potential.lmp").read_text().replace("&\n", " ").splitlines()
    styles = [line.split(" hdnnp")[0] for line in lines if "* *" not in line]
    script = [
        "units metal",
        "atom_style charge",
        "read_data start/structure.lmp",
        *styles,
        "thermo_style custom pe pxx pyy pzz pyz pxz pxy vol",
        'thermo_modify format float "%.12g"',
        "run 0",
        'print "$(pe:%.12f) $(pxx:%.12g) $(pxy:%.12g) $(vol:%.12g)" file energy.txt',
        "write_dump all custom forces.txt id fx fy fz modify sort id format float %.15g",
    ]
    (tmp_path / "in.lmp").write_text("\n".join(script) + "\n")
    subprocess.run(
        [str(launch.find_lammps()), "-in", "in.lmp", "-screen", "none"],
        cwd=tmp_path,
        env=launch.environment(),
        check=True,
    )
    energy, pxx, pxy, volume = np.loadtxt(tmp_path / "energy.txt")
    forces = np.loadtxt(tmp_path / "forces.txt", skiprows=9)[:, 1:]

    found_energy, found_forces, virial = repulsion_of(atoms, INNER, OUTER)
    assert energy > 100
    assert found_energy == pytest.approx(energy, rel=1e-9)
    # near the inner distance of heavy atoms, forces are thousands of eV/Å
    np.testing.assert_allclose(found_forces, forces, rtol=1e-8, atol=1e-6)
    to_bar = 1602176.6208 / volume
    assert virial[0, 0] * to_bar == pytest.approx(pxx, rel=1e-6)
    assert virial[0, 1] * to_bar == pytest.approx(pxy, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_forces_are_derivatives_and_nothing_is_beyond_the_outer_distance(seed: int):
    atoms = crowd(seed)
    _, forces, _ = repulsion_of(atoms, INNER, OUTER)
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-7 * np.abs(forces).max())
    h, axis = 1e-5, seed % 3
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[seed % len(atoms), axis] += sign * h
        energies.append(repulsion_of(moved, INNER, OUTER)[0])
    slope = (energies[0] - energies[1]) / (2 * h)
    assert -slope == pytest.approx(forces[seed % len(atoms), axis], rel=1e-4, abs=1e-3)

    atoms.set_cell(atoms.cell * 20, scale_atoms=True)
    assert np.any(atoms.get_all_distances(mic=True)[0, 1:] > OUTER)
    near = atoms.get_all_distances(mic=True)[~np.eye(len(atoms), dtype=bool)] < OUTER
    assert (repulsion_of(atoms, INNER, OUTER)[0] > 0) == near.any()


def test_stands_beside_the_network(network: Path):
    atoms = crowd(seed=2)
    atoms.calc = HDNNPCalculator(network)
    together, forces = atoms.get_potential_energy(), atoms.get_forces()
    (network / "potential.lmp").unlink()
    atoms.calc = HDNNPCalculator(network)
    energy, own_forces, _ = repulsion_of(atoms, INNER, OUTER)
    assert together == pytest.approx(atoms.get_potential_energy() + energy, rel=1e-12)
    np.testing.assert_allclose(forces, atoms.get_forces() + own_forces, rtol=1e-9, atol=1e-9)


def test_distances_that_do_not_rise_are_refused(network: Path):
    script = network / "potential.lmp"
    script.write_text(script.read_text().replace("zbl 0.7 1.3", "zbl 1.3 0.7"))
    with pytest.raises(InputError, match=r"potential\.lmp, line 3: zbl 1\.3 0\.7"):
        HDNNPCalculator(network)
