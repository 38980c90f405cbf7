import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llzo_helpers.analysis import arrhenius
from llzo_helpers.analysis.arrhenius import BOLTZMANN_EV, fit_arrhenius
from llzo_helpers.errors import InputError

T = np.array([700.0, 900.0, 1100.0, 1300.0])


def law(temperature_K, E_a=0.4, D0=1e-3):
    return D0 * np.exp(-E_a / (BOLTZMANN_EV * temperature_K))


def test_an_exact_law_is_recovered():
    fit = fit_arrhenius(T, law(T), 0.1 * law(T))
    assert fit.E_a_eV == pytest.approx(0.4)
    assert np.exp(fit.ln_D0) == pytest.approx(1e-3)
    assert fit.chi2 == pytest.approx(0, abs=1e-12)
    assert fit.D_cm2_s(800.0) == pytest.approx(law(800.0))
    assert (fit.n_temperatures, fit.n_bounds, fit.degrees_of_freedom) == (4, 0, 2)


def test_errors_of_the_law_cover_it():
    rng = np.random.default_rng(0)
    inside, inside_D = [], []
    for _ in range(1000):
        D = law(T) * np.exp(rng.normal(0, 0.1, len(T)))
        fit = fit_arrhenius(T, D, 0.1 * D)
        inside.append(abs(fit.E_a_eV - 0.4) < fit.E_a_std_eV)
        deviation = np.log(fit.D_cm2_s(600.0) / law(600.0))
        inside_D.append(abs(deviation) < fit.ln_D_std(600.0))
    # widened where the points scatter by chance
    assert 0.66 < np.mean(inside) < 0.82
    assert 0.66 < np.mean(inside_D) < 0.82


def test_scatter_beyond_the_errors_widens_them():
    D = law(T) * np.array([1.5, 0.7, 1.4, 0.8])
    narrow, honest = fit_arrhenius(T, D, 0.5 * D), fit_arrhenius(T, D, 0.05 * D)
    assert honest.chi2 > 10 * honest.degrees_of_freedom
    assert honest.E_a_std_eV > 0.5 * narrow.E_a_std_eV


def test_a_bound_well_above_the_law_changes_nothing():
    known = fit_arrhenius(T[1:], law(T[1:]), 0.1 * law(T[1:]))
    D = law(T).copy()
    D[0] *= 100
    fit = fit_arrhenius(T, D, 0.1 * D, [True, False, False, False])
    assert fit.E_a_eV == pytest.approx(known.E_a_eV, abs=1e-4)
    assert fit.E_a_std_eV == pytest.approx(known.E_a_std_eV, rel=0.01)
    assert (fit.n_temperatures, fit.n_bounds) == (4, 1)


def test_a_bound_below_the_other_points_law_steepens_it():
    D = law(T).copy()
    D[0] *= 0.3
    fit = fit_arrhenius(T, D, 0.1 * law(T), [True, False, False, False])
    assert 0.45 < fit.E_a_eV < 0.6


def test_bounds_take_the_bias_of_dropping_what_is_not_positive():
    """Noise as large as D at the lowest temperature: half the estimates there are low or negative.

    Dropping these leaves the high ones, and E_a too small.
    """
    rng = np.random.default_rng(1)
    std = np.array([1.0 * law(700.0), *(0.03 * law(T[1:]))])
    dropped, bounded = [], []
    for _ in range(400):
        D = law(T) + rng.normal(0, std)
        flagged = 2 * std > D
        bounded.append(fit_arrhenius(T, D, std, flagged).E_a_eV)
        kept = D > 0
        dropped.append(fit_arrhenius(T[kept], D[kept], std[kept]).E_a_eV)
    assert abs(np.mean(bounded) - 0.4) < 0.01
    assert abs(np.mean(bounded) - 0.4) <= abs(np.mean(dropped) - 0.4) + 0.002


def ln_likelihood(law_, temperature_K, D, std, bound):
    """As in the notes of `fit_arrhenius`, written anew."""
    ln_D = law_[1] - law_[0] / (BOLTZMANN_EV * temperature_K)
    known = ~bound
    with np.errstate(over="ignore"):
        excess = (D[bound] - np.exp(ln_D[bound])) / std[bound]
    misfit = (np.log(D[known]) - ln_D[known]) * D[known] / std[known]
    return stats.norm.logcdf(excess).sum() - (misfit**2).sum() / 2


def test_the_likelihood_is_largest_at_the_fit_however_values_and_bounds_contradict():
    """At random temperatures, of any scatter, bounds up to a thousand times too low or high.

    The likelihood has one maximum: it is there if it is highest among all neighbours.
    """
    rng = np.random.default_rng(2)
    turns = np.exp(1j * np.arange(8) * np.pi / 4)
    for _ in range(100):
        n = int(rng.integers(3, 8))
        temperature = rng.uniform(300, 2000, n)
        D = law(temperature, rng.uniform(0, 1.5)) * np.exp(rng.normal(0, rng.uniform(0, 2), n))
        std = D * 10 ** rng.uniform(-2.5, 1, n)
        bound = np.zeros(n, dtype=bool)
        bound[rng.choice(n, rng.integers(1, n - 1), replace=False)] = True
        D[bound] *= rng.choice([-1, 1]) * 10 ** rng.uniform(-3, 3)
        fit = fit_arrhenius(temperature, D, std, bound)
        points = temperature, D, std, bound
        best = ln_likelihood((fit.E_a_eV, fit.ln_D0), *points)
        covariance = [[fit.E_a_std_eV**2, fit.covariance], [fit.covariance, fit.ln_D0_std**2]]
        sizes, axes = np.linalg.eigh(covariance)
        for turn in turns:
            aside = axes @ (np.sqrt(np.maximum(sizes, 0)) * (turn.real, turn.imag)) / 100
            other = ln_likelihood((fit.E_a_eV + aside[0], fit.ln_D0 + aside[1]), *points)
            assert other < best + 1e-9 * abs(best)


