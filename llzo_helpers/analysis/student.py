"""Errors that few numbers are known from: Student's t."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr, stdtrit  # scipy.stats takes a second to load


def freedom_of_sum(variances: ArrayLike, freedoms: ArrayLike) -> float:
    """Degrees of freedom of a sum of independent variances (Welch and Satterthwaite).

    Parameters
    ----------
    variances, freedoms
        Of each term.

    Returns
    -------
    float
        Infinite where all of the variance is exact.

    References
    ----------
    Welch, Biometrika 34, 28 (1947).
    """
    variance, freedom = np.asarray(variances, float), np.asarray(freedoms, float)
    shares = float((variance**2 / freedom).sum())
    return float(variance.sum() ** 2 / shares) if shares > 0 else np.inf


def interval_width(n_sigma: float, freedom: float) -> float:
    """How many standard errors to either side cover as much as `n_sigma` do of a normal variable.

    Parameters
    ----------
    n_sigma
        Standard errors of the normal variable.
    freedom
        Degrees of freedom of the standard error.

    Examples
    --------
    >>> [round(interval_width(2, freedom), 2) for freedom in (2, 8, np.inf)]
    [4.53, 2.37, 2.0]
    """
    # the lower tail, which does not round to one
    return float(-stdtrit(freedom, float(ndtr(-n_sigma))))


def normal_deviation(deviation: float, freedom: float) -> float:
    """Return the deviation of a normal variable that is as unlikely as one of Student's t.

    Parameters
    ----------
    deviation
        In standard errors.
    freedom
        Degrees of freedom of the standard error.

    Examples
    --------
    >>> round(normal_deviation(4.53, 2), 2)
    2.0
    """
    if np.isinf(freedom):
        return deviation
    return float(np.copysign(ndtri(stdtr(freedom, -abs(deviation))), deviation))
