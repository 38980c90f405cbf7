"""Bad potentials and structures are refused in one line that names the file and the remedy."""

import shutil

import ase
import numpy as np
import pytest
from hdnnp_reference import DATA, read_structure

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp import HDNNP, HDNNPCalculator
from llzo_helpers.hdnnp.files import read_potential


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(DATA / "b_t2_t9", tmp_path / "potential")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refuse(folder, *words):
    with pytest.raises(InputError) as error:
        read_potential(folder)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 300
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["weights.040.data", "scaling.data", "input.nn"])
def test_missing_file(folder, name):
    (folder / name).unlink()
    refuse(folder, name, "missing")


def test_truncated_weights(folder):
    path = folder / "weights.008.data"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-5]) + "\n")
    refuse(folder, "weights.008.data", str(len(lines) - 5), str(len(lines)))
    path.write_text("0.1\n" * (len(lines) + 3))
    refuse(folder, "weights.008.data", str(len(lines) + 3), str(len(lines)))


def test_damaged_weights(folder):
    path = folder / "weights.008.data"
    path.write_text(path.read_text() + "nonsense\n")
    refuse(folder, "weights.008.data", "line", "nonsense")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("symfunction_short Li 2 Li 0.01 zero 6.0", ["line 16", "zero"]),
        ("symfunction_short Li 2 Li 0.01 6.0", ["line 16", "e1 eta rs rc"]),
        ("symfunction_short Li 4 Li 0.01 0.0 6.0", ["line 16", "'4'"]),
        ("symfunction_short Xx 2 Li 0.01 0.0 6.0", ["line 16", "'Xx'"]),
        ("symfunction_short Li 2 Al 0.01 0.0 6.0", ["line 16", "'Al'"]),
        ("symfunction_short Li 2 Li 0.01 0.0 -6.0", ["line 16", "-6"]),
        ("symfunction_short Li 20 Li 0.0 6.0 p5", ["line 16", "'p5'"]),
        ("symfunction_short Li 22 Li O 0.0 6.0 120 60 p2", ["line 16", "angle"]),
        ("symfunction_short Li 22 Li O 0.0 6.0 -30 90 p2", ["line 16", "-30 to 90", "centred"]),
        ("symfunction_short Li 22 Li O 0.0 6.0 90 200 p2", ["line 16", "90 to 200", "centred"]),
        ("symfunction_short Li 22 Li O 0.0 6.0 -200 200 p2", ["line 16", "-200 to 200", "centred"]),
        ("use_electrostatics", ["line 16", "electrostatics"]),
        ("nnp_type 4G-HDNNP", ["line 16", "4G-HDNNP"]),
        ("element_activation_short Li 1 t", ["line 16", "element_activation_short"]),
        ("scale_symetry_functions", ["line 16", "scale_symetry_functions"]),
        ("cutoff_type 2", ["cutoff_type", "twice"]),
        ("element_nodes_short Li 3 5 9", ["line 16", "all 2 hidden layers"]),
        ("symfunction_short Li 2 Li 1_0 0.0 6.0", ["line 16", "eta", "1_0"]),
        ("symfunction_short Li 2 Li ٣ 0.0 6.0", ["line 16", "eta", "٣"]),
        ("symfunction_short Li ٢ Li 0.01 0.0 6.0", ["line 16", "type '٢'"]),
        ("symfunction_short Li 2 Li 0.01 0.0 1e6", ["line 16", "at most 30"]),
        ("conv_length 1.5", ["conv_length without the others", "mean_energy"]),
        ("mean_energy -1.0\nconv_energy 2.0", ["mean_energy and conv_energy without"]),
        ("mean_energy 0\nconv_energy 1\nconv_length 0", ["line 18", "conv_length", "above 0"]),
        ("mean_energy 0\nconv_energy 0\nconv_length 1", ["line 17", "conv_energy", "above 0"]),
        ("x" * 100_000, ["line 16", "xxx ... xxx"]),
    ],
)
def test_bad_line_of_input_nn(folder, line, words):
    path = folder / "input.nn"
    lines = path.read_text().splitlines()
    assert lines[15].startswith("symfunction_short")
    lines[15:15] = [line]
    path.write_text("\n".join(lines))
    refuse(folder, "input.nn", *words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("cutoff_type 6", "cutoff_type 9", ["cutoff_type", "9"]),
        ("cutoff_type 6", "cutoff_type 1 1.5", ["inner cutoff", "1.5"]),
        ("cutoff_type 6", "cutoff_type 6 0.1_5", ["inner cutoff", "0.1_5"]),
        ("scale_max_short 0.5", "scale_max_short -0.5", ["scale_max_short -0.5: all"]),
        ("global_nodes_short 12 8", "global_nodes_short 12 1e300", ["number of nodes", "1e300"]),
        ("global_activation_short p p l", "global_activation_short p q l", ["p q l"]),
        ("global_nodes_short 12 8", "global_nodes_short 12", ["nodes"]),
        ("number_of_elements 4", "number_of_elements 3", ["number_of_elements"]),
        ("elements La O Li Zr", "elements La O Li Unobtainium", ["Unobtainium"]),
        ("atom_energy Li -2.5", "atom_energy Li high", ["atom_energy", "high"]),
    ],
)
def test_bad_setting(folder, old, new, words):
    edit(folder / "input.nn", old, new)
    refuse(folder, "input.nn", *words)


