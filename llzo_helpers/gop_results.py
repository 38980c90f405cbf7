"""The tables and curves of notebook 05, put together from the runs of a campaign."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import ase
import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.connectivity import (
    RankCorrelation,
    algebraic_connectivity,
    effective_conductance,
    largest_component_fraction,
    rank_correlation,
)
from llzo_helpers.errors import InputError
from llzo_helpers.files import read_json
from llzo_helpers.gop import (
    dependence_on_sites,
    graph_order_parameter,
    rewired_order_parameters,
)
from llzo_helpers.neighbours import Frames
from llzo_helpers.order import (
    BondAngles,
    PairDistribution,
    bond_angles,
    coordination_numbers,
    first_minimum,
    pair_distributions,
)
from llzo_helpers.parameters import Campaign, Glass, OrderSettings, Run
from llzo_helpers.paths import DATA
from llzo_helpers.potentials import load_potential
from llzo_helpers.resampling import (
    Dependence,
    Quantity,
    Uncertainty,
    bootstrap,
    dependence_on_length,
)
from llzo_helpers.results import finished_runs, run_columns
from llzo_helpers.sites import (
    JumpStatistics,
    critical_rate,
    percolation,
)
from llzo_helpers.structure_map import (
    FRAMEWORK,
    CrystalReference,
    StructureMap,
    crystal_reference,
    groups_on_map,
    local_environments,
    structure_features,
    structure_map,
)
from llzo_helpers.trajectory import Trajectory, read_start
from llzo_helpers.vibration import (
    VibrationalDensityOfStates,
    vibrational_density_of_states_from_positions,
)

FloatArray = NDArray[np.float64]
Environments = dict[str, FloatArray]
"""Local environments [frame, atom, feature] by element."""

# Frames that averages over structures are taken from: more of them change nothing visible
FRAMES_FOR_PAIRS = 500
FRAMES_FOR_MAP = 12
FRAMES_OF_QUENCH = 26
COORDINATIONS = (("Zr", "O"), ("La", "O"), ("Li", "O"))


def compared_runs(campaign: Campaign) -> list[Run]:
    """Return the finished runs whose structures are compared: first replicas, one temperature."""
    return _by_volume(
        run
        for run in finished_runs(campaign)
        if run.temperature_K == campaign.order.temperature_K and run.structure.replica == 1
    )


def run_label(run: Run) -> str:
    """Return a short name of a run's system, the same for its replicas."""
    structure = run.structure
    label = (
        f"{structure.phase[0].upper()}-Li{structure.li_per_formula:g} "
        f"{100 * structure.volume_ratio:g} % {_short(run.md_potential)}"
    )
    if structure.glass:
        if structure.glass.structure_potential != run.md_potential:
            label += f" on {_short(structure.glass.structure_potential)}"
        label += f" ({structure.glass.melt_quench.name})"
    if structure.supercell > 1:
        label += " " + "x".join([str(structure.supercell)] * 3)
    return label


def _glass_label(glass: Glass) -> str:
    return f"{_short(glass.structure_potential)} ({glass.melt_quench.name})"


def _short(potential: str) -> str:
    return load_potential(potential).paper_label or potential


def _by_volume(runs: Iterable[Run]) -> list[Run]:
    """Return runs in the order in which figures show them."""
    return sorted(
        runs, key=lambda run: (run.structure.phase != "crystal", run.structure.volume_ratio)
    )


