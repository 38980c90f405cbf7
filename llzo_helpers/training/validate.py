"""How good a network is: against held-out labels, its reference, and in its own dynamics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np
import pandas as pd
from ase import units
from ase.calculators.calculator import Calculator
from ase.eos import EquationOfState
from ase.filters import FrechetCellFilter
from ase.geometry import get_duplicate_atoms
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet
from ase.optimize import FIRE
from ase.vibrations import Vibrations
from tqdm.auto import tqdm

from llzo_helpers.analysis.arrhenius import Arrhenius, fit_arrhenius
from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient
from llzo_helpers.analysis.order import PairDistribution, pair_distributions
from llzo_helpers.arrays import FloatArray
from llzo_helpers.garnet import volume_ratio
from llzo_helpers.md.chain import run_md, run_schedule
from llzo_helpers.md.segments import Stage
from llzo_helpers.md.settings import ChainSettings, MDSettings
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.potentials import Potential
from llzo_helpers.structures import write_structure


def parity(structures: Sequence[ase.Atoms], calculator: Calculator) -> pd.DataFrame:
    """Compare a calculator with labels.

    Returns
    -------
    pandas.DataFrame
        A row per force component: `structure`, `phase`, `perturbed`, `volume_ratio`, `element`,
        `reference`, `predicted` (eV/Å), and the error of the structure's energy per atom,
        `energy_error` (eV).
    """
    parts = []
    for number, labelled in enumerate(structures):
        atoms = labelled.copy()
        atoms.calc = calculator
        forces = atoms.get_forces()
        error = (atoms.get_potential_energy() - labelled.get_potential_energy()) / len(atoms)
        parts.append(
            pd.DataFrame(
                {
                    "structure": number,
                    "phase": atoms.info["phase"],
                    "perturbed": atoms.info.get("perturbed", "no"),
                    "temperature_K": atoms.info["temperature_K"],
                    "volume_ratio": atoms.info["volume_ratio"],
                    "element": np.repeat(atoms.get_chemical_symbols(), 3),
                    "reference": labelled.get_forces().ravel(),
                    "predicted": forces.ravel(),
                    "energy_error": error,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def errors(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Root mean square errors of `parity`, for each value of the column `by` and for all."""
    groups = [(str(name), part) for name, part in table.groupby(by)] + [("all", table)]
    rows = []
    for name, part in groups:
        energies = part.groupby("structure").energy_error.first()
        rows.append(
            {
                by: name,
                "structures": part.structure.nunique(),
                "force_rmse_eV_A": np.sqrt(np.mean((part.predicted - part.reference) ** 2)),
                "force_rms_eV_A": np.sqrt(np.mean(part.reference**2)),
                "energy_rmse_meV": 1000 * np.sqrt(np.mean(energies**2)),
            }
        )
    return pd.DataFrame(rows)


