"""Whether a quantity drifts along a run."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from llzo_helpers.errors import InputError

BLOCKS = 16
"""Of a run; the residuals of a straight line through their means give the error of its slope."""
LEAST_FRAMES = 2 * BLOCKS
"""Of a run that can be tested."""
SIGNIFICANCE = 0.001
"""Probability of taking a stationary run for a drifting one."""


@dataclass(frozen=True)
class Drift:
    """Change of a quantity along a run."""

    mean: float
    change: float
    """From the middle of the first half to that of the second, by a straight line."""
    std: float
    """Standard error of `change`."""
    degrees_of_freedom: int

    @property
    def sigma(self) -> float:
        """Change in standard errors."""
        return self.change / self.std if self.std else 0.0

    @property
    def significant(self) -> bool:
        """Whether the change is more than chance allows (Student's t, two-sided)."""
        tail = stdtr(self.degrees_of_freedom, -abs(self.sigma))
        return bool(2 * tail < SIGNIFICANCE)


def drift(values: ArrayLike) -> Drift:
    """Test whether a quantity drifts along a run.

    Parameters
    ----------
    values
        Equally spaced in time, [frame].

    Returns
    -------
    Drift

    Raises
    ------
    InputError
        For fewer than 32 values, or values that are not finite.

    Notes
    -----
    A straight line is fitted to the means of `BLOCKS` blocks, because values close in time are
    correlated, and means of blocks much less so. A remaining correlation r between neighbouring
    residuals increases the variance of the slope by (1 + r) / (1 - r). A relaxation slower than a
    few blocks counts as drift.
    """
    series = np.asarray(values, dtype=float)
    if series.ndim != 1 or len(series) < LEAST_FRAMES:
        raise InputError(
            f"values: shape {series.shape}; must be [frame] with {LEAST_FRAMES} frames or more; "
            "run longer or write frames more often"
        )
    if not np.isfinite(series).all():
        raise InputError(f"values: not finite at {int(np.argmin(np.isfinite(series)))}")
    means = np.array([block.mean() for block in np.array_split(series, BLOCKS)])
    # of the middles of the blocks, where the run goes from -1 to 1
    time = np.linspace(-1, 1, BLOCKS) * (BLOCKS - 1) / BLOCKS
    slope = float(time @ means / (time @ time))
    residuals = means - means.mean() - slope * time
    freedom = BLOCKS - 2
    variance = float((residuals**2).sum() / freedom)
    r = float((residuals[1:] * residuals[:-1]).sum() / (residuals**2).sum()) if variance else 0.0
    # residuals of a line through n points are correlated by about -2/n where the points are not
    r = float(np.clip(r + 2 / BLOCKS, 0.0, 0.8))
    return Drift(
        mean=float(means.mean()),
        change=slope,
        std=float(np.sqrt(variance / (time @ time) * (1 + r) / (1 - r))),
        degrees_of_freedom=freedom,
    )
