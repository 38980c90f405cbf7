"""Pair distributions, coordination and angles: ideal gas, crystals, other codes."""

import ase.build
import ase.neighborlist
import MDAnalysis
import numpy as np
import pytest
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st
from MDAnalysis.analysis.rdf import InterRDF

from llzo_helpers.analysis.order import (
    bond_angles,
    coordination_numbers,
    first_minimum,
    pair_distributions,
)
from llzo_helpers.errors import InputError

A_EXP = 12.922


def garnet():
    """Return Ia-3d LLZO with every Li site full, He standing for 24d and Ne for 48g."""
    atoms = crystal(
        ["La", "Zr", "O", "He", "Ne"],
        [
            (1 / 8, 0, 1 / 4),
            (0, 0, 0),
            (0.10218, 0.19703, 0.28162),
            (3 / 8, 0, 1 / 4),
            (1 / 8, 0.1763, 1 / 4 + 0.1763),
        ],
        spacegroup=230,
        cellpar=[A_EXP] * 3 + [90] * 3,
    )
    assert len(atoms) == 24 + 16 + 96 + 24 + 48
    return atoms


def frames_of(atoms):
    return atoms.positions[None], np.array(atoms.cell), atoms.get_chemical_symbols()


@pytest.mark.parametrize(
    ("central", "cutoff_A", "number"),
    [("Zr", 2.6, 6), ("La", 3.0, 8), ("He", 2.3, 4), ("Ne", 2.8, 6)],
    ids=["Zr", "La", "Li in 24d", "Li in 48g"],
)
def test_coordination_of_the_garnet(central, cutoff_A, number):
    result = coordination_numbers(
        *frames_of(garnet()), central=central, neighbour="O", cutoff_A=cutoff_A
    )
    np.testing.assert_array_equal(result.numbers, number)
    assert result.mean == number
    assert result.distribution[number] == 1


def test_angles_of_the_octahedron_and_tetrahedron():
    """Zr has 90 and 180 degrees (12 and 3 angles) but for the tilt of its octahedron."""
    octahedron = bond_angles(
        *frames_of(garnet()), central="Zr", neighbour="O", cutoff_A=2.6, bin_width_deg=20
    )
    assert octahedron.n_angles == 16 * 15
    counts = octahedron.density * 20 * 15
    np.testing.assert_allclose(counts[[4, 8]], [12, 3])
    assert np.sum(octahedron.density) * 20 == pytest.approx(1)


def test_angles_of_diamond():
    atoms = ase.build.bulk("C", cubic=True) * (2, 2, 2)
    result = bond_angles(
        *frames_of(atoms), central="C", neighbour="C", cutoff_A=1.7, bin_width_deg=1
    )
    assert result.n_angles == 64 * 6
    assert result.angles[np.argmax(result.density)] == pytest.approx(109.5)


def test_angles_without_order_go_as_the_sine():
    positions = np.random.default_rng(0).uniform(0, 10, size=(30, 60, 3))
    result = bond_angles(
        positions,
        np.eye(3) * 10,
        ["H"] * 60,
        central="H",
        neighbour="H",
        cutoff_A=5,
        bin_width_deg=10,
    )
    np.testing.assert_allclose(result.relative_to_random[2:-2], 1, atol=0.03)


def test_shells_of_a_simple_cubic_lattice():
    atoms = ase.build.bulk("Po", "sc", a=2.0) * (6, 6, 6)
    pair = pair_distributions(*frames_of(atoms), bin_width_A=0.1)["Po", "Po"]
    at = np.searchsorted(pair.radii, [2.0, 2 * np.sqrt(2), 2 * np.sqrt(3), 4.0])
    np.testing.assert_allclose(pair.coordination[at], [6, 18, 26, 32])
    empty = np.abs(pair.radii[:, None] - [2.0, 2.828, 3.464, 4.0, 4.472, 4.899, 5.657]).min(axis=1)
    assert np.all(pair.values[(empty > 0.1) & (pair.radii < 5.5)] == 0)


def test_ideal_gas():
    """A gas has g = 1, and deviates by its standard errors only."""
    rng = np.random.default_rng(1)
    cell = np.array([[9.0, 0, 0], [2.0, 8.0, 0], [1.0, -1.0, 10.0]])
    positions = rng.random((200, 60, 3)) @ cell
    species = ["A"] * 20 + ["B"] * 40
    result = pair_distributions(positions, cell, species, bin_width_A=0.2, blocks=20)
    for pair in result.values():
        deviation = (pair.values - 1)[5:] / pair.standard_error[5:]
        assert np.sqrt(np.mean(deviation**2)) == pytest.approx(1, abs=0.45)
        assert np.average(pair.values, weights=pair.radii**2) == pytest.approx(1, abs=0.01)


