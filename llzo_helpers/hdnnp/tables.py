"""Tables in which the compiled kernels read a potential; `layout` fills them.

Every symmetry function is a weighted sum of few *features* of an atom's surroundings:

* radial features: the sum of a radial *channel* R(r) over the neighbours of one element;
* angular features: the sum over pairs of neighbours (j, k) of two elements of
  R(r_ij) R(r_ik) [R(r_jk)] b(cos theta), with a *series* or a *curve* b.

Most functions have one feature; a weighted function (12, 13, 23 to 25) is the sum over
elements of the plain one, weighted by atomic numbers. The kernels know about features only,
never about types; nothing is evaluated that no function of the central element needs.

A series is (1 + lambda cos)^zeta with a whole exponent: a polynomial of the cosine, hence a sum
of Legendre polynomials. Without R(r_jk) it needs no loop over pairs of neighbours: by the
addition theorem, the sum over j and k of f_j f_k P_l(u_j.u_k) is a dot product of two *moments*,
sums over neighbours of f_j times the spherical harmonics of degree l (see
`expansions.harmonic_weight`).

A curve is anything else: a compact function of the angle, or another exponent. Curves, and series
with R(r_jk), are summed over pairs; those with the same radial channel form a *group*, because
all series of a group come from the same sums of powers of the cosine.

The tables are NumPy structured arrays, one row per item; an item refers to others by row
numbers. Lengths are in Å, energies in eV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.hdnnp.vector import WIDTH

# above this degree moments cost more than the pairs of neighbours, and binomial series
# begin to lose digits
MAX_POWER = 8

# numbers of terms of polynomials (see `expansions.even_polynomial`) that the kernels are made for
SHORT, LONG = 12, 20

# shapes of cutoffs and compact functions, numbered like n2p2's cutoff types
CONSTANT, COSINE, TANH, TANH_NORMALIZED, BUMP, POLY1, POLY2, POLY3, POLY4 = range(9)

_ENVELOPE = np.dtype(
    [
        ("shape", "i8"),
        ("two_sided", "i8"),  # compact function about a centre, not a cutoff from there on
        ("asymmetric", "i8"),
        ("centre", "f8"),
        ("inverse_width", "f8"),
        ("left", "f8"),
        ("right", "f8"),
    ]
)
# what the atoms of one element see of neighbours of one element: row central element * number
# of elements + element of the neighbour
_NEIGHBOUR = np.dtype(
    [
        ("first_channel", "i8"),
        ("last_channel", "i8"),
        ("feature", "i8"),  # radial one of the first channel; the others follow
        ("first_moment", "i8"),
        ("last_moment", "i8"),
        ("degree", "i8"),  # highest of the moments
    ]
)
_CHANNEL = np.dtype([("envelope", "i8"), ("eta", "f8"), ("shift", "f8")])
_MOMENT = np.dtype(
    [
        ("channel", "i8"),  # counted from the neighbour's first channel
        ("feature", "i8"),  # radial one of the same channel: the moment of degree 0
        ("degree", "i8"),
    ]
)
_PRODUCT = np.dtype(
    [
        ("left", "i8"),  # moments, counted from the central element's first one
        ("right", "i8"),
        ("degree", "i8"),
        ("first_feature", "i8"),  # one for each series
        ("last_feature", "i8"),
        ("series", "i8"),  # in `parameters`: see `expansions.series_weights`
    ]
)
_GROUP = np.dtype(
    [
        ("envelope", "i8"),  # of the channel
        ("eta", "f8"),
        ("shift", "f8"),
        ("of_angle", "i8"),  # whether the curves are compact functions of the angle
        ("n_terms", "i8"),  # of the polynomial that R(r_jk) is; -1: it is none; 0: no R(r_jk)
        ("terms", "i8"),  # its coefficients in `parameters`, followed by those of R'(r) / r
        ("stretch", "f8"),
        ("degree", "i8"),  # highest power of the cosine; -1: none
        ("n_series", "i8"),
        ("series", "i8"),  # their coefficients [series, power] in `parameters`
        ("first_pair", "i8"),  # row of the first pair of elements
    ]
)
_PAIR = np.dtype(
    [
        ("used", "i8"),
        ("left", "i8"),  # channel, counted from the neighbour's first one
        ("right", "i8"),
        ("feature", "i8"),
        ("first_curve", "i8"),
        ("last_curve", "i8"),
    ]
)
_CURVE = np.dtype(
    [
        ("of_angle", "i8"),  # compact function of the angle, or (1 + lambda cos)^zeta
        ("lambda_", "f8"),
        ("zeta", "f8"),
        ("envelope", "i8"),
        ("feature", "i8"),
    ]
)
_LAYER = np.dtype(
    [
        ("inputs", "i8"),
        ("outputs", "i8"),
        ("activation", "i8"),
        ("weights", "i8"),  # [input][output] in `parameters`, outputs padded
        ("transposed", "i8"),  # [output][input], inputs padded
        ("biases", "i8"),
    ]
)
_ELEMENT = np.dtype(
    [
        ("first_moment", "i8"),
        ("last_moment", "i8"),
        ("first_product", "i8"),
        ("last_product", "i8"),
        ("product_feature", "i8"),  # first of those that are products of moments
        ("first_group", "i8"),
        ("last_group", "i8"),
        ("first_function", "i8"),
        ("n_functions", "i8"),
        ("first_layer", "i8"),
        ("last_layer", "i8"),
        ("first_feature", "i8"),
        ("n_features", "i8"),
        ("cutoff", "f8"),
        ("offset", "f8"),  # of the network's inputs
        ("energy", "f8"),  # of the atom apart from its network, eV
    ]
)


class Functions(NamedTuple):
    """Range of each symmetry function, and how it becomes an input of the network.

    The functions of an element begin a new vector.
    """

    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    origin: NDArray[np.float64]
    scale: NDArray[np.float64]


class SparseMatrix(NamedTuple):
    """Matrix of few entries, by blocks of as many rows as a vector has lanes.

    Attributes
    ----------
    starts
        Block b has the entries ``starts[b]`` to ``starts[b + 1] - 1``; an entry is a vector.
    columns, values
        One number per entry and lane; shape [entry * lane].
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]


