"""Random potentials on random cells: the evaluator against definitions and its own gradient."""

import itertools

import ase
import hdnnp_direct
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llzo_helpers.hdnnp import HDNNP
from llzo_helpers.hdnnp.files import read_potential

SYMBOLS = ("H", "O", "Zr")
NUMBERS = {"H": 1, "O": 8, "Zr": 40}
RC = 3.4

SUBTYPES = ("p1", "p1a", "p2", "p2a", "p3", "p3a", "p4", "p4a", "e")


def random_function(rng, symbol, kind):
    """One line of input.nn."""
    e1, e2 = rng.choice(SYMBOLS, 2)
    rc = rng.choice([RC, 2.9])
    eta, rs = rng.choice([0.0, 0.05, 0.9]), rng.choice([0.0, 1.1])
    lambda_, zeta = rng.choice([1, -1, 0.6, 1.4]), rng.choice([1, 2, 3, 4, 8, 1.7, 5, 7, 16])
    rl = rng.choice([0.0, 0.6, -RC])
    left, right = [(0, 180), (40, 150), (-120, 120), (90, 270)][rng.integers(4)]
    subtype = rng.choice(SUBTYPES)
    gauss = f"{eta} {lambda_} {zeta} {rc} {rs}"
    support = f"{rl} {rc}"
    parameters = {
        2: f"{e1} {eta} {rs} {rc}",
        3: f"{e1} {e2} {gauss}",
        9: f"{e1} {e2} {gauss}",
        12: f"{eta} {rs} {rc}",
        13: f"{eta} {rs} {lambda_} {zeta} {rc}",
        20: f"{e1} {support} {subtype}",
        21: f"{e1} {e2} {support} {left} {right} {subtype}",
        22: f"{e1} {e2} {support} {left} {right} {subtype}",
        23: f"{support} {subtype}",
        24: f"{support} {left} {right} {subtype}",
        25: f"{support} {left} {right} {subtype}",
    }
    return f"symfunction_short {symbol} {kind} {parameters[kind]}"


def write_potential(folder, seed, cutoff_type, alpha):
    """Random potential with every type of function, of networks of random shape."""
    rng = np.random.default_rng(seed)
    activations = rng.choice(list("tlpsSrgche"), 2)
    lines = [
        "number_of_elements 3",
        f"elements {' '.join(rng.permutation(SYMBOLS))}  # n2p2 sorts them",
        f"cutoff_type {cutoff_type} {alpha}",
        "scale_symmetry_functions",
        "scale_min_short -0.4",
        "scale_max_short 0.9",
        "global_hidden_layers_short 2",
        "global_nodes_short 9 3",
        f"element_nodes_short O 1 {rng.integers(1, 12)}",
        f"global_activation_short {' '.join(activations)} l",
        "conv_energy 1.7",
        "conv_length 2.3",
        "mean_energy -0.3",
        "atom_energy Zr 0.8",
    ]
    if rng.random() < 0.5:
        lines.append("normalize_nodes")
    if rng.random() < 0.5:
        lines.append("center_symmetry_functions")
    nodes = int(lines[8].split()[-1])
    scaling = []
    for index, symbol in enumerate(SYMBOLS, start=1):
        functions = []
        for kind in (2, 3, 9, 12, 13, 20, 21, 22, 23, 24, 25):
            functions += [random_function(rng, symbol, kind) for _ in range(2)]
        lines += functions
        n = len(functions)
        scaling += [f"{index} {row + 1} -1.0 {3 + rng.random()} 0.3 1.0" for row in range(n)]
        first = nodes if symbol == "O" else 9
        n_weights = (n + 1) * first + (first + 1) * 3 + 4
        weights = 0.4 * rng.normal(size=n_weights)
        (folder / f"weights.{NUMBERS[symbol]:03d}.data").write_text(
            "".join(f"{w:.17g}\n" for w in weights)
        )
    (folder / "input.nn").write_text("\n".join(lines))
    (folder / "scaling.data").write_text("\n".join(scaling) + "\n")


@st.composite
def structures(draw):
    """A few atoms, periodic along some of three skewed vectors, none too close."""
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    n = draw(st.integers(1, 5))
    cell = 2.9 * np.eye(3) + rng.uniform(-0.5, 0.5, (3, 3))
    pbc = draw(st.tuples(*[st.booleans()] * 3))
    atoms = ase.Atoms(rng.choice(SYMBOLS, n), cell=cell, pbc=pbc)
    # a jittered grid that reaches beyond the cell
    grid = np.array(list(itertools.product([0, 0.5, 1], repeat=3)))[:8]
    fractional = grid[rng.permutation(8)[:n]] + rng.uniform(-0.08, 0.08, (n, 3))
    atoms.set_scaled_positions(fractional + rng.integers(-1, 2, (n, 1)) * np.array(pbc))
    return atoms


def evaluate(network, atoms):
    numbers = network.element_numbers(atoms.get_chemical_symbols())
    arguments = (atoms.positions, atoms.cell.array, atoms.pbc, numbers)
    return network.evaluate(*arguments), network.symmetry_functions(*arguments)


CUTOFFS = [(k, 0.0) for k in range(9)] + [(k, 0.35) for k in range(9)]


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    made = []
    for seed, (cutoff_type, alpha) in enumerate(CUTOFFS):
        folder = tmp_path_factory.mktemp("potential")
        write_potential(folder, seed, cutoff_type, alpha)
        made.append((read_potential(folder), HDNNP(folder)))
    return made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(atoms=structures(), number=st.integers(0, len(CUTOFFS) - 1))