def test_joined_bins_are_those_of_a_coarser_count():
    rng = np.random.default_rng(1)
    frames, cell, species = rng.uniform(0, 12, size=(40, 50, 3)), np.eye(3) * 12, ["A"] * 50
    fine = pair_distributions(frames, cell, species, bin_width_A=0.1)["A", "A"].coarser(2)
    coarse = pair_distributions(frames, cell, species, bin_width_A=0.2)["A", "A"]
    n = len(coarse.radii)
    np.testing.assert_allclose(fine.radii[:n], coarse.radii)
    beyond = coarse.radii > 1
    np.testing.assert_allclose(fine.values[:n][beyond], coarse.values[beyond], rtol=2e-3)
    np.testing.assert_allclose(fine.coordination[:n], coarse.coordination)
    ratio = fine.standard_error[:n][beyond] / coarse.standard_error[beyond]
    assert np.median(ratio) == pytest.approx(1, abs=0.2)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_counts_agree_with_ase_in_any_cell(seed):
    rng = np.random.default_rng(seed)
    cell = np.eye(3) * 8 + rng.uniform(-1.5, 1.5, size=(3, 3))
    atoms = ase.Atoms("H15O10", positions=rng.random((25, 3)) @ cell, cell=cell, pbc=True)
    # unwrapped positions are the same structure
    positions, _, species = frames_of(atoms)
    positions = positions + rng.integers(-2, 3, size=(1, 25, 3)) @ cell
    result = pair_distributions(positions, cell, species, bin_width_A=0.05)
    reach = result["H", "O"].radii[-1] + 0.025
    i, j = ase.neighborlist.neighbor_list("ij", atoms, reach)
    is_h = atoms.numbers == 1
    assert result["H", "O"].coordination[-1] * 15 == pytest.approx(np.sum(is_h[i] & ~is_h[j]))
    assert result["O", "H"].coordination[-1] * 10 == pytest.approx(np.sum(is_h[i] & ~is_h[j]))
    assert result["H", "H"].coordination[-1] * 15 == pytest.approx(np.sum(is_h[i] & is_h[j]))
    counted = coordination_numbers(
        positions, cell, species, central="O", neighbour="O", cutoff_A=reach
    )
    expected = np.bincount(i[~is_h[i] & ~is_h[j]], minlength=25)[~is_h]
    np.testing.assert_array_equal(counted.numbers[0], expected)


def test_agrees_with_mdanalysis():
    rng = np.random.default_rng(3)
    positions = np.tile(rng.uniform(0, 12, (80, 3)), (4, 1, 1)) + rng.normal(size=(4, 80, 3)) * 0.3
    universe = MDAnalysis.Universe.empty(80, trajectory=True)
    universe.load_new(positions.astype(np.float32), dimensions=[12, 12, 12, 90, 90, 90])
    first, second = universe.atoms[:30], universe.atoms[30:]
    theirs = InterRDF(first, second, nbins=60, range=(0.0, 6.0)).run()
    ours = pair_distributions(
        positions.astype(np.float32), np.eye(3) * 12, ["A"] * 30 + ["B"] * 50, bin_width_A=0.1
    )["A", "B"]
    np.testing.assert_allclose(ours.radii, theirs.results.bins, atol=1e-9)
    np.testing.assert_allclose(ours.values, theirs.results.rdf, rtol=1e-6, atol=1e-9)


