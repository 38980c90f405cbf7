import numpy as np
import pytest
from diffusion_models import CASES, brownian, strings

from llzo_helpers.analysis.conductivity import (
    collective_diffusion_coefficient,
    haven_ratio,
    nernst_einstein_conductivity,
)
from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient
from llzo_helpers.errors import InputError


def collective(make, replicas, window=(0.05, 0.25)):
    results = [
        collective_diffusion_coefficient(make(seed)[0], 0.1, window) for seed in range(replicas)
    ]
    return np.array([(r.D_cm2_s, r.D_std_cm2_s) for r in results])


def test_independent_ions_have_a_haven_ratio_of_one_and_honest_errors():
    D, std = collective(lambda seed: brownian(seed, 600, 40, 0.1), 300).T
    assert D.mean() == pytest.approx(1e-5, abs=3 * D.std() / np.sqrt(300))
    assert D.std() / np.sqrt((std**2).mean()) == pytest.approx(1, abs=0.2)
    positions, _ = brownian(0, 20_000, 40, 0.1)
    tracer = tracer_diffusion_coefficient(positions, 0.1, (0.002, 0.01))
    total = collective_diffusion_coefficient(positions, 0.1, (0.002, 0.01))
    haven = haven_ratio(tracer, total)
    assert haven.value == pytest.approx(1, abs=3 * haven.std)
    assert haven.std < 0.3


def test_strings_of_ions_carry_more_charge_than_tracers_tell():
    """Six jump together, all one way: the collective coefficient is six times the tracer's."""
    D = collective(lambda seed: strings(seed, 600, 36, 0.1), 100)[:, 0]
    _, tracer = strings(0, 10, 36, 0.1)
    assert D.mean() == pytest.approx(6 * tracer * 1e-4, abs=3 * D.std() / np.sqrt(100))


def test_a_drift_of_all_ions_counts_as_charge():
    positions, _ = CASES["drifting cell, drift not removed"].make(0)
    assert collective_diffusion_coefficient(positions, 0.05).D_cm2_s > 1e-3


def test_no_haven_ratio_of_nothing():
    rng = np.random.default_rng(0)
    positions = rng.normal(size=(200, 4, 3))
    tracer = tracer_diffusion_coefficient(positions, 0.1)
    total = collective_diffusion_coefficient(positions, 0.1)
    if total.D_cm2_s <= 0:
        assert np.isnan(haven_ratio(tracer, total).value)
    assert total.D_std_cm2_s > 0


def test_conductivity_of_a_known_case():
    """1e22 ions/cm3 with 1e-8 cm2/s at 300 K: n e^2 D / kT = 0.62 mS/cm."""
    sigma = nernst_einstein_conductivity(1e-8, 0.01, 300.0)
    assert sigma == pytest.approx(1e22 * 1.602177e-19**2 * 1e-8 / (1.380649e-23 * 300), rel=1e-6)
    assert nernst_einstein_conductivity(1e-8, 0.01, 300.0, charge=2) == pytest.approx(4 * sigma)


def test_impossible_conditions_are_refused():
    with pytest.raises(InputError, match="temperature_K = 0: must be positive"):
        nernst_einstein_conductivity(1e-8, 0.01, 0.0)
    with pytest.raises(InputError, match="ions_per_A3 = -1: must be positive"):
        nernst_einstein_conductivity(1e-8, -1.0, 300.0)
