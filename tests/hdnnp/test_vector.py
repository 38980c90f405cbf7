"""Elementary functions of vectors against those of numpy."""

import numpy as np
from numba import njit

from llzo_helpers.hdnnp import vector


@njit
def evaluate(x, results):
    for i in range(0, len(x), vector.WIDTH):
        v = vector.load(x, i)
        vector.store(results, (0, i), vector.exp(v))
        vector.store(results, (1, i), vector.tanh(v))
        vector.store(results, (2, i), vector.log(vector.absolute(v)))
        vector.store(results, (3, i), vector.acos(v))
        vector.store(results, (4, i), vector.exp2(v))


def test_elementary_functions():
    x = np.concatenate([np.linspace(-700, 700, 200), np.linspace(-1, 1, 200)])
    results = np.empty((5, 400))
    evaluate(x, results)
    expected = [np.exp(x), np.tanh(x), np.log(np.abs(x)), np.arccos(np.clip(x, -1, 1)), np.exp2(x)]
    for found, exact in zip(results, expected, strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-14, atol=1e-15)


def test_exponential_of_large_negative_numbers_is_zero():
    x = -np.array([708.5, 745, 750, 1e3, 1e6, 1e100, 1e300, np.inf])
    results = np.empty((5, 8))
    evaluate(x, results)
    np.testing.assert_array_equal(results[0], 0.0)
    np.testing.assert_array_equal(results[1], -1.0)
    evaluate(1.5 * x, results)
    np.testing.assert_array_equal(results[4], 0.0)
