"""What was learnt: sentences that notebooks print at their ends, from the data of their runs."""

from collections.abc import Mapping
from pathlib import Path

import ase
import pandas as pd

from llzo_helpers.analysis.diffusion import TracerDiffusion, tracer_diffusion_coefficient
from llzo_helpers.analysis.stationarity import Drift, drift
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.paper import verdict
from llzo_helpers.campaign.settings import DiffusionSettings
from llzo_helpers.campaign.tables import value_or_bound, with_error
from llzo_helpers.errors import InputError, counted
from llzo_helpers.garnet import volume_ratio
from llzo_helpers.generate.framework import BOND_A, oxygen_bonds
from llzo_helpers.md.trajectory import Trajectory

_SITES_PER_CELL = 24 + 48
"""Of lithium in the garnet: 24d and 48g."""


def diffusion_in_words(result: TracerDiffusion) -> str:
    """Return D with its standard error, or as a bound, the exponent of the MSD, and warnings."""
    D = value_or_bound(
        {
            "tracer_D_cm2_s": result.D_cm2_s,
            "tracer_D_std_cm2_s": result.D_std_cm2_s,
            "tracer_D_limit_cm2_s": result.D_limit_cm2_s,
            "upper_bound": result.upper_bound,
        }
    )
    D = f"{D} ×" if result.upper_bound else f"= ({D}) ×"
    text = f"D {D} 10⁻⁵ cm²/s, MSD ∝ t^({result.exponent:.2f} ± {result.exponent_std:.2f})"
    return "; ".join([text, *result.warnings])


def run_diffusion(directory: Path) -> TracerDiffusion | None:
    """Return D of lithium in a run, as a campaign takes it by default; None for too short a run."""
    trajectory, settings = Trajectory(directory), DiffusionSettings()
    try:
        return tracer_diffusion_coefficient(
            trajectory.relative_to_framework(),
            trajectory.frame_interval_ps,
            settings.fit_window,
            jump_length_A=settings.jump_length_A,
        )
    except InputError:
        return None


def from_run(thermo: pd.DataFrame, temperature_K: float, diffusion: TracerDiffusion | None) -> str:
    """Say whether a run is in equilibrium, and how fast its ions diffuse.

    Parameters
    ----------
    thermo
        Of `llzo_helpers.md.folder.read_thermo`.
    temperature_K
        Of the thermostat.
    diffusion
        Of `run_diffusion`.
    """
    mean = thermo["temperature_K"].mean()
    sentences = [f"The thermostat was set to {temperature_K:g} K, the mean was {mean:.0f} K."]
    try:
        energy = drift(thermo["potential_energy_eV"])
    except InputError:
        sentences.append("The run is too short to see whether its energy drifts.")
    else:
        sentences.append(_stationarity(energy))
    if diffusion is None:
        sentences.append("It is too short for a diffusion coefficient as well.")
    else:
        sentences.append(f"Lithium: {diffusion_in_words(diffusion)}.")
    return "\n".join(sentences)


def _stationarity(energy: Drift) -> str:
    changed = f"changes by {energy.sigma:+.1f} standard errors between the halves of the run"
    if energy.significant:
        return f"The potential energy {changed}: equilibrate longer."
    return f"The potential energy {changed}, no more than chance allows: no sign of a drift."


def from_training(by_phase: pd.DataFrame) -> str:
    """Say how well the network does on structures that it was not fitted to.

    Parameters
    ----------
    by_phase
        Errors of `llzo_helpers.training.validate.errors`, by phase.
    """
    rows = by_phase.assign(part=by_phase["force_rmse_eV_A"] / by_phase["force_rms_eV_A"])
    phases = {row["phase"]: row for row in rows.to_dict("records")}
    whole, worst = phases["all"], max(phases.values(), key=lambda row: float(row["part"]))
    return (
        f"On {whole['structures']} structures held out, the forces are off by "
        f"{whole['force_rmse_eV_A']:.2g} eV/Å (root mean square), {100 * whole['part']:.0f} % of "
        f"their own size; worst on {worst['phase']}, by {100 * worst['part']:.0f} %."
    )


def from_structure(atoms: ase.Atoms) -> str:
    """Say how close lithium is, how far the garnet's sites are filled, and if oxygen is bonded."""
    lithium = atoms[atoms.symbols == "Li"]
    distances = lithium.get_all_distances(mic=True)
    shortest = distances[distances > 0].min()
    sites = round(_SITES_PER_CELL * atoms.symbols.count("Zr") / 16)
    bonds = oxygen_bonds(atoms)
    bonded = (
        f" {counted(bonds, 'pair')} of oxygen {'is' if bonds == 1 else 'are'} bonded (closer than "
        f"{BOND_A:g} Å), as nowhere in LLZO: melt at a lower temperature, or use a "
        "potential that knows such pairs."
    )
    return (
        f"{atoms.get_chemical_formula()} at {100 * volume_ratio(atoms):.0f} % of V_exp: no two Li "
        f"are closer than {shortest:.2f} Å. The garnet would have {sites} tetrahedral and "
        f"octahedral sites for its {len(lithium)} Li: {100 * len(lithium) / sites:.0f} % filled."
        f"{bonded if bonds else ''}"
    )


