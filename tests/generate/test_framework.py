"""Defects on constructed cells; lithium and volume against brute force and invariants."""

from itertools import combinations

import ase
import numpy as np
import pytest
from ase.geometry import get_distances
from hypothesis import given, settings
from hypothesis import strategies as st

from llzo_helpers.analysis.drift import framework_drift
from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.garnet import FORMAL_CHARGES, garnet, li_per_formula, volume_ratio
from llzo_helpers.generate.amorphous import (
    MINIMUM_ADDED_LI_DISTANCE,
    expand,
    set_lithium,
    shortest_lithium_distance,
    spread_out_sites,
)
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.generate.framework import (
    FrenkelDefects,
    StageFramework,
    framework_state,
    frenkel_defects,
    require_melted,
    vacated_fraction,
    verdict,
)


def cell_with(**moves: tuple[int, np.ndarray]) -> ase.Atoms:
    """The garnet cell, vibrating, with the first of an element moved onto a fractional position."""
    atoms = crystal(li_per_formula=6.25, seed=1)
    atoms.positions += np.random.default_rng(0).normal(0, 0.15, atoms.positions.shape)
    for element, position in moves.items():
        index = np.flatnonzero(atoms.symbols == element)[0]
        atoms.positions[index] = position @ atoms.cell.array
    return atoms


def defects_of(*frames: ase.Atoms) -> dict[str, FrenkelDefects]:
    return frenkel_defects(
        [atoms.positions for atoms in frames],
        frames[0].cell.array,
        frames[0].get_chemical_symbols(),
    )


TETRAHEDRAL = np.array([3 / 8, 0, 1 / 4])
ZR_SITE = np.array([0.5, 0.5, 0.5])
LA_SITE = np.array([5 / 8, 0, 1 / 4])


def test_the_vibrating_crystal_has_no_defects():
    defects = defects_of(cell_with())
    assert vacated_fraction(defects) == 0
    assert defects["La"] == FrenkelDefects(24, 0, 0, 0)
    assert defects["Zr"] == FrenkelDefects(16, 0, 0, 0)


@pytest.mark.parametrize("element", ["La", "Zr"])
def test_one_frenkel_defect(element):
    defects = defects_of(cell_with(**{element: TETRAHEDRAL}))
    other = {"La": "Zr", "Zr": "La"}[element]
    n_sites = {"La": 24, "Zr": 16}[element]
    assert defects[element] == FrenkelDefects(n_sites, 1, 1, 0)
    assert defects[other].vacated == defects[other].interstitial == 0


def test_antisites_and_a_site_with_two_ions():
    swapped = defects_of(cell_with(La=ZR_SITE + 0.01, Zr=LA_SITE))
    assert swapped["La"].antisite == swapped["Zr"].antisite == 1
    assert swapped["La"].vacated == swapped["Zr"].vacated == 1
    assert swapped["La"].interstitial == swapped["Zr"].interstitial == 0
    # the site that the moved ion left is vacated, the one it shares is not
    assert defects_of(cell_with(La=LA_SITE + 0.02))["La"] == FrenkelDefects(24, 1, 0, 0)


def test_defects_are_a_mean_over_frames_whatever_the_images():
    perfect, defective = cell_with(), cell_with(La=TETRAHEDRAL)
    defective.positions[::7] += defective.cell[1] - 2 * defective.cell[0]
    defects = defects_of(perfect, perfect, perfect, defective)
    assert defects["La"].vacated == 0.25
    assert defects["La"].vacated_fraction == pytest.approx(0.25 / 24)


def test_defects_of_an_expanded_supercell():
    atoms = expand(cell_with(Zr=TETRAHEDRAL), 1.3).repeat((2, 2, 2))
    defects = defects_of(atoms)
    assert defects["Zr"] == FrenkelDefects(128, 8, 8, 0)
    assert defects["La"].vacated == 0


def test_ions_anywhere_vacate_three_quarters_of_the_sites():
    """The number that the threshold `DISORDERED` is set by."""
    atoms = crystal(li_per_formula=6.25, seed=1)
    rng = np.random.default_rng(4)
    frames = rng.random((200, len(atoms), 3)) * atoms.cell[0, 0]
    defects = frenkel_defects(frames, atoms.cell.array, atoms.get_chemical_symbols())
    assert vacated_fraction(defects) == pytest.approx(0.75, abs=0.08)


