"""The sites of a campaign's runs in tables."""

from collections.abc import Mapping, Sequence

import networkx as nx
import numpy as np
import pandas as pd

from llzo_helpers.analysis.sites import (
    UNASSIGNED,
    critical_rate,
    flux_path,
    percolation,
    superbasins,
)
from llzo_helpers.analysis.stationarity import Drift, drift
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.paper import paper_value
from llzo_helpers.campaign.sites import RunSites
from llzo_helpers.campaign.tables import against_volume, run_columns
from llzo_helpers.errors import InputError, counted

GARNET_SITES_PER_CELL = 24 + 48
UNASSIGNED_LIMIT = 0.25
"""Fraction of positions between sites from which on a run is flagged."""


def site_table(system: RunSites) -> pd.DataFrame:
    """Return a row per site."""
    statistics, accessible = system.statistics, system.accessible
    x, y, z = system.analysis.centres.T
    return pd.DataFrame(
        {
            "site": np.arange(system.analysis.n_sites),
            "x_A": x,
            "y_A": y,
            "z_A": z,
            "kind": system.kinds,
            "coordination": system.coordination,
            "exists_fraction": system.analysis.existing_fraction,
            "certainty": system.certainty,
            "rearranged": system.analysis.rearranged,
            "occupancy": _occupancy(system),
            "residence_time_ps": statistics.residence_time_ps,
            "residence_time_std_ps": statistics.residence_time_std_ps,
            "mean_complete_stay_ps": statistics.mean_complete_stay_ps,
            "static_volume_A3": system.static_volume,
            "oxygen_polyhedron_A3": system.polyhedron_volume,
            "accessible_volume_A3": accessible.fixed_samples,
            "accessible_volume_std_A3": accessible.standard_error,
            "accessible_volume_central_A3": accessible.central_fraction,
            "accessible_volume_all_samples_A3": accessible.all_samples,
            "superbasin": superbasins(system.network).labels,
        }
    )


def _occupancy(system: RunSites) -> FloatArray:
    """Return the mean number of ions at each site while it exists."""
    return system.statistics.occupancy / system.analysis.existing_fraction


def occupation_drift(system: RunSites) -> tuple[str, Drift]:
    """Return the most frequent kind of site, and how the fraction of ions there changes."""
    names, count = np.unique(system.kinds, return_counts=True)
    kind = str(names[count.argmax()])
    assignments = system.analysis.assignments
    there = (system.kinds == kind)[assignments] & (assignments != UNASSIGNED)
    return kind, drift(there.mean(axis=1))