def thinned(trajectory: Trajectory, at_most: int) -> Iterator[NDArray[np.float32]]:
    """Go through evenly spaced frames of a trajectory, at most so many, in chunks."""
    stride = -(-len(trajectory) // at_most)
    begin = 0
    for chunk in trajectory.chunks(max(1, 64 // stride) * stride):
        yield chunk[-begin % stride :: stride]
        begin += len(chunk)


@dataclass(frozen=True)
class StructuralOrder:
    """Distances, neighbours and angles in the compared runs.

    Attributes
    ----------
    table : DataFrame
        A row per run, the content of `coordination.csv`: neighbours up to the first minimum
        of each pair distribution.
    pairs : dict
        Pair distributions by system and pair of elements.
    angles : dict of BondAngles
        O-Zr-O by system.
    """

    table: pd.DataFrame
    pairs: dict[str, dict[tuple[str, str], PairDistribution]]
    angles: dict[str, BondAngles]


def analyse_structures(campaign: Campaign) -> StructuralOrder:
    """Return distances, neighbours and angles in the compared runs."""
    rows, pairs, angles = [], {}, {}
    for run in compared_runs(campaign):
        trajectory = Trajectory(campaign.run_directory(run))
        frames = list(thinned(trajectory, FRAMES_FOR_PAIRS))
        species = trajectory.symbols.tolist()
        found = pair_distributions(frames, trajectory.cell, species, bin_width=0.05)
        pairs[run_label(run)] = found
        row = run_columns(run)
        for central, neighbour in COORDINATIONS:
            cutoff = first_minimum(found[central, neighbour])
            numbers = coordination_numbers(
                frames,
                trajectory.cell,
                species,
                central=central,
                neighbour=neighbour,
                cutoff=cutoff,
            )
            row |= {
                f"{central}_{neighbour}_cutoff_A": cutoff,
                f"{central}_{neighbour}_coordination": numbers.mean,
                f"{central}_{neighbour}_coordination_std": numbers.standard_error,
            }
        rows.append(row)
        angles[run_label(run)] = bond_angles(
            frames,
            trajectory.cell,
            species,
            central="Zr",
            neighbour="O",
            cutoff=row["Zr_O_cutoff_A"],
        )
    return StructuralOrder(pd.DataFrame(rows), pairs, angles)


def analyse_vibration(
    campaign: Campaign, element: str = "O"
) -> tuple[pd.DataFrame, dict[str, VibrationalDensityOfStates], dict[str, int]]:
    """Vibrational densities of states of the finished short runs.

    Returns
    -------
    table
        A row per run, the content of `vibration.csv`.
    spectra
        By system.
    n_atoms
        Number of atoms of the element, by system.
    """
    rows, spectra, n_atoms = [], {}, {}
    for run in _by_volume(campaign.vibration_runs):
        directory = campaign.vibration_directory(run)
        if campaign.vibration is None or not (directory / "summary.json").is_file():
            continue
        trajectory = Trajectory(directory)
        atoms = trajectory.atoms(element)
        spectrum = vibrational_density_of_states_from_positions(
            trajectory.positions(atoms),
            ase.Atoms(trajectory.symbols[atoms]).get_masses(),
            time_step=1000 * trajectory.frame_interval_ps,
            temperature=run.temperature_K,
            resolution=campaign.vibration.resolution_THz,
        )
        label = run_label(run)
        spectra[label], n_atoms[label] = spectrum, len(atoms)
        rows.append(
            {
                **run_columns(run),
                "element": element,
                "mean_frequency_THz": spectrum.mean_frequency,
                "mean_frequency_std_THz": spectrum.mean_frequency_error,
                "degrees_of_freedom_per_atom": spectrum.degrees_of_freedom / len(atoms),
                "resolution_THz": spectrum.resolution,
                "segments": spectrum.segments,
            }
        )
    return pd.DataFrame(rows), spectra, n_atoms


@dataclass(frozen=True)
class StructurePlaces:
    """Where the structures of a campaign and of the reference lie on one map.

    Attributes
    ----------
    of_map : StructureMap
        Made of the reference's frames, `data/reference_structures.npz`.
    reference, systems : dict
        Scores [frame, component] by structure of the reference and by system.
    quenches : dict of tuple
        Scores [frame, component] and temperatures [frame], K, of the reference's quench and of
        those of the campaign's glasses.
    reference_distances, distances : dict
        Distance from the crystal [frame, atom] by element, then as above.
    groups : DataFrame
        Number of frames of each system (rows) in each group found without labels.
    table : DataFrame
        A row per run, the content of `order.csv`.
    """

    of_map: StructureMap
    reference: dict[str, FloatArray]
    systems: dict[str, FloatArray]
    quenches: dict[str, tuple[FloatArray, FloatArray]]
    reference_distances: dict[str, dict[str, FloatArray]]
    distances: dict[str, dict[str, FloatArray]]
    groups: pd.DataFrame
    table: pd.DataFrame


def place_structures(campaign: Campaign, *, n_groups: int = 6) -> StructurePlaces:
    """Place the structures of a campaign's runs on the map of the reference.

    All are compared at the experimental density, so that strain shows by what it does to
    the arrangement of atoms. The distance is from the reference's crystal at 1100 K; a run
    counts as disordered as far as its atoms are further than 99 % of the crystal's.
    """
    reference = _Reference.read()
    systems = {}
    runs = compared_runs(campaign)
    for run in runs:
        trajectory = Trajectory(campaign.run_directory(run))
        frames = list(thinned(trajectory, FRAMES_FOR_MAP))
        systems[run_label(run)] = _environments(
            frames, trajectory.cell, trajectory.symbols.tolist(), reference.volume_per_atom
        )
    of_map = structure_map(np.concatenate(list(_features(reference.environments).values())))
    crystals = {
        element: crystal_reference(reference.environments[_CRYSTAL][element])
        for element in FRAMEWORK
    }
    quenched, temperatures = _campaign_quenches(campaign, reference.volume_per_atom)
    of_reference, of_systems, of_quenches = (
        {name: of_map.project(found) for name, found in _features(some).items()}
        for some in (reference.environments, systems, quenched)
    )
    groups = _groups(of_reference | of_quenches | of_systems, n_groups)
    quenches = {"quench": (of_reference.pop("quench"), reference.quench_temperatures)} | {
        name: (of_quenches[name], temperatures[name]) for name in of_quenches
    }
    return StructurePlaces(
        of_map=of_map,
        reference=of_reference,
        systems=of_systems,
        quenches=quenches,
        reference_distances=_distances(crystals, reference.environments),
        distances=_distances(crystals, systems),
        groups=groups,
        table=_order_table(
            runs,
            _distances(crystals, {_CRYSTAL: reference.environments[_CRYSTAL]}),
            _distances(crystals, systems),
        ),
    )


def _campaign_quenches(
    campaign: Campaign, volume_per_atom: float
) -> tuple[dict[str, Environments], dict[str, FloatArray]]:
    """Return environments and temperatures along the quenches of the campaign's glasses."""
    environments: dict[str, Environments] = {}
    temperatures: dict[str, FloatArray] = {}
    for glass in campaign.glasses:
        directory = campaign.glass_directory(glass) / "quench"
        protocol = glass.melt_quench
        if not (directory / "summary.json").is_file() or protocol.quench_K_ps is None:
            continue
        trajectory = Trajectory(directory, "quench")
        frames = list(thinned(trajectory, FRAMES_OF_QUENCH))
        label = f"quench, {_glass_label(glass)}"
        environments[label] = _environments(
            frames, trajectory.cell, trajectory.symbols.tolist(), volume_per_atom
        )
        temperatures[label] = np.linspace(
            protocol.hold_K, protocol.end_K, sum(map(len, frames)), dtype=np.float64
        )
    return environments, temperatures


def _features(environments: Mapping[str, Environments]) -> dict[str, FloatArray]:
    return {name: structure_features(list(found.values())) for name, found in environments.items()}


def _distances(
    crystals: Mapping[str, CrystalReference], environments: Mapping[str, Environments]
) -> dict[str, dict[str, FloatArray]]:
    return {
        element: {name: crystal.distance(found[element]) for name, found in environments.items()}
        for element, crystal in crystals.items()
    }


def _order_table(
    runs: list[Run],
    reference: dict[str, dict[str, FloatArray]],
    systems: dict[str, dict[str, FloatArray]],
) -> pd.DataFrame:
    """Return a row per run; distances are by element and system."""
    rows = []
    for run in runs:
        row: dict[str, Any] = run_columns(run)
        for element in FRAMEWORK:
            distances = systems[element][run_label(run)]
            ordered = np.quantile(reference[element][_CRYSTAL], 0.99)
            row[f"{element}_distance_median"] = float(np.median(distances))
            row[f"{element}_disordered"] = float(np.mean(distances > ordered))
        rows.append(row)
    return pd.DataFrame(rows)


def _groups(scores: dict[str, FloatArray], n_groups: int) -> pd.DataFrame:
    """Return how many frames of each system fall into each group found on the map."""
    groups = groups_on_map(np.concatenate(list(scores.values())), n_groups)
    names = np.repeat(list(scores), [len(found) for found in scores.values()])
    table = pd.crosstab(pd.Series(names, name="system"), pd.Series(groups + 1, name="group"))
    return table.loc[list(scores)]


_CRYSTAL = "crystal, 1100 K"
_REFERENCE_NAMES = {
    "crystal_300K": "crystal, 300 K",
    "crystal_1100K": _CRYSTAL,
    "compressed_86_1100K": "crystal, 86 %",
    "expanded_112_1100K": "crystal, 112 %",
    "expanded_117_1100K": "crystal, 117 %",
    "melt": "melt",
    "glass": "glass",
    "quench": "quench",
}


@dataclass(frozen=True)
class _Reference:
    """The frames of `data/reference_structures.npz`, as environments by system and element."""

    environments: dict[str, Environments]
    quench_temperatures: FloatArray
    volume_per_atom: float

    @classmethod
    def read(cls) -> "_Reference":
        with np.load(DATA / "reference_structures.npz", allow_pickle=False) as data:
            species = data["species"].tolist()
            volume = float(data["crystal_1100K_edge"]) ** 3 / len(species)
            return cls(
                environments={
                    label: _environments(
                        data[name], np.eye(3) * data[f"{name}_edge"], species, volume
                    )
                    for name, label in _REFERENCE_NAMES.items()
                },
                quench_temperatures=data["quench_temperature_K"].astype(float),
                volume_per_atom=volume,
            )


def _environments(
    frames: Frames, cell: ArrayLike, species: list[str], volume_per_atom: float
) -> Environments:
    return {
        element: local_environments(
            frames, cell, species, central=element, volume_per_atom=volume_per_atom
        )
        for element in FRAMEWORK
    }


@dataclass(frozen=True)
class SiteNetwork:
    """What notebook 04 has written of a run: who is at which site when, and the network.

    Attributes
    ----------
    graph : networkx.DiGraph
        Sites and the jumps between them, see `llzo_helpers.sites.site_network`.
    assignments : ndarray, shape [frame, ion]
        Site of each ion, -1 where unassigned.
    frame_interval_ps : float
        Time between frames.
    cell : ndarray, shape [vector, axis]
        Å.
    """

    graph: "nx.DiGraph[int]"
    assignments: NDArray[np.integer]
    frame_interval_ps: float
    cell: FloatArray

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.graph)

    def uncertain(self, quantity: Quantity, resamples: int, seed: int) -> Uncertainty:
        """Return a quantity of the network with its uncertainty."""
        return bootstrap(
            self.assignments,
            self.n_sites,
            self.frame_interval_ps,
            quantity,
            resamples=resamples,
            seed=seed,
        )


def load_network(campaign: Campaign, run: Run) -> SiteNetwork | None:
    """Return the network that notebook 04 has found in a run; None if it has not looked."""
    directory = campaign.directory / "sites" / run.name
    if not (directory / "provenance.json").is_file():
        return None
    with np.load(directory / "assignments.npz", allow_pickle=False) as data:
        return SiteNetwork(
            graph=nx.DiGraph(
                nx.node_link_graph(read_json(directory / "network.json"), edges="edges")
            ),
            assignments=data["assignments"],
            frame_interval_ps=float(data["frame_interval_ps"]),
            cell=read_start(campaign.run_directory(run)).cell.array,
        )


@dataclass(frozen=True)
class NetworkResults:
    """Order parameters and connectivity of the networks of jumps of a campaign.

    Attributes
    ----------
    table : DataFrame
        A row per run, the content of `gop.csv`. What follows is of first replicas, by system.
    by_sites, by_length : dict of Dependence
        theta (k = 3) of pieces of the network, and of windows of the trajectory (in frames).
    rewired : dict of ndarray, shape [draw]
        theta (k = 3) of random networks with the same degrees.
    frame_intervals_ps : dict of float
        Time between frames.
    graphs : dict of networkx.DiGraph
        The network.
    """

    table: pd.DataFrame
    by_sites: dict[str, Dependence]
    by_length: dict[str, Dependence]
    rewired: dict[str, FloatArray]
    frame_intervals_ps: dict[str, float]
    graphs: dict[str, "nx.DiGraph[int]"]

    @property
    def first_replicas(self) -> pd.DataFrame:
        """The rows of `table` of first replicas."""
        return self.table[self.table["replica"] == 1]


def analyse_networks(campaign: Campaign, diffusion: pd.DataFrame) -> NetworkResults:
    """Order parameters and connectivity of all networks that notebook 04 has written.

    Parameters
    ----------
    campaign
        The campaign.
    diffusion
        The content of `diffusion.csv`.

    Raises
    ------
    InputError
        If there is no network in which ions jump.
    """
    rows = []
    results = NetworkResults(pd.DataFrame(), {}, {}, {}, {}, {})
    for run in _by_volume(finished_runs(campaign)):
        network = load_network(campaign, run)
        if network is None or not network.graph.number_of_edges():
            continue
        label, seed = run_label(run), campaign.seed_of(f"gop {run.name}")
        rows.append(
            {"system": label} | run_columns(run) | _network_columns(network, campaign.order, seed)
        )
        if run.structure.replica > 1:
            continue
        connected = len(max(nx.weakly_connected_components(network.graph), key=len))
        sizes = [size for size in (5, 10, 20, 50, 100, 200, 500) if size < connected]
        n_frames = len(network.assignments)
        results.graphs[label] = network.graph
        results.frame_intervals_ps[label] = network.frame_interval_ps
        results.rewired[label] = rewired_order_parameters(network.graph, draws=5, seed=seed)
        results.by_sites[label] = dependence_on_sites(
            network.graph, sizes=[*sizes, connected], seed=seed
        )
        results.by_length[label] = dependence_on_length(
            network.assignments,
            network.n_sites,
            network.frame_interval_ps,
            theta,
            lengths=sorted({max(2, n_frames // parts) for parts in (32, 16, 8, 4, 2, 1)}),
        )
    if not rows:
        raise InputError(
            f"{campaign.directory / 'sites'}: no network in which ions jump; run notebook 04, or "
            "longer or hotter runs"
        )
    tracer = diffusion[["run", "tracer_D_cm2_s", "tracer_D_std_cm2_s"]]
    return replace(results, table=pd.DataFrame(rows).merge(tracer, on="run", how="left"))


def theta(statistics: JumpStatistics, exponent: int = 3) -> float:
    """Return the graph order parameter; 0, that of isolated sites, where nothing jumped."""
    if not np.any(statistics.rates):
        return 0.0
    return graph_order_parameter(statistics.p_ij, exponent=exponent).value


def _network_columns(network: SiteNetwork, settings: OrderSettings, seed: int) -> dict[str, float]:
    """Return the columns of `gop.csv` that describe a network."""

    def binned(statistics: JumpStatistics) -> float:
        if not np.any(statistics.rates):
            return 0.0
        return graph_order_parameter(statistics.p_ij, bins=settings.bins).normalised

    cubed = network.uncertain(theta, settings.resamples, seed)
    simple = network.uncertain(partial(theta, exponent=1), settings.resamples, seed)
    normalised = network.uncertain(binned, settings.resamples, seed)
    clusters = percolation(network.graph)
    conductance = effective_conductance(network.graph, network.cell)
    d_x, d_y, d_z = np.diag(conductance.diffusivity)
    return {
        "n_sites": network.n_sites,
        "n_jumps": int(network.graph.size(weight="jumps")),
        "gop_k1": simple.value,
        "gop_k1_std": simple.standard_error,
        "gop_k3": cubed.value,
        "gop_k3_std": cubed.standard_error,
        "gop_k3_resampling_shift": cubed.resampling_shift,
        "gop_k3_counting_limit": graph_order_parameter(network.graph).counting_limit,
        "gop_binned": normalised.value,
        "gop_binned_std": normalised.standard_error,
        "largest_component": largest_component_fraction(network.graph),
        "percolation_rank": clusters[0].rank,
        "critical_rate_per_ps": critical_rate(network.graph),
        "algebraic_connectivity_per_ps": algebraic_connectivity(network.graph),
        "network_D_cm2_s": conductance.mean_diffusivity,
        "network_D_x_cm2_s": d_x,
        "network_D_y_cm2_s": d_y,
        "network_D_z_cm2_s": d_z,
    }


PREDICTORS = {
    "gop_k3": "order parameter, k = 3",
    "gop_k1": "order parameter, k = 1",
    "gop_binned": "order parameter, binned, normalised",
    "largest_component": "largest component",
    "critical_rate_per_ps": "critical rate",
    "algebraic_connectivity_per_ps": "algebraic connectivity",
    "network_D_cm2_s": "conductance of the network",
}
"""Measures of the network that may foretell D, by column of `gop.csv`."""


def correlate_with_diffusion(table: pd.DataFrame) -> dict[str, RankCorrelation]:
    """Return the rank correlation of each measure with D, by its name.

    A measure that is the same in all systems, and any measure of fewer than five systems,
    is left out.
    """
    known = table[np.isfinite(table["tracer_D_cm2_s"])]
    if len(known) < 5:
        return {}
    return {
        name: rank_correlation(known[column], known["tracer_D_cm2_s"])
        for column, name in PREDICTORS.items()
        if known[column].nunique() > 1
    }


def correlation_table(correlations: Mapping[str, RankCorrelation]) -> pd.DataFrame:
    """Return the content of `predictors.csv`, the strongest first."""
    rows = [
        {
            "measure": name,
            "rank_correlation": found.coefficient,
            "interval_low": found.interval[0],
            "interval_high": found.interval[1],
            "p_value": found.p_value,
            "systems": found.n,
        }
        for name, found in correlations.items()
    ]
    columns = ["measure", "rank_correlation", "interval_low", "interval_high", "p_value", "systems"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("rank_correlation", key=np.abs, ascending=False)
