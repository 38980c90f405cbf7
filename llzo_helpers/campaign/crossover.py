"""The crossover of a campaign: every structure with every potential."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.analysis.drift import FrameworkDrift, framework_drift
from llzo_helpers.analysis.factorial import FactorialDecomposition, decompose
from llzo_helpers.analysis.order import pair_distributions
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.diffusion import combine
from llzo_helpers.campaign.evidence import QUANTITIES, Measured
from llzo_helpers.campaign.glasses import FRAMES_FOR_PAIRS, PairDistributions
from llzo_helpers.campaign.kept import frames_here, of_each
from llzo_helpers.campaign.labels import size_label
from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.campaign.paper import paper_value
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS
from llzo_helpers.campaign.verdicts import contrast
from llzo_helpers.errors import InputError
from llzo_helpers.md.folder import read_start, read_thermo
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.potentials import Potential, load_potential

_DESIGN = ["li_per_formula", "volume_ratio", "supercell", "temperature_K"]
"""Columns in which the runs of one crossover agree."""


def crossover_runs(diffusion: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `diffusion.csv` in a crossover: amorphous, several potentials compared."""
    amorphous = diffusion[diffusion["phase"] == "amorphous"]
    several = amorphous.groupby(_DESIGN)["md_potential"].transform("nunique") > 1
    return amorphous[several]


def crossover_table(diffusion: pd.DataFrame) -> pd.DataFrame:
    """Table 1 of the paper: D of every structure origin with every potential, and its ratios.

    Returns
    -------
    DataFrame
        A row per origin, potential and condition. `ratio` is D divided by that of the first origin
        with its own potential, NaN if a D is a bound; `ratio_low_95` and `ratio_high_95` are its
        interval, then open on one side (0 or infinity) or both; `paper_D_cm2_s` and `paper_ratio`
        are the paper's counterparts, if it has any.
    """
    if crossover_runs(diffusion).empty:
        return pd.DataFrame(columns=[*SYSTEM_COLUMNS, "temperature_K", "tracer_D_cm2_s"])
    combined = crossover_runs(combine(diffusion))
    rows = []
    for _, group in combined.groupby(_DESIGN, sort=False):
        cells = group.to_dict("records")
        own = [cell for cell in cells if cell["structure_potential"] == cell["md_potential"]]
        reference = (own or cells)[0]
        for cell in cells:
            # against itself it is 1, however well it is known
            sides = [[]] * 2 if cell is reference else [[_measured(cell)], [_measured(reference)]]
            ratio = contrast(QUANTITIES["D"], *sides)
            paper, paper_reference = (
                paper_value(row, "tracer_D_cm2_s") for row in (cell, reference)
            )
            known = paper is not None and paper_reference is not None
            rows.append(
                {
                    **cell,
                    "ratio": np.exp(ratio.estimate),
                    "ratio_low_95": np.exp(ratio.low),
                    "ratio_high_95": np.exp(ratio.high),
                    "paper_D_cm2_s": paper["value"] if known else np.nan,
                    "paper_ratio": paper["value"] / paper_reference["value"] if known else np.nan,
                }
            )
    return pd.DataFrame(rows)


def _measured(cell: Mapping[Any, Any]) -> Measured:
    limit = cell["tracer_D_limit_cm2_s"] if cell["upper_bound"] else None
    D, std, freedom = (cell[f"tracer_D_{name}"] for name in ("cm2_s", "std_cm2_s", "freedom"))
    return Measured(D, std, limit, freedom=freedom)


