"""Elementary functions of vectors against those of numpy."""

import numpy as np
from numba import njit

from llzo_helpers.hdnnp import elementary, vector


@njit
def evaluate(x, results):
    for i in range(0, len(x), vector.WIDTH):
        v = vector.load(x, i)
        vector.store(results, (0, i), elementary.exp(v))
        vector.store(results, (1, i), elementary.tanh(v))
        vector.store(results, (2, i), elementary.log(vector.absolute(v)))
        vector.store(results, (3, i), elementary.acos(v))
        vector.store(results, (4, i), elementary.exp2(v))
        vector.store(results, (5, i), elementary.inverse_sqrt(vector.absolute(v)))


def test_elementary_functions():
    x = np.concatenate([np.linspace(-700, 700, 200), np.linspace(-1, 1, 200)])
    results = np.empty((6, 400))
    evaluate(x, results)
    expected = [
        np.exp(x),
        np.tanh(x),
        np.log(np.abs(x)),
        np.arccos(np.clip(x, -1, 1)),
        np.exp2(x),
        1.0 / np.sqrt(np.abs(x)),
    ]
    for found, exact in zip(results, expected, strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-14, atol=1e-15)


def test_exponential_of_large_negative_numbers_is_zero():
    x = -np.array([708.5, 745, 750, 1e3, 1e6, 1e100, 1e300, np.inf])
    results = np.empty((6, 8))
    evaluate(x, results)
    np.testing.assert_array_equal(results[0], 0.0)
    np.testing.assert_array_equal(results[1], -1.0)
    evaluate(1.5 * x, results)
    np.testing.assert_array_equal(results[4], 0.0)
