import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llzo_helpers.analysis.factorial import decompose, effects_against_first, mean_effect
from llzo_helpers.campaign.crossover import require_same_elements
from llzo_helpers.errors import InputError
from llzo_helpers.potentials import load_potential


def synthetic(rng, *, structure, potential, interaction, n, spread, error):
    """Diffusivities with known effects, spread between structures and errors of each run."""
    result = []
    for origin in (0, 1):
        of_structure = rng.normal(0, spread, (n, 1))
        ln_D = -14 + structure * origin + np.array([0, potential]) + of_structure
        ln_D = ln_D + interaction * np.array([[-0.5, 0.5]]) * (origin - 0.5)
        ln_D = ln_D + rng.normal(0, error, (n, 2))
        D = np.exp(ln_D)
        result += [D, error * D]
    return result


def test_table_1_of_the_paper():
    """CIP and ML structures (rows), CIP and ML dynamics (columns), cm2/s."""
    effects = decompose([[2.21e-8, 2.24e-7]], [[0, 0]], [[3.87e-8, 3.88e-7]], [[0, 0]])
    assert effects.structure.factor == pytest.approx(np.sqrt(3.87 / 2.21 * 3.88 / 2.24), rel=1e-9)
    assert effects.potential.factor == pytest.approx(np.sqrt(22.4 / 2.21 * 38.8 / 3.87), rel=1e-9)
    assert effects.interaction.factor == pytest.approx((38.8 / 3.87) / (22.4 / 2.21), rel=1e-9)
    assert not effects.from_spread


@settings(deadline=None, max_examples=50)
@given(
    structure=st.floats(-3, 3),
    potential=st.floats(-3, 3),
    interaction=st.floats(-2, 2),
    n=st.integers(1, 5),
)
def test_effects_without_noise_are_recovered(structure, potential, interaction, n):
    data = synthetic(
        np.random.default_rng(0),
        structure=structure,
        potential=potential,
        interaction=interaction,
        n=n,
        spread=0,
        error=0,
    )
    effects = decompose(*data)
    assert effects.structure.value == pytest.approx(structure, abs=1e-9)
    assert effects.potential.value == pytest.approx(potential, abs=1e-9)
    assert effects.interaction.value == pytest.approx(interaction, abs=1e-9)
    assert effects.structure.std == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("n", "spread"), [(1, 0.0), (2, 0.4), (4, 0.4)])
@pytest.mark.parametrize("level", [0.68, 0.95])
def test_intervals_cover_the_truth_as_often_as_they_say(n, spread, level):
    truth = {"structure": 0.5, "potential": 2.0, "interaction": -0.3}
    rng = np.random.default_rng(11)
    trials = 1500
    hits = dict.fromkeys(truth, 0)
    for _ in range(trials):
        effects = decompose(*synthetic(rng, **truth, n=n, spread=spread, error=0.15))
        for name, value in truth.items():
            low, high = getattr(effects, name).interval(level)
            hits[name] += low <= value <= high
    tolerance = 4 * np.sqrt(level * (1 - level) / trials)
    for name, count in hits.items():
        assert count / trials == pytest.approx(level, abs=tolerance), name


def test_spread_between_structures_enters_the_structure_effect_only():
    """Each structure runs with both potentials: its own speed cancels from their ratio."""
    rng = np.random.default_rng(3)
    data = synthetic(rng, structure=1, potential=1, interaction=0, n=40, spread=1.0, error=0.05)
    effects = decompose(*data)
    assert effects.structure.std == pytest.approx(np.sqrt(2 / 40), rel=0.3)
    assert effects.potential.std < 0.05


def test_swapping_origins_and_potentials_changes_signs():
    rng = np.random.default_rng(5)
    A, sA, B, sB = synthetic(
        rng, structure=1, potential=2, interaction=0.5, n=3, spread=0.2, error=0.1
    )
    there, back = decompose(A, sA, B, sB), decompose(B, sB, A, sA)
    assert back.structure.value == pytest.approx(-there.structure.value)
    assert back.potential.value == pytest.approx(there.potential.value)
    assert back.interaction.value == pytest.approx(-there.interaction.value)
    assert back.structure.std == pytest.approx(there.structure.std)
    low, high = there.structure.factor_interval()
    assert low < there.structure.factor < high


@pytest.mark.parametrize(
    ("D", "std", "message"),
    [
        ([[1e-7, -1e-8]], [[1e-8, 1e-8]], "needs positive D"),
        ([[1e-7, float("nan")]], [[1e-8, 1e-8]], "needs positive D"),
        ([1e-7, 1e-8], [1e-8, 1e-8], r"shape \(2,\)"),
        ([[1e-7, 1e-8]], [[1e-8]], "must both be"),
        (np.empty((0, 2)), np.empty((0, 2)), "must both be"),
    ],
)
def test_bad_diffusivities_are_refused(D, std, message):
    with pytest.raises(InputError, match=message) as error:
        decompose([[1e-7, 1e-7]], [[1e-8, 1e-8]], D, std)
    assert "D_of_B" in str(error.value)


def test_potentials_of_different_elements_are_refused():
    potentials = {name: load_potential(name) for name in ("bush1994_woodley1999", "wang2014")}
    require_same_elements(potentials)
    potentials["wang2014"] = potentials["wang2014"].model_copy(update={"elements": ["Li", "O"]})
    with pytest.raises(InputError, match=r"wang2014.*elements = \['Li', 'O'\].*same elements"):
        require_same_elements(potentials)


@pytest.mark.parametrize("level", [0.68, 0.95])
@pytest.mark.parametrize("replicas", [1, 2])
def test_comparisons_with_the_first_cover_the_truth(replicas, level):
    """Five ways of making a glass, glasses made alike differ; single ones by their errors only."""
    rng = np.random.default_rng(4)
    truth, trials = np.array([0, 0.5, -1, 0.2, 0]), 800
    within = covered = 0
    for _ in range(trials):
        ln_D = truth[:, None] - 14 + rng.normal(0, 0.3, (5, replicas))
        D = np.exp(ln_D)
        effects, spread = effects_against_first(list(D), list(0.3 * D))
        for effect, true in zip(effects, truth[1:], strict=True):
            low, high = effect.interval(level)
            within += low < true < high
        if spread is None:
            continue
        low, high = spread.interval(level)
        covered += low < 0.3 < high
    assert within / (4 * trials) == pytest.approx(level, abs=0.03)
    if replicas > 1:
        assert covered / trials == pytest.approx(level, abs=0.05)


def test_without_replicas_there_is_no_spread_and_comparisons_say_what_they_need():
    effects, spread = effects_against_first([[1e-6], [3e-6]], [[2e-7], [6e-7]])
    assert spread is None
    assert effects[0].factor == pytest.approx(3)
    assert effects[0].std == pytest.approx(np.hypot(0.2, 0.2))
    assert mean_effect([0.3, 0.5]).value == pytest.approx(0.4)
    assert np.isnan(mean_effect([0.3]).std)
    for refused in (
        lambda: effects_against_first([[1e-6], []], [[0], []]),
        lambda: mean_effect([]),
    ):
        with pytest.raises(InputError):
            refused()