class InPieces:
    """A trajectory in files of five frames, read one by one."""

    def __init__(self, positions):
        self.positions = positions

    def __len__(self):
        return len(self.positions)

    def chunks(self, *, frames):
        for file in np.split(self.positions, len(self) // 5):
            for begin in range(0, 5, frames):
                yield file[begin : begin + frames]


def test_chunks_are_one_trajectory():
    rng = np.random.default_rng(4)
    positions = rng.uniform(0, 10, size=(30, 20, 3)).astype(np.float32)
    whole = pair_distributions(positions, np.eye(3) * 10, ["H"] * 20)["H", "H"]
    parts = pair_distributions(InPieces(positions), np.eye(3) * 10, ["H"] * 20, blocks=3)
    np.testing.assert_allclose(parts["H", "H"].values, whole.values)
    numbers = coordination_numbers(
        InPieces(positions),
        np.eye(3) * 10,
        ["H"] * 20,
        central="H",
        neighbour="H",
        cutoff_A=4,
    )
    assert numbers.numbers.shape == (30, 20)
    assert numbers.mean == pytest.approx(whole.coordination[199])


def test_first_minimum_lies_between_the_shells():
    atoms = garnet()
    rng = np.random.default_rng(0)
    positions = atoms.positions + rng.normal(scale=0.1, size=(20, *atoms.positions.shape))
    pairs = pair_distributions(positions, np.array(atoms.cell), atoms.get_chemical_symbols())
    assert 2.5 < first_minimum(pairs["Zr", "O"]) < 3.5
    coordination = pairs["Zr", "O"]
    at = np.searchsorted(coordination.radii, first_minimum(coordination))
    assert coordination.coordination[at] == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize(("sigma_A", "n_frames"), [(0.15, 1), (0.2, 3), (0.2, 50)])
def test_noise_is_no_minimum(sigma_A, n_frames):
    """Six O around Zr and eight around La, in a single frame, too."""
    atoms = garnet()
    cell, species = np.array(atoms.cell), atoms.get_chemical_symbols()
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(size=(n_frames, len(atoms), 3))
        positions = atoms.positions + sigma_A * noise
        pairs = pair_distributions(positions, cell, species)
        for central, expected in (("Zr", 6), ("La", 8)):
            cutoff = first_minimum(pairs[central, "O"])
            found = coordination_numbers(
                positions, cell, species, central=central, neighbour="O", cutoff_A=cutoff
            )
            assert found.numbers.mean() == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda *a: pair_distributions(*a, blocks=0), "blocks: 0"),
        (lambda *a: angles(*a, bin_width_deg=400), "bin_width_deg: 400"),
        (lambda *a: angles(*a, bin_width_deg=0), "bin_width_deg: 0"),
        (lambda *a: angles(*a, bin_width_deg=np.nan), "bin_width_deg: nan"),
    ],
)
def test_arguments_that_make_no_sense(call, words):
    atoms = garnet()
    with pytest.raises(InputError, match=words):
        call(atoms.positions[None], np.array(atoms.cell), atoms.get_chemical_symbols())


def angles(*frames, **bins):
    return bond_angles(*frames, central="Zr", neighbour="O", cutoff_A=2.6, **bins)


@pytest.mark.parametrize("analyse", [pair_distributions, angles])
def test_positions_that_are_not_numbers(analyse):
    atoms = garnet()
    positions = np.repeat(atoms.positions[None], 100, axis=0)
    positions[70, 3] = np.nan
    with pytest.raises(InputError, match="positions: not finite in frame 70"):
        analyse(positions, np.array(atoms.cell), atoms.get_chemical_symbols())


def test_no_minimum_in_a_gas_that_ends_too_soon():
    positions = np.array([[[0.0, 0, 0], [1.0, 0, 0]]])
    pair = pair_distributions(positions, np.eye(3) * 10, ["H", "H"], r_max_A=1.1)["H", "H"]
    with pytest.raises(InputError, match="no clear minimum"):
        first_minimum(pair)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": np.zeros((3, 3))}, "span a volume"),
        ({"species": ["H"]}, "for 1 atoms"),
        ({"positions": np.zeros((2, 3))}, "shape"),
        ({"positions": []}, "shape"),
        ({"positions": np.zeros((0, 2, 3))}, "give at least 1"),
        ({"r_max_A": 5.1}, "half the smallest height of the cell, 0.04 to 5"),
    ],
)
def test_bad_input(change, message):
    good = {"positions": np.zeros((1, 2, 3)), "cell": np.eye(3) * 10, "species": ["H", "O"]}
    with pytest.raises(InputError, match=message):
        pair_distributions(**{**good, **change})


def test_bad_neighbours():
    good = {"positions": np.zeros((1, 2, 3)), "cell": np.eye(3) * 10, "species": ["H", "O"]}
    with pytest.raises(InputError, match="no 'Zr'; present: H, O"):
        coordination_numbers(**good, central="Zr", neighbour="O", cutoff_A=2)
    with pytest.raises(InputError, match="cutoff: 6"):
        coordination_numbers(**good, central="H", neighbour="O", cutoff_A=6)
    with pytest.raises(InputError, match="no H has two O"):
        bond_angles(**good, central="H", neighbour="O", cutoff_A=2)
