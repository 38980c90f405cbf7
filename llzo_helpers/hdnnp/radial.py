"""Radial channels: cutoff times Gaussian of the distance to a neighbour (compiled)."""

from __future__ import annotations

import math
from typing import Any

from llzo_helpers.hdnnp.elementary import exp, exp2, sin_cos_quarter_turn, tanh
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
    compiled,
    inlined,
    less,
    load,
    maximum,
    minimum,
    splat,
    store,
    totals,
    where,
)
from llzo_helpers.hdnnp.workspace import R

_LOG2_E = 1.0 / math.log(2.0)
_TANH_NORMALIZATION = 1.0 / math.tanh(1.0) ** 3


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
def evaluate_envelope(envelope: Any, r: Any) -> Any:
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
def times_gaussian(eta: float, shift: float, r: Any, value: Any, derivative: Any) -> Any:
    """Envelope times exp(-eta (r - shift)^2), and its derivative."""
    if eta == 0.0:
        return value, derivative
    d = r - shift
    gaussian = exp2(d * d * (-eta * _LOG2_E))
    value = value * gaussian
    return value, derivative * gaussian - 2.0 * eta * d * value


@inlined
def evaluate_channels(tables: Any, neighbour: Any, start: int, stop: int, work: Any) -> None:
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
            value, slope = evaluate_envelope(tables.envelopes[envelope], r)
            for c in range(first, channel):
                f, df = times_gaussian(channels[c].eta, channels[c].shift, r, value, slope)
                row = c - neighbour.first_channel
                store(values, (row, j), f)
                store(slopes, (row, j), df)


@inlined
def sum_channels(neighbour: Any, start: int, stop: int, work: Any) -> None:
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
