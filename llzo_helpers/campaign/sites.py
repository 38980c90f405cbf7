"""The sites of a campaign's runs: analysed, and put into tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.analysis.periodic import nearest_image
from llzo_helpers.analysis.sites import (
    UNASSIGNED,
    AccessibleVolumes,
    BackJumps,
    JumpDiffusion,
    JumpStatistics,
    SiteAnalysis,
    Stays,
    accessible_volumes,
    back_jumps,
    coordination_types,
    critical_rate,
    explored_positions,
    find_stays,
    flux_path,
    jump_diffusion,
    jump_statistics,
    landmark_analysis,
    oxygen_coordination,
    percolation,
    polyhedron_volumes,
    site_network,
    static_site_volumes,
    superbasins,
    wyckoff_types,
)
from llzo_helpers.analysis.stationarity import Drift, drift
from llzo_helpers.arrays import BoolArray, FloatArray, IntArray
from llzo_helpers.campaign.labels import run_label
from llzo_helpers.campaign.model import AnyRun, Campaign, Run
from llzo_helpers.campaign.paper import paper_value
from llzo_helpers.campaign.settings import SiteSettings
from llzo_helpers.campaign.tables import against_volume, run_columns
from llzo_helpers.errors import InputError
from llzo_helpers.garnet import LI_SITES, SITE_RADII_A, SPACE_GROUP
from llzo_helpers.md.trajectory import Trajectory

GARNET_SITES_PER_CELL = 24 + 48
FRAMEWORK_WINDOW_PS = 2.5
"""Time over which the vibration of the framework averages out."""
UNASSIGNED_LIMIT = 0.25
"""Fraction of positions between sites from which on a run is flagged."""


@dataclass(frozen=True)
class RunSites:
    """All that the site analysis says of one run; times in ps, lengths in Å."""

    run: AnyRun
    trajectory: Trajectory
    analysis: SiteAnalysis
    stays: Stays
    statistics: JumpStatistics
    returns: BackJumps
    coordination: IntArray
    kinds: NDArray[np.str_]
    """Wyckoff position of each site in a garnet, else its coordination."""
    static_volume: FloatArray
    """NaN where the radii of the elements are not known."""
    polyhedron_volume: FloatArray
    accessible: AccessibleVolumes
    diffusion: JumpDiffusion
    network: "nx.DiGraph[int]"

    @property
    def title(self) -> str:
        """Name of the system, and which replica, for figures."""
        return run_label(self.run)

    @property
    def mobile(self) -> BoolArray:
        """Which atoms are the ions, [atom]."""
        return is_mobile(self.run, self.trajectory)

    @property
    def repeats(self) -> tuple[int, int, int]:
        """Cells of the crystal along each vector; one where there is no crystal."""
        if isinstance(self.run, Run) and self.run.phase == "crystal":
            return (self.run.structure.supercell,) * 3
        return (1, 1, 1)

    @property
    def kind_names(self) -> list[str]:
        """Kinds that a tenth of the sites or more have, in alphabetical order."""
        names, count = np.unique(self.kinds, return_counts=True)
        return [str(name) for name in names[count >= 0.1 * len(self.kinds)]]


def analyse_sites(campaign: Campaign) -> tuple[list[RunSites], dict[str, str]]:
    """Analyse the sites of all finished runs at the campaign's temperature for it.

    And of those made elsewhere.

    Returns
    -------
    systems
        By phase, composition, potential and volume.
    failures
        Why, by name, of runs that have no sites: those whose framework melted.

    Raises
    ------
    InputError
        If no such run is finished, or none of them can be analysed.
    """
    runs = campaign.analysed_site_runs
    if not runs:
        raise InputError(
            f"{campaign.directory}: no finished run at sites.temperature_K = "
            f"{campaign.sites.temperature_K:g}; run notebook 02, or choose another temperature"
        )
    systems, failures = [], {}
    for run in sorted(runs, key=_order):
        try:
            trajectory = campaign.trajectory(run, "jumps")
            systems.append(analyse_run(run, trajectory, campaign.sites))
        except InputError as error:
            failures[run.name] = str(error)
    if not systems:
        raise InputError("; ".join(f"{name}: {reason}" for name, reason in failures.items()))
    return systems, failures


def _order(run: AnyRun) -> tuple[Any, ...]:
    if not isinstance(run, Run):
        # as they come
        return (True, True)
    structure = run.structure
    return (
        False,
        structure.phase != "crystal",
        structure.li_per_formula,
        run.md_potential,
        structure.volume_ratio,
        structure.replica,
    )


def is_mobile(run: AnyRun, trajectory: Trajectory) -> BoolArray:
    """Return which atoms of a run are its mobile ions, [atom]."""
    return np.isin(trajectory.symbols, run.mobile)


def analyse_run(run: AnyRun, trajectory: Trajectory, settings: SiteSettings) -> RunSites:
    """Find sites, jumps, volumes and the network of one run.

    Parameters
    ----------
    run
        What the trajectory is of.
    trajectory
        Frames close enough together to see each jump.
    settings
        Of the campaign.

    Raises
    ------
    InputError
        If the run can't be analysed, see `llzo_helpers.analysis.sites.landmark_analysis`.
    """
    mobile = is_mobile(run, trajectory)
    framework_symbols = trajectory.symbols[~mobile]
    cell, interval = trajectory.cell, trajectory.frame_interval_ps
    sites = find_sites(trajectory, settings, mobile)
    neighbours, cutoff = _neighbours(sites, framework_symbols)
    coordination = oxygen_coordination(sites.centres, neighbours, cell, cutoff=cutoff)
    kinds = coordination_types(coordination)
    if isinstance(run, Run) and run.phase == "crystal":
        kinds = garnet_types(sites.centres, cell, run.structure.supercell)
    stays = find_stays(sites.assignments, sites.n_sites)
    statistics = jump_statistics(stays, interval)
    static: FloatArray = np.full(sites.n_sites, np.nan)
    if {*framework_symbols.tolist(), *run.mobile} <= set(SITE_RADII_A):
        (ion,) = run.mobile
        static = static_site_volumes(
            sites.centres, sites.framework, framework_symbols, cell, ion=ion, radii_A=SITE_RADII_A
        )
    explored = explored_positions(trajectory, mobile, sites)
    return RunSites(
        run=run,
        trajectory=trajectory,
        analysis=sites,
        stays=stays,
        statistics=statistics,
        returns=back_jumps(stays),
        coordination=coordination,
        kinds=kinds,
        static_volume=static,
        polyhedron_volume=polyhedron_volumes(sites.centres, neighbours, cell, cutoff=cutoff),
        accessible=accessible_volumes(explored, n_samples=settings.hull_samples),
        diffusion=jump_diffusion(stays, sites.centres, cell, interval),
        network=site_network(
            sites.centres,
            cell,
            statistics,
            {"kind": kinds.tolist(), "static_volume": static.tolist()},
        ),
    )


_OXYGEN_CUTOFF_A = 2.9
"""In the garnet, see `oxygen_coordination`."""
_SHELL = 1.25
"""Of the usual distance to the nearest neighbour: what still counts as one elsewhere."""


def _neighbours(
    sites: SiteAnalysis, framework_symbols: NDArray[np.str_]
) -> tuple[FloatArray, float]:
    """Return the framework atoms around sites that count for coordination, and up to where, Å.

    In an oxide its oxygens; else the element that is nearest to the sites.
    """
    elements = np.unique(framework_symbols).tolist()
    if "O" in elements:
        return sites.framework[framework_symbols == "O"], _OXYGEN_CUTOFF_A
    nearest = {}
    for element in elements:
        atoms = sites.framework[framework_symbols == element]
        bonds = nearest_image(atoms[None] - sites.centres[:, None], sites.cell)
        nearest[element] = float(np.median(np.linalg.norm(bonds, axis=2).min(axis=1)))
    element = min(nearest, key=lambda name: nearest[name])
    return sites.framework[framework_symbols == element], _SHELL * nearest[element]


def find_sites(
    trajectory: Trajectory, settings: SiteSettings, mobile: BoolArray, **changes: Any
) -> SiteAnalysis:
    """Return the sites of a trajectory, with the campaign's settings but for `changes`."""
    return landmark_analysis(
        trajectory,
        trajectory.cell,
        mobile,
        **{
            "clustering": settings.clustering,
            "clustering_threshold": settings.clustering_threshold,
            "assignment_threshold": settings.assignment_threshold,
            "place_distance_A": settings.place_distance_A,
            "window_frames": max(1, round(FRAMEWORK_WINDOW_PS / trajectory.frame_interval_ps)),
            **changes,
        },
    )