@pytest.mark.parametrize("name", ["weights.003.data", "scaling.data"])
def test_a_table_cut_in_its_last_number(folder, name):
    path = folder / name
    path.write_text(path.read_text()[:-3])
    refuse(folder, name, "has no end")


def test_numbered_weights_in_another_order(folder):
    path = folder / "weights.003.data"
    values = [line.split()[0] for line in path.read_text().splitlines() if line[:1] != "#"]
    numbered = [f"{value} a {n} 0 1 1 1\n" for n, value in enumerate(values, start=1)]
    path.write_text("".join(numbered))
    read_potential(folder)
    numbered[3:5] = reversed(numbered[3:5])
    path.write_text("".join(numbered))
    refuse(folder, "weights.003.data, line 4", "a 5", "a 4 is due")


def test_scaling_that_does_not_fit(folder):
    path = folder / "scaling.data"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    refuse(folder, "scaling.data", "La")


def test_function_without_range_is_named(folder):
    path = folder / "scaling.data"
    lines = path.read_text().splitlines()
    words = lines[0].split()
    lines[0] = " ".join([*words[:5], "0.0"])
    path.write_text("\n".join(lines) + "\n")
    refuse(folder, "scaling.data", "Li 2 Li", "no range")


def test_element_that_the_potential_lacks():
    atoms = ase.Atoms("LiAl", [[0, 0, 0], [0, 0, 2]], calculator=HDNNPCalculator(DATA / "b_t2_t9"))
    with pytest.raises(InputError, match="the structure has Al"):
        atoms.get_potential_energy()


def test_positions_that_are_not_numbers():
    atoms = read_structure("tiny7")
    atoms.positions[3, 1] = np.nan
    atoms.calc = HDNNPCalculator(DATA / "b_t2_t9")
    with pytest.raises(InputError, match="atom 3"):
        atoms.get_forces()


def test_two_atoms_at_one_place(folder):
    atoms = read_structure("tiny7")
    atoms.calc = HDNNPCalculator(folder)
    atoms.positions[5] = atoms.positions[2]
    with pytest.raises(InputError, match=r"atoms (2 and 5|5 and 2) are at the same place"):
        atoms.get_forces()


@pytest.mark.parametrize("cell", [None, [6.0, 6.0, 0.0], [6.0, 6.0, 1e-3]])
def test_periodic_without_a_cell(cell):
    atoms = ase.Atoms("LiO", [[0, 0, 0], [0, 0, 2]], cell=cell, pbc=True)
    atoms.calc = HDNNPCalculator(DATA / "b_t2_t9")
    with pytest.raises(InputError, match="cell: its vectors leave a height of"):
        atoms.get_forces()


def test_energy_that_is_no_number(folder):
    path = folder / "weights.008.data"
    path.write_text("1e308\n" * len(path.read_text().splitlines()))
    atoms = read_structure("tiny7")
    atoms.calc = HDNNPCalculator(folder)
    with pytest.raises(InputError, match="not finite"):
        atoms.get_potential_energy()


def test_what_the_present_n2p2_also_takes_is_the_same_potential(folder):
    atoms = read_structure("tiny7")
    atoms.calc = HDNNPCalculator(folder)
    energy = atoms.get_potential_energy()
    path = folder / "input.nn"
    text = path.read_text().replace("symfunction_short", "symfunction")
    text = text.replace("global_nodes_short 12 8", "global_nodes_short 5 5")
    extra = "nnp_type 2\n" + "".join(
        f"element_nodes_short {s} 12 8\n" for s in ("La", "O", "Li", "Zr")
    )
    # a byte-order mark, and a comment from before UTF-8
    path.write_bytes(b"\xef\xbb\xbf" + (text + extra).encode())
    atoms.calc = HDNNPCalculator(folder)
    assert atoms.get_potential_energy() == energy
    path.write_bytes((text + extra + "# Schrödinger\n").encode("latin-1"))
    atoms.calc = HDNNPCalculator(folder)
    assert atoms.get_potential_energy() == energy


def test_energy_does_not_depend_on_comments_or_order_of_lines(folder):
    atoms = read_structure("tiny7")
    atoms.calc = HDNNPCalculator(folder)
    energy = atoms.get_potential_energy()
    path = folder / "input.nn"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["# comment", "! comment", *reversed(lines), "epochs 10 # training"]))
    atoms.calc = HDNNPCalculator(folder)
    assert atoms.get_potential_energy() == energy


