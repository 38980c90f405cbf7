"""Graph order parameter: hand-computed values, the published formula, its invariances."""

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llzo_helpers.analysis.networks.gop import (
    counting_limit,
    dependence_on_sites,
    graph_order_parameter,
    rewired,
    rewired_order_parameters,
)
from llzo_helpers.errors import InputError


def matrix(graph, probability=0.2):
    return nx.to_numpy_array(graph, weight=None) * probability


PATH = matrix(nx.path_graph(3))
STAR = matrix(nx.star_graph(4))
RING = matrix(nx.cycle_graph(6))
# degrees 1/2, 1, 1/2: the entropy of (2/3, 1/3) and the mean degree 2/3
PATH_ORDER = 2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3) + 2 / 3
# degrees 1 and four times 1/4
STAR_ORDER = 1 / 5 * math.log(1 / 5) + 4 / 5 * math.log(4 / 5) + 2 / 5


def block_diagonal(*blocks):
    sizes = np.cumsum([0, *(len(block) for block in blocks)])
    whole = np.zeros((sizes[-1], sizes[-1]))
    for start, block in zip(sizes, blocks, strict=False):
        whole[start : start + len(block), start : start + len(block)] = block
    return whole


def random_network(n=40, seed=0):
    """Return a connected network of random probabilities, all of its degrees different."""
    rng = np.random.default_rng(seed)
    lattice = nx.to_numpy_array(nx.watts_strogatz_graph(n, 4, 0.0, seed=seed), weight=None)
    return lattice * rng.uniform(0.01, 0.2, size=(n, n))


@pytest.mark.parametrize("exponent", [1, 2, 3])
@pytest.mark.parametrize(
    ("network", "orders"),
    [
        (PATH, [PATH_ORDER]),
        (STAR, [STAR_ORDER]),
        (RING, [1.0]),
        (matrix(nx.complete_graph(5)), [1.0]),
        # the ring's degree, 0.4, is half of the star centre's
        (block_diagonal(STAR, RING), [STAR_ORDER, 0.5]),
        (block_diagonal(PATH, np.zeros((1, 1))), [PATH_ORDER, 0.0]),
    ],
    ids=["path", "star", "ring", "all-equal degrees", "two components", "isolated node"],
)
def test_hand_computed(network, orders, exponent):
    result = graph_order_parameter(network, exponent=exponent)
    np.testing.assert_allclose(result.component_orders, orders, atol=1e-14)
    assert result.value == pytest.approx(sum(order**exponent for order in orders))


def published(graph, exponent):
    """Evaluate the formula of Chapman et al. as it is printed, degree by degree."""
    strength = dict(graph.in_degree(weight="probability"))
    largest = max(strength.values())
    theta = 0.0
    for component in nx.weakly_connected_components(graph):
        degrees = [round(strength[site] / largest, 12) for site in component]
        order = 0.0
        for degree in set(degrees):
            probability = degrees.count(degree) / len(degrees)
            order += probability * math.log(probability) + degree * probability
        theta += order**exponent
    return theta


@pytest.mark.parametrize("exponent", [1, 3])
def test_published_formula(exponent):
    graph = nx.DiGraph()
    for (i, j), weight in np.ndenumerate(block_diagonal(random_network(), STAR, RING, PATH)):
        if weight:
            graph.add_edge(i, j, probability=weight)
    assert graph_order_parameter(graph, exponent=exponent).value == pytest.approx(
        published(graph, exponent)
    )


def test_direction_counts_weights_into_a_site():
    one_way = np.zeros((3, 3))
    one_way[0, 1], one_way[1, 2] = 0.1, 0.3
    np.testing.assert_allclose(graph_order_parameter(one_way).degrees, [0, 1 / 3, 1])


def test_staying_is_no_edge():
    stochastic = random_network()
    np.fill_diagonal(stochastic, 1 - stochastic.sum(axis=1))
    assert graph_order_parameter(stochastic).value == graph_order_parameter(random_network()).value


def test_different_degrees_are_a_count_of_sites():
    network = random_network()
    result = graph_order_parameter(network)
    limit = counting_limit(len(network), mean_degree=result.degrees.mean())
    assert result.value == pytest.approx(float(limit))
    two = graph_order_parameter(block_diagonal(network, network, np.zeros((1, 1))))
    assert two.counting_limit == pytest.approx(2 * float(limit))
    # where degrees repeat, there is less in the order parameter than the count
    assert graph_order_parameter(STAR).counting_limit < graph_order_parameter(STAR).value


