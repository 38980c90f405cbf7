"""Site volumes: space is filled, known cells and hulls, reference values."""

import numpy as np
import pytest
from ase.data import chemical_symbols
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from llzo_helpers.analysis.sites import (
    ExploredPositions,
    accessible_volumes,
    explored_positions,
    oxygen_coordination,
    polyhedron_volumes,
    radical_voronoi_volumes,
    static_site_volumes,
)
from llzo_helpers.errors import InputError
from llzo_helpers.garnet import SITE_RADII_A


@pytest.fixture(scope="module")
def framework_symbols(garnet):
    return np.array([chemical_symbols[number] for number in garnet.framework_numbers])


class TestRadicalVoronoi:
    @given(
        st.integers(2, 30),
        hnp.arrays(float, (3, 3), elements=st.floats(-2, 2)),
        st.integers(0, 2**32 - 1),
    )
    def test_cells_fill_space(self, n_points, distortion, seed):
        cell = 9 * np.eye(3) + distortion
        rng = np.random.default_rng(seed)
        points = rng.random((n_points, 3)) @ cell
        volumes = radical_voronoi_volumes(points, rng.uniform(0.5, 1.5, n_points), cell)
        assert volumes.sum() == pytest.approx(abs(np.linalg.det(cell)), rel=1e-8)

    def test_plane_between_two_spheres(self):
        # on a line of length L, power distances are equal where x = d/2 + (r0^2 - r1^2) / 2d
        volumes = radical_voronoi_volumes(
            [[1.0, 1, 1], [5.0, 1, 1]], [1.2, 0.6], np.diag([8.0, 2.0, 2.0])
        )
        share = 2 * (2.0 + (1.2**2 - 0.6**2) / (2 * 4.0))
        np.testing.assert_allclose(volumes, [4 * share, 4 * (8 - share)])

    def test_equal_spheres_of_a_lattice_share_alike(self):
        cell = np.array([[3.0, 0, 0], [1.0, 3.2, 0], [0.4, -0.7, 2.8]])
        points = np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]]) @ cell
        volumes = radical_voronoi_volumes(points, [1.0, 1.0], cell)
        np.testing.assert_allclose(volumes, np.linalg.det(cell) / 2)

    def test_reference_values(self, garnet, garnet_sites, reference, framework_symbols):
        volumes = static_site_volumes(
            reference["static_sites"],
            garnet_sites.framework,
            framework_symbols,
            garnet.cell,
            ion="Li",
            radii_A=SITE_RADII_A,
        )
        np.testing.assert_allclose(volumes, reference["static_radical"], rtol=1e-9)
        # the science notes: tetrahedral 3.1 to 3.6, octahedral 5.0 to 5.4 Å3
        tetrahedral = volumes[:24], volumes[24:]
        assert 3.1 < tetrahedral[0].mean() < 3.6
        assert 5.0 < tetrahedral[1].mean() < 5.45

    def test_bad_input_is_refused(self, garnet, garnet_sites, framework_symbols):
        with pytest.raises(InputError, match="one radius each"):
            radical_voronoi_volumes(np.zeros((2, 3)), [1.0], np.eye(3))
        with pytest.raises(InputError, match="negative"):
            radical_voronoi_volumes(np.zeros((1, 3)), [-1.0], np.eye(3))
        with pytest.raises(InputError, match="finite positions"):
            radical_voronoi_volumes(np.full((1, 3), np.nan), [1.0], np.eye(3))
        with pytest.raises(InputError, match="radii: negative or not finite"):
            radical_voronoi_volumes(np.zeros((1, 3)), [np.inf], np.eye(3))
        with pytest.raises(InputError, match="same place"):
            radical_voronoi_volumes(np.zeros((2, 3)), [1.0, 1.0], np.eye(3))
        with pytest.raises(InputError, match="none for La, Zr"):
            static_site_volumes(
                garnet_sites.centres,
                garnet_sites.framework,
                framework_symbols,
                garnet.cell,
                ion="Li",
                radii_A={"Li": 0.59, "O": 1.24},
            )


class TestExplored:
    def test_indices_and_other_frames_are_refused(self, garnet, garnet_sites):
        with pytest.raises(InputError, match="one boolean per atom"):
            explored_positions(garnet.positions, garnet.mobile.astype(int), garnet_sites)
        with pytest.raises(InputError, match="that were analysed"):
            explored_positions(garnet.positions[:50], garnet.mobile, garnet_sites)


