"""The sites of a campaign's runs: analysed, kept as files, put into tables and figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llzo_helpers.errors import InputError
from llzo_helpers.figures.figure2 import DensityPanel
from llzo_helpers.figures.site_figures import SensitivityPoint
from llzo_helpers.figures.volume_histograms import VolumePanel
from llzo_helpers.files import sha256, write_json, written_aside
from llzo_helpers.parameters import Campaign, Run, SiteSettings
from llzo_helpers.potentials import load_potential
from llzo_helpers.results import finished_runs, paper_value, run_columns, save_table
from llzo_helpers.sites import (
    AccessibleVolumes,
    BackJumps,
    JumpDiffusion,
    JumpStatistics,
    SiteAnalysis,
    Stays,
    SuperbasinScan,
    Survival,
    accessible_volumes,
    back_jumps,
    coordination_types,
    critical_rate,
    explored_positions,
    find_stays,
    flux_path,
    garnet_types,
    isosurface,
    jump_diffusion,
    jump_statistics,
    kaplan_meier,
    landmark_analysis,
    oxygen_coordination,
    percolation,
    polyhedron_volumes,
    probability_density,
    site_network,
    static_site_volumes,
    superbasin_scan,
    superbasins,
    value_of_nearest_site,
)
from llzo_helpers.trajectory import Trajectory

GARNET_SITES_PER_CELL = 24 + 48
UNASSIGNED_LIMIT = 0.25
"""Fraction of positions between sites from which on a run is flagged."""


@dataclass(frozen=True)
class RunSites:
    """All that the site analysis says of one run; times in ps, lengths in Å."""

    run: Run
    trajectory: Trajectory
    analysis: SiteAnalysis
    stays: Stays
    statistics: JumpStatistics
    returns: BackJumps
    coordination: NDArray[np.int64]
    kinds: NDArray[np.str_]
    """Wyckoff position of each site in a crystal, else its coordination by oxygen."""
    static_volume: NDArray[np.float64]
    polyhedron_volume: NDArray[np.float64]
    accessible: AccessibleVolumes
    diffusion: JumpDiffusion
    network: "nx.DiGraph[int]"

    @property
    def title(self) -> str:
        """Short name for figures: structure, volume, and potentials of structure / MD."""
        structure = self.run.structure
        names = [structure.structure_potential, self.run.md_potential]
        labels = [load_potential(name).paper_label or name for name in names if name]
        title = (
            f"{structure.phase[0].upper()}-Li{structure.li_per_formula:g} "
            f"{100 * structure.volume_ratio:g} % {'/'.join(labels)}"
        )
        if structure.melt_quench is not None:
            title += f" {structure.melt_quench.name}"
        return title + f" r{structure.replica}" * (structure.replica > 1)

    @property
    def kind_names(self) -> list[str]:
        """Kinds that a tenth of the sites or more have, in alphabetical order."""
        names, count = np.unique(self.kinds, return_counts=True)
        return [str(name) for name in names[count >= 0.1 * len(self.kinds)]]


def analyse_sites(
    campaign: Campaign, on_run: Callable[[Run], None] = lambda run: None
) -> tuple[list[RunSites], dict[str, str]]:
    """Analyse the sites of all finished runs at the campaign's temperature for it.

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
    runs = [run for run in finished_runs(campaign) if run in campaign.site_runs]
    if not runs:
        raise InputError(
            f"{campaign.directory}: no finished run at sites.temperature_K = "
            f"{campaign.sites.temperature_K:g}; run notebook 02, or choose another temperature"
        )
    systems, failures = [], {}
    for run in sorted(runs, key=_order):
        try:
            trajectory = Trajectory(campaign.run_directory(run), stage="jumps")
            systems.append(analyse_run(run, trajectory, campaign.sites))
        except InputError as error:
            failures[run.name] = str(error)
        on_run(run)
    if not systems:
        raise InputError("; ".join(f"{name}: {reason}" for name, reason in failures.items()))
    return systems, failures


def _order(run: Run) -> tuple[Any, ...]:
    structure = run.structure
    return (
        structure.phase != "crystal",
        structure.li_per_formula,
        run.md_potential,
        structure.volume_ratio,
        structure.replica,
    )