@pytest.mark.parametrize(
    ("cell", "symbols", "message"),
    [
        (np.diag([13, 13, 14]), ["Zr"] * 16, "not cubic"),
        (np.eye(3) * 13, ["Zr"] * 17, "do not form a cube of garnet cells"),
        (np.eye(3) * 13, ["O"] * 4, "do not form a cube of garnet cells"),
    ],
)
def test_cells_that_cannot_be_compared_with_the_garnet(cell, symbols, message):
    with pytest.raises(InputError, match=message):
        frenkel_defects([np.zeros((len(symbols), 3))], cell, symbols)


def moving_framework(
    step: float, defective: bool, n_frames: int = 60, rattle: float = 0.1
) -> StageFramework:
    """A Brownian framework (`step` in Å a frame) on garnet sites, or on no sites."""
    rng = np.random.default_rng(2)
    atoms = crystal(li_per_formula=6.25, seed=1)
    if defective:
        atoms.positions = rng.random(atoms.positions.shape) * atoms.cell[0, 0]
    walk = rng.normal(0, step, (n_frames, len(atoms), 3)).cumsum(axis=0)
    vibration = rng.normal(0, rattle, (n_frames, len(atoms), 3))
    # all drift together, which is no diffusion
    together = np.linspace(0, 5, n_frames)[:, np.newaxis, np.newaxis]
    positions = atoms.positions + walk + vibration + (together if defective else 0)
    return framework_state(positions, atoms.cell.array, atoms.get_chemical_symbols(), 0.1)


def test_diffusion_of_the_framework_is_measured_without_its_drift():
    state = moving_framework(0.3, defective=True)
    # D = step^2 / 2 interval in Å^2/ps, 1e-4 cm2/s each
    assert pytest.approx(0.3**2 / 0.2 * 1e-4, abs=4 * state.D_std_cm2_s) == state.D_cm2_s
    assert state.D_std_cm2_s < 0.2 * state.D_cm2_s


def test_melt_glass_and_crystal_are_told_apart():
    melt = moving_framework(0.3, defective=True)
    require_melted(melt, 3000)
    assert verdict(melt) == "not frozen"
    assert verdict(moving_framework(0, defective=True)) == "glass"
    assert verdict(moving_framework(0, defective=False)) == "crystal"


def test_a_melt_flows_however_short_and_wide_vibration_does_not():
    assert moving_framework(0.3, defective=True, n_frames=24).flows
    shaken = moving_framework(0, defective=True, rattle=0.8)
    assert not shaken.frozen
    assert not shaken.flows


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ((0.0, False), "3000 K is still crystalline .*0.0 of 24 La.*raise superheat_K"),
        ((0.0, True), "3000 K does not flow"),
    ],
)
def test_a_melt_that_did_not_melt_is_an_error(state, message):
    with pytest.raises(SimulationError, match=message) as error:
        require_melted(moving_framework(*state), 3000)
    assert "\n" not in str(error.value)


# --------------------------------------------------------------------------- lithium and volume


@pytest.fixture(scope="module")
def partly_filled() -> tuple[ase.Atoms, np.ndarray]:
    """A cell of Li 5.5, and all its 24d and 96h sites."""
    atoms = crystal(li_per_formula=5.5, seed=3)
    return atoms, garnet()[1].positions