def test_the_errors_with_bounds_are_those_of_the_curvature():
    D = law(T).copy()
    D[0] *= 0.5
    points = T, D, 0.3 * law(T), np.array([True, False, False, False])
    fit = fit_arrhenius(*points)
    at, step = np.array([fit.E_a_eV, fit.ln_D0]), np.diag([1e-3, 1e-2])
    curvature = [
        [
            -sum(
                a * b * ln_likelihood(at + a * i + b * j, *points) for a in (1, -1) for b in (1, -1)
            )
            / (4 * i.sum() * j.sum())
            for j in step
        ]
        for i in step
    ]
    wanted = np.linalg.inv(curvature) * max(1.0, fit.chi2 / fit.degrees_of_freedom)
    found = [[fit.E_a_std_eV**2, fit.covariance], [fit.covariance, fit.ln_D0_std**2]]
    np.testing.assert_allclose(found, wanted, rtol=0.01)


def test_steps_that_run_out_are_said(monkeypatch):
    monkeypatch.setattr(arrhenius, "_MOST_STEPS", 1)
    D = law(T) * np.array([0.01, 1, 1, 1])
    with pytest.raises(InputError, match="no law found that suits values and bounds"):
        fit_arrhenius(T, D, 0.1 * D, [True, False, False, False])


def test_what_is_not_positive_is_a_bound():
    D = law(T).copy()
    D[0] = -1e-9
    assert fit_arrhenius(T, D, 0.1 * law(T)).n_bounds == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature_K": [0.0, 900, 1100, 1300]}, "temperature_K: 0; must be positive"),
        ({"temperature_K": [900.0, 1100]}, "shapes .*must be equal"),
        ({"D_cm2_s": [1e-6, np.nan, 1e-5, 1e-5]}, "D_cm2_s: nan; must be finite"),
        ({"D_std_cm2_s": [0.0, 1e-6, 1e-6, 1e-6]}, "D_std_cm2_s: 0; must be positive"),
        ({"temperature_K": [900.0] * 4}, "needs two temperatures"),
        ({"upper_bound": [True, True, True, False]}, "needs two temperatures"),
        ({"upper_bound": [True]}, "must be equal"),
        ({"D_cm2_s": [1e-320, 1e-6, 1e-5, 1e-5]}, "must be 0, or from 1e-30 to 1e10"),
        ({"D_std_cm2_s": [1e-6, 1e300, 1e-6, 1e-6]}, "must be 0, or from 1e-30 to 1e10"),
        (
            {"D_cm2_s": [1e-5, 0, 1e-5, 1e-5], "D_std_cm2_s": [1e-30] * 4},
            "look for a D or an error that is far off",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(change, message):
    values = {"temperature_K": T, "D_cm2_s": law(T), "D_std_cm2_s": 0.1 * law(T)}
    with pytest.raises(InputError, match=message) as error:
        fit_arrhenius(**(values | change))
    assert "\n" not in str(error.value)


@given(E_a=st.floats(0.05, 1.5), ln_D0=st.floats(-12, 0))
def test_arrhenius_recovers_an_exact_law(E_a, ln_D0):
    T = np.array([700.0, 900, 1100, 1700])
    D = np.exp(ln_D0 - E_a / (BOLTZMANN_EV * T))
    fit = fit_arrhenius(T, D, 0.1 * D)
    assert fit.E_a_eV == pytest.approx(E_a, abs=1e-9)
    assert fit.ln_D0 == pytest.approx(ln_D0, abs=1e-8)
    assert fit.D_cm2_s(T) == pytest.approx(D)
    assert fit.chi2 == pytest.approx(0, abs=1e-9)


def test_arrhenius_errors_are_the_scatter_of_the_fits():
    rng = np.random.default_rng(4)
    T, error = np.array([900.0, 1100, 1300, 1500]), 0.08
    exact = np.exp(-8 - 0.4 / (BOLTZMANN_EV * T))
    fits = [
        fit_arrhenius(T, exact * np.exp(error * rng.normal(size=4)), error * exact)
        for _ in range(2000)
    ]
    E_a = np.array([fit.E_a_eV for fit in fits])
    ln_D0 = np.array([fit.ln_D0 for fit in fits])
    assert E_a.mean() == pytest.approx(0.4, abs=0.005)
    one = fit_arrhenius(T, exact, error * exact)
    assert E_a.std() == pytest.approx(one.E_a_std_eV, rel=0.1)
    assert np.cov(E_a, ln_D0)[0, 1] == pytest.approx(one.covariance, rel=0.15)
    at_1000 = np.log([fit.D_cm2_s(1000) for fit in fits]).std()
    assert at_1000 == pytest.approx(one.ln_D_std(1000), rel=0.1)


def test_a_law_that_its_points_reject_has_an_error_of_few_degrees_of_freedom():
    bent = law(T) * np.array([3.0, 1, 1, 3])
    assert fit_arrhenius(T, bent, 0.1 * bent).freedom == 2
    assert fit_arrhenius(T, law(T), 0.1 * law(T)).freedom == np.inf
    # two values and a bound that draws the law away from both
    known, bound = law(T[:3]), [False, True, False]
    bent = fit_arrhenius(T[:3], known * [1, 0.1, 1], 0.05 * known * [1, 0.1, 1], bound)
    assert bent.freedom == 1