def crossover_effects(
    diffusion: pd.DataFrame,
) -> tuple[pd.DataFrame, dict[str, FactorialDecomposition]]:
    """Decompose ln D for every pair of potentials that makes and runs structures.

    Only structures made by one protocol are replicas of each other, so several protocols make
    several comparisons: like with like if both potentials have one in common, else each with each.
    Structures without a run for one of the two potentials, or with only an upper bound for D, are
    left out and counted: a logarithm needs D itself.

    Returns
    -------
    table
        A row per pair, protocols, condition and effect: factor in D with its 95 % interval.
    decompositions
        By label, for the figure.
    """
    rows, decompositions = [], {}
    for _, group in crossover_runs(diffusion).groupby(_DESIGN, sort=False):
        condition = group[_DESIGN].head(1).to_dict("records")[0]
        for (first, start), (second, end) in _compared_origins(group):
            require_same_elements({name: load_potential(name) for name in (first, second)})
            made = [group[_made(group, *origin)] for origin in ((first, start), (second, end))]
            sides = [_structures(rows, (first, second)) for rows in made]
            if any(len(values) == 0 for values, _ in sides):
                continue
            effects = decompose(*sides[0], *sides[1])
            label = (
                f"{first} ({start}) → {second} ({end}), Li{condition['li_per_formula']:g} "
                f"{100 * condition['volume_ratio']:g} %{size_label(condition['supercell'])}, "
                f"{condition['temperature_K']:g} K"
            )
            decompositions[label] = effects
            for name in ("structure", "potential", "interaction"):
                effect = getattr(effects, name)
                low, high = effect.factor_interval()
                rows.append(
                    {
                        "from": first,
                        "to": second,
                        "from_melt_quench": start,
                        "to_melt_quench": end,
                        **condition,
                        "effect": name,
                        "factor": effect.factor,
                        "factor_low_95": low,
                        "factor_high_95": high,
                        "ln_D": effect.value,
                        "ln_D_std": effect.std,
                        "structures": " + ".join(map(str, effects.replicas)),
                        "left_out": sum(rows["structure"].nunique() for rows in made)
                        - sum(effects.replicas),
                        "errors_from": "spread" if effects.from_spread else "D of single runs",
                    }
                )
    columns = None if rows else ["from", "to", *_DESIGN, "effect", "factor"]
    return pd.DataFrame(rows, columns=columns), decompositions


_Origin = tuple[str, str]
"""What makes structures: a potential and the name of a protocol."""


def _compared_origins(group: pd.DataFrame) -> list[tuple[_Origin, _Origin]]:
    """Return the pairs of origins that differ in potential and, if possible, in nothing else."""
    pairs: list[tuple[_Origin, _Origin]] = []
    protocols = {
        str(maker): rows["melt_quench"].unique().tolist()
        for maker, rows in group.groupby("structure_potential", sort=False)
    }
    for (first, these), (second, those) in combinations(protocols.items(), 2):
        alike = [(name, name) for name in these if name in those]
        pairs += [((first, p), (second, q)) for p, q in alike or product(these, those)]
    return pairs


def _made(group: pd.DataFrame, potential: str, protocol: str) -> "pd.Series[bool]":
    return (group["structure_potential"] == potential) & (group["melt_quench"] == protocol)


def _structures(made: pd.DataFrame, potentials: tuple[str, str]) -> tuple[FloatArray, FloatArray]:
    """Return D and its errors, [structure, potential], of the structures of one origin."""
    rows = made[made["md_potential"].isin(potentials)]
    tables = [
        rows.pivot(index="structure", columns="md_potential", values=values).reindex(
            columns=list(potentials)
        )
        for values in ("tracer_D_cm2_s", "tracer_D_std_cm2_s")
    ]
    bounded = rows.loc[rows["upper_bound"], "structure"]
    whole = ((tables[0] > 0) & tables[1].notna()).all(axis=1) & ~tables[0].index.isin(bounded)
    D, std = (table[whole].to_numpy(dtype=float) for table in tables)
    return D, std


@dataclass(frozen=True)
class Switch:
    """How a structure responded when molecular dynamics began with a potential.

    Attributes
    ----------
    run
        The run.
    time_ps
        Since the beginning of equilibration, [block].
    energy_eV_atom
        Potential energy, averaged over blocks, minus its mean over the last half of the rows of all
        stages, [block]: the energies of two potentials have no common zero. Rows of a jump run are
        closer in time than others.
    drift
        Of the framework from the structure at the start of the run.
    start, end
        Pair distributions of the structure at the start, and of the last fifth of production.
    """

    run: Run
    time_ps: FloatArray
    energy_eV_atom: FloatArray
    drift: FrameworkDrift
    start: PairDistributions
    end: PairDistributions


