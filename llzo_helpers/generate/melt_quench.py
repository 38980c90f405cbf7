"""Make amorphous LLZO by molecular dynamics: melt and quench.

A glass is a folder:

    crystal/            one garnet cell
    melt/               run: the crystal at end_K, then superheated
    fused_melt_N/       melts in which ions fused, and which were made anew
    fused_quench_N/     the quenches of these, if they came so far
    melt_supercell/     the melt, repeated to the supercell
    quench/             run: hold, quench
    relaxation/         of ions and cell, if the protocol asks for it
    quenched/           the result of the quench
    glass/              run at end_K: is it frozen?
    sites/              run at sites_K, which gives the sites for added lithium
    lithium_sites.json  these sites
    structure.*         the quenched cell
    provenance.json     how it was made, and the verdict; written last

Each run is a chain of segments (`llzo_helpers.md.chain`), so a glass resumes where it stopped.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ase
import numpy as np

import llzo_helpers
from llzo_helpers.analysis.sites import landmark_analysis
from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError, SimulationError, clipped, counted
from llzo_helpers.files import NUMBER, read_json, read_record, write_json
from llzo_helpers.garnet import ELEMENTS
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.generate.framework import (
    BOND_A,
    StageFramework,
    as_record,
    framework_state,
    oxygen_bonds,
    require_melted,
    verdict,
)
from llzo_helpers.generate.settings import Glass, MeltQuench
from llzo_helpers.md.chain import Progress, run_schedule
from llzo_helpers.md.folder import CHAIN_KEYS
from llzo_helpers.md.relax import Relaxation, relax_cell
from llzo_helpers.md.segments import Stage
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.potentials import Potential, load_potential
from llzo_helpers.structures import write_structure


def make_glass(
    directory: Path,
    glass: Glass,
    *,
    seed: int,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Make a glass by melting and quenching, or resume where an earlier call stopped.

    Parameters
    ----------
    directory
        Folder of the glass; made if missing.
    glass
        Potential, protocol, supercell.
    seed
        Of the crystal's lithium and of all velocities.
    on_progress
        Called about twice per second with the progress of the current run.

    Returns
    -------
    dict
        The content of `provenance.json`; its `verdict` is "glass", "crystal" (it recrystallised)
        or "not frozen".

    Raises
    ------
    InputError
        If the folder belongs to another glass, finished or not.
    SimulationError
        If the crystal did not melt, ions fused in melt after melt, or LAMMPS fails.
    """
    potential = load_potential(glass.structure_potential)
    protocol = glass.melt_quench
    identity = {
        "glass": glass.model_dump(exclude={"melt_quench": {"launcher", "processes"}}),
        "seed": seed,
        "potential": {"name": potential.name, **potential.sha256()},
    }
    if (directory / "provenance.json").is_file():
        return _require_same(directory, identity)

    atoms, relaxation = _melt_and_quench(directory, glass, potential, seed, on_progress)
    write_structure(atoms, directory / "quenched", {"made by": "make_glass"})
    from_quenched = ("glass", "sites") if protocol.sites_ps else ("glass",)
    for number, name in enumerate(from_quenched, start=3):
        run_schedule(
            directory / name,
            structure=directory / "quenched",
            potential=potential,
            schedule=schedules(protocol)[name],
            seed=seed + number,
            settings=protocol,
            on_progress=on_progress,
        )

    quenched = stage_state(directory / "glass", "glass")
    record: dict[str, Any] = {
        **identity,
        "verdict": verdict(quenched),
        "crystal": as_record(stage_state(directory / "melt", "crystal")),
        "melt": as_record(stage_state(directory / "quench", "hold")),
        "quenched": as_record(quenched),
        "fused_melts": len(list(directory.glob("fused_melt_*"))),
        "lammps_seconds": _lammps_seconds(directory),
        "versions": {"llzo_helpers": llzo_helpers.__version__},
    }
    if relaxation is not None:
        record["relaxation"] = relaxation_record(relaxation)
    lithium_sites(directory)
    write_structure(atoms, directory, record)
    return dict(read_json(directory / "provenance.json"))


def lithium_sites(glass: Path) -> FloatArray | None:
    """Return the lithium sites of a glass, found in its run at sites_K, Å, [site, axis].

    Only those that it has from the beginning, before anything rearranges. They are found once and
    kept in `lithium_sites.json`. None if the protocol has no such run.
    """
    path, run = glass / "lithium_sites.json", glass / "sites"
    if not path.is_file():
        if not (run / "summary.json").is_file():
            return None
        trajectory = Trajectory(run, "sites")
        sites = landmark_analysis(trajectory, trajectory.cell, trajectory.symbols == "Li")
        # the glass as it was before this run
        write_json(path, {"sites_angstrom": sites.centres[sites.exists[0]].tolist()}, indent=None)
    return np.reshape(read_record(path, {"sites_angstrom": list})["sites_angstrom"], (-1, 3))


