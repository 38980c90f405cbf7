"""Probability density, isosurfaces and the values of the nearest sites."""

import numpy as np
import pytest

from llzo_helpers.analysis.sites import (
    ProbabilityDensity,
    isosurface,
    probability_density,
    value_of_nearest_site,
)
from llzo_helpers.errors import InputError


class TestDensity:
    def test_integrates_to_the_number_of_ions(self, garnet):
        density = probability_density(garnet.positions[:50], garnet.cell, garnet.mobile)
        assert density.values.sum() * density.voxel_volume == pytest.approx(56)

    def test_a_supercell_folds_to_its_cell(self, garnet):
        positions = garnet.positions[:20]
        shifts = np.stack(np.meshgrid(*[[0, 13.0]] * 3), -1).reshape(-1, 3)
        supercell = np.concatenate([positions + shift for shift in shifts], axis=1)
        one = probability_density(positions, garnet.cell, garnet.mobile)
        folded = probability_density(
            supercell, 2 * garnet.cell, np.tile(garnet.mobile, 8), repeats=(2, 2, 2)
        )
        # float32 supercells move a few ions across voxel faces
        assert np.abs(folded.values - one.values).max() < 0.02 * one.values.max()
        np.testing.assert_allclose(folded.cell, one.cell)

    @pytest.mark.parametrize(
        "basis",
        [
            np.eye(3),
            [[1, 0, 0], [1, 1, 0], [0, 1, 1]],
            [[1, 0, 0], [2, 1, 0], [-1, 2, 1]],
            [[0, 1, 0], [1, 0, 0], [0, 0, 1]],
        ],
        ids=["cubic", "skewed", "flat", "left-handed"],
    )
    def test_smoothing_is_the_same_in_all_directions(self, basis):
        rng = np.random.default_rng(0)
        cell = np.asarray(basis, dtype=float) @ (8.0 * np.eye(3))
        ions = np.array([4.0, 4.0, 4.0]) + 0.3 * rng.standard_normal((40_000, 1, 3))
        density = probability_density(ions, cell, np.array([True]), spacing=0.15, smoothing=0.4)
        fractions = [(np.arange(n) + 0.5) / n for n in density.values.shape]
        points = np.stack(np.meshgrid(*fractions, indexing="ij"), axis=-1) @ cell
        offsets = (points - 4.0 + 4.0) % 8.0 - 4.0
        weights = density.values / density.values.sum()
        covariance = np.einsum("abc,abci,abcj->ij", weights, offsets, offsets)
        # a Gaussian of 0.3 Å, smoothed by 0.4 Å, has 0.5 Å along every axis
        np.testing.assert_allclose(np.sqrt(np.linalg.eigvalsh(covariance)), 0.5, rtol=0.02)

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("spacing", [0, -1, np.nan, np.inf, "a", 1e-2]),
            ("smoothing", [-1, np.nan, np.inf, None]),
            ("repeats", [(0, 1, 1), (-1, 1, 1), (1, 1), (1.5, 1, 1), (2.0, 2.0, 2.0), None]),
        ],
    )
    def test_a_senseless_grid_is_refused(self, garnet, name, values):
        for value in values:
            with pytest.raises(InputError, match=name) as caught:
                probability_density(
                    garnet.positions[:2], garnet.cell, garnet.mobile, **{name: value}
                )
            assert "\n" not in str(caught.value)

    def test_indices_or_another_mask_are_refused(self, garnet):
        frames, mask = garnet.positions[:2], garnet.mobile
        with pytest.raises(InputError, match="one boolean per atom"):
            probability_density(frames, garnet.cell, mask.astype(int))
        with pytest.raises(InputError, match="no mobile ion"):
            probability_density(frames, garnet.cell, np.zeros_like(mask))
        with pytest.raises(InputError, match="for 191 atoms"):
            probability_density(frames, garnet.cell, mask[:-1])

    def test_positions_that_are_not_finite_are_refused(self, garnet):
        frames = garnet.positions[:70].copy()
        frames[66, np.flatnonzero(garnet.mobile)[3], 1] = np.nan
        with pytest.raises(InputError, match="not finite in frame 66"):
            probability_density(frames, garnet.cell, garnet.mobile)


