"""Structural order in the tables of a campaign."""

import numpy as np
import pytest

from llzo_helpers.analysis.order import PairDistribution
from llzo_helpers.campaign.order import oxygen_peak


def distribution(second_height: float, second_at_A: float) -> PairDistribution:
    """Return two Gaussian shells on a background, with an error of 0.03 everywhere."""
    radii = np.arange(0.025, 8, 0.05)
    background = 1 / (1 + np.exp(-(radii - 2.5) / 0.1))
    first = 3 * np.exp(-((radii - 2.9) ** 2) / (2 * 0.2**2))
    second = second_height * np.exp(-((radii - second_at_A) ** 2) / (2 * 0.1**2))
    values = (first + second + 0.6) * background
    return PairDistribution(radii, values, np.full(len(radii), 0.03), np.zeros(len(radii)))


@pytest.mark.parametrize("height", [0.3, 0.1])
def test_the_peak_of_oxygen(height: float):
    peak = oxygen_peak(distribution(height, 4.1))
    assert peak["O_O_peak"] == pytest.approx(height, abs=0.03)
    assert peak["O_O_peak_std"] == pytest.approx(0.03 * np.sqrt(2))


def test_a_shell_further_out_is_none_near_4_A():
    assert oxygen_peak(distribution(0.3, 5.2))["O_O_peak"] == pytest.approx(0, abs=0.01)
