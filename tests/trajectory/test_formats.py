"""The same run in the files of many programs is the same run; what can't be used says why."""

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import ase.io
import MDAnalysis
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
    topology,
    traj,
    vasprun,
    ways,
    xdatcar,
)

from llzo_helpers import Trajectory, landmark_analysis, tracer_diffusion_coefficient
from llzo_helpers.analysis.sites import find_stays
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.text import numbers

WAYS = (
    "dump, wrapped",
    "dump, image flags",
    "dump, unwrapped",
    "dump, unsorted",
    "dump, scaled",
    "dump, scaled and unwrapped",
    "dump, scaled, images",
    "dump, gzip",
    "dump, two pieces",
    "dcd",
    "xtc",
    "trr",
    "netcdf",
    "xdatcar",
    "extxyz",
    "traj",
)
TYPES: dict[str, Any] = {"elements": ELEMENTS, "frame_interval_ps": INTERVAL_PS}


@pytest.fixture(scope="module")
def run() -> MadeRun:
    return made_run()


@pytest.fixture(scope="module")
def files(run: MadeRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    found = ways(tmp_path_factory.mktemp("ways"), run)
    assert set(found) == set(WAYS)
    return found


@pytest.fixture(scope="module")
def expected(run: MadeRun) -> Trajectory:
    return Trajectory.from_arrays(
        run.positions, run.symbols, run.cell, frame_interval_ps=INTERVAL_PS
    )


def diffusion(trajectory: Trajectory) -> float:
    ions = trajectory.relative_to_framework("F")
    return tracer_diffusion_coefficient(ions, trajectory.frame_interval_ps).D_cm2_s


def visits(trajectory: Trajectory) -> tuple[Any, ...]:
    still = trajectory.without_drift("F")
    sites = landmark_analysis(still, trajectory.cell, trajectory.symbols == "F")
    stays = find_stays(sites.assignments, sites.n_sites)
    return sites.n_sites, sites.assignments, len(stays.site)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_run_in_any_file_has_the_same_diffusion(way, files, expected, run):
    trajectory = Trajectory.read(**files[way])
    assert len(trajectory) == len(run.positions)
    assert trajectory.frame_interval_ps == pytest.approx(INTERVAL_PS, rel=1e-5)
    assert trajectory.cell == pytest.approx(run.cell, abs=2e-5)
    assert sorted(trajectory.symbols) == sorted(run.symbols)
    # XTC holds hundredths of an ångström
    tolerance = 2e-4 if way == "xtc" else 1e-6
    assert diffusion(trajectory) == pytest.approx(diffusion(expected), rel=tolerance)


@pytest.mark.parametrize("way", WAYS)
def test_any_trajectory_travels_to_another_process(way, files):
    trajectory = Trajectory.read(**files[way])
    copy = pickle.loads(pickle.dumps(trajectory))  # noqa: S301
    assert np.array_equal(copy.positions(), trajectory.positions())


@pytest.mark.parametrize("way", ["dump, unsorted", "dump, two pieces", "dcd", "xtc", "extxyz"])
def test_the_same_run_in_any_file_has_the_same_sites_and_jumps(way, files, expected):
    n_sites, assignments, n_stays = visits(Trajectory.read(**files[way]))
    ours = visits(expected)
    assert (n_sites, n_stays) == (ours[0], ours[2])
    # ions at the border of two sites may fall to the other by a file's digits
    assert (assignments != ours[1]).mean() < (1e-3 if way == "xtc" else 1e-6)


def test_positions_follow_the_ions_out_of_the_cell(files, run):
    trajectory = Trajectory.read(**files["dump, wrapped"])
    positions = trajectory.positions()
    shift = positions[0] - run.positions[0]
    assert positions == pytest.approx(run.positions + shift, abs=1e-9)
    # whole cell vectors
    assert shift @ np.linalg.inv(run.cell) == pytest.approx(
        np.rint(shift @ np.linalg.inv(run.cell)), abs=1e-9
    )
    (note,) = trajectory.notes
    assert "wrapped into the cell: unwrapped by the nearest image" in note


@pytest.mark.parametrize("way", ["dump, wrapped", "dump, image flags", "dump, two pieces", "dcd"])
def test_parts_and_strides(way, files):
    trajectory = Trajectory.read(**files[way])
    whole = trajectory.positions()
    part = trajectory[30::7]
    assert len(part) == len(whole[30::7])
    assert part.frame_interval_ps == pytest.approx(7 * INTERVAL_PS)
    assert np.diff(part.times_ps) == pytest.approx(7 * INTERVAL_PS)
    assert part.times_ps[0] - trajectory.times_ps[0] == pytest.approx(30 * INTERVAL_PS)
    assert np.diff(part.positions(), axis=0) == pytest.approx(
        np.diff(whole[30::7], axis=0), abs=1e-9
    )
    again = part[5:20:2]
    assert again.positions()[1:] - again.positions()[0] == pytest.approx(
        (whole[30::7][5:20:2])[1:] - whole[30::7][5], abs=1e-9
    )
    with pytest.raises(InputError, match="must be an increasing selection of the 400"):
        trajectory[500:]


@pytest.mark.parametrize("frames", [1, 7, 64, 100, 1000])
def test_pieces_of_any_size_are_the_whole(frames, files):
    trajectory = Trajectory.read(**files["dump, gzip"])
    pieces = list(trajectory.chunks(frames))
    assert max(map(len, pieces)) <= frames
    assert np.concatenate(pieces) == pytest.approx(trajectory.positions(), abs=1e-9)
    fluorine = trajectory.atoms("F")
    some = np.concatenate(list(trajectory.chunks(frames, atoms=fluorine)))
    assert some == pytest.approx(trajectory.positions()[:, fluorine], abs=1e-9)


def test_from_lists_and_universes(run, expected, tmp_path):
    images = Trajectory.from_ase(run.images, frame_interval_ps=INTERVAL_PS)
    assert diffusion(images) == pytest.approx(diffusion(expected), rel=1e-9)
    universe = MDAnalysis.Universe.empty(len(run.symbols), trajectory=False)
    universe.add_TopologyAttr("elements", run.symbols)
    universe.load_new(str(mdanalysis(tmp_path / "r.xtc", run, wrap=True)))
    trajectory = Trajectory.from_mdanalysis(universe)
    assert diffusion(trajectory) == pytest.approx(diffusion(expected), rel=2e-4)
    universe.load_new(str(mdanalysis(tmp_path / "r.dcd", run, wrap=True)))
    with pytest.raises(InputError, match="does not state the time between frames"):
        Trajectory.from_mdanalysis(universe)


def test_the_framework_stands_still_without_drift(expected):
    still = expected.without_drift("F")
    centre = still.positions(still.atoms("Ba")).mean(axis=1)
    assert centre == pytest.approx(np.broadcast_to(centre[0], centre.shape), abs=1e-9)
    assert still.positions(still.atoms("F")) == pytest.approx(expected.relative_to_framework("F"))


def test_any_ions_relative_to_any_reference(expected, run):
    drift = expected.positions(expected.atoms("Ba")).mean(axis=1)
    ions = expected.relative_to_framework("F")
    wanted = expected.positions(expected.atoms("F")) - (drift - drift[0])[:, None]
    assert ions == pytest.approx(wanted, abs=1e-9)
    few = expected.atoms("F")[:5]
    assert expected.relative_to_framework(few, reference="Ba") == pytest.approx(
        ions[:, :5], abs=1e-9
    )
    for species in (["F"], np.array(["F"]), np.array(["F"], dtype=object)):
        assert expected.mask(species).sum() == len(expected.atoms("F"))


# ------------------------------------------------------------------ changing cells


def test_changing_cells_are_mapped_to_their_mean(run):
    rng = np.random.default_rng(5)
    factors = 1 + rng.normal(scale=0.01, size=len(run.positions))
    cells = run.cell * factors[:, None, None]
    trajectory = Trajectory.from_arrays(
        run.positions * factors[:, None, None], run.symbols, cells, frame_interval_ps=INTERVAL_PS
    )
    assert trajectory.cell == pytest.approx(run.cell * factors.mean())
    assert trajectory.positions() == pytest.approx(run.positions * factors.mean())
    assert "scaled coordinates in the mean cell" in trajectory.notes[0]


def test_changing_cells_of_every_format(run, tmp_path):
    factors = 1 + 0.01 * np.sin(np.arange(len(run.positions)))
    images = run.images
    for atoms, factor in zip(images, factors, strict=True):
        atoms.set_cell(run.cell * factor, scale_atoms=True)
    expected = Trajectory.from_ase(images, frame_interval_ps=INTERVAL_PS).positions()
    with ase.io.trajectory.TrajectoryWriter(str(tmp_path / "r.traj")) as writer:
        for atoms in images:
            writer.write(atoms)
    ase.io.write(tmp_path / "r.xyz", images, format="extxyz")
    for name in ("r.traj", "r.xyz"):
        trajectory = Trajectory.read(tmp_path / name, frame_interval_ps=INTERVAL_PS)
        assert trajectory.positions() == pytest.approx(expected, abs=1e-6)
        assert any("mean cell" in note for note in trajectory.notes)


# ------------------------------------------------------------------ restarts and ends


def test_what_a_killed_run_wrote_beyond_its_restart_is_dropped(run, tmp_path):
    first = dump(tmp_path / "1.dump", run, range(120))
    second = dump(tmp_path / "2.dump", run, range(100, 200))
    trajectory = Trajectory.read([first, second], **TYPES)
    assert len(trajectory) == 200
    assert any("20 frames repeated at a restart: left out" in n for n in trajectory.notes)
    joined = tmp_path / "joined.dump"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert len(Trajectory.read(joined, **TYPES)) == 200


@pytest.mark.parametrize("write", [traj, xdatcar, extxyz])
def test_repeated_frames_are_found_where_no_step_says_so(write, run, tmp_path):
    pieces = []
    for number, part in enumerate((run.positions[:100], run.positions[99:180])):
        folder = tmp_path / str(number)
        folder.mkdir()
        name = {traj: "r.traj", xdatcar: "XDATCAR", extxyz: "r.xyz"}[write]
        pieces.append(write(folder / name, MadeRun(part, run.symbols, run.cell)))
    trajectory = Trajectory.read(pieces, frame_interval_ps=INTERVAL_PS)
    assert len(trajectory) == 180
    assert any("repeated at a restart" in note for note in trajectory.notes)


def cut_in_a_number(text: bytes) -> bytes:
    return text[: text.rindex(b".") + 3]


def cut_between_columns(text: bytes) -> bytes:
    return text[: text.rindex(b" ")]


def cut_between_rows(text: bytes) -> bytes:
    return text[: text.rindex(b"\n", 0, -2000) + 1]


@pytest.mark.parametrize("write", [dump, xdatcar, extxyz])
@pytest.mark.parametrize("cut", [cut_in_a_number, cut_between_columns, cut_between_rows])
def test_a_last_frame_cut_short_is_dropped(write, cut, run, tmp_path):
    name = {dump: "r.dump", xdatcar: "XDATCAR", extxyz: "r.xyz"}[write]
    path = write(tmp_path / name, MadeRun(run.positions[:50], run.symbols, run.cell))
    path.write_bytes(cut(path.read_bytes()))
    arguments = TYPES if write is dump else {"frame_interval_ps": INTERVAL_PS}
    trajectory = Trajectory.read(path, **arguments)
    assert len(trajectory) == 49
    assert "cut short: left out" in trajectory.notes[0]


@pytest.mark.parametrize("write", [dump, xdatcar, extxyz])
def test_a_last_line_without_newline_is_kept(write, run, tmp_path):
    name = {dump: "r.dump", xdatcar: "XDATCAR", extxyz: "r.xyz"}[write]
    path = write(tmp_path / name, MadeRun(run.positions[:50], run.symbols, run.cell))
    arguments = TYPES if write is dump else {"frame_interval_ps": INTERVAL_PS}
    expected = Trajectory.read(path, **arguments).positions()
    path.write_bytes(path.read_bytes().rstrip())
    trajectory = Trajectory.read(path, **arguments)
    assert np.array_equal(trajectory.positions(), expected)
    assert not any("cut short" in note for note in trajectory.notes)


def test_a_frame_cut_in_the_middle_of_a_dump_is_dropped(run, tmp_path):
    first = dump(tmp_path / "1.dump", run, range(60)).read_bytes()
    second = dump(tmp_path / "2.dump", run, range(50, 100)).read_bytes()
    path = tmp_path / "r.dump"
    path.write_bytes(first[:-1000] + second)
    trajectory = Trajectory.read(path, **TYPES)
    assert len(trajectory) == 100
    assert any("frame 59 of the file is cut short" in note for note in trajectory.notes)


# ------------------------------------------------------------------ what is refused


def refused(message: str, path: Any, **arguments: Any) -> None:
    with pytest.raises(InputError, match=message) as error:
        diffusion(Trajectory.read(path, **arguments))
    assert "\n" not in str(error.value)


def edited(path: Path, edit: Callable[[str], str]) -> Path:
    path.write_text(edit(path.read_text()))
    return path


@pytest.fixture
def short(run: MadeRun) -> MadeRun:
    return MadeRun(run.positions[:40], run.symbols, run.cell)


def test_files_that_are_none(tmp_path, short):
    refused("nothing.dump: not found", tmp_path / "nothing.dump", **TYPES)
    empty = tmp_path / "empty.dump"
    empty.touch()
    refused("empty.dump: empty; give", empty, **TYPES)
    (tmp_path / "notes.txt").write_text("not a trajectory\n")
    refused("notes.txt: unknown format", tmp_path / "notes.txt", **TYPES)
    (tmp_path / "r.dump").write_text("not a trajectory\n")
    refused("r.dump: holds no frame", tmp_path / "r.dump", **TYPES)
    (tmp_path / "r.dcd").write_bytes(b"not a trajectory")
    refused("r.dcd: cannot be read", tmp_path / "r.dcd", **TYPES)
    (tmp_path / "r.traj").write_bytes(b"not a trajectory")
    refused("r.traj: cannot be read", tmp_path / "r.traj", **TYPES)
    with pytest.raises(InputError, match="holds no frame"):
        Trajectory.from_ase([], frame_interval_ps=1)
    whole = gzip.compress(dump(tmp_path / "a.dump", short).read_bytes())
    (tmp_path / "cut.dump.gz").write_bytes(whole[: len(whole) // 2])
    refused("cut.dump.gz: cut short or damaged", tmp_path / "cut.dump.gz", **TYPES)


def test_what_the_file_leaves_open_is_asked_for(tmp_path, short):
    path = dump(tmp_path / "r.dump", short)
    refused("does not state the time between frames; give frame", path, elements=ELEMENTS)
    refused("holds no elements; give elements by type", path, frame_interval_ps=1)
    refused("elements: none for type 2", path, elements={1: "Ba"}, frame_interval_ps=1)
    refused("'Xx' is not a chemical symbol", path, elements={1: "Ba", 2: "Xx"}, frame_interval_ps=1)
    refused("give the time between frames in ps", path, elements=ELEMENTS, frame_interval_ps=0)
    dcd = mdanalysis(tmp_path / "r.dcd", short, wrap=True)
    refused("holds no elements; give topology", dcd, frame_interval_ps=1)
    small = topology(tmp_path / "s.cif", made_run(1))
    ase.io.write(small, ase.io.read(small)[:10])
    refused("96 atoms, but 10 in topology", dcd, frame_interval_ps=1, topology=small)
    xtc = mdanalysis(tmp_path / "r.xtc", short, wrap=True)
    start = topology(tmp_path / "start.cif", short)
    refused("says 0.05; leave it out", xtc, frame_interval_ps=1, topology=start)


def test_wrong_masses_name_no_element(tmp_path, short):
    path = dump(tmp_path / "r.dump", short, columns="id mass x y z")
    edited(path, lambda text: text.replace("137.327", "150.5"))
    refused("mass 150.5 matches no element", path, frame_interval_ps=1)


def test_an_ion_that_is_not_there(tmp_path, short):
    trajectory = Trajectory.read(dump(tmp_path / "r.dump", short), **TYPES)
    with pytest.raises(InputError, match=r"mobile = 'Na': must be some, .* atoms: Ba, F"):
        trajectory.relative_to_framework("Na")
    with pytest.raises(InputError, match="must be some, not all, of the atoms"):
        trajectory.relative_to_framework(np.array([200]))


def test_frames_that_do_not_belong_together(tmp_path, short):
    other = dump(tmp_path / "b.dump", short, range(20, 40), n_atoms=90)
    first = dump(tmp_path / "a.dump", short, range(20))
    refused("b.dump: 90 atoms, not those of", [first, other], **TYPES)
    path = tmp_path / "joined.dump"
    path.write_bytes(first.read_bytes() + other.read_bytes())
    refused("frame 20: 90 atoms instead of 96", path, **TYPES)
    gap = dump(tmp_path / "g.dump", short, [0, 1, 2, 3, 4, 7, 8, 9])
    refused("steps 200 and 350 of frames 4 and 5 are not 50 apart", gap, **TYPES)
    twice = edited(first, lambda text: text.replace("\n7 ", "\n8 "))
    refused("an id is given twice", twice, **TYPES)


def test_positions_that_are_none(tmp_path, short):
    positions = short.positions.copy()
    positions[11, 3, 1] = np.nan
    path = dump(tmp_path / "r.dump", MadeRun(positions, short.symbols, short.cell))
    refused("frame 11: position of atom 3 is not a number", path, **TYPES)


def test_jumps_too_far_to_tell_where(tmp_path, short):
    positions = short.positions.copy()
    positions[21:, 5] += 0.55 * short.cell[0]
    far = MadeRun(positions, short.symbols, short.cell)
    refused(
        "frame 21: atom 5 moves by 0.4. of cell vector a since the frame before: the nearest image",
        dump(tmp_path / "w.dump", far),
        **TYPES,
    )
    refused(
        "frame 21: atom 5 moves by 0.5. of cell vector a since the frame before: were its images",
        dump(tmp_path / "u.dump", far, columns="id type xu yu zu"),
        **TYPES,
    )


def test_cells_without_volume(short):
    flat = short.cell * [1, 1, 0]
    with pytest.raises(InputError, match="frame 0: its cell has no volume"):
        Trajectory.from_arrays(short.positions, short.symbols, flat, frame_interval_ps=1)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_too_few_frames(n_frames, tmp_path, short):
    few = MadeRun(short.positions[:n_frames], short.symbols, short.cell)
    refused(f"holds too few of {n_frames} frames", dump(tmp_path / "r.dump", few), **TYPES)


# ------------------------------------------------------------------ numbers out of text


def test_numbers_are_those_that_python_reads():
    rng = np.random.default_rng(2)
    words = [repr(float(x)) for x in rng.normal(size=300) * 10.0 ** rng.integers(-30, 30, size=300)]
    words += ["0", "-0", "+7", "1e3", "1E-3", ".5", "5.", "123456789012345678901234", "-1.5e+02"]
    text = "".join(f"x {word}\n" for word in words).encode()
    table = numbers(text, len(words), np.array([1]), 2)
    assert table is not None
    assert table[:, 0] == pytest.approx([float(word) for word in words], rel=1e-15)
    odd = numbers(b"nan inf 1.2.3 e5 - 1e\n", 1, np.arange(6), 6)
    assert odd is not None
    assert np.isnan(odd).all()
    assert numbers(b"1 2 3\n4 5\n", 2, np.arange(3), 3) is None
    assert numbers(b"1 2 3\n4 5 6", 2, np.arange(3), 3) is None
    windows = numbers(b"1 2 \r\n3\t4\r\n", 2, np.array([1, 0]), 2)
    assert windows == pytest.approx(np.array([[2, 1], [4, 3]]))


# ------------------------------------------------------------------ what else files may say


def test_a_dump_that_tells_time_and_units(tmp_path, short):
    path = dump(tmp_path / "r.dump", short, columns="id element x y z")
    for unit, scale in (("metal", 1), ("real", 1000)):
        frames = path.read_text().split("ITEM: TIMESTEP\n")[1:]
        text = f"ITEM: UNITS\n{unit}\n" + "".join(
            f"ITEM: TIME\n{0.05 * number * scale}\nITEM: TIMESTEP\n{frame}"
            for number, frame in enumerate(frames)
        )
        told = tmp_path / f"{unit}.dump"
        told.write_text(text)
        trajectory = Trajectory.read(told)
        assert trajectory.frame_interval_ps == pytest.approx(0.05)
        assert len(trajectory) == 40
    told.write_text(text.replace("real", "lj", 1))
    refused("units lj: lengths are not in Å", told)


def test_a_general_triclinic_box(tmp_path, short):
    path = dump(tmp_path / "r.dump", short, columns="id type xs ys zs")
    expected = Trajectory.read(path, **TYPES).positions()
    rows = "\n".join(
        " ".join(f"{value:.16g}" for value in [*vector, 1.5]) for vector in short.cell.tolist()
    )
    lines = path.read_text().splitlines()
    text = []
    for number, line in enumerate(lines):
        if line.startswith("ITEM: BOX"):
            text += ["ITEM: BOX BOUNDS abc origin", rows]
        elif not any(above.startswith("ITEM: BOX") for above in lines[max(0, number - 3) : number]):
            text.append(line)
    path.write_text("\n".join(text) + "\n")
    assert Trajectory.read(path, **TYPES).positions() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["start.data", "start.pdb", "POSCAR", "start.xyz"])
def test_any_structure_file_is_a_topology(name, tmp_path, short):
    dcd = mdanalysis(tmp_path / "r.dcd", short, wrap=True)
    formats = {"start.data": "lammps-data", "start.pdb": "proteindatabank", "POSCAR": "vasp"}
    extra = {"masses": True} if name == "start.data" else {}
    ase.io.write(tmp_path / name, short.images[0], format=formats.get(name, "extxyz"), **extra)
    trajectory = Trajectory.read(dcd, frame_interval_ps=1, topology=tmp_path / name)
    assert trajectory.symbols.tolist() == short.symbols
    listed = Trajectory.read(dcd, frame_interval_ps=1, elements=short.symbols)
    assert listed.symbols.tolist() == short.symbols


def test_a_data_file_without_masses_needs_a_map(tmp_path, short):
    dcd = mdanalysis(tmp_path / "r.dcd", short, wrap=True)
    path = tmp_path / "start.data"
    ase.io.write(path, short.images[0], format="lammps-data")
    refused("start.data: has no masses; give elements by type", dcd, topology=path,
            frame_interval_ps=1)  # fmt: skip
    trajectory = Trajectory.read(dcd, topology=path, **TYPES)
    assert trajectory.symbols.tolist() == short.symbols


def test_steps_that_vasp_leaves_out_are_asked_for(tmp_path, short):
    path = vasprun(tmp_path / "vasprun.xml", short, '<i type="int" name="ML_OUTBLOCK"> 10</i>')
    refused("vasprun.xml: does not state the time between frames", path)
    assert Trajectory.read(path, frame_interval_ps=0.02).frame_interval_ps == 0.02


def test_pieces_of_a_run_of_vasp(tmp_path, short):
    half = len(short.positions) // 2
    pieces = [
        vasprun(tmp_path / f"{name}.xml", MadeRun(part, short.symbols, short.cell))
        for name, part in (("one", short.positions[:half]), ("two", short.positions[half:]))
    ]
    whole = Trajectory.read(vasprun(tmp_path / "all.xml", short))
    assert Trajectory.read(pieces).positions() == pytest.approx(whole.positions(), abs=1e-9)
    assert Trajectory.read(pieces).frame_interval_ps == pytest.approx(0.002)
    pieces[1].write_text(pieces[1].read_text().replace('"POTIM">2.0', '"POTIM">1.0'))
    refused("two.xml: a frame every 0.001 ps, in .*one.xml every 0.002; give pieces", pieces)


def test_vasprun_says_its_time_step(tmp_path, short):
    vasprun(tmp_path / "vasprun.xml", short)
    trajectory = Trajectory.read(tmp_path / "vasprun.xml")
    assert trajectory.frame_interval_ps == pytest.approx(0.002)
    assert len(trajectory) == len(short.positions)
    assert trajectory.positions() - trajectory.positions()[0] == pytest.approx(
        short.positions - short.positions[0], abs=1e-6
    )
