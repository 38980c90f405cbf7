"""What a `potential.lmp` says is read as LAMMPS reads it, or refused by name."""

import shutil
import subprocess
from pathlib import Path

import ase
import numpy as np
import pytest
from ase.units import Bohr, Hartree
from hdnnp_reference import DATA, crowd, read_structure

from llzo_helpers.errors import InputError
from llzo_helpers.garnet import ELEMENTS
from llzo_helpers.hdnnp import HDNNPCalculator
from llzo_helpers.hdnnp.neighbours import NeighbourList
from llzo_helpers.hdnnp.pair_style import (
    read_commands,
    read_pair_style,
    require_no_forces,
)
from llzo_helpers.hdnnp.repulsion import Repulsion
from llzo_helpers.md import launch
from llzo_helpers.structures import write_structure

STYLE = "pair_style hdnnp 6.01 dir ${potential} showew no cflength 1.5 cfenergy 0.5\n"
COEFF = "pair_coeff * * Li La Zr O\n"
OVERLAY = "pair_style hybrid/overlay zbl 0.7 1.3 hdnnp 6.01 dir ${potential}\n"
OVERLAY_COEFF = "pair_coeff * * hdnnp Li La Zr O\n"


def read(folder: Path, text: str):
    (folder / "potential.lmp").write_text(text)
    return read_pair_style(folder)


@pytest.mark.parametrize(
    "text",
    [
        STYLE + COEFF,
        "# pair_style hdnnp 6.01 dir ${potential} cflength 1.88 cfenergy 0.037\n" + STYLE + COEFF,
        STYLE.replace("1.5", "9").replace("0.5", "9") + COEFF + STYLE + COEFF,
        "pair_style zero 5.0\npair_coeff * *\n" + STYLE + COEFF,
        STYLE.replace(" showew", " & \t\n  showew") + COEFF.replace(" Li", " &   \n Li"),
        STYLE.replace("\n", " # cflength 3 &\n cfenergy 3\n") + COEFF,
        "variable l index 1.5\nvariable l index 9\nvariable e equal 0.5\n"
        + STYLE.replace("1.5", "$l").replace("0.5", "${e}")
        + COEFF,
        "variable l index 9\nvariable l delete\nvariable l index 1.5\n"
        + STYLE.replace("1.5", "$l")
        + COEFF,
        STYLE.replace("${potential}", '"${potential}"').replace("1.5", "7 cflength 1.5") + COEFF,
    ],
    ids=[
        "plain",
        "comment",
        "last",
        "other",
        "continued",
        "comment goes on",
        "variables",
        "deleted",
        "quotes",
    ],
)
def test_one_meaning_in_many_spellings(tmp_path: Path, text: str):
    style = read(tmp_path, text)
    assert (1 / style.length_unit, 1 / style.energy_unit) == (1.5, 0.5)
    assert style.elements == ELEMENTS
    assert style.zbl is None


@pytest.mark.parametrize(("option", "most"), [("", 0), (" maxew 0", 0), (" maxew 7", 7)])
def test_without_a_limit_lammps_stops_at_the_first_extrapolation(tmp_path, option, most):
    style = read(tmp_path, STYLE.replace(" showew", f"{option} showew") + COEFF)
    assert style.max_extrapolations == most