def test_bins_sort_degrees_and_keep_their_mean():
    # degrees 1/4, 1/2, 1/2, 3/4, 1 into [0, 1/2) and [1/2, 1]
    chain = np.zeros((5, 5))
    chain[[1, 2, 3, 4, 0], [0, 1, 2, 3, 4]] = [0.1, 0.2, 0.2, 0.3, 0.4]
    expected = 0.2 * math.log(0.2) + 0.8 * math.log(0.8) + 0.6
    assert graph_order_parameter(chain, exponent=1, bins=2).value == pytest.approx(expected)


@given(
    arrays(float, (7, 7), elements=st.floats(0.001, 1.0)),
    st.permutations(range(7)),
    st.integers(2, 30),
)
def test_labels_do_not_matter(weights, order, bins):
    network = weights * RING_OF_SEVEN
    shuffled = network[np.ix_(order, order)]
    for choice in (None, bins):
        assert graph_order_parameter(shuffled, bins=choice).value == pytest.approx(
            graph_order_parameter(network, bins=choice).value, abs=1e-9
        )


RING_OF_SEVEN = nx.to_numpy_array(nx.cycle_graph(7))


@given(arrays(float, (7, 7), elements=st.floats(0.001, 1.0)), st.sampled_from([None, 2, 10]))
def test_bounds(weights, bins):
    """Minus the largest entropy plus nothing, to no entropy plus a mean degree of 1."""
    result = graph_order_parameter(weights * RING_OF_SEVEN, exponent=1, bins=bins)
    assert -math.log(min(7, bins or 7)) - 1e-12 < result.value <= 1 + 1e-12


def test_normalised_keeps_its_value_where_a_network_is_repeated():
    network = random_network()
    once = graph_order_parameter(network, bins=10)
    thrice = graph_order_parameter(block_diagonal(network, network, network), bins=10)
    assert thrice.normalised == pytest.approx(once.normalised)
    assert thrice.value == pytest.approx(3 * once.value)


def test_rewiring_keeps_degrees_and_nothing_else():
    network = random_network()
    other = rewired(network, seed=1)
    np.testing.assert_allclose(other.sum(axis=0), network.sum(axis=0))
    np.testing.assert_array_equal((other > 0).sum(axis=0), (network > 0).sum(axis=0))
    np.testing.assert_array_equal((other > 0).sum(axis=1), (network > 0).sum(axis=1))
    assert not np.any(np.diag(other))
    assert np.mean((other > 0) & (network > 0)) < 0.5 * np.mean(network > 0)


def test_theta_is_blind_to_wiring_within_a_component():
    network = random_network()
    draws = rewired_order_parameters(network, draws=5, seed=3)
    np.testing.assert_allclose(draws, graph_order_parameter(network).value)


def test_rewiring_joins_components():
    two = block_diagonal(random_network(seed=1), random_network(seed=2))
    draws = rewired_order_parameters(two, draws=5, seed=3)
    merged = counting_limit(80, mean_degree=graph_order_parameter(two).degrees.mean())
    np.testing.assert_allclose(draws, float(merged))


def test_dependence_on_sites_follows_the_count():
    sizes = [5, 10, 20, 40]
    curve = dependence_on_sites(random_network(), sizes=sizes, exponent=1, draws=10, seed=0)
    np.testing.assert_array_equal(curve.amounts, sizes)
    # a mean degree between 0 and 1 above minus the logarithm of the number of sites
    assert np.all(curve.means > -np.log(sizes))
    assert np.all(curve.means < 1 - np.log(sizes))
    assert curve.standard_deviations[-1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (np.eye(3), {}, "no edge"),
        (PATH * 6, {}, "1.2 from site 0 to 1 is outside 0..1"),
        (-PATH, {}, "outside 0..1"),
        (PATH * np.nan, {}, "outside 0..1"),
        (np.ones((2, 3)), {}, "square"),
        (nx.DiGraph([(0, 1)]), {}, "`probability`"),
        (PATH, {"exponent": 0}, "exponent: 0"),
        (PATH, {"bins": 1}, "bins: 1"),
    ],
)
def test_bad_input(network, options, message):
    with pytest.raises(InputError, match=message) as error:
        graph_order_parameter(network, **options)
    assert "\n" not in str(error.value)


def test_bad_sizes():
    with pytest.raises(InputError, match="sizes: 41 sites; give 2 to 40"):
        dependence_on_sites(random_network(), sizes=[41], seed=0)
