"""Diffusion: mean squared displacement, tracer diffusion coefficient, activation energy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # stats loads at its first use: slow, and only for confidence intervals
from numpy.typing import ArrayLike, NDArray
from scipy import constants, fft

from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError

BOLTZMANN_EV = constants.k / constants.e
"""eV/K"""
CM2_S_PER_A2_PS = 1e-4
"""One Å^2/ps in cm^2/s."""

_N_LAGS = 32
_JUMP_LENGTH = 2.0
"""Å, about the distance between neighbouring 24d and 48g sites: an MSD below its square shows
rattling, not diffusion."""


def mean_squared_displacement(
    positions: ArrayLike, lags: ArrayLike | None = None, *, per_ion: bool = False
) -> FloatArray:
    """Mean squared displacement over all time origins, by FFT.

    Parameters
    ----------
    positions
        Unwrapped positions, Å, [frame, ion, axis].
    lags
        Lags wanted, in frames, [lag]; all from 0 to the number of frames - 1 by default.
    per_ion
        Keep the ions apart.

    Returns
    -------
    ndarray
        Å^2, [lag], or [ion, lag] if `per_ion`.

    Notes
    -----
    For a lag m and N frames, MSD(m) = sum_i |r(i+m) - r(i)|^2 / (N - m), i from 0 to N - m - 1.
    The squares are running sums, and the cross term is an autocorrelation, computed in
    O(N log N) (Kneller et al., Comput. Phys. Commun. 91, 191 (1995); Calandrini et al., Collection
    SFN 12, 201 (2011)). Each ion's mean position is taken off first, for precision.
    """
    trajectory = np.asarray(positions)
    if trajectory.ndim != 3 or len(trajectory) == 0:
        raise InputError(
            f"positions: shape {trajectory.shape}; must be [frame, ion, axis] with frames"
        )
    n_frames, n_ions, _ = trajectory.shape
    chosen = np.arange(n_frames) if lags is None else np.asarray(lags, dtype=np.intp)
    if len(chosen) and not 0 <= chosen.min() <= chosen.max() < n_frames:
        raise InputError(f"lags: must lie between 0 and {n_frames - 1}, the frames less one")
    result = np.zeros((n_ions if per_ion else 1, len(chosen)))
    # so many ions at a time that the work arrays stay near 100 MB
    step = max(1, int(2e6 / n_frames))
    for begin in range(0, n_ions, step):
        block = np.moveaxis(trajectory[:, begin : begin + step], 0, -1).astype(np.float64)
        msd = _msd_of_block(block, chosen)
        if per_ion:
            result[begin : begin + step] = msd
        else:
            result[0] += msd.sum(axis=0) / n_ions
    return result if per_ion else result[0]


def _msd_of_block(block: FloatArray, lags: NDArray[np.intp]) -> FloatArray:
    """MSD, [ion, lag], of positions [ion, axis, frame], which are overwritten."""
    n_frames = block.shape[-1]
    block -= block.mean(axis=-1, keepdims=True)
    size = fft.next_fast_len(2 * n_frames, real=True)
    power = np.abs(fft.rfft(block, size)) ** 2
    correlation = fft.irfft(power.sum(axis=1), size)[:, :n_frames]
    squares = np.zeros((len(block), n_frames + 1))
    np.cumsum((block**2).sum(axis=1), axis=1, out=squares[:, 1:])
    # sum of squares of the first and of the last N - m frames
    head, tail = squares[:, n_frames - lags], squares[:, -1:] - squares[:, lags]
    msd = (head + tail - 2 * correlation[:, lags]) / (n_frames - lags)
    msd[:, lags == 0] = 0.0
    return msd


@dataclass(frozen=True)
class TracerDiffusion:
    """Tracer diffusion coefficient of a run, with what it rests on."""

    D_cm2_s: float
    D_std_cm2_s: float
    """Standard error, from the scatter among the ions."""
    n_ions: int
    exponent: float
    """d ln MSD / d ln t over the fit window: 1 for diffusion, less for motion in a cage."""
    exponent_std: float
    lags_ps: FloatArray
    """[lag]"""
    msd: FloatArray
    """Å^2, [lag]; at all lags up to the end of the window."""
    msd_std: FloatArray
    """Å^2, [lag]; standard error."""
    fit_lags_ps: tuple[float, float]
    intercept: float
    """Å^2, of the straight line."""
    slope: float
    """Å^2/ps, of the straight line: 6 D."""
    warnings: tuple[str, ...]

    def interval(self, level: float = 0.68) -> tuple[float, float]:
        """Confidence interval of D, cm2/s (Student's t, one degree of freedom less than ions)."""
        half = scipy.stats.t.ppf((1 + level) / 2, self.n_ions - 1) * self.D_std_cm2_s
        return self.D_cm2_s - half, self.D_cm2_s + half


def tracer_diffusion_coefficient(
    positions: ArrayLike,
    frame_interval_ps: float,
    fit_window: tuple[float, float] = (0.1, 0.5),
) -> TracerDiffusion:
    """Tracer diffusion coefficient from the slope of the mean squared displacement.

    Parameters
    ----------
    positions
        Unwrapped positions of the mobile ions relative to the framework, Å, [frame, ion, axis].
    frame_interval_ps
        Time between frames.
    fit_window
        First and last lag of the fit, as fractions of the trajectory.

    Returns
    -------
    TracerDiffusion

    Raises
    ------
    InputError
        For fewer than two ions, or too few frames for the window.

    Notes
    -----
    MSD(t) = c + 6 D t is fitted by generalised least squares with the covariance that the
    time-averaged MSD of a Brownian particle has (Qian, Sheetz, Elson, Biophys. J. 60, 910 (1991));
    the offset c takes up vibration and back-jumps at short times. The covariance only sets the
    weights: with weights fixed, D is linear in the MSD, so each ion gives an estimate of its own,
    unbiased whatever its covariance really is, and the standard error of D is that of their mean.
    It makes no assumption on how ions move, except that different ions' squared displacements
    are nearly independent.
    """
    trajectory = np.asarray(positions)
    if trajectory.ndim != 3 or trajectory.shape[1] < 2:
        raise InputError(
            f"positions: shape {trajectory.shape}; must be [frame, ion, axis] with two ions or more"
        )
    n_frames, n_ions, n_axes = trajectory.shape
    first, last = (round(fraction * n_frames) for fraction in fit_window)
    first = max(first, 1)
    if last - first < 2 or last >= n_frames:
        raise InputError(
            f"fit_window = {list(fit_window)}: holds too few of {n_frames} frames; run longer, "
            "write frames more often or widen the window"
        )
    lags = np.unique(np.geomspace(1, last, 100).round().astype(np.intp))
    fit = np.unique(np.linspace(first, last, _N_LAGS).round().astype(np.intp))
    lags = np.union1d(lags, fit)
    inside = np.isin(lags, fit)
    msd_of_ions = mean_squared_displacement(trajectory, lags, per_ion=True)

    weights = _straight_line_weights(fit, n_frames)
    slopes = msd_of_ions[:, inside] @ weights[1] / frame_interval_ps
    intercepts = msd_of_ions[:, inside] @ weights[0]
    middle = frame_interval_ps * (first + last) / 2
    slope, intercept = slopes.mean(), intercepts.mean()
    exponent = slope * middle / (intercept + slope * middle)
    # the exponent is a ratio of means: first-order propagation, ion by ion
    influence = (1 - exponent) * slopes * middle - exponent * intercepts
    exponent_std = _standard_error(influence / (intercept + slope * middle))
    scale = CM2_S_PER_A2_PS / (2 * n_axes)
    msd = msd_of_ions.mean(axis=0)
    return TracerDiffusion(
        D_cm2_s=float(slope * scale),
        D_std_cm2_s=_standard_error(slopes) * scale,
        n_ions=n_ions,
        exponent=float(exponent),
        exponent_std=exponent_std,
        lags_ps=lags * frame_interval_ps,
        msd=msd,
        msd_std=msd_of_ions.std(axis=0, ddof=1) / np.sqrt(n_ions),
        fit_lags_ps=(first * frame_interval_ps, last * frame_interval_ps),
        intercept=float(intercept),
        slope=float(slope),
        warnings=tuple(_warnings(float(exponent), exponent_std, float(msd[-1]))),
    )


def _standard_error(values: FloatArray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _warnings(exponent: float, exponent_std: float, msd_end: float) -> list[str]:
    """Say where the motion is not diffusion."""
    warnings = []
    if msd_end < _JUMP_LENGTH**2:
        warnings.append(
            f"MSD reaches only {msd_end:.2g} Å^2, less than one jump: D is an upper bound; "
            "run longer"
        )
    if exponent < 0.8 and exponent + 2 * exponent_std < 1:
        warnings.append(
            f"MSD grows as t^{exponent:.2f}, not t: not yet diffusive; run longer or start the fit "
            "later"
        )
    return warnings


def _straight_line_weights(lags: NDArray[np.intp], n_frames: int) -> FloatArray:
    """Weights, [coefficient, lag], that take offset and slope (per frame) from an MSD."""
    covariance = brownian_msd_covariance(lags, n_frames)
    design = np.stack([np.ones(len(lags)), lags.astype(np.float64)])
    whitened = np.linalg.solve(covariance, design.T)
    return np.linalg.solve(design @ whitened, whitened.T)


def brownian_msd_covariance(lags: ArrayLike, n_frames: int) -> FloatArray:
    """Covariance of the time-averaged MSD of a Brownian particle, in one dimension.

    Parameters
    ----------
    lags
        In frames, [lag].
    n_frames
        Length of the trajectory.

    Returns
    -------
    ndarray
        [lag, lag], in units of the squared variance of one frame's displacement.

    Notes
    -----
    For Gaussian displacements x, y: cov(x^2, y^2) = 2 cov(x, y)^2, and the covariance of two
    displacements is the time that they share. Summed over all pairs of time origins.
    """
    lag = np.asarray(lags, dtype=np.intp)
    covariance = np.empty((len(lag), len(lag)))
    for row, short in enumerate(lag):
        for column, long in enumerate(lag[row:], start=row):
            n_short, n_long = n_frames - short, n_frames - long
            # origin of the short interval minus that of the long one
            shift = np.arange(1 - short, long)
            shared = np.minimum(shift + short, long) - np.maximum(shift, 0)
            pairs = np.minimum(n_short, n_long + shift) - np.maximum(0, shift)
            total = (np.maximum(pairs, 0) * shared.astype(np.float64) ** 2).sum()
            covariance[row, column] = covariance[column, row] = 2 * total / (n_short * n_long)
    return covariance


@dataclass(frozen=True)
class Combined:
    """Mean of several replicas' estimates."""

    value: float
    std: float
    n_replicas: int


def combine_replicas(values: Sequence[float], stds: Sequence[float]) -> Combined:
    """Mean of independent replicas, with an error that holds the spread between them.

    Parameters
    ----------
    values, stds
        Estimates and their standard errors, [replica].

    Returns
    -------
    Combined
        The standard error is the larger of the one propagated from `stds` and the one seen in the
        spread of `values`.
    """
    value, std = np.asarray(values, dtype=float), np.asarray(stds, dtype=float)
    n = len(value)
    propagated = np.sqrt((std**2).sum()) / n
    seen = value.std(ddof=1) / np.sqrt(n) if n > 1 else 0.0
    return Combined(float(value.mean()), float(max(propagated, seen)), n)


@dataclass(frozen=True)
class Arrhenius:
    """Arrhenius law D = D0 exp(-E_a / kT) fitted to several temperatures."""

    E_a_eV: float
    E_a_std_eV: float
    ln_D0: float
    """Logarithm of D0 in cm2/s."""
    ln_D0_std: float
    covariance: float
    """Of E_a and ln D0, eV."""
    chi2: float
    """Sum of squared deviations over variances; of the size of the degrees of freedom if the law
    holds and the errors are right."""
    degrees_of_freedom: int
    n_temperatures: int

    def D_cm2_s(self, temperature_K: ArrayLike) -> FloatArray:
        """Diffusion coefficient of the fit."""
        beta = 1 / (BOLTZMANN_EV * np.asarray(temperature_K, dtype=float))
        return np.exp(self.ln_D0 - self.E_a_eV * beta)

    def ln_D_std(self, temperature_K: ArrayLike) -> FloatArray:
        """Standard error of ln D of the fit."""
        beta = 1 / (BOLTZMANN_EV * np.asarray(temperature_K, dtype=float))
        variance = self.ln_D0_std**2 + (beta * self.E_a_std_eV) ** 2 - 2 * beta * self.covariance
        return np.sqrt(np.maximum(variance, 0))


def fit_arrhenius(
    temperature_K: ArrayLike, D_cm2_s: ArrayLike, D_std_cm2_s: ArrayLike
) -> Arrhenius:
    """Fit ln D = ln D0 - E_a / kT by least squares weighted with the errors of ln D.

    Parameters
    ----------
    temperature_K, D_cm2_s, D_std_cm2_s
        [temperature]; D must be positive.

    Returns
    -------
    Arrhenius
        Errors follow from those of D; if the points scatter by more (chi2 above the degrees of
        freedom), they are widened by the square root of the ratio.

    Raises
    ------
    InputError
        For fewer than two temperatures, or a D that is not positive.
    """
    beta = 1 / (BOLTZMANN_EV * np.asarray(temperature_K, dtype=float))
    D, std = np.asarray(D_cm2_s, dtype=float), np.asarray(D_std_cm2_s, dtype=float)
    if len(np.unique(beta)) < 2:
        raise InputError("temperature_K: an Arrhenius fit needs two temperatures or more")
    if not (D > 0).all() or not (std > 0).all():
        raise InputError("D_cm2_s: an Arrhenius fit needs positive D with positive errors")
    design = np.stack([-beta, np.ones_like(beta)], axis=1)
    weights = (D / std) ** 2
    covariance = np.linalg.inv(design.T @ (weights[:, np.newaxis] * design))
    E_a, ln_D0 = covariance @ design.T @ (weights * np.log(D))
    chi2 = float((weights * (np.log(D) - ln_D0 + E_a * beta) ** 2).sum())
    freedom = len(D) - 2
    if freedom > 0:
        covariance = covariance * max(1.0, chi2 / freedom)
    return Arrhenius(
        E_a_eV=float(E_a),
        E_a_std_eV=float(np.sqrt(covariance[0, 0])),
        ln_D0=float(ln_D0),
        ln_D0_std=float(np.sqrt(covariance[1, 1])),
        covariance=float(covariance[0, 1]),
        chi2=chi2,
        degrees_of_freedom=freedom,
        n_temperatures=len(D),
    )


def nernst_einstein_conductivity(
    D_cm2_s: float, li_per_volume: float, temperature_K: float
) -> float:
    """Ionic conductivity of Li+ if ions moved independently (Haven ratio 1).

    Parameters
    ----------
    D_cm2_s
        Tracer diffusion coefficient.
    li_per_volume
        Number density of lithium, 1/Å^3.
    temperature_K
        Temperature.

    Returns
    -------
    float
        S/cm: sigma = n e^2 D / kT.
    """
    per_cm3 = li_per_volume * 1e24
    return float(per_cm3 * constants.e**2 * D_cm2_s / (constants.k * temperature_K))
