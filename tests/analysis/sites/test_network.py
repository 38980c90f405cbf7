"""Percolation on constructed networks, superbasins, and the graph of the garnet's sites."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llzo_helpers.analysis.sites import (
    critical_rate,
    find_stays,
    jump_statistics,
    percolation,
    site_network,
    superbasin_scan,
    superbasins,
)
from llzo_helpers.campaign.sites import garnet_types

ZERO = (0, 0, 0)


def network(*edges: tuple[int, int, tuple[int, int, int]]) -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph()
    for source, target, shift in edges:
        graph.add_edge(source, target, shift=shift)
    return graph


def grid(n: int, axes: tuple[int, ...]) -> nx.MultiDiGraph:
    """Connect the sites of an n x n x n grid along some axes."""
    graph = nx.MultiDiGraph()
    for place in np.ndindex(n, n, n):
        graph.add_node(place)
        for axis in axes:
            beyond = np.array(place) + np.eye(3, dtype=int)[axis]
            graph.add_edge(place, tuple(beyond % n), shift=tuple(beyond // n))
    return graph


class TestPercolation:
    def test_cluster_closed_in_itself(self):
        cluster = percolation(network((0, 1, ZERO), (1, 2, ZERO), (2, 0, ZERO)))[0]
        assert cluster.rank == 0
        assert cluster.directions == (False, False, False)

    def test_cluster_across_a_face_of_the_cell(self):
        # leaves the cell and comes back: still finite
        assert (
            percolation(network((0, 1, (1, 0, 0)), (1, 2, ZERO), (2, 0, (-1, 0, 0))))[0].rank == 0
        )

    @pytest.mark.parametrize("axis", range(3))
    def test_chain_along_each_axis(self, axis):
        step = np.eye(3, dtype=int)[axis]
        cluster = percolation(network((0, 1, ZERO), (1, 2, ZERO), (2, 0, tuple(step))))[0]
        assert cluster.lattice.tolist() == [step.tolist()]
        assert cluster.directions == tuple(step.astype(bool))

    def test_chain_along_a_diagonal(self):
        cluster = percolation(network((0, 1, (1, 0, 0)), (1, 0, (0, 1, 0))))[0]
        assert cluster.lattice.tolist() == [[1, 1, 0]]
        assert cluster.directions == (True, True, False)

    def test_chain_along_an_antidiagonal(self):
        # a sum over directions would cancel
        assert percolation(network((0, 0, (1, -1, 0))))[0].directions == (True, True, False)

    @pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
    def test_sheet(self, axes):
        clusters = percolation(grid(3, axes))
        assert [cluster.rank for cluster in clusters] == [2, 2, 2]
        assert clusters[0].directions == tuple(axis in axes for axis in range(3))

    def test_network_in_three_dimensions(self):
        (cluster,) = percolation(grid(3, (0, 1, 2)))
        assert cluster.lattice.tolist() == np.eye(3, dtype=int).tolist()

    def test_network_that_closes_only_through_several_cells(self):
        # three sites, each joined to the next in the next cell
        cluster = percolation(network((0, 1, (1, 0, 0)), (1, 2, (1, 0, 0)), (2, 0, (1, 0, 0))))[0]
        assert cluster.lattice.tolist() == [[3, 0, 0]]
        interpenetrating = percolation(network((0, 0, (2, 0, 0)), (0, 0, (1, 1, 0))))[0]
        assert interpenetrating.rank == 2
        assert interpenetrating.lattice.tolist() == [[1, 1, 0], [0, 2, 0]]

    def test_two_networks_in_one_another(self):
        clusters = percolation(network((0, 0, (1, 0, 0)), (1, 1, (0, 1, 0)), (2, 3, ZERO)))
        assert [cluster.rank for cluster in clusters] == [1, 1, 0]

    @given(st.data())
    def test_the_choice_of_images_does_not_matter(self, data):
        n = data.draw(st.integers(1, 5))
        site, shift = st.integers(0, n - 1), st.tuples(*[st.integers(-2, 2)] * 3)
        edges = data.draw(st.lists(st.tuples(site, site, shift), min_size=1, max_size=8))
        homes = np.array(data.draw(st.lists(shift, min_size=n, max_size=n)))
        moved = [
            (a, b, tuple(np.array(s) + homes[a] - homes[b]))
            if data.draw(st.booleans())
            # an edge means the same read from its other end
            else (b, a, tuple(-np.array(s) + homes[b] - homes[a]))
            for a, b, s in edges
        ]
        before = {c.sites: c.lattice.tolist() for c in percolation(network(*edges))}
        after = {c.sites: c.lattice.tolist() for c in percolation(network(*moved))}
        assert before == after


def rated(*links: tuple[int, int, tuple[int, int, int], float]) -> nx.DiGraph:
    graph = nx.DiGraph()
    for a, b, shift, rate in links:
        graph.add_edge(a, b, shift=shift, rate=rate)
        graph.add_edge(b, a, shift=tuple(-n for n in shift), rate=rate)
    return graph


class TestSuperbasins:
    # two fast pairs in a chain along x, with slow links between them
    chain = rated((0, 1, ZERO, 10.0), (1, 2, ZERO, 0.5), (2, 3, ZERO, 8.0), (3, 0, (1, 0, 0), 0.2))

    def test_critical_rate_is_the_slowest_link_that_percolation_needs(self):
        assert critical_rate(self.chain) == 0.2

    def test_default_threshold_is_just_above(self):
        basins = superbasins(self.chain)
        assert basins.sizes.tolist() == [4]
        assert basins.minimum_rate_per_ps == pytest.approx(0.2)

    def test_threshold_between_fast_and_slow(self):
        labels = superbasins(self.chain, minimum_rate_per_ps=1.0).labels
        assert labels[0] == labels[1] != labels[2] == labels[3]

    def test_a_link_is_as_fast_as_its_slower_direction(self):
        graph = self.chain.copy()
        graph[0][1]["rate"] = 0.1
        assert critical_rate(graph) == 0.1

    def test_a_way_around_a_slow_link_counts(self):
        graph = rated(
            (0, 1, ZERO, 10.0),
            (1, 2, ZERO, 0.1),
            (1, 3, ZERO, 5.0),
            (3, 2, ZERO, 4.0),
            (2, 0, (0, 1, 0), 3.0),
        )
        assert critical_rate(graph) == 3.0

    def test_no_percolation(self):
        assert critical_rate(rated((0, 1, ZERO, 1.0))) == 0.0

    def test_scan_ends_with_the_whole_network(self):
        scan = superbasin_scan(self.chain, n_thresholds=10)
        assert scan.minimum_rate_per_ps[[0, -1]] == pytest.approx([10.0, 0.2])
        assert scan.largest[[0, -1]].tolist() == [2, 4]
        assert scan.rank[[0, -1]].tolist() == [0, 1]
        assert np.all(np.diff(scan.largest) >= 0)


def test_network_of_the_garnet(garnet, garnet_sites):
    stays = find_stays(garnet_sites.assignments, garnet_sites.n_sites)
    statistics = jump_statistics(stays, garnet.frame_interval_ps)
    types = garnet_types(garnet_sites.centres, garnet.cell, 1)
    graph = site_network(garnet_sites.centres, garnet.cell, statistics, {"type": types})
    assert len(graph) == 72
    assert percolation(graph)[0].rank == 3
    for source, target, data in graph.edges(data=True):
        image = graph.nodes[target]["position"] + np.array(data["shift"]) @ garnet.cell
        np.testing.assert_allclose(
            image - graph.nodes[source]["position"], data["vector"], atol=1e-9
        )
    # jumps go between tetrahedra and octahedra, or between two halves of a ring: never far
    assert max(data["distance"] for _, _, data in graph.edges(data=True)) < 5
    frequent = [
        {graph.nodes[a]["type"], graph.nodes[b]["type"]}
        for a, b, data in graph.edges(data=True)
        if data["jumps"] >= 10
    ]
    assert all(pair == {"24d", "48g"} for pair in frequent)
    assert len(frequent) == 2 * 96  # each of 24 tetrahedra has 4 octahedra, both ways