def garnet_types(centres: FloatArray, cell: ArrayLike, supercell: int) -> NDArray[np.str_]:
    """Name lithium sites of the garnet: "24d", "48g" or "other", [site]."""
    repeats = (supercell,) * 3
    return wyckoff_types(
        centres, cell, space_group=SPACE_GROUP, positions=LI_SITES, repeats=repeats
    )


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
            "occupancy": statistics.occupancy,
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
    """
    tracer = {row["run"]: row for row in diffusion.to_dict("records")}
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
                "n_frames": len(system.trajectory),
                "n_sites": system.analysis.n_sites,
                "unassigned_fraction": system.analysis.unassigned_fraction,
                "multiple_occupancies": system.analysis.multiple_occupancy_count,
                "n_jumps": int(_jumps(system.statistics).sum()),
                "jump_distance_A": _mean_distance(system.network),
                "back_jump_fraction": system.returns.fraction,
                "back_jump_fraction_std": system.returns.standard_error,
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
                "occupation_kind": kind,
                "occupation_change": occupation.change,
                "occupation_change_sigma": occupation.sigma,
                "network_correlation": jumps.network_correlation,
                "memory_correlation": memory,
                "memory_correlation_std": memory_std,
                "accessible_over_static": _mean(ratio),
                "accessible_over_static_std": _standard_error(ratio),
            }
        )
    return pd.DataFrame(rows)


def warning_table(systems: Sequence[RunSites], failures: Mapping[str, str]) -> pd.DataFrame:
    """Return what to mind of each run, a row per warning: `run`, `warning`."""
    rows = list(failures.items())
    for system in systems:
        analysis = system.analysis
        expected = GARNET_SITES_PER_CELL * system.repeats[0] ** 3
        texts = []
        if system.run.phase == "crystal" and analysis.n_sites != expected:
            texts.append(f"{analysis.n_sites} lithium sites where the garnet has {expected}")
        if analysis.unassigned_fraction > UNASSIGNED_LIMIT:
            texts.append(
                f"{100 * analysis.unassigned_fraction:.0f} % of the ions' positions are between "
                "sites; what is said of jumps depends on the assignment threshold"
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
            residence, residence_error = pooled_residence_time(system.statistics, these)
            accessible = system.accessible.fixed_samples[these]
            rows.append(
                {
                    **run_columns(system.run),
                    "kind": kind,
                    "n_sites": int(these.sum()),
                    "occupancy": float(system.statistics.occupancy[these].mean()),
                    "residence_time_ps": residence,
                    "residence_time_std_ps": residence_error,
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
                "std_percent": 100 * error,
                "paper_percent": np.nan if paper is None else 100 * paper["value"],
                "n_jumps": row["n_jumps"],
            }
        )
    return pd.DataFrame(rows)


def strongest_flux(system: RunSites, axis: int = 0) -> str:
    """Name the kinds of site along the strongest net flux in a gradient along one axis."""
    path = flux_path(system.diffusion.net_flux[axis])
    return " → ".join(str(system.kinds[site]) for site in path) or "nothing flows"


def _jumps(statistics: JumpStatistics) -> FloatArray:
    """Return the jumps [from, to] without the stays on the diagonal."""
    return np.asarray(statistics.n_ij - np.diag(np.diag(statistics.n_ij)))


def pooled_residence_time(statistics: JumpStatistics, these: BoolArray) -> tuple[float, float]:
    """Return the residence time of pooled sites and its error, ps; NaN if nobody left them."""
    departures = _jumps(statistics)[these].sum()
    if not departures:
        return np.nan, np.nan
    residence = float(statistics.time_at_site_ps[these].sum() / departures)
    return residence, residence / float(np.sqrt(departures))


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
