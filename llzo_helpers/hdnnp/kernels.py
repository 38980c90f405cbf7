"""Energy and forces of atoms: the compiled part.

`evaluate` runs over central atoms. For each it

1. collects the neighbours within the cutoff, in blocks of one element each, padded to whole
   vectors with neighbours that lie outside all cutoffs and so contribute nothing;
2. evaluates every radial channel and its derivative for all neighbours at once (`radial`);
3. sums up the features, by `moments` or over `pairs` of neighbours (see `tables`);
4. combines features to symmetry functions, evaluates the `network` and its gradient;
5. carries the gradient back to features, channels and neighbour positions.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from llzo_helpers.hdnnp.elementary import inverse_sqrt
from llzo_helpers.hdnnp.moments import (
    differentiate_neighbours,
    differentiate_products,
    evaluate_harmonics,
    multiply_moments,
    sum_moments,
)
from llzo_helpers.hdnnp.network import evaluate_network
from llzo_helpers.hdnnp.pairs import differentiate_pairs, sum_pairs
from llzo_helpers.hdnnp.radial import evaluate_channels, sum_channels
from llzo_helpers.hdnnp.vector import (
    WIDTH,
    add_to_rows,
    compiled,
    compress,
    count,
    gather,
    gather_rows,
    inlined,
    item,
    lanes,
    less,
    load,
    put,
    splat,
    store,
    total,
    where,
)
from llzo_helpers.hdnnp.workspace import (
    ALONG,
    GX,
    GY,
    GZ,
    INVERSE_R,
    SQUARE,
    UX,
    UY,
    UZ,
    R,
    X,
    Y,
    Z,
    allocate,
)

# n2p2 reports extrapolation beyond this margin only
_MARGIN = 1000.0 * np.finfo(float).eps

_SOURCES = (
    "elementary",
    "kernels",
    "moments",
    "network",
    "pairs",
    "radial",
    "tables",
    "vector",
    "workspace",
)


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
            store(near, (SQUARE, n), compress(inside, r2))
            # whole numbers can be moved like others
            store(indices, n, compress(inside, load(candidates, c)))
            n += count(inside)
        counts[a] = n - blocks[a]
        store(near, (X, n), splat(far))
        store(near, (Y, n), splat(0.0))
        store(near, (Z, n), splat(0.0))
        store(near, (SQUARE, n), splat(far * far))
        while n % WIDTH != 0:
            put(indices, n, i)
            n += 1
    blocks[n_elements] = n
    for j in range(0, n, WIDTH):
        square = load(near, (SQUARE, j))
        inverse = inverse_sqrt(square)
        store(near, (R, j), square * inverse)
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
        evaluate_channels(tables, neighbour, start, stop, work)
        sum_channels(neighbour, start, stop, work)
        if neighbour.degree == 4:  # loops resolved by the compiler
            evaluate_harmonics(4, start, stop, work)
        else:
            evaluate_harmonics(neighbour.degree, start, stop, work)
        sum_moments(tables, neighbour, first_moment, start, stop, work)
    multiply_moments(tables, element, work)
    kept = 0
    for g in range(element.first_group, element.last_group):
        kept = sum_pairs(tables, groups[g], kept, work)

    outside[number] += _combine(tables, element, symmetry_functions, i, work)
    energy = evaluate_network(tables, element, work) * tables.energy_unit + element.energy

    _differentiate_functions(tables, element, work)
    differentiate_products(tables, element, work)
    for a in range(n_elements):
        neighbour, start, stop = neighbours[first_neighbour + a], blocks[a], blocks[a + 1]
        differentiate_neighbours(tables, neighbour, first_moment, start, stop, work)
    if element.last_group > element.first_group:
        differentiate_pairs(tables, element, n, work)
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
    n_elements = len(tables.elements)
    capacity = WIDTH
    for i in atoms:
        capacity = max(capacity, starts[i, n_elements] - starts[i, 0] + (n_elements + 1) * WIDTH)
    work = allocate(tables, capacity)
    for i in atoms:
        energies[i] = _evaluate_atom(
            tables, elements[i], i, points, candidates, starts, gradients, symmetry_functions,
            outside, work,
        )  # fmt: skip


def _digest_of_sources() -> str:
    folder = Path(__file__).parent
    return hashlib.sha256(
        b"".join((folder / f"{name}.py").read_bytes() for name in _SOURCES)
    ).hexdigest()


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
