"""Making amorphous LLZO by molecular dynamics: melt, quench, and what derives from the glass.

A glass is a folder:

    crystal/            one garnet cell
    melt/               run: the crystal at end_K, then superheated
    melt_supercell/     the melt, repeated to the supercell
    quench/             run: hold, quench
    relaxation/         of ions and cell, where the protocol wants it
    quenched/           what came out
    glass/              run at end_K: is it frozen?
    sites/              run at sites_K, in which the sites for added lithium are found
    structure.*         the quenched cell
    provenance.json     what made it, and the verdict; written last

Each run is a chain of segments (`llzo_helpers.md.chain`), so a glass goes on where it stopped.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import numpy as np
from numpy.typing import NDArray

import llzo_helpers
from llzo_helpers.amorphous import (
    FrameworkState,
    as_record,
    expand,
    framework_state,
    require_melted,
    set_lithium,
    shortest_lithium_distance,
    verdict,
)
from llzo_helpers.errors import InputError
from llzo_helpers.files import read_json
from llzo_helpers.md.chain import Progress, Stage, run_schedule
from llzo_helpers.md.relax import Relaxation, relax, relax_cell
from llzo_helpers.parameters import Glass, MeltQuench
from llzo_helpers.potentials import Potential, load_potential
from llzo_helpers.sites import landmark_analysis
from llzo_helpers.structures import (
    ELEMENTS,
    crystal,
    lithium_count,
    read_structure,
    write_structure,
)
from llzo_helpers.trajectory import Trajectory

_SITE_MOVEMENT = 4.0
"""Å, how far an ion of the glass's framework may go while sites are looked for: some of a glass's
ions do change their place, and the sites beside them are blurred, not wrong."""


def make_glass(
    directory: Path,
    glass: Glass,
    *,
    seed: int,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Make a glass by melting and quenching, or go on where that stopped.

    Parameters
    ----------
    directory
        Folder of the glass; made if it is not there.
    glass
        Potential, protocol, supercell.
    seed
        Of the crystal's lithium and of all velocities.
    on_progress
        Called about twice a second, with the progress of the present run.

    Returns
    -------
    dict
        The content of `provenance.json`; its `verdict` is "glass", "crystal" (it crystallised
        again) or "not frozen".

    Raises
    ------
    InputError
        If the folder belongs to another glass.
    SimulationError
        If the crystal did not melt, or LAMMPS fails.
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

    _melt(directory, glass, potential, seed, on_progress)
    atoms, relaxation = _quench(directory, glass, potential, seed, on_progress)
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
        "lammps_seconds": _lammps_seconds(directory),
        "versions": {"llzo_helpers": llzo_helpers.__version__},
    }
    if relaxation is not None:
        record["relaxation"] = _relaxation_record(relaxation)
    write_structure(atoms, directory, record)
    return dict(read_json(directory / "provenance.json"))


def schedules(protocol: MeltQuench) -> dict[str, list[Stage]]:
    """Return the stages of the runs that make a glass, by the folder of each run."""

    def stage(name: str, duration_ps: float, start_K: float, end_K: float | None = None) -> Stage:
        interval = protocol.frame_interval_fs
        return Stage(name, duration_ps, start_K, start_K if end_K is None else end_K, interval)

    found = {
        "melt": [
            stage("crystal", protocol.crystal_ps, protocol.end_K),
            stage("superheat", protocol.superheat_ps, protocol.superheat_K),
        ],
        "quench": [stage("hold", protocol.hold_ps, protocol.hold_K)],
        "glass": [stage("glass", protocol.glass_ps, protocol.end_K)],
    }
    if protocol.quench_ps:
        found["quench"].append(stage("quench", protocol.quench_ps, protocol.hold_K, protocol.end_K))
    if protocol.sites_ps:
        found["sites"] = [stage("sites", protocol.sites_ps, protocol.sites_K)]
    return found


def _require_same(directory: Path, identity: dict[str, Any]) -> dict[str, Any]:
    path = directory / "provenance.json"
    record = read_json(path)
    for key, value in identity.items():
        if record.get(key) != value:
            raise InputError(
                f"{path}: {key}: made with other values than those asked for; delete the folder to "
                "start anew, or name another"
            )
    return dict(record)


def _melt(
    directory: Path,
    glass: Glass,
    potential: Potential,
    seed: int,
    on_progress: Callable[[Progress], None],
) -> None:
    """Superheat one cell of the crystal, and repeat the melt to the supercell."""
    protocol = glass.melt_quench
    start = directory / "crystal"
    if not (start / "provenance.json").is_file():
        atoms = crystal(
            li_per_formula=protocol.li_per_formula, volume_ratio=protocol.volume_ratio, seed=seed
        )
        write_structure(atoms, start, {"seed": seed})
    run_schedule(
        directory / "melt",
        structure=start,
        potential=potential,
        schedule=schedules(protocol)["melt"],
        seed=seed + 1,
        settings=protocol,
        on_progress=on_progress,
    )
    melt = last_frame(directory / "melt", "superheat")
    # here already, before the long part begins
    require_melted(stage_state(directory / "melt", "superheat"), protocol.superheat_K)
    n = glass.supercell
    supercell = melt.repeat((n, n, n))
    write_structure(_sorted(supercell), directory / "melt_supercell", {"repeated": [n, n, n]})


def _quench(
    directory: Path,
    glass: Glass,
    potential: Potential,
    seed: int,
    on_progress: Callable[[Progress], None],
) -> tuple[ase.Atoms, Relaxation | None]:
    """Hold the melt, see that it is one, and take it to the end of the quench."""
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


def stage_state(run: Path, stage: str) -> FrameworkState:
    """Return what a stage of a run shows of its framework."""
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
    runs = (directory / name / "summary.json" for name in ("melt", "quench", "glass", "sites"))
    return round(sum(read_json(path)["lammps_seconds"] for path in runs if path.is_file()), 1)


def _relaxation_record(relaxation: Relaxation) -> dict[str, float]:
    return {
        "released_eV_per_atom": round(relaxation.released_eV_per_atom, 6),
        "energy_before_eV": relaxation.energy_before_eV,
        "energy_after_eV": relaxation.energy_after_eV,
        "largest_force_eV_A": relaxation.largest_force_eV_A,
        "pressure_bar": relaxation.pressure_bar,
        "steps": relaxation.steps,
    }


# --------------------------------------------------------------------------- from the glass


def lithium_sites(glass: Path) -> NDArray[np.float64] | None:
    """Return the lithium sites seen in the glass's run at sites_K, Å, [site, axis].

    None if the protocol has no such run.
    """
    run = glass / "sites"
    if not (run / "summary.json").is_file():
        return None
    trajectory = Trajectory(run, "sites")
    analysis = landmark_analysis(
        trajectory,
        trajectory.cell,
        trajectory.symbols == "Li",
        static_movement_threshold=_SITE_MOVEMENT,
    )
    return analysis.centers


def amorphous_structure(
    glass: Path,
    output: Path,
    *,
    li_per_formula: float,
    volume_ratio: float,
    potential: Potential,
    seed: int,
) -> tuple[ase.Atoms, dict[str, Any]]:
    """Make an amorphous structure of a lithium content and volume from a glass.

    Lithium is added at empty sites, or removed; the cell is expanded with all relative positions
    kept; the ions are relaxed.

    Parameters
    ----------
    glass
        Folder of `make_glass`.
    output
        Folder of the structure, which receives `relaxation/`.
    li_per_formula, volume_ratio
        X in Li_X La3 Zr2 O12; volume over V_exp.
    potential
        For the relaxation.
    seed
        Of the random choices.

    Returns
    -------
    atoms
        The structure.
    record
        What was done, for its provenance.

    Raises
    ------
    InputError
        If more lithium is wanted than there are sites for.
    """
    atoms = read_structure(glass)
    supercell = round((atoms.symbols.count("Zr") / 16) ** (1 / 3))
    present = atoms.symbols.count("Li")
    wanted = lithium_count(li_per_formula, supercell)
    sites = lithium_sites(glass) if wanted > present else None
    filled = set_lithium(atoms, wanted, sites, seed=seed)
    expanded = expand(filled, volume_ratio)
    relaxation = relax(expanded, output / "relaxation", potential=potential)
    return relaxation.atoms, {
        "glass": str(read_json(glass / "provenance.json")["sha256"]["structure.extxyz"]),
        "verdict": read_json(glass / "provenance.json")["verdict"],
        "lithium": {
            "added": max(wanted - present, 0),
            "removed": max(present - wanted, 0),
            "sites_known": None if sites is None else len(sites),
            "shortest_distance_before_expansion_angstrom": shortest_lithium_distance(filled),
        },
        "relaxation": _relaxation_record(relaxation),
    }