def schedules(protocol: MeltQuench) -> dict[str, list[Stage]]:
    """Return the stages of the runs that make a glass, by the folder of each run."""

    def stage(name: str, duration_ps: float, start_K: float, end_K: float | None = None) -> Stage:
        interval = protocol.frame_interval_fs
        return Stage(name, duration_ps, start_K, start_K if end_K is None else end_K, interval)

    stages = {
        "melt": [
            stage("crystal", protocol.crystal_ps, protocol.end_K),
            stage("superheat", protocol.superheat_ps, protocol.superheat_K),
        ],
        "quench": [stage("hold", protocol.hold_ps, protocol.hold_K)],
        "glass": [stage("glass", protocol.glass_ps, protocol.end_K)],
    }
    if protocol.quench_ps:
        stages["quench"].append(
            stage("quench", protocol.quench_ps, protocol.hold_K, protocol.end_K)
        )
    if protocol.sites_ps:
        stages["sites"] = [stage("sites", protocol.sites_ps, protocol.sites_K)]
    return stages


def other_glass_than_asked(directory: Path, glass: Glass) -> str:
    """Say how a glass, finished or begun, differs from the one now asked for; nothing if not.

    Stages that have not begun may differ. What is damaged is left to those who read it.
    """
    protocol = glass.melt_quench
    asked = protocol.model_dump(exclude={"launcher", "processes"})
    compared: list[tuple[str, Any, Any]] = []
    damage = (InputError, LookupError, TypeError, AttributeError)
    if (record := directory / "provenance.json").is_file():
        with suppress(*damage):
            made = read_record(record, {"glass": dict})["glass"]["melt_quench"]
            compared += [(key, made[key], asked[key]) for key in asked if key in made]
    else:
        for name, schedule in schedules(protocol).items():
            with suppress(*damage):
                inputs = read_record(directory / name / "run.json", {"inputs": dict})["inputs"]
                compared += [(key, inputs[key], asked[key]) for key in CHAIN_KEYS]
                begun, to_be = map(_of_stages, (inputs["schedule"], map(asdict, schedule)))
                compared += [(key, begun.get(key), to_be.get(key)) for key in begun | to_be]
    for key, value, other in compared:
        if value != other:
            words = f"was made with {key} = {clipped(value)}"
            return f"{words}, the campaign asks for {clipped(other)}"
    return ""


def _of_stages(schedule: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        f"{stage['name']}: {key}": value
        for stage in schedule
        for key, value in stage.items()
        if key != "name"
    }


def _require_same(directory: Path, identity: dict[str, Any]) -> dict[str, Any]:
    path = directory / "provenance.json"
    record = read_json(path)
    for key, value in identity.items():
        if record.get(key) != value:
            raise InputError(
                f"{path}: {key}: made with other values than those requested; delete the folder "
                "to start again, or choose another"
            )
    return dict(record)


def _melt_and_quench(
    directory: Path,
    glass: Glass,
    potential: Potential,
    seed: int,
    on_progress: Callable[[Progress], None],
) -> tuple[ase.Atoms, Relaxation | None]:
    """Melt the crystal and quench it, anew with other velocities where ions fuse.

    Potentials fail where ions come closer than they ever do in solids, which they do now and then
    at thousands of kelvin: Buckingham's attracts without limit, and LAMMPS loses atoms; networks
    may have holes, of which bonded oxygen is the sign in `hdnnp_sevennet0`. Such a melt is kept
    aside. How many there are says which velocities are next, also after a restart.
    """
    while True:
        fused = len(list(directory.glob("fused_melt_*")))
        if (directory / f"fused_quench_{fused + 1}").is_dir():
            # interrupted as they were kept aside
            (directory / "melt").rename(directory / f"fused_melt_{fused + 1}")
            continue
        try:
            # the runs below have seeds up to 4 above that of the glass
            melt_seed = seed + (4 + fused if fused else 1)
            _melt(directory, glass, potential, seed, melt_seed, on_progress)
            atoms, relaxation = _quench(directory, glass, potential, seed, on_progress)
        except SimulationError as error:
            if not any(words in str(error) for words in _FUSED):
                raise
            sign = str(error)
        else:
            if not (bonds := oxygen_bonds(atoms)):
                return atoms, relaxation
            sign = f"{counted(bonds, 'pair')} of oxygen closer than {BOND_A:g} Å after the quench"
        if fused == _MOST_FUSED:
            protocol = glass.melt_quench
            raise SimulationError(
                f"{directory}: ions fused in {fused + 1} melts at superheat_K = "
                f"{protocol.superheat_K:g} and hold_K = {protocol.hold_K:g}; lower these ({sign})"
            )
        for name in ("quench", "melt"):
            if (run := directory / name).is_dir():
                run.rename(directory / f"fused_{name}_{fused + 1}")


