"""Graph order parameter of a network of jumps, and how much of it is counting.

The scheme is that of J. Chapman, N. Goldman, B. C. Wood, npj Comput. Mater. 8, 37 (2022): a
node for each site, an edge weight for the probability of a jump, a degree for the weight
that comes into a node. With the degrees of a connected component s taken as a distribution
P(d),

    o_s = sum over unique degrees m of [P(d_m) ln P(d_m) + d_m P(d_m)],
    theta = sum over components of o_s ** k.

The first term is minus the entropy of the degrees, the second their mean. Degrees are real
numbers, so that without binning nearly all differ: then o_s = mean degree - ln n_s, which
follows from the number of sites and their mean degree (`counting_limit`) and does not depend on
how they are connected (`rewired`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from llzo_helpers.analysis.networks.resampling import Dependence
from llzo_helpers.arguments import check_whole, checked_numbers
from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError

# Degrees that agree to this many decimals are one degree: sums of the same numbers in
# another order differ in the last one or two of float64's sixteen.
DEGREE_DECIMALS = 12


@dataclass(frozen=True)
class GraphOrderParameter:
    """The graph order parameter of one network.

    Attributes
    ----------
    value : float
        theta, the sum over components of o_s ** exponent; more negative for more sites with
        more varied degrees.
    normalised : float
        Mean over sites of the o_s of their component, divided by the largest possible
        entropy: ln(bins), or ln(number of sites) without binning. It does not depend on the
        exponent; with bins it does not change when a network is repeated.
    exponent : int
        k.
    bins : int or None
        Number of equal bins of the degrees between 0 and 1; None for no binning.
    degrees : ndarray, shape [site]
        Sum of the weights into each site, divided by the largest such sum.
    component : ndarray, shape [site]
        Connected component of each site.
    component_orders : ndarray, shape [component]
        o_s.
    component_sizes : ndarray, shape [component]
        Sites in each component.
    """

    value: float
    normalised: float
    exponent: int
    bins: int | None
    degrees: FloatArray
    component: IntArray
    component_orders: FloatArray
    component_sizes: IntArray

    @property
    def counting_limit(self) -> float:
        """Theta if in each component all degrees differed: from sizes and means alone."""
        means = np.bincount(self.component, weights=self.degrees) / self.component_sizes
        limits = counting_limit(self.component_sizes, exponent=self.exponent, mean_degree=means)
        return float(np.sum(limits))


def graph_order_parameter(
    network: ArrayLike | nx.DiGraph[Any], *, exponent: int = 3, bins: int | None = None
) -> GraphOrderParameter:
    """Return the graph order parameter of a network of jumps.

    Parameters
    ----------
    network : array_like, shape [site, site], or networkx.DiGraph
        Probability of a jump from the first site to the second; the diagonal (no jump) is
        not an edge. For a graph, the edge attribute `probability`.
    exponent : int
        k: 1 as printed by Grieder et al. (J. Phys. Chem. C, 2024), 3 in the vector
        variant of Chapman et al. and consistent with the values of Grieder et al.
    bins : int, optional
        Number of equal bins of the degrees between 0 and 1; each bin has the mean of its
        members, so that binning changes the entropy alone. None treats each unique degree
        separately, as published.

    Raises
    ------
    InputError
        A matrix that isn't square, a probability outside 0..1, no edge, an exponent below
        1, fewer than 2 bins.
    """
    check_whole("exponent", exponent, "a power, such as 1 or 3", low=1, high=100)
    if bins is not None:
        check_whole("bins", bins, "None for no binning, or their number", low=2, high=10**6)
    return _order_of_weights(_checked_weights(network), exponent, bins)


def counting_limit(
    n_sites: ArrayLike, *, exponent: int = 3, mean_degree: ArrayLike = 0.0
) -> FloatArray:
    """Return theta of one component whose degrees all differ: (mean_degree - ln n) ** k.

    Parameters
    ----------
    n_sites : array_like
        Number of sites.
    exponent : int
        k.
    mean_degree : array_like
        Between 0 and 1.
    """
    count = np.asarray(n_sites, dtype=float)
    return np.asarray((np.asarray(mean_degree) - np.log(count)) ** exponent)


def rewired(
    network: ArrayLike | nx.DiGraph[Any], *, seed: int, swaps_per_edge: int = 10
) -> FloatArray:
    """Return the weights of a random network with the same degrees.

    Repeatedly, two randomly chosen edges exchange the sites they start from, keeping their
    weights. The weight into each site, and the numbers of edges into and out of it, stay the
    same; the connections between sites change.

    Parameters
    ----------
    network : array_like, shape [site, site], or networkx.DiGraph
        As for `graph_order_parameter`.
    seed : int
        Of the random choices.
    swaps_per_edge : int
        Attempted exchanges per edge.

    Returns
    -------
    ndarray, shape [site, site]
        Off-diagonal weights; rows no longer sum to those of `network`.
    """
    weights = _checked_weights(network)
    rng = np.random.default_rng(seed)
    sources, targets = (ends.tolist() for ends in np.nonzero(weights))
    values = weights[sources, targets]
    taken = set(zip(sources, targets, strict=True))
    for first, second in rng.integers(len(values), size=(swaps_per_edge * len(values), 2)).tolist():
        a, b = sources[first], targets[first]
        c, d = sources[second], targets[second]
        if a == d or c == b or (a, d) in taken or (c, b) in taken:
            continue
        taken -= {(a, b), (c, d)}
        taken |= {(a, d), (c, b)}
        sources[first], sources[second] = c, a
    weights = np.zeros_like(weights)
    weights[sources, targets] = values
    return weights


def rewired_order_parameters(
    network: ArrayLike | nx.DiGraph[Any],
    *,
    exponent: int = 3,
    bins: int | None = None,
    draws: int = 20,
    seed: int,
) -> FloatArray:
    """Return theta [draw] of random networks with the same degrees, the null model of theta.

    Because theta depends on the degrees and components alone, it changes only where rewiring
    joins or splits components. See `graph_order_parameter` and `rewired`.
    """
    return np.array(
        [
            _order_of_weights(rewired(network, seed=seed + draw), exponent, bins).value
            for draw in range(draws)
        ]
    )


def dependence_on_sites(
    network: ArrayLike | nx.DiGraph[Any],
    *,
    sizes: Sequence[int],
    exponent: int = 3,
    bins: int | None = None,
    draws: int = 20,
    seed: int,
) -> Dependence:
    """Return how theta depends on the number of sites of a connected piece of the network.

    Parameters
    ----------
    network : array_like, shape [site, site], or networkx.DiGraph
        As for `graph_order_parameter`.
    sizes : sequence of int
        Sites; each piece is grown breadth first from a random site of the largest
        component.
    exponent, bins
        As for `graph_order_parameter`.
    draws : int
        Pieces of each size.
    seed : int
        Of the first sites.

    Raises
    ------
    InputError
        As `graph_order_parameter`; or a size below 2 or above that of the largest component.
    """
    weights = _checked_weights(network)
    labels = _components(weights)
    largest = np.flatnonzero(labels == np.argmax(np.bincount(labels)))
    for size in sizes:
        if not 2 <= size <= len(largest):
            raise InputError(
                f"sizes: {size} sites; give 2 to {len(largest)}, the largest component"
            )
    rng = np.random.default_rng(seed)
    graph = csr_array(weights)
    orders = [
        breadth_first_order(graph, int(start), directed=False, return_predecessors=False)
        for start in rng.choice(largest, size=draws)
    ]
    values = [
        [
            _order_of_weights(weights[np.ix_(order[:size], order[:size])], exponent, bins).value
            for order in orders
        ]
        for size in sizes
    ]
    return Dependence.of(sizes, values)


def _checked_weights(network: ArrayLike | nx.DiGraph[Any]) -> FloatArray:
    """Return the off-diagonal probabilities [site, site], or raise InputError if invalid."""
    if isinstance(network, nx.Graph):
        missing = [edge for *edge, data in network.edges(data=True) if "probability" not in data]
        if missing:
            raise InputError(
                f"network: edge {tuple(missing[0])} has no attribute `probability`; give it one"
            )
        matrix = nx.to_numpy_array(network, weight="probability")
    else:
        matrix = checked_numbers("network", network).astype(float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"probabilities: shape {matrix.shape}; give a square matrix [site, site]")
    # a sum of counted fractions may exceed 1 by a rounding error
    outside = ~((matrix >= 0.0) & (matrix <= 1.0 + 1e-9))
    if np.any(outside):
        row, column = np.argwhere(outside)[0]
        raise InputError(
            f"probabilities: {matrix[row, column]:g} from site {row} to {column} is outside 0..1; "
            "divide the jumps by the time spent at the site they start from"
        )
    np.fill_diagonal(matrix, 0.0)
    if not np.any(matrix):
        raise InputError(
            "probabilities: no edge between any two sites; give a longer or a hotter trajectory, "
            "in which ions jump"
        )
    return matrix


def _components(weights: FloatArray) -> IntArray:
    """Return the component of each site, joined by a jump in either direction."""
    return np.asarray(connected_components(csr_array(weights), directed=False)[1], dtype=np.int64)


def _order_of_weights(weights: FloatArray, exponent: int, bins: int | None) -> GraphOrderParameter:
    strengths = weights.sum(axis=0)
    degrees = strengths / max(strengths.max(), np.finfo(float).tiny)
    component = _components(weights)
    sizes = np.bincount(component)
    orders = np.array([_component_order(degrees[component == s], bins) for s in range(len(sizes))])
    n_states = len(degrees) if bins is None else bins
    return GraphOrderParameter(
        value=float(np.sum(orders**exponent)),
        normalised=float(np.sum(sizes * orders) / sizes.sum() / np.log(n_states)),
        exponent=exponent,
        bins=bins,
        degrees=degrees,
        component=component,
        component_orders=orders,
        component_sizes=sizes,
    )


def _component_order(degrees: FloatArray, bins: int | None) -> float:
    """Return o_s of the degrees of one component."""
    if bins is None:
        states = np.round(degrees, DEGREE_DECIMALS)
    else:
        # the same rounding, so that a degree at a bin's edge always falls on the same side
        states = np.minimum(np.floor(np.round(degrees * bins, DEGREE_DECIMALS)), bins - 1)
    counts = np.unique(states, return_counts=True)[1]
    fractions = counts / len(degrees)
    # the sum of d_m P(d_m) over states is the mean degree, binned or not
    return float(np.sum(fractions * np.log(fractions)) + degrees.mean())
