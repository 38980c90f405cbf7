"""Polynomials that stand for radial channels, against the channels themselves."""

import numpy as np
import pytest

from llzo_helpers.hdnnp.expansions import even_polynomial

CUTOFF = 6.0


@pytest.mark.parametrize("eta", [0.0, 0.01, 0.05, 0.1])
def test_polynomial_agrees_with_cutoff_times_gaussian(eta):
    r = np.linspace(0.1, CUTOFF, 300)
    phase, gaussian = np.pi * r / CUTOFF, np.exp(-eta * r**2)
    value = 0.5 * (np.cos(phase) + 1.0) * gaussian
    slope = -0.5 * np.pi / CUTOFF * np.sin(phase) * gaussian - 2.0 * eta * r * value
    terms = even_polynomial(eta, CUTOFF)
    x = 2.0 * (r / CUTOFF) ** 2 - 1.0
    fitted, fitted_slope = (np.polynomial.polynomial.polyval(x, row) for row in terms)
    np.testing.assert_allclose(fitted, value, atol=2e-14, rtol=0)
    np.testing.assert_allclose(fitted_slope, slope / r, atol=1e-12, rtol=0)


def test_narrow_gaussian_has_no_short_polynomial():
    assert even_polynomial(2.0, CUTOFF) is None
