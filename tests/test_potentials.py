"""The folders of potentials/: forces of the two splits of the classical potential, short names."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from llzo_helpers.errors import InputError
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.md import launch
from llzo_helpers.paths import POTENTIALS
from llzo_helpers.potentials import load_potential, make_calculator, short_name
from llzo_helpers.structures import write_structure

TUNED, PLAIN = "bush1994_woodley1999", "bush1994_woodley1999_10A"


def forces(structure: Path, potential: str, folder: Path) -> np.ndarray:
    """Forces that LAMMPS finds in a structure, eV/Å, [atom, axis]."""
    script = folder / "in.lmp"
    script.write_text(
        f"units metal\natom_style charge\nread_data {structure}/structure.lmp\n"
        f'include "{POTENTIALS / potential}/potential.lmp"\n'
        "dump forces all custom 1 forces.txt id fx fy fz\n"
        'dump_modify forces sort id format float "%.12g"\n'
        "run 0\n"
    )
    words = [str(launch.find_lammps()), "-in", "in.lmp", "-log", "none", "-screen", "none"]
    subprocess.run(words, cwd=folder, env=launch.environment(), check=True)
    return np.loadtxt(folder / "forces.txt", skiprows=9)[:, 1:]


@pytest.mark.parametrize("volume_ratio", [0.86, 1.17])
def test_the_tuned_split_gives_the_forces_of_the_plain_one(tmp_path: Path, volume_ratio: float):
    atoms = crystal(li_per_formula=6.25, volume_ratio=volume_ratio, seed=1, draws=1)
    atoms.rattle(0.1, seed=2)
    write_structure(atoms, tmp_path, {"made by": "tests"})
    tuned, plain = (forces(tmp_path, name, tmp_path) for name in (TUNED, PLAIN))
    assert np.sqrt((plain**2).mean()) > 1
    # each is 2 to 5e-4 eV/Å from the exact forces: benchmarks/coulomb.py
    assert np.sqrt(((tuned - plain) ** 2).mean()) < 1e-3
    assert np.abs(tuned.sum(axis=0)).max() < 1e-8


def test_short_names_are_unique(tmp_path: Path):
    assert short_name(TUNED) == "CIP"
    assert short_name(PLAIN) == "CIP 10 Å"
    assert short_name("wang2014") == "wang2014"
    assert load_potential(PLAIN).paper_label == load_potential(TUNED).paper_label == "CIP"
    for name in ("one", "two"):
        shutil.copytree(POTENTIALS / TUNED, tmp_path / name)
    assert short_name("one", tmp_path) == "one"


def test_what_an_editor_leaves_is_no_part_of_a_potential(tmp_path: Path):
    shutil.copytree(POTENTIALS / "hdnnp_sevennet0", tmp_path / "one")
    before = load_potential("one", tmp_path).sha256()
    parts = {path.name for path in (tmp_path / "one").iterdir()} - {"README.md"}
    assert before.keys() == parts
    for name in (".potential.lmp.swp", "potential.lmp~", "#potential.lmp#", ".#x", "notes.md"):
        (tmp_path / "one" / name).write_text("x")
    assert load_potential("one", tmp_path).sha256() == before


@pytest.mark.parametrize(
    "calculator", ["builtins.dict", "builtins.print", "sys.exit", "math.pi", "os", "x.Y", "...", ""]
)
def test_calculators_that_are_none(tmp_path: Path, calculator: str):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "potential.lmp").write_text("pair_style zero 5.0\n")
    values = {"description": "x", "citation": ["x"], "licence": "x", "units": "metal"}
    values |= {"elements": ["Li"], "kind": "ase"}
    (folder / "potential.yaml").write_text(yaml.safe_dump(values | {"calculator": calculator}))
    with pytest.raises(InputError, match=r"potential\.yaml: calculator"):
        make_calculator(load_potential("own", tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda atoms: atoms.set_pbc(False), "must be periodic"),
        (lambda atoms: atoms.set_cell(np.zeros((3, 3))), "must be periodic"),
        (lambda atoms: atoms.symbols.__setitem__(0, "Na"), "Na: must consist of Li, La, Zr, O"),
        (lambda atoms: atoms.positions.__setitem__(0, np.nan), "not finite"),
    ],
)
def test_structures_that_are_none_are_not_written(tmp_path: Path, change, words: str):
    atoms = crystal(li_per_formula=6.25, seed=1, draws=1)
    change(atoms)
    with pytest.raises(InputError, match=words):
        write_structure(atoms, tmp_path / "structure", {"made by": "tests"})
    assert not (tmp_path / "structure").exists()
