"""Energy and forces of atoms: the compiled part.

`evaluate` runs over central atoms. For each it

1. collects the neighbours within the cutoff, in blocks of one element each, padded to whole
   vectors with neighbours that lie outside all cutoffs and so contribute nothing;
2. evaluates every radial channel and its derivative for all neighbours at once;
3. sums up the features, by moments or over pairs of neighbours (see `tables`);
4. combines features to symmetry functions, evaluates the network and its gradient;
5. carries the gradient back to features, channels and neighbour positions.

Two-dimensional scratch arrays have one quantity per row and one neighbour per column.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from llzo_helpers.hdnnp.tables import (
    BUMP,
    CONSTANT,
    COSINE,
    MAX_POWER,
    POLY1,
    POLY2,
    POLY3,
    TANH,
    TANH_NORMALIZED,
)
from llzo_helpers.hdnnp.vector import (
    WIDTH,
    acos,
    add_to_rows,
    compress,
    count,
    exp,
    exp2,
    expand,
    from_bits,
    gather,
    gather_rows,
    item,
    lane,
    lanes,
    less,
    load,
    log,
    maximum,
    minimum,
    nearest,
    power,
    put,
    sin_cos_quarter_turn,
    splat,
    sqrt,
    store,
    tanh,
    to_bits,
    total,
    totals,
    where,
)

# rows of the array of neighbours: position relative to the central atom, distance, its
# inverse; direction
X, Y, Z, R, INVERSE_R, UX, UY, UZ = range(8)
# rows of the array of gradients: with respect to a neighbour's position, to which comes
# ALONG times the position itself
GX, GY, GZ, ALONG = range(4)
# rows of the list of pairs: f_j f_k; cosine; f_jk; distance squared, then f_jk' / r_jk
PRODUCT, COSINE_JK, VALUE, DISTANCE = range(4)
SLOPE = DISTANCE

_LOG2_E = 1.0 / math.log(2.0)
_TANH_NORMALIZATION = 1.0 / math.tanh(1.0) ** 3
# n2p2 reports extrapolation beyond this margin only
_MARGIN = 1000.0 * np.finfo(float).eps


# Kernels allocate nothing, so numba need not count references to arrays: it would at every call,
# for each of the tables, and that took a tenth of the time. (`_nrt` is numba's "runtime",
# which counts.) Nor do they look whether a divisor is zero.
compiled = njit(_nrt=False, error_model="numpy")
inlined = njit(_nrt=False, error_model="numpy", forceinline=True)


# ---------------------------------------------------------------- radial channels


@compiled
def _shape(shape: int, x: Any) -> Any:
    """Cutoff shape and its derivative; x from 0 (value 1) to 1 (value 0)."""
    if shape == COSINE:
        # half the angle, from -45 to 45 degrees
        sine, cosine = sin_cos_quarter_turn(0.5 * x - 0.25)
        difference = cosine - sine
        slope = (cosine + sine) * difference * (-0.5 * math.pi)
        return 0.5 * difference * difference, slope
    if shape in (TANH, TANH_NORMALIZED):
        factor = _TANH_NORMALIZATION if shape == TANH_NORMALIZED else 1.0
        t = tanh(1.0 - x)
        return factor * t * t * t, -3.0 * factor * t * t * (1.0 - t * t)
    if shape == BUMP:
        x = minimum(x, splat(1.0 - 1e-6))
        inverse = 1.0 / (x * x - 1.0)
        value = exp(1.0 + inverse)
        return value, -2.0 * x * inverse * inverse * value
    if shape == CONSTANT:
        return splat(1.0), splat(0.0)
    # the polynomials of n2p2, factored: no term cancels another near x = 1
    rest = 1.0 - x
    square = rest * rest
    if shape == POLY1:
        return square * (1.0 + 2.0 * x), -6.0 * x * rest
    if shape == POLY2:
        value = square * rest * (1.0 + x * (3.0 + 6.0 * x))
        return value, -30.0 * x * x * square
    if shape == POLY3:
        value = square * square * (1.0 + x * (4.0 + x * (10.0 + 20.0 * x)))
        return value, -140.0 * x * x * x * square * rest
    value = 1.0 + x * (5.0 + x * (15.0 + x * (35.0 + 70.0 * x)))
    return square * square * rest * value, -630.0 * x * x * x * x * square * square


@compiled
def _envelope(envelope: Any, r: Any) -> Any:
    """Cutoff or compact function and its derivative, zero outside its support."""
    x = (r - envelope.centre) * envelope.inverse_width
    slope = splat(envelope.inverse_width)
    zero = splat(0.0)
    if envelope.two_sided != 0:
        left_half = less(x, zero)
        x = where(left_half, -x, x)
        slope = where(left_half, -slope, slope)
    x = minimum(maximum(x, zero), splat(1.0))
    if envelope.asymmetric != 0:
        slope = slope * 2.0 * (1.0 - x)
        x = (2.0 - x) * x
    value, derivative = _shape(envelope.shape, x)
    derivative = derivative * slope
    inside = less(r, splat(envelope.right))
    value = where(inside, value, zero)
    derivative = where(inside, derivative, zero)
    if envelope.two_sided != 0:
        inside = less(splat(envelope.left), r)
        value = where(inside, value, zero)
        derivative = where(inside, derivative, zero)
    return value, derivative


@inlined
def _gaussian(eta: float, shift: float, r: Any, value: Any, derivative: Any) -> Any:
    """Envelope times exp(-eta (r - shift)^2), and its derivative."""
    if eta == 0.0:
        return value, derivative
    d = r - shift
    gaussian = exp2(d * d * (-eta * _LOG2_E))
    value = value * gaussian
    return value, derivative * gaussian - 2.0 * eta * d * value


@inlined
def _evaluate_channels(tables: Any, neighbour: Any, start: int, stop: int, work: Any) -> None:
    """R(r_ij) and its derivative for every channel (row) and neighbour (column) of one element."""
    near, values, slopes = work.near, work.values, work.slopes
    channels = tables.channels
    channel = neighbour.first_channel
    while channel < neighbour.last_channel:
        first, envelope = channel, channels[channel].envelope
        while channel < neighbour.last_channel and channels[channel].envelope == envelope:
            channel += 1
        for j in range(start, stop, WIDTH):
            r = load(near, (R, j))
            value, slope = _envelope(tables.envelopes[envelope], r)
            for c in range(first, channel):
                f, df = _gaussian(channels[c].eta, channels[c].shift, r, value, slope)
                row = c - neighbour.first_channel
                store(values, (row, j), f)
                store(slopes, (row, j), df)


@inlined
def _sum_channels(neighbour: Any, start: int, stop: int, work: Any) -> None:
    """Radial features: sums over the neighbours of one element."""
    values, features = work.values, work.features
    for row in range(0, neighbour.last_channel - neighbour.first_channel, WIDTH):
        s0, s1, s2, s3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        s4, s5, s6, s7 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        for j in range(start, stop, WIDTH):
            s0 = s0 + load(values, (row, j))
            s1 = s1 + load(values, (row + 1, j))
            s2 = s2 + load(values, (row + 2, j))
            s3 = s3 + load(values, (row + 3, j))
            s4 = s4 + load(values, (row + 4, j))
            s5 = s5 + load(values, (row + 5, j))
            s6 = s6 + load(values, (row + 6, j))
            s7 = s7 + load(values, (row + 7, j))
        store(features, neighbour.feature + row, totals(s0, s1, s2, s3, s4, s5, s6, s7))


# ---------------------------------------------------------------- curves of the angle


@compiled
def _curve(curve: Any, envelopes: Any, cosine: Any) -> Any:
    """Curve of an angle, and its derivative with respect to the cosine."""
    zero = splat(0.0)
    if curve.of_angle != 0:
        angle = acos(cosine)
        value, derivative = _envelope(envelopes[curve.envelope], angle)
        sine = sqrt(maximum(1.0 - cosine * cosine, zero))
        collinear = less(sine, splat(1e-12))
        derivative = where(collinear, zero, -derivative / where(collinear, splat(1.0), sine))
        return value, derivative
    base = 1.0 + curve.lambda_ * cosine
    positive = less(zero, base)
    base = where(positive, base, splat(1.0))
    value = power(base, curve.zeta)
    derivative = curve.lambda_ * curve.zeta * value / base
    return where(positive, value, zero), where(positive, derivative, zero)


# ---------------------------------------------------------------- features by moments
#
# For the spherical harmonics Q_l^m(z) A_m(x, y) and Q_l^m(z) B_m(x, y) see
# `tables.harmonic_weight`. That of degree 0 is one: its moment is the radial feature.


@inlined
def _n_harmonics(degree: int) -> int:
    """Number of harmonics of degrees 1 to ``degree``."""
    return degree * (degree + 2)


@inlined
def _number(degree: int, order: int) -> int:
    """Number of a harmonic among all."""
    return degree * (degree + 1) + order - 1


@inlined
def _next_degree(degree: int, order: int, z: Any, last: Any, last_but_one: Any) -> Any:
    """Q_l^m(z) from those of the two degrees before, by the recursion of Legendre polynomials."""
    factor = (degree + order - 1.0) / ((2.0 * degree - 1.0) * (2.0 * degree - 3.0))
    return (z * last - factor * last_but_one) * (1.0 / (degree - order))


@inlined
def _evaluate_harmonics(degree: int, start: int, stop: int, work: Any) -> None:
    """Harmonics of the directions to neighbours of one element.

    Those of eight neighbours lie together: harmonic h of the neighbours j to j + 7 begins at
    ``_padded(_n_harmonics(degree)) * (j - start) + WIDTH * h``.
    """
    near, harmonics = work.near, work.harmonics
    for j in range(start, stop, WIDTH):
        x, y, z = load(near, (UX, j)), load(near, (UY, j)), load(near, (UZ, j))
        tile = _padded(_n_harmonics(degree)) * (j - start)
        cosine, sine = splat(1.0), splat(0.0)
        for m in range(degree + 1):
            last, q = splat(0.0), splat(1.0)
            for l in range(m, degree + 1):  # noqa: E741
                if l > m:
                    last, q = q, _next_degree(l, m, z, q, last)
                if l > 0:
                    store(harmonics, tile + WIDTH * _number(l, m), q * cosine)
                if m > 0:
                    store(harmonics, tile + WIDTH * _number(l, -m), q * sine)
            factor = 1.0 / (m + 1.0)
            cosine, sine = (x * cosine - y * sine) * factor, (x * sine + y * cosine) * factor


@inlined
def _sum_moments(tables: Any, neighbour: Any, first: int, start: int, stop: int, work: Any) -> None:
    """Moments of the neighbours of one element, and sums of f_j^2 (not yet over lanes)."""
    values, harmonics = work.values, work.harmonics
    stride = _padded(_n_harmonics(neighbour.degree))
    for i in range(neighbour.first_moment, neighbour.last_moment):
        row = tables.moments[i].channel
        for h in range(0, _n_harmonics(tables.moments[i].degree), WIDTH):
            eight = _eight_moments(harmonics, stride, h, values, row, start, stop)
            store(work.moments, (i - first, h), eight)
        sum_ = splat(0.0)
        for j in range(start, stop, WIDTH):
            f = load(values, (row, j))
            sum_ = sum_ + f * f
        store(work.squares, (i - first, 0), sum_)


@inlined
def _eight_moments(
    harmonics: Any, stride: int, h: int, values: Any, row: int, start: int, stop: int
) -> Any:
    """Sums over neighbours of the harmonics h to h + 7 times a radial channel."""
    s0, s1, s2, s3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    s4, s5, s6, s7 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for j in range(start, stop, WIDTH):
        f = load(values, (row, j))
        i = stride * (j - start) + WIDTH * h
        s0 = s0 + f * load(harmonics, i)
        s1 = s1 + f * load(harmonics, i + WIDTH)
        s2 = s2 + f * load(harmonics, i + 2 * WIDTH)
        s3 = s3 + f * load(harmonics, i + 3 * WIDTH)
        s4 = s4 + f * load(harmonics, i + 4 * WIDTH)
        s5 = s5 + f * load(harmonics, i + 5 * WIDTH)
        s6 = s6 + f * load(harmonics, i + 6 * WIDTH)
        s7 = s7 + f * load(harmonics, i + 7 * WIDTH)
    return totals(s0, s1, s2, s3, s4, s5, s6, s7)


@inlined
def _multiply_moments(tables: Any, element: Any, work: Any) -> None:
    """Features that are weighted dot products of two moments."""
    moments, partial, features = work.moments, work.partial, work.features
    parameters = tables.parameters
    at = 0
    for p in range(element.first_product, element.last_product):
        product = tables.products[p]
        left, right, n = product.left, product.right, _n_harmonics(product.degree)
        # degree 0, spread over the lanes that are added up in the end
        constant = item(features, tables.moments[element.first_moment + left].feature)
        constant *= item(features, tables.moments[element.first_moment + right].feature) / WIDTH
        square = load(work.squares, (left, 0))
        # degrees 1 and 2, then 3 and 4: a series is one vector long, or three, or more
        dot0 = load(moments, (left, 0)) * load(moments, (right, 0))
        dot1, dot2 = splat(0.0), splat(0.0)
        if n > WIDTH:
            dot1 = load(moments, (left, WIDTH)) * load(moments, (right, WIDTH))
            dot2 = load(moments, (left, 2 * WIDTH)) * load(moments, (right, 2 * WIDTH))
        series = product.series
        for _ in range(product.first_feature, product.last_feature):
            sum_ = splat(constant * item(parameters, series))
            sum_ = sum_ + square * item(parameters, series + 1)
            sum_ = sum_ + dot0 * load(parameters, series + WIDTH)
            if n > WIDTH:
                sum_ = sum_ + dot1 * load(parameters, series + 2 * WIDTH)
                sum_ = sum_ + dot2 * load(parameters, series + 3 * WIDTH)
            for h in range(3 * WIDTH, n, WIDTH):
                dot = load(moments, (left, h)) * load(moments, (right, h))
                sum_ = sum_ + dot * load(parameters, series + WIDTH + h)
            series += WIDTH + _padded(n)
            store(partial, (at, 0), sum_)
            at += 1
    for i in range(0, at, WIDTH):
        eight = totals(
            load(partial, (i, 0)), load(partial, (i + 1, 0)),
            load(partial, (i + 2, 0)), load(partial, (i + 3, 0)),
            load(partial, (i + 4, 0)), load(partial, (i + 5, 0)),
            load(partial, (i + 6, 0)), load(partial, (i + 7, 0)),
        )  # fmt: skip
        store(features, element.product_feature + i, eight)


@inlined
def _differentiate_products(tables: Any, element: Any, work: Any) -> None:
    """Gradient with respect to moments from that with respect to their products.

    Those of degree 0 are added to ``weights``, as they are radial features. The sum of f_j^2
    has a weight, too.
    """
    moments, features, weights = work.moments, work.features, work.weights
    moment_weights, square_weights = work.moment_weights, work.square_weights
    parameters = tables.parameters
    for i in range(element.last_moment - element.first_moment):
        square_weights[i] = 0.0
        degree = tables.moments[element.first_moment + i].degree
        for h in range(0, _n_harmonics(degree), WIDTH):
            store(moment_weights, (i, h), splat(0.0))
    for p in range(element.first_product, element.last_product):
        product = tables.products[p]
        left, right, n = product.left, product.right, _n_harmonics(product.degree)
        first, last = product.first_feature, product.last_feature
        stride = WIDTH + _padded(n)
        left_feature = tables.moments[element.first_moment + left].feature
        right_feature = tables.moments[element.first_moment + right].feature
        factor, factor0, factor1, factor2 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        series = product.series
        for s in range(first, last):
            weight = item(weights, s)
            factor = factor + load(parameters, series) * weight
            factor0 = factor0 + load(parameters, series + WIDTH) * weight
            if n > WIDTH:
                factor1 = factor1 + load(parameters, series + 2 * WIDTH) * weight
                factor2 = factor2 + load(parameters, series + 3 * WIDTH) * weight
            series += stride
        constant = lane(factor, 0)
        weights[left_feature] += constant * item(features, right_feature)
        weights[right_feature] += constant * item(features, left_feature)
        square_weights[left] += lane(factor, 1)
        _differentiate_dot(moments, moment_weights, left, right, 0, factor0)
        if n > WIDTH:
            _differentiate_dot(moments, moment_weights, left, right, WIDTH, factor1)
            _differentiate_dot(moments, moment_weights, left, right, 2 * WIDTH, factor2)
        for h in range(3 * WIDTH, n, WIDTH):
            factor = splat(0.0)
            for s in range(first, last):
                series = product.series + (s - first) * stride + WIDTH + h
                factor = factor + load(parameters, series) * item(weights, s)
            _differentiate_dot(moments, moment_weights, left, right, h, factor)


@inlined
def _differentiate_dot(
    moments: Any, moment_weights: Any, left: int, right: int, h: int, factor: Any
) -> None:
    """Add the gradient of the harmonics h to h + 7 of a product of moments."""
    weight = load(moment_weights, (left, h)) + factor * load(moments, (right, h))
    store(moment_weights, (left, h), weight)
    weight = load(moment_weights, (right, h)) + factor * load(moments, (left, h))
    store(moment_weights, (right, h), weight)


# the factors of harmonics lie in one array: A_m, B_m and Q_l^m from these places on
_SINES = WIDTH * (MAX_POWER + 1)
_LEGENDRE = 2 * _SINES


@inlined
def _legendre_place(degree: int, order: int) -> int:
    return _LEGENDRE + WIDTH * ((MAX_POWER + 1) * order + degree)


@inlined
def _evaluate_factors(degree: int, x: Any, y: Any, z: Any, factors: Any) -> None:
    """Factors A_m, B_m and Q_l^m of the harmonics at eight directions."""
    cosine, sine = splat(1.0), splat(0.0)
    for m in range(1, degree + 1):
        factor = 1.0 / m
        cosine, sine = (x * cosine - y * sine) * factor, (x * sine + y * cosine) * factor
        store(factors, WIDTH * m, cosine)
        store(factors, _SINES + WIDTH * m, sine)
    for m in range(degree - 1):
        last, q = splat(1.0), z
        for l in range(m + 2, degree + 1):  # noqa: E741
            last, q = q, _next_degree(l, m, z, q, last)
            store(factors, _legendre_place(l, m), q)


@inlined
def _evaluate_sum(degree: int, row: int, weights: Any, z: Any, factors: Any) -> Any:
    """Weighted sum of harmonics and its derivatives with respect to x, y and z.

    For each order, c and s are the factors of A_m and B_m, dc and ds their derivatives.
    """
    zero = splat(0.0)
    value, gx, gy, gz = zero, zero, zero, zero
    for m in range(degree + 1):
        c, s, dc, ds = zero, zero, zero, zero
        if m > 0:
            c = splat(item(weights, (row, _number(m, m))))
            s = splat(item(weights, (row, _number(m, -m))))
        if m < degree:  # the Legendre polynomial is z
            dc = splat(item(weights, (row, _number(m + 1, m))))
            ds = splat(item(weights, (row, _number(m + 1, -m))))
            c, s = c + dc * z, s + ds * z
        for l in range(m + 2, degree + 1):  # noqa: E741
            cosine = item(weights, (row, _number(l, m)))
            sine = item(weights, (row, _number(l, -m)))
            q = load(factors, _legendre_place(l, m))
            dq = z
            if l > m + 2:
                dq = load(factors, _legendre_place(l, m + 1))
            c, s = c + q * cosine, s + q * sine
            dc, ds = dc + dq * cosine, ds + dq * sine
        if m == 0:
            value, gz = c, dc
        else:
            a, b = load(factors, WIDTH * m), load(factors, _SINES + WIDTH * m)
            value = value + a * c + b * s
            gz = gz + a * dc + b * ds
        if m == 1:
            gx, gy = c, s
        if m > 1:
            a, b = load(factors, WIDTH * (m - 1)), load(factors, _SINES + WIDTH * (m - 1))
            gx = gx + a * c + b * s
            gy = gy + a * s - b * c
    return value, gx, gy, gz


@inlined
def _evaluate_sum_of(degree: int, row: int, weights: Any, z: Any, factors: Any) -> Any:
    """`_evaluate_sum`, its loops resolved by the compiler for the degrees that are common."""
    if degree == 1:
        return _evaluate_sum(1, row, weights, z, factors)
    if degree == 2:
        return _evaluate_sum(2, row, weights, z, factors)
    if degree == 4:
        return _evaluate_sum(4, row, weights, z, factors)
    return _evaluate_sum(degree, row, weights, z, factors)


@inlined
def _differentiate_neighbours(
    tables: Any, neighbour: Any, first: int, start: int, stop: int, work: Any
) -> None:
    """Gradient of channels and moments with respect to the neighbours of one element."""
    near, values, slopes, gradient = work.near, work.values, work.slopes, work.gradient
    degree = neighbour.degree
    n_channels = neighbour.last_channel - neighbour.first_channel
    for j in range(start, stop, WIDTH):
        along = splat(0.0)
        for c in range(n_channels):
            along = along + load(slopes, (c, j)) * item(work.weights, neighbour.feature + c)
        x, y, z = load(near, (UX, j)), load(near, (UY, j)), load(near, (UZ, j))
        gx, gy, gz = splat(0.0), splat(0.0), splat(0.0)
        if degree == 4:
            _evaluate_factors(4, x, y, z, work.factors)
        else:
            _evaluate_factors(degree, x, y, z, work.factors)
        for i in range(neighbour.first_moment, neighbour.last_moment):
            moment, row = tables.moments[i], i - first
            value, dx, dy, dz = _evaluate_sum_of(
                moment.degree, row, work.moment_weights, z, work.factors
            )
            f = load(values, (moment.channel, j))
            value = value + f * (2.0 * item(work.square_weights, row))
            along = along + value * load(slopes, (moment.channel, j))
            gx, gy, gz = gx + f * dx, gy + f * dy, gz + f * dz
        # directions turn, but keep their length
        inverse_r = load(near, (INVERSE_R, j))
        along = along - (gx * x + gy * y + gz * z) * inverse_r
        store(gradient, (GX, j), gx * inverse_r)
        store(gradient, (GY, j), gy * inverse_r)
        store(gradient, (GZ, j), gz * inverse_r)
        store(gradient, (ALONG, j), along * inverse_r)


# ---------------------------------------------------------------- features by pairs
#
# The pairs (j, k) of two elements that count are put into a list without gaps, in the order
# of a loop over j and vectors of k; one mask for each such vector says which of its
# lanes are in the list, so that quantities can be spread out again.


@compiled
def _list_pairs(
    group: Any, pair: Any, right: float, a: int, b: int, first: int, mask_number: int, work: Any
) -> Any:
    """List pairs of neighbours of elements a and b from column ``first`` on.

    Returns the number of pairs and the number of the first unused mask.
    """
    near, blocks, values, listed = work.near, work.blocks, work.values, work.listed
    n = first
    for j in range(blocks[a], blocks[a] + work.counts[a]):
        # within one block, k runs from j + 1 on
        start = blocks[b] if b > a else j // WIDTH * WIDTH
        last_excluded = splat(float(j) if a == b else -1.0)
        x_j, y_j, z_j = near[X, j], near[Y, j], near[Z, j]
        f_j, inverse_j = values[pair.left, j], near[INVERSE_R, j]
        for k in range(start, blocks[b + 1], WIDTH):
            x_k, y_k, z_k = load(near, (X, k)), load(near, (Y, k)), load(near, (Z, k))
            squared = splat(1.0)
            if group.narrow != 0:
                dx, dy, dz = x_k - x_j, y_k - y_j, z_k - z_j
                squared = dx * dx + dy * dy + dz * dz
            # neither the pairs counted already nor those too far apart
            squared = where(less(last_excluded, lanes() + float(k)), squared, splat(np.inf))
            included = less(squared, splat(right * right))
            cosine = (x_j * x_k + y_j * y_k + z_j * z_k) * (inverse_j * load(near, (INVERSE_R, k)))
            store(listed, (PRODUCT, n), compress(included, load(values, (pair.right, k)) * f_j))
            store(listed, (COSINE_JK, n), compress(included, cosine))
            if group.narrow != 0:
                store(listed, (DISTANCE, n), compress(included, squared))
            work.masks[mask_number] = to_bits(included)
            mask_number += 1
            n += count(included)
    # fill up the last vector
    store(listed, (PRODUCT, n), splat(0.0))
    store(listed, (COSINE_JK, n), splat(0.0))
    store(listed, (DISTANCE, n), splat(1.0))
    return n - first, mask_number


@compiled
def _sum_pairs(tables: Any, group: Any, first: int, mask_number: int, work: Any) -> Any:
    """Sum the features of one group over pairs of neighbours.

    Returns the first free column of ``listed`` and the first unused mask.
    """
    features, listed = work.features, work.listed
    pairs, curves, parameters = tables.pairs, tables.curves, tables.parameters
    envelope = tables.envelopes[group.envelope]
    n_elements = len(work.counts)
    pair = group.first_pair - 1
    for a in range(n_elements):
        for b in range(a, n_elements):
            pair += 1
            if pairs[pair].used == 0:
                continue
            n, mask_number = _list_pairs(
                group, pairs[pair], envelope.right, a, b, first, mask_number, work
            )
            work.lengths[pair] = n
            if group.narrow != 0:
                for i in range(first, first + n, WIDTH):
                    r = sqrt(load(listed, (DISTANCE, i)))
                    value, slope = _envelope(envelope, r)
                    value, slope = _gaussian(group.eta, group.shift, r, value, slope)
                    store(listed, (VALUE, i), value)
                    store(listed, (SLOPE, i), slope / r)
                    store(listed, (PRODUCT, i), load(listed, (PRODUCT, i)) * value)
            for c in range(pairs[pair].first_curve, pairs[pair].last_curve):
                sum_ = splat(0.0)
                for i in range(first, first + n, WIDTH):
                    value, _ = _curve(curves[c], tables.envelopes, load(listed, (COSINE_JK, i)))
                    sum_ = sum_ + load(listed, (PRODUCT, i)) * value
                features[curves[c].feature] = total(sum_)
            for s in range(group.n_series):
                features[pairs[pair].feature + s] = 0.0
            for power_ in range(group.degree + 1):
                sum_ = splat(0.0)
                for i in range(first, first + n, WIDTH):
                    product = load(listed, (PRODUCT, i))
                    sum_ = sum_ + product
                    store(listed, (PRODUCT, i), product * load(listed, (COSINE_JK, i)))
                power_sum = total(sum_)
                for s in range(group.n_series):
                    coefficient = parameters[group.series + s * (group.degree + 1) + power_]
                    features[pairs[pair].feature + s] += coefficient * power_sum
            first += _padded(n)
    return first, mask_number


@compiled
def _differentiate_list(tables: Any, group: Any, pair: Any, n: int, first: int, work: Any) -> None:
    """Derivatives of the weighted features of the pairs in a list.

    With P(c) the weighted sum of series and curves, a pair contributes f_j f_k f_jk P(c).
    Leaves f_jk P in the row VALUE, f_jk P' in COSINE_JK, f_jk' P / r_jk in SLOPE.
    """
    listed, weights, series = work.listed, work.weights, work.series
    curves, parameters = tables.curves, tables.parameters
    for power_ in range(group.degree + 1):
        series[power_] = 0.0
        for s in range(group.n_series):
            coefficient = parameters[group.series + s * (group.degree + 1) + power_]
            series[power_] += coefficient * weights[pair.feature + s]
    for i in range(first, first + n, WIDTH):
        c = load(listed, (COSINE_JK, i))
        p, dp = splat(0.0), splat(0.0)
        for power_ in range(group.degree, -1, -1):
            dp = dp * c + p
            p = p * c + series[power_]
        for curve in range(pair.first_curve, pair.last_curve):
            weight = weights[curves[curve].feature]
            value, derivative = _curve(curves[curve], tables.envelopes, c)
            p = p + value * weight
            dp = dp + derivative * weight
        if group.narrow != 0:
            value = load(listed, (VALUE, i))
            store(listed, (SLOPE, i), load(listed, (SLOPE, i)) * p)
            p = p * value
            dp = dp * value
        store(listed, (VALUE, i), p)
        store(listed, (COSINE_JK, i), dp)


@compiled
def _differentiate_pairs(tables: Any, group: Any, first: int, mask_number: int, work: Any) -> Any:
    """Add the gradient of the weighted features of one group of pairs.

    The gradient of a pair's contribution with respect to one of the two positions is a
    combination of both: its own comes with ``along``, the other one with ``cross``. What
    belongs to the k goes to ``gradient``, what belongs to a j to row j of ``own``, because
    a vector cannot be read at once where single numbers have just been written.
    """
    near, blocks, values, slopes = work.near, work.blocks, work.values, work.slopes
    listed, lengths, gradient, own = work.listed, work.lengths, work.gradient, work.own
    pairs = tables.pairs
    n_elements = len(work.counts)
    zero = splat(0.0)
    pair = group.first_pair - 1
    for a in range(n_elements):
        for b in range(a, n_elements):
            pair += 1
            if pairs[pair].used == 0:
                continue
            _differentiate_list(tables, group, pairs[pair], lengths[pair], first, work)
            left, right = pairs[pair].left, pairs[pair].right
            at = first
            for j in range(blocks[a], blocks[a] + work.counts[a]):
                start = blocks[b] if b > a else j // WIDTH * WIDTH
                f_j, df_j = values[left, j], slopes[left, j]
                x_j, y_j, z_j = near[X, j], near[Y, j], near[Z, j]
                inverse_j = near[INVERSE_R, j]
                slope_sum, turn_sum, stretch_sum = zero, zero, zero
                gx, gy, gz = zero, zero, zero
                for k in range(start, blocks[b + 1], WIDTH):
                    included = from_bits(work.masks[mask_number])
                    mask_number += 1
                    p = expand(listed, (VALUE, at), included)
                    dp = expand(listed, (COSINE_JK, at), included)
                    x_k, y_k, z_k = load(near, (X, k)), load(near, (Y, k)), load(near, (Z, k))
                    inverse_k = load(near, (INVERSE_R, k))
                    f_k = load(values, (right, k))
                    f = f_j * f_k
                    turn = f * dp * (inverse_j * inverse_k)
                    cross = turn
                    # turn times cos / (1/r_j 1/r_k)
                    turn = turn * (x_j * x_k + y_j * y_k + z_j * z_k)
                    along = (load(slopes, (right, k)) * f_j * p - turn * inverse_k) * inverse_k
                    if group.narrow != 0:
                        stretch = f * expand(listed, (SLOPE, at), included)
                        cross = cross - stretch
                        stretch_sum = stretch_sum + stretch
                        along = along + stretch
                    at += count(included)
                    slope_sum = slope_sum + f_k * p
                    turn_sum = turn_sum + turn
                    gx = gx + cross * x_k
                    gy = gy + cross * y_k
                    gz = gz + cross * z_k
                    store(gradient, (GX, k), load(gradient, (GX, k)) + cross * x_j)
                    store(gradient, (GY, k), load(gradient, (GY, k)) + cross * y_j)
                    store(gradient, (GZ, k), load(gradient, (GZ, k)) + cross * z_j)
                    store(gradient, (ALONG, k), load(gradient, (ALONG, k)) + along)
                along = slope_sum * (df_j * inverse_j) - turn_sum * (inverse_j * inverse_j)
                sums = totals(gx, gy, gz, along + stretch_sum, zero, zero, zero, zero)
                store(own, (j, 0), load(own, (j, 0)) + sums)
            first += _padded(lengths[pair])
    return first, mask_number


# ---------------------------------------------------------------- networks


@compiled
def _activate(activation: int, x: Any) -> Any:
    """Activation and its derivative; numbers follow the letters in ``files.ACTIVATIONS``."""
    one = splat(1.0)
    if activation == 0:  # t
        y = tanh(x)
        return y, 1.0 - y * y
    if activation == 1:  # l
        return x, one
    if activation == 2:  # p
        e = exp(-where(less(x, splat(0.0)), -x, x))
        logistic = where(less(x, splat(0.0)), e, one) / (1.0 + e)
        return maximum(x, splat(0.0)) + log(1.0 + e), logistic
    if activation == 3:  # s
        y = 1.0 / (1.0 + exp(-x))
        return y, y * (1.0 - y)
    if activation == 4:  # S
        y = 1.0 / (1.0 + exp(-x))
        return 1.0 - y, y * (y - 1.0)
    if activation == 5:  # r
        positive = less(splat(0.0), x)
        return where(positive, x, splat(0.0)), where(positive, one, splat(0.0))
    if activation == 6:  # g
        y = exp(-0.5 * x * x)
        return y, -x * y
    if activation == 7:  # c
        turns = x * (0.5 / math.pi)
        turns = turns - nearest(turns)
        s, c = sin_cos_quarter_turn(0.5 * turns)
        sine, cosine = 2.0 * s * c, (c - s) * (c + s)
        return 1.0 - 2.0 * sine * sine, -2.0 * sine * cosine
    if activation == 8:  # h
        return x * x, 2.0 * x
    y = exp(-x)  # e
    return y, -y


@inlined
def _evaluate_network(tables: Any, element: Any, work: Any) -> float:
    """Output of a network; its gradient replaces the first row of ``node_gradients``.

    Row k of ``nodes`` holds the inputs of layer k; row 0 is given.
    """
    nodes, slopes, gradient = work.nodes, work.node_slopes, work.node_gradients
    layers, parameters = tables.layers, tables.parameters
    first, last = element.first_layer, element.last_layer
    for k in range(first, last):
        layer, depth = layers[k], k - first
        stride = _padded(layer.outputs)
        for o in range(0, stride, WIDTH):
            # four sums instead of one keep the processor's pipeline full
            s0, s1 = load(parameters, layer.biases + o), splat(0.0)
            s2, s3 = splat(0.0), splat(0.0)
            start = layer.weights + o
            for i in range(0, layer.inputs, 4):
                at = start + i * stride
                s0 = s0 + load(parameters, at) * item(nodes, (depth, i))
                s1 = s1 + load(parameters, at + stride) * item(nodes, (depth, i + 1))
                s2 = s2 + load(parameters, at + 2 * stride) * item(nodes, (depth, i + 2))
                s3 = s3 + load(parameters, at + 3 * stride) * item(nodes, (depth, i + 3))
            y, dy = _activate(layer.activation, (s0 + s1) + (s2 + s3))
            store(nodes, (depth + 1, o), y)
            store(slopes, (depth, o), dy)
    depth = last - first
    # what pads the layers has no weight
    gradient[depth, 0] = 1.0
    for k in range(last - 1, first - 1, -1):
        layer, depth = layers[k], k - first
        stride = _padded(layer.inputs)
        for o in range(0, layer.outputs, WIDTH):
            slope = load(slopes, (depth, o))
            store(gradient, (depth + 1, o), load(gradient, (depth + 1, o)) * slope)
        for i in range(0, stride, WIDTH):
            s0, s1, s2, s3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            start = layer.transposed + i
            for o in range(0, layer.outputs, 4):
                at = start + o * stride
                s0 = s0 + load(parameters, at) * item(gradient, (depth + 1, o))
                s1 = s1 + load(parameters, at + stride) * item(gradient, (depth + 1, o + 1))
                s2 = s2 + load(parameters, at + 2 * stride) * item(gradient, (depth + 1, o + 2))
                s3 = s3 + load(parameters, at + 3 * stride) * item(gradient, (depth + 1, o + 3))
            store(gradient, (depth, i), (s0 + s1) + (s2 + s3))
    return nodes[last - first, 0]


# ---------------------------------------------------------------- one atom


@inlined
def _collect_neighbours(
    element: Any, points: Any, i: int, candidates: Any, starts: Any, work: Any
) -> int:
    """Fill ``near`` with the neighbours of atom i, ``indices`` with their point numbers."""
    near, indices, blocks, counts = work.near, work.indices, work.blocks, work.counts
    cutoff2, far = element.cutoff * element.cutoff, 2.0 * element.cutoff
    xi, yi, zi = points[i, 0], points[i, 1], points[i, 2]
    n_elements = len(counts)
    n = 0
    for a in range(n_elements):
        blocks[a] = n
        stop = float(starts[i, a + 1])
        for c in range(starts[i, a], starts[i, a + 1], WIDTH):
            x, y, z = gather_rows(points, candidates, c)
            x, y, z = x - xi, y - yi, z - zi
            r2 = where(less(lanes() + float(c), splat(stop)), x * x + y * y + z * z, splat(np.inf))
            inside = less(r2, splat(cutoff2))
            store(near, (X, n), compress(inside, x))
            store(near, (Y, n), compress(inside, y))
            store(near, (Z, n), compress(inside, z))
            store(near, (R, n), compress(inside, r2))
            # whole numbers can be moved like others
            store(indices, n, compress(inside, load(candidates, c)))
            n += count(inside)
        counts[a] = n - blocks[a]
        store(near, (X, n), splat(far))
        store(near, (Y, n), splat(0.0))
        store(near, (Z, n), splat(0.0))
        store(near, (R, n), splat(far * far))
        while n % WIDTH != 0:
            put(indices, n, i)
            n += 1
    blocks[n_elements] = n
    for j in range(0, n, WIDTH):
        r = sqrt(load(near, (R, j)))
        inverse = 1.0 / r
        store(near, (R, j), r)
        store(near, (INVERSE_R, j), inverse)
        store(near, (UX, j), load(near, (X, j)) * inverse)
        store(near, (UY, j), load(near, (Y, j)) * inverse)
        store(near, (UZ, j), load(near, (Z, j)) * inverse)
    return n


@inlined
def _eight_rows(matrix: Any, row: int, numbers: Any) -> Any:
    """Rows ``row`` to ``row + 7`` of the product of a sparse matrix and an array."""
    sum_ = splat(0.0)
    for i in range(item(matrix.starts, row // WIDTH), item(matrix.starts, row // WIDTH + 1)):
        weights = load(matrix.values, WIDTH * i)
        sum_ = sum_ + weights * gather(numbers, matrix.columns, WIDTH * i)
    return sum_


@inlined
def _combine(tables: Any, element: Any, symmetry_functions: Any, i: int, work: Any) -> int:
    """Symmetry functions and network inputs; returns how many lie outside the training range."""
    functions = tables.functions
    outside = 0
    for f in range(0, element.n_functions, WIDTH):
        row = element.first_function + f
        value = _eight_rows(tables.combination, row, work.features)
        store(symmetry_functions, (i, f), value)
        scaled = (value - load(functions.origin, row)) * load(functions.scale, row)
        store(work.nodes, (0, f), scaled + element.offset)
        outside += count(less(value + _MARGIN, load(functions.minimum, row)))
        outside += count(less(load(functions.maximum, row), value - _MARGIN))
    return outside


@inlined
def _differentiate_functions(tables: Any, element: Any, work: Any) -> None:
    """Gradient with respect to features from that with respect to network inputs."""
    gradient = work.node_gradients[0]
    for f in range(0, element.n_functions, WIDTH):
        scale = load(tables.functions.scale, element.first_function + f)
        store(gradient, f, load(gradient, f) * scale)
    for f in range(0, element.n_features, WIDTH):
        row = element.first_feature + f
        store(work.weights, f, _eight_rows(tables.distribution, row, gradient))


@inlined
def _padded(n: int) -> int:
    """Smallest multiple of the vector width that holds n numbers."""
    return (n + WIDTH - 1) // WIDTH * WIDTH


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


@inlined
def _add_gradient(unit: float, i: int, n: int, gradients: Any, work: Any) -> None:
    """Add to the gradient of all that of atom i's energy."""
    near, gradient = work.near, work.gradient
    own_x, own_y, own_z = splat(0.0), splat(0.0), splat(0.0)
    for j in range(0, n, WIDTH):
        along = load(gradient, (ALONG, j))
        gx = unit * (load(gradient, (GX, j)) + along * load(near, (X, j)))
        gy = unit * (load(gradient, (GY, j)) + along * load(near, (Y, j)))
        gz = unit * (load(gradient, (GZ, j)) + along * load(near, (Z, j)))
        add_to_rows(gradients, work.indices, j, gx, gy, gz)
        own_x, own_y, own_z = own_x + gx, own_y + gy, own_z + gz
    gradients[i, 0] -= total(own_x)
    gradients[i, 1] -= total(own_y)
    gradients[i, 2] -= total(own_z)


