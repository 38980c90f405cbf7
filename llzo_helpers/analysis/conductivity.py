"""Conductivity: collective motion of ions, Haven ratio, Nernst-Einstein relation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import constants

from llzo_helpers.analysis.diffusion import CM2_S_PER_A2_PS, TracerDiffusion, check_positions
from llzo_helpers.analysis.fit_window import DEFAULT_WINDOW, window_in_frames
from llzo_helpers.analysis.msd import mean_squared_displacement
from llzo_helpers.analysis.plateau import line_weights, spread_lags
from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError


@dataclass(frozen=True)
class CollectiveDiffusion:
    """Diffusion coefficient of the sum of all displacements, per ion: that of the charge."""

    D_cm2_s: float
    D_std_cm2_s: float
    lags_ps: FloatArray
    """[lag]"""
    msd: FloatArray
    """Mean squared displacement of the sum, divided by the number of ions, Å^2, [lag]."""
    fit_lags_ps: tuple[float, float]


@dataclass(frozen=True)
class HavenRatio:
    """Tracer over collective diffusion coefficient: 1 for ions that move independently."""

    value: float
    std: float


def collective_diffusion_coefficient(
    positions: ArrayLike,
    frame_interval_ps: float,
    fit_window: tuple[float, float] = DEFAULT_WINDOW,
    *,
    in_ps: bool = False,
) -> CollectiveDiffusion:
    """Collective (charge) diffusion coefficient of equally charged ions.

    Parameters
    ----------
    positions
        Unwrapped positions of the ions relative to the framework, Å, [frame, ion, axis].
    frame_interval_ps
        Time between frames.
    fit_window
        First and last lag of the fit, as fractions of the run.
    in_ps
        `fit_window` is in ps instead.

    Returns
    -------
    CollectiveDiffusion

    Raises
    ------
    InputError
        As `tracer_diffusion_coefficient`.

    Notes
    -----
    With R the sum of the positions of N ions, ``D = lim <|R(t) - R(0)|^2> / (2 d N t)``, from the
    slope over the window as for the tracer. There is only one such sum, so the error is large. A
    sum over many ions is a Gaussian process, and at lags beyond the memory of the ions a Brownian
    process, for which the covariance of the time-averaged MSD is known (Qian, Sheetz, Elson,
    Biophys. J. 60, 910 (1991)); the error of the slope follows from it.
    """
    trajectory = check_positions(positions, frame_interval_ps)
    n_frames, n_ions, n_axes = trajectory.shape
    first, last = window_in_frames(fit_window, n_frames, frame_interval_ps if in_ps else None)
    total = trajectory.sum(axis=1, dtype=np.float64)[:, np.newaxis]
    lags = spread_lags(first, last)
    drawn = np.union1d(np.geomspace(1, last, 60).round().astype(np.intp), lags)
    msd = mean_squared_displacement(total, drawn) / n_ions
    weights = line_weights(lags)[1]
    slope = float(weights @ msd[np.isin(drawn, lags)])
    # in units of the squared variance of one frame's displacement along an axis, 2 D dt
    variance = weights @ brownian_msd_covariance(lags, n_frames) @ weights
    relative = np.sqrt(variance / n_axes)
    scale = CM2_S_PER_A2_PS / (2 * n_axes * frame_interval_ps)
    return CollectiveDiffusion(
        D_cm2_s=slope * scale,
        # relative to the magnitude of D, which itself may come out low or negative
        D_std_cm2_s=float(relative * max(abs(slope), msd[-1] / last) * scale),
        lags_ps=np.asarray(drawn * frame_interval_ps, dtype=np.float64),
        msd=msd,
        fit_lags_ps=(first * frame_interval_ps, last * frame_interval_ps),
    )


def haven_ratio(tracer: TracerDiffusion, collective: CollectiveDiffusion) -> HavenRatio:
    """Ratio of tracer to collective diffusion coefficient, with its standard error.

    NaN where the collective coefficient is not positive: the run is too short.
    """
    if collective.D_cm2_s <= 0:
        return HavenRatio(float("nan"), float("nan"))
    value = tracer.D_cm2_s / collective.D_cm2_s
    error = np.hypot(
        tracer.D_std_cm2_s / collective.D_cm2_s,
        value * collective.D_std_cm2_s / collective.D_cm2_s,
    )
    return HavenRatio(float(value), float(error))


def nernst_einstein_conductivity(
    D_cm2_s: float, ions_per_A3: float, temperature_K: float, charge: float = 1.0
) -> float:
    """Ionic conductivity from a diffusion coefficient, by the Nernst-Einstein relation.

    Parameters
    ----------
    D_cm2_s
        The collective coefficient gives the conductivity itself; the tracer coefficient gives that
        of ions that move independently (Haven ratio 1).
    ions_per_A3
        Number density of the ions.
    temperature_K
        Temperature.
    charge
        Of an ion, in elementary charges.

    Returns
    -------
    float
        S/cm: sigma = n q^2 D / kT.

    Raises
    ------
    InputError
        For a temperature or a density that is not positive.
    """
    for name, value in (("temperature_K", temperature_K), ("ions_per_A3", ions_per_A3)):
        if not 0 < value < np.inf:
            raise InputError(f"{name} = {value:g}: must be positive")
    per_cm3 = ions_per_A3 * 1e24
    squared_charge = (charge * constants.e) ** 2
    return float(per_cm3 * squared_charge * D_cm2_s / (constants.k * temperature_K))


def brownian_msd_covariance(lags: IntArray, n_frames: int) -> FloatArray:
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
        [lag, lag], relative to the square of 2 D times the time between frames.

    Notes
    -----
    For Gaussian displacements x, y: cov(x^2, y^2) = 2 cov(x, y)^2, and the covariance of two
    displacements is the time that they share. This is summed over all pairs of time origins.
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
