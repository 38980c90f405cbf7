"""Landmark analysis against the published package, against known sites, and bad input."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial.transform import Rotation

from llzo_helpers.analysis.frames import ArrayFrames
from llzo_helpers.analysis.periodic import nearest_image
from llzo_helpers.analysis.sites import Landmarks, landmark_analysis
from llzo_helpers.analysis.sites.landmark_vectors import LandmarkVectors
from llzo_helpers.analysis.sites.places import settled_framework
from llzo_helpers.errors import InputError


def distances(centres: NDArray, others: NDArray, cell: NDArray) -> NDArray:
    fractions = (others[None] - centres[:, None]) @ np.linalg.inv(cell)
    return np.linalg.norm((fractions - np.round(fractions)) @ cell, axis=2)


class TestAgainstThePublishedPackage:
    def test_default_assignments_are_identical(self, garnet, garnet_sites, reference):
        assert np.array_equal(garnet_sites.assignments, reference["default_assign"])
        between = distances(garnet_sites.centres, reference["default_site_centers"], garnet.cell)
        assert np.diag(between).max() < 1e-6
        assert garnet_sites.multiple_occupancy_count == 316

    def test_strict_assignments_are_identical(self, garnet, reference):
        sites = landmark_analysis(
            garnet.positions, garnet.cell, garnet.mobile, assignment_threshold=0.9
        )
        assert np.array_equal(sites.assignments, reference["strict_assign"])
        between = distances(sites.centres, reference["strict_site_centers"], garnet.cell)
        assert np.diag(between).max() < 1e-6

    def test_markov_clustering_finds_the_same_sites(self, garnet, reference):
        sites = landmark_analysis(
            garnet.positions,
            garnet.cell,
            garnet.mobile,
            clustering="mcl",
            assignment_threshold=0.5,
            inflation=8,
        )
        # the published package numbers these sites at random
        between = distances(sites.centres, reference["mcl_site_centers"], garnet.cell)
        match = between.argmin(axis=1)
        assert sorted(match) == list(range(72))
        assert between.min(axis=1).max() < 1e-3
        renumbered = np.append(match, -1)[sites.assignments]
        assert (renumbered == reference["mcl_assign"]).mean() >= 0.99

    def test_landmark_vectors_of_the_same_nodes_are_equal(self, garnet, reference):
        framework = settled_framework(
            ArrayFrames(garnet.positions),
            garnet.cell,
            garnet.mobile,
            place_distance_A=1.5,
            window_frames=50,
        )
        centres = (reference["landmark_centers"] @ np.linalg.inv(garnet.cell) % 1.0) @ garnet.cell
        vertices = reference["landmark_vertices"].astype(int)
        # each vertex is the image nearest to its node: the cell is larger than two polyhedra
        offsets = nearest_image(framework.positions[vertices] - centres[:, None], garnet.cell)
        offsets[vertices < 0] = 0.0
        present = np.ones((1, len(centres)), dtype=bool)
        landmarks = Landmarks(centres, vertices, offsets, present)
        stream = LandmarkVectors(
            ArrayFrames(garnet.positions[:20]), garnet.cell, garnet.mobile, framework, landmarks
        )
        _, _, vectors = next(iter(stream))
        expected = csr_array(
            (
                reference["vectors_data"],
                reference["vectors_indices"],
                reference["vectors_indptr"],
            ),
            shape=tuple(reference["vectors_shape"]),
        )
        assert vectors.shape == expected.shape
        assert vectors.nnz == expected.nnz
        assert abs(vectors - expected).max() < 1e-12


@dataclass(frozen=True)
class Hopping:
    """Ions that hop among the body centres of a vibrating framework lattice."""

    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    mobile: NDArray[np.bool_]
    truth: NDArray[np.int64]
    sites: NDArray[np.float64]


CELLS = {
    "cubic": np.diag([12.0, 12.0, 12.0]),
    "triclinic": np.array([[12.0, 0, 0], [3.0, 11.5, 0], [-2.0, 2.5, 12.5]]),
    "left-handed": np.array([[0, 12.0, 0], [12.0, 0, 0], [0, 0, 12.0]]),
}


def lattice(n: int, basis: NDArray | tuple = ((0.0, 0.0, 0.0),)) -> NDArray[np.float64]:
    """Return fractional positions of n x n x n cells with a basis."""
    cells = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    return (cells + np.asarray(basis)).reshape(-1, 3) / n


def hopping(cell: NDArray, n_frames: int = 300, seed: int = 1) -> Hopping:
    """Make 8 ions on the 27 body centres of a simple lattice."""
    return hop_between(
        lattice(3) @ cell, lattice(3, ((0.5, 0.5, 0.5),)) @ cell, cell, 8, n_frames, seed
    )


def hop_between(
    framework: NDArray, sites: NDArray, cell: NDArray, n_ions: int, n_frames: int, seed: int
) -> Hopping:
    """Let ions hop to any free site with a probability of 5 % a frame."""
    rng = np.random.default_rng(seed)
    n_sites, n_static = len(sites), len(framework)
    truth = np.empty((n_frames, n_ions), dtype=int)
    truth[0] = rng.permutation(n_sites)[:n_ions]
    for frame in range(1, n_frames):
        truth[frame] = truth[frame - 1]
        for ion in np.flatnonzero(rng.random(n_ions) < 0.05):
            target = rng.integers(n_sites)
            if target not in truth[frame]:
                truth[frame, ion] = target
    static = framework + 0.08 * rng.standard_normal((n_frames, n_static, 3))
    ions = sites[truth] + 0.15 * rng.standard_normal((n_frames, n_ions, 3))
    mobile = np.arange(n_static + n_ions) >= n_static
    return Hopping(np.concatenate([static, ions], axis=1), cell, mobile, truth, sites)


def assert_found(system: Hopping, assignments: NDArray, centres: NDArray) -> None:
    visited = np.unique(system.truth)
    between = distances(centres, system.sites, system.cell)
    match = between.argmin(axis=1)
    assert sorted(match) == list(visited)
    assert between.min(axis=1).max() < 0.15
    assigned = assignments >= 0
    assert assigned.mean() > 0.99
    assert np.array_equal(match[assignments[assigned]], system.truth[assigned])


class TestKnownSites:
    @pytest.mark.parametrize("clustering", ["dotprod", "mcl"])
    @pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
    def test_sites_are_recovered_in_any_cell(self, cell, clustering):
        system = hopping(cell)
        threshold = 0.8 if clustering == "dotprod" else 0.5
        found = landmark_analysis(
            system.positions,
            system.cell,
            system.mobile,
            clustering=clustering,
            assignment_threshold=threshold,
        )
        assert_found(system, found.assignments, found.centres)

    def test_octahedral_and_tetrahedral_sites_of_a_close_packed_framework(self):
        cell = 10 * np.eye(3)
        fcc = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
        tetrahedra = lattice(2) + 0.25
        octahedra = fcc + np.array([0.5, 0, 0])
        sites = np.concatenate([lattice(2, octahedra), lattice(2, tetrahedra)]) @ cell
        system = hop_between(lattice(2, fcc) @ cell, sites, cell, 20, n_frames=400, seed=0)
        found = landmark_analysis(system.positions, cell, system.mobile)
        assert_found(system, found.assignments, found.centres)

    def test_a_cell_hardly_larger_than_a_polyhedron(self):
        cell = 8 * np.eye(3)
        sites = lattice(2, ((0.5, 0.5, 0.5),)) @ cell
        system = hop_between(lattice(2) @ cell, sites, cell, 3, n_frames=400, seed=0)
        found = landmark_analysis(system.positions, cell, system.mobile)
        assert_found(system, found.assignments, found.centres)

    def test_wrapping_changes_nothing(self):
        system = hopping(CELLS["triclinic"])
        fractions = system.positions @ np.linalg.inv(system.cell)
        jumbled = fractions + np.random.default_rng(0).integers(-2, 3, size=fractions.shape)
        wrapped = landmark_analysis(fractions % 1 @ system.cell, system.cell, system.mobile)
        unwrapped = landmark_analysis(jumbled @ system.cell, system.cell, system.mobile)
        assert np.array_equal(wrapped.assignments, unwrapped.assignments)
        assert distances(wrapped.centres, unwrapped.centres, system.cell).diagonal().max() < 1e-6

    def test_rotation_changes_nothing(self):
        system = hopping(CELLS["triclinic"])
        rotation = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
        turned = landmark_analysis(
            system.positions @ rotation, system.cell @ rotation, system.mobile
        )
        assert_found(system, turned.assignments, turned.centres @ rotation.T)

    def test_a_stream_gives_what_the_array_gives(self, garnet):
        @dataclass
        class Stream:
            positions: NDArray

            def __len__(self) -> int:
                return len(self.positions)

            def chunks(self, *, frames: int) -> Iterator[NDArray]:
                for start in range(0, len(self), 37):  # segments end where they like
                    yield self.positions[start : start + min(37, frames)]

        positions = garnet.positions[:200]
        whole = landmark_analysis(positions, garnet.cell, garnet.mobile)
        streamed = landmark_analysis(Stream(positions), garnet.cell, garnet.mobile)
        assert np.array_equal(whole.assignments, streamed.assignments)
        np.testing.assert_allclose(whole.centres, streamed.centres, atol=1e-10)

    def test_two_ions_at_one_site_are_counted(self):
        system = hopping(CELLS["cubic"])
        doubled = np.concatenate([system.positions, system.positions[:, -1:]], axis=1)
        found = landmark_analysis(doubled, system.cell, np.append(system.mobile, True))
        assert found.multiple_occupancy_count == (found.assignments[:, -1] >= 0).sum()

    def test_a_rarely_visited_site_is_dropped(self):
        system = hopping(CELLS["cubic"])
        occupancy = np.bincount(system.truth.ravel(), minlength=27) / len(system.truth)
        found = landmark_analysis(
            system.positions, system.cell, system.mobile, minimum_site_occupancy=0.2
        )
        assert found.n_sites == (occupancy >= 0.2).sum()
        assert found.occupancy.min() > 0.19


class TestBadInput:
    def setup_method(self):
        self.system = hopping(CELLS["cubic"], n_frames=20)

    def refused(self, words: str, **changes: object) -> None:
        given = {
            "positions": self.system.positions,
            "cell": self.system.cell,
            "mobile": self.system.mobile,
            **changes,
        }
        positions, cell, mobile = (given.pop(key) for key in ("positions", "cell", "mobile"))
        with pytest.raises(InputError, match=words) as caught:
            landmark_analysis(positions, cell, mobile, **given)
        assert "\n" not in str(caught.value)

    def test_no_mobile_ions(self):
        self.refused("no mobile ion", mobile=np.zeros(35, dtype=bool))

    def test_nothing_but_mobile_ions(self):
        self.refused("framework atom", mobile=np.ones(35, dtype=bool))

    def test_indices_instead_of_a_mask(self):
        self.refused("one boolean per atom", mobile=np.arange(27, 35))

    def test_mask_of_another_length(self):
        self.refused("35 atoms.* has 30", mobile=self.system.mobile[:30])

    def test_positions_of_the_wrong_shape(self):
        self.refused(r"shape \(35, 3\)", positions=self.system.positions[0])

    @pytest.mark.parametrize("n_frames", [0, 1])
    def test_too_few_frames(self, n_frames):
        self.refused(f"{n_frames} frame", positions=self.system.positions[:n_frames])

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_positions_not_finite(self, bad):
        positions = self.system.positions.copy()
        positions[7, 3, 1] = bad
        self.refused("not finite in frame 7", positions=positions)

    def test_flat_cell(self):
        self.refused("volume", cell=np.array([[12.0, 0, 0], [0, 12, 0], [12, 12, 0]]))

    def test_cell_lengths(self):
        self.refused("3x3", cell=[12.0, 12.0, 12.0])

    @pytest.mark.parametrize(
        ("cell", "words"),
        [
            ([[12, 0, 0], [0, 12, 0], [12, 12, 1e-3]], r"smallest height is 0\.001 Å"),
            (np.diag([12.0, 12.0, 1.5]), r"smallest height is 1\.5 Å"),
            (1000 * np.eye(3), "Å3 for each framework atom"),
            # of a lattice of 3x3x3, the half folds each atom on others
            (np.diag([12.0, 12.0, 4.0]), "as near as"),
            ("abc", "array of numbers"),
        ],
    )
    def test_a_cell_that_cannot_be_that_of_a_solid(self, cell, words):
        self.refused(words, cell=cell)

    @pytest.mark.parametrize(
        "name",
        [
            "clustering_threshold",
            "assignment_threshold",
            "minimum_site_occupancy",
            "cutoff_midpoint",
            "cutoff_steepness",
            "place_distance_A",
            "window_frames",
            "expansion",
            "inflation",
        ],
    )
    @pytest.mark.parametrize("value", [-0.1, 1e12, np.nan, np.inf, 1e-12 - 1, "a", None, True])
    def test_parameter_out_of_range(self, name, value):
        self.refused(name, **{name: value})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("clustering_threshold", 1.5),
            ("assignment_threshold", 1.5),
            ("minimum_site_occupancy", 1.5),
            ("window_frames", 2.5),
            ("window_frames", 1.0),
            ("expansion", 1),
            ("expansion", 2.0),
            ("inflation", 1.0),
            ("cutoff_steepness", 1e-12),
        ],
    )
    def test_parameter_that_is_not_sensible(self, name, value):
        self.refused(name, **{name: value})

    @pytest.mark.parametrize(
        ("seeds", "words"),
        [
            (np.full((2, 3), 2.0), "0 and 1 are 0 Å apart"),
            ([[2.0, 2, 2], [2, 2, 13.9]], r"0 and 1 are 0\.1 Å apart"),
            (np.zeros((0, 3)), "at least one site"),
            (np.full((1, 3), np.nan), "finite positions"),
            ("x", "array of numbers"),
            # the framework atoms
            (lattice(3)[:5] @ CELLS["cubic"], "5 of 5 are at framework atoms"),
            # one for all sites: the mean of their vectors is nothing's
            ([[2.0, 2, 2]], "no ion is ever recognised at one"),
        ],
    )
    def test_seeds_that_are_no_sites(self, seeds, words):
        self.refused(words, seeds=seeds)

    @pytest.mark.parametrize(
        ("positions", "words"),
        [("abc", "real numbers"), ([[[1, 2, 3]], [[1, 2]]], "differ in shape")],
    )
    def test_positions_that_are_no_array(self, positions, words):
        self.refused(words, positions=positions)

    def test_complex_positions(self):
        self.refused("real numbers", positions=self.system.positions + 0j)

    def test_unknown_clustering(self):
        self.refused("'dotprod', 'mcl'", clustering="kmeans")

    def test_melted_framework(self):
        rng = np.random.default_rng(0)
        positions = self.system.positions.copy()
        positions[:, :27] += np.cumsum(0.6 * rng.standard_normal((20, 27, 3)), axis=0)
        self.refused("melted", positions=positions)

    def test_drifting_framework(self):
        drift = np.linspace(0, 4, 20)[:, None, None]
        self.refused("centre of mass", positions=self.system.positions + drift)

    def test_every_site_dropped(self):
        rng = np.random.default_rng(0)
        positions = self.system.positions.copy()
        positions[:, 27:] = self.system.sites[[rng.permutation(27)[:8] for _ in positions]]
        self.refused("drops all", positions=positions, minimum_site_occupancy=0.9)

    @pytest.mark.skipif(
        importlib.util.find_spec("sitator") is not None, reason="sitator is installed"
    )
    def test_sitator_not_installed(self):
        self.refused("not installed", engine="sitator")


@pytest.mark.skipif(importlib.util.find_spec("sitator") is None, reason="sitator isn't installed")
def test_sitator_engine_agrees(garnet):
    arguments = garnet.positions[:100], garnet.cell, garnet.mobile
    published = landmark_analysis(*arguments, engine="sitator")
    native = landmark_analysis(*arguments)
    assert np.array_equal(published.assignments, native.assignments)
