"""Diffusion on networks: analytic chains and lattices, and kinetic Monte Carlo."""

import numpy as np
import pytest
from numpy.typing import NDArray

from llzo_helpers.analysis.sites import (
    find_stays,
    flux_path,
    jump_diffusion,
    jump_statistics,
    network_diffusion,
)
from llzo_helpers.errors import InputError


def kinetic_monte_carlo(
    rates: NDArray, vectors: NDArray, duration: float, n_walkers: int, seed: int
) -> NDArray[np.float64]:
    """Return the displacements [walker, axis] of random walks in continuous time."""
    rng = np.random.default_rng(seed)
    escape = rates.sum(axis=1)
    cumulative = np.cumsum(rates, axis=1) / escape[:, None]
    weights = np.linalg.matrix_power(
        rates / escape.max() + np.diag(1 - escape / escape.max()), 4096
    )[0]
    site = rng.choice(len(rates), size=n_walkers, p=weights / weights.sum())
    place, clock = np.zeros((n_walkers, 3)), np.zeros(n_walkers)
    while True:
        clock += rng.exponential(1 / escape[site])
        walking = clock < duration
        if not walking.any():
            return place
        drawn = rng.random(n_walkers)
        target = (cumulative[site] < drawn[:, None]).sum(axis=1)
        place[walking] += vectors[site, target][walking]
        site = np.where(walking, target, site)


def chain(*exchange: float) -> tuple[NDArray, NDArray]:
    """Return a ring of sites 1 Å apart along x: exchange frequencies and vectors."""
    n = len(exchange)
    frequency, vectors = np.zeros((n, n)), np.zeros((n, n, 3))
    for site, value in enumerate(exchange):
        following = (site + 1) % n
        frequency[site, following] = frequency[following, site] = value
        vectors[site, following, 0], vectors[following, site, 0] = 1, -1
    return frequency, vectors


class TestNetworkDiffusion:
    def test_equal_links(self):
        # n sites with exchange c/n: D = c a^2 along the chain, nothing across it
        tensor, _ = network_diffusion(*chain(*[0.2] * 5))
        np.testing.assert_allclose(tensor, np.diag([5 * 0.2, 0, 0]), atol=1e-12)

    def test_unequal_links_are_resistors_in_series(self):
        links = np.array([0.1, 0.4, 0.02, 0.3])
        tensor, flux = network_diffusion(*chain(*links))
        assert tensor[0, 0] == pytest.approx(len(links) ** 2 / (1 / links).sum())
        # the same current through each
        current = [flux[0, site, (site + 1) % 4] for site in range(4)]
        np.testing.assert_allclose(current, current[0])

    def test_a_dead_end_slows_nothing_but_takes_no_flux(self):
        frequency, vectors = chain(0.2, 0.2, 0.2)
        frequency = np.pad(frequency, (0, 1))
        vectors = np.pad(vectors, ((0, 1), (0, 1), (0, 0)))
        frequency[0, 3] = frequency[3, 0] = 5.0
        vectors[0, 3, 0], vectors[3, 0, 0] = 0.7, -0.7
        tensor, flux = network_diffusion(frequency, vectors)
        assert tensor[0, 0] == pytest.approx(0.6)
        assert flux[0, 0, 3] == pytest.approx(0, abs=1e-12)

    def test_disconnected_parts_do_not_diffuse(self):
        frequency, vectors = chain(0.0, 1.0, 1.0, 1.0)
        np.testing.assert_allclose(network_diffusion(frequency, vectors)[0], 0, atol=1e-12)

    def test_kinetic_monte_carlo_agrees(self):
        rng = np.random.default_rng(7)
        n = 6
        population = rng.uniform(0.5, 2, n)
        population /= population.sum()
        frequency = rng.exponential(0.3, (n, n)) * (rng.random((n, n)) < 0.7)
        frequency = np.triu(frequency, 1) + np.triu(frequency, 1).T
        places = rng.uniform(0, 4, (n, 3))
        vectors = places[None] - places[:, None]
        vectors -= 4 * np.round(vectors / 4)
        tensor, _ = network_diffusion(frequency, vectors)
        rates = frequency / population[:, None]
        moved = kinetic_monte_carlo(rates, vectors, duration=100.0, n_walkers=4000, seed=8)
        measured = (moved**2).mean(axis=0) / (2 * 100)
        error = (moved**2).std(axis=0) / (2 * 100) / np.sqrt(len(moved))
        assert np.all(np.abs(measured - np.diag(tensor)) < 4 * error + 0.02 * np.diag(tensor))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_cell_two_sites_wide_does_not_say_which_way_ions_jump(n):
    """Random walks on a simple cubic lattice of n sites along each axis."""
    rng = np.random.default_rng(0)
    frames, ions, spacing, rate = 4000, 6, 2.7, 0.05
    steps = (
        (rng.random((frames, ions, 1)) < rate)
        * rng.choice([-1, 1], (frames, ions, 1))
        * np.eye(3, dtype=int)[rng.integers(0, 3, (frames, ions))]
    )
    sites = np.ravel_multi_index(np.moveaxis(np.cumsum(steps, axis=0) % n, -1, 0), (n, n, n))
    centres = spacing * np.array(list(np.ndindex(n, n, n)))
    found = jump_diffusion(find_stays(sites, n**3), centres, n * spacing * np.eye(3), 1.0)
    D = 1e-4 * rate * spacing**2 / 6
    assert found.uncorrelated_D_cm2_s == pytest.approx(D, rel=0.1)
    if n == 2:
        assert np.isnan([found.D_cm2_s, found.network_correlation, *found.tensor_cm2_s.flat]).all()
        assert flux_path(found.net_flux[0]) == []
    else:
        assert found.D_cm2_s == pytest.approx(D, rel=0.1)


