"""Verdicts on frameworks, on constructed motion of a crystal's atoms."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from llzo_helpers.analysis.framework import FrameworkHistory, framework_history
from llzo_helpers.errors import InputError
from llzo_helpers.garnet import garnet

N_FRAMES = 240
CRYSTAL, LITHIUM = garnet(1)
SYMBOLS = CRYSTAL.get_chemical_symbols()
NAMES = np.array(SYMBOLS)
SITES = {element: CRYSTAL.positions[element == NAMES] for element in ("La", "Zr", "O")}


def vibrating(seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return CRYSTAL.positions + 0.15 * rng.standard_normal((N_FRAMES, len(CRYSTAL), 3))


def history(positions: NDArray[np.float64], **known: object) -> FrameworkHistory:
    given = {"sites": SITES, "interstitial": LITHIUM.positions, "ordering": ("La", "Zr"), **known}
    return framework_history(positions, CRYSTAL.cell.array, SYMBOLS, 0.05, **given)


def walk(seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.cumsum(0.25 * rng.standard_normal((N_FRAMES, len(CRYSTAL), 3)), axis=0)


def test_a_vibrating_crystal_is_one():
    found = history(vibrating())
    assert found.verdict == "crystal"
    assert found.amorphised_ps is None
    assert not found.disorder.any()
    for element in ("La", "Zr", "O"):
        assert found.diffusion[element].D_cm2_s < 1e-7


def test_oxygens_that_turn_are_defects_not_an_amorphous_framework():
    positions = vibrating()
    oxygens = np.flatnonzero(NAMES == "O")[:5]
    # halfway to the nearest oxygen and farther: 1.6 Å
    for atom in oxygens:
        vectors = SITES["O"] - CRYSTAL.positions[atom]
        distance = np.linalg.norm(vectors, axis=1)
        distance[distance < 0.1] = np.inf
        nearest = vectors[distance.argmin()] / distance.min()
        positions[100:, atom] += 0.62 * distance.min() * nearest
    found = history(positions)
    assert found.verdict == "crystal with defects"
    assert 0.02 < found.vacated["O"][-1] < 0.06
    assert not found.disorder.any()


def test_a_crystal_that_amorphises_and_when():
    positions = vibrating()
    cations = np.flatnonzero(np.isin(NAMES, ("La", "Zr")))
    leaving = np.random.default_rng(0).permutation(cations)[:12]
    for number, atom in enumerate(leaving):
        # one after the other, each to the lithium position nearest to it
        vectors = LITHIUM.positions - CRYSTAL.positions[atom]
        positions[60 + 10 * number :, atom] += vectors[np.linalg.norm(vectors, axis=1).argmin()]
    found = history(positions)
    assert found.verdict == "amorphised"
    # the fifth of 40 leaves in frame 100
    assert found.amorphised_ps == pytest.approx(100 * 0.05, abs=1.0)
    assert found.disorder[-1] == pytest.approx(12 / 40, abs=0.03)


def test_glass_and_liquid_differ_by_motion():
    rng = np.random.default_rng(2)
    jumbled = rng.random((len(CRYSTAL), 3)) @ CRYSTAL.cell.array
    still = jumbled + vibrating() - CRYSTAL.positions
    assert history(still).verdict == "glass"
    liquid = history(jumbled + walk())
    assert liquid.verdict == "liquid"
    # a cage wider than what counts as leaving one
    rattling = 4 * rng.standard_normal((N_FRAMES, len(CRYSTAL), 3))
    assert history(jumbled + rattling).verdict == "glass"
    # a run with a larger error is no other liquid
    noisy = {
        element: replace(found, D_std_cm2_s=found.D_cm2_s)
        for element, found in liquid.diffusion.items()
    }
    assert replace(liquid, diffusion=noisy).verdict == "liquid"


def test_without_known_positions_motion_alone_decides():
    assert history(vibrating(), sites=None).verdict == "solid"
    found = history(CRYSTAL.positions + walk(), sites=None)
    assert found.verdict == "liquid"
    assert found.disorder is None
    # a random walk of 0.25 Å a step along each axis
    assert found.diffusion["O"].D_cm2_s == pytest.approx(0.25**2 / 2 / 0.05 * 1e-4, rel=0.3)


def test_drift_of_the_whole_is_no_motion():
    drifting = vibrating() + np.linspace(0, 5, N_FRAMES)[:, None, None]
    assert history(drifting).verdict == "crystal"


def test_the_choice_of_cell_changes_nothing():
    skew = np.array([[1, 0, 0], [2, 1, 0], [-1, 2, 1]]) @ CRYSTAL.cell.array
    positions = vibrating()
    positions[100:, :4] += [1.8, 0, 0]
    given = {"sites": SITES, "interstitial": LITHIUM.positions, "ordering": ("La", "Zr")}
    skewed = framework_history(positions, skew, SYMBOLS, 0.05, **given)
    np.testing.assert_array_equal(skewed.disorder, history(positions).disorder)


def test_too_few_frames_are_refused():
    with pytest.raises(InputError, match="at least 24 frames"):
        history(vibrating()[:10])


def test_elements_without_known_positions_do_not_decide():
    found = history(vibrating(), sites={k: SITES[k] for k in ("La", "Zr")}, ordering=None)
    assert found.verdict == "crystal"
    assert found.ordering == ("La", "Zr")
    with pytest.raises(InputError, match=r"ordering = \['La', 'Zr'\]: Zr has fewer than two"):
        history(vibrating(), sites={"La": SITES["La"]}, ordering=("La", "Zr"))
