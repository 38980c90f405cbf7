"""The network of sites: a graph of jumps, where it percolates, and its superbasins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from ase.geometry import find_mic
from numpy.typing import ArrayLike

from llzo_helpers.analysis.periodic import checked_cell
from llzo_helpers.analysis.sites.jumps import JumpStatistics
from llzo_helpers.arrays import BoolArray, FloatArray, IntArray


def hop_vectors(centres: FloatArray, cell: ArrayLike, links: BoolArray) -> FloatArray:
    """Return the vectors of jumps from each site to the nearest image of others.

    Parameters
    ----------
    centres : ndarray, shape [site, axis]
        Å.
    cell : array_like, shape [vector, axis]
        Å.
    links : ndarray of bool, shape [from, to]
        Pairs of sites to evaluate.

    Returns
    -------
    ndarray, shape [from, to, axis]
        Å; zero for other pairs.
    """
    source, target = np.nonzero(links)
    vectors = np.zeros((*links.shape, 3))
    if len(source):
        vectors[links], _ = find_mic(centres[target] - centres[source], checked_cell(cell))
    return vectors


def site_network(
    centres: FloatArray,
    cell: ArrayLike,
    statistics: JumpStatistics,
    site_attributes: Mapping[str, Iterable[object]] | None = None,
) -> "nx.DiGraph[int]":
    """Return the graph of sites and the jumps between them.

    Parameters
    ----------
    centres : ndarray, shape [site, axis]
        Å.
    cell : array_like, shape [vector, axis]
        Å.
    statistics : JumpStatistics
        From `jump_statistics`.
    site_attributes : mapping of str to sequence, shape [site], optional
        Further attributes of each node, such as `type` or `static_volume`.

    Returns
    -------
    networkx.DiGraph
        Nodes have `position` (Å), `residence_time_ps` (ps) and `occupancy`; edges `jumps`,
        `probability` (per frame), `rate` (per ps), `vector` and `distance` (Å), and `shift`,
        the cells crossed: the vector runs from `position` to that of the other site plus
        `shift` times the cell.
    """
    cell = checked_cell(cell)
    vectors = hop_vectors(centres, cell, statistics.rates_per_ps > 0)
    inverse = np.linalg.inv(cell)
    graph: nx.DiGraph[int] = nx.DiGraph()
    for site, centre in enumerate(centres):
        graph.add_node(
            site,
            position=centre,
            residence_time_ps=float(statistics.residence_time_ps[site]),
            occupancy=float(statistics.occupancy[site]),
        )
    for name, values in (site_attributes or {}).items():
        nx.set_node_attributes(graph, dict(enumerate(values)), name)
    for source, target in zip(*np.nonzero(statistics.rates_per_ps), strict=True):
        vector = vectors[source, target]
        crossed = (vector - centres[target] + centres[source]) @ inverse
        graph.add_edge(
            int(source),
            int(target),
            jumps=float(statistics.n_ij[source, target]),
            probability=float(statistics.p_ij[source, target]),
            rate=float(statistics.rates_per_ps[source, target]),
            vector=vector,
            distance=float(np.linalg.norm(vector)),
            shift=tuple(map(int, np.round(crossed))),
        )
    return graph


@dataclass(frozen=True)
class PercolatingCluster:
    """A connected part of a periodic network, and how it continues into its own images.

    Attributes
    ----------
    sites : frozenset
        Nodes.
    lattice : ndarray of int, shape [rank, 3]
        Basis of all displacements, in cell vectors, along the network from a site to its own
        images, in Hermite normal form. A row (2, 0, 0) means that it closes through two cells.
    """

    sites: frozenset[object]
    lattice: IntArray

    @property
    def rank(self) -> int:
        """Number of independent directions of percolation: 0 (closed in itself) to 3."""
        return len(self.lattice)

    @property
    def directions(self) -> tuple[bool, bool, bool]:
        """Whether the cluster extends without end along each cell vector."""
        a, b, c = (bool(np.any(self.lattice[:, axis])) for axis in range(3))
        return a, b, c


def percolation(graph: "nx.Graph[Any]") -> list[PercolatingCluster]:
    """Return the clusters of a periodic network, those of highest rank and size first.

    The displacements of closed walks on the quotient graph, in cell vectors, are a lattice; its
    rank is the number of directions in which the infinite network percolates (quotient graph:
    Chung, Hahn, Klee, Acta Cryst. A 40, 42 (1984); displacements along spanning trees: Newman,
    Ziff, Phys. Rev. E 64, 016706 (2001)). Networks that run diagonally, or close only through
    several cells, are thus recognised.

    Parameters
    ----------
    graph : networkx graph, directed or not, multigraph or not
        Each edge has `shift`, the cells crossed from its first to its second node.
    """
    neighbours: dict[object, list[tuple[object, IntArray]]] = {node: [] for node in graph}
    for source, target, data in graph.edges(data=True):
        step = np.array(data["shift"], dtype=int)
        neighbours[source].append((target, step))
        neighbours[target].append((source, -step))
    clusters = []
    place: dict[object, IntArray] = {}
    for start in graph:
        if start in place:
            continue
        place[start] = np.zeros(3, dtype=int)
        members, closures, queue = [start], set(), [start]
        while queue:
            node = queue.pop()
            for neighbour, step in neighbours[node]:
                reached = place[node] + step
                if neighbour not in place:
                    place[neighbour] = reached
                    members.append(neighbour)
                    queue.append(neighbour)
                elif np.any(reached != place[neighbour]):
                    closures.add(tuple(map(int, reached - place[neighbour])))
        clusters.append(PercolatingCluster(frozenset(members), _lattice_basis(closures)))
    return sorted(clusters, key=lambda cluster: (-cluster.rank, -len(cluster.sites)))


def _lattice_basis(vectors: Iterable[tuple[int, ...]]) -> IntArray:
    """Return a basis [rank, 3] of the integer combinations of vectors, in Hermite normal form."""
    rows = [list(vector) for vector in vectors]
    basis = []
    for axis in range(3):
        # Euclid's algorithm on this column leaves one row with the greatest common divisor.
        while sum(row[axis] != 0 for row in rows) > 1:
            pivot = min((row for row in rows if row[axis]), key=lambda row: abs(row[axis]))
            rows = [
                row
                if row is pivot
                else [x - row[axis] // pivot[axis] * p for x, p in zip(row, pivot, strict=True)]
                for row in rows
            ]
        for row in rows:
            if row[axis]:
                basis.append(row if row[axis] > 0 else [-x for x in row])
                rows.remove(row)
                break
    # Reduce the entries above each pivot, so that the basis is unique; from the top, since a row
    # changes the columns of the pivots below it.
    for lower in range(1, len(basis)):
        axis = next(i for i in range(3) if basis[lower][i])
        for upper in range(lower):
            times = basis[upper][axis] // basis[lower][axis]
            basis[upper] = [x - times * y for x, y in zip(basis[upper], basis[lower], strict=True)]
    return np.array(basis, dtype=int).reshape(-1, 3)


def _fast_links(graph: "nx.DiGraph[int]", minimum_rate_per_ps: float) -> "nx.Graph[int]":
    """Return the sites with those links that are as fast as this both ways."""
    fast: nx.Graph[int] = nx.Graph()
    fast.add_nodes_from(graph)
    for source, target, data in graph.edges(data=True):
        if source < target and graph.has_edge(target, source):
            rate = min(data["rate"], graph[target][source]["rate"])
            if rate >= minimum_rate_per_ps:
                fast.add_edge(source, target, shift=data["shift"], rate=rate)
    return fast


def _link_rates(links: "nx.Graph[int]") -> list[float]:
    return [data["rate"] for _, _, data in links.edges(data=True)]


def critical_rate(graph: "nx.DiGraph[int]") -> float:
    """Return the rate of the slowest link needed for percolation, 1/ps.

    Links are added from the fastest to the slowest, a link being as fast as the slower of its
    two directions. The critical rate is that of the link with which the fast network first
    percolates in as many directions as the whole one (critical path analysis: Ambegaokar,
    Halperin, Langer, Phys. Rev. B 4, 2612 (1971)).

    Parameters
    ----------
    graph : networkx.DiGraph
        From `site_network`.

    Returns
    -------
    float
        0 if the network doesn't percolate at all.
    """
    links = _fast_links(graph, 0.0)
    full_rank = max((cluster.rank for cluster in percolation(links)), default=0)
    if full_rank == 0:
        return 0.0
    rates = np.unique(_link_rates(links))
    low, high = 0, len(rates) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if percolation(_fast_links(graph, rates[middle]))[0].rank >= full_rank:
            low = middle
        else:
            high = middle - 1
    return float(rates[low])


@dataclass(frozen=True)
class Superbasins:
    """Groups of sites with fast jumps within and slow ones between.

    Attributes
    ----------
    labels : ndarray of int, shape [site]
        Superbasin of each site, the largest first.
    minimum_rate_per_ps : float
        Minimum rate, in both directions, of the links that join sites to a superbasin, 1/ps.
    """

    labels: IntArray
    minimum_rate_per_ps: float

    @property
    def sizes(self) -> IntArray:
        """Number of sites in each superbasin."""
        return np.bincount(self.labels)


def superbasins(graph: "nx.DiGraph[int]", minimum_rate_per_ps: float | None = None) -> Superbasins:
    """Group sites that are connected by fast links.

    Parameters
    ----------
    graph : networkx.DiGraph
        From `site_network`.
    minimum_rate_per_ps : float, optional
        Minimum rate, in both directions, of a fast link, 1/ps; by default just above the
        critical rate, which gives the largest superbasins between which every path is slower.
    """
    if minimum_rate_per_ps is None:
        minimum_rate_per_ps = float(np.nextafter(critical_rate(graph), np.inf))
    fast = _fast_links(graph, minimum_rate_per_ps)
    components = sorted(nx.connected_components(fast), key=len, reverse=True)
    labels = np.empty(len(graph), dtype=np.int64)
    for label, component in enumerate(components):
        labels[list(component)] = label
    return Superbasins(labels, minimum_rate_per_ps)


@dataclass(frozen=True)
class SuperbasinScan:
    """How superbasins merge as slower links are added.

    Attributes
    ----------
    minimum_rate_per_ps : ndarray, shape [threshold]
        1/ps, falling.
    n_superbasins, largest, rank : ndarray of int, shape [threshold]
        Number of superbasins of two or more sites, sites in the largest, and directions in
        which the fast links percolate.
    """

    minimum_rate_per_ps: FloatArray
    n_superbasins: IntArray
    largest: IntArray
    rank: IntArray


def superbasin_scan(graph: "nx.DiGraph[int]", n_thresholds: int = 40) -> SuperbasinScan:
    """Scan the minimum rate of a fast link over the rates of the network, logarithmically."""
    rates = _link_rates(_fast_links(graph, 0.0))
    if not rates:
        empty = np.empty(0, dtype=int)
        return SuperbasinScan(np.empty(0), empty, empty, empty)
    thresholds = np.asarray(np.geomspace(max(rates), min(rates), n_thresholds), dtype=float)
    thresholds[-1] = min(rates)
    rows = []
    for threshold in thresholds:
        clusters = percolation(_fast_links(graph, threshold))
        sizes = [len(cluster.sites) for cluster in clusters]
        rows.append((sum(size > 1 for size in sizes), max(sizes), clusters[0].rank))
    count, largest, rank = np.array(rows).T
    return SuperbasinScan(thresholds, count, largest, rank)