class TestPolyhedra:
    @pytest.mark.parametrize("measure", [polyhedron_volumes, oxygen_coordination])
    def test_positions_that_are_not_finite_are_refused(self, measure):
        nowhere, oxygens = np.full((1, 3), np.nan), np.eye(3)
        with pytest.raises(InputError, match=r"centres: shape .* finite positions"):
            measure(nowhere, oxygens, 10 * np.eye(3))
        with pytest.raises(InputError, match=r"oxygens: shape .* finite positions"):
            measure(oxygens, nowhere, 10 * np.eye(3))

    def test_octahedron_across_a_face_of_the_cell(self):
        oxygens = np.concatenate([2 * np.eye(3), -2 * np.eye(3), [[5.0, 5, 5]]]) % 10
        volumes = polyhedron_volumes(np.array([[0.0, 0, 0], [5, 5, 4]]), oxygens, 10 * np.eye(3))
        assert volumes[0] == pytest.approx(4 / 3 * 2**3)
        assert np.isnan(volumes[1])

    def test_reference_values(self, garnet, garnet_sites, reference, framework_symbols):
        oxygens = garnet_sites.framework[framework_symbols == "O"]
        volumes = polyhedron_volumes(reference["static_sites"], oxygens, garnet.cell)
        np.testing.assert_allclose(volumes, reference["static_hull"], rtol=1e-9)


class TestAccessible:
    def test_hulls_of_all_samples_reproduce_the_published_package(
        self, garnet, garnet_sites, reference
    ):
        explored = explored_positions(garnet.positions, garnet.mobile, garnet_sites)
        counts = [len(samples) for samples in explored.displacements]
        assert (
            counts == np.bincount(garnet_sites.assignments[garnet_sites.assignments >= 0]).tolist()
        )
        volumes = accessible_volumes(explored, n_samples=100, n_draws=2)
        np.testing.assert_allclose(
            volumes.all_samples, reference["default_accessible_volumes"], rtol=1e-5
        )
        assert np.all(volumes.fixed_samples < volumes.all_samples)
        assert np.all(volumes.central_fraction < volumes.all_samples)

    def test_box(self):
        rng = np.random.default_rng(0)
        box = rng.uniform(-1, 1, size=(20_000, 3)).astype(np.float32)
        volumes = accessible_volumes(ExploredPositions((box,)), n_samples=2000, n_draws=5)
        assert volumes.all_samples[0] == pytest.approx(8, rel=0.02)
        assert volumes.fixed_samples[0] < volumes.all_samples[0]
        assert volumes.fixed_samples[0] == pytest.approx(8, rel=0.1)

    def test_fixed_samples_do_not_depend_on_the_length_of_the_run(self):
        rng = np.random.default_rng(1)
        clouds = [rng.standard_normal((n, 3)).astype(np.float32) for n in (1000, 16_000)]
        volumes = accessible_volumes(ExploredPositions(tuple(clouds)), n_samples=200)
        error = np.hypot(*volumes.standard_error)
        assert abs(np.subtract(*volumes.fixed_samples)) < 4 * error
        assert volumes.all_samples[1] > 1.5 * volumes.all_samples[0]

    @pytest.mark.parametrize("n_frames", [600, 10_000])
    def test_error_is_the_spread_of_repeated_runs(self, n_frames):
        rng = np.random.default_rng(2)
        runs = tuple(rng.standard_normal((n_frames, 3)).astype(np.float32) for _ in range(40))
        volumes = accessible_volumes(ExploredPositions(runs), n_samples=300)
        spread = volumes.fixed_samples.std(ddof=1)
        assert 0.6 < volumes.standard_error.mean() / spread < 1.6

    def test_too_few_samples_give_nan(self):
        few = np.random.default_rng(3).random((30, 3)).astype(np.float32)
        flat = np.zeros((400, 3), dtype=np.float32)
        volumes = accessible_volumes(ExploredPositions((few, few[:2], flat)), n_samples=100)
        assert np.isnan(volumes.fixed_samples[:2]).all()
        assert volumes.all_samples[0] > 0
        assert np.isnan(volumes.all_samples[1:]).all()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("n_samples", 4),
            ("n_samples", 5.5),
            ("fraction", 0.0),
            ("fraction", np.nan),
            ("n_draws", 0),
            ("n_draws", 1),
            ("n_blocks", 0),
            ("n_blocks", 1),
        ],
    )
    def test_bad_parameters_are_refused(self, name, value):
        with pytest.raises(InputError, match=name):
            accessible_volumes(ExploredPositions(()), **{name: value})
