import subprocess
from pathlib import Path

import ase
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llzo_helpers.errors import InputError
from llzo_helpers.files import read_json, sha256
from llzo_helpers.garnet import ELEMENTS, FORMAL_CHARGES, garnet, li_per_formula, volume_ratio
from llzo_helpers.generate.crystal import MINIMUM_LI_DISTANCE_A, _LithiumCoulombEnergy, crystal
from llzo_helpers.md.launch import environment, find_lammps
from llzo_helpers.structures import read_structure, require_unoccupied, write_structure


def distances_between(atoms: ase.Atoms, a: str, b: str) -> np.ndarray:
    symbols = np.array(atoms.get_chemical_symbols())
    return np.sort(atoms.get_all_distances(mic=True)[np.ix_(symbols == a, symbols == b)], axis=1)


@settings(deadline=None, max_examples=25)
@given(
    eighths=st.integers(44, 60),
    ratio=st.floats(0.85, 1.3),
    seed=st.integers(0, 2**32 - 1),
)
def test_crystal_has_the_composition_volume_and_distances_asked_for(eighths, ratio, seed):
    atoms = crystal(li_per_formula=eighths / 8, volume_ratio=ratio, seed=seed, draws=2)
    symbols = atoms.get_chemical_symbols()
    assert [symbols.count(e) for e in ELEMENTS] == [eighths, 24, 16, 96]
    assert symbols == sorted(symbols, key=ELEMENTS.index)
    assert atoms.cell.volume == pytest.approx(ratio * 13.0**3, rel=1e-12)
    nearest = distances_between(atoms, "Li", "Li")[:, 1].min() / ratio ** (1 / 3)
    assert nearest > MINIMUM_LI_DISTANCE_A


def test_framework_has_the_coordination_of_the_garnet():
    framework, _ = garnet()
    zr_o = distances_between(framework, "Zr", "O")
    la_o = distances_between(framework, "La", "O")
    assert (zr_o[:, 5] < 2.2).all()
    assert (zr_o[:, 6] > 3).all()
    assert (la_o[:, 7] < 2.7).all()
    assert (la_o[:, 8] > 3).all()


def test_density_of_stoichiometric_garnet_is_the_papers():
    atoms = crystal(li_per_formula=7, seed=0)
    density = atoms.get_masses().sum() / atoms.cell.volume * 1.66053907
    assert density == pytest.approx(5.05, abs=0.05)


def test_same_seed_same_structure_and_another_seed_another():
    first, again, other = (crystal(li_per_formula=7, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.positions, again.positions)
    assert not np.array_equal(first.positions, other.positions)


def test_supercell_of_full_stoichiometry():
    atoms = crystal(li_per_formula=7, supercell=2, seed=0, draws=1)
    assert len(atoms) == 1536
    assert atoms.cell.lengths() == pytest.approx([26.0] * 3)


def test_lowest_coulomb_energy_of_the_draws_is_taken():
    framework, sites = garnet()
    energy = _LithiumCoulombEnergy(framework, sites)

    def energy_of(draws: int) -> float:
        lithium = crystal(li_per_formula=6.25, seed=9, draws=draws).positions[:50]
        shift = np.linalg.norm(lithium[:, None] - sites.positions[None], axis=2)
        return energy(shift.argmin(axis=1))

    assert energy_of(20) < energy_of(1)


def test_coulomb_energy_differences_are_those_of_lammps(tmp_path: Path):
    framework, sites = garnet()
    energy = _LithiumCoulombEnergy(framework, sites)
    rng = np.random.default_rng(5)
    ours, theirs = [], []
    for index in range(3):
        occupied = rng.choice(24, 10, replace=False)  # 24d sites: none too close
        write_structure(sites[occupied] + framework, tmp_path / str(index), {})
        ours.append(energy(occupied))
        theirs.append(coulomb_energy_by_lammps(tmp_path / str(index)))
    assert np.ptp(theirs) > 1
    assert np.diff(ours) == pytest.approx(np.diff(theirs), abs=1e-3)


def coulomb_energy_by_lammps(directory: Path) -> float:
    charges = "\n".join(f"set type {e} charge {q}" for e, q in FORMAL_CHARGES.items())
    (directory / "in.lmp").write_text(
        f"units metal\natom_style charge\nread_data structure.lmp\n{charges}\n"
        "pair_style coul/long 6.0\npair_coeff * *\nkspace_style ewald 1e-8\nrun 0\n"
        'print "energy $(pe:%.10f)"\n'
    )
    output = subprocess.run(
        [find_lammps(), "-in", "in.lmp"],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return float(output.split("energy ")[1].split()[0])


def test_writing_and_reading_back(tmp_path: Path):
    atoms = crystal(li_per_formula=6.5, volume_ratio=1.12, seed=2)
    write_structure(atoms, tmp_path, {"seed": 2})
    back = read_structure(tmp_path)
    assert np.allclose(back.positions, atoms.positions, atol=1e-7)
    assert back.get_chemical_symbols() == atoms.get_chemical_symbols()
    provenance = read_json(tmp_path / "provenance.json")
    assert provenance["seed"] == 2
    assert provenance["li_per_formula"] == 6.5
    assert provenance["volume_ratio"] == pytest.approx(1.12)
    for name, digest in provenance["sha256"].items():
        assert sha256(tmp_path / name) == digest
    assert li_per_formula(back) == 6.5
    assert volume_ratio(back) == pytest.approx(1.12)


def test_another_structure_is_not_overwritten(tmp_path: Path):
    made_with = {"phase": "crystal", "volume_ratio": 1.12, "fit_window": (0.1, 0.5)}
    require_unoccupied(tmp_path, made_with)
    write_structure(crystal(li_per_formula=6.5, seed=2), tmp_path, {"parameters": made_with})
    require_unoccupied(tmp_path, made_with)
    with pytest.raises(InputError, match=r"made with volume_ratio = 1.12, not 1.17; give another"):
        require_unoccupied(tmp_path, {**made_with, "volume_ratio": 1.17})
    write_structure(crystal(li_per_formula=6.5, seed=2), tmp_path, {"made by": "tests"})
    with pytest.raises(InputError, match="made without phase, not 'crystal'"):
        require_unoccupied(tmp_path, made_with)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"li_per_formula": 5.0}, "li_per_formula: 5.0; give the Li per formula unit, 5.5 to 7.5"),
        ({"li_per_formula": 6.3}, "give a multiple of 0.125"),
        ({"li_per_formula": 7.0, "volume_ratio": -1.0}, "volume_ratio: -1.0; give a volume"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        crystal(seed=0, **arguments)
    assert "\n" not in str(error.value)


def test_reading_what_is_not_there_names_the_file(tmp_path: Path):
    with pytest.raises(InputError, match=r"structure\.extxyz: not found"):
        read_structure(tmp_path)
