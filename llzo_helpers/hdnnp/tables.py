"""Lay a potential out as tables for the compiled kernels.

Every symmetry function is a weighted sum of few *features* of an atom's surroundings:

* radial features: the sum of a radial *channel* R(r) over the neighbours of one element;
* angular features: the sum over pairs of neighbours (j, k) of two elements of
  R(r_ij) R(r_ik) [R(r_jk)] b(cos theta), with a *series* or a *curve* b.

Most functions have one feature; a weighted function (12, 13, 23 to 25) is the sum over
elements of the plain one, weighted by atomic numbers. All angular functions with the same radial
channel, narrow or wide, form a *group*; the kernels know about channels, groups, series and
curves only, never about types.

A series is (1 + lambda cos)^zeta with a whole exponent: a polynomial. All series of a group come
from the same sums of powers of the cosine. Without R(r_jk) these need no loop over pairs: the
sum over j and k of f_j f_k (u_j.u_k)^n is a dot product of two moments, sum_j f_j u_j^(x)n, of
degree n. A curve is anything else: a compact function of the angle, or another exponent.

The tables are NumPy structured arrays, one row per item; an item refers to others by row
numbers. Lengths are in Å, energies in eV.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

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
_CHANNEL = np.dtype([("envelope", "i8"), ("eta", "f8"), ("shift", "f8"), ("feature", "i8")])
_GROUP = np.dtype(
    [
        ("channel", "i8"),
        ("narrow", "i8"),  # whether R(r_jk) stands in the product
        ("moments", "i8"),  # whether moments replace the sum over pairs
        ("degree", "i8"),  # highest power of the cosine; -1: none
        ("n_series", "i8"),
        ("series", "i8"),  # their coefficients [series, power] in `parameters`
        ("first_pair", "i8"),  # row of the first pair of elements, unless moments are used
        ("feature", "i8"),  # with moments: first of the features [series, element, element]
    ]
)
_PAIR = np.dtype([("used", "i8"), ("feature", "i8"), ("first_curve", "i8"), ("last_curve", "i8")])
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
        ("first_envelope", "i8"),
        ("last_envelope", "i8"),
        ("first_channel", "i8"),
        ("last_channel", "i8"),
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


class Monomials(NamedTuple):
    """Monomials x^a y^b z^c, lower degrees first; within a degree higher a, then higher b.

    Attributes
    ----------
    first
        Number of the first monomial of each degree, and of the first one beyond them all.
    degrees
        Degree of each monomial.
    multinomials
        Multinomial coefficients.
    squared, lowered
        Number of the monomial times, and divided by, x^2, y^2, z^2; shape [monomial * xyz].
        Where that is none, the last number of all, for a row of zeros.
    raised, exponents
        Number of the monomial times x, y, z and the exponent of x, y, z therein; shape
        [monomial * xyz].
    """

    first: NDArray[np.int64]
    degrees: NDArray[np.int64]
    multinomials: NDArray[np.float64]
    squared: NDArray[np.int64]
    lowered: NDArray[np.int64]
    raised: NDArray[np.int64]
    exponents: NDArray[np.float64]


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
    "envelopes": _ENVELOPE,
    "channels": _CHANNEL,
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
    envelopes: NDArray[np.void]
    channels: NDArray[np.void]
    groups: NDArray[np.void]
    pairs: NDArray[np.void]
    curves: NDArray[np.void]
    layers: NDArray[np.void]
    functions: Functions
    combination: SparseMatrix
    distribution: SparseMatrix
    parameters: NDArray[np.float64]
    monomials: Monomials
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
    moments: bool


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
        self.functions: list[tuple[float, float, float, float]] = []
        self.combination: list[list[tuple[int, float]]] = []
        self.distribution: list[list[tuple[int, float]]] = []

    def add_element(self, element: ElementPotential) -> None:
        """Append the rows of one central element to all tables."""
        n_elements = len(self.symbols)
        channels = _unique([self._channel(f) for f in element.functions])
        # neighbours in the table share their envelope
        channels.sort(key=lambda c: (repr(c.envelope), c.eta, c.shift))
        envelopes = _unique([channel.envelope for channel in channels])
        first_envelope = len(self.rows["envelopes"])
        first_channel = len(self.rows["channels"])
        first_group = len(self.rows["groups"])
        first_function, first_feature = len(self.functions), len(self.distribution)
        first_layer = len(self.rows["layers"])
        for envelope in envelopes:
            self._add_envelope(envelope)
        last_envelope = len(self.rows["envelopes"])
        for i, channel in enumerate(channels):
            row = first_envelope + envelopes.index(channel.envelope)
            self.rows["channels"].append((row, channel.eta, channel.shift, i * n_elements))
        features = _Features(channels, n_elements)
        for group, members in self._groups(element.functions).items():
            self._add_group(group, members, first_channel + channels.index(group.channel), features)
        self._add_functions(element, features)
        self._add_network(element)
        per_atom = self.potential.mean_energy + element.atom_energy
        self.rows["elements"].append(
            (
                first_envelope,
                last_envelope,
                first_channel,
                len(self.rows["channels"]),
                first_group,
                len(self.rows["groups"]),
                first_function,
                len(element.functions),
                first_layer,
                len(self.rows["layers"]),
                first_feature,
                features.count,
                max(function.rc for function in element.functions) * self.length_unit,
                element.offset,
                per_atom * self.energy_unit,
            )
        )

    def tables(self) -> Tables:
        degrees = [row[3] for row in self.rows["groups"] if row[2]]
        return Tables(
            **{name: np.array(self.rows[name], dtype=dtype) for name, dtype in _DTYPES.items()},
            functions=Functions(*map(np.array, zip(*self.functions, strict=True))),
            combination=_sparse(self.combination),
            distribution=_sparse(self.distribution),
            parameters=np.array(self.parameters),
            monomials=_monomials(int(max(degrees, default=0))),
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

    def _group(self, function: SymmetryFunction) -> _Group:
        moments = not function.narrow and _series(function) is not None
        return _Group(self._channel(function), function.narrow, moments)

    def _groups(
        self, functions: tuple[SymmetryFunction, ...]
    ) -> dict[_Group, list[SymmetryFunction]]:
        groups: dict[_Group, list[SymmetryFunction]] = {}
        for function in functions:
            if not function.radial:
                groups.setdefault(self._group(function), []).append(function)
        return groups

    def _element_weights(self, function: SymmetryFunction) -> dict[tuple[int, ...], float]:
        """Neighbour elements, or pairs of them, that a function sums over, with weights."""
        if function.neighbors:
            return {tuple(sorted(self.symbols.index(s) for s in function.neighbors)): 1.0}
        numbers = [float(atomic_numbers[symbol]) for symbol in self.symbols]
        if function.radial:
            return {(a,): numbers[a] for a in range(len(numbers))}
        return {(a, b): numbers[a] * numbers[b] for a, b in self.element_pairs}

    def _add_envelope(self, envelope: _Envelope) -> int:
        self.rows["envelopes"].append(
            (
                envelope.shape,
                envelope.two_sided,
                envelope.asymmetric,
                envelope.centre,
                envelope.inverse_width,
                envelope.left,
                envelope.right,
            )
        )
        return len(self.rows["envelopes"]) - 1

    def _add_group(
        self,
        group: _Group,
        members: list[SymmetryFunction],
        channel_row: int,
        features: _Features,
    ) -> None:
        series = _unique([f for f in map(_series, members) if f])
        degree = max((zeta for _, zeta in series), default=-1)
        first_series = len(self.parameters)
        for lambda_, zeta in series:
            self.parameters += [math.comb(zeta, n) * lambda_**n for n in range(degree + 1)]
        feature = features.add_moments(group, series) if group.moments else 0
        self.rows["groups"].append(
            (
                channel_row,
                group.narrow,
                group.moments,
                degree,
                len(series),
                first_series,
                len(self.rows["pairs"]),
                feature,
            )
        )
        for pair in [] if group.moments else self.element_pairs:
            own = [f for f in members if pair in self._element_weights(f)]
            curves = _unique([_curve(f) for f in own if not _series(f)])
            feature = features.add_pair(group, pair, series, curves) if own else 0
            first_curve = len(self.rows["curves"])
            for i, curve in enumerate(curves):
                row = self._add_envelope(curve.envelope) if curve.envelope else 0
                self.rows["curves"].append(
                    (curve.of_angle, curve.lambda_, curve.zeta, row, feature + len(series) + i)
                )
            self.rows["pairs"].append((bool(own), feature, first_curve, len(self.rows["curves"])))

    def _terms(
        self, function: SymmetryFunction, features: _Features
    ) -> list[tuple[int, int, float]]:
        """Features, their twins and their weights that add up to a symmetry function."""
        weights = self._element_weights(function)
        if function.radial:
            channel = self._channel(function)
            return [(features.radial(channel, a), -1, w) for (a,), w in weights.items()]
        prefactor = 1.0 if function.compact else 2.0 ** (1.0 - function.zeta)
        group, shape = self._group(function), _series(function) or _curve(function)
        terms = []
        for (a, b), weight in weights.items():
            feature, twin = features.angular[group, (a, b), shape]
            # products of moments count each pair of neighbours of one element twice
            share = 0.5 if group.moments and a == b else 1.0
            terms.append((feature, twin, share * weight * prefactor))
        return terms

    def _add_functions(self, element: ElementPotential, features: _Features) -> None:
        n = len(element.functions)
        combination: list[list[tuple[int, float]]] = [[] for _ in range(padded(n))]
        distribution: list[list[tuple[int, float]]] = [[] for _ in range(padded(features.count))]
        for i, function in enumerate(element.functions):
            for feature, twin, weight in self._terms(function, features):
                combination[i].append((feature, weight))
                for row in (feature, twin) if twin >= 0 else (feature,):
                    distribution[row].append((i, weight))
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
            starts = []
            for block in (full, full.T, full_biases):
                starts.append(len(self.parameters))
                self.parameters.extend(block.ravel().tolist())
            self.rows["layers"].append((inputs, outputs, ACTIVATIONS.index(activation), *starts))


class _Features:
    """Numbers of the features of one central element."""

    def __init__(self, channels: list[_Channel], n_elements: int) -> None:
        self.channels = channels
        self.n_elements = n_elements
        self.count = len(channels) * n_elements
        self.angular: dict[tuple[_Group, tuple[int, int], _Series | _Curve], tuple[int, int]] = {}
        """Number of a feature and of its twin (-1: none)."""

    def radial(self, channel: _Channel, element: int) -> int:
        return self.channels.index(channel) * self.n_elements + element

    def add_pair(
        self,
        group: _Group,
        pair: tuple[int, int],
        series: list[_Series],
        curves: list[_Curve],
    ) -> int:
        first = self.count
        shapes: list[_Series | _Curve] = [*series, *curves]
        for shape in shapes:
            self.angular[group, pair, shape] = self.count, -1
            self.count += 1
        return first

    def add_moments(self, group: _Group, series: list[_Series]) -> int:
        first, stride = self.count, padded(self.n_elements)
        for shape in series:
            for a, b in itertools.combinations_with_replacement(range(self.n_elements), 2):
                twins = self.count + a * stride + b, self.count + b * stride + a
                self.angular[group, (a, b), shape] = twins
            self.count += -(-self.n_elements // 4) * 4 * stride  # the kernels take four at once
        return first


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
    return SparseMatrix(np.array(starts), pairs[:, 0].astype(np.int64), pairs[:, 1].copy())


def _series(function: SymmetryFunction) -> _Series | None:
    """Lambda and zeta if (1 + lambda cos)^zeta is a short polynomial of the cosine.

    Beyond |lambda| = 1 the function is cut to zero where the base is negative.
    """
    whole = function.zeta == int(function.zeta) and 1 <= function.zeta <= MAX_POWER
    if function.compact or not whole or abs(function.lambda_) > 1.0:
        return None
    return function.lambda_, int(function.zeta)


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


def _monomials(degree: int) -> Monomials:
    """All monomials up to a degree."""
    exponents = [
        (a, b, n - a - b)
        for n in range(degree + 1)
        for a in range(n, -1, -1)
        for b in range(n - a, -1, -1)
    ]
    number: dict[tuple[int, ...], int] = {e: m for m, e in enumerate(exponents)}
    # the kernels take eight monomials at once, and keep sums of squares behind them all
    total = len(exponents) + WIDTH
    multinomials = np.zeros(total)
    squared = np.full((total, 3), total - 1)
    lowered, raised = squared.copy(), squared.copy()
    raised_exponents = np.zeros((total, 3))
    for m, e in enumerate(exponents):
        multinomials[m] = math.factorial(sum(e)) / math.prod(map(math.factorial, e))
        for k in range(3):
            for table, step in ((squared, 2), (lowered, -2), (raised, 1)):
                moved = (*e[:k], e[k] + step, *e[k + 1 :])
                table[m, k] = number.get(moved, total - 1)
            raised_exponents[m, k] = e[k] + 1
    first = np.cumsum([0] + [(n + 1) * (n + 2) // 2 for n in range(degree + 1)])
    degrees = np.array([sum(e) for e in exponents])
    return Monomials(
        first,
        degrees,
        multinomials,
        squared.ravel(),
        lowered.ravel(),
        raised.ravel(),
        raised_exponents.ravel(),
    )