def analyse_run(run: Run, trajectory: Trajectory, settings: SiteSettings) -> RunSites:
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
        If the run can't be analysed, see `llzo_helpers.sites.landmark_analysis`.
    """
    mobile = trajectory.symbols == "Li"
    framework_symbols = trajectory.symbols[~mobile]
    cell, interval = trajectory.cell, trajectory.frame_interval_ps
    sites = _landmark_analysis(trajectory, settings)
    oxygens = sites.framework[framework_symbols == "O"]
    coordination = oxygen_coordination(sites.centers, oxygens, cell)
    kinds = coordination_types(coordination)
    if run.structure.phase == "crystal":
        kinds = garnet_types(sites.centers, cell, repeats=(run.structure.supercell,) * 3)
    stays = find_stays(sites.assignments, sites.n_sites)
    statistics = jump_statistics(stays, interval)
    static = static_site_volumes(sites.centers, sites.framework, framework_symbols, cell)
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
        polyhedron_volume=polyhedron_volumes(sites.centers, oxygens, cell),
        accessible=accessible_volumes(explored, n_samples=settings.hull_samples),
        diffusion=jump_diffusion(stays, sites.centers, cell, interval),
        network=site_network(
            sites.centers,
            cell,
            statistics,
            {"kind": kinds.tolist(), "static_volume": static.tolist()},
        ),
    )


def _landmark_analysis(
    trajectory: Trajectory, settings: SiteSettings, **changes: Any
) -> SiteAnalysis:
    return landmark_analysis(
        trajectory,
        trajectory.cell,
        trajectory.symbols == "Li",
        **{
            "clustering": settings.clustering,
            "clustering_threshold": settings.clustering_threshold,
            "assignment_threshold": settings.assignment_threshold,
            "static_movement_threshold": settings.static_movement_threshold,
            **changes,
        },
    )


# ---------------------------------------------------------------------------------- files


def save_sites(campaign: Campaign, system: RunSites) -> None:
    """Write a run's sites, network and assignments to `sites/<run>` in the campaign's folder.

    `sites.csv`: a row per site. `network.json`: networkx's node-link format. `assignments.npz`:
    assignments and confidences [frame, ion]. `provenance.json`: what made them.
    """
    directory = campaign.directory / "sites" / system.run.name
    save_table(directory / "sites.csv", site_table(system))
    write_json(directory / "network.json", network_as_json(system.network))
    with written_aside(directory / "assignments.npz") as aside, aside.open("wb") as file:
        np.savez_compressed(
            file,
            assignments=system.analysis.assignments.astype(np.int16),
            confidences=system.analysis.confidences.astype(np.float16),
            frame_interval_ps=system.trajectory.frame_interval_ps,
        )
    record = system.trajectory.directory / "run.json"
    write_json(
        directory / "provenance.json",
        {
            "run": system.run.name,
            "run.json": sha256(record),
            "n_frames": len(system.trajectory),
            "frame_interval_ps": system.trajectory.frame_interval_ps,
            "settings": campaign.sites.model_dump(),
            "versions": {name: version(name) for name in ("llzo-notebooks", "numpy", "scipy")},
        },
    )


def site_table(system: RunSites) -> pd.DataFrame:
    """Return a row per site."""
    statistics, accessible = system.statistics, system.accessible
    x, y, z = system.analysis.centers.T
    return pd.DataFrame(
        {
            "site": np.arange(system.analysis.n_sites),
            "x_A": x,
            "y_A": y,
            "z_A": z,
            "kind": system.kinds,
            "coordination": system.coordination,
            "occupancy": statistics.occupancy,
            "residence_time_ps": statistics.residence_time,
            "residence_time_std_ps": statistics.residence_time_error,
            "mean_complete_stay_ps": statistics.mean_complete_stay,
            "static_volume_A3": system.static_volume,
            "oxygen_polyhedron_A3": system.polyhedron_volume,
            "accessible_volume_A3": accessible.fixed_samples,
            "accessible_volume_std_A3": accessible.standard_error,
            "accessible_volume_central_A3": accessible.central_fraction,
            "accessible_volume_all_samples_A3": accessible.all_samples,
            "superbasin": superbasins(system.network).labels,
        }
    )


def network_as_json(network: "nx.DiGraph[int]") -> dict[str, Any]:
    """Return a network in networkx's node-link format; `node_link_graph` reads it back."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray | tuple):
            return [plain(part) for part in value]
        if isinstance(value, np.generic):
            value = value.item()
        # JSON has no infinity: a residence time that the run didn't see the end of
        return None if isinstance(value, float) and not np.isfinite(value) else value

    return {
        "directed": True,
        "multigraph": False,
        "graph": {},
        "nodes": [
            {"id": node, **{key: plain(value) for key, value in data.items()}}
            for node, data in network.nodes(data=True)
        ],
        "edges": [
            {
                "source": source,
                "target": target,
                **{key: plain(value) for key, value in data.items()},
            }
            for source, target, data in network.edges(data=True)
        ],
    }


