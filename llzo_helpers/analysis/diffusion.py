"""Tracer diffusion coefficient of a run: slope of the MSD, its error, and whether to trust it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri, stdtrit  # scipy.stats takes a second to load

from llzo_helpers.analysis.fit_window import DEFAULT_WINDOW, window_in_frames
from llzo_helpers.analysis.msd import mean_squared_displacement, origin_modes
from llzo_helpers.analysis.plateau import (
    RunningD,
    heterogeneity,
    line_weights,
    reason_against_plateau,
    running_D,
    search_window,
    spread_lags,
    standard_error,
)
from llzo_helpers.analysis.student import freedom_of_sum
from llzo_helpers.arguments import (
    check_frame_interval,
    check_number,
    checked_flags,
    checked_numbers,
    checked_trajectory,
)
from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError

__all__ = [
    "CM2_S_PER_A2_PS",
    "Combined",
    "TracerDiffusion",
    "check_positions",
    "combine_replicas",
    "mean_squared_displacement",
    "tracer_diffusion_coefficient",
]

CM2_S_PER_A2_PS = 1e-4
"""One Å^2/ps in cm^2/s."""

_LONG_MODES = 20
"""Of the slope over the window, for the correlation between ions; higher modes no longer show how
long displacements are correlated."""
_HARMONIC = 1 / np.arange(1, _LONG_MODES + 1)
_MODE_WEIGHTS = _HARMONIC / _HARMONIC.sum()
"""Slow modes have most of the variance, and show how ions move together for long; weights in
proportion to it would leave the estimate two or three degrees of freedom, these leave it eight."""
_DRIFT_PARTS, _COMMON_DRIFT = 20, 4.5
"""Of a run whose mean displacements are compared, and how many standard errors of their mean are a
drift: one in 1000 runs without drift has as much along one of three axes (Student's t)."""
_SLOW_MODES, _FAST_MODES = 2, 8
"""Of the slope at short lags: the first two describe slow changes along the run; the third to the
eighth describe what the halves of a run average over and a trend does not contain."""
_DRIFT_SIGMA = 3.0
_HETEROGENEITY = 4.0
"""Most runs that are long enough for their D stay below: traps over 3 decades have a median of 3.5
and a 95 % quantile of 5 (measured, `tests/diffusion_models.py`)."""


@dataclass(frozen=True)
class TracerDiffusion:
    """Tracer diffusion coefficient of a run, with the data behind it."""

    D_cm2_s: float
    D_std_cm2_s: float
    """Standard error, from the scatter among the ions and along the run."""
    degrees_of_freedom: float
    """Of the standard error."""
    n_ions: int
    exponent: float
    """d ln MSD / d ln t at the middle of the window: 1 for diffusion, less in a cage."""
    exponent_std: float
    lags_ps: FloatArray
    """[lag]"""
    msd_A2: FloatArray
    """Å^2, [lag]; from one frame to the end of the window."""
    msd_std_A2: FloatArray
    """Å^2, [lag]; standard error."""
    fit_lags_ps: tuple[float, float]
    """First and last lag of the window."""
    intercept: float
    """Å^2, of the straight line."""
    slope: float
    """Å^2/ps, of the straight line: 6 D for three axes."""
    n_stretches: float
    """Independent stretches of the window's length in the run."""
    correlation: float
    """Variance of D divided by that of as many independent ions: 1 for independent ions, n for
    groups of n ions that move as one (an estimate, known to within a third)."""
    running: RunningD
    plateau: bool
    """Whether D against lag is level over the window."""
    no_plateau: str
    """The reason if there is no plateau, else empty."""
    halves_D_cm2_s: tuple[float, float]
    """Of the first and the second half of the run, at half the lags of the window."""
    halves_D_std_cm2_s: tuple[float, float]
    drift_sigma: float
    """Difference of the halves, second minus first, in standard errors."""
    stationary: bool
    heterogeneity: float
    """Variance of the MSDs of single ions, divided by that of as many identical ions; large where
    each ion visits only part of the sites in the run."""
    one_jump_D_cm2_s: float
    """D of a run in which one of the ions jumps once; 0 if the distance is not known."""
    upper_bound: bool
    """Whether D is only an upper bound: ions are still caged, or D still falls with lag."""
    warnings: tuple[str, ...]

    def interval(self, level: float = 0.68) -> tuple[float, float]:
        """Confidence interval of D, cm2/s (Student's t)."""
        half = self._quantile((1 + level) / 2) * self.D_std_cm2_s
        return self.D_cm2_s - half, self.D_cm2_s + half

    @property
    def D_limit_cm2_s(self) -> float:
        """One-sided upper limit of D at 95 %; the value to state where D is an upper bound."""
        half = self._quantile(0.95) * self.D_std_cm2_s
        return _limit(self.D_cm2_s, half, self.one_jump_D_cm2_s)

    def _quantile(self, probability: float) -> float:
        return float(stdtrit(self.degrees_of_freedom, probability))


def _limit(D: float, half: float, one_jump_D: float) -> float:
    """Return an upper limit at 95 % from the interval of D to one side.

    No less than that of as many jumps as D stands for, whose number is Poisson distributed.
    """
    D = max(D, 0.0)
    if not one_jump_D > 0:
        return D + half
    most = float(chdtri(2 * (D / one_jump_D + 1), 0.05)) / 2
    return max(D + half, most * one_jump_D)


def tracer_diffusion_coefficient(
    positions: ArrayLike,
    frame_interval_ps: float,
    fit_window: tuple[float, float] | None = (0.1, 0.5),
    *,
    in_ps: bool = False,
    jump_length_A: float | None = None,
) -> TracerDiffusion:
    """Tracer diffusion coefficient from the slope of the mean squared displacement.

    Parameters
    ----------
    positions
        Unwrapped positions of the mobile ions relative to the framework, Å, [frame, ion, axis],
        with one to three axes.
    frame_interval_ps
        Time between frames.
    fit_window
        First and last lag of the fit, as fractions of the run. With None, the fit starts at the
        earliest lag from which D is level up to half the run, and ends at five times that lag; if
        there is no such lag, it is (0.1, 0.5).
    in_ps
        `fit_window` is in ps instead.
    jump_length_A
        Distance between neighbouring sites, Å. With an MSD below its square at the end of the
        window, D is an upper bound; errors and limits are at least those of so few jumps.

    Returns
    -------
    TracerDiffusion

    Raises
    ------
    InputError
        For positions that are not finite or of fewer than two ions, an interval that is not
        positive, or a window that is ill-formed or holds too few frames.

    Notes
    -----
    MSD(t) = c + 2 d D t (d axes) is fitted by ordinary least squares at lags evenly spread over
    the window, so that D is the mean slope over the whole window; c accounts for vibration and
    motion within cages that ends before the window begins. Weights from a covariance would reduce
    the error for Brownian ions (by a factor of 1.8 for a window of 0.1 to 0.5), but they favour
    the beginning of the window, where D of a run that is not yet diffusive is too high.

    D is linear in the MSD and therefore the mean of one estimate per ion. `_variance` describes how
    its error includes correlated motion of ions and changes of mobility along the run.
    """
    trajectory = check_positions(positions, frame_interval_ps)
    n_frames, n_ions, n_axes = trajectory.shape
    if jump_length_A is not None:
        check_number("jump_length_A", jump_length_A, "a distance of sites in Å", low=0.01, high=100)
    first, last = window_in_frames(
        DEFAULT_WINDOW if fit_window is None else fit_window,
        n_frames,
        frame_interval_ps if in_ps and fit_window is not None else None,
    )
    msd_of_ions = mean_squared_displacement(trajectory, np.arange(last + 1), per_ion=True)
    if fit_window is None:
        first, last = search_window(msd_of_ions) or (first, last)
        msd_of_ions = msd_of_ions[:, : last + 1]
    lags = spread_lags(first, last)
    intercepts, slopes = line_weights(lags) @ msd_of_ions[:, lags].T
    spread = _variance(trajectory, first, last)
    # for tests, a correlation below 1 is only noise
    correlation = max(spread.correlation, 1.0)
    halves = _halves(trajectory, first, last, spread)
    no_plateau = reason_against_plateau(msd_of_ions, first, last, correlation)
    msd = msd_of_ions.mean(axis=0)
    slope, slope_std = float(slopes.mean()), float(np.sqrt(spread.variance))
    # of the MSD, if one ion jumps once in the run, Å^2/frame
    one_jump = (jump_length_A or 0.0) ** 2 / (n_ions * n_frames)
    jumps = max(slope, 0.0) / one_jump if one_jump else np.inf
    slope_std = max(slope_std, one_jump * np.sqrt(max(jumps, 1.0)) if one_jump else 0.0)
    unlike = heterogeneity(trajectory, msd_of_ions, first, last, max(jumps, 1.0) / n_ions)
    bounds = _reasons_for_bound(slope, slope_std, last, float(msd[last]), jump_length_A)
    if "falls" in no_plateau:
        bounds.append(f"{no_plateau}: D is an upper bound; run longer or start the window later")
    # from Å^2/frame to cm2/s
    scale = CM2_S_PER_A2_PS / (2 * n_axes * frame_interval_ps)
    exponent, exponent_std = _exponent(intercepts, slopes * (first + last) / 2)
    drawn = np.unique(np.geomspace(1, last, 100).round().astype(np.intp))
    inflation = float(np.sqrt(spread.correlation))
    return TracerDiffusion(
        D_cm2_s=slope * scale,
        D_std_cm2_s=slope_std * scale,
        degrees_of_freedom=spread.degrees_of_freedom,
        n_ions=n_ions,
        exponent=exponent,
        exponent_std=exponent_std * inflation,
        lags_ps=np.asarray(drawn * frame_interval_ps, dtype=np.float64),
        msd_A2=msd[drawn],
        msd_std_A2=standard_error(msd_of_ions[:, drawn]) * inflation,
        fit_lags_ps=(first * frame_interval_ps, last * frame_interval_ps),
        intercept=float(intercepts.mean()),
        slope=slope / frame_interval_ps,
        n_stretches=n_frames / last,
        correlation=spread.correlation,
        running=running_D(msd_of_ions, frame_interval_ps, scale, inflation),
        plateau=not no_plateau,
        no_plateau=no_plateau,
        halves_D_cm2_s=(halves.slopes[0] * scale, halves.slopes[1] * scale),
        halves_D_std_cm2_s=(halves.stds[0] * scale, halves.stds[1] * scale),
        drift_sigma=halves.sigma,
        stationary=abs(halves.sigma) <= _DRIFT_SIGMA,
        heterogeneity=unlike,
        one_jump_D_cm2_s=one_jump * scale,
        upper_bound=bool(bounds),
        warnings=(
            *bounds,
            *_common_drift(trajectory),
            *_other_warnings(no_plateau, unlike, halves, scale),
        ),
    )


def check_positions(positions: ArrayLike, frame_interval_ps: float) -> NDArray[Any]:
    """Return positions as an array, or raise InputError if they cannot give a D."""
    trajectory = checked_trajectory(positions)
    if trajectory.shape[1] < 2 or not 1 <= trajectory.shape[2] <= 3:
        raise InputError(
            f"positions: shape {trajectory.shape}; must be [frame, ion, axis] with two ions or "
            "more and one to three axes"
        )
    check_frame_interval(frame_interval_ps)
    return trajectory


def _exponent(intercepts: FloatArray, rises: FloatArray) -> tuple[float, float]:
    """Logarithmic slope, d ln MSD / d ln t where MSD = intercept + rise; error from the ions."""
    total = float(intercepts.mean() + rises.mean())
    if total == 0:
        return 0.0, 0.0
    exponent = float(rises.mean() / total)
    # a ratio of means: first-order propagation, ion by ion
    influence = ((1 - exponent) * rises - exponent * intercepts) / total
    return exponent, float(standard_error(influence))


@dataclass(frozen=True)
class _Variance:
    """Of the mean slope."""

    variance: float
    """(Å^2/frame)^2"""
    degrees_of_freedom: float
    correlation: float
    """Variance divided by that of as many independent ions, from displacements over the window."""
    fast: float
    """(Å^2/frame)^2, covariance between ions of their slopes at short lags, from fast modes."""


def _variance(trajectory: NDArray[np.floating], first: int, last: int) -> _Variance:
    """Variance of the mean slope of the MSD over a window; accounts for ions that move together.

    Notes
    -----
    With s_i the slope of ion i, N^2 var(mean s) is the sum of var(s_i), which the scatter between
    ions gives, and of cov(s_i, s_j). Two kinds of the latter are measured along the run, with the
    squared displacements of each ion in cosine modes of their time origin. For independent ions the
    square of the sum over ions of a mode and the sum of the squares are equal on average, whatever
    the ions' memory; their difference is the covariance:

    - ions that jump together, in displacements over the window: the ratio of the sum's variance to
      that of the ions, the mean over `_LONG_MODES`; it multiplies the scatter.
    - rates that rise and fall for all ions together, in displacements before the window, of which
      a run holds many: their covariance in the slowest modes, which adds to it.

    For variances from low cosine modes see Müller, J. Econometrics 141, 1331 (2007). Degrees of
    freedom are Satterthwaite's, with the scatter's from the kurtosis of s_i.
    """
    # half the lags of the fit: a ratio of variances needs no more
    windows = [spread_lags(first, last, 16), spread_lags(max(1, first // 4), max(2, first), 8)]
    displacements = origin_modes(trajectory, np.concatenate(windows), _LONG_MODES)
    over_window, before = np.split(displacements, [len(windows[0])], axis=2)
    modes = over_window @ line_weights(windows[0])[1]
    n_ions = modes.shape[1]
    together, alone = _of_sum_and_ions(modes[1:])
    if not (alone > 0).all():  # ions that do not move at all
        return _Variance(0.0, n_ions - 1.0, 1.0, 0.0)
    correlation = float(_MODE_WEIGHTS @ (together / alone))
    scatter = modes[0].var(ddof=1) / n_ions * correlation
    squares = (modes[0] - modes[0].mean()) ** 2
    kurtosis = float((squares**2).mean() / squares.mean() ** 2)
    of_correlation = 2 * float((_MODE_WEIGHTS**2).sum())
    of_scatter = max((kurtosis - 1) / n_ions, 2 / (n_ions - 1)) + of_correlation

    modes = before[: _FAST_MODES + 1] @ line_weights(windows[1])[1]
    together, alone = _of_sum_and_ions(modes[1:])
    excess = (together - alone) / n_ions**2
    slow = max(float(excess[:_SLOW_MODES].mean()), 0.0)
    variance = scatter + slow
    return _Variance(
        variance=variance,
        degrees_of_freedom=2 * variance**2 / (scatter**2 * of_scatter + 2 * slow**2 / _SLOW_MODES),
        correlation=correlation,
        fast=max(float(excess[_SLOW_MODES:].mean()), 0.0),
    )


def _of_sum_and_ions(modes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Square of the sum and sum of the squares over the ions of [mode, ion]."""
    return modes.sum(axis=1) ** 2, (modes**2).sum(axis=1)


@dataclass(frozen=True)
class _Halves:
    """Slopes of the two halves of a run, Å^2/frame."""

    slopes: tuple[float, float]
    stds: tuple[float, float]
    sigma: float
    """Second minus first, in standard errors."""


def _halves(trajectory: NDArray[np.floating], first: int, last: int, spread: _Variance) -> _Halves:
    """Slopes of the halves of a run, at half the lags of the window."""
    lags = spread_lags(max(1, first // 2), last // 2)
    half = len(trajectory) // 2
    parts = [
        mean_squared_displacement(part, lags, per_ion=True) @ line_weights(lags)[1]
        for part in (trajectory[:half], trajectory[half:])
    ]
    correlation = max(spread.correlation, 1.0)
    # twice the variance of a whole run is that of a half
    first_std, second_std = (
        float(np.sqrt(standard_error(part) ** 2 * correlation + 2 * spread.fast)) for part in parts
    )
    scatter = standard_error(parts[1] - parts[0]) ** 2 * correlation
    difference = float(np.sqrt(scatter + 4 * spread.fast))
    change = float(parts[1].mean() - parts[0].mean())
    return _Halves(
        slopes=(float(parts[0].mean()), float(parts[1].mean())),
        stds=(first_std, second_std),
        sigma=change / difference if difference else 0.0,
    )


def _reasons_for_bound(
    slope: float, slope_std: float, last: int, msd_end: float, jump_length_A: float | None
) -> list[str]:
    """Return why D is only an upper bound, if it is; lags in frames, lengths in Å."""
    reasons = []
    if slope <= 2 * slope_std:
        reasons.append("D is zero within two standard errors: D is an upper bound; run longer")
    if jump_length_A is not None and msd_end < jump_length_A**2:
        reasons.append(
            f"MSD reaches only {msd_end:.2g} Å², less than one jump: D is an upper bound; "
            "run longer"
        )
    if slope * last < msd_end / 4:
        reasons.append(
            f"less than a quarter of the MSD of {msd_end:.2g} Å² at the end of the window is due "
            "to diffusion, the rest to motion in cages: D is an upper bound; run longer"
        )
    return reasons


def _common_drift(trajectory: NDArray[Any]) -> list[str]:
    """Return a warning if all ions drift together, as they do relative to a cell that drifts."""
    ends = np.linspace(0, len(trajectory) - 1, _DRIFT_PARTS + 1).round().astype(np.intp)
    steps = np.diff(trajectory[ends].mean(axis=1, dtype=np.float64), axis=0)
    error = steps.std(axis=0, ddof=1) / np.sqrt(_DRIFT_PARTS)
    sigma = np.abs(steps.mean(axis=0)) / np.where(error > 0, error, np.inf)
    if sigma.max() < _COMMON_DRIFT:
        return []
    return [
        f"all ions drift together, by {np.linalg.norm(steps.sum(axis=0)):.2g} Å in the run, "
        f"{sigma.max():.1f} standard errors: D is too high; give positions relative to the "
        "framework"
    ]


def _other_warnings(no_plateau: str, unlike: float, halves: _Halves, scale: float) -> list[str]:
    """Return further warnings about a run."""
    warnings = []
    if "rises" in no_plateau:
        warnings.append(f"{no_plateau}: subtract the drift of the cell, or run longer")
    if unlike > _HETEROGENEITY:
        warnings.append(
            f"ions differ in mobility, with {unlike:.1f} times the variance of identical ions: "
            "each visits only part of the sites; run longer"
        )
    if abs(halves.sigma) > _DRIFT_SIGMA:
        before, after = (slope * scale for slope in halves.slopes)
        warnings.append(
            f"not stationary: D is {before:.2g} and {after:.2g} cm2/s in the halves of the run, "
            f"{abs(halves.sigma):.1f} standard errors apart; equilibrate longer or run longer"
        )
    return warnings


@dataclass(frozen=True)
class Combined:
    """Mean of the estimates of several replicas."""

    value: float
    std: float
    n_replicas: int
    spread: float
    """Standard deviation between replicas; NaN for one."""
    upper_bound: bool
    """Whether at least half of the estimates are only upper bounds."""
    degrees_of_freedom: float
    """Of the standard error: few where it is from the spread between few replicas."""
    one_jump: float = 0.0
    """The mean if one ion of one replica jumps once; 0 if that is not known."""

    def interval(self, level: float = 0.68) -> tuple[float, float]:
        """Confidence interval (Student's t)."""
        half = self._quantile((1 + level) / 2) * self.std
        return self.value - half, self.value + half

    @property
    def limit(self) -> float:
        """One-sided upper limit at 95 %, to state for an upper bound, as of one run."""
        return _limit(self.value, self._quantile(0.95) * self.std, self.one_jump)

    def _quantile(self, probability: float) -> float:
        return float(stdtrit(self.degrees_of_freedom, probability))


def combine_replicas(
    values: ArrayLike,
    stds: ArrayLike,
    upper_bounds: ArrayLike | None = None,
    degrees_of_freedom: ArrayLike | None = None,
    one_jump: ArrayLike | None = None,
) -> Combined:
    """Mean of independent replicas, with an error that includes the spread between them.

    Parameters
    ----------
    values, stds
        Estimates and their standard errors, [replica].
    upper_bounds
        Which estimates are only upper bounds, [replica]; none by default. The mean is one if at
        least half of them are.
    degrees_of_freedom
        Of `stds`, [replica]; infinite by default.
    one_jump
        Estimates of D if one ion jumps once, [replica]; 0 or NaN, and by default, not known.

    Returns
    -------
    Combined
        The standard error is the larger of the one propagated from `stds` and the one from the
        spread of `values`; it has the degrees of freedom of that one.

    Raises
    ------
    InputError
        For no replicas, unequal lengths, or numbers that are not finite.
    """
    value = checked_numbers("values", values).astype(float)
    std = checked_numbers("stds", stds).astype(float)
    bounds = (
        np.zeros(value.shape, bool)
        if upper_bounds is None
        else checked_flags("upper_bounds", upper_bounds)
    )
    n = value.size
    if n == 0 or not value.shape == std.shape == bounds.shape == (n,):
        raise InputError(
            f"values, stds, upper_bounds: shapes {value.shape}, {std.shape}, {bounds.shape}; give "
            "one of each per replica, for one replica or more"
        )
    if not np.isfinite(value).all() or not (np.isfinite(std) & (std >= 0)).all():
        raise InputError(
            f"values = {value.tolist()}, stds = {std.tolist()}: must be finite, errors 0 or more; "
            "leave out failed runs"
        )
    spread = float(value.std(ddof=1)) if n > 1 else float("nan")
    propagated = float(np.sqrt((std**2).sum()) / n)
    seen = spread / np.sqrt(n) if n > 1 else 0.0
    given = [np.inf] * n if degrees_of_freedom is None else degrees_of_freedom
    of_propagated = freedom_of_sum(std**2, checked_numbers("degrees_of_freedom", given))
    return Combined(
        value=float(value.mean()),
        std=float(max(propagated, seen)),
        n_replicas=n,
        spread=spread,
        # of runs that are long enough a few are taken for too short: the more replicas there are,
        # the likelier is one such
        upper_bound=bool(bounds.mean() >= 0.5),
        degrees_of_freedom=float(n - 1 if seen > propagated else of_propagated),
        one_jump=0.0 if one_jump is None else float(np.nan_to_num(one_jump).mean()) / n,
    )