def run_table(systems: Sequence[RunSites], diffusion: pd.DataFrame) -> pd.DataFrame:
    """Return a row per run.

    Parameters
    ----------
    systems
        Of `analyse_sites`.
    diffusion
        The content of `diffusion.csv`, for the tracer diffusion coefficients.

    Raises
    ------
    InputError
        If a run is not in it: it was finished since.
    """
    tracer = {row["run"]: row for row in diffusion.to_dict("records")}
    if missing := [system.name for system in systems if system.name not in tracer]:
        raise InputError(f"diffusion.csv: no run {missing[0]}; run notebook 03 again")
    rows = []
    for system in systems:
        basins = superbasins(system.network)
        jumps = system.diffusion
        D = tracer[system.run.name]["tracer_D_cm2_s"]
        D_std = tracer[system.run.name]["tracer_D_std_cm2_s"]
        ratio = system.accessible.fixed_samples / system.static_volume
        kind, occupation = occupation_drift(system)
        memory = memory_std = np.nan
        if jumps.D_cm2_s > 0:
            memory = D / jumps.D_cm2_s
            memory_std = memory * np.hypot(D_std / D, jumps.D_std_cm2_s / jumps.D_cm2_s)
        rows.append(
            {
                **run_columns(system.run),
                "n_frames": system.n_frames,
                "framework": system.framework.verdict,
                "seeded": system.seeded,
                "epochs": len(system.analysis.epochs),
                "n_sites": system.analysis.n_sites,
                "rearranged_fraction": float(system.analysis.rearranged.mean()),
                "unassigned_fraction": system.analysis.unassigned_fraction,
                "multiple_occupancies": system.analysis.multiple_occupancy_count,
                "n_jumps": int(system.statistics.jumps.sum()),
                "jump_distance_A": _mean_distance(system.network),
                "back_jump_fraction": system.returns.fraction,
                "back_jump_fraction_std": system.returns.standard_error,
                "back_jump_lowest": system.ranges.back_jumps[0],
                "back_jump_highest": system.ranges.back_jumps[1],
                "percolation_rank": percolation(system.network)[0].rank,
                "critical_rate_per_ps": critical_rate(system.network),
                "superbasins": int((basins.sizes > 1).sum()),
                "largest_superbasin_fraction": float(basins.sizes[0] / system.analysis.n_sites),
                "uncorrelated_D_cm2_s": jumps.uncorrelated_D_cm2_s,
                "jump_D_cm2_s": jumps.D_cm2_s,
                "jump_D_std_cm2_s": jumps.D_std_cm2_s,
                "tracer_D_cm2_s": D,
                "tracer_D_std_cm2_s": D_std,
                "upper_bound": tracer[system.run.name]["upper_bound"],
                "tracer_D_limit_cm2_s": tracer[system.run.name]["tracer_D_limit_cm2_s"],
                "occupation_kind": kind,
                "occupation_change": occupation.change,
                "occupation_change_sigma": occupation.sigma,
                "network_correlation": jumps.network_correlation,
                "missed_jumps_at_least": missed_jumps(
                    jumps.D_cm2_s, np.nan if tracer[system.run.name]["upper_bound"] else D
                ),
                "memory_correlation": memory,
                "memory_correlation_std": memory_std,
                "accessible_over_static": _mean(ratio),
                "accessible_over_static_std": _standard_error(ratio),
            }
        )
    return pd.DataFrame(rows)


def missed_jumps(network_D_cm2_s: float, tracer_D_cm2_s: float) -> float:
    """Return the least fraction of diffusion whose jumps the site analysis has not seen.

    Ions that remember where they came from are slower than the network without memory, so its D
    bounds the tracer's from above. What is missing to that was carried by jumps that were not
    counted: through positions that belong to no site, or between sites seen as one. NaN without
    both D, or where the tracer's is but an upper bound.
    """
    if not tracer_D_cm2_s > 0 or not np.isfinite(network_D_cm2_s):
        return np.nan
    return max(0.0, 1 - network_D_cm2_s / tracer_D_cm2_s)


def warning_table(
    systems: Sequence[RunSites], failures: Mapping[str, str], table: pd.DataFrame
) -> pd.DataFrame:
    """Return what to mind of each run, a row per warning: `run`, `warning`.

    Parameters
    ----------
    systems, failures
        Of `analyse_sites`.
    table
        Of `run_table`.
    """
    rows = list(failures.items())
    of_run = {row["run"]: row for row in table.to_dict("records")}
    for system in systems:
        analysis = system.analysis
        expected = GARNET_SITES_PER_CELL * system.repeats[0] ** 3
        texts = []
        if system.framework.mark:
            texts.append(f"the framework is not what its phase says: {system.framework.verdict}")
        if system.framework.garnet_stands and analysis.n_sites != expected:
            texts.append(f"{analysis.n_sites} lithium sites where the garnet has {expected}")
        if analysis.rearranged.any():
            texts.append(
                f"the framework moves: {counted(len(analysis.epochs), 'epoch')}; "
                f"{analysis.rearranged.sum()} of {analysis.n_sites} sites lie beside atoms that "
                "change their place or go to and fro, and are less certain"
            )
        if analysis.unassigned_fraction > UNASSIGNED_LIMIT:
            texts.append(
                f"{100 * analysis.unassigned_fraction:.0f} % of the ions' positions are between "
                "sites; results on jumps depend on the assignment threshold"
            )
        row = of_run[system.run.name]
        if not np.isfinite(row["jump_D_cm2_s"]):
            texts.append(
                "jumps cross half the cell, and could have gone either way: D of the network is "
                "not known; take a larger cell"
            )
        lack = row["tracer_D_cm2_s"] - row["jump_D_cm2_s"]
        error = np.hypot(row["tracer_D_std_cm2_s"], row["jump_D_std_cm2_s"])
        if lack > 2 * error and not row["upper_bound"]:
            texts.append(
                f"the network's D is below the tracer's: at least "
                f"{100 * row['missed_jumps_at_least']:.0f} % of diffusion goes by jumps that were "
                "not seen; rates and connectivity are too low"
            )
        kind, occupation = occupation_drift(system)
        if occupation.significant:
            texts.append(
                f"not stationary: the fraction of lithium at {kind} sites changes by "
                f"{100 * occupation.change:+.1f} % between the halves, "
                f"{abs(occupation.sigma):.1f} standard errors; equilibrate longer"
            )
        rows += [(system.run.name, text) for text in texts]
    return pd.DataFrame(rows, columns=["run", "warning"])