class _Workspace(NamedTuple):
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
        See `_evaluate_harmonics`, `_evaluate_factors`.
    moments, squares
        One row per moment: its harmonics; the sum of f_j^2, not yet over lanes.
    partial
        Products of moments (rows), not yet summed over lanes.
    features
        See `tables`.
    weights, moment_weights, square_weights
        Gradient of the energy with respect to features, moments and those squares.
    listed, masks, lengths, series
        Pairs of neighbours, see PRODUCT to SLOPE and `_list_pairs`; their number for each pair
        of elements; weights of the powers of the cosine.
    nodes, node_slopes, node_gradients
        Layers of the network (rows).
    gradient, own
        With respect to the neighbours, see GX to ALONG; `own` is part of it, transposed.
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
    listed: Any
    masks: Any
    lengths: Any
    series: Any
    nodes: Any
    node_slopes: Any
    node_gradients: Any
    gradient: Any
    own: Any


@compiled
def _evaluate_atom(
    tables: Any, number: int, i: int, points: Any, candidates: Any, starts: Any, gradients: Any,
    symmetry_functions: Any, outside: Any, work: Any,
) -> float:  # fmt: skip
    """Energy of atom i, whose element has a number; its gradient is added to that of all."""
    groups, neighbours = tables.groups, tables.neighbours
    n_elements = len(tables.elements)
    element = tables.elements[number]
    first_neighbour, first_moment = n_elements * number, element.first_moment
    n = _collect_neighbours(element, points, i, candidates, starts, work)
    blocks = work.blocks
    for a in range(n_elements):
        neighbour, start, stop = neighbours[first_neighbour + a], blocks[a], blocks[a + 1]
        _evaluate_channels(tables, neighbour, start, stop, work)
        _sum_channels(neighbour, start, stop, work)
        if neighbour.degree == 4:  # loops resolved by the compiler
            _evaluate_harmonics(4, start, stop, work)
        else:
            _evaluate_harmonics(neighbour.degree, start, stop, work)
        _sum_moments(tables, neighbour, first_moment, start, stop, work)
    _multiply_moments(tables, element, work)
    column, mask_number = 0, 0
    for g in range(element.first_group, element.last_group):
        column, mask_number = _sum_pairs(tables, groups[g], column, mask_number, work)

    outside[number] += _combine(tables, element, symmetry_functions, i, work)
    energy = _evaluate_network(tables, element, work) * tables.energy_unit + element.energy

    _differentiate_functions(tables, element, work)
    _differentiate_products(tables, element, work)
    for a in range(n_elements):
        neighbour, start, stop = neighbours[first_neighbour + a], blocks[a], blocks[a + 1]
        _differentiate_neighbours(tables, neighbour, first_moment, start, stop, work)
    if element.last_group > element.first_group:
        for j in range(n):
            store(work.own, (j, 0), splat(0.0))
        column, mask_number = 0, 0
        for g in range(element.first_group, element.last_group):
            column, mask_number = _differentiate_pairs(tables, groups[g], column, mask_number, work)
        for j in range(n):
            for k in range(4):
                work.gradient[k, j] += work.own[j, k]
    _add_gradient(tables.energy_unit, i, n, gradients, work)
    return energy


