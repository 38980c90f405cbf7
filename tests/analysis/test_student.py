import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llzo_helpers.analysis.student import freedom_of_sum, interval_width, normal_deviation


@pytest.mark.parametrize("freedom", [1, 2, 7, 20, np.inf])
def test_an_interval_covers_as_much_as_that_of_a_normal_variable(freedom):
    width = interval_width(2, freedom)
    assert stats.t.cdf(width, freedom) == pytest.approx(stats.norm.cdf(2), rel=1e-9)


@given(deviation=st.floats(-30, 30), freedom=st.floats(1, 100))
def test_a_deviation_is_as_unlikely_as_the_normal_one(deviation, freedom):
    normal = normal_deviation(deviation, freedom)
    assert stats.norm.logsf(abs(normal)) == pytest.approx(
        stats.t.logsf(abs(deviation), freedom), rel=1e-5
    )
    assert normal * deviation >= 0
    # so both ways of asking whether something differs give the same answer
    if abs(abs(normal) - 2) > 1e-6:
        assert (abs(normal) > 2) == (abs(deviation) > interval_width(2, freedom))


def test_exact_errors_leave_deviations_as_they_are():
    assert normal_deviation(-7.5, np.inf) == -7.5
    assert freedom_of_sum([1.0, 2.0], [np.inf, np.inf]) == np.inf
    assert freedom_of_sum([0.0], [2.0]) == np.inf


def test_freedom_of_a_sum_is_between_that_of_one_term_and_of_all():
    assert freedom_of_sum([1.0, 0.0], [3, 9]) == pytest.approx(3)
    assert freedom_of_sum([1.0, 1.0, 1.0], [3, 3, 3]) == pytest.approx(9)


def test_intervals_of_two_replicas_against_three_cover_the_difference():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(4000, 2)), rng.normal(size=(4000, 3))
    variances = np.stack([first.var(axis=1, ddof=1) / 2, second.var(axis=1, ddof=1) / 3], axis=1)
    differences = first.mean(axis=1) - second.mean(axis=1)
    width = [interval_width(2, freedom_of_sum(variance, [1, 2])) for variance in variances]
    inside = np.abs(differences) < np.array(width) * np.sqrt(variances.sum(axis=1))
    assert inside.mean() == pytest.approx(stats.norm.cdf(2) - stats.norm.cdf(-2), abs=0.02)
