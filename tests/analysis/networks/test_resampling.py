"""The bootstrap against the spread of independent trajectories."""

import numpy as np
import pytest

from llzo_helpers.analysis.networks.gop import graph_order_parameter
from llzo_helpers.analysis.networks.resampling import bootstrap, dependence_on_length
from llzo_helpers.analysis.sites import find_stays, jump_statistics
from llzo_helpers.errors import InputError

DT = 0.05


def walk(n_sites=30, n_ions=12, n_frames=400, seed=0):
    """Return paths [frame, ion] of independent walkers on a ring of unequal rates."""
    rates = np.random.default_rng(99).uniform(0.01, 0.2, size=n_sites)
    rng = np.random.default_rng(seed)
    path = np.empty((n_frames, n_ions), dtype=int)
    path[0] = rng.integers(n_sites, size=n_ions)
    for frame in range(1, n_frames):
        here = path[frame - 1]
        draw = rng.random(n_ions)
        forward, backward = rates[here], rates[here - 1]
        step = np.where(draw < forward, 1, np.where(draw < forward + backward, -1, 0))
        path[frame] = (here + step) % n_sites
    return path


def jump_rate(statistics):
    """Return jumps per ion and frame."""
    jumps = statistics.n_ij - np.diag(np.diag(statistics.n_ij))
    return jumps.sum() / statistics.n_ij.sum()


def order(statistics):
    return graph_order_parameter(statistics.p_ij, exponent=1, bins=10).value


def count(path):
    return jump_statistics(find_stays(path, 30), DT)


@pytest.mark.parametrize("quantity", [jump_rate, order])
def test_standard_error_is_the_spread_of_independent_trajectories(quantity):
    runs = [walk(seed=seed) for seed in range(40)]
    spread = np.std([quantity(count(run)) for run in runs], ddof=1)
    errors = [
        bootstrap(run, 30, DT, quantity, resamples=40, seed=1).standard_error for run in runs[:10]
    ]
    assert 0.6 < np.mean(errors) / spread < 1.7


def test_ions_that_differ_widen_the_interval():
    """Two kinds of ions, fast and stuck: time blocks alone would not show it."""
    fast = walk(n_ions=4)
    stuck = np.tile(np.arange(4) + 20, (400, 1))
    mixed = bootstrap(np.hstack([fast, stuck]), 30, DT, jump_rate, seed=1)
    # of a mean over 8 ions, 4 at rate r and 4 at 0: the standard deviation r/2 over sqrt(8)
    expected = jump_rate(count(fast)) / 2 / np.sqrt(8)
    assert mixed.standard_error == pytest.approx(expected, rel=0.3)
    low, high = mixed.interval
    assert high - low == pytest.approx(2 * 1.96 * mixed.standard_error)


def test_bootstrap_repeats_with_its_seed():
    first, again = (bootstrap(walk(), 30, DT, order, resamples=5, seed=4) for _ in range(2))
    assert first == again


def test_unconverged_order_shifts_when_resampled():
    """Few jumps: resamples miss more of them, and without bins theta counts what is seen."""
    path = walk(n_ions=6, n_frames=100)
    result = bootstrap(
        path,
        30,
        DT,
        lambda counted: graph_order_parameter(counted.p_ij, exponent=1).value,
        seed=0,
    )
    assert result.resampling_shift > result.standard_error


def test_dependence_on_length():
    path = walk(n_frames=200)
    curve = dependence_on_length(path, 30, DT, jump_rate, lengths=[50, 100, 200])
    halves = [jump_rate(count(path[half])) for half in (slice(100), slice(100, 200))]
    assert curve.means[1] == pytest.approx(np.mean(halves))
    assert curve.standard_deviations[1] == pytest.approx(np.std(halves, ddof=1))
    assert curve.means[2] == pytest.approx(jump_rate(count(path)))
    assert np.isnan(curve.standard_deviations[2])


def test_bad_amounts():
    with pytest.raises(InputError, match="1 ion"):
        bootstrap(walk(n_ions=1), 30, DT, jump_rate, seed=0)
    with pytest.raises(InputError, match="blocks: 300; give at least 2 and at most 200"):
        bootstrap(walk(), 30, DT, jump_rate, blocks=300, seed=0)
    with pytest.raises(InputError, match="lengths: 401 frames; give 2 to 400"):
        dependence_on_length(walk(), 30, DT, jump_rate, lengths=[401])
