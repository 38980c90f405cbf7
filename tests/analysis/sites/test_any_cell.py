"""The same frames in other descriptions of their cell: the same sites, jumps and volumes."""

from dataclasses import dataclass

import numpy as np
import pytest
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from llzo_helpers.analysis.periodic import nearest_image, reduced_cell
from llzo_helpers.analysis.sites import (
    SiteAnalysis,
    accessible_volumes,
    explored_positions,
    find_stays,
    jump_statistics,
    jump_table,
    landmark_analysis,
    oxygen_coordination,
    polyhedron_volumes,
    static_site_volumes,
)
from llzo_helpers.errors import InputError
from llzo_helpers.garnet import SITE_RADII_A

N_FRAMES = 300
TURN = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
DESCRIPTIONS = {
    "skewed": ([[1, 0, 0], [1, 1, 0], [0, 1, 1]], np.eye(3)),
    "flat": ([[1, 0, 0], [2, 1, 0], [-1, 2, 1]], np.eye(3)),
    "left-handed": ([[0, 1, 0], [1, 0, 0], [0, 0, 1]], np.eye(3)),
    "mirrored": ([[-1, 0, 0], [0, 1, 0], [0, 0, 1]], np.eye(3)),
    "rotated": (np.eye(3), TURN),
}


@dataclass(frozen=True)
class Found:
    """What a description of the cell gives; lengths in Å."""

    sites: SiteAnalysis
    jumps: NDArray
    values: dict[str, NDArray]


def analysed(garnet, cell: NDArray, turn: NDArray) -> Found:
    positions = garnet.positions[:N_FRAMES].astype(float) @ turn
    sites = landmark_analysis(positions, cell, garnet.mobile)
    symbols = np.array([chemical_symbols[number] for number in garnet.framework_numbers])
    oxygens = sites.framework[symbols == "O"]
    stays = find_stays(sites.assignments, sites.n_sites)
    explored = explored_positions(positions, garnet.mobile, sites)
    volumes = accessible_volumes(explored, n_samples=100, n_draws=2)
    values = {
        "residence": jump_statistics(stays, 0.05).residence_time_ps,
        "static": static_site_volumes(
            sites.centres, sites.framework, symbols, cell, ion="Li", radii_A=SITE_RADII_A
        ),
        "polyhedron": polyhedron_volumes(sites.centres, oxygens, cell),
        "coordination": oxygen_coordination(sites.centres, oxygens, cell),
        "accessible": volumes.all_samples,
    }
    return Found(sites, jump_table(stays), values)


@pytest.fixture(scope="module")
def usual(garnet) -> Found:
    return analysed(garnet, garnet.cell, np.eye(3))


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_description_of_the_cell_does_not_matter(garnet, usual, name):
    basis, turn = DESCRIPTIONS[name]
    found = analysed(garnet, np.asarray(basis) @ garnet.cell @ turn, turn)
    assert np.array_equal(found.sites.assignments, usual.sites.assignments)
    offset = nearest_image(found.sites.centres @ turn.T - usual.sites.centres, garnet.cell)
    assert np.abs(offset).max() < 1e-6
    assert np.array_equal(found.jumps, usual.jumps)
    for quantity, values in usual.values.items():
        np.testing.assert_allclose(found.values[quantity], values, rtol=1e-6, err_msg=quantity)


OBLIQUE = {
    "triclinic": np.array([[9.0, 0, 0], [3.0, 8.5, 0], [-2.0, 2.5, 9.2]]),
    "hexagonal": np.array([[10.0, 0, 0], [5.0, 5 * 3**0.5, 0], [0, 0, 11.0]]),
    "face-centred": 8 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]),
}


@pytest.mark.parametrize("basis", ["skewed", "left-handed"])
@pytest.mark.parametrize("name", OBLIQUE)
def test_nor_in_an_oblique_cell(name, basis):
    """Ions that wander in a disordered framework, where a site may be as wide as the cell."""
    rng = np.random.default_rng(3)
    cell, places = OBLIQUE[name], np.empty((0, 3))
    while len(places) < 40:
        drawn = rng.random(3)
        apart = nearest_image((places - drawn) @ OBLIQUE["triclinic"], OBLIQUE["triclinic"])
        if np.linalg.norm(apart, axis=1).min(initial=np.inf) > 1.8:
            places = np.concatenate([places, drawn[None]])
    framework = places @ cell + 0.1 * rng.standard_normal((N_FRAMES, 40, 3))
    walks = np.cumsum(0.35 * rng.standard_normal((N_FRAMES, 6, 3)), axis=0)
    positions = np.concatenate([framework, rng.random((6, 3)) @ cell + walks], axis=1)
    mobile = np.arange(46) >= 40

    def analysed_in(cell: NDArray) -> tuple[SiteAnalysis, NDArray]:
        sites = landmark_analysis(positions, cell, mobile, assignment_threshold=0.6)
        symbols = np.full(40, "O")
        radii = {"O": 1.4, "Li": 0.6}
        return sites, static_site_volumes(
            sites.centres, sites.framework, symbols, cell, ion="Li", radii_A=radii
        )

    usual, volumes = analysed_in(cell)
    found, same_volumes = analysed_in(np.asarray(DESCRIPTIONS[basis][0]) @ cell)
    assert np.array_equal(found.assignments, usual.assignments)
    assert np.abs(nearest_image(found.centres - usual.centres, cell)).max() < 1e-6
    np.testing.assert_allclose(same_volumes, volumes, rtol=1e-6)


def test_the_nearest_image_of_long_vectors_in_an_oblique_cell():
    cell = OBLIQUE["face-centred"]
    vectors = np.random.default_rng(0).random((500, 3)) @ cell
    shifts = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3), axis=-1).reshape(-1, 3) @ cell
    shortest = np.linalg.norm(vectors[:, None] + shifts, axis=2).min(axis=1)
    rounded = np.linalg.norm(nearest_image(vectors, cell), axis=1)
    assert (rounded > shortest + 1e-9).any()
    found = np.linalg.norm(nearest_image(vectors, cell, however_long=True), axis=1)
    np.testing.assert_allclose(found, shortest)


def test_a_reduced_cell_is_returned_as_it_is(garnet):
    assert np.array_equal(reduced_cell(garnet.cell), garnet.cell)
    turned = garnet.cell @ TURN
    assert np.array_equal(reduced_cell(turned), turned)


@pytest.mark.parametrize("name", ["skewed", "flat", "left-handed", "mirrored"])
def test_all_descriptions_of_a_lattice_have_one_reduced_cell(garnet, name):
    basis, _ = DESCRIPTIONS[name]
    reduced = reduced_cell(np.asarray(basis) @ garnet.cell)
    assert np.linalg.det(reduced) == pytest.approx(np.linalg.det(garnet.cell))
    np.testing.assert_allclose(np.sort(reduced, axis=None), np.sort(garnet.cell, axis=None))


def test_the_nearest_image_in_a_skewed_cell():
    cell = np.array([[1, 0, 0], [2, 1, 0], [-1, 2, 1]]) @ (10.0 * np.eye(3))
    # rounding fractions in this cell gives 9.9 Å
    shift = np.array([1.0, -2.0, 0.5]) + cell[1] + 2 * cell[2]
    np.testing.assert_allclose(nearest_image(shift, cell), [1.0, -2.0, 0.5])


def test_a_cell_too_small_for_its_neighbours_is_refused():
    cell = np.diag([12.0, 12.0, 4.0])
    with pytest.raises(InputError, match=r"cutoff: 2\.9 Å; give at most half"):
        oxygen_coordination(np.zeros((1, 3)), np.ones((1, 3)), cell)