@pytest.mark.parametrize("skew", [0, 1, 2])
def test_which_way_ions_jump_does_not_depend_on_how_a_cell_is_given(skew):
    rng = np.random.default_rng(0)
    steps = rng.choice([-1, 0, 0, 0, 0, 0, 1], (4000, 6, 3)) * np.eye(3, dtype=int)[rng.integers(3)]
    sites = np.ravel_multi_index(np.moveaxis(np.cumsum(steps, axis=0) % 4, -1, 0), (4, 4, 4))
    centres = 3.0 * np.array(list(np.ndindex(4, 4, 4)))
    found, cubic = (
        jump_diffusion(find_stays(sites, 64), centres, 12.0 * np.array(cell), 1.0, n_bootstrap=2)
        for cell in ([[1, 0, 0], [skew, 1, 0], [0, 0, 1]], np.eye(3))
    )
    assert found.D_cm2_s == pytest.approx(cubic.D_cm2_s)
    # in the primitive cell of this lattice four images are equally near
    primitive = 5.0 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    to_and_fro = find_stays(np.array([[0], [1]] * 200), 2)
    either = jump_diffusion(to_and_fro, np.array([[0.0] * 3, [2.5] * 3]), primitive, 1.0)
    assert np.isnan(either.D_cm2_s)


def test_flux_path_follows_the_current_around_the_cell():
    _, flux = network_diffusion(*chain(0.1, 0.4, 0.02, 0.3))
    path = flux_path(flux[0])
    assert path[0] == path[-1]
    assert sorted(path[:-1]) == [0, 1, 2, 3]
    assert flux_path(np.zeros((3, 3))) == []


def test_no_flux_path_where_nothing_percolates():
    rng = np.random.default_rng(0)
    frequency, vectors = chain(0.0, *rng.uniform(0.1, 1.0, 8))
    _, flux = network_diffusion(frequency, vectors)
    assert flux_path(flux[0]) == []


class TestFromTrajectory:
    """Ions walking without memory on a 4x4x4 lattice of sites."""

    @pytest.fixture
    def walk(self):
        rng = np.random.default_rng(4)
        steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
        moves = steps[rng.integers(6, size=(4000, 40))]
        moves[rng.random((4000, 40)) > 0.1] = 0
        return np.cumsum(moves, axis=0)

    def test_coefficient_within_its_error(self, walk):
        sites = np.ravel_multi_index(tuple(np.moveaxis(walk % 4, -1, 0)), (4, 4, 4))
        centres = 2.5 * np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
        stays = find_stays(sites, 64)
        found = jump_diffusion(stays, centres, 10 * np.eye(3), frame_interval_ps=0.05)
        # 0.1 jumps of 2.5 Å a frame of 0.05 ps
        expected = 0.1 * 2.5**2 / (6 * 0.05) * 1e-4
        assert abs(found.D_cm2_s - expected) < 4 * found.D_std_cm2_s + 0.01 * expected
        assert found.D_std_cm2_s < 0.05 * expected
        assert found.network_correlation == pytest.approx(1, abs=0.02)
        departures = jump_statistics(stays, 0.05).rates_per_ps.sum(axis=1)
        assert found.uncorrelated_D_cm2_s == pytest.approx(
            departures.mean() * 2.5**2 / 6 * 1e-4, rel=0.02
        )


class TestInput:
    stays = find_stays(np.tile([[0, 1], [1, 0]], (20, 1)), 2)
    centres = np.array([[1.0, 1, 1], [3.0, 1, 1]])

    def test_one_ion_does_not_tell_the_spread_between_ions(self):
        one = find_stays(np.tile([0, 1], 20)[:, None], 2)
        found = jump_diffusion(one, self.centres, 8 * np.eye(3), 0.05)
        assert found.uncorrelated_D_cm2_s > 0
        assert np.isnan(found.D_std_cm2_s)

    @pytest.mark.parametrize("centres", [centres * np.nan, centres[:1], centres[0], "ab"])
    def test_centres_that_do_not_fit_are_refused(self, centres):
        with pytest.raises(InputError, match="centres"):
            jump_diffusion(self.stays, centres, 8 * np.eye(3), 0.05)

    @pytest.mark.parametrize("n", [0, 1, 2.0])
    def test_a_spread_of_less_than_two_is_refused(self, n):
        with pytest.raises(InputError, match="n_bootstrap"):
            jump_diffusion(self.stays, self.centres, 8 * np.eye(3), 0.05, n_bootstrap=n)


def test_garnet(garnet, garnet_sites):
    stays = find_stays(garnet_sites.assignments, garnet_sites.n_sites)
    found = jump_diffusion(stays, garnet_sites.centres, garnet.cell, garnet.frame_interval_ps)
    # cubic: the tensor is isotropic within its statistics, and one network percolates
    assert np.ptp(np.diag(found.tensor_cm2_s)) < 0.2 * found.D_cm2_s
    assert 0.9 < found.network_correlation <= 1
    # without the memory that sends ions back, diffusion is faster than the tracer's 3e-5
    assert found.D_cm2_s > 5e-5