ZBL = OVERLAY + OVERLAY_COEFF


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OVERLAY.replace("zbl 0.7 1.3", "buck 6.0") + OVERLAY_COEFF, "line 1: pair_style buck is"),
        (OVERLAY[:-1] + " buck 6.0\n" + OVERLAY_COEFF, "pair_style buck is not done in Python"),
        (OVERLAY.replace("/overlay", "") + OVERLAY_COEFF, "pair_style hybrid is not done"),
        (OVERLAY[:-1] + " zbl 1 2\n" + OVERLAY_COEFF, "zbl is given twice"),
        ("pair_style zbl 0.7 1.3\npair_coeff 1 1 3 3\n", "without hdnnp"),
        ("kspace_style pppm 1e-4\n" + STYLE + COEFF, "line 1: command 'kspace_style' is not done"),
        ("include other.lmp\n", "command 'include' is not done in Python"),
        ('if "1 > 0" then "pair_style zero 5"\n', "command 'if'"),
        ("", "no 'pair_style hdnnp'"),
        (STYLE, "no 'pair_coeff * * ELEMENTS' follows"),
        (STYLE + COEFF + STYLE, "no 'pair_coeff * * ELEMENTS' follows"),
        (STYLE + "pair_coeff 1 2 Li La\n", "takes '* *' and the elements"),
        (STYLE + "pair_coeff * * Li NULL Zr O\n", "takes '* *' and the elements"),
        (STYLE.replace("1.5", "nan") + COEFF, "cflength nan"),
        (STYLE.replace("1.5", "1_5") + COEFF, "cflength 1_5"),
        (STYLE.replace("1.5", "0") + COEFF, "cflength 0"),
        (STYLE.replace("1.5", "${c}") + COEFF, "${c}: only variables"),
        (STYLE.replace("1.5", "$(v_c)") + COEFF, "only variables"),
        (STYLE.replace("showew", "showev") + COEFF, "option 'showev' is none of"),
        (STYLE.replace("${potential}", "elsewhere") + COEFF, "dir elsewhere"),
        (STYLE[:-1] + " &\n", "line 1: ends with '&'"),
        (ZBL.replace("1.3", "inf"), "inf"),
        (ZBL.replace("1.3", "1e3"), "zbl 0.7 1e3: give two distances"),
        (ZBL + "pair_coeff Li Al zbl 3 13\n", "'Al' is neither one of the types Li La Zr O"),
        (ZBL + "pair_coeff 1 5 zbl 3 8\n", "go from 1 to 4"),
        (ZBL + "pair_coeff 3* 1*2 zbl 3 8\n", "no range before a lower one"),
        (ZBL + "pair_coeff * 2 zbl 3 8\n", "twice the same charge"),
        (ZBL + "pair_coeff 1 4 zbl 3\n", "two nuclear charges"),
        (ZBL + "pair_coeff 1 4 zbl 3 nan\n", "nuclear charges go from"),
        (ZBL + "pair_coeff 1 4 buck 3 1 1\n", "write two atom types, zbl"),
    ],
)
def test_what_is_not_done_is_refused_by_name(tmp_path: Path, text: str, words: str):
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    message = str(error.value)
    assert words in message
    assert "\n" not in message
    assert len(message) < 300


def test_zbl_on_a_continued_line(tmp_path: Path):
    text = ZBL.replace(" zbl", " &\n    zbl").replace(" hdnnp 6", " & \n hdnnp 6")
    zbl = read(tmp_path, text + "pair_coeff Li O &\n zbl 3 8\n").zbl
    assert (zbl.inner, zbl.outer, zbl.charges["Li", "O"]) == (0.7, 1.3, (3, 8))


def test_bytes_of_all_kinds(tmp_path: Path):
    (tmp_path / "potential.lmp").write_bytes(
        b"\xef\xbb\xbf" + STYLE.encode() + COEFF.encode() + "# Ångström\n".encode("latin-1")
    )
    assert read_pair_style(tmp_path).elements == ELEMENTS
    (tmp_path / "potential.lmp").write_bytes(bytes(range(256)) * 100)
    with pytest.raises(InputError):
        read_pair_style(tmp_path)


def test_no_forces_beside_a_calculator(tmp_path: Path):
    script = tmp_path / "potential.lmp"
    for text in ("# nothing\n", "pair_style zero 6.0\npair_coeff * *\n", "pair_style none\n"):
        script.write_text(text)
        require_no_forces(script)
    script.write_text("pair_style &\n buck 6.0\n")
    with pytest.raises(InputError, match="line 1: pair_style buck: all forces come from"):
        require_no_forces(script)


def test_comments_and_quotes(tmp_path: Path):
    script = tmp_path / "in.lmp"
    script.write_text('print "a # b" # c\n\n  # only\nset type Li charge &\n1.0\n')
    assert [(c.line, c.words) for c in read_commands(script)] == [
        (1, ("print", "a # b")),
        (4, ("set", "type", "Li", "charge", "1.0")),
    ]