def from_diffusion(
    diffusion: pd.DataFrame, arrhenius: pd.DataFrame, comparison: pd.DataFrame, n_paper: int
) -> str:
    """Say how many runs give D, the activation energies, and what agrees with the paper.

    Parameters
    ----------
    diffusion, arrhenius, comparison
        The tables of those names.
    n_paper
        The paper's numbers for the potentials of the campaign.
    """
    bounds, drifting = diffusion["upper_bound"].sum(), (~diffusion["stationary"]).sum()
    told = [f"{len(diffusion) - bounds} of {len(diffusion)} runs give D."]
    if bounds:
        told.append(f"{bounds} give only an upper bound: run them longer.")
    if drifting:
        told.append(f"{drifting} are not stationary: equilibrate them longer.")
    told += [
        f"Eₐ of {system_label(row)}: {with_error(row['E_a_eV'], row['E_a_std_eV'])} eV."
        for row in arrhenius.to_dict("records")
    ]
    return "\n".join([*told, *verdict(comparison, n_paper)])


def from_sites(table: pd.DataFrame) -> str:
    """Say which factor of D makes crystals faster or slower when they are expanded.

    Parameters
    ----------
    table
        `sites.csv`; of each composition and potential, the smallest and the largest volume at
        which the crystal is still one are compared.
    """
    told = []
    crystals = table[(table["phase"] == "crystal") & (table["replica"] == 1)]
    crystals = crystals[crystals["framework"].str.startswith("crystal")]
    for _, group in crystals.groupby(["li_per_formula", "md_potential", "supercell"]):
        rows = group.sort_values("volume_ratio").to_dict("records")
        small, large = rows[0], rows[-1]
        if small["volume_ratio"] == large["volume_ratio"]:
            continue
        factor = {name: large[name] / small[name] for name in ("tracer_D_cm2_s", *_FACTORS_OF_D)}
        bound = " (from an upper bound)" if small["upper_bound"] or large["upper_bound"] else ""
        told.append(
            f"{system_label(small)} → {100 * large['volume_ratio']:g} %: D changes by a factor of "
            f"{factor['tracer_D_cm2_s']:.2g}{bound} = "
            + " × ".join(f"{factor[name]:.2g} ({words})" for name, words in _FACTORS_OF_D.items())
        )
    return "\n".join(told) or "No crystal was run at two volumes: nothing to compare."


_FACTORS_OF_D = {
    "uncorrelated_D_cm2_s": "independent jumps",
    "network_correlation": "shape of the network",
    "memory_correlation": "memory",
}
"""Columns of `sites.csv` whose product is the tracer D."""


def from_networks(
    predictors: pd.DataFrame, whole: Mapping[str, float], rewired: Mapping[str, FloatArray]
) -> str:
    """Say whether the order parameter depends on connectivity, and what predicts D.

    Parameters
    ----------
    predictors
        `predictors.csv`.
    whole
        θ (k = 3) of each network.
    rewired
        θ of networks with the same degrees, by system, [draw].
    """
    change = max(abs(values.mean() / whole[name] - 1) for name, values in rewired.items())
    told = [f"Rewiring the networks at random changes θ by at most {100 * change:.1f} %."]
    for over, rows in predictors.groupby("over", sort=False):
        named = rows.set_index("measure")
        for name in dict.fromkeys([rows["measure"].iloc[0], _THETA]):
            if name in named.index:
                row = named.loc[name]
                told.append(
                    f"Rank correlation of D with {name}, {over}: {row['rank_correlation']:.2f} "
                    f"(95 %: {row['interval_low']:.2f} to {row['interval_high']:.2f}, "
                    f"{row['systems']:.0f} systems)."
                )
    if predictors.empty:
        told.append("Too few systems for a rank correlation with D.")
    return "\n".join(told)


_THETA = "order parameter, k = 3"


def from_crossover(effects: pd.DataFrame, table: pd.DataFrame) -> str:
    """Say by which factors structure and potential change D, or what is missing for that.

    Parameters
    ----------
    effects, table
        `effects.csv` and `crossover.csv`.
    """
    if effects.empty:
        told = [
            "No effect can be given: it takes structures of two potentials, each run with both, "
            "and D that is no upper bound."
        ]
        bounds = table[table["upper_bound"]] if len(table) else table
        told += [
            f"{system_label(row)}, {row['temperature_K']:g} K: D {value_or_bound(row)} × 10⁻⁵ "
            "cm²/s is a bound; run it longer."
            for row in bounds.to_dict("records")
        ]
        return "\n".join(told)
    return "\n".join(
        f"{row['effect']}, {row['from']} ({row['from_melt_quench']}) → {row['to']} "
        f"({row['to_melt_quench']}) at {row['temperature_K']:g} K: D changes by a factor of "
        f"{row['factor']:.2g} (95 %: {row['factor_low_95']:.2g} to {row['factor_high_95']:.2g})"
        for row in effects.to_dict("records")
    )