@njit
def _evaluate(
    tables: Any,
    elements: Any,
    atoms: Any,
    points: Any,
    candidates: Any,
    starts: Any,
    energies: Any,
    gradients: Any,
    symmetry_functions: Any,
    outside: Any,
) -> None:
    neighbours = tables.neighbours
    n_elements = len(tables.elements)
    capacity = WIDTH
    for i in atoms:
        capacity = max(capacity, starts[i, n_elements] - starts[i, 0] + (n_elements + 1) * WIDTH)
    n_moments, n_groups, n_features, n_layers, width = 0, 0, 0, 0, WIDTH
    for e in range(n_elements):
        element = tables.elements[e]
        n_moments = max(n_moments, element.last_moment - element.first_moment)
        n_groups = max(n_groups, element.last_group - element.first_group)
        n_features = max(n_features, element.n_features)
        n_layers = max(n_layers, element.last_layer - element.first_layer)
        width = max(width, element.n_functions)
    n_channels, degree = 0, 0
    for i in range(len(neighbours)):
        n_channels = max(n_channels, neighbours[i].last_channel - neighbours[i].first_channel)
        degree = max(degree, neighbours[i].degree)
    for k in range(len(tables.layers)):
        width = max(width, tables.layers[k].outputs)
    n_harmonics = _padded(_n_harmonics(degree))

    n_listed = n_groups * (capacity + WIDTH) ** 2
    work = _Workspace(
        near=_rows(8, capacity),
        indices=np.zeros(capacity, np.int64),
        blocks=np.zeros(n_elements + 1, np.int64),
        counts=np.zeros(n_elements, np.int64),
        values=_rows(_padded(n_channels), capacity),
        slopes=_rows(n_channels, capacity),
        harmonics=_row(n_harmonics * capacity),
        factors=_row(_legendre_place(0, MAX_POWER + 1)),
        moments=_rows(n_moments, n_harmonics),
        squares=_rows(n_moments, WIDTH),
        partial=_rows(n_features, WIDTH),
        moment_weights=_rows(n_moments, n_harmonics),
        square_weights=np.zeros(n_moments),
        listed=_rows(4, n_listed),
        masks=np.zeros(n_listed, np.uint8),
        lengths=np.zeros(len(tables.pairs), np.int64),
        series=np.zeros(MAX_POWER + 1),
        features=_row(n_features),
        weights=_row(n_features),
        nodes=_rows(n_layers + 1, width),
        node_slopes=_rows(n_layers, width),
        node_gradients=_rows(n_layers + 1, width),
        gradient=_rows(4, capacity),
        own=np.zeros((capacity, WIDTH)),
    )
    for i in atoms:
        energies[i] = _evaluate_atom(
            tables, elements[i], i, points, candidates, starts, gradients, symmetry_functions,
            outside, work,
        )  # fmt: skip


