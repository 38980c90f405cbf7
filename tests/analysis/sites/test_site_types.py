"""Tetrahedral and octahedral sites of the garnet."""

import numpy as np

from llzo_helpers.analysis.sites import coordination_types, oxygen_coordination
from llzo_helpers.campaign.sites import garnet_types


def test_sites_of_the_cubic_cell(garnet, garnet_sites, reference):
    oxygens = garnet_sites.framework[garnet.framework_numbers == 8]
    coordination = oxygen_coordination(garnet_sites.centres, oxygens, garnet.cell)
    by_coordination = coordination_types(coordination)
    by_symmetry = garnet_types(garnet_sites.centres, garnet.cell, 1)
    assert np.array_equal(by_coordination == "tetrahedral", reference["default_is_tet"])
    assert np.array_equal(by_symmetry == "24d", by_coordination == "tetrahedral")
    assert np.array_equal(by_symmetry == "48g", by_coordination == "octahedral")
    assert (by_symmetry == "24d").sum() == 24
    assert (by_symmetry == "48g").sum() == 48


def test_sites_of_a_supercell(garnet, garnet_sites):
    shifts = np.stack(np.meshgrid(*[[0, 13.0]] * 3), -1).reshape(-1, 3)
    centres = (garnet_sites.centres + shifts[:, None]).reshape(-1, 3)
    types = garnet_types(centres, 2 * garnet.cell, 2)
    assert np.array_equal(types, np.tile(garnet_types(garnet_sites.centres, garnet.cell, 1), 8))


def test_a_site_elsewhere_is_other(garnet, garnet_sites):
    centres = np.concatenate([garnet_sites.centres, [[0.0, 0.0, 0.0]]])
    assert garnet_types(centres, garnet.cell, 1)[-1] == "other"


def test_names_of_coordinations():
    assert coordination_types(np.array([4, 5, 6])).tolist() == [
        "tetrahedral",
        "5-fold",
        "octahedral",
    ]
