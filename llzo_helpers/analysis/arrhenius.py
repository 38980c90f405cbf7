"""Activation energies: the Arrhenius law fitted to diffusion coefficients and their bounds."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import constants, special

from llzo_helpers.arguments import checked_flags, checked_numbers
from llzo_helpers.arrays import BoolArray, FloatArray
from llzo_helpers.errors import InputError

BOLTZMANN_EV = constants.k / constants.e
"""eV/K"""
_MOST_STEPS = 200
"""Of Newton's method; a dozen are enough where D and its error are of a run."""


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
    """Sum of squared deviations over variances, without bounds; close to the number of degrees of
    freedom if the law holds and the errors are right."""
    degrees_of_freedom: int
    n_temperatures: int
    """Bounds included."""
    n_bounds: int
    """Number of these that are only upper bounds."""

    @property
    def freedom(self) -> float:
        """Of the errors: of few points where these reject the law (at 5 %), otherwise infinite.

        The scatter of points about a law that they reject is all that is then known of its errors.
        """
        scatter = max(self.degrees_of_freedom, 1)
        return float(scatter) if self.chi2 > special.chdtri(scatter, 0.05) else np.inf

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
    temperature_K: ArrayLike,
    D_cm2_s: ArrayLike,
    D_std_cm2_s: ArrayLike,
    upper_bound: ArrayLike | None = None,
) -> Arrhenius:
    """Fit ln D = ln D0 - E_a / kT, weighted with the errors of ln D.

    Parameters
    ----------
    temperature_K, D_cm2_s, D_std_cm2_s
        [temperature]
    upper_bound
        Whether a D is only an upper bound, [temperature]; none by default. A D that is not
        positive always counts as one: leaving it out would favour values raised by noise.

    Returns
    -------
    Arrhenius
        Errors follow from those of D; if the points scatter by more (chi2 above the degrees of
        freedom, or above one where bounds bend a law through two points), they are widened by the
        square root of the ratio.

    Raises
    ------
    InputError
        For unequal lengths, a number that is not finite, a temperature or an error that is not
        positive, fewer than two temperatures at which D is not a bound, or values and bounds
        so far apart that no likelihood can be computed.

    Notes
    -----
    Without bounds, weighted least squares. With bounds, maximum likelihood, to which each bound
    contributes the factor Phi((D - D_fit) / std), the probability of an estimate no lower than
    the D of the law (a Tobit model; Tobin, Econometrica 26, 24 (1958)): a law well below the
    bound has no penalty, one above it does.
    """
    temperature, D, std, bound = _checked(temperature_K, D_cm2_s, D_std_cm2_s, upper_bound)
    design = np.stack([-1 / (BOLTZMANN_EV * temperature), np.ones(len(D))], axis=1)
    known = ~bound
    weights = D[known] / std[known]
    # in units of the axes the law is a standard normal variable
    orthogonal, triangle = np.linalg.qr(weights[:, np.newaxis] * design[known])
    axes = np.linalg.inv(triangle)
    law = axes @ orthogonal.T @ (weights * np.log(D[known]))
    covariance = axes @ axes.T
    if bound.any():
        law, covariance = _with_bounds(law, axes, design[bound], D[bound], std[bound])
    E_a, ln_D0 = law
    chi2 = float(((weights * (np.log(D[known]) - design[known] @ law)) ** 2).sum())
    freedom = int(known.sum()) - 2
    # two points are met exactly unless bounds, which then count as a third, draw the law away
    covariance = covariance * max(1.0, chi2 / max(freedom, 1))
    return Arrhenius(
        E_a_eV=float(E_a),
        E_a_std_eV=float(np.sqrt(covariance[0, 0])),
        ln_D0=float(ln_D0),
        ln_D0_std=float(np.sqrt(covariance[1, 1])),
        covariance=float(covariance[0, 1]),
        chi2=chi2,
        degrees_of_freedom=freedom,
        n_temperatures=len(D),
        n_bounds=int(bound.sum()),
    )