def test_agrees_with_definitions(networks, atoms, number):
    potential, network = networks[number]
    energy, inputs = hdnnp_direct.evaluate(potential, atoms)

    result, functions = evaluate(network, atoms)

    for found, expected in zip(functions, inputs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    assert result.energy == pytest.approx(energy, rel=1e-10, abs=1e-10)


# the constant cutoff (type 0) has no gradient at its end, softer ones must agree everywhere
SMOOTH = [i for i, (kind, _) in enumerate(CUTOFFS) if kind != 0]


@settings(max_examples=30, deadline=None)
@given(atoms=structures(), number=st.sampled_from(SMOOTH), data=st.data())
def test_forces_and_virial_are_derivatives(networks, atoms, number, data):
    network = networks[number][1]
    result, _ = evaluate(network, atoms)
    direction = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(len(atoms), 3))
    strain = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(3, 3))

    def energy(h):
        moved = atoms.copy()
        deformation = np.eye(3) + h * strain
        moved.set_cell(atoms.cell.array @ deformation)
        moved.positions = (atoms.positions + h * direction) @ deformation
        return evaluate(network, moved)[0].energy

    h = 1e-6
    slope = (8 * (energy(h) - energy(-h)) - energy(2 * h) + energy(-2 * h)) / (12 * h)
    expected = -np.sum(result.forces * direction) - np.sum(result.virial * strain)
    # a relu has kinks, and angles near 0 and 180 degrees are steep
    scale = 1.0 + np.abs(result.forces).max() + np.abs(result.virial).max()
    # an exponential as activation makes energies so large that differences are lost
    rounding = 10 * np.finfo(float).eps * abs(result.energy) / h
    assert slope == pytest.approx(expected, abs=2e-5 * scale + rounding)


@settings(max_examples=20, deadline=None)
@given(atoms=structures(), number=st.integers(0, len(CUTOFFS) - 1), seed=st.integers(0, 99))
def test_rotation_translation_permutation(networks, atoms, number, seed):
    network = networks[number][1]
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(atoms))
    turned = atoms[order]
    turned.set_cell(atoms.cell.array @ rotation)
    turned.positions = atoms.positions[order] @ rotation + rng.uniform(-5, 5, 3)

    before, after = evaluate(network, atoms)[0], evaluate(network, turned)[0]

    assert after.energy == pytest.approx(before.energy, rel=1e-9, abs=1e-9)
    scale = 1.0 + np.abs(before.forces).max()
    np.testing.assert_allclose(after.forces, before.forces[order] @ rotation, atol=1e-8 * scale)
    virial = rotation.T @ before.virial @ rotation
    np.testing.assert_allclose(after.virial, virial, atol=1e-8 * scale)


@settings(max_examples=10, deadline=None)
@given(atoms=structures(), number=st.integers(0, len(CUTOFFS) - 1))
def test_supercell(networks, atoms, number):
    network = networks[number][1]
    repeats = [2 if periodic else 1 for periodic in atoms.pbc]
    copies = int(np.prod(repeats))

    one, many = evaluate(network, atoms)[0], evaluate(network, atoms.repeat(repeats))[0]

    assert many.energy == pytest.approx(copies * one.energy, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(
        many.forces, np.tile(one.forces, (copies, 1)), atol=1e-8 * (1 + np.abs(one.forces).max())
    )


@pytest.mark.parametrize("n_elements", [1, 5, 9])
def test_moments_of_chosen_functions(tmp_path, n_elements):
    """Each element sees other pairs of neighbours, through moments of other degrees."""
    symbols = ["H", "Li", "C", "O", "Al", "Si", "Y", "Zr", "La"][:n_elements]
    rng = np.random.default_rng(n_elements)
    pairs = list(itertools.combinations_with_replacement(symbols, 2))
    shapes = ["0.1 1 1", "0.1 -1 2", "0.1 1 3", "0.1 -1 4", "0.3 1 6", "0.5 0.7 1"]
    lines = [
        f"number_of_elements {n_elements}",
        f"elements {' '.join(symbols)}",
        "cutoff_type 1",
        "scale_symmetry_functions",
        "global_hidden_layers_short 1",
        "global_nodes_short 3",
        "global_activation_short t l",
    ]
    scaling = []
    for i, (symbol, number) in enumerate(zip(symbols, ase.Atoms(symbols).numbers, strict=True)):
        candidates = [f"{symbol} 9 {a} {b} {shape} 4" for a, b in pairs for shape in shapes]
        n = (len(candidates) + i) // 3
        chosen = rng.choice(candidates, n, replace=False)
        lines += [f"symfunction_short {function}" for function in chosen]
        scaling += [f"{i + 1} {function} 0 5 1 0.5" for function in range(1, n + 1)]
        weights = 0.2 * rng.normal(size=3 * (n + 1) + 4)
        (tmp_path / f"weights.{number:03d}.data").write_text("".join(f"{w}\n" for w in weights))
    (tmp_path / "input.nn").write_text("\n".join(lines))
    (tmp_path / "scaling.data").write_text("\n".join(scaling) + "\n")
    atoms = ase.Atoms(2 * symbols, rng.uniform(0, 6, (2 * n_elements, 3)), cell=[6] * 3, pbc=True)
    energy, inputs = hdnnp_direct.evaluate(read_potential(tmp_path), atoms)
    network = HDNNP(tmp_path)

    result, functions = evaluate(network, atoms)

    for found, expected in zip(functions, inputs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
    assert result.energy == pytest.approx(energy, rel=1e-12)
    direction = rng.normal(size=(len(atoms), 3))
    energies = []
    for h in (1e-5, -1e-5):
        moved = atoms.copy()
        moved.positions += h * direction
        energies.append(evaluate(network, moved)[0].energy)
    slope = (energies[0] - energies[1]) / 2e-5
    assert slope == pytest.approx(-np.sum(result.forces * direction), abs=1e-8)
