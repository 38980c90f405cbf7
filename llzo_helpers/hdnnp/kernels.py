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
from typing import Any

import numpy as np
from numba import njit

from llzo_helpers.hdnnp.tables import (
    BUMP,
    CONSTANT,
    COSINE,
    POLY1,
    POLY2,
    POLY3,
    TANH,
    TANH_NORMALIZED,
)
from llzo_helpers.hdnnp.vector import (
    WIDTH,
    absolute,
    acos,
    compress,
    count,
    exp,
    expand,
    from_bits,
    gather,
    item,
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
    store_columns,
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

_TANH_NORMALIZATION = 1.0 / math.tanh(1.0) ** 3
# n2p2 reports extrapolation beyond this margin only
_MARGIN = 1000.0 * np.finfo(float).eps


# ---------------------------------------------------------------- radial channels


@njit
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


@njit
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


@njit(forceinline=True)
def _gaussian(channel: Any, r: Any, value: Any, derivative: Any) -> Any:
    """Envelope times exp(-eta (r - shift)^2), and its derivative."""
    if channel.eta == 0.0:
        return value, derivative
    d = r - channel.shift
    gaussian = exp(d * d * -channel.eta)
    value = value * gaussian
    return value, derivative * gaussian - 2.0 * channel.eta * d * value


@njit(forceinline=True)
def _evaluate_channels(
    tables: Any, element: Any, near: Any, n: int, values: Any, slopes: Any
) -> None:
    """R(r_ij) and its derivative for every channel (row) and neighbour (column)."""
    envelopes, channels = tables.envelopes, tables.channels
    channel = element.first_channel
    for e in range(element.first_envelope, element.last_envelope):
        first = channel
        while channel < element.last_channel and channels[channel].envelope == e:
            channel += 1
        for j in range(0, n, WIDTH):
            r = load(near, (R, j))
            value, slope = _envelope(envelopes[e], r)
            for c in range(first, channel):
                f, df = _gaussian(channels[c], r, value, slope)
                row = c - element.first_channel
                store(values, (row, j), f)
                store(slopes, (row, j), df)


# ---------------------------------------------------------------- curves of the angle


@njit
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
# Directions lie on the unit sphere, x^2 + y^2 + z^2 = 1: a monomial of degree n is the sum of
# three monomials of degree n + 2. So only the moments of the two highest degrees are
# summed over neighbours; the lower ones follow from these.


@njit(forceinline=True)
def _n_monomials(degree: int) -> int:
    """Number of monomials of a degree."""
    return (degree + 1) * (degree + 2) // 2


@njit(forceinline=True)
def _evaluate_monomials(n_monomials: int, degree: int, near: Any, n: int, products: Any) -> None:
    """Monomials of the directions to all neighbours.

    Those of eight neighbours lie together: monomial m of the neighbours j to j + 7 begins at
    ``n_monomials * j + WIDTH * m``.
    """
    for j in range(0, n, WIDTH):
        ux, uy, uz = load(near, (UX, j)), load(near, (UY, j)), load(near, (UZ, j))
        old = n_monomials * j
        store(products, old, splat(1.0))
        for d in range(1, degree + 1):
            # x times all of the degree before, y times those without x, z times the last
            n_old = _n_monomials(d - 1)
            new = old + WIDTH * n_old
            for m in range(n_old):
                store(products, new + WIDTH * m, load(products, old + WIDTH * m) * ux)
            for m in range(n_old - d, n_old):
                store(products, new + WIDTH * (m + d), load(products, old + WIDTH * m) * uy)
            last = load(products, new - WIDTH) * uz
            store(products, new + WIDTH * (n_old + d), last)
            old = new


@njit(forceinline=True)
def _eight_moments(
    products: Any, n_monomials: int, m: int, values: Any, row: int, start: int, stop: int
) -> Any:
    """Moments m to m + 7: sums over neighbours of monomials times a radial channel."""
    s0, s1, s2, s3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    s4, s5, s6, s7 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for j in range(start, stop, WIDTH):
        f = load(values, (row, j))
        i = n_monomials * j + WIDTH * m
        s0 = s0 + f * load(products, i)
        s1 = s1 + f * load(products, i + WIDTH)
        s2 = s2 + f * load(products, i + 2 * WIDTH)
        s3 = s3 + f * load(products, i + 3 * WIDTH)
        s4 = s4 + f * load(products, i + 4 * WIDTH)
        s5 = s5 + f * load(products, i + 5 * WIDTH)
        s6 = s6 + f * load(products, i + 6 * WIDTH)
        s7 = s7 + f * load(products, i + 7 * WIDTH)
    return totals(s0, s1, s2, s3, s4, s5, s6, s7)


@njit(forceinline=True)
def _sum_moments(
    monomials: Any, parameters: Any, group: Any, degree: int, row: int, blocks: Any, values: Any,
    products: Any, moments: Any, first: int, scratch: Any, features: Any,
) -> None:  # fmt: skip
    """Moments of every neighbour element, and the features that are their dot products.

    Row ``first + m`` of ``moments`` holds moment m, with one element per column; a row behind
    them holds the sums of f_j^2.
    """
    n_elements = len(blocks) - 4  # blocks of none follow, so that four can be taken at once
    n_monomials = len(monomials.multinomials)
    last = first + n_monomials - 1
    for a in range(0, n_elements, 4):
        b0, b1, b2 = blocks[a], blocks[a + 1], blocks[a + 2]
        b3, b4 = blocks[a + 3], blocks[a + 4]
        for m in range(monomials.first[degree - 1], monomials.first[degree + 1], WIDTH):
            store_columns(
                moments,
                (first + m, a),
                _eight_moments(products, n_monomials, m, values, row, b0, b1),
                _eight_moments(products, n_monomials, m, values, row, b1, b2),
                _eight_moments(products, n_monomials, m, values, row, b2, b3),
                _eight_moments(products, n_monomials, m, values, row, b3, b4),
            )
        zero = splat(0.0)
        s0, s1 = _sum_of_squares(values, row, b0, b1), _sum_of_squares(values, row, b1, b2)
        s2, s3 = _sum_of_squares(values, row, b2, b3), _sum_of_squares(values, row, b3, b4)
        store(moments, (last, a), totals(s0, s1, s2, s3, zero, zero, zero, zero))
    for d in range(degree - 2, -1, -1):
        for m in range(monomials.first[d], monomials.first[d] + _n_monomials(d)):
            x, y = item(monomials.squared, 3 * m), item(monomials.squared, 3 * m + 1)
            z = item(monomials.squared, 3 * m + 2)
            for a in range(0, n_elements, WIDTH):
                sum_ = load(moments, (first + x, a)) + load(moments, (first + y, a))
                store(moments, (first + m, a), sum_ + load(moments, (first + z, a)))
    stride = _padded(n_elements)
    n_rows = (n_elements + 3) // 4 * 4
    for b in range(0, n_elements, 4):
        for a in range(0, n_elements, WIDTH):
            _multiply_moments(monomials, degree, moments, first, a, b, scratch)
            for s in range(group.n_series):
                start = group.feature + (s * n_rows + b) * stride + a
                s0, s1, s2, s3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
                for d in range(degree + 1):
                    coefficient = item(parameters, group.series + s * (degree + 1) + d)
                    s0 = s0 + load(scratch, WIDTH * 4 * d) * coefficient
                    s1 = s1 + load(scratch, WIDTH * (4 * d + 1)) * coefficient
                    s2 = s2 + load(scratch, WIDTH * (4 * d + 2)) * coefficient
                    s3 = s3 + load(scratch, WIDTH * (4 * d + 3)) * coefficient
                store(features, start, s0)
                store(features, start + stride, s1)
                store(features, start + 2 * stride, s2)
                store(features, start + 3 * stride, s3)


@njit(forceinline=True)
def _sum_of_squares(values: Any, row: int, start: int, stop: int) -> Any:
    sum_ = splat(0.0)
    for j in range(start, stop, WIDTH):
        f = load(values, (row, j))
        sum_ = sum_ + f * f
    return sum_


@njit(forceinline=True)
def _multiply_moments(
    monomials: Any, degree: int, moments: Any, first: int, a: int, b: int, scratch: Any
) -> None:
    """Sums over pairs of neighbours of f_j f_k cos^d for every d (rows 4 d to 4 d + 3).

    One neighbour is of an element a to a + 7 (lanes), the other of b to b + 3 (rows).
    """
    columns = lanes() + float(a)
    squares = load(moments, (first + len(monomials.multinomials) - 1, a))
    # a neighbour makes no pair with itself
    same0, same1 = _where_equal(columns, b, squares), _where_equal(columns, b + 1, squares)
    same2, same3 = _where_equal(columns, b + 2, squares), _where_equal(columns, b + 3, squares)
    for d in range(degree + 1):
        s0, s1, s2, s3 = -same0, -same1, -same2, -same3
        for m in range(monomials.first[d], monomials.first[d] + _n_monomials(d)):
            moment = load(moments, (first + m, a)) * item(monomials.multinomials, m)
            s0 = s0 + moment * item(moments, (first + m, b))
            s1 = s1 + moment * item(moments, (first + m, b + 1))
            s2 = s2 + moment * item(moments, (first + m, b + 2))
            s3 = s3 + moment * item(moments, (first + m, b + 3))
        store(scratch, WIDTH * 4 * d, s0)
        store(scratch, WIDTH * (4 * d + 1), s1)
        store(scratch, WIDTH * (4 * d + 2), s2)
        store(scratch, WIDTH * (4 * d + 3), s3)


@njit(forceinline=True)
def _differentiate_moments(
    monomials: Any, parameters: Any, group: Any, degree: int, row: int, blocks: Any, near: Any,
    values: Any, slopes: Any, products: Any, moments: Any, first: int, weights: Any, scratch: Any,
    polynomial: Any, derivatives: Any, gradient: Any,
) -> None:  # fmt: skip
    """Add the gradient of the weighted features of one group of moments.

    For the neighbours of one element these features are f_j Q(u_j) - w f_j^2, with a
    polynomial Q that has terms of the two highest degrees only.
    """
    n_elements = len(blocks) - 4
    for a in range(n_elements):
        lane = a % WIDTH
        if lane == 0:
            _collect_weights(parameters, group, degree, n_elements, a, weights, scratch)
            _collect_polynomials(
                monomials, degree, n_elements, a, moments, first, scratch, polynomial, derivatives
            )
        same = derivatives[lane]
        constant = polynomial[lane] if degree == 1 else 0.0
        for j in range(blocks[a], blocks[a + 1], WIDTH):
            f = load(values, (row, j))
            ux, uy, uz = load(near, (UX, j)), load(near, (UY, j)), load(near, (UZ, j))
            gx, gy, gz = _derivatives(monomials, degree - 1, products, derivatives, lane, j)
            # Euler: a homogeneous polynomial of degree n is u.grad / n
            radial = gx * ux + gy * uy + gz * uz
            value = constant - same * f + radial * (1.0 / degree)
            if degree > 1:
                hx, hy, hz = _derivatives(monomials, degree - 2, products, derivatives, lane, j)
                gx, gy, gz = gx + hx, gy + hy, gz + hz
                rest = hx * ux + hy * uy + hz * uz
                value = value + rest * (1.0 / (degree - 1))
                radial = radial + rest
            inverse_r = load(near, (INVERSE_R, j))
            f = f * inverse_r
            along = (value * load(slopes, (row, j)) - f * radial) * inverse_r
            store(gradient, (GX, j), load(gradient, (GX, j)) + f * gx)
            store(gradient, (GY, j), load(gradient, (GY, j)) + f * gy)
            store(gradient, (GZ, j), load(gradient, (GZ, j)) + f * gz)
            store(gradient, (ALONG, j), load(gradient, (ALONG, j)) + along)


@njit(forceinline=True)
def _collect_weights(
    parameters: Any, group: Any, degree: int, n_elements: int, a: int, weights: Any, scratch: Any
) -> None:
    """Weights of the powers of the cosine: columns elements a to a + 7, row n_rows * d + b.

    ``n_rows`` is the number of elements, padded to fours.
    """
    stride, n_rows = _padded(n_elements), (n_elements + 3) // 4 * 4
    for d in range(degree + 1):
        for b in range(0, n_rows, 4):
            w0, w1, w2, w3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for s in range(group.n_series):
                start = group.feature + (s * n_rows + b) * stride + a
                coefficient = item(parameters, group.series + s * (degree + 1) + d)
                w0 = w0 + load(weights, start) * coefficient
                w1 = w1 + load(weights, start + stride) * coefficient
                w2 = w2 + load(weights, start + 2 * stride) * coefficient
                w3 = w3 + load(weights, start + 3 * stride) * coefficient
            store(scratch, WIDTH * (n_rows * d + b), w0)
            store(scratch, WIDTH * (n_rows * d + b + 1), w1)
            store(scratch, WIDTH * (n_rows * d + b + 2), w2)
            store(scratch, WIDTH * (n_rows * d + b + 3), w3)


@njit(forceinline=True)
def _collect_polynomials(
    monomials: Any, degree: int, n_elements: int, a: int, moments: Any, first: int, scratch: Any,
    polynomial: Any, derivatives: Any,
) -> None:  # fmt: skip
    """Coefficients of the polynomials Q of elements a to a + 7 (columns), by those weights.

    Row m of ``polynomial`` holds the coefficients of monomial m in Q, rows 3 m + 1 to 3 m + 3
    of ``derivatives`` those in its derivatives, row 0 of it the weights w.
    """
    n_rows = (n_elements + 3) // 4 * 4
    for m in range(monomials.first[degree + 1]):
        first_weight = n_rows * item(monomials.degrees, m)
        sum_ = splat(0.0)
        for b in range(0, n_rows, 4):
            w = WIDTH * (first_weight + b)
            one = load(scratch, w) * item(moments, (first + m, b))
            one = one + load(scratch, w + WIDTH) * item(moments, (first + m, b + 1))
            two = load(scratch, w + 2 * WIDTH) * item(moments, (first + m, b + 2))
            two = two + load(scratch, w + 3 * WIDTH) * item(moments, (first + m, b + 3))
            sum_ = sum_ + (one + two)
        # a monomial times x^2 + y^2 + z^2 is the same on the sphere, and two degrees higher
        x, y = item(monomials.lowered, 3 * m), item(monomials.lowered, 3 * m + 1)
        z = item(monomials.lowered, 3 * m + 2)
        lower = load(polynomial, WIDTH * x) + load(polynomial, WIDTH * y)
        lower = lower + load(polynomial, WIDTH * z)
        store(polynomial, WIDTH * m, sum_ * item(monomials.multinomials, m) + lower)
    same = splat(0.0)
    for b in range(n_elements):
        sum_ = splat(0.0)
        for d in range(degree + 1):
            sum_ = sum_ + load(scratch, WIDTH * (n_rows * d + b))
        same = same + _where_equal(lanes() + float(a), b, sum_)
    store(derivatives, 0, same)
    for d in range(max(degree - 2, 0), degree):
        for i in range(3 * monomials.first[d], 3 * monomials.first[d + 1]):
            coefficient = load(polynomial, WIDTH * item(monomials.raised, i))
            store(derivatives, WIDTH * (i + 1), coefficient * item(monomials.exponents, i))


@njit(forceinline=True)
def _where_equal(columns: Any, column: int, value: Any) -> Any:
    return where(less(absolute(columns - float(column)), splat(0.5)), value, splat(0.0))


@njit(forceinline=True)
def _derivatives(
    monomials: Any, degree: int, products: Any, derivatives: Any, lane: int, j: int
) -> Any:
    """Terms of one degree of the derivatives of Q, at the directions j to j + 7."""
    gx, gy, gz = splat(0.0), splat(0.0), splat(0.0)
    first = monomials.first[degree]
    tile = len(monomials.multinomials) * j
    for m in range(first, first + _n_monomials(degree)):
        product = load(products, tile + WIDTH * m)
        i = WIDTH * (3 * m + 1) + lane
        gx = gx + product * item(derivatives, i)
        gy = gy + product * item(derivatives, i + WIDTH)
        gz = gz + product * item(derivatives, i + 2 * WIDTH)
    return gx, gy, gz


# ---------------------------------------------------------------- features by pairs
#
# The pairs (j, k) of two elements that count are put into a list without gaps, in the order
# of a loop over j and vectors of k; one mask for each such vector says which of its
# lanes are in the list, so that quantities can be spread out again.


@njit
def _list_pairs(
    group: Any, right: float, row: int, blocks: Any, counts: Any, a: int, b: int, near: Any,
    values: Any, listed: Any, first: int, masks: Any, mask_number: int,
) -> Any:  # fmt: skip
    """List pairs of neighbours of elements a and b from column ``first`` on.

    Returns the number of pairs and the number of the first unused mask.
    """
    n = first
    for j in range(blocks[a], blocks[a] + counts[a]):
        # within one block, k runs from j + 1 on
        start = blocks[b] if b > a else j // WIDTH * WIDTH
        last_excluded = splat(float(j) if a == b else -1.0)
        x_j, y_j, z_j = near[X, j], near[Y, j], near[Z, j]
        f_j, inverse_j = values[row, j], near[INVERSE_R, j]
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
            store(listed, (PRODUCT, n), compress(included, load(values, (row, k)) * f_j))
            store(listed, (COSINE_JK, n), compress(included, cosine))
            if group.narrow != 0:
                store(listed, (DISTANCE, n), compress(included, squared))
            masks[mask_number] = to_bits(included)
            mask_number += 1
            n += count(included)
    # fill up the last vector
    store(listed, (PRODUCT, n), splat(0.0))
    store(listed, (COSINE_JK, n), splat(0.0))
    store(listed, (DISTANCE, n), splat(1.0))
    return n - first, mask_number


@njit
def _sum_pairs(
    tables: Any,
    group: Any,
    row: int,
    blocks: Any,
    counts: Any,
    near: Any,
    values: Any,
    features: Any,
    listed: Any,
    first: int,
    lengths: Any,
    masks: Any,
    mask_number: int,
) -> Any:
    """Sum the features of one group over pairs of neighbours.

    Returns the first free column of ``listed`` and the first unused mask.
    """
    pairs, curves, parameters = tables.pairs, tables.curves, tables.parameters
    channel = tables.channels[group.channel]
    envelope = tables.envelopes[channel.envelope]
    n_elements = len(counts)
    pair = group.first_pair - 1
    for a in range(n_elements):
        for b in range(a, n_elements):
            pair += 1
            if pairs[pair].used == 0:
                continue
            n, mask_number = _list_pairs(
                group, envelope.right, row, blocks, counts, a, b, near, values, listed, first,
                masks, mask_number,
            )  # fmt: skip
            lengths[pair] = n
            if group.narrow != 0:
                for i in range(first, first + n, WIDTH):
                    r = sqrt(load(listed, (DISTANCE, i)))
                    value, slope = _envelope(envelope, r)
                    value, slope = _gaussian(channel, r, value, slope)
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


@njit
def _differentiate_list(
    tables: Any,
    group: Any,
    pair: Any,
    n: int,
    listed: Any,
    first: int,
    weights: Any,
    series: Any,
) -> None:
    """Derivatives of the weighted features of the pairs in a list.

    With P(c) the weighted sum of series and curves, a pair contributes f_j f_k f_jk P(c).
    Leaves f_jk P in the row VALUE, f_jk P' in COSINE_JK, f_jk' P / r_jk in SLOPE.
    """
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


@njit
def _differentiate_pairs(
    tables: Any,
    group: Any,
    row: int,
    blocks: Any,
    counts: Any,
    near: Any,
    values: Any,
    slopes: Any,
    weights: Any,
    listed: Any,
    first: int,
    lengths: Any,
    masks: Any,
    mask_number: int,
    series: Any,
    gradient: Any,
    own: Any,
) -> Any:
    """Add the gradient of the weighted features of one group of pairs.

    The gradient of a pair's contribution with respect to one of the two positions is a
    combination of both: its own comes with ``along``, the other one with ``cross``. What
    belongs to the k goes to ``gradient``, what belongs to a j to row j of ``own``, because
    a vector cannot be read at once where single numbers have just been written.
    """
    pairs = tables.pairs
    n_elements = len(counts)
    zero = splat(0.0)
    pair = group.first_pair - 1
    for a in range(n_elements):
        for b in range(a, n_elements):
            pair += 1
            if pairs[pair].used == 0:
                continue
            _differentiate_list(
                tables, group, pairs[pair], lengths[pair], listed, first, weights, series
            )
            at = first
            for j in range(blocks[a], blocks[a] + counts[a]):
                start = blocks[b] if b > a else j // WIDTH * WIDTH
                f_j, df_j = values[row, j], slopes[row, j]
                x_j, y_j, z_j = near[X, j], near[Y, j], near[Z, j]
                inverse_j = near[INVERSE_R, j]
                slope_sum, turn_sum, stretch_sum = zero, zero, zero
                gx, gy, gz = zero, zero, zero
                for k in range(start, blocks[b + 1], WIDTH):
                    included = from_bits(masks[mask_number])
                    mask_number += 1
                    p = expand(listed, (VALUE, at), included)
                    dp = expand(listed, (COSINE_JK, at), included)
                    x_k, y_k, z_k = load(near, (X, k)), load(near, (Y, k)), load(near, (Z, k))
                    inverse_k = load(near, (INVERSE_R, k))
                    f_k = load(values, (row, k))
                    f = f_j * f_k
                    turn = f * dp * (inverse_j * inverse_k)
                    cross = turn
                    # turn times cos / (1/r_j 1/r_k)
                    turn = turn * (x_j * x_k + y_j * y_k + z_j * z_k)
                    along = (load(slopes, (row, k)) * f_j * p - turn * inverse_k) * inverse_k
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


@njit
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


@njit(forceinline=True)
def _evaluate_network(tables: Any, element: Any, nodes: Any, slopes: Any, gradient: Any) -> float:
    """Output of a network; its gradient replaces the first row of ``gradient``.

    Row k of ``nodes`` holds the inputs of layer k; row 0 is given.
    """
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
        for o in range(layer.outputs, stride):
            nodes[depth + 1, o] = 0.0
            slopes[depth, o] = 0.0
    depth = last - first
    gradient[depth, 0] = 1.0
    for k in range(last - 1, first - 1, -1):
        layer, depth = layers[k], k - first
        stride = _padded(layer.inputs)
        for o in range(layer.outputs):
            gradient[depth + 1, o] *= slopes[depth, o]
        for i in range(0, stride, WIDTH):
            sum_ = splat(0.0)
            for o in range(layer.outputs):
                column = layer.transposed + o * stride + i
                sum_ = sum_ + load(parameters, column) * item(gradient, (depth + 1, o))
            store(gradient, (depth, i), sum_)
    return nodes[last - first, 0]


# ---------------------------------------------------------------- one atom


@njit(forceinline=True)
def _collect_neighbors(
    element: Any,
    points: Any,
    i: int,
    candidates: Any,
    starts: Any,
    near: Any,
    indices: Any,
    blocks: Any,
    counts: Any,
) -> int:
    """Fill ``near`` with the neighbours of atom i, ``indices`` with their point numbers."""
    cutoff2 = element.cutoff * element.cutoff
    xi, yi, zi = points[i, 0], points[i, 1], points[i, 2]
    n_elements = len(counts)
    n = 0
    for a in range(n_elements):
        blocks[a] = n
        for c in range(starts[i, a], starts[i, a + 1]):
            p = item(candidates, c)
            x, y, z = (
                item(points, (p, 0)) - xi,
                item(points, (p, 1)) - yi,
                item(points, (p, 2)) - zi,
            )
            r2 = x * x + y * y + z * z
            put(near, (X, n), x)
            put(near, (Y, n), y)
            put(near, (Z, n), z)
            put(near, (R, n), r2)
            put(indices, n, p)
            n += int(r2 < cutoff2)
        counts[a] = n - blocks[a]
        while n % WIDTH != 0:
            near[X, n] = 2.0 * element.cutoff
            near[Y, n] = 0.0
            near[Z, n] = 0.0
            near[R, n] = 4.0 * cutoff2
            n += 1
    for a in range(n_elements, len(blocks)):
        blocks[a] = n
    for j in range(0, n, WIDTH):
        r = sqrt(load(near, (R, j)))
        inverse = 1.0 / r
        store(near, (R, j), r)
        store(near, (INVERSE_R, j), inverse)
        store(near, (UX, j), load(near, (X, j)) * inverse)
        store(near, (UY, j), load(near, (Y, j)) * inverse)
        store(near, (UZ, j), load(near, (Z, j)) * inverse)
    return n


@njit(forceinline=True)
def _sum_radial(tables: Any, element: Any, blocks: Any, values: Any, features: Any) -> None:
    for c in range(element.first_channel, element.last_channel):
        row, start = c - element.first_channel, tables.channels[c].feature
        for a in range(len(blocks) - 4):
            sum_ = splat(0.0)
            for j in range(blocks[a], blocks[a + 1], WIDTH):
                sum_ = sum_ + load(values, (row, j))
            features[start + a] = total(sum_)


@njit(forceinline=True)
def _differentiate_radial(
    tables: Any, element: Any, blocks: Any, near: Any, slopes: Any, weights: Any, gradient: Any
) -> None:
    for a in range(len(blocks) - 4):
        for j in range(blocks[a], blocks[a + 1], WIDTH):
            sum_ = splat(0.0)
            for c in range(element.first_channel, element.last_channel):
                weight = weights[tables.channels[c].feature + a]
                sum_ = sum_ + load(slopes, (c - element.first_channel, j)) * weight
            zero = splat(0.0)
            store(gradient, (GX, j), zero)
            store(gradient, (GY, j), zero)
            store(gradient, (GZ, j), zero)
            store(gradient, (ALONG, j), sum_ * load(near, (INVERSE_R, j)))


@njit(forceinline=True)
def _eight_rows(matrix: Any, row: int, numbers: Any) -> Any:
    """Rows ``row`` to ``row + 7`` of the product of a sparse matrix and an array."""
    sum_ = splat(0.0)
    for i in range(item(matrix.starts, row // WIDTH), item(matrix.starts, row // WIDTH + 1)):
        weights = load(matrix.values, WIDTH * i)
        sum_ = sum_ + weights * gather(numbers, matrix.columns, WIDTH * i)
    return sum_


@njit(forceinline=True)
def _combine(
    tables: Any, element: Any, features: Any, symmetry_functions: Any, i: int, inputs: Any
) -> int:
    """Symmetry functions and network inputs; returns how many lie outside the training range."""
    functions = tables.functions
    outside = 0
    for f in range(0, element.n_functions, WIDTH):
        row = element.first_function + f
        value = _eight_rows(tables.combination, row, features)
        store(symmetry_functions, (i, f), value)
        scaled = (value - load(functions.origin, row)) * load(functions.scale, row)
        store(inputs, f, scaled + element.offset)
        outside += count(less(value + _MARGIN, load(functions.minimum, row)))
        outside += count(less(load(functions.maximum, row), value - _MARGIN))
    return outside


@njit(forceinline=True)
def _differentiate_functions(tables: Any, element: Any, gradient: Any, weights: Any) -> None:
    """Gradient with respect to features from that with respect to network inputs."""
    for f in range(0, element.n_functions, WIDTH):
        scale = load(tables.functions.scale, element.first_function + f)
        store(gradient, f, load(gradient, f) * scale)
    for f in range(0, element.n_features, WIDTH):
        row = element.first_feature + f
        store(weights, f, _eight_rows(tables.distribution, row, gradient))


@njit(forceinline=True)
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
    groups = tables.groups
    n_elements = len(tables.elements)
    capacity = WIDTH
    for i in atoms:
        capacity = max(capacity, starts[i, n_elements] - starts[i, 0] + n_elements * WIDTH + 1)
    n_channels, n_features, n_layers, width = 0, 0, 0, WIDTH
    for e in range(n_elements):
        element = tables.elements[e]
        n_channels = max(n_channels, element.last_channel - element.first_channel)
        n_features = max(n_features, element.n_features)
        n_layers = max(n_layers, element.last_layer - element.first_layer)
        width = max(width, element.n_functions)
    for k in range(len(tables.layers)):
        width = max(width, tables.layers[k].outputs)
    n_monomials = len(tables.monomials.multinomials)

    near, gradient, own = _rows(8, capacity), _rows(4, capacity), np.zeros((capacity, WIDTH))
    values, slopes = _rows(n_channels, capacity), _rows(n_channels, capacity)
    products, polynomial = _row(n_monomials * capacity), _row(n_monomials * WIDTH)
    derivatives = _row((3 * n_monomials + 1) * WIDTH)
    scratch, series = _row(9 * (n_elements + 3) * WIDTH), np.zeros(9)
    moments = _rows(max(1, len(groups)) * n_monomials, n_elements + 4)
    listed, masks = _rows(4, WIDTH), np.zeros(0, np.uint8)
    lengths = np.zeros(len(tables.pairs), np.int64)
    features, weights = _row(n_features), _row(n_features)
    nodes, node_slopes = _rows(n_layers + 1, width), _rows(n_layers, width)
    node_gradients = _rows(n_layers + 1, width)
    indices = np.zeros(capacity, np.int64)
    blocks, counts = np.zeros(n_elements + 4, np.int64), np.zeros(n_elements, np.int64)

    for i in atoms:
        element = tables.elements[elements[i]]
        first_group, last_group = element.first_group, element.last_group
        n = _collect_neighbors(
            element, points, i, candidates, starts, near, indices, blocks, counts
        )
        _evaluate_channels(tables, element, near, n, values, slopes)

        _sum_radial(tables, element, blocks, values, features)
        n_listed, degree = 0, -1
        for g in range(first_group, last_group):
            if groups[g].moments != 0:
                degree = max(degree, groups[g].degree)
            else:
                n_listed += (n + 2 * WIDTH) ** 2
        if n_listed > listed.shape[1]:
            listed, masks = _rows(4, n_listed), np.zeros(n_listed, np.uint8)
        if degree >= 0:
            _evaluate_monomials(n_monomials, degree, near, n, products)
        column, mask_number = 0, 0
        for g in range(first_group, last_group):
            row = groups[g].channel - element.first_channel
            if groups[g].moments != 0:
                first = (g - first_group) * n_monomials
                _sum_moments(
                    tables.monomials, tables.parameters, groups[g], groups[g].degree, row, blocks,
                    values, products, moments, first, scratch, features,
                )  # fmt: skip
            else:
                column, mask_number = _sum_pairs(
                    tables, groups[g], row, blocks, counts, near, values, features, listed, column,
                    lengths, masks, mask_number,
                )  # fmt: skip

        outside[elements[i]] += _combine(tables, element, features, symmetry_functions, i, nodes[0])
        output = _evaluate_network(tables, element, nodes, node_slopes, node_gradients)
        energies[i] = output * tables.energy_unit + element.energy

        _differentiate_functions(tables, element, node_gradients[0], weights)
        _differentiate_radial(tables, element, blocks, near, slopes, weights, gradient)
        for j in range(n):
            store(own, (j, 0), splat(0.0))
        column, mask_number = 0, 0
        for g in range(first_group, last_group):
            row = groups[g].channel - element.first_channel
            if groups[g].moments != 0:
                first = (g - first_group) * n_monomials
                if groups[g].degree == 4:
                    _differentiate_moments(
                        tables.monomials, tables.parameters, groups[g], 4, row, blocks,
                        near, values, slopes, products, moments, first, weights, scratch,
                        polynomial, derivatives, gradient,
                    )  # fmt: skip
                else:
                    _differentiate_moments(
                        tables.monomials, tables.parameters, groups[g], groups[g].degree, row,
                        blocks, near, values, slopes, products, moments, first, weights,
                        scratch, polynomial, derivatives, gradient,
                    )  # fmt: skip
            else:
                column, mask_number = _differentiate_pairs(
                    tables, groups[g], row, blocks, counts, near, values, slopes, weights, listed,
                    column, lengths, masks, mask_number, series, gradient, own,
                )  # fmt: skip

        unit = tables.energy_unit
        own_x, own_y, own_z = 0.0, 0.0, 0.0
        for a in range(n_elements):
            for j in range(blocks[a], blocks[a] + counts[a]):
                along, p = gradient[ALONG, j] + own[j, ALONG], indices[j]
                gx = unit * (gradient[GX, j] + own[j, GX] + along * near[X, j])
                gy = unit * (gradient[GY, j] + own[j, GY] + along * near[Y, j])
                gz = unit * (gradient[GZ, j] + own[j, GZ] + along * near[Z, j])
                gradients[p, 0] += gx
                gradients[p, 1] += gy
                gradients[p, 2] += gz
                own_x += gx
                own_y += gy
                own_z += gz
        gradients[i, 0] -= own_x
        gradients[i, 1] -= own_y
        gradients[i, 2] -= own_z


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
            Positions of atoms and of their periodic images, shape [point, xyz], Å.
        candidates, starts
            Neighbour list: ``candidates[starts[i, a]:starts[i, a + 1]]`` are the points of
            element a near atom i.
        energies
            Filled with the energy of each atom, eV.
        gradients
            The gradient of the energy is added to it, shape [point, xyz], eV/Å.
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