def _digest_of_sources() -> str:
    folder = Path(__file__).parent
    sources = (folder / f"{name}.py" for name in ("kernels", "tables", "vector"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _compile(sources: str) -> Any:
    """Make the compiled function that is kept on disk.

    numba takes its copy on disk for stale when this file changes, but not when a file changes
    that this one imports. It looks at the values that a function encloses, too: the digest
    of all sources is one.
    """

    @njit(cache=True, nogil=True)
    def evaluate(
        tables: Any,
        elements: Any,
        atoms: Any,
        points: Any,
        candidates: Any,
        starts: Any,
        energies: Any,
        gradients: Any,
        symmetry_functions: Any,
        outside: Any,
    ) -> None:
        """Evaluate some atoms.

        Parameters
        ----------
        tables
            The potential.
        elements
            Element number of each atom.
        atoms
            Numbers of the atoms to evaluate.
        points
            Positions of atoms and of their periodic images, shape [point, 4]: x, y, z and any
            number, Å.
        candidates, starts
            Neighbour list: ``candidates[starts[i, a]:starts[i, a + 1]]`` are the points of
            element a near atom i. There are seven more candidates, of whatever points, than
            are used.
        energies
            Filled with the energy of each atom, eV.
        gradients
            The gradient of the energy is added to it, shape [point, 4], eV/Å.
        symmetry_functions
            Filled, shape [atom, function]; the second size a multiple of the vector width.
        outside
            For each element, the number of symmetry functions outside the training range
            is added to it.
        """
        _ = sources
        _evaluate(
            tables, elements, atoms, points, candidates, starts, energies, gradients,
            symmetry_functions, outside,
        )  # fmt: skip

    return evaluate


evaluate = _compile(_digest_of_sources())
