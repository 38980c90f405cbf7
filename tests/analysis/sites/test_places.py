"""Sites in frameworks that rearrange: synthetic lattices in which a known part of it moves."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from llzo_helpers.analysis.frames import ArrayFrames
from llzo_helpers.analysis.periodic import nearest_image
from llzo_helpers.analysis.sites import (
    SiteAnalysis,
    find_stays,
    jump_statistics,
    landmark_analysis,
)
from llzo_helpers.analysis.sites.places import settled_framework
from llzo_helpers.errors import InputError

EDGE, N = 16.0, 4
CELL = EDGE * np.eye(3)
N_FRAMES = 400


@dataclass(frozen=True)
class Rearranging:
    """Ions hop among the body centres of a lattice in which some atoms change their place."""

    positions: NDArray[np.float64]
    mobile: NDArray[np.bool_]
    truth: NDArray[np.int64]
    sites: NDArray[np.float64]
    beside: NDArray[np.bool_]


def grid(offset: float) -> NDArray[np.float64]:
    cells = np.stack(np.meshgrid(*[np.arange(N)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return (cells + offset) * EDGE / N


def rearranging(kind: str, fraction: float, seed: int = 0) -> Rearranging:
    """Make 64 atoms, of which a fraction hops by 2.4 Å or swaps with a neighbour, and 20 ions."""
    rng = np.random.default_rng(seed)
    lattice, sites = grid(0.0), grid(0.5)
    n_moving = 2 * round(fraction * len(lattice) / 2)
    static = np.repeat(lattice[None], N_FRAMES, axis=0)
    for first in range(0, n_moving, 2):
        at = rng.integers(N_FRAMES // 5, 4 * N_FRAMES // 5)
        pair = [first, first + 1]
        if kind == "swap":
            static[at:, pair] = lattice[pair[::-1]]
        else:
            static[at:, pair] += [0.0, 2.4, 0.0]
    reach = nearest_image(sites[:, None] - lattice[None, :n_moving], CELL)
    near = np.linalg.norm(reach, axis=2).min(axis=1, initial=np.inf) < 6.2

    n_ions = 20
    truth = np.empty((N_FRAMES, n_ions), dtype=int)
    truth[0] = rng.permutation(len(sites))[:n_ions]
    for frame in range(1, N_FRAMES):
        truth[frame] = truth[frame - 1]
        for ion in np.flatnonzero(rng.random(n_ions) < 0.05):
            target = rng.integers(len(sites))
            if target not in truth[frame]:
                truth[frame, ion] = target
    ions = sites[truth] + 0.15 * rng.standard_normal((N_FRAMES, n_ions, 3))
    static = static + 0.1 * rng.standard_normal(static.shape)
    mobile = np.arange(len(lattice) + n_ions) >= len(lattice)
    return Rearranging(np.concatenate([static, ions], axis=1), mobile, truth, sites, near)


def known_sites(system: Rearranging, found: SiteAnalysis) -> NDArray[np.int64]:
    """Return the known site that each site found is nearest to."""
    between = nearest_image(found.centres[:, None] - system.sites[None], CELL)
    return np.linalg.norm(between, axis=2).argmin(axis=1)


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("kind", ["hop", "swap"])
class TestSomeAtomsChangeTheirPlace:
    def test_sites_and_rates_away_from_them_are_right(self, kind, fraction):
        system = rearranging(kind, fraction)
        found = landmark_analysis(system.positions, CELL, system.mobile)
        match = known_sites(system, found)
        # a site occupied for less than 1 % of the time is none
        visited = np.bincount(system.truth.ravel(), minlength=len(system.sites)) > 10
        away = ~system.beside & visited
        assert away.sum() >= 12
        # each site away from the rearrangement is found once, and its ions where they are
        np.testing.assert_array_equal(np.sort(match[away[match]]), np.flatnonzero(away))
        where = np.append(match, -1)[found.assignments]
        there = away[system.truth]
        known, assigned = system.truth[there], where[there] >= 0
        # an atom on its way disturbs polyhedra next to its own for half a window at most
        assert assigned.mean() > 0.98
        assert np.array_equal(where[there][assigned], known[assigned])
        assert (away[where] & (where >= 0) & (where != system.truth)).mean() < 0.002
        assert not found.rearranged[away[match]].any()
        assert found.existing_fraction[away[match]].min() == 1.0
        assert np.nanmin(found.certainty) > 0.8

        ours = jump_statistics(find_stays(where, len(system.sites)), 1.0)
        known = jump_statistics(find_stays(system.truth, len(system.sites)), 1.0)
        left = away & np.isfinite(known.residence_time_ps)
        difference = ours.residence_time_ps[left] - known.residence_time_ps[left]
        assert np.all(np.abs(difference) < known.residence_time_std_ps[left])

    def test_those_beside_them_are_marked(self, kind, fraction):
        system = rearranging(kind, fraction)
        found = landmark_analysis(system.positions, CELL, system.mobile)
        match = known_sites(system, found)
        corners = nearest_image(
            system.sites[match][:, None] - grid(0.0)[None, : round(64 * fraction)], CELL
        )
        corner_moves = np.linalg.norm(corners, axis=2).min(axis=1, initial=np.inf) < 3.6
        assert (
            found.rearranged[corner_moves].mean() > 0.9
            if fraction
            else not len(np.flatnonzero(found.rearranged))
        )


def test_sites_are_followed_through_a_swap():
    system = rearranging("swap", 0.2)
    found = landmark_analysis(system.positions, CELL, system.mobile)
    match = known_sites(system, found)
    # one site each, although the atoms around it are others than before
    assert sorted(match) == np.unique(system.truth).tolist()
    assert len(found.epochs) > 3
    where = np.append(match, -1)[found.assignments]
    assert (where == system.truth).mean() > 0.95


def test_an_atom_that_comes_back_is_at_its_old_place():
    rng = np.random.default_rng(1)
    positions = grid(0.0) + 0.1 * rng.standard_normal((300, 64, 3))
    positions[100:200, 7] += [0, 0, 2.5]
    mobile = np.arange(65) == 64
    positions = np.concatenate([positions, np.full((300, 1, 3), 2.0)], axis=1)
    framework = settled_framework(
        ArrayFrames(positions), CELL, mobile, place_distance_A=1.5, window_frames=20
    )
    assert [epoch.places[7] for epoch in framework.epochs] == [0, 1, 0]
    assert [epoch.start for epoch in framework.epochs] == [0, 100, 200]
    assert framework.moved.sum() == 1
    np.testing.assert_array_equal(
        framework.epochs[0].positions[8:], framework.epochs[1].positions[8:]
    )


def test_a_melt_is_refused_with_the_reason():
    rng = np.random.default_rng(0)
    walk = np.cumsum(0.25 * rng.standard_normal((N_FRAMES, 64, 3)), axis=0)
    positions = np.concatenate([grid(0.0) + walk, np.full((N_FRAMES, 1, 3), 2.0)], axis=1)
    with pytest.raises(InputError, match=r"melted: its atoms change their place .* in 50 frames"):
        landmark_analysis(positions, CELL, np.arange(65) == 64)


def test_a_short_run_with_many_changes_may_need_a_longer_one():
    rng = np.random.default_rng(0)
    positions = grid(0.0) + 0.1 * rng.standard_normal((100, 64, 3))
    for atom in range(0, 64, 4):
        positions[rng.integers(15, 85) :, atom] += [0.0, 2.4, 0.0]
    positions = np.concatenate([positions, np.full((100, 1, 3), 2.0)], axis=1)
    with pytest.raises(InputError, match="100 frames are few to tell: analyse a longer"):
        landmark_analysis(positions, CELL, np.arange(65) == 64)


@pytest.mark.parametrize("period", [3, 13, 50])
def test_sites_beside_an_atom_that_goes_to_and_fro_are_marked(period):
    system = rearranging("hop", 0.0)
    positions = system.positions.copy()
    away = np.arange(N_FRAMES) // period % 2 == 1
    positions[away, 21] += [0.0, 2.4, 0.0]
    found = landmark_analysis(positions, CELL, system.mobile)
    distance = np.linalg.norm(nearest_image(found.centres - grid(0.0)[21], CELL), axis=1)
    assert len(found.epochs) == 1
    assert found.rearranged[distance < 3.6].all()
    assert not found.rearranged[distance > 7].any()
    # all others are found as without it
    match = known_sites(system, found)
    where = np.append(match, -1)[found.assignments]
    far = np.linalg.norm(nearest_image(system.sites - grid(0.0)[21], CELL), axis=1) > 7
    assert np.array_equal(where[far[system.truth]], system.truth[far[system.truth]])
