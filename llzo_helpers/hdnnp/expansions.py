"""Expansions by which angular functions become sums that are quick to evaluate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.hdnnp.tables import LONG, SHORT, n_harmonics, padded
from llzo_helpers.hdnnp.vector import WIDTH


def harmonic_weight(degree: int, order: int) -> float:
    """Weight of a harmonic in the addition theorem.

    The kernels' spherical harmonics of degree l and order m are Q_l^m(z) A_m(x, y) and, for
    order -m, Q_l^m(z) B_m(x, y), with

        A_m + i B_m = (x + i y)^m / m!,    Q_l^m(z) = (d/dz)^m P_l(z) / (2l - 1)!!.

    The factors are chosen so that derivatives are harmonics of the next or last order: dQ_l^m/dz
    is Q_l^(m+1), dA_m/dx is A_(m-1), dA_m/dy is -B_(m-1). Then P_l(u.v) is the sum over m of
    weights times products of the harmonics at u and at v.
    """
    order = abs(order)
    factor = math.prod(range(2 * degree - 1, 0, -2)) * math.factorial(order)
    ratio = math.factorial(degree - order) / math.factorial(degree + order)
    return (2.0 if order else 1.0) * ratio * factor**2


def series_weights(lambda_: float, zeta: int, degree: int, *, alike: bool) -> NDArray[np.float64]:
    """Make a series of products of two moments: weights, beginning a new vector.

    The first vector holds the weights of the moments of degree 0 and of the sum of f_j^2,
    which is subtracted if the two elements are alike: no neighbour makes a pair with itself,
    and each pair is counted twice. The next ones hold those of degrees 1 to ``degree``, lower
    degrees and, within a degree, lower orders first.
    """
    powers = [math.comb(zeta, n) * lambda_**n for n in range(zeta + 1)]
    legendre = np.zeros(degree + 1)
    own = np.polynomial.legendre.poly2leg(powers)
    legendre[: len(own)] = own
    weights = np.zeros(WIDTH + padded(n_harmonics(degree)))
    weights[0] = legendre[0]
    weights[1] = -((1.0 + lambda_) ** zeta) if alike else 0.0
    weights[WIDTH : WIDTH + n_harmonics(degree)] = [
        legendre[n] * harmonic_weight(n, m) for n in range(1, degree + 1) for m in range(-n, n + 1)
    ]
    return weights * (0.5 if alike else 1.0)


def even_polynomial(eta: float, cutoff: float) -> NDArray[np.float64] | None:
    """Fit the cosine cutoff times exp(-eta r^2) by a polynomial of r^2, if it agrees to 1e-14.

    Both factors are even in r; a short polynomial is enough for wide Gaussians.

    Parameters
    ----------
    eta
        Å^-2.
    cutoff
        Å.

    Returns
    -------
    coefficients
        Of the channel and of its derivative divided by r, shape [2, term], as powers of
        2 r^2 / r_c^2 - 1; lower powers first.
    """

    def value(x: Any) -> Any:
        squared = (x + 1.0) / 2.0
        shape = 0.5 * (np.cos(np.pi * np.sqrt(squared)) + 1.0)
        return shape * np.exp(-eta * cutoff**2 * squared)

    x: Any = np.linspace(-1.0, 1.0, 1001)
    for n_terms in (SHORT, LONG):
        series = np.polynomial.Chebyshev.interpolate(value, n_terms - 1)
        fit = series.convert(kind=np.polynomial.Polynomial)
        if np.abs(fit(x) - value(x)).max() < 1e-14:
            # by the chain rule, R'(r) / r is the derivative with respect to x times 4 / r_c^2
            factor = 4.0 / cutoff**2
            slope = [*(factor * c for c in fit.deriv().coef.tolist()), 0.0]
            return np.array([fit.coef.tolist(), slope])
    return None