DTYPES = {
    "elements": _ELEMENT,
    "neighbours": _NEIGHBOUR,
    "envelopes": _ENVELOPE,
    "channels": _CHANNEL,
    "moments": _MOMENT,
    "products": _PRODUCT,
    "groups": _GROUP,
    "pairs": _PAIR,
    "curves": _CURVE,
    "layers": _LAYER,
}


class Tables(NamedTuple):
    """A potential as the kernels read it (see the module's docstring).

    Attributes
    ----------
    combination
        Makes symmetry functions (rows) of features (columns). The columns of each element
        begin with 0.
    distribution
        Makes gradients with respect to features (rows) of gradients with respect to symmetry
        functions (columns).
    """

    elements: NDArray[np.void]
    neighbours: NDArray[np.void]
    envelopes: NDArray[np.void]
    channels: NDArray[np.void]
    moments: NDArray[np.void]
    products: NDArray[np.void]
    groups: NDArray[np.void]
    pairs: NDArray[np.void]
    curves: NDArray[np.void]
    layers: NDArray[np.void]
    functions: Functions
    combination: SparseMatrix
    distribution: SparseMatrix
    parameters: NDArray[np.float64]
    energy_unit: float


def padded(n: int) -> int:
    """Smallest multiple of the vector width that holds n numbers."""
    return -(-n // WIDTH) * WIDTH


def n_harmonics(degree: int) -> int:
    """Number of spherical harmonics of degrees 1 to ``degree``."""
    return degree * (degree + 2)