# ---------------------------------------------------------------------------------- tables


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
        memory = memory_std = np.nan
        if jumps.coefficient > 0:
            memory = D / jumps.coefficient
            memory_std = memory * np.hypot(D_std / D, jumps.standard_error / jumps.coefficient)
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
                "uncorrelated_D_cm2_s": jumps.uncorrelated,
                "jump_D_cm2_s": jumps.coefficient,
                "jump_D_std_cm2_s": jumps.standard_error,
                "tracer_D_cm2_s": D,
                "tracer_D_std_cm2_s": D_std,
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
        structure, analysis = system.run.structure, system.analysis
        expected = GARNET_SITES_PER_CELL * structure.supercell**3
        texts = []
        if structure.phase == "crystal" and analysis.n_sites != expected:
            texts.append(f"{analysis.n_sites} lithium sites where the garnet has {expected}")
        if analysis.unassigned_fraction > UNASSIGNED_LIMIT:
            texts.append(
                f"{100 * analysis.unassigned_fraction:.0f} % of the lithium positions are between "
                "sites; what is said of jumps depends on the assignment threshold"
            )
        rows += [(system.run.name, text) for text in texts]
    return pd.DataFrame(rows, columns=["run", "warning"])


def kind_table(systems: Sequence[RunSites]) -> pd.DataFrame:
    """Return a row per run and kind of site."""
    rows = []
    for system in systems:
        for kind in np.unique(system.kinds):
            these = system.kinds == kind
            residence, residence_error = _residence_time(system.statistics, these)
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
    for row in table.to_dict("records"):
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


def _jumps(statistics: JumpStatistics) -> NDArray[np.float64]:
    """Return the jumps [from, to] without the stays on the diagonal."""
    return np.asarray(statistics.n_ij - np.diag(np.diag(statistics.n_ij)))


