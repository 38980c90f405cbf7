"""Training: symmetry functions, labels, selection, and a small training from end to end."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import ase
import ase.build
import ase.units
import numpy as np
import pandas as pd
import pytest
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.spacegroup import Spacegroup

from llzo_helpers.errors import InputError
from llzo_helpers.figures.training import pair_distributions_figure
from llzo_helpers.generate.crystal import crystal, tetragonal
from llzo_helpers.hdnnp import HDNNP, HDNNPCalculator
from llzo_helpers.hdnnp.repulsion import repulsion_of
from llzo_helpers.paths import DATA
from llzo_helpers.potentials import load_potential, make_calculator
from llzo_helpers.training.descriptors import describe, tabulate
from llzo_helpers.training.functions import choose_functions, function_pool
from llzo_helpers.training.gradients import channels_of, compress
from llzo_helpers.training.label import fingerprint, force_atoms, is_held_out, label
from llzo_helpers.training.network import FittedNetwork, Scaling, write_network
from llzo_helpers.training.publish import pack_labels, publish, unpack_labels
from llzo_helpers.training.rounds import (
    TOO_CLOSE,
    Disagreement,
    choose_frames,
    disagreement,
    fitted_labels,
    held_out,
    read_selected,
    write_selected,
)
from llzo_helpers.training.sample import (
    close_pairs,
    draw_conditions,
    perturbed,
    shortest_distance,
    shortest_distances,
)
from llzo_helpers.training.settings import Fit, FunctionPool, Training, load_training
from llzo_helpers.training.validate import (
    body_centred_edges,
    diffusion_against_temperature,
    elastic_constants,
    energy_conservation,
    errors,
    pair_distributions_of,
    parity,
    primitive,
    relax_crystal,
    vibrations,
)

POOL = FunctionPool(
    cutoff_A=4.5,
    radial=[(0.05, 0.0), (1.0, 2.0)],
    angular=[(0.05, 0.0), (0.5, 2.0)],
    zeta=[1, 3],
    per_element=14,
    structures=2,
)
FIT = Fit(
    hidden_layers=[6, 5],
    force_atoms=10,
    energy_weight=100.0,
    round_epochs=3,
    epochs=6,
)
SYMBOLS = ("Li", "O", "Zr", "La")


@pytest.fixture(scope="module")
def structures() -> list[ase.Atoms]:
    made = []
    for seed in range(2):
        atoms = crystal(li_per_formula=7.0, seed=seed, draws=1)
        atoms.rattle(0.2, seed=seed)
        atoms.info = {"phase": "crystal", "seed": seed}
        atoms.calc = LennardJones(sigma=1.6, epsilon=0.05, rc=4.0)
        made.append(atoms)
    return made


def random_network(
    structures: list[ase.Atoms], seed: int = 0, pool: FunctionPool = POOL
) -> FittedNetwork:
    table = tabulate(choose_functions(pool, structures, FIT))
    values = np.concatenate([describe(a, table).values for a in structures])
    numbers = np.concatenate([table.element_numbers(a) for a in structures])
    groups = [values[numbers == k] for k in range(4)]
    statistics = [
        np.array([getattr(g, name)(axis=0) for g in groups])
        for name in ("min", "max", "mean", "std")
    ]
    rng = np.random.default_rng(seed)
    sizes = [14, 6, 5, 1]
    layers = [
        (rng.normal(size=(4, n, m)) / np.sqrt(n), rng.normal(size=(4, m)))
        for n, m in pairwise(sizes)
    ]
    return FittedNetwork(table, Scaling(*statistics), rng.normal(size=4), layers, pd.DataFrame())


def evaluate(network: FittedNetwork, atoms: ase.Atoms) -> tuple[float, np.ndarray]:
    """Energy and forces from the gradients that a fit uses, one by one."""
    found = describe(atoms, network.table, np.arange(len(atoms)))
    numbers = network.table.element_numbers(atoms)
    scaling = network.scaling
    nodes = (found.values - scaling.mean[numbers]) / scaling.sigma[numbers]
    slopes = []
    for weights, biases in network.layers:
        outputs = np.einsum("an,anm->am", nodes, weights[numbers]) + biases[numbers]
        last = outputs.shape[1] == 1
        slopes.append((np.ones_like(outputs) if last else 1 - np.tanh(outputs) ** 2, weights))
        nodes = outputs if last else np.tanh(outputs)
    slope = np.ones((len(atoms), 1))
    for own, weights in reversed(slopes):
        slope = np.einsum("am,anm->an", slope * own, weights[numbers])
    slope /= scaling.sigma[numbers]
    forces = np.zeros((len(atoms), 3))
    push = np.einsum("pxf,pf->px", found.gradients, slope[found.centres])
    np.subtract.at(forces, found.moved, push)
    return nodes.sum() + network.atom_energies[numbers].sum(), forces


MANY_DIGITS = POOL.model_copy(
    update={
        "cutoff_A": 4.5123456789,
        "radial": [(0.0512345678, 0.0), (1.0, 2.3456789)],
        "angular": [(0.0512345678, 0.0), (0.5, 1.9 / 1.1)],
    }
)


@pytest.mark.parametrize("pool", [POOL, MANY_DIGITS], ids=["few digits", "many digits"])
def test_gradients_give_the_forces_of_the_evaluator(structures, tmp_path: Path, pool):
    """Two independent implementations, and the files between them."""
    network = random_network(structures, pool=pool)
    write_network(network, tmp_path)
    evaluator = HDNNP(tmp_path)
    atoms = structures[0]
    result = evaluator.evaluate(
        atoms.positions,
        atoms.cell.array,
        atoms.pbc,
        evaluator.element_numbers(atoms.get_chemical_symbols()),
    )
    energy, forces = evaluate(network, atoms)
    assert result.energy == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(result.forces, forces, atol=2e-5 * np.abs(forces).max())
    # it was made from this structure, and rounding is no extrapolation
    assert sum(result.extrapolations.values()) == 0


def test_neighbours_in_small_cells_are_images_of_the_atom_itself():
    atoms = ase.Atoms("LiO", positions=[[0, 0, 0], [1.1, 1.3, 1.2]], cell=np.eye(3) * 3, pbc=True)
    pool = function_pool(POOL, ["Li", "O"])
    table = tabulate({symbol: pool[symbol][:20] for symbol in ("Li", "O")})
    found = describe(atoms, table, np.arange(2))
    h = 1e-5
    moved = [atoms.copy() for _ in range(2)]
    moved[0].positions[1, 0] += h
    moved[1].positions[1, 0] -= h
    up, down = (describe(m, table).values for m in moved)
    expected = (up - down) / (2 * h)
    slopes = np.zeros_like(expected)
    own = found.moved == 1
    np.add.at(slopes, found.centres[own], found.gradients[own, 0])
    np.testing.assert_allclose(slopes, expected, atol=1e-6 * np.abs(expected).max())


def test_compressed_gradients_are_the_whole_ones(structures):
    """In a cell so small that atoms meet their own images."""
    atoms = structures[0][np.arange(12)]
    atoms.set_cell(np.diag([4.0, 5.0, 6.0]))
    table = random_network(structures).table
    numbers = table.element_numbers(atoms)
    found = describe(atoms, table, np.arange(len(atoms)))
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.5, 2.0, table.columns.shape)
    gradients = compress(found, numbers, sigma, channels_of(table))
    slopes = rng.normal(size=found.values.shape).astype(np.float32)
    every = np.zeros((len(atoms), 3))
    scaled = (slopes / sigma[numbers])[found.centres]
    np.subtract.at(every, found.moved, np.einsum("pxf,pf->px", found.gradients, scaled))
    moved = np.array([7, 2, 3])
    forces = gradients.push(slopes, moved)
    np.testing.assert_allclose(forces, every[moved], atol=1e-5 * np.abs(every).max())
    # the change of a sum of forces with the slopes, by what it makes of these slopes
    weights = rng.normal(size=forces.shape).astype(np.float32)
    pulled = gradients.pull(weights, moved)
    assert (pulled * slopes).sum() == pytest.approx((weights * forces).sum(), rel=1e-4)
    # nothing that is always zero is kept
    assert np.count_nonzero(gradients.values) == np.count_nonzero(found.gradients)
    assert len(gradients.values) < 0.8 * found.gradients.size


def test_functions_that_say_the_same_are_chosen_once(structures):
    doubled = POOL.model_copy(update={"radial": [(0.05, 0.0), (0.0500001, 0.0)], "per_element": 20})
    chosen = choose_functions(doubled, structures[:1], FIT)
    for functions in chosen.values():
        radial = [(f.neighbours, round(f.eta, 4)) for f in functions if f.type == 2]
        assert len(radial) == len(set(radial))


def unexplained(functions, atoms: ase.Atoms) -> float:
    """Root mean square of forces left by the best energy linear in the functions, eV/Å."""
    table = tabulate(functions)
    found = describe(atoms, table, np.arange(len(atoms)))
    columns = np.zeros((len(atoms), 4, 3, table.columns.shape[1]))
    numbers = table.element_numbers(atoms)
    np.subtract.at(columns, (found.moved, numbers[found.centres]), found.gradients)
    columns = columns.swapaxes(1, 2).reshape(3 * len(atoms), -1)
    forces = atoms.get_forces().ravel()
    return np.std(forces - columns @ np.linalg.lstsq(columns, forces, rcond=None)[0])


def test_the_functions_chosen_explain_forces_better_than_others(structures):
    few = POOL.model_copy(update={"per_element": 4})
    settings = FIT.model_copy(update={"force_atoms": 40, "large_force_eV_A": 1e3})
    best = unexplained(choose_functions(few, structures[:1], settings), structures[0])
    pool = function_pool(POOL, SYMBOLS)
    rng = np.random.default_rng(0)
    for _ in range(5):
        others = {s: [own[k] for k in rng.permutation(len(own))[:4]] for s, own in pool.items()}
        assert best < unexplained(others, structures[0])


def test_close_pairs_are_of_all_elements_and_closer(structures):
    squeezed = close_pairs(structures, 20, seed=0)
    moved = Counter()
    for atoms in squeezed:
        plain = min(structures, key=lambda a: np.abs(a.positions - atoms.positions).sum())
        i, j = np.flatnonzero(np.abs(atoms.positions - plain.positions).sum(axis=1) > 1e-9)
        now, before = (a.get_distance(i, j, mic=True) for a in (atoms, plain))
        assert 0.4 * before < now < 0.9 * before
        moved[tuple(sorted((atoms.symbols[i], atoms.symbols[j])))] += 1
    assert len(moved) == 10
    assert set(moved.values()) == {2}


def test_forces_of_all_elements_are_fitted_alike():
    atoms = crystal(li_per_formula=7.0, seed=0, draws=1)
    symbols = np.array(atoms.get_chemical_symbols())
    some = force_atoms(atoms.numbers, 10, np.random.default_rng(0))
    assert Counter(symbols[some].tolist()) == dict.fromkeys(SYMBOLS, 10)
    every = force_atoms(atoms.numbers, 999, np.random.default_rng(0))
    np.testing.assert_array_equal(every, np.arange(len(atoms)))


def test_functions_that_cannot_be_fitted_are_refused():
    pool = function_pool(POOL, SYMBOLS)
    wrong = pool["Li"][0].__class__(3, "Li", ("O", "O"), 4.5, 0.1, 0.0, 1.0, 1.0)
    with pytest.raises(InputError, match="only types 2 and 9"):
        tabulate({"Li": [wrong]})


def test_labels_are_never_calculated_twice(structures, tmp_path: Path):
    first = label(structures[:1], tmp_path, LennardJones)

    class Once(LennardJones):
        def calculate(self, atoms=None, *args, **kwargs):
            assert fingerprint(atoms) == fingerprint(structures[1])
            super().calculate(atoms, *args, **kwargs)

    both = label(structures, tmp_path, Once)
    np.testing.assert_array_equal(both[0].get_forces(), first[0].get_forces())
    # all there: the reference is not even made
    label(structures, tmp_path, lambda: pytest.fail("the reference was made"))


def test_all_frames_of_a_run_are_held_out_together():
    runs = [ase.Atoms(info={"phase": "crystal", "seed": seed}) for seed in range(2000)]
    share = np.mean([is_held_out(atoms, 0.1) for atoms in runs])
    assert share == pytest.approx(0.1, abs=0.02)
    other_frame = ase.Atoms("Li", info={"phase": "crystal", "seed": 7, "frame": 3})
    assert is_held_out(other_frame, 0.1) == is_held_out(runs[7], 0.1)


def test_conditions_fill_their_ranges():
    (phase, *_) = load_training("hdnnp_sevennet0").sampling.phases
    drawn = draw_conditions(phase, 40, seed=3)
    volumes = sorted(c.volume_ratio for c in drawn)
    low, high = phase.volume_ratio
    # a Latin hypercube: one in each fortieth of the range
    cells = np.floor((np.array(volumes) - low) / (high - low) * 40).astype(int)
    assert list(cells) == list(range(40))
    assert {c.li_per_formula for c in drawn} == set(phase.li_per_formula)
    assert len({c.seed for c in drawn}) == 40


def test_perturbed_frames(structures):
    sampling = load_training("hdnnp_sevennet0").sampling
    kinds = {"no": 0, "rattled": 0, "close pair": 0}
    for seed in range(200):
        atoms = perturbed(structures[0], sampling, seed=seed)
        kinds[kind := atoms.info.get("perturbed", "no")] += 1
        moved = np.abs(atoms.positions - structures[0].positions).max(axis=1) > 0
        assert moved.sum() == {"no": 0, "rattled": len(atoms), "close pair": 1}[kind]
        if kind == "close pair":
            assert shortest_distance(atoms) < 0.95 * 3
    assert kinds["rattled"] == pytest.approx(200 * sampling.rattled, abs=20)
    assert kinds["close pair"] == pytest.approx(200 * sampling.close_pairs, abs=15)


def test_extrapolating_and_disputed_frames_come_first_but_no_run_takes_all():
    frames = [ase.Atoms(info={"phase": "crystal", "seed": k // 10}) for k in range(40)]
    forces = np.arange(40.0)
    outside = np.zeros(40, int)
    outside[3] = 1
    chosen = choose_frames(frames, Disagreement(forces, outside), 8)
    assert chosen[0] == 3
    # three times a run's share of 2
    assert list(chosen[1:]) == [39, 38, 37, 36, 35, 34, 29]


def test_members_that_agree_do_not_dispute(structures, tmp_path: Path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_network(random_network(structures, seed), tmp_path / name)
    same = disagreement(structures, [tmp_path / "a", tmp_path / "b"])
    assert same.forces.max() == 0
    assert disagreement(structures, [tmp_path / "a", tmp_path / "c"]).forces.min() > 0.01


def test_labels_packed_and_unpacked(structures, tmp_path: Path):
    frames = []
    for number, atoms in enumerate(structures):
        copy = atoms.copy()
        copy.info = {
            "phase": "crystal",
            "li_per_formula": 7.0,
            "volume_ratio": 1.0,
            "temperature_K": 300.0,
            "seed": number,
        }
        frames.append(copy)
    first, second = tmp_path / "first", tmp_path / "second"
    for number in range(2):
        write_selected(first / f"round_{number}", frames[number : number + 1])
        label(read_selected(first / f"round_{number}"), first / "labels", LennardJones)
    pack_labels(first, tmp_path / "labels.npz")
    unpack_labels(tmp_path / "labels.npz", second)
    for number in range(2):
        again = read_selected(second / f"round_{number}")
        (labelled,) = label(again, second / "labels", lambda: pytest.fail("labelled again"))
        (before,) = label(
            read_selected(first / f"round_{number}"), first / "labels", lambda: pytest.fail()
        )
        np.testing.assert_allclose(labelled.get_forces(), before.get_forces(), rtol=1e-6)
        assert labelled.info["seed"] == number


def test_what_is_fitted_is_the_label_less_the_repulsion(structures):
    training = Training.model_validate(SMALL)
    near, nearer = structures[0].copy(), structures[0].copy()
    for atoms, distance in ((near, 1.1), (nearer, 0.9)):
        atoms.set_distance(0, 1, distance, fix=0)
        atoms.calc = SinglePointCalculator(atoms, energy=3.0, forces=np.ones((len(atoms), 3)))
    (rest,) = fitted_labels(training, [near, nearer])
    energy, forces, _ = repulsion_of(near, 0.7, 1.3)
    assert energy > 0.1
    assert rest.get_potential_energy() + energy == pytest.approx(3.0)
    np.testing.assert_allclose(rest.get_forces() + forces, 1.0)


def test_structures_whose_atoms_begin_to_fuse_are_tested_apart(structures):
    training = Training.model_validate(SMALL)
    labels = []
    for seed in range(40):
        atoms = structures[0].copy()
        atoms.info = {"phase": "crystal", "seed": seed}
        if seed % 2:  # lithium nearer to zirconium than in the first round, but not fused
            zr = int(np.flatnonzero(atoms.symbols == "Zr")[0])
            atoms.positions[0] = atoms.positions[zr] + [1.2, 0.0, 0.0]
        atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.ones((len(atoms), 3)))
        labels.append(atoms)
    labels = labels[::2] + labels[1::2]  # those of the first round come first
    tests = held_out(training, labels)
    assert 0 < len(tests) < len(labels)
    assert all((a.info["phase"] == TOO_CLOSE) == bool(a.info["seed"] % 2) for a in tests)
    assert {a.info["phase"] for a in tests} == {"crystal", TOO_CLOSE}
    assert tests[0].get_potential_energy() == 1.0
    assert {a.info["phase"] for a in labels} == {"crystal"}


def test_errors_of_known_deviations():
    atoms = ase.Atoms("LiO", positions=[[0, 0, 0], [2, 0, 0]], cell=[9, 9, 9], pbc=True)
    atoms.info = {"phase": "crystal", "volume_ratio": 1.0, "temperature_K": 300.0}
    reference = LennardJones()
    atoms.calc = reference
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    labelled = atoms.copy()
    labelled.calc = SinglePointCalculator(
        labelled, energy=energy + 0.004, forces=forces + np.array([[0.3, 0, 0], [0, 0, 0]])
    )
    table = errors(parity([labelled], LennardJones()), "element").set_index("element")
    assert table.force_rmse_eV_A["Li"] == pytest.approx(0.3 / np.sqrt(3))
    assert table.force_rmse_eV_A["O"] == pytest.approx(0, abs=1e-12)
    assert table.force_rmse_eV_A["all"] == pytest.approx(0.3 / np.sqrt(6))
    assert table.energy_rmse_meV["all"] == pytest.approx(2.0)


def test_energy_conservation_of_a_known_potential():
    crystal_of_argon = ase.build.bulk("Ar", cubic=True, a=1.7) * (3, 3, 3)
    kept = energy_conservation(
        crystal_of_argon,
        LennardJones(rc=2.5, smooth=True),
        temperature_K=300,
        duration_ps=0.3,
        timestep_fs=1.0,
        warm_up_ps=0.1,
        seed=1,
    )
    assert abs(kept.drift_meV_ps) < 1.0
    assert kept.rms_meV < 0.5


def test_shortest_distances(structures):
    found = shortest_distances(structures)
    distances = structures[0].get_all_distances(mic=True)
    np.fill_diagonal(distances, 9)
    symbols = np.array(structures[0].get_chemical_symbols())
    own = distances[np.ix_(symbols == "Li", symbols == "O")].min()
    assert found["Li-O"] <= round(own, 2)
    # La-La and Zr-Zr are farther apart
    assert set(found) >= {"Li-Li", "Li-La", "La-Zr", "O-O"}
    assert np.isfinite(list(found.values())).all()


def test_what_is_published_is_a_potential(structures, tmp_path: Path):
    write_network(random_network(structures), tmp_path / "network")
    training = load_training("hdnnp_sevennet0")
    reference = load_potential("sevennet0")
    table = pd.DataFrame({"phase": ["all"], "force_rmse_eV_A": [0.1]})
    published = tmp_path / "potentials" / "mine"
    publish(tmp_path / "network", published, training, structures, reference, {"errors": table})
    potential = load_potential("mine", tmp_path / "potentials")
    assert potential.kind == "hdnnp"
    assert potential.trusted_range.volume_ratio == (0.86, 1.3)
    assert pd.read_csv(published / "errors.csv").force_rmse_eV_A[0] == 0.1
    assert HDNNP(published).symbols == SYMBOLS


def test_vibration_of_a_pair(tmp_path: Path):
    """Lennard-Jones: k = 72 epsilon / (2^(1/3) sigma^2), and half the mass."""
    sigma, epsilon = 2.0, 0.3
    pair = ase.Atoms("O2", positions=[[0, 0, 0], [2 ** (1 / 6) * sigma, 0, 0]])
    modes = vibrations(pair, LennardJones(sigma=sigma, epsilon=epsilon, rc=50.0), str(tmp_path))
    k = 72 * epsilon / (2 ** (1 / 3) * sigma**2)  # eV/Å^2
    reduced = pair.get_masses()[0] / 2
    expected = (
        np.sqrt(k / reduced) / (2 * np.pi) * ase.units.fs * 1000
    )  # THz: ASE's unit of time over 1 ps
    assert modes.frequency_THz.max() == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(modes["O"], 1.0)


def test_elastic_constants_of_pair_forces():
    """Central forces in a cubic crystal of inversion centres: C12 = C44 (Cauchy)."""
    calculator = LennardJones(sigma=2.0, epsilon=0.3, rc=6.0, smooth=True)
    relaxed = relax_crystal(
        ase.build.bulk("Ar", cubic=True, a=3.1) * (2, 2, 2), calculator, fmax=1e-3
    )
    constants = elastic_constants(relaxed, calculator)
    assert constants["C11"] == pytest.approx(constants["C33"], rel=1e-2)
    assert constants["C12"] == pytest.approx(constants["C44"], rel=3e-2)
    assert constants["C11"] > constants["C12"] > 0


def test_tetragonal_has_its_space_group():
    atoms = tetragonal()
    assert atoms.get_chemical_formula() == "La24Li56O96Zr16"
    fractional = atoms.get_scaled_positions()
    # ASE's second setting of I4_1/acd has the inversion at the origin, as the garnet's cell
    for rotation, translation in Spacegroup(142, setting=2).get_symop():
        images = fractional @ rotation.T + translation
        offsets = images[:, None] - fractional[None]
        offsets -= np.round(offsets)
        nearest = np.linalg.norm(offsets, axis=-1)
        assert nearest.min(axis=1).max() < 1e-3
        partner = nearest.argmin(axis=1)
        assert (atoms.numbers[partner] == atoms.numbers).all()
    lithium = atoms[atoms.symbols == "Li"].get_all_distances(mic=True)
    np.fill_diagonal(lithium, 9)
    assert lithium.min() > 2.2


def test_the_reference_is_refused_where_its_package_is_missing():
    reference = load_potential("sevennet0")
    try:
        import sevenn  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match=r"sevennet0.*install its package"):
            make_calculator(reference)
    with pytest.raises(InputError, match="must be ase"):
        make_calculator(load_potential("wang2014"))


def test_the_primitive_cell_is_half_of_the_same_crystal():
    whole = tetragonal()
    half = primitive(whole)
    assert 2 * len(half) == len(whole)
    np.testing.assert_allclose(body_centred_edges(half.cell.array), whole.cell.lengths())
    energies = []
    for atoms in (whole, half):
        atoms.calc = LennardJones(sigma=1.6, epsilon=0.05, rc=4.0)
        energies.append(atoms.get_potential_energy() / len(atoms))
    assert energies[0] == pytest.approx(energies[1], rel=1e-10)


def test_structures_in_motion_are_compared_from_one_start(tmp_path: Path):
    """The same potential under two names gives the same structure."""
    potential = load_potential("bush1994_woodley1999")
    found = pair_distributions_of(
        tmp_path,
        primitive(tetragonal()),
        {"one": potential, "another": potential},
        temperature_K=600,
        duration_ps=0.2,
        seed=1,
    )
    pair = found["one"]["Zr", "O"]
    np.testing.assert_array_equal(pair.values, found["another"]["Zr", "O"].values)
    # the octahedron of zirconium
    assert 1.9 < pair.radii[pair.values.argmax()] < 2.3
    pair_distributions_figure(found, "crystal")


def test_diffusion_is_run_once(tmp_path: Path):
    arguments = {
        "start": primitive(tetragonal()),
        "potential": load_potential("bush1994_woodley1999"),
        "temperatures_K": [1200.0, 1600.0],
        "duration_ps": 2.0,
        "seed": 1,
    }
    table, arrhenius = diffusion_against_temperature(tmp_path, **arguments)
    assert (table.D_cm2_s > 0).all()
    assert arrhenius.n_temperatures == 2
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*K/**/*.dcd")}
    again, _ = diffusion_against_temperature(tmp_path, **arguments)
    pd.testing.assert_frame_equal(table, again)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*K/**/*.dcd")}


def test_the_published_network_agrees_with_its_labels():
    network = HDNNPCalculator(load_potential("hdnnp_sevennet0").directory)
    with np.load(DATA / "hdnnp_sevennet0_labels.npz", allow_pickle=False) as data:
        labels = {key: data[key] for key in data.files}
    ends = np.cumsum(labels["n_atoms"])
    plain = np.flatnonzero(labels["perturbed"] == "no")
    errors, forces = [], []
    for k in plain[::60]:
        own = slice(ends[k] - labels["n_atoms"][k], ends[k])
        if np.abs(labels["forces"][own]).max() > 15:  # a run that came apart
            continue
        atoms = ase.Atoms(
            labels["numbers"][own], labels["positions"][own], cell=labels["cells"][k], pbc=True
        )
        atoms.calc = network
        errors.append(atoms.get_forces() - labels["forces"][own])
        forces.append(labels["forces"][own])
    assert len(errors) > 10
    assert np.std(np.concatenate(errors)) < 0.25 * np.std(np.concatenate(forces))


SMALL = {
    "seed": 1,
    "reference": "network",
    "sampling": {
        "potential": "bush1994_woodley1999",
        "warm_up_ps": 0.1,
        "superheat_ps": 0.1,
        "phases": [
            {
                "phase": phase,
                "runs": runs,
                "further_runs": 1,
                "li_per_formula": [7.0],
                "volume_ratio": [0.98, 1.1],
                "temperature_K": [300, 600],
                "duration_ps": 0.2,
                "frames": 3,
            }
            for phase, runs in (("crystal", 3), ("tetragonal", 1), ("amorphous", 1))
        ],
    },
    "rounds": {"labels": [10, 3], "close_pairs": 5},
    "functions": POOL.model_dump(),
    "repulsion": {"inner_A": 0.7, "outer_A": 1.3},
    "fit": {
        "hidden_layers": [6, 6],
        "committee": 2,
        "force_atoms": 10,
        "energy_weight": 100.0,
        "batch": 2,
        "round_epochs": 3,
        "epochs": 6,
        "held_out": 0.5,
    },
}


def test_a_killed_fit_goes_on_as_if_it_had_not_been(structures, tmp_path: Path, monkeypatch):
    pytest.importorskip("torch", reason="a fit needs torch: pip install -e '.[train]'")
    from llzo_helpers.training import fit

    settings = FIT.model_copy(update={"held_out": 0.5})
    of_runs = []
    for seed in range(6):  # whole runs are held out: some of these, not all
        of_runs.append(structures[seed % 2].copy())
        of_runs[-1].calc = structures[seed % 2].calc
        of_runs[-1].info["seed"] = seed
    data = fit.prepare(of_runs, tabulate(choose_functions(POOL, structures, FIT)), settings)

    def fitted(name: str, seed: int = 0) -> FittedNetwork:
        checkpoint = tmp_path / f"{name}.pt"
        return fit.fit_network(data, settings, epochs=14, seed=seed, checkpoint=checkpoint)

    def killed(course: fit._Course, path: Path) -> None:
        if course.history[-1]["epoch"] == 14:
            raise KeyboardInterrupt
        write(course, path)

    write = fit._Course.write
    whole, other = fitted("whole"), fitted("other", seed=1)
    monkeypatch.setattr(fit._Course, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted("killed")
    monkeypatch.undo()
    resumed = fitted("killed")
    assert resumed.history.epoch.tolist() == [1, 10, 14]
    assert same_layers(resumed, whole)
    # a checkpoint of another fit is not taken up
    assert same_layers(fitted("killed", seed=1), other)


def same_layers(one: FittedNetwork, other: FittedNetwork) -> bool:
    return all(
        np.array_equal(a, b)
        for layers in zip(one.layers, other.layers, strict=True)
        for a, b in zip(*layers, strict=True)
    )


@pytest.mark.slow
def test_a_small_training_from_end_to_end(tmp_path: Path):
    """Lennard-Jones labels stand for the reference: any calculator of ASE may."""
    pytest.importorskip("torch", reason="a fit needs torch: pip install -e '.[train]'")
    from llzo_helpers.training.rounds import fit, learning_curve, train

    training = Training.model_validate(SMALL)
    committee = train(training, tmp_path, lambda: LennardJones(sigma=1.6, epsilon=0.05, rc=4.0))

    history = pd.read_csv(committee / "member_0/history.csv")
    assert history.force_fitted.iloc[-1] < 0.9 * history.force_fitted.iloc[0]
    labels = sorted(path.name for path in (tmp_path / "labels").iterdir())
    assert len(labels) == 18
    labelled = label(
        [a for k in range(3) for a in read_selected(tmp_path / f"round_{k}")],
        tmp_path / "labels",
        lambda: pytest.fail("labelled again"),
    )
    assert set(learning_curve(training, tmp_path, labelled).fit) == {"round_1/fit", "final"}

    # the same labels and seed give the same network; what is there is not made again
    again = fit(training, tmp_path, "again", labelled, members=1, epochs=6)
    for path in sorted((committee / "member_0").glob("*.data")):
        assert path.read_bytes() == (again / "member_0" / path.name).read_bytes()
    before = {path: path.stat().st_mtime_ns for path in committee.rglob("*")}
    train(training, tmp_path, lambda: pytest.fail("labelled again"))
    assert before == {path: path.stat().st_mtime_ns for path in committee.rglob("*")}