def _checked(
    temperature_K: ArrayLike,
    D_cm2_s: ArrayLike,
    D_std_cm2_s: ArrayLike,
    upper_bound: ArrayLike | None,
) -> tuple[FloatArray, FloatArray, FloatArray, BoolArray]:
    """Return the arguments of `fit_arrhenius` as arrays, or raise InputError."""
    arrays = {
        name: checked_numbers(name, values).astype(float)
        for name, values in (
            ("temperature_K", temperature_K),
            ("D_cm2_s", D_cm2_s),
            ("D_std_cm2_s", D_std_cm2_s),
        )
    }
    temperature, D, std = arrays.values()
    bound = np.zeros(D.shape, dtype=bool)
    if upper_bound is not None:
        bound = checked_flags("upper_bound", upper_bound)
    lengths = [array.shape for array in (*arrays.values(), bound)]
    if D.ndim != 1 or len(set(lengths)) > 1:
        raise InputError(
            f"temperature_K, D_cm2_s, D_std_cm2_s, upper_bound: shapes {lengths}; must be equal, "
            "[temperature]"
        )
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise InputError(f"{name}: {values[~np.isfinite(values)][0]}; must be finite")
    for name in ("D_cm2_s", "D_std_cm2_s"):
        size = np.abs(arrays[name])
        unlikely = (size != 0) & ((size < 1e-30) | (size > 1e10))
        if unlikely.any():
            raise InputError(
                f"{name}: {arrays[name][unlikely][0]:g}; must be 0, or from 1e-30 to 1e10 cm2/s"
            )
    for name in ("temperature_K", "D_std_cm2_s"):
        if (arrays[name] <= 0).any():
            raise InputError(f"{name}: {arrays[name].min():g}; must be positive")
    bound = bound | (D <= 0)
    if len(np.unique(temperature[~bound])) < 2:
        raise InputError(
            "temperature_K: an Arrhenius fit needs two temperatures or more at which D is positive "
            "and not an upper bound; run longer or at higher temperatures"
        )
    return temperature, D, std, bound


def _with_bounds(
    law: FloatArray,
    axes: FloatArray,
    design: FloatArray,
    D: FloatArray,
    std: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the maximum-likelihood E_a and ln D0 and their covariance, with bounds.

    Parameters
    ----------
    law, axes
        E_a and ln D0 of the fit without bounds, and their standard errors: columns of which the
        sum of squares is the covariance.
    design
        Derivatives of ln D_fit with E_a and ln D0 at the bounds, [bound, 2].
    D, std
        [bound]

    Notes
    -----
    In x, standard errors of the fit without bounds, the cost is |x|^2 / 2 - sum ln Phi. It is
    convex, because -ln Phi is convex and falls and D_fit is convex in E_a and ln D0. So there is
    one minimum, and Newton's method finds it if no step goes far beyond the lowest point on its
    way. That is judged by derivatives: differences of a large cost are lost in its last digits.
    """
    ln_D, slopes = design @ law, design @ axes

    def derivatives(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        fit = np.exp(ln_D + slopes @ x) / std
        excess = D / std - fit
        # phi / Phi
        ratio = np.exp(-(excess**2) / 2 - special.log_ndtr(excess)) / np.sqrt(2 * np.pi)
        curvature = ratio * fit * (1 + (excess + ratio) * fit)
        return (
            x + slopes.T @ (ratio * fit),
            np.eye(2) + slopes.T @ (curvature[:, np.newaxis] * slopes),
        )

    # from a law so low that it exceeds no bound by more than its error
    drop = max(0.0, (ln_D - np.log(np.maximum(D, 0) + std)).max())
    x = np.linalg.solve(axes, np.array([0.0, -drop]))
    # what is too far up to be a number is too far up
    with np.errstate(over="ignore", invalid="ignore"), suppress(np.linalg.LinAlgError):
        for _ in range(_MOST_STEPS):
            gradient, hessian = derivatives(x)
            step = -np.linalg.solve(hessian, gradient)
            descent = -gradient @ step
            # the square of the step in standard errors
            if descent < 1e-10 + 1e-13 * x @ x:
                narrower = axes @ np.linalg.inv(np.linalg.cholesky(hessian)).T
                return law + axes @ x, narrower @ narrower.T
            while step.any() and not derivatives(x + step)[0] @ step < descent / 2:
                step, descent = step / 2, descent / 2
            x = x + step
    raise InputError(
        "Arrhenius fit: no law found that suits values and bounds; look for a D or an error that "
        "is far off"
    )
