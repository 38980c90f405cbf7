"""DCD, XTC, TRR and NetCDF: what they leave open, and what is beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import ase.io
import MDAnalysis
import numpy as np
import pytest
from MDAnalysis.lib.formats.libdcd import DCDFile
from trajectory.writers import INTERVAL_PS, MadeRun, lammps_netcdf, made_run, mdanalysis, topology

from llzo_helpers import Trajectory
from llzo_helpers.errors import InputError

DT: dict[str, Any] = {"frame_interval_ps": INTERVAL_PS}


@pytest.fixture(scope="module")
def run() -> MadeRun:
    return made_run(60)


def displacements(trajectory: Trajectory) -> Any:
    positions = trajectory.positions()
    return positions - positions[0]


def lying(run: MadeRun, *, mirrored: bool) -> MadeRun:
    """Return the run with a cell that lies anywhere, also left-handed."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn)) * (-1 if mirrored else 1)
    return MadeRun(run.positions @ turn, run.symbols, run.cell @ turn)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("name", ["r.dcd", "r.nc"])
def test_the_cell_lies_as_that_of_the_topology(name, mirrored, run, tmp_path):
    turned = lying(run, mirrored=mirrored)
    path = mdanalysis(tmp_path / name, turned, wrap=True)
    start = tmp_path / "POSCAR"
    ase.io.write(start, turned.images[0], format="vasp")
    trajectory = Trajectory.read(path, topology=start, **DT)
    assert trajectory.cell == pytest.approx(turned.cell, abs=2e-5)
    assert displacements(trajectory) == pytest.approx(
        turned.positions - turned.positions[0], abs=1e-4
    )
    assert any("point as those of topology" in note for note in trajectory.notes)


def test_a_topology_with_another_cell_does_not_say_how_this_one_lies(run, tmp_path):
    turned = lying(run, mirrored=False)
    path = mdanalysis(tmp_path / "r.dcd", turned, wrap=True)
    atoms = turned.images[0]
    atoms.set_cell(atoms.cell.array * 1.2)
    ase.io.write(tmp_path / "POSCAR", atoms, format="vasp")
    with pytest.raises(InputError, match="how its cell lies is not known"):
        Trajectory.read(path, topology=tmp_path / "POSCAR", **DT)
    # a that lies along x is what is assumed without any topology
    ase.io.write(tmp_path / "start.cif", atoms)
    assert len(Trajectory.read(path, topology=tmp_path / "start.cif", **DT)) == 60


def test_vectors_in_the_file_need_no_topology(run, tmp_path):
    # turned by a right angle, which XTC holds and MDAnalysis's lengths and angles do not
    turn = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    turned = MadeRun(run.positions @ turn, run.symbols, run.cell @ turn)
    from MDAnalysis.lib.formats.libmdaxdr import XTCFile

    path = tmp_path / "r.xtc"
    with XTCFile(str(path), "w") as file:
        for number, atoms in enumerate(turned.images):
            box = (turned.cell / 10).astype(np.float32)
            place = (atoms.positions / 10).astype(np.float32)
            file.write(place, box, number, number * INTERVAL_PS, 1000)
    trajectory = Trajectory.read(path, elements=run.symbols)
    assert trajectory.cell == pytest.approx(turned.cell, abs=2e-5)
    assert displacements(trajectory) == pytest.approx(
        turned.positions - turned.positions[0], abs=0.03
    )


def test_atoms_of_netcdf_are_sorted_by_their_ids(run, tmp_path):
    trajectory = Trajectory.read(lammps_netcdf(tmp_path / "r.nc", run), elements=run.symbols)
    assert displacements(trajectory) == pytest.approx(run.positions - run.positions[0], abs=1e-5)


@pytest.mark.parametrize("name", ["r.xtc", "r.trr", "r.nc"])
@pytest.mark.parametrize("start_ps", [5e3, 5e4])
def test_late_times_in_single_precision_are_at_one_interval(name, start_ps, run, tmp_path):
    path = mdanalysis(tmp_path / name, run, wrap=True, start_ps=start_ps)
    trajectory = Trajectory.read(path, elements=run.symbols)
    # 59 intervals, and times no closer than 0.004 ps at 50 ns
    assert trajectory.frame_interval_ps == pytest.approx(INTERVAL_PS, abs=2 * 0.004 / 59)
    assert Trajectory.read(path, elements=run.symbols, **DT).frame_interval_ps == INTERVAL_PS
    with pytest.raises(InputError, match="leave it out, or correct it"):
        Trajectory.read(path, elements=run.symbols, frame_interval_ps=1.02 * INTERVAL_PS)