def kind_table(systems: Sequence[RunSites]) -> pd.DataFrame:
    """Return a row per run and kind of site."""
    rows = []
    for system in systems:
        for kind in np.unique(system.kinds):
            these = system.kinds == kind
            residence, residence_error = system.statistics.pooled_residence_time_ps(these)
            accessible = system.accessible.fixed_samples[these]
            rows.append(
                {
                    **run_columns(system.run),
                    "kind": kind,
                    "n_sites": int(these.sum()),
                    "occupancy": float(_occupancy(system)[these].mean()),
                    "residence_time_ps": residence,
                    "residence_time_std_ps": residence_error,
                    "residence_time_lowest_ps": system.ranges.residence_ps[kind][0],
                    "residence_time_highest_ps": system.ranges.residence_ps[kind][1],
                    "static_volume_A3": float(system.static_volume[these].mean()),
                    "static_volume_spread_A3": float(system.static_volume[these].std()),
                    "accessible_volume_A3": _mean(accessible),
                    "accessible_volume_std_A3": _standard_error(accessible),
                }
            )
    return pd.DataFrame(rows)


def compare_back_jumps(table: pd.DataFrame) -> pd.DataFrame:
    """Return the back-jump fractions beside the paper's; runs that it has none for, too."""
    rows = []
    for row in against_volume(table).to_dict("records"):
        paper = paper_value(row, "back_jump_fraction")
        ours, error = row["back_jump_fraction"], row["back_jump_fraction_std"]
        rows.append(
            {
                "run": row["run"],
                "volume_ratio": row["volume_ratio"],
                "back_jumps_percent": 100 * ours,
                "back_jumps_std_percent": 100 * error,
                "lowest_percent": 100 * row["back_jump_lowest"],
                "highest_percent": 100 * row["back_jump_highest"],
                "paper_percent": np.nan if paper is None else 100 * paper["value"],
                "n_jumps": row["n_jumps"],
            }
        )
    return pd.DataFrame(rows)


def strongest_flux(system: RunSites, axis: int = 0) -> str:
    """Name the kinds of site along the strongest net flux in a gradient along one axis."""
    path = flux_path(system.diffusion.net_flux[axis])
    return " → ".join(str(system.kinds[site]) for site in path) or "nothing flows"


def _mean_distance(network: "nx.DiGraph[int]") -> float:
    edges = [(data["distance"], data["jumps"]) for _, _, data in network.edges(data=True)]
    if not edges:
        return np.nan
    distance, jumps = np.transpose(edges)
    return float(np.average(distance, weights=jumps))


def _mean(values: FloatArray) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if len(present) else np.nan


def _standard_error(values: FloatArray) -> float:
    present = values[np.isfinite(values)]
    return float(present.std(ddof=1) / np.sqrt(len(present))) if len(present) > 1 else np.nan
