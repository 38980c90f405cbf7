"""Elementary functions of vectors (see `vector`), for use in functions compiled by numba.

Each is a polynomial that agrees with the exact function to a few units in the last place;
the polynomials are fitted below, when the module is imported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llzo_helpers.hdnnp.vector import (
    absolute,
    add_to_exponent,
    compiled,
    exponent_of,
    guess_inverse_sqrt,
    less,
    mantissa_of,
    minimum,
    splat,
    sqrt,
    where,
)


def _polynomial(coefficients: Sequence[float]) -> Any:
    """Compiled polynomial of a vector; coefficients from the constant term up."""
    highest = len(coefficients) - 1
    descending = tuple(float(c) for c in reversed(coefficients))

    @compiled
    def evaluate(x: Any) -> Any:
        result = splat(descending[0])
        for i in range(1, highest + 1):
            result = result * x + descending[i]
        return result

    return evaluate


def _taylor(term: Callable[[int], float], n: int) -> Any:
    return _polynomial([term(k) for k in range(n)])


def _fitted(function: Callable[[Any], Any], low: float, high: float, degree: int) -> Any:
    series = np.polynomial.Chebyshev.interpolate(function, degree, domain=[low, high])
    return _polynomial(series.convert(kind=np.polynomial.Polynomial).coef.tolist())


def _acos_ratio(c: Any) -> Any:
    """Return acos(c) / sqrt(1 - c): smooth where the arc cosine itself is not."""
    return np.arccos(c) / np.sqrt(1.0 - c)


_exp_series = _taylor(lambda k: 1.0 / math.factorial(k), 13)
_exp2_series = _fitted(np.exp2, -0.5, 0.5, 11)
_sin_series = _taylor(lambda k: (-1) ** k / math.factorial(2 * k + 1), 8)
_cos_series = _taylor(lambda k: (-1) ** k / math.factorial(2 * k), 9)
_atanh_series = _taylor(lambda k: 2.0 / (2 * k + 1), 11)
# argument 2 c - 1, for c from 0 to 1
_acos_series = _fitted(lambda x: _acos_ratio((x + 1.0) / 2.0), -1.0, 1.0, 20)

_ROUND = 1.5 * 2.0**52  # adding and subtracting it rounds to an integer
_LOG2_E = 1.0 / math.log(2.0)
# log(2) in two parts, the first with so few digits that its multiples are exact
_LOG_2_HIGH = float(np.float32(math.log(2.0)))
_LOG_2_LOW = -1.904654299957768e-09


@compiled
def exp(x: Any) -> Any:
    """Exponential; zero below the range of normal numbers, cut at the largest of them."""
    x = minimum(x, splat(709.0))
    shifted = x * _LOG2_E + _ROUND
    n = shifted - _ROUND
    remainder = (x - n * _LOG_2_HIGH) - n * _LOG_2_LOW
    result = add_to_exponent(_exp_series(remainder), shifted)
    return where(less(x, splat(-708.0)), splat(0.0), result)


@compiled
def exp2(x: Any) -> Any:
    """Two to the power of a number below 1024; zero below the range of normal numbers."""
    shifted = x + _ROUND
    result = add_to_exponent(_exp2_series(x - (shifted - _ROUND)), shifted)
    return where(less(x, splat(-1021.0)), splat(0.0), result)


@compiled
def log(x: Any) -> Any:
    """Natural logarithm of positive normal numbers."""
    m = mantissa_of(x)
    n = exponent_of(x)
    large = less(splat(math.sqrt(2.0)), m)
    m = where(large, m * 0.5, m)
    n = where(large, n + 1.0, n)
    s = (m - 1.0) / (m + 1.0)
    return n * _LOG_2_HIGH + (n * _LOG_2_LOW + s * _atanh_series(s * s))


@compiled
def sin_cos_quarter_turn(x: Any) -> Any:
    """sin(pi x) and cos(pi x) for x from -1/4 to 1/4."""
    x = x * math.pi
    square = x * x
    return x * _sin_series(square), _cos_series(square)


@compiled
def acos(c: Any) -> Any:
    """Angle from 0 to pi of a cosine; cosines beyond -1 and 1 are cut to them."""
    positive = minimum(absolute(c), splat(1.0))
    angle = sqrt(1.0 - positive) * _acos_series(2.0 * positive - 1.0)
    return where(less(c, splat(0.0)), math.pi - angle, angle)


@compiled
def tanh(x: Any) -> Any:
    """Hyperbolic tangent, with the absolute precision of numbers near one."""
    return 1.0 - 2.0 / (exp(2.0 * x) + 1.0)


@compiled
def inverse_sqrt(x: Any) -> Any:
    """``1 / sqrt(x)``, faster than root and division; infinite at zero."""
    y = guess_inverse_sqrt(x)
    # the relative error, at first 0.034, is raised to the fourth power twice
    for _ in range(2):
        e = 1.0 - (x * y) * y
        y = y + (y * e) * (0.5 + e * (0.375 + e * 0.3125))
    return where(less(splat(0.0), x), y, splat(np.inf))


@compiled
def power(base: Any, exponent: float) -> Any:
    """``base**exponent`` of a positive base, by multiplication and root where that is enough."""
    n = int(exponent)
    if exponent < 0.0 or 2.0 * exponent != int(2.0 * exponent):
        return exp(exponent * log(base))
    result = splat(1.0)
    if n != exponent:
        result = base * inverse_sqrt(base)
    while n > 0:
        if n & 1:
            result = result * base
        base = base * base
        n >>= 1
    return result