COEFFICIENTS = {
    "named": "pair_coeff Li O zbl 3 8\npair_coeff Zr Zr zbl 40 40\n",
    "turned": "pair_coeff O Li zbl 8 3\npair_coeff 4 1 zbl 8 3\n",
    "last": "pair_coeff Li O zbl 30 80\npair_coeff Li O zbl 3 8\n",
    "ranges": "pair_coeff 1*2 3* zbl 3 8\npair_coeff * 2 zbl 5 5\n",
    "crossed ranges": "pair_coeff 2* *3 zbl 8 8\n",
    "own charges": "pair_coeff Li O zbl 11.5 16\n",
}


@pytest.mark.parametrize("coefficients", COEFFICIENTS.values(), ids=COEFFICIENTS)
def test_only_the_pairs_that_lammps_repels_repel(tmp_path: Path, coefficients: str):
    atoms = crowd(seed=3)
    write_structure(atoms, tmp_path / "start", {})
    # in place of the network a style without forces
    script = f"""\
units metal
atom_style charge
read_data start/structure.lmp
pair_style hybrid/overlay zbl 0.7 1.3 zero 6.0
pair_coeff * * zero
{coefficients}
thermo_style custom pe
thermo_modify format float "%.12g"
run 0
print "$(pe:%.12f)" file energy.txt
write_dump all custom forces.txt id fx fy fz modify sort id format float %.15g
"""
    (tmp_path / "in.lmp").write_text(script)
    words = [str(launch.find_lammps()), "-in", "in.lmp", "-screen", "none"]
    subprocess.run(words, cwd=tmp_path, env=launch.environment(), check=True)
    forces = np.loadtxt(tmp_path / "forces.txt", skiprows=9)[:, 1:]

    zbl = read(tmp_path, ZBL + coefficients).zbl
    neighbours = NeighbourList(1.3, 0.1, 4)
    elements = np.array([ELEMENTS.index(symbol) for symbol in atoms.get_chemical_symbols()])
    neighbours.update(atoms.positions, atoms.cell.array, atoms.pbc, elements)
    energies, gradient = np.zeros(len(atoms)), np.zeros(neighbours.points.shape)
    Repulsion(ELEMENTS, zbl).add(elements, neighbours, energies, gradient)
    assert energies.sum() == pytest.approx(float((tmp_path / "energy.txt").read_text()), rel=1e-9)
    np.testing.assert_allclose(neighbours.fold(gradient)[0], forces, rtol=1e-8, atol=1e-6)


def test_the_calculator_takes_the_units_of_the_folder(tmp_path: Path):
    folder = Path(shutil.copytree(DATA / "c_t12_t13_bohr_norm", tmp_path / "network"))
    atoms = read_structure("tiny7")
    atoms.calc = HDNNPCalculator(folder, length_unit=Bohr, energy_unit=Hartree)
    energy = atoms.get_potential_energy()
    (folder / "potential.lmp").write_text(
        f"pair_style hdnnp 7.0 dir ${{potential}} cflength {1 / Bohr!r} cfenergy {1 / Hartree!r}\n"
        + COEFF
    )
    atoms.calc = HDNNPCalculator(folder)
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (STYLE.replace("1.5", "0.1").replace("6.01", "99") + COEFF, "a cutoff radius of 60 Å"),
        (STYLE.replace("6.01", "3.99") + COEFF, "hdnnp 3.99: smaller than the cutoff radius"),
        (ZBL.replace("1.3", "7.5"), "zbl 0.7 7.5: ends beyond the cutoff radius"),
    ],
)
def test_cutoffs_that_do_not_fit(tmp_path: Path, text: str, words: str):
    folder = Path(shutil.copytree(DATA / "b_t2_t9", tmp_path / "network"))
    (folder / "potential.lmp").write_text(text)
    with pytest.raises(InputError, match=words):
        HDNNPCalculator(folder)


def test_commented_style_of_a_run_does_not_count(tmp_path: Path):
    """The example of the issue: it gave -24238 eV and 5434 K."""
    folder = Path(shutil.copytree(DATA / "b_t2_t9", tmp_path / "network"))
    atoms = read_structure("tiny7")
    atoms.calc = HDNNPCalculator(folder)
    energy = atoms.get_potential_energy()
    plain = "pair_style hdnnp 6.01 dir ${potential}\n" + COEFF
    (folder / "potential.lmp").write_text("# " + STYLE + plain)
    atoms = ase.Atoms(atoms, calculator=HDNNPCalculator(folder))
    assert atoms.get_potential_energy() == energy
