"""Environments: invariances and spherical harmonics; the map: crystal, melt, glass apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from llzo_helpers.analysis.structure_map import (
    INNERMOST,
    L_MAX,
    N_RADIAL,
    crystal_reference,
    groups_on_map,
    local_environments,
    structure_features,
    structure_map,
)
from llzo_helpers.errors import InputError
from llzo_helpers.paths import DATA

ELEMENTS = ("La", "Zr", "O")
NAMES = (
    "crystal_300K",
    "crystal_1100K",
    "compressed_86_1100K",
    "expanded_112_1100K",
    "expanded_117_1100K",
    "melt",
    "quench",
    "glass",
)
CRYSTAL_VOLUME = 13.0**3 / 136


@pytest.fixture(scope="module")
def environments():
    """Return, by name and element, environments [frame, atom, feature] at one density."""
    with np.load(DATA / "reference_structures.npz", allow_pickle=False) as data:
        return {
            name: {
                element: local_environments(
                    data[name],
                    np.eye(3) * data[f"{name}_edge"],
                    data["species"].tolist(),
                    central=element,
                    volume_per_atom=CRYSTAL_VOLUME,
                )
                for element in ELEMENTS
            }
            for name in NAMES
        }


def cluster(seed=0, n=25):
    positions = np.random.default_rng(seed).uniform(3, 11, size=(1, n, 3))
    return positions, np.eye(3) * 14, ["La", "Zr", "O", "O", "Li"] * (n // 5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_turning_moving_renumbering_change_nothing(seed):
    rng = np.random.default_rng(seed)
    positions, cell, species = cluster(seed)
    reference = local_environments(positions, cell, species, central="O")
    turn = Rotation.random(rng=rng).as_matrix()
    moved = positions + rng.normal(size=3) * 5
    order = rng.permutation(len(species))
    renumbered = np.array(species)[order].tolist()
    result = local_environments((moved @ turn)[:, order], cell @ turn, renumbered, central="O")
    back = np.argsort(order[np.array(renumbered) == "O"])
    np.testing.assert_allclose(result[:, back], reference, atol=1e-9)


def test_is_the_power_of_spherical_harmonics():
    positions, cell, species = cluster(n=10)
    atom = species.index("Zr")
    around = positions[0][np.array(species) == "O"] - positions[0, atom]
    r = np.linalg.norm(around, axis=1)
    polar, azimuth = np.arccos(around[:, 2] / r), np.arctan2(around[:, 1], around[:, 0])
    cutoff_A = 6.0
    spacing = (cutoff_A - INNERMOST) / N_RADIAL
    expected = np.zeros((N_RADIAL, L_MAX + 1))
    for n in range(N_RADIAL):
        radial = np.exp(-0.5 * ((r - INNERMOST) / spacing - n) ** 2)
        radial *= np.where(r < cutoff_A, (1 + np.cos(np.pi * r / cutoff_A)) / 2, 0)
        for degree in range(L_MAX + 1):
            parts = [
                np.sum(radial * sph_harm_y(degree, m, polar, azimuth))
                for m in range(-degree, degree + 1)
            ]
            expected[n, degree] = np.sum(np.abs(parts) ** 2) * 4 * np.pi / (2 * degree + 1)
    found = local_environments(positions, cell, species, central="Zr", neighbours=["O"])
    np.testing.assert_allclose(found[0, 0], expected.ravel(), atol=1e-10)


def test_smooth_where_a_neighbour_leaves():
    """As an atom crosses the cutoff features change by no more than it moves."""
    distance = np.linspace(5.9, 6.1, 201)
    positions = np.zeros((201, 2, 3))
    positions[:, 1, 0] = distance
    features = local_environments(
        positions, np.eye(3) * 13, ["Zr", "O"], central="Zr", neighbours=["O"]
    )
    assert np.abs(np.diff(features, axis=0)).max() < 1e-5
    assert not np.any(features[distance >= 6])


def test_ions_are_not_seen():
    positions, cell, species = cluster()
    moved = positions.copy()
    moved[:, np.array(species) == "Li"] += 1.0
    for element in ELEMENTS:
        np.testing.assert_array_equal(
            local_environments(positions, cell, species, central=element),
            local_environments(moved, cell, species, central=element),
        )


def test_strain_alone_is_no_change_at_one_density():
    positions, cell, species = cluster()
    wide = local_environments(
        positions * 1.07, cell * 1.07, species, central="O", volume_per_atom=137.2
    )
    np.testing.assert_allclose(
        wide,
        local_environments(positions, cell, species, central="O", volume_per_atom=137.2),
        atol=1e-9,
    )


@pytest.mark.parametrize("element", ELEMENTS)
def test_distance_to_crystal_tells_disorder_atom_by_atom(environments, element):
    hot = environments["crystal_1100K"][element]
    reference = crystal_reference(hot[::2])
    assert np.sqrt(np.mean(reference.distance(hot[::2]) ** 2)) == pytest.approx(1)
    # the frames between, which the reference hasn't seen
    crystal = reference.distance(hot[1::2])
    assert crystal.shape == hot[1::2].shape[:2]
    assert np.median(crystal) == pytest.approx(1, abs=0.25)
    for name in ("melt", "quench", "glass"):
        disordered = reference.distance(environments[name][element])
        assert np.quantile(crystal, 0.95) < np.quantile(disordered, 0.05)
    medians = [
        np.median(reference.distance(environments[name][element]))
        for name in ("crystal_300K", "expanded_112_1100K", "expanded_117_1100K", "glass")
    ]
    assert medians == sorted(medians)


def test_groups_without_labels_are_crystal_expanded_melt_and_glass(environments):
    ends = ("crystal_300K", "crystal_1100K", "expanded_112_1100K", "melt", "quench", "glass")
    features = {name: structure_features(list(environments[name].values())) for name in ends}
    everything = np.concatenate(list(features.values()))
    of_map = structure_map(everything)
    groups = groups_on_map(of_map.project(everything), 4)
    found = dict(
        zip(
            ends, np.split(groups, np.cumsum([len(f) for f in features.values()])[:-1]), strict=True
        )
    )
    assert set(found["crystal_300K"]) == set(found["crystal_1100K"]) == {0}
    assert set(found["expanded_112_1100K"]) == {1}
    assert set(found["melt"]) == {2}
    assert set(found["glass"]) == {3}
    # a quench is the melt at first, the glass at last, and never near the crystal
    assert set(found["quench"][:10]) == {2}
    assert set(found["quench"][-5:]) == {3}
    assert set(found["quench"]) == {2, 3}


def test_map_is_that_of_the_covariance():
    features = np.random.default_rng(0).normal(size=(40, 6)) @ np.diag([5, 1, 1, 1, 1, 0])
    features[:, 1] += features[:, 0]
    result = structure_map(features, components=5)
    scores = result.project(features)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-12)
    covariance = scores.T @ scores / len(scores)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-10)
    # the feature that doesn't vary has no part
    np.testing.assert_allclose(np.diag(covariance) / 5, result.explained, atol=1e-10)
    assert np.all(result.axes[:, 5] == 0)


def test_bad_input():
    positions, cell, species = cluster()
    with pytest.raises(InputError, match="no 'Ta'"):
        local_environments(positions, cell, species, central="Ta")
    with pytest.raises(InputError, match="cutoff: 8 Å"):
        local_environments(positions, cell, species, central="Zr", cutoff_A=8)
    with pytest.raises(InputError, match="at least 4 structures"):
        structure_map(np.zeros((3, 5)))
    with pytest.raises(InputError, match="at least 50"):
        crystal_reference(np.zeros((2, 5, 7)))
    with pytest.raises(InputError, match="warm crystal"):
        crystal_reference(np.ones((20, 5, 7)))
