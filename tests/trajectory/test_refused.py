"""Whatever is wrong with a file or an argument is said in one line that names it."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
import pytest
from trajectory.writers import (
    ELEMENTS,
    INTERVAL_PS,
    MadeRun,
    dump,
    extxyz,
    made_run,
    mdanalysis,
    traj,
    vasprun,
)

from llzo_helpers import Trajectory
from llzo_helpers.errors import InputError

DT: dict[str, Any] = {"frame_interval_ps": INTERVAL_PS}
TYPES: dict[str, Any] = {"elements": ELEMENTS, **DT}


@pytest.fixture(scope="module")
def run() -> MadeRun:
    return made_run(20)


def refused(message: str, path: Any, **arguments: Any) -> None:
    with pytest.raises(InputError, match=message) as error:
        Trajectory.read(path, **arguments).positions()
    assert "\n" not in str(error.value)
    if isinstance(path, Path):
        assert path.name in str(error.value)


def edited(path: Path, edit: Callable[[str], str]) -> Path:
    text = path.read_text()
    changed = edit(text)
    assert changed != text
    path.write_text(changed, encoding="latin-1")
    return path


# ------------------------------------------------------------------ cells


@pytest.mark.parametrize("bounds", ["pp pp ss", "ff ff ff", "pp pp fm"])
def test_boxes_of_lammps_that_are_no_cell(bounds, run, tmp_path):
    path = edited(dump(tmp_path / "r.dump", run), lambda text: text.replace("pp pp pp", bounds))
    refused(f"r.dump: frame 0: its cell is not periodic in all directions .{bounds}", path, **TYPES)
    # old versions of LAMMPS do not say
    edited(path, lambda text: text.replace(f" {bounds}", ""))
    assert len(Trajectory.read(path, **TYPES)) == 20


def test_a_box_whose_header_does_not_fit_its_lines(run, tmp_path):
    path = edited(dump(tmp_path / "r.dump", run), lambda text: text.replace(" xy xz yz", ""))
    refused("r.dump: frame 0: its header is not that of a dump", path, **TYPES)
    reversed_ = re.compile(r"^(\S+) (\S+)( \S+)$", re.MULTILINE)
    path = edited(dump(tmp_path / "s.dump", run), lambda text: reversed_.sub(r"\2 \1\3", text))
    refused("s.dump: frame 0: its header is not that of a dump", path, **TYPES)


def test_an_atom_that_flew_away(run, tmp_path):
    path = dump(tmp_path / "r.dump", run, columns="id type xu yu zu")
    first = re.compile(r"^(1 \d) (\S+) ", re.MULTILINE)
    edited(path, lambda text: first.sub(r"\1 1e30 ", text, count=1))
    refused("r.dump: frame 0: position of atom 0 is not a number, or 1e", path, **TYPES)


def test_atoms_that_become_others(run, tmp_path):
    path = dump(tmp_path / "r.dump", run)
    half = path.read_text().split("ITEM: TIMESTEP\n")
    swapped = str.maketrans("12", "21")
    row = re.compile(r"^(\d+) ([12]) ", re.MULTILINE)
    for number in range(11, len(half)):
        half[number] = row.sub(lambda m: f"{m[1]} {m[2].translate(swapped)} ", half[number])
    path.write_text("ITEM: TIMESTEP\n".join(half))
    refused(
        r"r.dump: frame 1\d: another type than in the first frame for \d+ atoms?;", path, **TYPES
    )


def test_a_topology_that_is_not_needed(run, tmp_path):
    (tmp_path / "topology.yaml").write_text("a: 1\n")
    known = {"topology": tmp_path / "topology.yaml", **DT}
    refused("r.xyz: states its elements itself", extxyz(tmp_path / "r.xyz", run), **known)
    refused(
        "elements and topology are given",
        dump(tmp_path / "r.dump", run),
        elements=ELEMENTS,
        **known,
    )


@pytest.mark.parametrize("pbc", ["F F F", "T T F"])
def test_cells_of_extended_xyz_that_are_not_periodic(pbc, run, tmp_path):
    path = extxyz(tmp_path / "r.xyz", run)
    edited(path, lambda text: text.replace('pbc="T T T"', f'pbc="{pbc}"'))
    refused("r.xyz: frame 0: its cell is not periodic", path, **DT)
    edited(path, lambda text: text.replace(f' pbc="{pbc}"', ""))
    assert len(Trajectory.read(path, **DT)) == 20


def test_structures_that_are_not_periodic(run, tmp_path):
    images = run.images
    images[3].pbc = [True, True, False]
    with pytest.raises(InputError, match="list of Atoms: frame 3: its cell is not periodic"):
        Trajectory.from_ase(images, **DT)
    ase.io.write(tmp_path / "r.traj", images)
    refused("r.traj: frame 3: its cell is not periodic", tmp_path / "r.traj", **DT)


# ------------------------------------------------------------------ damaged files


NINE = r'Lattice="[^"]*"'


@pytest.mark.parametrize(
    ("pattern", "instead", "message"),
    [
        (NINE, 'Lattice="16 16 16 90 90 90"', "frame 0: .* Lattice"),
        (NINE, 'Lattice="16 16 16"', "frame 0: .* Lattice"),
        (NINE, 'Lattice="a 0 0 0 16 0 0 0 16"', "frame 0: .* Lattice"),
        (NINE, 'Lattice="16D0 0 0 0 16D0 0 0 0 16D0"', "frame 0: .* Lattice"),
        (NINE, 'Lattice="16 0 0 0 16 0 0 0 16', "frame 0: .* Lattice"),
        ("pos:R:3", "pos:R:x", "Properties=species:S:1:pos:R:x: give"),
        ("pos:R:3", "pos:R:2", "Properties=species:S:1:pos:R:2: give"),
        (":S:1:pos:R:3", "", "Properties=species: give"),
        ("Ba  ", "Bä  ", "'B.' is not a chemical symbol"),
        ("Ba  ", "Ba x  ", "frame 0: its lines are not those that Properties"),
        ("Ba   *(-?[0-9.]+)", "Ba 1.5D0", "frame 0: position of atom 0 is not a number"),
    ],
)
def test_extended_xyz(pattern, instead, message, run, tmp_path):
    path = extxyz(tmp_path / "r.xyz", run)
    refused(message, edited(path, lambda text: re.sub(pattern, instead, text)), **DT)


LAST = "<v>[^<]*</v></varray></structure>"


@pytest.mark.parametrize(
    ("pattern", "instead", "message"),
    [
        (LAST, "</varray></structure>", "frame 0: positions: not 96 rows"),
        (LAST, "<v>1 2</v></varray></structure>", "frame 0: positions: not 96 rows"),
        (LAST, "<v>* * *</v></varray></structure>", "frame 0: cannot be read"),
        ("<v>[^<]*</v></varray></crystal>", "</varray></crystal>", "frame 0: basis: not 3 rows"),
        (">2.0<", ">abc<", "POTIM: cannot be read"),
    ],
)
def test_vasprun(pattern, instead, message, run, tmp_path):
    path = vasprun(tmp_path / "vasprun.xml", run)
    refused(message, edited(path, lambda text: re.sub(pattern, instead, text)))


def test_a_time_step_of_zero_is_none(run, tmp_path):
    path = edited(vasprun(tmp_path / "vasprun.xml", run), lambda text: text.replace(">2.0<", ">0<"))
    refused("does not state the time between frames", path)
    assert len(Trajectory.read(path, **DT)) == 20


def test_a_compressed_vasprun(run, tmp_path):
    whole = gzip.compress(vasprun(tmp_path / "vasprun.xml", run).read_bytes())
    path = tmp_path / "vasprun.xml.gz"
    path.write_bytes(whole)
    assert len(Trajectory.read(path)) == 20
    path.write_bytes(whole[: len(whole) // 2])
    trajectory = Trajectory.read(path)
    assert 5 < len(trajectory) < 15
    assert "its end is missing" in trajectory.notes[0]


def test_half_a_file_of_ase(run, tmp_path):
    path = traj(tmp_path / "r.traj", run)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("r.traj: .*cannot be read", path, **DT)


def test_headers_of_dumps(run, tmp_path):
    path = dump(tmp_path / "r.dump", run)
    path.write_text("".join(line + "  \n" for line in path.read_text().splitlines()))
    assert len(Trajectory.read(path, **TYPES)) == 20
    edited(path, lambda text: text.replace("ITEM: TIMESTEP", "ITEM: TIME\nsoon\nITEM: TIMESTEP"))
    refused("frame 0: its header is not that of a dump: ITEM: TIME . soon", path, **TYPES)


@pytest.mark.parametrize("content", [b"hello world\n1 2 3\n" * 30, bytes(range(256)) * 4])
@pytest.mark.parametrize("name", ["run.restart", "run.bin", "run.md", "HISTORY", "OUTCAR"])
def test_files_that_ase_would_guess_by_their_names(name, content, run, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    refused("unknown format|cannot be read|holds no frame", path, **DT)
    dcd = mdanalysis(tmp_path / "r.dcd", run, wrap=True)
    with pytest.raises(InputError, match=name):
        Trajectory.read(dcd, topology=path, **DT)


# ------------------------------------------------------------------ arguments


def test_elements_that_are_none(run, tmp_path):
    path = dump(tmp_path / "r.dump", run)
    for elements in (5, {1: "Ba", 2: ["F"]}, {1: "Ba", 2: None}, "Ba F"):
        with pytest.raises(InputError, match="elements"):
            Trajectory.read(path, elements=elements, **DT)
    with pytest.raises(InputError, match="elements = 5: give chemical symbols"):
        # needed or not
        Trajectory.read(traj(tmp_path / "r.traj", run), elements=5, **DT)
    with pytest.raises(InputError, match=r"missing.cif: not found; check topology"):
        Trajectory.read(tmp_path / "r.traj", topology=tmp_path / "missing.cif", **DT)


@pytest.mark.parametrize("path", [None, 5, [None], [5]])
def test_paths_that_are_none(path):
    refused("path: (None|5); give the path of a file", path)


def test_structures_that_are_none(run):
    assert len(Trajectory.from_ase((atoms for atoms in run.images), **DT)) == 20
    for images in (run.images[0], None, 5, ["Na"]):
        with pytest.raises(InputError, match=r"frame 0: .* instead of Atoms; give a list of ase"):
            Trajectory.from_ase(images, **DT)


@pytest.mark.parametrize("positions", [[[[1, 2]], [[1]]], "abc", None, [[["a", "b", "c"]]]])
def test_positions_that_are_no_numbers(positions, run):
    with pytest.raises(InputError, match="positions: "):
        Trajectory.from_arrays(positions, run.symbols, run.cell, **DT)


def test_ions_and_frames_that_are_none(run):
    trajectory = Trajectory.from_ase(run.images, **DT)
    for mobile in (None, 5, [1.5], [[1], [1, 2]], {"F"}, [], np.ones(96, dtype=bool)):
        with pytest.raises(InputError, match=r"mobile = (.|\n)*: must be some, not all"):
            trajectory.relative_to_framework(mobile)
    for frames in (5, "a", [1, 2]):
        with pytest.raises(InputError, match="give a slice"):
            trajectory[frames]
