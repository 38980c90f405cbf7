"""Stays, jumps and residence times: by hand, against sitator, and from known processes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from llzo_helpers.analysis.sites import (
    back_jumps,
    find_stays,
    jump_statistics,
    jump_table,
    kaplan_meier,
)
from llzo_helpers.errors import InputError

assignments = hnp.arrays(
    np.int32,
    st.tuples(st.integers(2, 30), st.integers(1, 4)),
    elements=st.integers(-1, 3),
)


class TestByHand:
    # one ion: unknown, at 0 for 3 frames (one of them unassigned), at 1 for 2, back at 0 for 1
    stays = find_stays(np.array([[-1], [0], [-1], [0], [1], [1], [0]]), 2)

    def test_stays(self):
        assert self.stays.site.tolist() == [0, 1, 0]
        assert self.stays.start.tolist() == [1, 4, 6]
        assert self.stays.n_frames.tolist() == [3, 2, 1]
        assert self.stays.previous.tolist() == [-1, 0, 1]
        assert self.stays.following.tolist() == [1, 0, -1]
        assert self.stays.complete.tolist() == [False, True, False]

    def test_jumps(self):
        assert jump_table(self.stays).tolist() == [[4, 0, 0, 1], [6, 0, 1, 0]]

    def test_statistics(self):
        statistics = jump_statistics(self.stays, frame_interval_ps=0.5)
        assert statistics.n_ij.tolist() == [[2, 1], [1, 1]]
        np.testing.assert_allclose(statistics.p_ij, [[2 / 3, 1 / 3], [1 / 2, 1 / 2]])
        np.testing.assert_allclose(statistics.rates_per_ps, [[0, 1 / 1.5], [1 / 1.0, 0]])
        np.testing.assert_allclose(statistics.residence_time_ps, [1.5, 1.0])
        np.testing.assert_allclose(statistics.mean_complete_stay_ps, [np.nan, 1.0])
        np.testing.assert_allclose(statistics.occupancy, [4 / 7, 2 / 7])
        np.testing.assert_allclose(statistics.jump_lag_ps, [[np.inf, np.inf], [1.0, np.inf]])

    def test_back_jump(self):
        assert back_jumps(self.stays).fraction == 1.0
        assert back_jumps(self.stays).n_jumps == 1
        assert back_jumps(self.stays, within_frames=1).fraction == 0.0


@pytest.mark.parametrize("run", ["default", "strict", "mcl"])
def test_the_published_package_is_reproduced(reference, run):
    stays = find_stays(reference[f"{run}_assign"], 72)
    compatible = jump_statistics(stays, 1.0, sitator_compat=True)
    assert np.array_equal(compatible.n_ij, reference[f"{run}_n_ij"])
    np.testing.assert_allclose(compatible.p_ij, reference[f"{run}_p_ij"], rtol=1e-12)
    np.testing.assert_allclose(compatible.jump_lag_ps, reference[f"{run}_jump_lag"], rtol=1e-12)
    np.testing.assert_allclose(
        compatible.residence_time_ps, reference[f"{run}_residence_times"], rtol=1e-12
    )
    np.testing.assert_allclose(
        compatible.occupancy, reference[f"{run}_occupancy_freqs"], rtol=1e-12
    )
    jumps = reference[f"{run}_jumps"]
    assert np.array_equal(jump_table(stays), jumps[jumps[:, 2] >= 0])


def test_back_jumps_of_the_garnet(garnet_sites):
    # the paper: 64 % at the experimental volume
    found = back_jumps(find_stays(garnet_sites.assignments, garnet_sites.n_sites))
    assert found.fraction == pytest.approx(0.64, abs=0.02)
    assert found.standard_error < 0.02


@given(assignments)
def test_every_frame_after_the_first_assignment_is_in_one_stay(sites):
    stays = find_stays(sites, 4)
    known = np.maximum.accumulate(sites >= 0, axis=0)
    assert stays.n_frames.sum() == known.sum()
    covered = np.zeros(sites.shape, dtype=int)
    for ion, start, n, site in zip(stays.ion, stays.start, stays.n_frames, stays.site, strict=True):
        covered[start : start + n, ion] += 1
        assert set(sites[start : start + n, ion]) <= {site, -1}
    assert np.array_equal(covered, known.astype(int))


@given(assignments)
def test_rows_of_the_transition_matrix_are_probabilities(sites):
    statistics = jump_statistics(find_stays(sites, 4), 1.0)
    rows = statistics.p_ij.sum(axis=1)
    assert np.all((np.abs(rows - 1) < 1e-12) | (rows == 0))
    assert np.array_equal(rows > 0, statistics.time_at_site_ps > 0)


def markov_walks(
    n_frames: int, n_ions: int, leave: NDArray, back: float, seed: int
) -> NDArray[np.int64]:
    """Walk on a ring: leave site i with probability leave[i] a frame, go back with `back`."""
    rng = np.random.default_rng(seed)
    n_sites = len(leave)
    here = rng.integers(n_sites, size=n_ions)
    came_from_left = rng.random(n_ions) < 0.5
    walk = np.empty((n_frames, n_ions), dtype=int)
    for frame in range(-200, n_frames):  # forget the start
        jumps = rng.random(n_ions) < leave[here]
        returns = rng.random(n_ions) < back
        to_left = np.where(returns, came_from_left, ~came_from_left)
        here = np.where(jumps, (here + np.where(to_left, -1, 1)) % n_sites, here)
        came_from_left = np.where(jumps, ~to_left, came_from_left)
        if frame >= 0:
            walk[frame] = here
    return walk


class TestKnownProcess:
    leave = np.array([0.02, 0.1, 0.05, 0.2, 0.04])
    stays = find_stays(markov_walks(3000, 60, leave, back=0.7, seed=3), 5)

    def test_residence_times_within_their_errors(self):
        statistics = jump_statistics(self.stays, 0.05)
        deviation = statistics.residence_time_ps - 0.05 / self.leave
        assert np.all(np.abs(deviation) < 4 * statistics.residence_time_std_ps)
        assert np.all(statistics.residence_time_std_ps < 0.05 * statistics.residence_time_ps)

    def test_rates_within_their_errors(self):
        statistics = jump_statistics(self.stays, 0.05)
        departure = statistics.rates_per_ps.sum(axis=1)
        relative = statistics.residence_time_std_ps / statistics.residence_time_ps
        assert np.all(np.abs(departure * 0.05 / self.leave - 1) < 4 * relative)

    def test_back_jump_fraction_within_its_error(self):
        found = back_jumps(self.stays)
        assert abs(found.fraction - 0.7) < 4 * found.standard_error
        # jumps are independent here, so the bootstrap must give the binomial error
        binomial = np.sqrt(0.7 * 0.3 / found.n_jumps)
        assert found.standard_error == pytest.approx(binomial, rel=0.3)

    def test_survival_is_geometric(self):
        survival = kaplan_meier(self.stays, 1.0, np.arange(5) == 1)
        shown = survival.standard_error > 0
        expected = (1 - 0.1) ** survival.time
        deviation = (survival.survival - expected)[shown] / survival.standard_error[shown]
        assert np.abs(deviation).max() < 5


class TestCensoring:
    """A trajectory not much longer than the residence time, many times over."""

    leave = np.full(5, 0.01)
    stays = find_stays(markov_walks(150, 4000, leave, back=0.5, seed=5), 5)

    def test_complete_stays_are_biased_low(self):
        assert np.all(jump_statistics(self.stays, 1.0).mean_complete_stay_ps < 60)

    def test_exponential_likelihood_is_not_biased(self):
        statistics = jump_statistics(self.stays, 1.0)
        deviation = np.abs(statistics.residence_time_ps - 100) / statistics.residence_time_std_ps
        assert deviation.max() < 4

    def test_kaplan_meier_is_not_biased(self):
        survival = kaplan_meier(self.stays, 1.0)
        expected = 0.99**survival.time
        shown = (survival.standard_error > 0) & (survival.time < 120)
        deviation = (survival.survival - expected)[shown] / survival.standard_error[shown]
        assert np.abs(deviation).max() < 5


class TestLeastStay:
    """A visit of one frame elsewhere and back."""

    WALK = np.array([[0, 0, 0, 1, 0, 0, 2, 2, 2, 0, 2, 2]]).T

    def test_a_frame_elsewhere_is_two_jumps_by_default(self):
        assert len(jump_table(find_stays(self.WALK, 3))) == 5

    def test_short_visits_are_spent_at_the_site_before(self):
        stays = find_stays(self.WALK, 3, minimum_frames=2)
        assert stays.site.tolist() == [0, 2]
        assert stays.n_frames.tolist() == [6, 6]

    def test_the_ends_of_a_trajectory_are_not_taken_for_short_visits(self):
        cut = self.WALK[3:10]
        stays = find_stays(cut, 3, minimum_frames=4)
        assert stays.site.tolist() == [1, 0]

    def test_memoryless_hopping_loses_only_what_is_short(self):
        rng = np.random.default_rng(0)
        stay = rng.geometric(0.2, size=4000)
        sites = np.repeat(np.arange(4000) % 7, stay)[:, None]
        kept = find_stays(sites, 7, minimum_frames=3)
        assert (kept.n_frames[1:-1] >= 3).all()


def test_an_ion_that_never_jumps_has_an_infinite_residence_time():
    stays = find_stays(np.zeros((10, 1), dtype=int), 2)
    statistics = jump_statistics(stays, 1.0)
    assert np.all(np.isinf(statistics.residence_time_ps))
    assert not statistics.rates_per_ps.any()
    assert np.isnan(back_jumps(stays).fraction)
    with pytest.raises(InputError, match="longer trajectory"):
        kaplan_meier(stays, 1.0)


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        (np.zeros(5, dtype=int), "frame, ion"),
        (np.zeros((1, 5), dtype=int), "two frames"),
        (np.zeros((5, 2)), "integers"),
        (np.full((5, 2), 7), "n_sites"),
        (np.full((5, 2), -2), "-1"),
        (np.zeros((5, 0), dtype=int), "one ion"),
    ],
)
def test_bad_assignments_are_refused(sites, words):
    with pytest.raises(InputError, match=words):
        find_stays(sites, 3)


@pytest.mark.parametrize("interval", [0.0, -1.0, np.nan, np.inf, "a", None])
@pytest.mark.parametrize("analyse", [jump_statistics, kaplan_meier])
def test_bad_frame_interval_is_refused(analyse, interval):
    with pytest.raises(InputError, match="frame_interval"):
        analyse(TestByHand.stays, interval)


@pytest.mark.parametrize("minimum", [0, -3, np.nan, 1.5, "a"])
def test_a_minimum_that_is_no_number_of_frames_is_refused(minimum):
    with pytest.raises(InputError, match="minimum_frames"):
        find_stays(np.zeros((5, 1), dtype=int), 1, minimum_frames=minimum)


@pytest.mark.parametrize("limit", [0, -1, 1.5])
def test_a_limit_that_is_no_number_of_frames_is_refused(limit):
    with pytest.raises(InputError, match="within_frames"):
        back_jumps(TestByHand.stays, within_frames=limit)


def test_one_ion_does_not_tell_the_spread_between_ions():
    back_and_forth = np.tile([0, 1], 20)[:, None]
    found = back_jumps(find_stays(back_and_forth, 2))
    assert found.fraction == 1.0
    assert np.isnan(found.standard_error)
    # nor do several, where only one of them jumps
    beside = np.concatenate([back_and_forth, np.full((40, 3), 2)], axis=1)
    assert np.isnan(back_jumps(find_stays(beside, 3)).standard_error)
