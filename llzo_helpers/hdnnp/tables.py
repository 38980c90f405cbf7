"""Lay a potential out as tables for the compiled kernels.

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
sums over neighbours of f_j times the spherical harmonics of degree l (see `harmonic_weight`).

A curve is anything else: a compact function of the angle, or another exponent. Curves, and series
with R(r_jk), are summed over pairs; those with the same radial channel form a *group*, because
all series of a group come from the same sums of powers of the cosine.

The tables are NumPy structured arrays, one row per item; an item refers to others by row
numbers. Lengths are in Å, energies in eV.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from llzo_helpers.hdnnp.files import ACTIVATIONS, ElementPotential, Potential, SymmetryFunction
from llzo_helpers.hdnnp.vector import WIDTH

_T = TypeVar("_T")
_Series = tuple[float, int]  # lambda, zeta

# above this degree moments cost more than the pairs of neighbours, and binomial series
# begin to lose digits
MAX_POWER = 8

# numbers of terms of polynomials (see `even_polynomial`) that the kernels are made for
SHORT, LONG = 12, 20

# shapes of cutoffs and compact functions, numbered like n2p2's cutoff types
CONSTANT, COSINE, TANH, TANH_NORMALIZED, BUMP, POLY1, POLY2, POLY3, POLY4 = range(9)
_COMPACT_SHAPES = {"e": BUMP, "p1": POLY1, "p2": POLY2, "p3": POLY3, "p4": POLY4}

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
_NEIGHBOR = np.dtype(
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
        ("series", "i8"),  # in `parameters`: see `_series_weights`
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


_DTYPES = {
    "elements": _ELEMENT,
    "neighbours": _NEIGHBOR,
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


def build_tables(potential: Potential, length_unit: float, energy_unit: float) -> Tables:
    """Lay out a potential.

    Parameters
    ----------
    potential
        What `read_potential` returned.
    length_unit, energy_unit
        The potential's units in Å and eV.
    """
    builder = _Builder(potential, length_unit, energy_unit)
    for element in potential.elements:
        builder.add_element(element)
    return builder.tables()


@dataclass(frozen=True)
class _Envelope:
    shape: int
    two_sided: bool
    asymmetric: bool
    centre: float
    inverse_width: float
    left: float
    right: float


@dataclass(frozen=True)
class _Channel:
    envelope: _Envelope
    eta: float
    shift: float


@dataclass(frozen=True)
class _Curve:
    of_angle: bool
    lambda_: float = 0.0
    zeta: float = 0.0
    envelope: _Envelope | None = None


@dataclass(frozen=True)
class _Group:
    channel: _Channel
    narrow: bool


_Product = tuple[_Channel, tuple[int, ...]]  # channel of two moments, elements of neighbours
_GroupPair = tuple[_Group, tuple[int, ...]]


class _Builder:
    def __init__(self, potential: Potential, length_unit: float, energy_unit: float) -> None:
        self.potential = potential
        self.length_unit = length_unit
        self.energy_unit = energy_unit
        self.symbols = [element.symbol for element in potential.elements]
        n = len(self.symbols)
        self.element_pairs = list(itertools.combinations_with_replacement(range(n), 2))
        self.rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in _DTYPES}
        self.parameters: list[float] = []
        self.series: dict[tuple[tuple[_Series, ...], bool], int] = {}
        self.functions: list[tuple[float, float, float, float]] = []
        self.combination: list[list[tuple[int, float]]] = []
        self.distribution: list[list[tuple[int, float]]] = []

    def add_element(self, element: ElementPotential) -> None:
        """Append the rows of one central element to all tables."""
        firsts = {name: len(rows) for name, rows in self.rows.items()}
        first_function, first_feature = len(self.functions), len(self.distribution)
        features = _Features(self._channels(element.functions))
        products, groups = self._products_and_groups(element.functions)
        self._add_neighbours(products, features)
        product_feature = features.count
        for product, series in products.items():
            self._add_product(product, series, features)
        features.count = padded(features.count)
        for group, members in groups.items():
            self._add_group(group, members, features)
        self._add_functions(element, features)
        self._add_network(element)
        per_atom = self.potential.mean_energy + element.atom_energy
        self.rows["elements"].append(
            (
                firsts["moments"],
                len(self.rows["moments"]),
                firsts["products"],
                len(self.rows["products"]),
                product_feature,
                firsts["groups"],
                len(self.rows["groups"]),
                first_function,
                len(element.functions),
                firsts["layers"],
                len(self.rows["layers"]),
                first_feature,
                features.count,
                max(function.rc for function in element.functions) * self.length_unit,
                element.offset,
                per_atom * self.energy_unit,
            )
        )

    def tables(self) -> Tables:
        return Tables(
            **{name: np.array(self.rows[name], dtype=dtype) for name, dtype in _DTYPES.items()},
            functions=Functions(*map(_aligned, zip(*self.functions, strict=True))),
            combination=_sparse(self.combination),
            distribution=_sparse(self.distribution),
            parameters=_aligned(self.parameters),
            energy_unit=self.energy_unit / self.potential.conv_energy,
        )

    def _channel(self, function: SymmetryFunction) -> _Channel:
        unit = self.length_unit
        if function.compact:
            envelope = _compact(function.subtype, function.rl * unit, function.rc * unit)
            return _Channel(envelope, 0.0, 0.0)
        shape = self.potential.cutoff_type
        has_inner = shape not in (CONSTANT, TANH, TANH_NORMALIZED)
        right = function.rc * unit
        inner = self.potential.cutoff_alpha * right if has_inner else 0.0
        envelope = _Envelope(shape, False, False, inner, 1.0 / (right - inner), -1.0, right)
        return _Channel(
            envelope, function.eta / unit**2, function.rs * unit if function.eta else 0.0
        )

    def _channels(self, functions: tuple[SymmetryFunction, ...]) -> list[list[_Channel]]:
        """Radial channels for the neighbours of each element."""
        channels: list[list[_Channel]] = [[] for _ in self.symbols]
        for function in functions:
            for a in {a for pair in self._element_weights(function) for a in pair}:
                channels[a].append(self._channel(function))
        # neighbours in the table share their envelope
        return [
            sorted(_unique(own), key=lambda c: (repr(c.envelope), c.eta, c.shift))
            for own in channels
        ]

    def _products_and_groups(
        self, functions: tuple[SymmetryFunction, ...]
    ) -> tuple[dict[_Product, list[_Series]], dict[_Group, list[SymmetryFunction]]]:
        """Angular functions that are products of moments, and those that need pairs."""
        products: dict[_Product, list[_Series]] = {}
        groups: dict[_Group, list[SymmetryFunction]] = {}
        for function in functions:
            if function.radial:
                continue
            channel, series = self._channel(function), _series(function)
            if series and not function.narrow:
                for pair in self._element_weights(function):
                    products.setdefault((channel, pair), []).append(series)
            else:
                groups.setdefault(_Group(channel, function.narrow), []).append(function)
        return {product: _unique(series) for product, series in products.items()}, groups

    def _add_neighbours(self, products: dict[_Product, list[_Series]], features: _Features) -> None:
        """Add channels and moments of the neighbours of all elements."""
        degrees: dict[tuple[int, _Channel], int] = {}
        for (channel, pair), series in products.items():
            for a in pair:
                degrees[a, channel] = max(degrees.get((a, channel), 0), _degree(series))
        for a, channels in enumerate(features.channels):
            first_channel, first_moment = len(self.rows["channels"]), len(self.rows["moments"])
            feature = features.add_radial(a)
            for i, channel in enumerate(channels):
                row = self._envelope_row(channel.envelope)
                self.rows["channels"].append((row, channel.eta, channel.shift))
                if (a, channel) in degrees:
                    features.moments[a, channel] = len(features.moments)
                    self.rows["moments"].append((i, feature + i, degrees[a, channel]))
            degree = max((row[2] for row in self.rows["moments"][first_moment:]), default=0)
            self.rows["neighbours"].append(
                (
                    first_channel,
                    len(self.rows["channels"]),
                    feature,
                    first_moment,
                    len(self.rows["moments"]),
                    degree,
                )
            )

    def _add_product(self, product: _Product, series: list[_Series], features: _Features) -> None:
        channel, (a, b) = product
        degree = _degree(series)
        # most products have the same series: few numbers stay in the fastest memory
        key = (tuple(series), a == b)
        if key not in self.series:
            weights = [_series_weights(*one, degree, alike=a == b) for one in series]
            self.series[key] = self._add_parameters(np.concatenate(weights))
        feature = features.add_angular(product, series)
        self.rows["products"].append(
            (
                features.moments[a, channel],
                features.moments[b, channel],
                degree,
                feature,
                feature + len(series),
                self.series[key],
            )
        )

    def _add_parameters(self, values: NDArray[np.float64]) -> int:
        """Add parameters at the beginning of a vector."""
        self.parameters += [0.0] * (padded(len(self.parameters)) - len(self.parameters))
        first = len(self.parameters)
        self.parameters += values.ravel().tolist()
        return first

    def _element_weights(self, function: SymmetryFunction) -> dict[tuple[int, ...], float]:
        """Neighbour elements, or pairs of them, that a function sums over, with weights."""
        if function.neighbours:
            return {tuple(sorted(self.symbols.index(s) for s in function.neighbours)): 1.0}
        numbers = [float(atomic_numbers[symbol]) for symbol in self.symbols]
        if function.radial:
            return {(a,): numbers[a] for a in range(len(numbers))}
        return {(a, b): numbers[a] * numbers[b] for a, b in self.element_pairs}

    def _envelope_row(self, envelope: _Envelope) -> int:
        row = astuple(envelope)
        if row not in self.rows["envelopes"]:
            self.rows["envelopes"].append(row)
        return self.rows["envelopes"].index(row)

    def _add_group(
        self, group: _Group, members: list[SymmetryFunction], features: _Features
    ) -> None:
        channel = group.channel
        series = _unique([f for f in map(_series, members) if f])
        degree = max((zeta for _, zeta in series), default=-1)
        powers = [
            math.comb(zeta, n) * lambda_**n for lambda_, zeta in series for n in range(degree + 1)
        ]
        terms = even_polynomial(channel) if group.narrow else None
        self.rows["groups"].append(
            (
                self._envelope_row(channel.envelope),
                channel.eta,
                channel.shift,
                any(function.compact for function in members),
                -int(group.narrow) if terms is None else terms.shape[1],
                0 if terms is None else self._add_parameters(terms),
                2.0 / channel.envelope.right**2,
                degree,
                len(series),
                self._add_parameters(np.array(powers)),
                len(self.rows["pairs"]),
            )
        )
        for pair in self.element_pairs:
            own = [f for f in members if pair in self._element_weights(f)]
            if not own:
                self.rows["pairs"].append((False, 0, 0, 0, 0, 0))
                continue
            left, right = (features.channels[a].index(channel) for a in pair)
            curves = _unique([_curve(f) for f in own if not _series(f)])
            feature = features.add_angular((group, pair), [*series, *curves])
            first_curve = len(self.rows["curves"])
            for i, curve in enumerate(curves):
                row = self._envelope_row(curve.envelope) if curve.envelope else 0
                self.rows["curves"].append(
                    (curve.of_angle, curve.lambda_, curve.zeta, row, feature + len(series) + i)
                )
            last_curve = len(self.rows["curves"])
            self.rows["pairs"].append((True, left, right, feature, first_curve, last_curve))

    def _terms(self, function: SymmetryFunction, features: _Features) -> list[tuple[int, float]]:
        """Features and their weights that add up to a symmetry function."""
        weights = self._element_weights(function)
        channel = self._channel(function)
        if function.radial:
            return [(features.radial(a, channel), w) for (a,), w in weights.items()]
        prefactor = 1.0 if function.compact else 2.0 ** (1.0 - function.zeta)
        series = _series(function)
        by_moments = series is not None and not function.narrow
        group = None if by_moments else _Group(channel, function.narrow)
        shape = series or _curve(function)
        terms = []
        for pair, weight in weights.items():
            sum_ = (group, pair) if group else (channel, pair)
            terms.append((features.angular[sum_, shape], weight * prefactor))
        return terms

    def _add_functions(self, element: ElementPotential, features: _Features) -> None:
        n = len(element.functions)
        combination: list[list[tuple[int, float]]] = [[] for _ in range(padded(n))]
        distribution: list[list[tuple[int, float]]] = [[] for _ in range(padded(features.count))]
        for i, function in enumerate(element.functions):
            for feature, weight in self._terms(function, features):
                combination[i].append((feature, weight))
                distribution[feature].append((i, weight))
        self.combination += combination
        self.distribution += distribution
        self.functions += zip(
            element.minimum, element.maximum, element.origin, element.scale, strict=True
        )
        self.functions += [(-np.inf, np.inf, 0.0, 0.0)] * (padded(n) - n)

    def _add_network(self, element: ElementPotential) -> None:
        network = element.network
        for weights, biases, activation in zip(
            network.weights, network.biases, network.activations, strict=True
        ):
            inputs, outputs = weights.shape
            full = np.zeros((padded(inputs), padded(outputs)))
            full[:inputs, :outputs] = weights
            full_biases = np.zeros(padded(outputs))
            full_biases[:outputs] = biases
            starts = [self._add_parameters(block) for block in (full, full.T, full_biases)]
            self.rows["layers"].append((inputs, outputs, ACTIVATIONS.index(activation), *starts))


class _Features:
    """Numbers of the features of one central element.

    Attributes
    ----------
    channels
        For the neighbours of each element.
    moments
        Number of each moment.
    angular
        Feature of a product of moments, or a group and a pair of elements, and of its series
        or curve.
    """

    def __init__(self, channels: list[list[_Channel]]) -> None:
        self.channels = channels
        self.moments: dict[tuple[int, _Channel], int] = {}
        self.angular: dict[tuple[_Product | _GroupPair, _Series | _Curve], int] = {}
        self.count = 0
        self._first_radial: list[int] = []

    def add_radial(self, element: int) -> int:
        self._first_radial.append(self.count)
        self.count += padded(len(self.channels[element]))
        return self._first_radial[-1]

    def radial(self, element: int, channel: _Channel) -> int:
        return self._first_radial[element] + self.channels[element].index(channel)

    def add_angular(self, sum_: _Product | _GroupPair, shapes: Sequence[_Series | _Curve]) -> int:
        first = self.count
        for shape in shapes:
            self.angular[sum_, shape] = self.count
            self.count += 1
        return first


def _aligned(numbers: Iterable[float]) -> NDArray[np.float64]:
    """Array that begins at a multiple of 64 bytes, as processors like to load vectors."""
    numbers = np.array(numbers, float)
    buffer = np.empty(numbers.size + WIDTH)
    offset = (-buffer.ctypes.data % 64) // 8
    aligned = buffer[offset : offset + numbers.size]
    aligned[:] = numbers.ravel()
    return aligned


def _unique(items: list[_T]) -> list[_T]:
    return list(dict.fromkeys(items))


def _sparse(rows: list[list[tuple[int, float]]]) -> SparseMatrix:
    """Matrix of the (column, value) of each row."""
    starts = [0]
    entries: list[tuple[tuple[int, float], ...]] = []
    for first in range(0, len(rows), WIDTH):
        block = rows[first : first + WIDTH]
        entries += itertools.zip_longest(*block, fillvalue=(0, 0.0))
        starts.append(len(entries))
    pairs = np.array(entries).reshape(-1, 2)
    return SparseMatrix(np.array(starts), pairs[:, 0].astype(np.int64), _aligned(pairs[:, 1]))


def _series(function: SymmetryFunction) -> _Series | None:
    """Lambda and zeta if (1 + lambda cos)^zeta is a short polynomial of the cosine.

    Beyond |lambda| = 1 the function is cut to zero where the base is negative.
    """
    whole = function.zeta == int(function.zeta) and 1 <= function.zeta <= MAX_POWER
    if function.compact or not whole or abs(function.lambda_) > 1.0:
        return None
    return function.lambda_, int(function.zeta)


def _degree(series: list[_Series]) -> int:
    """Highest degree of the moments that series need."""
    degree = max(zeta for _, zeta in series)
    return 4 if degree == 3 else degree  # the kernels are made for 1, 2, 4 and any above


def n_harmonics(degree: int) -> int:
    """Number of spherical harmonics of degrees 1 to ``degree``."""
    return degree * (degree + 2)


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


def _series_weights(lambda_: float, zeta: int, degree: int, *, alike: bool) -> NDArray[np.float64]:
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


def even_polynomial(channel: _Channel) -> NDArray[np.float64] | None:
    """Fit a radial channel by a polynomial of r^2, if a short one agrees to 1e-14.

    It does for the cosine cutoff, which is even in r, times a wide Gaussian around r = 0.

    Returns
    -------
    coefficients
        Of the channel and of its derivative divided by r, shape [2, term], as powers of
        2 r^2 / r_c^2 - 1; lower powers first.
    """
    envelope = channel.envelope
    if envelope.shape != COSINE or envelope.centre or channel.shift:
        return None

    def value(x: Any) -> Any:
        squared = (x + 1.0) / 2.0
        shape = 0.5 * (np.cos(np.pi * np.sqrt(squared)) + 1.0)
        return shape * np.exp(-channel.eta * envelope.right**2 * squared)

    x: Any = np.linspace(-1.0, 1.0, 1001)
    for n_terms in (SHORT, LONG):
        series = np.polynomial.Chebyshev.interpolate(value, n_terms - 1)
        fit = series.convert(kind=np.polynomial.Polynomial)
        if np.abs(fit(x) - value(x)).max() < 1e-14:
            # by the chain rule, R'(r) / r is the derivative with respect to x times 4 / r_c^2
            factor = 4.0 / envelope.right**2
            slope = [*(factor * c for c in fit.deriv().coef.tolist()), 0.0]
            return np.array([fit.coef.tolist(), slope])
    return None


def _curve(function: SymmetryFunction) -> _Curve:
    if not function.compact:
        return _Curve(False, function.lambda_, function.zeta)
    left, right = math.radians(function.angle_left), math.radians(function.angle_right)
    # the subtype's suffix `a` concerns the radial part only
    return _Curve(True, envelope=_compact(function.subtype.rstrip("a"), left, right))


def _compact(subtype: str, left: float, right: float) -> _Envelope:
    asymmetric = subtype.endswith("a")
    shape = _COMPACT_SHAPES[subtype.rstrip("a")]
    centre, inverse_width = (left + right) / 2.0, 2.0 / (right - left)
    return _Envelope(shape, True, asymmetric, centre, inverse_width, left, right)
