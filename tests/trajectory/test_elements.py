"""Elements come from what a file says of them, never from the names of atoms."""

from collections.abc import Callable
from pathlib import Path

import ase.io
import MDAnalysis
import numpy as np
import pytest
from trajectory.writers import MadeRun, made_run, mdanalysis

from llzo_helpers import Trajectory
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.elements import symbols_of_masses

DT = {"frame_interval_ps": 0.05}


@pytest.fixture(scope="module")
def run() -> MadeRun:
    """A salt of calcium, which is named as a carbon of proteins."""
    made = made_run(30)
    return MadeRun(
        made.positions, [{"Ba": "Ca"}.get(symbol, symbol) for symbol in made.symbols], made.cell
    )


def gro(path: Path, run: MadeRun) -> None:
    atoms = run.images[0]
    lines = ["salt", str(len(atoms))]
    for number, (symbol, place) in enumerate(zip(run.symbols, atoms.positions / 10, strict=True)):
        x, y, z = place
        lines.append(f"{1:5d}{'SALT':<5}{symbol.upper():>5}{number + 1:5d}{x:8.3f}{y:8.3f}{z:8.3f}")
    path.write_text("\n".join([*lines, "1.2 1.2 1.2"]) + "\n")


def pdb_of_names(path: Path, run: MadeRun) -> None:
    ase.io.write(path, run.images[0], format="proteindatabank")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line[:76] if line.startswith("ATOM") else line for line in lines))


@pytest.mark.parametrize(("name", "write"), [("a.gro", gro), ("a.pdb", pdb_of_names)])
def test_names_of_atoms_are_no_elements(name: str, write: Callable[..., None], run, tmp_path):
    xtc = mdanalysis(tmp_path / "r.xtc", run, wrap=True)
    write(tmp_path / name, run)
    with pytest.raises(InputError, match=f"{name}: has neither elements nor masses; give elements"):
        Trajectory.read(xtc, topology=tmp_path / name)
    named = Trajectory.read(xtc, topology=tmp_path / name, elements=run.symbols)
    assert named.symbols.tolist() == run.symbols


def test_what_mdanalysis_guesses_is_not_taken(run, tmp_path):
    xtc = mdanalysis(tmp_path / "r.xtc", run, wrap=True)
    gro(tmp_path / "a.gro", run)
    universe = MDAnalysis.Universe(str(tmp_path / "a.gro"), str(xtc))
    assert universe.atoms.masses[0] == pytest.approx(12.011)
    with pytest.raises(InputError, match="universe: has neither elements nor masses"):
        Trajectory.from_mdanalysis(universe)
    universe.add_TopologyAttr("elements", run.symbols)
    assert Trajectory.from_mdanalysis(universe).symbols.tolist() == run.symbols


@pytest.mark.parametrize("cells", ["of each frame", "of the first"])
def test_frames_in_pdb(cells: str, run, tmp_path):
    path = tmp_path / "r.pdb"
    ase.io.write(path, run.images, format="proteindatabank")
    lines = path.read_text().splitlines()
    if cells == "of the first":
        lines = [line for n, line in enumerate(lines) if n == 0 or not line.startswith("CRYST1")]
    path.write_text("\n".join(lines) + "\n")
    trajectory = Trajectory.read(path, **DT)
    assert trajectory.symbols.tolist() == run.symbols
    steps = trajectory.positions() - trajectory.positions()[0]
    # which way the cell lies is lost in this format: lengths are not
    expected = np.linalg.norm(run.positions - run.positions[0], axis=2)
    assert np.linalg.norm(steps, axis=2) == pytest.approx(expected, abs=5e-3)


def test_elements_of_dl_poly_go_by_mass(run, tmp_path):
    frames = run.images
    masses = frames[0].get_masses()
    counts = (0, 3, len(masses), len(frames), (2 * len(masses) + 4) * len(frames) + 2)
    rows = ["salt".ljust(72), "".join(f"{count:14d}" for count in counts).ljust(72)]
    for number, atoms in enumerate(frames):
        rows.append(f"timestep{number:10d}{len(masses):10d}{0:10d}{3:10d}    0.001000 0".ljust(72))
        rows += [f"{x:20.10f}{y:20.10f}{z:20.10f}".ljust(72) for x, y, z in atoms.cell.array]
        for n, (place, mass) in enumerate(zip(atoms.positions, masses, strict=True)):
            # all carbon, by their names
            rows.append(f"C_{n % 7:<6}{n + 1:10d}{mass:12.6f}{0:12.6f}{0:12.6f}".ljust(72))
            rows.append("".join(f"{x:20.10f}" for x in place).ljust(72))
    (tmp_path / "HISTORY").write_text("\n".join(rows) + "\n")
    trajectory = Trajectory.read(tmp_path / "HISTORY", **DT)
    assert trajectory.symbols.tolist() == run.symbols


def test_masses_as_programs_round_them():
    assert symbols_of_masses([209.0, 208.98, 58.9, 58.7, 40.08, 6.94], "masses").tolist() == (
        ["Bi", "Bi", "Co", "Ni", "Ca", "Li"]
    )
    with pytest.raises(InputError, match="masses: mass 7 matches no element"):
        symbols_of_masses([6.94, 7.0], "masses")