def test_a_late_frame_that_is_missing_is_still_missed(run, tmp_path):
    first = MadeRun(run.positions[:30], run.symbols, run.cell)
    second = MadeRun(run.positions[31:], run.symbols, run.cell)
    pieces = [
        mdanalysis(tmp_path / "1.xtc", first, wrap=True, start_ps=5e4),
        mdanalysis(tmp_path / "2.xtc", second, wrap=True, start_ps=5e4 + 31 * INTERVAL_PS),
    ]
    with pytest.raises(InputError, match=r"of frames 29 and 30 are not .* apart like others"):
        Trajectory.read(pieces, elements=run.symbols)


def test_times_too_coarse_to_tell_frames_apart_tell_nothing(run, tmp_path):
    path = mdanalysis(tmp_path / "r.xtc", run, wrap=True, start_ps=2e6)
    with pytest.raises(InputError, match="does not state the time between frames"):
        Trajectory.read(path, elements=run.symbols)
    assert len(Trajectory.read(path, elements=run.symbols, **DT)) == 60


def dcd_piece(path: Path, run: MadeRun, frames: range, *, start: int, every: int) -> Path:
    with DCDFile(str(path), "w") as file:
        header = {"istart": start, "nsavc": every, "delta": 1.0, "is_periodic": 1}
        file.write_header(remarks="", natoms=len(run.symbols), **header)
        a, b, c, alpha, beta, gamma = run.images[0].cell.cellpar()
        for frame in frames:
            box = np.array([a, gamma, b, beta, alpha, c])
            file.write(xyz=run.images[frame].positions.astype(np.float32), box=box)
    return path


def test_pieces_in_dcd_that_overlap_after_a_restart(run, tmp_path):
    given: dict[str, Any] = {"topology": topology(tmp_path / "start.cif", run), **DT}
    first = dcd_piece(tmp_path / "one.dcd", run, range(30), start=0, every=10)
    again = dcd_piece(tmp_path / "two.dcd", run, range(20, 60), start=200, every=10)
    trajectory = Trajectory.read([first, again], **given)
    assert displacements(trajectory) == pytest.approx(run.positions - run.positions[0], abs=1e-4)
    # many programs count from 0 in each piece
    after = dcd_piece(tmp_path / "three.dcd", run, range(30, 60), start=0, every=10)
    trajectory = Trajectory.read([first, after], **given)
    assert displacements(trajectory) == pytest.approx(run.positions - run.positions[0], abs=1e-4)


def test_pieces_in_dcd_at_other_intervals(run, tmp_path):
    first = dcd_piece(tmp_path / "one.dcd", run, range(30), start=0, every=10)
    other = dcd_piece(tmp_path / "two.dcd", run, range(30, 60), start=300, every=100)
    words = r"two\.dcd: a frame every 100 steps, in .*one\.dcd every 10; give pieces"
    with pytest.raises(InputError, match=words):
        Trajectory.read([first, other], topology=topology(tmp_path / "start.cif", run), **DT)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("r.dcd", "29 of the 60 frames that its header tells"),
        ("r.xtc", "read up to frame 28, the last complete one"),
        ("r.trr", "read up to frame 28, the last complete one"),
    ],
)
def test_half_a_file_says_so(name, note, run, tmp_path):
    path = mdanalysis(tmp_path / name, run, wrap=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.495)])
    trajectory = Trajectory.read(path, elements=run.symbols, **DT)
    assert len(trajectory) == 29
    assert note in trajectory.notes[0]
    assert not any("restart" in each for each in trajectory.notes)


@pytest.mark.parametrize("name", ["r.xtc", "r.trr"])
def test_reading_leaves_nothing_beside_the_file(name, run, tmp_path):
    path = mdanalysis(tmp_path / name, run, wrap=True)
    Trajectory.read(path, elements=run.symbols).positions()
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("write", [ase.Atoms, lambda *_: None])
def test_what_is_no_universe(write: Callable[..., Any]):
    with pytest.raises(InputError, match=r"universe: .*; give a MDAnalysis.Universe"):
        Trajectory.from_mdanalysis(write("Na"), frame_interval_ps=1)


def test_a_group_of_atoms_is_no_universe(run, tmp_path):
    path = mdanalysis(tmp_path / "r.dcd", run, wrap=True)
    start = topology(tmp_path / "start.cif", run)
    ase.io.write(tmp_path / "start.pdb", ase.io.read(start))
    universe = MDAnalysis.Universe(str(tmp_path / "start.pdb"), str(path))
    with pytest.raises(InputError, match="universe: AtomGroup; give"):
        Trajectory.from_mdanalysis(universe.atoms, **DT)
    listed = Trajectory.from_mdanalysis(universe, elements=run.symbols, **DT)
    assert listed.symbols.tolist() == run.symbols


def test_lammps_usual_name_of_a_data_file(run, tmp_path):
    path: Path = tmp_path / "data.salt"
    ase.io.write(path, run.images[0], format="lammps-data", masses=True)
    dcd = mdanalysis(tmp_path / "r.dcd", run, wrap=True)
    assert Trajectory.read(dcd, topology=path, **DT).symbols.tolist() == run.symbols
