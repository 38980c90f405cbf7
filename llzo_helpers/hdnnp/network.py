"""A network and its gradient (compiled)."""

from __future__ import annotations

import math
from typing import Any

from llzo_helpers.hdnnp.elementary import exp, log, sin_cos_quarter_turn, tanh
from llzo_helpers.hdnnp.vector import (
    WIDTH,
    compiled,
    inlined,
    item,
    less,
    load,
    maximum,
    nearest,
    splat,
    store,
    where,
)
from llzo_helpers.hdnnp.workspace import padded


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
def evaluate_network(tables: Any, element: Any, work: Any) -> float:
    """Output of a network; its gradient replaces the first row of ``node_gradients``.

    Row k of ``nodes`` holds the inputs of layer k; row 0 is given.
    """
    nodes, slopes, gradient = work.nodes, work.node_slopes, work.node_gradients
    layers, parameters = tables.layers, tables.parameters
    first, last = element.first_layer, element.last_layer
    for k in range(first, last):
        layer, depth = layers[k], k - first
        stride = padded(layer.outputs)
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
        stride = padded(layer.inputs)
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
