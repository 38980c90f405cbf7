"""Activation energies: the Arrhenius law fitted to diffusion coefficients and their bounds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import constants, optimize, special

from llzo_helpers.arrays import BoolArray, FloatArray
from llzo_helpers.errors import InputError

BOLTZMANN_EV = constants.k / constants.e
"""eV/K"""


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
        freedom), they are widened by the square root of the ratio.

    Raises
    ------
    InputError
        For unequal lengths, a number that is not finite, a temperature or an error that is not
        positive, or fewer than two temperatures at which D is not a bound.

    Notes
    -----
    Without bounds, weighted least squares. With bounds, maximum likelihood, to which each bound
    contributes the factor Phi((D - D_fit) / std), the probability of an estimate no lower than
    the D of the law (a Tobit model; Tobin, Econometrica 26, 24 (1958)): a law well below the
    bound has no penalty, one above it does.
    """
    temperature, D, std, bound = _checked(temperature_K, D_cm2_s, D_std_cm2_s, upper_bound)
    beta = 1 / (BOLTZMANN_EV * temperature)
    known = ~bound
    weights = (D[known] / std[known]) ** 2
    design = np.stack([-beta[known], np.ones(known.sum())], axis=1)
    covariance = np.linalg.inv(design.T @ (weights[:, np.newaxis] * design))
    law = covariance @ design.T @ (weights * np.log(D[known]))
    if bound.any():
        law, covariance = _with_bounds(law, beta, D, std, bound)
    E_a, ln_D0 = law
    chi2 = float((weights * (np.log(D[known]) - ln_D0 + E_a * beta[known]) ** 2).sum())
    freedom = int(known.sum()) - 2
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
        "temperature_K": np.asarray(temperature_K, dtype=float),
        "D_cm2_s": np.asarray(D_cm2_s, dtype=float),
        "D_std_cm2_s": np.asarray(D_std_cm2_s, dtype=float),
    }
    temperature, D, std = arrays.values()
    bound = np.zeros(D.shape, dtype=bool)
    if upper_bound is not None:
        bound = np.asarray(upper_bound, dtype=bool)
    lengths = [array.shape for array in (*arrays.values(), bound)]
    if D.ndim != 1 or len(set(lengths)) > 1:
        raise InputError(
            f"temperature_K, D_cm2_s, D_std_cm2_s, upper_bound: shapes {lengths}; must be equal, "
            "[temperature]"
        )
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise InputError(f"{name}: {values[~np.isfinite(values)][0]}; must be finite")
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
    start: FloatArray, beta: FloatArray, D: FloatArray, std: FloatArray, bound: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return the maximum-likelihood E_a and ln D0, and their covariance."""
    known = ~bound

    def cost(law: FloatArray) -> float:
        ln_D = law[1] - law[0] * beta
        misfit = (np.log(D[known]) - ln_D[known]) * D[known] / std[known]
        # no higher than D can be represented as a number
        excess = (D[bound] - np.exp(np.minimum(ln_D[bound], 50.0))) / std[bound]
        return float((misfit**2).sum() / 2 - special.log_ndtr(excess).sum())

    # of the order of one each, so that one step suits both
    scale = np.array([0.01, 0.1])

    def scaled_cost(x: FloatArray) -> float:
        return cost(start + x * scale)

    shift = optimize.minimize(scaled_cost, np.zeros(2), method="BFGS").x
    law = np.asarray(start + shift * scale, dtype=np.float64)
    step = 1e-3
    hessian = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            shifts = np.zeros((2, 2))
            shifts[0, i] += step
            shifts[1, j] += step
            hessian[i, j] = sum(
                sign * cost(law + scale * (a * shifts[0] + b * shifts[1]))
                for a, b, sign in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
            ) / (4 * step**2 * scale[i] * scale[j])
    return law, np.asarray(np.linalg.inv(hessian), dtype=np.float64)