def equation_of_state(
    atoms: ase.Atoms, calculator: Calculator, ratios: Sequence[float]
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Energy against volume, with ions relaxed at each volume.

    Parameters
    ----------
    atoms
        The crystal; its cell is scaled.
    calculator
        Energies and forces.
    ratios
        Volumes over the experimental volume.

    Returns
    -------
    pandas.DataFrame
        Columns `volume_ratio`, `energy_eV` (per atom).
    dict
        Third-order Birch-Murnaghan fit: `volume_ratio` and `bulk_modulus_GPa` at zero pressure.
    """
    rows = []
    for ratio in tqdm(ratios, desc="volumes"):
        copy = atoms.copy()
        scale = (ratio / volume_ratio(atoms)) ** (1 / 3)
        copy.set_cell(copy.cell.array * scale, scale_atoms=True)
        copy.calc = calculator
        FIRE(copy, logfile=None).run(fmax=0.05, steps=100)
        rows.append({"volume_ratio": ratio, "energy_eV": copy.get_potential_energy() / len(copy)})
    table = pd.DataFrame(rows)
    unit = atoms.get_volume() / volume_ratio(atoms) / len(atoms)
    volume, _, modulus = EquationOfState(
        table.volume_ratio * unit, table.energy_eV, eos="birchmurnaghan"
    ).fit()
    return table, {"volume_ratio": volume / unit, "bulk_modulus_GPa": modulus / units.GPa}


def primitive(atoms: ase.Atoms) -> ase.Atoms:
    """Return the primitive cell of a body-centred one: half the atoms, half the work."""
    half = atoms.copy()
    half.set_cell(np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2 @ atoms.cell.array)
    half.wrap()
    get_duplicate_atoms(half, cutoff=0.1, delete=True)
    return half


def body_centred_edges(cell: FloatArray) -> FloatArray:
    """Edges of the body-centred cell whose primitive cell `primitive` gave, Å."""
    return np.linalg.norm([cell[1] + cell[2], cell[0] + cell[2], cell[0] + cell[1]], axis=1)


def relax_crystal(atoms: ase.Atoms, calculator: Calculator, *, fmax: float = 0.02) -> ase.Atoms:
    """Relax ions and cell to forces (and stress times volume per atom) below `fmax` eV/Å."""
    relaxed = atoms.copy()
    relaxed.calc = calculator
    FIRE(FrechetCellFilter(relaxed), logfile=None).run(fmax=fmax, steps=300)
    return relaxed


def elastic_constants(
    relaxed: ase.Atoms, calculator: Calculator, *, strain: float = 0.005
) -> pd.Series:
    """Elastic constants with ions relaxed, GPa, from stresses at small strains.

    Parameters
    ----------
    relaxed
        A cubic or tetragonal crystal, its axes along x, y, z, at its minimum.
    calculator
        With stress.
    strain
        Size of the strains, taken in both directions.

    Returns
    -------
    pandas.Series
        C11, C33, C12, C13, C44, C66.
    """
    wanted = {"C11": (0, 0), "C33": (2, 2), "C12": (1, 0), "C13": (0, 2), "C44": (3, 3)}
    wanted["C66"] = (5, 5)
    stress: dict[tuple[int, int], FloatArray] = {}
    for applied in (0, 2, 3, 5):
        for sign in (1, -1):
            deformation = np.eye(3)
            i, j = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))[applied]
            deformation[i, j] += sign * strain / (1 if i == j else 2)
            if i != j:
                deformation[j, i] = deformation[i, j]
            strained = relaxed.copy()
            strained.set_cell(strained.cell.array @ deformation, scale_atoms=True)
            strained.calc = calculator
            FIRE(strained, logfile=None).run(fmax=0.02, steps=100)
            stress[applied, sign] = strained.get_stress()
    return pd.Series(
        {
            name: (stress[j, 1][i] - stress[j, -1][i]) / (2 * strain) / units.GPa
            for name, (i, j) in wanted.items()
        },
        name="GPa",
    )


def vibrations(relaxed: ase.Atoms, calculator: Calculator, cache: str) -> pd.DataFrame:
    """Frequencies at the zone centre, with the share of each element in each mode.

    Parameters
    ----------
    relaxed
        A crystal at its minimum.
    calculator
        Forces.
    cache
        Folder in which forces of displaced structures are kept; a second call resumes there.

    Returns
    -------
    pandas.DataFrame
        `frequency_THz` (negative for imaginary) and a column for each element.
    """
    atoms = relaxed.copy()
    atoms.calc = calculator
    modes = Vibrations(atoms, name=cache, nfree=2)
    modes.run()
    data = modes.get_vibrations()
    energies, vectors = data.get_energies_and_modes()
    weights = np.abs(vectors) ** 2 * atoms.get_masses()[None, :, None]
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    symbols = np.array(atoms.get_chemical_symbols())
    # ASE gives imaginary energies to unstable modes
    frequency = (energies.real - energies.imag) / units._hplanck * units._e * 1e-12
    shares = {s: weights[:, symbols == s].sum(axis=(1, 2)) for s in sorted(set(symbols))}
    return pd.DataFrame({"frequency_THz": frequency, **shares})


@dataclass(frozen=True)
class Conservation:
    """Energy of a run without thermostat.

    Attributes
    ----------
    table
        `time_ps`, `energy_eV` (total, per atom), `temperature_K`.
    drift_meV_ps
        Slope of the total energy per atom.
    rms_meV
        Its scatter about the line.
    """

    table: pd.DataFrame
    drift_meV_ps: float
    rms_meV: float


def energy_conservation(
    atoms: ase.Atoms,
    calculator: Calculator,
    *,
    temperature_K: float,
    duration_ps: float,
    timestep_fs: float = 1.0,
    warm_up_ps: float = 2.0,
    seed: int,
) -> Conservation:
    """Run without thermostat, after a warm-up with one.

    Parameters
    ----------
    atoms
        Start.
    calculator
        Energies and forces.
    temperature_K
        Of the warm-up.
    duration_ps, timestep_fs, warm_up_ps
        Lengths of the run, its steps and the warm-up.
    seed
        Of the velocities.
    """
    rng = np.random.default_rng(seed)
    moving = atoms.copy()
    moving.calc = calculator
    MaxwellBoltzmannDistribution(moving, temperature_K=temperature_K, rng=rng)
    Stationary(moving)
    step = timestep_fs * units.fs
    thermostat = Langevin(
        moving, step, temperature_K=temperature_K, friction=0.02 / units.fs, rng=rng
    )
    thermostat.run(round(1000 * warm_up_ps / timestep_fs))
    rows: list[tuple[float, float, float]] = []
    integrator = VelocityVerlet(moving, step)

    def record() -> None:
        energy = moving.get_total_energy() / len(moving)
        rows.append((integrator.get_time() / units.fs / 1000, energy, moving.get_temperature()))

    integrator.attach(record, interval=10)
    integrator.run(round(1000 * duration_ps / timestep_fs))
    table = pd.DataFrame(rows, columns=["time_ps", "energy_eV", "temperature_K"])
    slope, start = np.polyfit(table.time_ps, table.energy_eV, 1)
    scatter = table.energy_eV - start - slope * table.time_ps
    return Conservation(table, 1000 * float(slope), 1000 * float(scatter.std()))


def pair_distributions_of(
    directory: Path,
    start: ase.Atoms,
    potentials: Mapping[str, Potential],
    *,
    temperature_K: float,
    duration_ps: float,
    seed: int,
) -> dict[str, dict[tuple[str, str], PairDistribution]]:
    """Run molecular dynamics from one start with several potentials, and compare structures.

    Parameters
    ----------
    directory
        Receives a run for each potential; one that is finished is not repeated.
    start
        All start here; the first fifth of each run is discarded.
    potentials
        By the names used in the result.
    temperature_K, duration_ps, seed
        Of the runs, whose time step is 2 fs.

    Returns
    -------
    dict
        For each potential what `llzo_helpers.analysis.order.pair_distributions` gives.
    """
    settings = ChainSettings(
        timestep_fs=2.0, frame_interval_fs=20, segment_ps=0.1, thermostat_damping_fs=50
    )
    stage = Stage("run", duration_ps, temperature_K, temperature_K, settings.frame_interval_fs)
    write_structure(start, directory / "start", {"temperature_K": temperature_K})
    found = {}
    for name, potential in potentials.items():
        run_schedule(
            directory / name,
            structure=directory / "start",
            potential=potential,
            schedule=[stage],
            seed=seed,
            settings=settings,
        )
        trajectory = Trajectory(directory / name, "run")
        frames = np.array(list(trajectory.positions()))
        cell, symbols = trajectory.cell, list(trajectory.symbols)
        found[name] = pair_distributions(
            frames[len(frames) // 5 :], cell, symbols, bin_width_A=0.05
        )
    return found


def diffusion_against_temperature(
    directory: Path,
    start: ase.Atoms,
    potential: Potential,
    *,
    temperatures_K: Sequence[float],
    duration_ps: float,
    seed: int,
) -> tuple[pd.DataFrame, Arrhenius]:
    """Tracer diffusion of lithium at several temperatures.

    Parameters
    ----------
    directory
        Receives a run for each temperature; one that is finished is not repeated.
    start
        All start here; a tenth of `duration_ps` precedes, for equilibration.
    potential
        Of the runs.
    temperatures_K, duration_ps, seed
        Of the runs.

    Returns
    -------
    pandas.DataFrame
        `temperature_K`, `D_cm2_s`, `D_std_cm2_s`.
    Arrhenius
        Their fit.
    """
    settings = MDSettings(
        frame_interval_fs=50,
        segment_ps=duration_ps / 10,
        equilibration_ps=duration_ps / 10,
        production_ps=duration_ps,
    )
    write_structure(start, directory / "start", {"temperatures_K": list(temperatures_K)})
    rows = []
    for temperature in temperatures_K:
        run = directory / f"{temperature:g}K"
        run_md(
            run,
            structure=directory / "start",
            potential=potential,
            temperature_K=temperature,
            seed=seed,
            settings=settings,
        )
        trajectory = Trajectory(run)
        found = tracer_diffusion_coefficient(
            trajectory.relative_to_framework(), trajectory.frame_interval_ps
        )
        rows.append((temperature, found.D_cm2_s, found.D_std_cm2_s))
    table = pd.DataFrame(rows, columns=["temperature_K", "D_cm2_s", "D_std_cm2_s"])
    return table, fit_arrhenius(table.temperature_K, table.D_cm2_s, table.D_std_cm2_s)
