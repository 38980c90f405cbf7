"""Conductance, percolation and relaxation of networks against closed forms."""

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from llzo_helpers.analysis.networks.connectivity import (
    algebraic_connectivity,
    effective_conductance,
    largest_component_fraction,
    rank_correlation,
)
from llzo_helpers.analysis.sites import find_stays, jump_statistics, percolation, site_network
from llzo_helpers.analysis.sites.kinetics import ANGSTROM2_PER_PS as CM2_PER_S
from llzo_helpers.errors import InputError

CELL = np.diag([12.0, 8.0, 20.0])


def network_of(graph, cell=CELL, occupancies=None, rates=None):
    """Return the network of a graph with node attribute `at` (fractional), edge `rate`."""
    at = np.array([graph.nodes[site]["at"] for site in graph])
    both_ways = nx.to_numpy_array(graph, weight="rate") if rates is None else rates
    n = len(at)
    statistics = SimpleNamespace(
        rates_per_ps=both_ways,
        n_ij=both_ways,
        p_ij=both_ways,
        residence_time_ps=np.ones(n),
        occupancy=np.ones(n) if occupancies is None else occupancies,
    )
    return site_network(at @ cell, cell, statistics)


def chain(rates, *, step=(1, 0, 0), offset=(0, 0, 0), label=""):
    """Return a chain of sites that winds once around the cell along `step`."""
    n = len(rates)
    graph = nx.Graph()
    for k, rate in enumerate(rates):
        graph.add_node((label, k), at=np.array(offset) + np.array(step) * k / n)
        graph.add_edge((label, k), (label, (k + 1) % n), rate=rate)
    return graph


def cubic_lattice(n=4, rates=lambda: 0.3):
    graph = nx.Graph()
    for i, j, k in np.ndindex(n, n, n):
        graph.add_node((i, j, k), at=np.array([i, j, k]) / n)
    for site in list(graph):
        for axis in range(3):
            neighbour = list(site)
            neighbour[axis] = (neighbour[axis] + 1) % n
            graph.add_edge(site, tuple(neighbour), rate=rates())
    return graph


def test_in_series_resistances_add():
    rates = np.array([0.1, 0.4, 0.2, 0.3, 0.1])
    tensor = effective_conductance(network_of(chain(rates)), CELL).tensor
    expected = np.zeros((3, 3))
    expected[0, 0] = 12.0**2 / np.sum(1 / rates) / (12 * 8 * 20)
    np.testing.assert_allclose(tensor, expected, atol=1e-12)


def test_in_parallel_conductances_add():
    slow, fast = chain([0.1] * 4, label="a"), chain([0.7] * 4, offset=(0, 0.5, 0), label="b")
    both = nx.compose(slow, fast)
    one, other, together = (
        effective_conductance(network_of(g), CELL).tensor for g in (slow, fast, both)
    )
    np.testing.assert_allclose(together, one + other, atol=1e-12)


def test_simple_cubic_lattice():
    cell = np.eye(3) * 8.0
    result = effective_conductance(network_of(cubic_lattice(), cell), cell)
    np.testing.assert_allclose(result.tensor, np.eye(3) * 0.3 / 2.0, atol=1e-12)
    # D = Gamma a^2 / 6 with the total rate Gamma = 6 k
    np.testing.assert_allclose(result.diffusivity, np.eye(3) * 0.3 * 4 * CM2_PER_S, atol=1e-16)
    assert result.mean_diffusivity == pytest.approx(0.3 * 4 * CM2_PER_S)


def test_body_centred_lattice():
    """Eight neighbours at sqrt(3)/2 of the edge a: D = k a^2."""
    n, rate, cell = 4, 0.2, np.eye(3) * 12.0
    graph = nx.Graph()
    for i, j, k in np.ndindex(n, n, n):
        graph.add_node((i, j, k, 0), at=np.array([i, j, k]) / n)
        graph.add_node((i, j, k, 1), at=(np.array([i, j, k]) + 0.5) / n)
    for i, j, k in np.ndindex(n, n, n):
        for d in np.ndindex(2, 2, 2):
            graph.add_edge((*((i + d[0]) % n, (j + d[1]) % n, (k + d[2]) % n), 0),
                           (i, j, k, 1), rate=rate)  # fmt: skip
    result = effective_conductance(network_of(graph, cell), cell)
    np.testing.assert_allclose(result.diffusivity, np.eye(3) * rate * 9 * CM2_PER_S, atol=1e-16)


SKEW = np.array([[10.0, 0, 0], [1.0, 9.0, 0], [0.5, -1.0, 11.0]])


def random_network(extra=0.0, turn=None):
    """Return a network with random conductances, unequal occupancies and displaced sites."""
    rng = np.random.default_rng(0)
    graph = cubic_lattice(rates=lambda: rng.lognormal())
    n = graph.number_of_nodes()
    for site in graph:
        graph.nodes[site]["at"] = graph.nodes[site]["at"] + rng.normal(scale=0.02, size=3)
    occupancies = rng.uniform(0.1, 1, size=n)
    conductances = nx.to_numpy_array(graph, weight="rate")
    conductances += np.where(conductances > 0, extra, 0)
    cell = SKEW if turn is None else SKEW @ turn
    return network_of(graph, cell, occupancies, conductances / occupancies[:, None])


def test_diffusivity_is_that_of_the_decay_of_long_waves():
    """The slowest eigenvalue of the rates at a small wave vector q is q.D.q."""
    network = random_network()
    diffusivity = effective_conductance(network, SKEW).diffusivity / CM2_PER_S
    occupancies = np.array([network.nodes[site]["occupancy"] for site in network])
    scale = 1 / np.sqrt(occupancies)
    for direction in ([1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 2, -1]):
        q = 1e-3 * np.array(direction)
        decay = np.zeros((len(network), len(network)), dtype=complex)
        for i, j, edge in network.edges(data=True):
            flow = occupancies[i] * edge["rate"]
            decay[i, i] += flow
            decay[i, j] -= flow * np.exp(1j * edge["vector"] @ q)
        slowest = np.linalg.eigvalsh(decay * scale * scale[:, None])[0]
        assert slowest == pytest.approx(q @ diffusivity @ q, rel=1e-4)


