import numpy as np
import pytest
from scipy.signal import lfilter

from llzo_helpers.analysis.stationarity import drift
from llzo_helpers.errors import InputError


def correlated(rng, n, time):
    """An Ornstein-Uhlenbeck process of unit variance, correlated over so many frames."""
    keep = np.exp(-1 / time) if time else 0.0
    noise = rng.normal(size=n) * np.sqrt(1 - keep**2)
    noise[0] = rng.normal()
    return lfilter([1.0], [1.0, -keep], noise)


@pytest.mark.parametrize("time", [0, 5, 30])
def test_stationary_runs_are_rarely_called_drifting(time):
    """Up to correlations over half a block; more are hardly to be told from a drift."""
    rng = np.random.default_rng(0)
    results = [drift(correlated(rng, 960, time)) for _ in range(500)]
    assert np.mean([result.significant for result in results]) < 0.02
    sigma = np.array([result.sigma for result in results])
    assert 0.7 < np.sqrt(np.mean(sigma**2)) < 1.3
    assert abs(sigma.mean()) < 0.2


def test_a_drift_is_seen_and_measured():
    rng = np.random.default_rng(1)
    results = [drift(correlated(rng, 960, 5) + np.linspace(0, 3, 960)) for _ in range(200)]
    assert np.mean([result.significant for result in results]) > 0.95
    assert np.mean([result.change for result in results]) == pytest.approx(1.5, abs=0.1)


def test_what_never_changes_does_not_drift():
    assert not drift(np.ones(64)).significant


def test_short_or_broken_series_are_refused():
    with pytest.raises(InputError, match="32 frames or more"):
        drift(np.ones(31))
    with pytest.raises(InputError, match="not finite at 3"):
        drift([*[1.0] * 3, np.nan, *[1.0] * 60])


def test_the_change_is_from_the_middle_of_one_half_to_that_of_the_other():
    ramp = np.linspace(0, 1, 1600)
    assert drift(ramp).change == pytest.approx(ramp[800:].mean() - ramp[:800].mean(), rel=1e-3)