def gaussian_ball(cell, middle, n=40):
    fractions = (np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1) + 0.5) / n
    offset = fractions - middle
    distance = np.linalg.norm((offset - np.round(offset)) @ cell, axis=-1)
    return ProbabilityDensity(np.exp(-(distance**2) / 2), cell)


CELLS = [
    10 * np.eye(3),
    np.array([[10.0, 0, 0], [1.0, 9.5, 0], [-1, 0.5, 10]]),
    np.array([[0, 10.0, 0], [10.0, 0, 0], [0, 0, 10.0]]),
]


class TestIsosurface:
    @pytest.mark.parametrize("cell", CELLS, ids=["cubic", "triclinic", "left-handed"])
    def test_sphere(self, cell):
        surface = isosurface(gaussian_ball(cell, 0.5), level=np.exp(-(2.0**2) / 2))
        radius = np.linalg.norm(surface.vertices - 0.5 * cell.sum(axis=0), axis=1)
        assert np.abs(radius - 2).max() < 0.03
        a, b, c = (surface.vertices[surface.triangles[:, i]] for i in range(3))
        a, b, c = (x - 0.5 * cell.sum(axis=0) for x in (a, b, c))
        enclosed = np.einsum("ti,ti->t", a, np.cross(b, c)).sum() / 6
        # positive: every triangle faces outwards
        assert enclosed == pytest.approx(4 / 3 * np.pi * 2**3, rel=0.02)

    def test_it_is_closed(self):
        surface = isosurface(gaussian_ball(CELLS[0], 0.5), level=0.3)
        edges = np.sort(surface.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        _, counts = np.unique(edges, axis=0, return_counts=True)
        assert np.all(counts == 2)
        assert len(surface.vertices) - len(counts) + len(surface.triangles) == 2  # Euler

    def test_a_ball_on_the_corner_of_the_cell_shows_in_all_corners(self):
        cell = CELLS[0]
        surface = isosurface(gaussian_ball(cell, 0.0), level=np.exp(-(2.0**2) / 2))
        offset = surface.vertices / 10
        radius = np.linalg.norm(10 * (offset - np.round(offset)), axis=1)
        assert np.abs(radius - 2).max() < 0.03
        assert len(np.unique(np.round(offset), axis=0)) == 8

    @pytest.mark.parametrize("level", [-1.0, 2.0, np.nan, "a"])
    def test_level_out_of_range_is_refused(self, level):
        with pytest.raises(InputError, match="level"):
            isosurface(gaussian_ball(CELLS[0], 0.5), level)


def test_value_of_the_nearest_site():
    centres, values = np.array([[1.0, 0, 0], [6.0, 0, 0]]), np.array([10.0, 20.0])
    points = np.array([[2.0, 0, 0], [5.0, 1, 0], [9.9, 0, 0]])
    found = value_of_nearest_site(points, centres, values, 10 * np.eye(3))
    assert found.tolist() == [10.0, 20.0, 10.0]
    # two equal cells along x: both sites are the same place, left at the mean of both rates
    folded = value_of_nearest_site(points, centres, values, 10 * np.eye(3), repeats=(2, 1, 1))
    assert folded.tolist() == pytest.approx([1 / np.mean(1 / values)] * 3)


def test_an_image_that_nobody_leaves_does_not_colour_all_of_them():
    images = 5 * np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    times = np.ones(8)
    times[3] = np.inf
    points, cell = np.full((1, 3), 1.2), 10 * np.eye(3)
    # of eight images, seven are left once a ps
    found = value_of_nearest_site(points, images + 1.25, times, cell, repeats=(2, 2, 2))
    assert found.tolist() == pytest.approx([8 / 7])
    never = value_of_nearest_site(points, images + 1.25, np.full(8, np.inf), cell)
    assert never.tolist() == [np.inf]