def switch(campaign: Campaign, run: Run) -> Switch:
    """Return how a structure responded to the potential of a run."""
    directory = campaign.run_directory(run)
    trajectory = Trajectory(directory)
    start = read_start(directory)
    thermo = read_thermo(directory, None)
    energy = thermo["potential_energy_eV"].to_numpy() / len(start)
    frames = trajectory.thinned(FRAMES_FOR_PAIRS)
    times_ps = trajectory.times_ps[trajectory.thinned_indices(FRAMES_FOR_PAIRS)]
    symbols = trajectory.symbols.tolist()
    return Switch(
        run=run,
        time_ps=_block_means(thermo["time_ps"].to_numpy()),
        energy_eV_atom=_block_means(energy - energy[len(energy) // 2 :].mean()),
        drift=framework_drift(frames, times_ps, start),
        start=pair_distributions(start.positions[np.newaxis], trajectory.cell, symbols),
        end=pair_distributions(frames[-len(frames) // 5 :], trajectory.cell, symbols),
    )


_BLOCKS = 200
"""Of a run, in which its energy is averaged: single values are mostly vibration."""


def _block_means(values: FloatArray) -> FloatArray:
    parts = np.array_split(values, min(_BLOCKS, len(values)))
    return np.array([part.mean() for part in parts])


def observed_switches(
    campaign: Campaign, diffusion: pd.DataFrame, temperature_K: float | None
) -> list[Switch]:
    """Return the switches of all runs of the crossover at one temperature, first replicas only."""
    names = set(crossover_runs(diffusion)["run"])
    runs = [
        run
        for run in campaign.finished_runs
        if run.name in names and run.temperature_K == temperature_K and run.replica == 1
    ]
    here = frames_here(campaign, runs)
    return of_each(campaign, "switch", switch, runs, here)


def switch_table(switches: list[Switch]) -> pd.DataFrame:
    """Return how far the framework of each run moved, and whether it still moves."""
    rows = []
    for observed in switches:
        drift = observed.drift
        half = len(drift.times_ps) // 2
        rows.append(
            {
                "structure_potential": observed.run.structure.structure_potential,
                "md_potential": observed.run.md_potential,
                "volume_ratio": observed.run.structure.volume_ratio,
                "temperature_K": observed.run.temperature_K,
                **{
                    f"{element} moved (Å)": values[-1]
                    for element, values in drift.displacement.items()
                },
                "moved > 1 Å": drift.moved_fraction[-1],
                "moved > 1 Å at half time": drift.moved_fraction[half],
                "Zr-O neighbours at start": _neighbours(observed.start),
                "Zr-O neighbours at end": _neighbours(observed.end),
            }
        )
    return pd.DataFrame(rows)


def _neighbours(pairs: PairDistributions, radius: float = 2.7) -> float:
    """Number of O around Zr within `radius`, Å, which lies between the first two shells."""
    pair = pairs["Zr", "O"]
    return float(np.interp(radius, pair.radii, pair.coordination))


def crossover_temperature(diffusion: pd.DataFrame, wanted: float | None = None) -> float | None:
    """Return the temperature to show: the one requested, or the lowest; None without a crossover.

    Raises
    ------
    InputError
        If the campaign has no crossover at the requested temperature.
    """
    known = sorted(set(crossover_runs(diffusion)["temperature_K"]))
    if wanted is None:
        return float(known[0]) if known else None
    if wanted not in known:
        raise InputError(
            f"temperature_K = {wanted:g}: amorphous structures have no runs with two "
            "potentials at this temperature; available: "
            f"{', '.join(f'{value:g}' for value in known) or 'none'}"
        )
    return wanted


def require_same_elements(potentials: Mapping[str, Potential]) -> None:
    """Raise InputError if the potentials of a crossover cover different elements."""
    elements = {name: sorted(potential.elements) for name, potential in potentials.items()}
    (first, expected), *others = elements.items()
    for name, symbols in others:
        if symbols != expected:
            raise InputError(
                f"{potentials[name].directory / 'potential.yaml'}: elements = {symbols}: {first} "
                f"has {expected}; a crossover needs potentials of the same elements"
            )