def test_calculator_gives_what_the_evaluator_gives():
    atoms = read_structure("triclinic96")
    atoms.calc = HDNNPCalculator(DATA / "b_t2_t9")
    network = HDNNP(DATA / "b_t2_t9", threads=2)
    numbers = network.element_numbers(atoms.get_chemical_symbols())
    result = network.evaluate(atoms.positions, atoms.cell.array, atoms.pbc, numbers)
    assert atoms.get_potential_energy() == pytest.approx(result.energy, abs=1e-11)
    np.testing.assert_allclose(atoms.get_potential_energies(), result.energies, atol=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), result.forces, atol=1e-12)
    stress = atoms.get_stress(voigt=False)
    np.testing.assert_allclose(stress, -result.virial / atoms.get_volume(), atol=1e-12)
    assert atoms.calc.extrapolations == result.extrapolations


def test_threads_give_the_same_bits_every_time():
    """A resumed run must go on as the interrupted one would have."""
    atoms = read_structure("cubic192")
    results = []
    for threads in (3, 3, 1):
        network = HDNNP(DATA / "a_t2_t3_trained", threads=threads)
        numbers = network.element_numbers(atoms.get_chemical_symbols())
        for shift in (0.3, 0.0):  # a list of its own for each
            result = network.evaluate(atoms.positions + shift, atoms.cell.array, atoms.pbc, numbers)
        results.append(result)
    first, second, alone = results
    assert first.energy == second.energy
    np.testing.assert_array_equal(first.forces, second.forces)
    np.testing.assert_array_equal(first.virial, second.virial)
    np.testing.assert_allclose(first.forces, alone.forces, atol=1e-12)


def test_moving_atoms_reuse_the_neighbour_list():
    """Along a trajectory every evaluation equals one with a fresh list."""
    atoms = read_structure("triclinic96")
    network = HDNNP(DATA / "b_t2_t9")
    numbers = network.element_numbers(atoms.get_chemical_symbols())
    rng = np.random.default_rng(0)
    velocity = rng.normal(size=(96, 3))
    for step in range(30):
        positions = atoms.positions + 0.04 * step * velocity
        if step % 3:  # wrapped as LAMMPS does, or not
            copy = atoms.copy()
            copy.positions = positions
            copy.wrap()
            positions = copy.positions
        cell = atoms.cell.array * (1.0 + 0.001 * step)
        result = network.evaluate(positions, cell, atoms.pbc, numbers)
        fresh = HDNNP(DATA / "b_t2_t9").evaluate(positions, cell, atoms.pbc, numbers)
        np.testing.assert_allclose(
            result.forces, fresh.forces, atol=1e-10 * abs(fresh.forces).max()
        )
        np.testing.assert_allclose(result.virial, fresh.virial, atol=1e-9 * abs(fresh.virial).max())
    assert 1 < network.neighbour_list_builds < 29


@pytest.mark.parametrize("pbc", [True, (True, True, False), (False, False, True)])
def test_a_cell_that_shrinks_brings_images_into_reach(pbc):
    """They were in no list, and no listed atom moves."""
    network = HDNNP(DATA / "b_t2_t9")
    numbers = network.element_numbers(["Li", "O"])
    positions = np.array([[10.0, 10.0, 10.0], [10.0, 10.0, 11.9]])
    periodic = np.array([pbc] * 3 if pbc is True else pbc)
    for edge in (25, 24.9, 9, 5, 4.9, 5.3, 12, 4.5):
        cell = edge * np.eye(3)
        result = network.evaluate(positions, cell, periodic, numbers)
        fresh = HDNNP(DATA / "b_t2_t9").evaluate(positions, cell, periodic, numbers)
        assert result.energy == pytest.approx(fresh.energy, abs=1e-10)
        np.testing.assert_allclose(result.forces, fresh.forces, atol=1e-10)
        np.testing.assert_allclose(result.virial, fresh.virial, atol=1e-10)


@pytest.mark.parametrize(
    ("positions", "elements", "words"),
    [
        ([[0, 0, 0], [2, 0, 0]], [0, 9], "give one number for each of 2 atoms"),
        ([[0, 0, 0], [2, 0, 0]], [0, -1], "give one number for each of 2 atoms"),
        ([[0, 0, 0], [2, 0, 0]], [0, 0.5], "give one number for each of 2 atoms"),
        ([[0, 0, 0], [2, 0, 0]], [0, 1, 1], "give one number for each of 2 atoms"),
        ([[0, 0, 0], [2, 0, 0]], [0], "give one number for each of 2 atoms"),
        ([[0, 0], [2, 0]], [0, 1], r"positions: shape \(2, 2\)"),
        (np.empty((0, 3)), [], r"positions: shape \(0, 3\)"),
    ],
)
def test_atoms_that_the_kernels_cannot_take(positions, elements, words):
    network = HDNNP(DATA / "b_t2_t9")
    with pytest.raises(InputError, match=words):
        network.evaluate(positions, 20 * np.eye(3), np.array([True] * 3), np.array(elements))
