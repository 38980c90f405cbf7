"""Arrays that the kernels fill anew for every atom.

Two-dimensional ones have one quantity per row and one neighbour per column.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from llzo_helpers.hdnnp import tables
from llzo_helpers.hdnnp.tables import MAX_POWER
from llzo_helpers.hdnnp.vector import WIDTH, inlined

# rows of the array of neighbours: position relative to the central atom, distance, its
# inverse and square; direction
X, Y, Z, R, INVERSE_R, SQUARE, UX, UY, UZ = range(9)
# rows of the array of gradients: with respect to a neighbour's position, to which comes
# ALONG times the position itself
GX, GY, GZ, ALONG = range(4)
# row of the sums over pairs at which those of curves begin, after those of powers
CURVES = MAX_POWER + 1

# the factors of harmonics lie in one array: A_m, B_m and Q_l^m from these places on
SINES = WIDTH * (MAX_POWER + 1)
LEGENDRE = 2 * SINES
_N_FACTORS = LEGENDRE + WIDTH * (MAX_POWER + 1) ** 2

padded = inlined(tables.padded)
n_harmonics = inlined(tables.n_harmonics)


@njit
def _rows(n_rows: int, n_columns: int) -> Any:
    """Array of zeros whose rows begin at multiples of 64 bytes, as processors like it."""
    # an odd number of cache lines a row: rows don't compete for the same cache sets
    n_columns = (n_columns + WIDTH - 1) // WIDTH | 1
    buffer = np.zeros((n_rows * n_columns + 1) * WIDTH)
    offset = (-buffer.ctypes.data % 64) // 8
    return buffer[offset : offset + n_rows * n_columns * WIDTH].reshape(n_rows, n_columns * WIDTH)


@njit
def _row(n: int) -> Any:
    return _rows(1, n)[0]


class Workspace(NamedTuple):
    """Arrays that are filled anew for every atom; those for vectors begin at 64 bytes.

    Attributes
    ----------
    near, indices
        Neighbours (columns), see X to UZ, and the numbers of their points.
    blocks, counts
        First column of each element, and how many of its columns are neighbours.
    values, slopes
        Channels (rows) at the neighbours (columns), and their derivatives.
    harmonics, factors
        See `evaluate_harmonics`, `_evaluate_factors`.
    moments, squares
        One row per moment: its harmonics; the sum of f_j^2, not yet over lanes.
    partial
        Products of moments (rows), not yet summed over lanes.
    features
        See `tables`.
    weights, moment_weights, square_weights
        Gradient of the energy with respect to features, moments and those squares.
    sums, series, kept
        Sums over pairs (rows), not yet over lanes; weights of the powers of the cosine; what
        is kept of each pair (see `pairs`).
    nodes, node_slopes, node_gradients
        Layers of the network (rows).
    gradient, own
        With respect to the neighbours, see GX to ALONG. What pairs contribute for their first
        neighbour, not yet over lanes, is in `own`, with rows for all four of each neighbour.
    """

    near: Any
    indices: Any
    blocks: Any
    counts: Any
    values: Any
    slopes: Any
    harmonics: Any
    factors: Any
    moments: Any
    squares: Any
    partial: Any
    features: Any
    weights: Any
    moment_weights: Any
    square_weights: Any
    sums: Any
    series: Any
    kept: Any
    nodes: Any
    node_slopes: Any
    node_gradients: Any
    gradient: Any
    own: Any


@njit
def allocate(tables: Any, capacity: int) -> Any:
    """Workspace for atoms with as many neighbours, padded, as the capacity."""
    n_elements = len(tables.elements)
    n_moments, n_groups, n_features, n_layers, width = 0, 0, 0, 0, WIDTH
    for e in range(n_elements):
        element = tables.elements[e]
        n_moments = max(n_moments, element.last_moment - element.first_moment)
        n_groups = max(n_groups, element.last_group - element.first_group)
        n_features = max(n_features, element.n_features)
        n_layers = max(n_layers, element.last_layer - element.first_layer)
        width = max(width, element.n_functions)
    n_channels, degree, n_curves = 0, 0, 0
    for i in range(len(tables.neighbours)):
        neighbour = tables.neighbours[i]
        n_channels = max(n_channels, neighbour.last_channel - neighbour.first_channel)
        degree = max(degree, neighbour.degree)
    for i in range(len(tables.pairs)):
        n_curves = max(n_curves, tables.pairs[i].last_curve - tables.pairs[i].first_curve)
    for i in range(len(tables.layers)):
        width = max(width, tables.layers[i].outputs)
    width_of_moments = padded(n_harmonics(degree))
    return Workspace(
        near=_rows(9, capacity),
        indices=np.zeros(capacity, np.int64),
        blocks=np.zeros(n_elements + 1, np.int64),
        counts=np.zeros(n_elements, np.int64),
        values=_rows(padded(n_channels), capacity),
        slopes=_rows(n_channels, capacity),
        harmonics=_row(width_of_moments * capacity),
        factors=_row(_N_FACTORS),
        moments=_rows(n_moments, width_of_moments),
        squares=_rows(n_moments, WIDTH),
        partial=_rows(n_features, WIDTH),
        moment_weights=_rows(n_moments, width_of_moments),
        square_weights=np.zeros(n_moments),
        sums=_rows(CURVES + n_curves, WIDTH),
        series=np.zeros(MAX_POWER + 1),
        kept=_row(n_groups * capacity * capacity * (3 + 2 * n_curves)),
        features=_row(n_features),
        weights=_row(n_features),
        nodes=_rows(n_layers + 1, width),
        node_slopes=_rows(n_layers, width),
        node_gradients=_rows(n_layers + 1, width),
        gradient=_rows(4, capacity),
        own=_rows(4 * capacity, WIDTH),
    )