@settings(deadline=None, max_examples=20)
@given(n_li=st.integers(30, 50), seed=st.integers(0, 1000))
def test_lithium_content_charge_and_distances(partly_filled, n_li, seed):
    atoms, sites = partly_filled
    filled = set_lithium(atoms, n_li, sites, seed=seed)
    symbols = filled.get_chemical_symbols()
    assert symbols.count("Li") == n_li
    assert filled.cell == pytest.approx(atoms.cell)
    assert filled.pbc.all()
    assert symbols == sorted(symbols, key=["Li", "La", "Zr", "O"].index)
    charge = sum(FORMAL_CHARGES[symbol] for symbol in symbols)
    assert charge == sum(FORMAL_CHARGES[s] for s in atoms.get_chemical_symbols()) + n_li - 44
    assert shortest_lithium_distance(filled) >= MINIMUM_ADDED_LI_DISTANCE
    framework = filled.positions[n_li:]
    assert np.array_equal(framework, atoms.positions[44:])
    # those that were there stay where they were
    distances = get_distances(
        filled.positions[:n_li], atoms.positions[:44], cell=atoms.cell, pbc=True
    )
    kept = (distances[1] < 1e-9).any(axis=0).sum()
    assert kept == min(n_li, 44)


def test_same_seed_same_structure(partly_filled):
    atoms, sites = partly_filled
    for n_li in (40, 48):
        first, again, other = (set_lithium(atoms, n_li, sites, seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(first.positions, again.positions)
        assert not np.array_equal(first.positions, other.positions)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 4), present=st.integers(1, 3))
def test_the_shortest_distance_is_the_largest_possible(seed, n, present):
    """Against all choices, in a skewed cell with few sites."""
    rng = np.random.default_rng(seed)
    cell = np.array([[9.0, 0, 0], [2.0, 8.0, 0], [1.0, -1.0, 10.0]])
    sites = rng.random((9, 3)) @ cell
    atoms = ase.Atoms(f"Li{present}", rng.random((present, 3)) @ cell, cell=cell)
    atoms.pbc = True

    def shortest(chosen: np.ndarray) -> float:
        added = get_distances(chosen, cell=cell, pbc=True)[1]
        np.fill_diagonal(added, np.inf)
        others = get_distances(chosen, atoms.positions, cell=cell, pbc=True)[1]
        return min(added.min(), others.min(initial=np.inf))

    best = max(shortest(sites[list(choice)]) for choice in combinations(range(len(sites)), n))
    if best < MINIMUM_ADDED_LI_DISTANCE:
        with pytest.raises(InputError, match="more than fit"):
            spread_out_sites(atoms, sites, n, seed=seed)
    else:
        chosen = spread_out_sites(atoms, sites, n, seed=seed)
        assert len(chosen) == n
        assert shortest(chosen) == pytest.approx(best, abs=1e-9)


def test_more_lithium_than_sites_is_refused(partly_filled):
    atoms, sites = partly_filled
    with pytest.raises(InputError, match=r"56 Li to add, more than fit on the \d+ empty sites"):
        set_lithium(atoms, 100, sites, seed=0)
    with pytest.raises(InputError, match=r"60 Li requested, but the glass has 44.* set sites_ps"):
        set_lithium(atoms, 60, None, seed=0)


@settings(deadline=None)
@given(ratio=st.floats(0.6, 1.9))
def test_expansion_keeps_fractional_positions(ratio):
    atoms = crystal(li_per_formula=6.25, seed=3, draws=1)
    expanded = expand(atoms, ratio)
    assert volume_ratio(expanded) == pytest.approx(ratio, rel=1e-12)
    before, after = (a.cell.scaled_positions(a.positions) for a in (atoms, expanded))
    assert np.abs(before - after).max() < 1e-12
    assert li_per_formula(expanded) == 6.25


def test_framework_drift_of_known_displacements():
    start = crystal(li_per_formula=6.25, seed=1)
    symbols = np.array(start.get_chemical_symbols())
    frames = np.repeat(start.positions[np.newaxis], 3, axis=0)
    # frames are in another image, and drift as a whole
    frames += start.cell[0] + np.array([0.0, 0.3, 0.9])[:, np.newaxis, np.newaxis]
    zr = np.flatnonzero(symbols == "Zr")
    frames[2, zr[::2]] += [0, 2, 0]
    frames[2, zr[1::2]] -= [0, 2, 0]
    drift = framework_drift(frames, [0.1, 0.2, 0.3], start)
    assert drift.displacement["La"] == pytest.approx([0, 0, 0], abs=1e-9)
    assert drift.displacement["Zr"] == pytest.approx([0, 0, 2], abs=1e-9)
    assert drift.moved_fraction == pytest.approx([0, 0, 16 / 136])
