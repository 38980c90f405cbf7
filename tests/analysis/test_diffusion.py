from pathlib import Path

import numpy as np
import pytest
import tidynamics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llzo_helpers.analysis.diffusion import (
    BOLTZMANN_EV,
    brownian_msd_covariance,
    combine_replicas,
    fit_arrhenius,
    mean_squared_displacement,
    nernst_einstein_conductivity,
    tracer_diffusion_coefficient,
)
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.errors import InputError
from llzo_helpers.md.trajectory import Trajectory


def random_walk(
    rng: np.random.Generator, frames: int, ions: int, D: float, dt: float, rattle: float = 0.0
) -> np.ndarray:
    """Brownian ions, D in Å^2/ps, on top of uncorrelated vibration."""
    walk = np.cumsum(rng.normal(0, np.sqrt(2 * D * dt), (frames, ions, 3)), axis=0)
    return walk + rng.normal(0, rattle, walk.shape)


def msd_by_definition(positions: np.ndarray) -> np.ndarray:
    n = len(positions)
    return np.array(
        [
            ((positions[lag:] - positions[: n - lag]) ** 2).sum(axis=2).mean() if lag else 0.0
            for lag in range(n)
        ]
    )


@settings(deadline=None)
@given(
    arrays(
        float,
        st.tuples(st.integers(1, 30), st.integers(1, 4), st.just(3)),
        elements=st.floats(-50, 50),
    )
)
def test_msd_is_its_definition(positions):
    assert mean_squared_displacement(positions) == pytest.approx(
        msd_by_definition(positions), abs=1e-8
    )


def test_msd_of_known_motion():
    time = np.arange(50.0)
    uniform = np.stack([2 * time, 0 * time, time], axis=-1)[:, None]
    assert mean_squared_displacement(uniform) == pytest.approx(5 * time**2)


def test_msd_does_not_change_with_origin_or_orientation():
    rng = np.random.default_rng(0)
    positions = random_walk(rng, 100, 5, 1.0, 0.1)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert mean_squared_displacement(positions @ rotation + 1e4) == pytest.approx(
        mean_squared_displacement(positions), abs=1e-6
    )


def test_msd_of_a_real_trajectory_agrees_with_tidynamics(finished_run: Path):
    lithium = Trajectory(finished_run).relative_to_framework()
    ours = mean_squared_displacement(lithium, per_ion=True)
    for ion in range(lithium.shape[1]):
        assert ours[ion] == pytest.approx(tidynamics.msd(lithium[:, ion]), abs=1e-9)
    assert ours.mean(axis=0) == pytest.approx(mean_squared_displacement(lithium))
    assert mean_squared_displacement(lithium, [3, 7], per_ion=True) == pytest.approx(
        ours[:, [3, 7]]
    )


def test_covariance_of_the_brownian_msd_is_that_of_random_walks():
    rng = np.random.default_rng(1)
    walks = np.cumsum(rng.normal(size=(40, 20_000, 1)), axis=0)
    lags = np.array([1, 3, 10, 25])
    seen = np.cov(mean_squared_displacement(walks, lags, per_ion=True).T)
    expected = brownian_msd_covariance(lags, 40)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs(seen - expected).max() < 0.06 * scale.max()
    assert np.diag(seen) == pytest.approx(np.diag(expected), rel=0.08)


def campaign_size(name: str) -> tuple[int, float]:
    md = load_campaign(name).md
    return round(md.production_ps * 1000 / md.frame_interval_fs), md.frame_interval_fs / 1000


@pytest.mark.slow
@pytest.mark.parametrize("campaign", ["smoke", "quick"])
def test_the_estimator_is_unbiased_and_its_intervals_cover(campaign: str):
    """500 walks of the campaign's own size: 50 Li, its frames, vibration of 0.3 Å."""
    frames, dt = campaign_size(campaign)
    D = 0.3  # Å^2/ps, that of the crystal at 1100 K
    rng = np.random.default_rng(2)
    results = [
        tracer_diffusion_coefficient(random_walk(rng, frames, 50, D, dt, rattle=0.3), dt)
        for _ in range(500)
    ]
    values = np.array([result.D_cm2_s for result in results]) / (D * 1e-4)
    assert abs(values.mean() - 1) < 3 * values.std() / np.sqrt(500)
    for level, tolerance in ((0.68, 0.05), (0.95, 0.03)):
        intervals = np.array([result.interval(level) for result in results]) / (D * 1e-4)
        coverage = ((intervals[:, 0] < 1) & (intervals[:, 1] > 1)).mean()
        assert coverage == pytest.approx(level, abs=tolerance)


def test_immobile_and_caged_ions_are_warned_of():
    rng = np.random.default_rng(3)
    caged = rng.normal(0, 0.3, (500, 20, 3))
    result = tracer_diffusion_coefficient(caged, 0.1)
    assert any("less than one jump" in warning for warning in result.warnings)
    assert any("not yet diffusive" in warning for warning in result.warnings)
    assert abs(result.D_cm2_s) < 4 * result.D_std_cm2_s
    free = tracer_diffusion_coefficient(random_walk(rng, 500, 20, 1.0, 0.1), 0.1)
    assert free.warnings == ()
    assert free.exponent == pytest.approx(1, abs=4 * free.exponent_std)


@pytest.mark.parametrize(
    ("shape", "window", "message"),
    [
        ((100, 3), (0.1, 0.5), r"must be \[frame, ion, axis\]"),
        ((100, 1, 3), (0.1, 0.5), "with two ions or more"),
        ((4, 5, 3), (0.1, 0.5), "holds too few of 4 frames"),
        ((0, 5, 3), (0.1, 0.5), "holds too few of 0 frames"),
    ],
)
def test_unusable_trajectories_are_refused(shape, window, message):
    with pytest.raises(InputError, match=message):
        tracer_diffusion_coefficient(np.zeros(shape), 0.1, window)


def test_lags_beyond_the_trajectory_are_refused():
    with pytest.raises(InputError, match="between 0 and 9"):
        mean_squared_displacement(np.zeros((10, 2, 3)), [10])


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


@pytest.mark.parametrize(
    ("T", "D", "message"),
    [([1000], [1e-5], "two temperatures"), ([900, 1000], [1e-5, -1e-6], "positive D")],
)
def test_impossible_arrhenius_fits_are_refused(T, D, message):
    with pytest.raises(InputError, match=message):
        fit_arrhenius(T, D, [1e-6] * len(T))


def test_replicas_that_spread_more_than_their_errors_widen_the_error():
    assert combine_replicas([1.0], [0.1]).std == 0.1
    agreeing = combine_replicas([1.0, 1.0], [0.1, 0.1])
    assert agreeing.std == pytest.approx(0.1 / np.sqrt(2))
    apart = combine_replicas([1.0, 3.0], [0.1, 0.1])
    assert (apart.value, apart.std) == (2.0, pytest.approx(1.0))


def test_conductivity_of_a_known_case():
    """1e22 ions/cm3 with 1e-8 cm2/s at 300 K: n e^2 D / kT = 0.62 mS/cm."""
    sigma = nernst_einstein_conductivity(1e-8, 0.01, 300.0)
    assert sigma == pytest.approx(1e22 * 1.602177e-19**2 * 1e-8 / (1.380649e-23 * 300), rel=1e-6)
