"""Angular features that are sums over pairs of neighbours (compiled).

For each vector of neighbours k of one element, the loops run over the neighbours j of another:
what belongs to the k stays in registers, and the loops are long. Of every vector of pairs
the sums leave behind what the gradient needs, one vector after another: the cosine, f_jk and
its derivative divided by r_jk (both zero where a pair doesn't count), value and derivative of
each curve.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llzo_helpers.hdnnp.elementary import acos, inverse_sqrt, power
from llzo_helpers.hdnnp.radial import evaluate_envelope, times_gaussian
from llzo_helpers.hdnnp.tables import LONG, SHORT
from llzo_helpers.hdnnp.vector import (
    WIDTH,
    both,
    compiled,
    inlined,
    item,
    lanes,
    less,
    load,
    maximum,
    put,
    splat,
    store,
    total,
    totals,
    where,
)
from llzo_helpers.hdnnp.workspace import ALONG, CURVES, GX, GY, GZ, INVERSE_R, SQUARE, X, Y, Z

# ---------------------------------------------------------------- one vector of pairs


@inlined
def _evaluate_distance(n_terms: int, tables: Any, group: Any, included: Any, squared: Any) -> Any:
    """R(r_jk) and its derivative divided by r_jk, from the square of r_jk."""
    if n_terms > 0:
        return _evaluate_polynomial(n_terms, group, tables.parameters, squared)
    # rounding may make that of an atom to itself negative
    squared = where(included, squared, splat(1.0))
    inverse = inverse_sqrt(squared)
    r = squared * inverse
    value, slope = evaluate_envelope(tables.envelopes[group.envelope], r)
    value, slope = times_gaussian(group.eta, group.shift, r, value, slope)
    return value, slope * inverse


@inlined
def _evaluate_polynomial(n_terms: int, group: Any, parameters: Any, squared: Any) -> Any:
    """Polynomial of the square of a distance; its derivative over the distance, divided by it.

    See `layout.even_polynomial`. Even and odd powers are two chains that processors follow
    at the same time.
    """
    x = squared * group.stretch - 1.0
    x2 = x * x
    slopes = group.terms + n_terms
    even = splat(item(parameters, group.terms + n_terms - 2))
    odd = splat(item(parameters, group.terms + n_terms - 1))
    even_slope = splat(item(parameters, slopes + n_terms - 2))
    odd_slope = splat(item(parameters, slopes + n_terms - 1))
    for n in range(n_terms - 4, -1, -2):
        even = even * x2 + item(parameters, group.terms + n)
        odd = odd * x2 + item(parameters, group.terms + n + 1)
        even_slope = even_slope * x2 + item(parameters, slopes + n)
        odd_slope = odd_slope * x2 + item(parameters, slopes + n + 1)
    return even + x * odd, even_slope + x * odd_slope


@inlined
def _evaluate_angle(group: Any, cosine: Any) -> Any:
    """Angle and its derivative with respect to the cosine, if the curves of a group need them."""
    if group.of_angle == 0:
        return splat(0.0), splat(0.0)
    square = maximum(1.0 - cosine * cosine, splat(0.0))
    collinear = less(square, splat(1e-24))
    return acos(cosine), where(collinear, splat(0.0), -inverse_sqrt(square))


@inlined
def _evaluate_curve(curve: Any, envelopes: Any, cosine: Any, angle: Any, turn: Any) -> Any:
    """Curve of an angle, and its derivative with respect to the cosine."""
    if curve.of_angle != 0:
        value, derivative = evaluate_envelope(envelopes[curve.envelope], angle)
        return value, derivative * turn
    base = 1.0 + curve.lambda_ * cosine
    positive = less(splat(0.0), base)
    base = where(positive, base, splat(1.0))
    lower = where(positive, power(base, curve.zeta - 1.0), splat(0.0))
    return base * lower, (curve.lambda_ * curve.zeta) * lower


# ---------------------------------------------------------------- sums


@inlined
def _n_vectors(n: int) -> int:
    return (n + WIDTH - 1) // WIDTH


@inlined
def _ordered(pair: Any, a: int, b: int, counts: Any) -> Any:
    """Blocks of j and k, and their channels: the way round that takes fewer vectors."""
    if counts[a] * _n_vectors(counts[b]) > counts[b] * _n_vectors(counts[a]):
        return b, a, pair.right, pair.left
    return a, b, pair.left, pair.right


@inlined
def _last(a: int, b: int, k: int, stop: int) -> int:
    """Where the loop over j ends for the neighbours k to k + 7: each pair counts once."""
    return min(stop, k + WIDTH) if a == b else stop


@inlined
def _sum_blocks(
    n_terms: int,
    n_powers: int,
    n_curves: int,
    tables: Any,
    group: Any,
    pair: Any,
    a: int,
    b: int,
    kept: int,
    work: Any,
) -> int:
    """Sum the features of one pair of elements; return where to keep what comes next."""
    near, values, sums, blocks = work.near, work.values, work.sums, work.blocks
    curves, reach = tables.curves, splat(tables.envelopes[group.envelope].right ** 2)
    j_block, k_block, left, right = _ordered(pair, a, b, work.counts)
    j_start, j_stop = blocks[j_block], blocks[j_block] + work.counts[j_block]
    for i in range(CURVES + n_curves):
        store(sums, (i, 0), splat(0.0))
    s0, s1, s2, s3, s4 = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for k in range(blocks[k_block], blocks[k_block + 1], WIDTH):
        x_k, y_k, z_k = load(near, (X, k)), load(near, (Y, k)), load(near, (Z, k))
        square_k, inverse_k = load(near, (SQUARE, k)), load(near, (INVERSE_R, k))
        f_k = load(values, (right, k))
        columns = lanes() + float(k) if a == b else splat(np.inf)
        for j in range(j_start, _last(a, b, k, j_stop)):
            dot = x_k * item(near, (X, j)) + y_k * item(near, (Y, j)) + z_k * item(near, (Z, j))
            cosine = dot * (inverse_k * item(near, (INVERSE_R, j)))
            included = less(splat(float(j)), columns)
            value, slope = splat(1.0), splat(0.0)
            if n_terms != 0:
                square = (square_k + item(near, (SQUARE, j))) - 2.0 * dot
                included = both(included, less(square, reach))
                value, slope = _evaluate_distance(n_terms, tables, group, included, square)
            value, slope = where(included, value, splat(0.0)), where(included, slope, splat(0.0))
            store(work.kept, kept, cosine)
            store(work.kept, kept + WIDTH, value)
            store(work.kept, kept + 2 * WIDTH, slope)
            kept += 3 * WIDTH
            product = f_k * item(values, (left, j)) * value
            if n_curves > 0:
                angle, turn = _evaluate_angle(group, cosine)
                for i in range(n_curves):
                    curve = curves[pair.first_curve + i]
                    height, slope = _evaluate_curve(curve, tables.envelopes, cosine, angle, turn)
                    store(sums, (CURVES + i, 0), load(sums, (CURVES + i, 0)) + product * height)
                    store(work.kept, kept, height)
                    store(work.kept, kept + WIDTH, slope)
                    kept += 2 * WIDTH
            if n_powers > 0:
                s0 = s0 + product
                product = product * cosine
                s1 = s1 + product
                product = product * cosine
                s2 = s2 + product
                product = product * cosine
                s3 = s3 + product
                product = product * cosine
                s4 = s4 + product
                for i in range(5, n_powers):
                    product = product * cosine
                    store(sums, (i, 0), load(sums, (i, 0)) + product)
    store(sums, (0, 0), s0)
    store(sums, (1, 0), s1)
    store(sums, (2, 0), s2)
    store(sums, (3, 0), s3)
    store(sums, (4, 0), s4)
    return kept


# The number of terms of R(r_jk), of powers of the cosine and of curves are constants to the
# compiler in the common cases: then loops are resolved, and sums stay in registers. No terms
# stand for a wide group, -1 for a channel that no polynomial fits.


@compiled
def _sum_blocks_of(tables: Any, group: Any, pair: Any, a: int, b: int, kept: int, work: Any) -> int:
    n_terms, n_powers = group.n_terms, group.degree + 1
    n_curves = pair.last_curve - pair.first_curve
    if n_curves == 0 and n_powers <= 5 and n_terms == SHORT:
        return _sum_blocks(SHORT, 5, 0, tables, group, pair, a, b, kept, work)
    if n_curves == 0 and n_powers <= 5 and n_terms == LONG:
        return _sum_blocks(LONG, 5, 0, tables, group, pair, a, b, kept, work)
    if n_terms == 0:
        return _sum_blocks(0, 0, n_curves, tables, group, pair, a, b, kept, work)
    return _sum_blocks(-1, n_powers, n_curves, tables, group, pair, a, b, kept, work)


@compiled
def sum_pairs(tables: Any, group: Any, kept: int, work: Any) -> int:
    """Sum the features of one group over pairs; return where to keep those of the next."""
    features, sums, parameters = work.features, work.sums, tables.parameters
    n_elements, n_powers = len(work.counts), group.degree + 1
    number = group.first_pair
    for a in range(n_elements):
        for b in range(a, n_elements):
            pair = tables.pairs[number]
            number += 1
            if pair.used == 0:
                continue
            kept = _sum_blocks_of(tables, group, pair, a, b, kept, work)
            for s in range(group.n_series):
                sum_ = splat(0.0)
                for n in range(n_powers):
                    coefficient = item(parameters, group.series + s * n_powers + n)
                    sum_ = sum_ + coefficient * load(sums, (n, 0))
                put(features, pair.feature + s, total(sum_))
            for i in range(pair.last_curve - pair.first_curve):
                feature = tables.curves[pair.first_curve + i].feature
                put(features, feature, total(load(sums, (CURVES + i, 0))))
    return kept


# ---------------------------------------------------------------- gradient


@inlined
def _weigh_series(group: Any, pair: Any, parameters: Any, work: Any) -> None:
    """Weights of the powers of the cosine in the weighted sum of all series."""
    series, n_powers = work.series, group.degree + 1
    for n in range(len(series)):
        put(series, n, 0.0)
    for s in range(group.n_series):
        weight = item(work.weights, pair.feature + s)
        for n in range(n_powers):
            coefficient = item(parameters, group.series + s * n_powers + n)
            put(series, n, item(series, n) + coefficient * weight)


@inlined
def _evaluate_series(n_powers: int, series: Any, c: Any) -> Any:
    """Weighted sum of powers of the cosine, of five at least, and its derivative."""
    highest = max(n_powers - 1, 4)
    p = splat(item(series, highest))
    dp = p
    p = p * c + item(series, highest - 1)
    for n in range(highest - 2, -1, -1):
        dp = dp * c + p
        p = p * c + item(series, n)
    return p, dp


@inlined
def _differentiate_blocks(
    n_powers: int,
    n_curves: int,
    tables: Any,
    pair: Any,
    a: int,
    b: int,
    kept: int,
    work: Any,
) -> int:
    """Add the gradient of the weighted features of one pair of elements.

    With P(c) the weighted sum of series and curves, a pair contributes f_j f_k f_jk P(c). Its
    gradient with respect to one of the two positions is a combination of both: its own
    comes with ALONG, the other one with ``cross``. What belongs to a j is not added up over
    lanes yet. Returns where what was kept of the next pair of elements begins.
    """
    near, values, slopes, blocks = work.near, work.values, work.slopes, work.blocks
    gradient, own, series, weights = work.gradient, work.own, work.series, work.weights
    zero = splat(0.0)
    j_block, k_block, left, right = _ordered(pair, a, b, work.counts)
    j_start, j_stop = blocks[j_block], blocks[j_block] + work.counts[j_block]
    for k in range(blocks[k_block], blocks[k_block + 1], WIDTH):
        x_k, y_k, z_k = load(near, (X, k)), load(near, (Y, k)), load(near, (Z, k))
        inverse_k, f_k, df_k = (
            load(near, (INVERSE_R, k)), load(values, (right, k)), load(slopes, (right, k)),
        )  # fmt: skip
        gx, gy, gz = load(gradient, (GX, k)), load(gradient, (GY, k)), load(gradient, (GZ, k))
        slope_sum, turn_sum, along = zero, zero, load(gradient, (ALONG, k))
        for j in range(j_start, _last(a, b, k, j_stop)):
            f_j, inverse_j = item(values, (left, j)), item(near, (INVERSE_R, j))
            cosine, value = load(work.kept, kept), load(work.kept, kept + WIDTH)
            stretch = load(work.kept, kept + 2 * WIDTH)
            kept += 3 * WIDTH
            p, dp = zero, zero
            if n_powers > 0:
                p, dp = _evaluate_series(n_powers, series, cosine)
            for i in range(n_curves):
                weight = item(weights, tables.curves[pair.first_curve + i].feature)
                p = p + load(work.kept, kept) * weight
                dp = dp + load(work.kept, kept + WIDTH) * weight
                kept += 2 * WIDTH
            f = f_k * f_j
            turn = f * (value * dp)
            stretch = f * (stretch * p)
            cross = turn * (inverse_k * inverse_j) - stretch
            turn = turn * cosine
            p = p * value
            slope_sum = slope_sum + p * f_j
            turn_sum = turn_sum + turn
            along = along + stretch
            gx = gx + cross * item(near, (X, j))
            gy = gy + cross * item(near, (Y, j))
            gz = gz + cross * item(near, (Z, j))
            along_j = p * f_k * (item(slopes, (left, j)) * inverse_j)
            along_j = along_j + (stretch - turn * (inverse_j * inverse_j))
            row = 4 * j
            store(own, (row + GX, 0), load(own, (row + GX, 0)) + cross * x_k)
            store(own, (row + GY, 0), load(own, (row + GY, 0)) + cross * y_k)
            store(own, (row + GZ, 0), load(own, (row + GZ, 0)) + cross * z_k)
            store(own, (row + ALONG, 0), load(own, (row + ALONG, 0)) + along_j)
        along = along + (df_k * slope_sum - turn_sum * inverse_k) * inverse_k
        store(gradient, (GX, k), gx)
        store(gradient, (GY, k), gy)
        store(gradient, (GZ, k), gz)
        store(gradient, (ALONG, k), along)
    return kept


@compiled
def _differentiate_group(tables: Any, group: Any, kept: int, work: Any) -> int:
    n_elements, n_powers = len(work.counts), group.degree + 1
    number = group.first_pair
    for a in range(n_elements):
        for b in range(a, n_elements):
            pair = tables.pairs[number]
            number += 1
            if pair.used == 0:
                continue
            _weigh_series(group, pair, tables.parameters, work)
            n_curves = pair.last_curve - pair.first_curve
            if n_curves == 0 and n_powers <= 5:
                kept = _differentiate_blocks(5, 0, tables, pair, a, b, kept, work)
            else:
                kept = _differentiate_blocks(n_powers, n_curves, tables, pair, a, b, kept, work)
    return kept


@compiled
def differentiate_pairs(tables: Any, element: Any, n: int, work: Any) -> None:
    """Add the gradient of the weighted features of all groups, with n neighbours in all."""
    own, gradient = work.own, work.gradient
    for row in range(4 * n):
        store(own, (row, 0), splat(0.0))
    kept = 0
    for g in range(element.first_group, element.last_group):
        kept = _differentiate_group(tables, tables.groups[g], kept, work)
    for j in range(0, n, WIDTH):
        for quantity in range(4):
            first = 4 * j + quantity
            sums = totals(
                load(own, (first, 0)), load(own, (first + 4, 0)),
                load(own, (first + 8, 0)), load(own, (first + 12, 0)),
                load(own, (first + 16, 0)), load(own, (first + 20, 0)),
                load(own, (first + 24, 0)), load(own, (first + 28, 0)),
            )  # fmt: skip
            store(gradient, (quantity, j), load(gradient, (quantity, j)) + sums)
