"""Forces from the slopes of the energy, over the gradients of the symmetry functions.

A fit goes through these gradients hundreds of times, and reading them is much of its work. Moving a
neighbour changes only the functions that depend on its element: only those are kept, contiguously.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.training.descriptors import Descriptors, FunctionTable


@dataclass(frozen=True)
class Channels:
    """For each element of a centre and of what moves, the functions that change.

    Attributes
    ----------
    functions
        [channel, function], filled up with zeros.
    sizes
        How many of them count, [channel].
    """

    functions: NDArray[np.int32]
    sizes: NDArray[np.int32]


@dataclass(frozen=True)
class Gradients:
    """Change of the inputs of a structure's networks with the positions of its atoms.

    Attributes
    ----------
    channels
        Shared by all structures.
    first
        Where the pairs of each atom that moves begin, and the last ones end, [atom + 1].
    centres, channel
        For each pair the atom whose inputs change, and the channel, [pair].
    starts
        Where the values of each pair begin, [pair].
    values
        1/Å; for each pair [axis, function of the channel], one after another.
    """

    channels: Channels
    first: IntArray
    centres: NDArray[np.int32]
    channel: NDArray[np.int32]
    starts: IntArray
    values: NDArray[np.float32]

    def push(self, slopes: NDArray[np.float32], moved: IntArray) -> NDArray[np.float32]:
        """Forces on some atoms, [moved, axis], from the slopes of the energy [atom, function]."""
        forces = np.zeros((len(moved), 3), np.float32)
        _push(slopes, moved, *self._arrays(), forces)
        return forces

    def pull(self, weights: NDArray[np.float32], moved: IntArray) -> NDArray[np.float32]:
        """Change with the slopes, [atom, function], of a sum of forces weighted [moved, axis]."""
        pulled = np.zeros((len(self.first) - 1, self.channels.functions.shape[1]), np.float32)
        _pull(weights, moved, *self._arrays(), pulled)
        return pulled

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        channels = self.channels
        return (
            self.first,
            self.centres,
            self.channel,
            self.starts,
            self.values,
            channels.functions,
            channels.sizes,
        )


def channels_of(table: FunctionTable) -> Channels:
    """Find the channels: for each element those of its neighbours, then that of its own move."""
    n_elements, n_functions = table.columns.shape
    rows = []
    for own in table.columns:
        rows += [
            np.flatnonzero((own["first"] == k) | (own["angular"] & (own["second"] == k)))
            for k in range(n_elements)
        ]
        rows.append(np.arange(n_functions))
    functions = np.zeros((len(rows), n_functions), np.int32)
    for row, found in zip(functions, rows, strict=True):
        row[: len(found)] = found
    return Channels(functions, np.array([len(row) for row in rows], np.int32))


def compress(
    found: Descriptors,
    numbers: IntArray,
    sigma: FloatArray,
    channels: Channels,
) -> Gradients:
    """Keep what is not zero of the gradients of a structure.

    Parameters
    ----------
    found
        From `describe`, all atoms moving.
    numbers
        Element of each atom.
    sigma
        Standard deviations by which the inputs are divided, [element, function].
    channels
        From `channels_of`.
    """
    own = numbers[found.centres]
    channel = ((len(sigma) + 1) * own + found.elements).astype(np.int32)
    order = np.lexsort((found.centres, channel, found.moved))
    centres, channel = found.centres[order], channel[order]
    ends = np.cumsum(3 * channels.sizes[channel].astype(np.int64))
    starts = np.concatenate([[0], ends[:-1]])
    values = np.empty(ends[-1], np.float32)
    inverse_sigma = (1.0 / sigma)[numbers[centres]]
    lists = channels.functions, channels.sizes
    _gather(found.gradients, order, inverse_sigma, channel, *lists, starts, values)
    first = np.searchsorted(found.moved[order], np.arange(len(numbers) + 1))
    return Gradients(channels, first, centres, channel, starts, values)


@njit(cache=True)
def _gather(
    gradients: NDArray[np.float32],
    order: IntArray,
    factors: FloatArray,
    channel: NDArray[np.int32],
    functions: NDArray[np.int32],
    sizes: NDArray[np.int32],
    starts: IntArray,
    values: NDArray[np.float32],
) -> None:
    for p in range(len(order)):
        n = sizes[channel[p]]
        for axis in range(3):
            for k in range(n):
                f = functions[channel[p], k]
                values[starts[p] + axis * n + k] = gradients[order[p], axis, f] * factors[p, f]


@njit(cache=True, fastmath=True)
def _push(
    slopes: NDArray[np.float32],
    moved: IntArray,
    first: IntArray,
    centres: NDArray[np.int32],
    channel: NDArray[np.int32],
    starts: IntArray,
    values: NDArray[np.float32],
    functions: NDArray[np.int32],
    sizes: NDArray[np.int32],
    forces: NDArray[np.float32],
) -> None:
    own = np.empty(functions.shape[1], np.float32)
    for row in range(len(moved)):
        for p in range(first[moved[row]], first[moved[row] + 1]):
            n = sizes[channel[p]]
            for k in range(n):
                own[k] = slopes[centres[p], functions[channel[p], k]]
            block = values[starts[p] : starts[p] + 3 * n]
            x = y = z = np.float32(0.0)
            for k in range(n):
                x += block[k] * own[k]
                y += block[n + k] * own[k]
                z += block[2 * n + k] * own[k]
            forces[row, 0] -= x
            forces[row, 1] -= y
            forces[row, 2] -= z


@njit(cache=True, fastmath=True)
def _pull(
    weights: NDArray[np.float32],
    moved: IntArray,
    first: IntArray,
    centres: NDArray[np.int32],
    channel: NDArray[np.int32],
    starts: IntArray,
    values: NDArray[np.float32],
    functions: NDArray[np.int32],
    sizes: NDArray[np.int32],
    pulled: NDArray[np.float32],
) -> None:
    own = np.empty(functions.shape[1], np.float32)
    for row in range(len(moved)):
        x, y, z = weights[row, 0], weights[row, 1], weights[row, 2]
        for p in range(first[moved[row]], first[moved[row] + 1]):
            n = sizes[channel[p]]
            block = values[starts[p] : starts[p] + 3 * n]
            for k in range(n):
                own[k] = x * block[k] + y * block[n + k] + z * block[2 * n + k]
            for k in range(n):
                pulled[centres[p], functions[channel[p], k]] -= own[k]
