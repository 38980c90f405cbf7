"""D against lag: running slopes of the MSD, and whether they reach a plateau."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray

_CHANGE = 0.15
"""Of D over the window, the smallest that counts: it biases D by less than half of that."""
_FALL_SIGMA, _RISE_SIGMA = 2.2, 3.0
"""A fall with lag is common and a rise is not; 1 to 4 % of level runs count as sloped (measured,
`docs/diffusion.md`)."""
_LEAD = 3
"""How far before the window D against lag is examined, as a factor in lag: with two, fewer long
runs of disordered systems would count as sloped; with four, more short ones would be found."""
SEARCH_SPAN = 5
"""Last over first lag of a window that is searched for."""


def spread_lags(first: int, last: int, n: int = 32) -> NDArray[np.intp]:
    """Return at most `n` lags, in frames, evenly spread from first to last."""
    return np.unique(np.linspace(first, last, n).round().astype(np.intp))


def line_weights(lags: NDArray[np.intp]) -> FloatArray:
    """Weights, [coefficient, lag], that take offset and slope (per frame) by least squares."""
    centred = lags - lags.mean()
    slope = centred / (centred**2).sum()
    return np.stack([1 / len(lags) - lags.mean() * slope, slope])


def standard_error(values: FloatArray) -> FloatArray:
    """Of the mean over the first axis, the ions."""
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


@dataclass(frozen=True)
class RunningD:
    """D against lag: slopes of the MSD over windows of a factor of two in lag."""

    lags_ps: FloatArray
    """Middle (geometric) of each window, [window]."""
    D_cm2_s: FloatArray
    """[window]"""
    D_std_cm2_s: FloatArray
    """Standard errors, [window]; neighbouring windows share most of their error."""


def running_D(
    msd_of_ions: FloatArray, frame_interval_ps: float, scale: float, inflation: float
) -> RunningD:
    """D against lag from an MSD at all lags, [ion, lag]."""
    last = msd_of_ions.shape[1] - 1
    centres = np.geomspace(2, last / np.sqrt(2), 24)
    windows = [spread_lags(round(c / np.sqrt(2)), round(c * np.sqrt(2)), 12) for c in centres]
    windows = [lags for lags in windows if len(lags) > 1]
    slopes = np.stack([msd_of_ions[:, lags] @ line_weights(lags)[1] for lags in windows], axis=1)
    return RunningD(
        lags_ps=np.array([np.sqrt(lags[0] * lags[-1]) for lags in windows]) * frame_interval_ps,
        D_cm2_s=slopes.mean(axis=0) * scale,
        D_std_cm2_s=standard_error(slopes) * scale * inflation,
    )


@dataclass(frozen=True)
class _Trend:
    """Of D against the logarithm of lag: a straight line through bins."""

    level: float
    """Slope of the MSD in the (logarithmic) middle, Å^2/frame."""
    trend: float
    """Change of the slope with ln lag, Å^2/frame."""
    trend_std: float


def _trend(
    msd_of_ions: FloatArray, low: int, high: int, n_bins: int, correlation: float
) -> _Trend | None:
    """Fit the slope of the MSD against ln lag, in bins of even width there; None if too narrow.

    By generalised least squares with the covariance between the bins that the ions show: the
    slopes at short lags are by far the more precise.
    """
    if low < 1:
        return None
    edges = np.unique(np.geomspace(low, high, n_bins + 1).round().astype(np.intp))
    bins = [spread_lags(*pair) for pair in pairwise(edges.tolist())]
    if len(bins) < n_bins or min(len(lags) for lags in bins) < 2:
        return None
    slopes = np.stack([msd_of_ions[:, lags] @ line_weights(lags)[1] for lags in bins], axis=1)
    covariance = np.cov(slopes.T) * correlation / len(slopes)
    by_ions = len(slopes) / max(correlation, 1.0) > 3 * n_bins
    if not by_ions:  # too few to estimate it
        covariance = np.diag(np.diag(covariance))
    if np.linalg.matrix_rank(covariance, hermitian=True) != n_bins:  # ions that do not move
        return None
    x = np.log(edges[1:] * edges[:-1]) / 2
    design = np.stack([np.ones(n_bins), x - np.log(low * high) / 2], axis=1)
    whitened = np.linalg.solve(covariance, design)
    inverse = np.linalg.inv(design.T @ whitened)
    level, trend = inverse @ whitened.T @ slopes.mean(axis=0)
    # the covariance is itself an estimate, from this many independent ions
    freedom = len(slopes) / correlation - 1
    lost = freedom / max(freedom - (n_bins - 2), 1) if by_ions else 1.0
    return _Trend(float(level), float(trend), float(np.sqrt(inverse[1, 1]) * lost))


def reason_against_plateau(
    msd_of_ions: FloatArray, first: int, last: int, correlation: float
) -> str:
    """Return why D against lag is not level in a window, or an empty string.

    D that falls within the window is not level. Nor is D that falls from half the start of the
    window, which is the more sensitive test, unless the fall ends where the window begins: D then
    falls less in the window than by the power of lag that it follows before.
    """
    log_span = np.log(last / first)
    inside = _trend(msd_of_ions, first, last, 5, correlation)
    before = _trend(msd_of_ions, first // _LEAD, first, 2, correlation)
    wide = _trend(msd_of_ions, first // _LEAD, last, 5, correlation)
    if inside is None or before is None or wide is None:
        return "" if inside is None else _significant(inside, log_span)
    expected = before.trend * inside.level / before.level
    ended = inside.trend - expected > 2 * inside.trend_std
    if ended and abs(inside.trend) < 2 * inside.trend_std:
        return ""
    return _significant(wide, log_span)


def _significant(trend: _Trend, log_span: float) -> str:
    # for a level below zero, its magnitude counts
    change, sigma = trend.trend * log_span / abs(trend.level), trend.trend / trend.trend_std
    if sigma < -_FALL_SIGMA and not -_CHANGE < change < 0:
        return f"D falls with lag, by {-100 * change:.0f} % over the window"
    if sigma > _RISE_SIGMA and not 0 < change < _CHANGE:
        return f"D rises with lag, by {100 * change:.0f} % over the window"
    return ""


def heterogeneity(
    trajectory: NDArray[np.floating],
    msd_of_ions: FloatArray,
    first: int,
    last: int,
    jumps_per_ion: float,
) -> float:
    """Variance of the MSDs of single ions, divided by that of as many identical ions.

    Identical ions move like Brownian ones; where they jump, their numbers of jumps in the run are
    Poisson distributed, which adds one over that number to the relative variance (nothing if it is
    infinite, as where the distance of jumps is not known). For Brownian ions see Qian, Sheetz,
    Elson, Biophys. J. 60, 910 (1991); for d axes (effectively fewer where the motion is
    anisotropic) it is 2/d times a factor from the time average. For ions in traps, the ratio is
    known as the ergodicity breaking parameter (He, Burov, Metzler, Barkai, Phys. Rev. Lett.
    101, 058101 (2008)).
    """
    n_frames, lag = len(trajectory), round(np.sqrt(first * last))
    if not msd_of_ions[:, lag].any():
        return 1.0
    seen = msd_of_ions[:, lag].var(ddof=1) / msd_of_ions[:, lag].mean() ** 2
    shift = np.arange(1 - lag, lag)
    shared = 1 - np.abs(shift) / lag
    pairs = np.maximum(n_frames - lag - np.abs(shift), 0)
    brownian = 2 * (pairs * shared**2).sum() / (n_frames - lag) ** 2
    origins = np.unique(np.linspace(0, n_frames - lag - 1, 50).round().astype(np.intp))
    moved = (trajectory[origins + lag] - trajectory[origins]).reshape(-1, trajectory.shape[2])
    tensor = (moved.T @ moved).astype(np.float64)
    brownian *= (tensor**2).sum() / np.trace(tensor) ** 2
    return float(seen / (brownian + 1 / jumps_per_ion))


def search_window(msd_of_ions: FloatArray) -> tuple[int, int] | None:
    """Earliest window from which D against lag is level up to the end of an MSD, in frames.

    Starts are tried from a fiftieth of the end, in steps of a factor of 1.25; a window spans a
    factor of `SEARCH_SPAN` in lag. None if D is not level from any start.
    """
    end = msd_of_ions.shape[1] - 1
    start = max(2 * _LEAD, end // 50)
    while SEARCH_SPAN * start <= end:
        if not reason_against_plateau(msd_of_ions, start, end, 1.0):
            return start, SEARCH_SPAN * start
        start = int(np.ceil(1.25 * start))
    return None