def test_tensor_turns_with_the_cell():
    c, s = np.cos(0.7), np.sin(0.7)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    np.testing.assert_allclose(
        effective_conductance(random_network(turn=turn), SKEW @ turn).tensor,
        turn.T @ effective_conductance(random_network(), SKEW).tensor @ turn,
        atol=1e-10,
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_more_conductance_never_conducts_less(seed):
    """Rayleigh's monotonicity law."""
    extra = np.random.default_rng(seed).exponential(size=(64, 64))
    more = random_network(extra + extra.T)
    gain = (
        effective_conductance(more, SKEW).tensor
        - effective_conductance(random_network(), SKEW).tensor
    )
    assert np.linalg.eigvalsh(gain).min() > -1e-10


def test_pockets_do_not_conduct():
    pair = nx.Graph()
    pair.add_node(0, at=(0, 0, 0))
    pair.add_node(1, at=(0.2, 0, 0))
    pair.add_node(2, at=(0.5, 0.5, 0.5))
    pair.add_edge(0, 1, rate=5.0)
    network = network_of(pair)
    np.testing.assert_array_equal(effective_conductance(network, CELL).tensor, 0)
    assert largest_component_fraction(network) == pytest.approx(2 / 3)


def test_conducts_where_it_percolates():
    along_y = chain([1.0] * 4, step=(0, 1, 0), label="y")
    layer = nx.compose(chain([1.0] * 4), nx.relabel_nodes(along_y, {("y", 0): ("", 0)}))
    network = network_of(layer)
    (cluster,) = percolation(network)
    assert cluster.directions == (True, True, False)
    np.testing.assert_array_equal(
        np.diag(effective_conductance(network, CELL).tensor) > 1e-9, cluster.directions
    )


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (nx.cycle_graph(9), 2 - 2 * np.cos(2 * np.pi / 9)),
        (nx.path_graph(7), 2 - 2 * np.cos(np.pi / 7)),
        (nx.star_graph(6), 1.0),
        (nx.complete_graph(5), 5.0),
    ],
    ids=["ring", "path", "star", "complete"],
)
def test_algebraic_connectivity(graph, expected):
    rng = np.random.default_rng(0)
    nx.set_node_attributes(graph, {site: rng.random(3) for site in graph}, "at")
    nx.set_edge_attributes(graph, 1.0, "rate")
    assert algebraic_connectivity(network_of(graph)) == pytest.approx(expected)


def test_relaxation_of_two_sites():
    """With unequal occupancies the difference decays at the sum of both rates."""
    pair = nx.path_graph(2)
    nx.set_node_attributes(pair, {0: np.zeros(3), 1: np.full(3, 0.2)}, "at")
    rates = np.array([[0, 0.2], [0.6, 0]])
    network = network_of(pair, occupancies=np.array([0.75, 0.25]), rates=rates)
    assert algebraic_connectivity(network) == pytest.approx(0.8)


def test_site_where_an_ion_only_arrived():
    """Its jump counts half, as its way back was not seen; nothing is divided by zero."""
    path = np.array([[0], [1], [0], [2]])
    centres = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
    network = site_network(centres, CELL, jump_statistics(find_stays(path, 3), 1.0))
    assert np.isfinite(algebraic_connectivity(network))
    assert np.all(np.isfinite(effective_conductance(network, CELL).tensor))


def test_rank_correlation_of_known_orders():
    rising = rank_correlation(np.arange(8), np.arange(8) ** 3)
    assert rising.coefficient == pytest.approx(1)
    assert rising.interval[0] > 0.5
    assert rising.interval[1] == pytest.approx(1)
    assert rising.p_value < 0.01
    falling = rank_correlation(np.arange(8), -np.arange(8))
    assert falling.coefficient == pytest.approx(-1)


def test_rank_correlation_agrees_with_scipy_and_leaves_out_nan():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 15)).round(1)
    result = rank_correlation(np.append(x, np.nan), np.append(y, 3.0))
    assert result.coefficient == pytest.approx(spearmanr(x, y).statistic)
    assert result.p_value == pytest.approx(spearmanr(x, y).pvalue, abs=0.05)
    assert result.n == 15


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_interval_covers_the_true_rank_correlation(correlation):
    true = 6 / np.pi * np.arcsin(correlation / 2)
    rng = np.random.default_rng(5)
    samples = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], (300, 12))
    covered = [
        low <= true <= high
        for low, high in (rank_correlation(s[:, 0], s[:, 1]).interval for s in samples)
    ]
    assert 0.91 < np.mean(covered) < 0.99


def test_bad_networks():
    silent = nx.DiGraph()
    silent.add_nodes_from([0, 1], occupancy=1.0)
    for measure in (
        algebraic_connectivity,
        largest_component_fraction,
        lambda graph: effective_conductance(graph, CELL),
    ):
        with pytest.raises(InputError, match="no edge"):
            measure(silent)
    with pytest.raises(InputError, match="span a volume"):
        effective_conductance(network_of(chain([1.0] * 4)), np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], "at least 5"),
        ([1, 2, 3, 4, 5], [1, 1, 1, 1, 1], "same value"),
        ([1, 2, 3, 4, 5], [1, 2], "one length"),
    ],
)
def test_bad_pairs(first, second, message):
    with pytest.raises(InputError, match=message):
        rank_correlation(first, second)