def _residence_time(statistics: JumpStatistics, these: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the residence time of pooled sites and its error, ps; NaN if nobody left them."""
    departures = _jumps(statistics)[these].sum()
    if not departures:
        return np.nan, np.nan
    residence = float(statistics.time_at_site[these].sum() / departures)
    return residence, residence / float(np.sqrt(departures))


def _mean_distance(network: "nx.DiGraph[int]") -> float:
    edges = [(data["distance"], data["jumps"]) for _, _, data in network.edges(data=True)]
    if not edges:
        return np.nan
    distance, jumps = np.transpose(edges)
    return float(np.average(distance, weights=jumps))


def _mean(values: NDArray[np.float64]) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if len(present) else np.nan


def _standard_error(values: NDArray[np.float64]) -> float:
    present = values[np.isfinite(values)]
    return float(present.std(ddof=1) / np.sqrt(len(present))) if len(present) > 1 else np.nan


# ---------------------------------------------------------------------------------- figures


def density_panel(system: RunSites, *, relative_level: float = 4.0) -> DensityPanel:
    """Return a run's panel of Figure 2.

    Parameters
    ----------
    system
        Of `analyse_sites`.
    relative_level
        Density at the isosurface over the mean density of the ions.
    """
    crystal = system.run.structure.phase == "crystal"
    repeats = (system.run.structure.supercell if crystal else 1,) * 3
    density = probability_density(
        system.trajectory,
        system.trajectory.cell,
        system.trajectory.symbols == "Li",
        spacing=0.35,
        repeats=repeats,
        smoothing=0.25,
    )
    surface = isosurface(density, relative_level * float(density.values.mean()))
    times = value_of_nearest_site(
        surface.vertices,
        system.analysis.centers,
        system.statistics.residence_time,
        system.trajectory.cell,
        repeats=repeats,
    )
    return DensityPanel(system.title, surface, times, density.cell)


def volume_panels(systems: Sequence[RunSites], *, accessible: bool) -> list[VolumePanel]:
    """Return the panels of Figure 5 (accessible volumes) or Figure 4 (static volumes)."""
    return [
        VolumePanel(
            title=system.title,
            volumes=system.accessible.fixed_samples if accessible else system.static_volume,
            residence_time=system.statistics.residence_time,
            types=system.kinds,
        )
        for system in systems
    ]


def survival_curves(systems: Sequence[RunSites]) -> dict[str, dict[str, Survival]]:
    """Return the survival of stays at the frequent kinds of site of each run."""
    curves: dict[str, dict[str, Survival]] = {}
    for system in systems:
        arrived = np.zeros(system.analysis.n_sites, dtype=bool)
        arrived[system.stays.site[system.stays.previous >= 0]] = True
        curves[system.title] = {
            kind: kaplan_meier(
                system.stays, system.trajectory.frame_interval_ps, system.kinds == kind
            )
            for kind in system.kind_names
            if arrived[system.kinds == kind].any()
        }
    return curves


def superbasin_scans(systems: Sequence[RunSites]) -> dict[str, SuperbasinScan]:
    """Return the scan of each run."""
    return {system.title: superbasin_scan(system.network) for system in systems}


def nearest_crystals(systems: Sequence[RunSites], volume_ratios: Sequence[float]) -> list[RunSites]:
    """Return the crystals whose volumes are nearest to some volume ratios, each once."""
    crystals = [system for system in systems if system.run.structure.phase == "crystal"]
    volumes = np.array([system.run.structure.volume_ratio for system in crystals])
    if not crystals:
        return []
    nearest = [int(np.abs(volumes - ratio).argmin()) for ratio in volume_ratios]
    return [crystals[index] for index in dict.fromkeys(nearest)]


CHOICES: tuple[dict[str, Any], ...] = (
    {"clustering": "dotprod", "assignment_threshold": 0.7},
    {"clustering": "dotprod", "assignment_threshold": 0.8},
    {"clustering": "dotprod", "assignment_threshold": 0.9},
    {"clustering": "dotprod", "assignment_threshold": 0.8, "clustering_threshold": 0.45},
    {"clustering": "dotprod", "assignment_threshold": 0.8, "clustering_threshold": 0.6},
    {"clustering": "mcl", "assignment_threshold": 0.5},
    {"clustering": "mcl", "assignment_threshold": 0.6},
)
"""Ways to analyse a run that `sensitivity` compares: arguments of `landmark_analysis`, where the
campaign's are to be replaced."""


def sensitivity(
    system: RunSites, settings: SiteSettings, choices: Sequence[dict[str, Any]] = CHOICES
) -> list[SensitivityPoint]:
    """Analyse a crystal in other ways, too.

    Parameters
    ----------
    system
        Of `analyse_sites`.
    settings
        For all else.
    choices
        Arguments of `landmark_analysis` for each analysis.
    """
    points = []
    cell, interval = system.trajectory.cell, system.trajectory.frame_interval_ps
    for choice in choices:
        sites = _landmark_analysis(system.trajectory, settings, **choice)
        stays = find_stays(sites.assignments, sites.n_sites)
        statistics = jump_statistics(stays, interval)
        returns = back_jumps(stays)
        diffusion = jump_diffusion(stays, sites.centers, cell, interval)
        kinds = garnet_types(sites.centers, cell, repeats=(system.run.structure.supercell,) * 3)
        values = {"number of sites": float(sites.n_sites)}
        errors = {}
        for kind in ("24d", "48g"):
            name = f"residence time {kind} (ps)"
            values[name], errors[name] = _residence_time(statistics, kinds == kind)
        values["back-jumps (%)"] = 100 * returns.fraction
        errors["back-jumps (%)"] = 100 * returns.standard_error
        name = "network D (10<sup>-5</sup> cm<sup>2</sup>/s)"
        values[name] = 1e5 * diffusion.coefficient
        errors[name] = 1e5 * diffusion.standard_error
        values["unassigned (%)"] = 100 * sites.unassigned_fraction
        method = choice["clustering"]
        if "clustering_threshold" in choice:
            method += f", joining at {choice['clustering_threshold']:g}"
        points.append(
            SensitivityPoint(system.title, method, choice["assignment_threshold"], values, errors)
        )
    return points


def strongest_flux(system: RunSites, axis: int = 0) -> str:
    """Name the kinds of site along the strongest net flux in a gradient along one axis."""
    path = flux_path(system.diffusion.net_flux[axis])
    return " → ".join(str(system.kinds[site]) for site in path) or "nothing flows"
