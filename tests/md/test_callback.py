"""LAMMPS with forces from Python, through the same script and chain of segments."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import units
from ase.calculators.lj import LennardJones
from hdnnp_reference import DATA
from hdnnp_reference import units as potential_units

from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.files import sha256
from llzo_helpers.hdnnp import HDNNPCalculator
from llzo_helpers.md import launch
from llzo_helpers.md.chain import run_md
from llzo_helpers.md.relax import relax
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.potentials import Potential, load_potential
from llzo_helpers.structures import read_structure

SETTINGS = MDSettings(
    equilibration_ps=0.02, production_ps=0.04, segment_ps=0.02, frame_interval_fs=5
)

PAIR_STYLE = """\
pair_style hdnnp 6.5 dir ${potential} showew no showewsum 1000 resetew yes &
           maxew 100000000 cflength CFLENGTH cfenergy CFENERGY
pair_coeff * * Li La Zr O
"""


def make_potential(folder: Path, kind: str, script: str, **keys: object) -> Potential:
    folder.mkdir(exist_ok=True)
    lines = {"description": "test", "kind": kind, "elements": "[Li, La, Zr, O]"}
    lines |= {"citation": "[none]", "licence": "none", **keys}
    (folder / "potential.yaml").write_text("".join(f"{k}: {v}\n" for k, v in lines.items()))
    (folder / "potential.lmp").write_text(script)
    return load_potential(folder.name, folder.parent)


def network(folder: Path, name: str = "a_t2_t3_trained", **keys: object) -> Potential:
    folder.mkdir()
    for file in (DATA / name).iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    bohr = name.startswith("c_")
    script = PAIR_STYLE.replace("CFLENGTH", "1.8897261258369282" if bohr else "1.0")
    script = script.replace("CFENERGY", "0.03674932217565499" if bohr else "1.0")
    return make_potential(folder, "hdnnp", script, **keys)


@pytest.fixture
def arguments(structure: Path) -> dict:
    return {"structure": structure, "temperature_K": 700, "seed": 3, "settings": SETTINGS}


@pytest.fixture(scope="module")
def network_run(tmp_path_factory, structure: Path) -> tuple[Path, Potential]:
    potential = network(tmp_path_factory.mktemp("potentials") / "network")
    directory = tmp_path_factory.mktemp("runs") / "run"
    run_md(
        directory,
        structure=structure,
        potential=potential,
        temperature_K=700,
        seed=3,
        settings=SETTINGS,
    )
    return directory, potential


def lammps_forces(words, structure: Path, potential: Potential, folder: Path) -> np.ndarray:
    """Forces that a LAMMPS started by `words` finds in a structure."""
    script = folder / "in.lmp"
    script.write_text(
        "units metal\natom_style charge\nboundary p p p\nread_data ${start}\n"
        "include ${potential}/potential.lmp\n"
        "dump forces all custom 1 forces.txt id fx fy fz\n"
        'dump_modify forces sort id format float "%.17g"\n'
        "run 0\n"
    )
    words = [*words, "-in", "in.lmp", "-log", "log.lammps", "-screen", "none"]
    words += ["-var", "potential", str(potential.directory)]
    words += ["-var", "start", str(structure / "structure.lmp")]
    subprocess.run(words, cwd=folder, env=launch.environment(), check=True)
    return np.loadtxt(folder / "forces.txt", skiprows=9)[:, 1:]


@pytest.mark.parametrize("name", ["a_t2_t3_trained", "c_t12_t13_bohr_norm"])
def test_same_forces_as_the_calculator(tmp_path: Path, structure: Path, name):
    potential = network(tmp_path / "network", name)
    words = launch.command(launch.find_lammps(), SETTINGS, potential)
    forces = lammps_forces(words, structure, potential, tmp_path)

    atoms = read_structure(structure)
    length, energy = potential_units(name)
    atoms.calc = HDNNPCalculator(potential.directory, length_unit=length, energy_unit=energy)
    expected = atoms.get_forces()
    np.testing.assert_allclose(forces, expected, rtol=0, atol=1e-9)
    assert np.abs(expected).max() > 1e-3


def test_same_forces_as_n2p2_in_lammps(tmp_path: Path, structure: Path):
    lmp = launch.find_lammps()
    potential = network(tmp_path / "network")
    if launch.needs_python(lmp, potential):
        pytest.skip(f"{lmp} has no ML-HDNNP")
    native = lammps_forces([str(lmp)], structure, potential, tmp_path)
    words = [sys.executable, "-m", "llzo_helpers.md.callback"]
    np.testing.assert_allclose(
        lammps_forces(words, structure, potential, tmp_path), native, rtol=0, atol=1e-9
    )


def test_energy_and_pressure_reach_the_thermo_table(network_run, structure: Path):
    directory, potential = network_run
    row = pd.read_csv(directory / "segment_0000" / "thermo.csv").iloc[0]
    atoms = read_structure(structure)
    atoms.calc = HDNNPCalculator(potential.directory)
    assert row["potential_energy_eV"] == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
    pressure = -atoms.get_stress()[:3].mean()
    pressure += 2 / 3 * row["kinetic_energy_eV"] / atoms.get_volume()
    assert row["pressure_bar"] == pytest.approx(pressure / units.bar, rel=1e-6)


def test_extrapolations_are_counted(network_run, structure: Path):
    directory, potential = network_run
    thermo = pd.read_csv(directory / "segment_0000" / "thermo.csv")
    atoms = read_structure(structure)
    atoms.calc = HDNNPCalculator(potential.directory)
    atoms.get_potential_energy()
    assert thermo["extrapolations"].iloc[0] == sum(atoms.calc.extrapolations.values()) > 0
    assert thermo["extrapolations"].is_monotonic_increasing
    for symbol, count in atoms.calc.extrapolations.items():
        assert thermo[f"extrapolations_{symbol}"].iloc[0] == count
    assert (thermo["extrapolations"] == thermo.filter(like="extrapolations_").sum(axis=1)).all()
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["extrapolations"] >= thermo["extrapolations"].iloc[-1]
    assert summary["extrapolations"] == sum(
        summary[f"extrapolations_{symbol}"] for symbol in potential.elements
    )


def test_resumed_run_is_the_same_bit_for_bit(network_run, tmp_path: Path, arguments):
    directory, potential = network_run
    copy = Path(shutil.copytree(directory, tmp_path / "run"))
    frames = sorted(path.relative_to(directory) for path in directory.glob("*/frames.dcd"))
    assert len(frames) == 2
    shutil.rmtree(copy / "segment_0002")
    (copy / "segment_0001").rename(copy / "segment_0001.part")  # as a kill leaves it
    (copy / "summary.json").unlink()

    run_md(copy, potential=potential, **arguments)

    for path in [*frames, *(frame.with_name("thermo.csv") for frame in frames)]:
        assert sha256(copy / path) == sha256(directory / path)


def test_auto_takes_threads_and_resumes_bit_for_bit(tmp_path: Path, arguments):
    settings = SETTINGS.model_copy(update={"processes": 2})
    arguments |= {"potential": network(tmp_path / "network"), "settings": settings}
    run_md(tmp_path / "run", **arguments)
    segments = sorted((tmp_path / "run").glob("segment_????"))
    in_python = launch.needs_python(launch.find_lammps(), arguments["potential"])
    wanted = "openmp" if in_python else "mpi"
    for segment in segments:
        record = json.loads((segment / "segment.json").read_text())
        assert (record["launcher"], record["processes"]) == (wanted, 2)
    frames = {path: sha256(path) for path in (tmp_path / "run").glob("*/frames.dcd")}
    assert len(frames) == 2
    for segment in segments[1:]:
        shutil.rmtree(segment)
    (tmp_path / "run" / "summary.json").unlink()
    run_md(tmp_path / "run", **arguments)
    assert {path: sha256(path) for path in frames} == frames


def test_conserved_energy(tmp_path: Path, arguments):
    settings = MDSettings(
        equilibration_ps=0.1, production_ps=0.4, segment_ps=0.5, frame_interval_fs=10
    )
    potential = network(tmp_path / "network")
    run_md(tmp_path / "run", potential=potential, **{**arguments, "settings": settings})
    thermo = pd.read_csv(tmp_path / "run" / "segment_0001" / "thermo.csv")
    assert np.ptp(thermo["conserved_energy_eV"]) / 186 < 1e-3
    assert np.ptp(thermo["potential_energy_eV"]) / 186 > 2e-3


def test_too_many_extrapolations_stop_the_run_and_keep_the_frame(tmp_path: Path, arguments):
    potential = network(tmp_path / "network", "b_t2_t9", max_extrapolations=3)
    with pytest.raises(SimulationError, match=r"max_extrapolations = 3 .*stopped.xyz") as error:
        run_md(tmp_path / "run", potential=potential, **arguments)
    assert "\n" not in str(error.value)
    atoms = ase.io.read(tmp_path / "run" / "stopped.xyz")
    atoms.calc = HDNNPCalculator(potential.directory)
    atoms.get_potential_energy()
    assert sum(atoms.calc.extrapolations.values()) > 3
    assert not list((tmp_path / "run").glob("segment_????"))


LENNARD_JONES = {"sigma": 1.7, "epsilon": 0.02, "rc": 4.0, "smooth": True}


def test_any_ase_calculator_drives_lammps(tmp_path: Path, structure: Path, arguments):
    potential = make_potential(
        tmp_path / "argon",
        "ase",
        "# forces come from ASE\n",
        calculator="ase.calculators.lj.LennardJones",
        calculator_options=LENNARD_JONES,
    )
    run_md(tmp_path / "run", potential=potential, **arguments)

    row = pd.read_csv(tmp_path / "run" / "segment_0000" / "thermo.csv").iloc[0]
    atoms = read_structure(structure)
    atoms.calc = LennardJones(**LENNARD_JONES)
    assert row["potential_energy_eV"] == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
    pressure = -atoms.get_stress()[:3].mean()
    pressure += 2 / 3 * row["kinetic_energy_eV"] / atoms.get_volume()
    assert row["pressure_bar"] == pytest.approx(pressure / units.bar, rel=1e-6)
    words = launch.command(launch.find_lammps(), SETTINGS, potential)
    forces = lammps_forces(words, structure, potential, tmp_path)
    np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-9)


def test_relaxation_through_the_callback(tmp_path: Path):
    potential = make_potential(
        tmp_path / "argon",
        "ase",
        "# forces come from ASE\n",
        calculator="ase.calculators.lj.LennardJones",
        calculator_options=LENNARD_JONES,
    )
    crystal = ase.build.bulk("Li", "fcc", a=2.75, cubic=True).repeat(3)
    crystal.symbols[54:56] = "Zr"
    crystal.symbols[56:] = "O"
    crystal.rattle(0.1, seed=1)
    relaxed = relax(crystal, tmp_path / "relaxation", potential=potential)

    atoms = relaxed.atoms
    atoms.calc = LennardJones(**LENNARD_JONES)
    assert relaxed.energy_after_eV == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    assert relaxed.energy_after_eV < relaxed.energy_before_eV - 0.1
    assert np.linalg.norm(atoms.get_forces()) < 0.02
    assert relaxed.largest_force_eV_A == pytest.approx(np.abs(atoms.get_forces()).max(), abs=1e-3)
    pressure = -atoms.get_stress()[:3].mean() / units.bar
    assert relaxed.pressure_bar == pytest.approx(pressure, abs=1.0)


def test_unknown_calculator_is_refused(tmp_path: Path, arguments):
    potential = make_potential(
        tmp_path / "model", "ase", "\n", calculator="ase.calculators.nothing.Here"
    )
    with pytest.raises(SimulationError, match=r"ase\.calculators\.nothing"):
        run_md(tmp_path / "run", potential=potential, **arguments)


def test_damaged_network_is_refused(tmp_path: Path, arguments):
    potential = network(tmp_path / "network")
    (potential.directory / "weights.008.data").write_text("0.1\n")
    with pytest.raises(InputError, match=r"weights\.008\.data"):
        run_md(tmp_path / "run", potential=potential, **arguments)
    assert not (tmp_path / "run").exists()


def test_launcher_of_several_processes_is_refused(tmp_path: Path, arguments):
    potential = network(tmp_path / "network")
    if not launch.needs_python(launch.find_lammps(), potential):
        pytest.skip("this LAMMPS has ML-HDNNP, which runs in several processes")
    settings = SETTINGS.model_copy(update={"launcher": "mpi", "processes": 2})
    with pytest.raises(InputError, match="launcher"):
        run_md(tmp_path / "run", potential=potential, **{**arguments, "settings": settings})
