"""Angular features by moments: sums of spherical harmonics over neighbours (compiled).

For the spherical harmonics Q_l^m(z) A_m(x, y) and Q_l^m(z) B_m(x, y) see
`layout.harmonic_weight`. That of degree 0 is one: its moment is the radial feature.
"""

from __future__ import annotations

from typing import Any

from llzo_helpers.hdnnp.tables import MAX_POWER
from llzo_helpers.hdnnp.vector import (
    WIDTH,
    inlined,
    item,
    lane,
    load,
    splat,
    store,
    totals,
)
from llzo_helpers.hdnnp.workspace import (
    ALONG,
    GX,
    GY,
    GZ,
    INVERSE_R,
    LEGENDRE,
    SINES,
    UX,
    UY,
    UZ,
    n_harmonics,
    padded,
)


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
def evaluate_harmonics(degree: int, start: int, stop: int, work: Any) -> None:
    """Harmonics of the directions to neighbours of one element.

    Those of eight neighbours lie together: harmonic h of the neighbours j to j + 7 begins at
    ``padded(n_harmonics(degree)) * (j - start) + WIDTH * h``.
    """
    near, harmonics = work.near, work.harmonics
    for j in range(start, stop, WIDTH):
        x, y, z = load(near, (UX, j)), load(near, (UY, j)), load(near, (UZ, j))
        tile = padded(n_harmonics(degree)) * (j - start)
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
def sum_moments(tables: Any, neighbour: Any, first: int, start: int, stop: int, work: Any) -> None:
    """Moments of the neighbours of one element, and sums of f_j^2 (not yet over lanes)."""
    values, harmonics = work.values, work.harmonics
    stride = padded(n_harmonics(neighbour.degree))
    for i in range(neighbour.first_moment, neighbour.last_moment):
        row = tables.moments[i].channel
        for h in range(0, n_harmonics(tables.moments[i].degree), WIDTH):
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
def multiply_moments(tables: Any, element: Any, work: Any) -> None:
    """Features that are weighted dot products of two moments."""
    moments, partial, features = work.moments, work.partial, work.features
    parameters = tables.parameters
    at = 0
    for p in range(element.first_product, element.last_product):
        product = tables.products[p]
        left, right, n = product.left, product.right, n_harmonics(product.degree)
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
            series += WIDTH + padded(n)
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
def differentiate_products(tables: Any, element: Any, work: Any) -> None:
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
        for h in range(0, n_harmonics(degree), WIDTH):
            store(moment_weights, (i, h), splat(0.0))
    for p in range(element.first_product, element.last_product):
        product = tables.products[p]
        left, right, n = product.left, product.right, n_harmonics(product.degree)
        first, last = product.first_feature, product.last_feature
        stride = WIDTH + padded(n)
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


@inlined
def _legendre_place(degree: int, order: int) -> int:
    return LEGENDRE + WIDTH * ((MAX_POWER + 1) * order + degree)


@inlined
def _evaluate_factors(degree: int, x: Any, y: Any, z: Any, factors: Any) -> None:
    """Factors A_m, B_m and Q_l^m of the harmonics at eight directions."""
    cosine, sine = splat(1.0), splat(0.0)
    for m in range(1, degree + 1):
        factor = 1.0 / m
        cosine, sine = (x * cosine - y * sine) * factor, (x * sine + y * cosine) * factor
        store(factors, WIDTH * m, cosine)
        store(factors, SINES + WIDTH * m, sine)
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
            a, b = load(factors, WIDTH * m), load(factors, SINES + WIDTH * m)
            value = value + a * c + b * s
            gz = gz + a * dc + b * ds
        if m == 1:
            gx, gy = c, s
        if m > 1:
            a, b = load(factors, WIDTH * (m - 1)), load(factors, SINES + WIDTH * (m - 1))
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
def differentiate_neighbours(
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