_FUSED = ("Lost atoms", "Out of range atoms", "Non-numeric")
"""What LAMMPS says of ions that fuse."""
_MOST_FUSED = 3


def _melt(
    directory: Path,
    glass: Glass,
    potential: Potential,
    seed: int,
    melt_seed: int,
    on_progress: Callable[[Progress], None],
) -> None:
    """Superheat one cell of the crystal, and repeat the melt to the supercell."""
    protocol = glass.melt_quench
    _write_crystal(directory / "crystal", protocol, seed)
    run_schedule(
        directory / "melt",
        structure=directory / "crystal",
        potential=potential,
        schedule=schedules(protocol)["melt"],
        seed=melt_seed,
        settings=protocol,
        on_progress=on_progress,
    )
    melt = last_frame(directory / "melt", "superheat")
    # checked here, before the long part starts
    require_melted(stage_state(directory / "melt", "superheat"), protocol.superheat_K)
    n = glass.supercell
    supercell = melt.repeat((n, n, n))
    write_structure(_sorted(supercell), directory / "melt_supercell", {"repeated": [n, n, n]})


def _write_crystal(directory: Path, protocol: MeltQuench, seed: int) -> None:
    """Write the crystal to be melted, or check that the one already here is the one requested.

    The runs check everything else, but know the crystal only as the file that they begin with.
    """
    path = directory / "provenance.json"
    if not path.is_file():
        atoms = crystal(
            li_per_formula=protocol.li_per_formula, volume_ratio=protocol.volume_ratio, seed=seed
        )
        write_structure(atoms, directory, {"seed": seed})
        return
    requested = {
        "seed": seed,
        "li_per_formula": protocol.li_per_formula,
        "volume_ratio": protocol.volume_ratio,
    }
    recorded = read_record(path, dict.fromkeys(requested, NUMBER))
    for key, value in requested.items():
        # what is recorded was calculated from the atoms
        if abs(recorded[key] - value) > 1e-6:
            raise InputError(
                f"{path}: {key}: the glass was begun with {recorded[key]:.10g}, not {value:.10g}; "
                "delete its folder to start again, or choose another"
            )


def _quench(
    directory: Path,
    glass: Glass,
    potential: Potential,
    seed: int,
    on_progress: Callable[[Progress], None],
) -> tuple[ase.Atoms, Relaxation | None]:
    """Hold the melt, check that it has melted, quench it, and relax it if it is to be."""
    protocol = glass.melt_quench
    schedule = schedules(protocol)["quench"]
    run_schedule(
        directory / "quench",
        structure=directory / "melt_supercell",
        potential=potential,
        schedule=schedule,
        seed=seed + 2,
        settings=protocol,
        on_progress=on_progress,
    )
    require_melted(stage_state(directory / "quench", "hold"), protocol.hold_K)
    atoms = last_frame(directory / "quench", schedule[-1].name)
    if not protocol.relax_cell:
        return atoms, None
    relaxation = relax_cell(atoms, directory / "relaxation", potential=potential)
    return relaxation.atoms, relaxation


def stage_state(run: Path, stage: str) -> StageFramework:
    """Return the state of the framework in a stage of a run."""
    trajectory = Trajectory(run, stage)
    return framework_state(
        trajectory.positions(),
        trajectory.cell,
        trajectory.symbols,
        trajectory.frame_interval_ps,
    )


def last_frame(run: Path, stage: str) -> ase.Atoms:
    """Return the last frame of a stage as a structure, wrapped into its cell."""
    trajectory = Trajectory(run, stage)
    for frames in trajectory.chunks():
        last = frames[-1]
    atoms = ase.Atoms(trajectory.symbols, last, cell=trajectory.cell, pbc=True)
    atoms.wrap()
    return atoms


def _sorted(atoms: ase.Atoms) -> ase.Atoms:
    """Return the atoms in the order of `ELEMENTS`."""
    symbols = np.array(atoms.get_chemical_symbols())
    return atoms[np.concatenate([np.flatnonzero(symbols == element) for element in ELEMENTS])]


def _lammps_seconds(directory: Path) -> float:
    """Return the time of all runs, also of those kept aside."""
    runs = [directory / name / "summary.json" for name in ("melt", "quench", "glass", "sites")]
    runs += directory.glob("fused_*/summary.json")
    return round(sum(read_json(path)["lammps_seconds"] for path in runs if path.is_file()), 1)


def relaxation_record(relaxation: Relaxation) -> dict[str, float]:
    """Return the results of a relaxation, as plain values for a JSON file."""
    return {
        "released_eV_per_atom": round(relaxation.released_eV_per_atom, 6),
        "energy_before_eV": relaxation.energy_before_eV,
        "energy_after_eV": relaxation.energy_after_eV,
        "largest_force_eV_A": relaxation.largest_force_eV_A,
        "pressure_bar": relaxation.pressure_bar,
        "steps": relaxation.steps,
    }
