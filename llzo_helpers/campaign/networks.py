"""Order parameters and connectivity of the networks of jumps of a campaign."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from llzo_helpers.analysis.networks.connectivity import (
    RankCorrelation,
    algebraic_connectivity,
    effective_conductance,
    largest_component_fraction,
    rank_correlation,
)
from llzo_helpers.analysis.networks.gop import (
    dependence_on_sites,
    graph_order_parameter,
    rewired_order_parameters,
)
from llzo_helpers.analysis.networks.resampling import Dependence, dependence_on_length
from llzo_helpers.analysis.sites import (
    JumpStatistics,
    critical_rate,
    hop_vectors,
    network_diffusion,
    percolation,
)
from llzo_helpers.analysis.sites.kinetics import ANGSTROM2_PER_PS, exchange_frequencies
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.kept import kept_path, of_each
from llzo_helpers.campaign.labels import run_labels
from llzo_helpers.campaign.model import AnyRun, Campaign, by_volume
from llzo_helpers.campaign.settings import OrderSettings
from llzo_helpers.campaign.site_files import SiteNetwork, has_network, load_network
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS, run_columns
from llzo_helpers.errors import InputError


@dataclass(frozen=True)
class NetworkResults:
    """Order parameters and connectivity of the networks of jumps of a campaign.

    Attributes
    ----------
    table : DataFrame
        A row per run, the content of `gop.csv`. The other attributes are those of first replicas,
        by system.
    by_sites, by_length : dict of Dependence
        theta (k = 3) of pieces of the network, and of windows of the trajectory (in frames).
    rewired : dict of ndarray, shape [draw]
        theta (k = 3) of random networks with the same degrees.
    frame_intervals_ps : dict of float
        Time between frames.
    probabilities : dict of ndarray, shape [from, to]
        Of a jump from the first site to the second, per frame.
    """

    table: pd.DataFrame
    by_sites: dict[str, Dependence]
    by_length: dict[str, Dependence]
    rewired: dict[str, FloatArray]
    frame_intervals_ps: dict[str, float]
    probabilities: dict[str, FloatArray]

    @property
    def first_replicas(self) -> pd.DataFrame:
        """The rows of `table` of first replicas."""
        return self.table[self.table["replica"] == 1]


def analyse_networks(campaign: Campaign, diffusion: pd.DataFrame) -> NetworkResults:
    """Order parameters and connectivity of all networks that notebook 04 wrote.

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
    runs = [
        run
        for run in by_volume(campaign.analysed_site_runs)
        if kept_path(campaign, "network", run).is_file() or has_network(campaign, run)
    ]
    labels = run_labels(campaign.analysed_site_runs)
    here = [has_network(campaign, run) for run in runs]
    found = of_each(campaign, "network", _analyse_network, runs, here)
    networks = [network for network in found if network is not None]
    if not networks:
        raise InputError(
            f"{campaign.directory / 'sites'}: no network in which ions jump; run notebook 04, or "
            "make longer or hotter runs"
        )
    first = {
        labels[network.row["run"]]: network for network in networks if network.row["replica"] == 1
    }
    rows = [{"system": labels[network.row["run"]], **network.row} for network in networks]
    bound = ["upper_bound", "tracer_D_limit_cm2_s"]
    tracer = diffusion[["run", "tracer_D_cm2_s", "tracer_D_std_cm2_s", *bound]]
    return NetworkResults(
        table=pd.DataFrame(rows).merge(tracer, on="run", how="left"),
        by_sites={label: network.by_sites for label, network in first.items()},
        by_length={label: network.by_length for label, network in first.items()},
        rewired={label: network.rewired for label, network in first.items()},
        frame_intervals_ps={label: network.frame_interval_ps for label, network in first.items()},
        probabilities={label: network.probabilities for label, network in first.items()},
    )


@dataclass(frozen=True)
class _RunNetwork:
    """What `NetworkResults` holds of one run."""

    row: dict[str, Any]
    by_sites: Dependence
    by_length: Dependence
    rewired: FloatArray
    frame_interval_ps: float
    probabilities: FloatArray


def _analyse_network(campaign: Campaign, run: AnyRun) -> _RunNetwork | None:
    """Return what there is to know of a run's network; None if no ion jumps in it."""
    network = load_network(campaign, run)
    if network is None or not network.graph.number_of_edges():
        return None
    seed = campaign.seed_of(f"gop {run.name}")
    connected = len(max(nx.weakly_connected_components(network.graph), key=len))
    sizes = [size for size in (5, 10, 20, 50, 100, 200, 500) if size < connected]
    n_frames = len(network.assignments)
    return _RunNetwork(
        row=run_columns(run) | _network_columns(network, campaign.order, seed),
        by_sites=dependence_on_sites(network.graph, sizes=[*sizes, connected], seed=seed),
        by_length=dependence_on_length(
            network.assignments,
            network.n_sites,
            network.frame_interval_ps,
            theta,
            lengths=sorted({max(2, n_frames // parts) for parts in (32, 16, 8, 4, 2, 1)}),
        ),
        rewired=rewired_order_parameters(network.graph, draws=5, seed=seed),
        frame_interval_ps=network.frame_interval_ps,
        probabilities=nx.to_numpy_array(network.graph, weight="probability"),
    )


def theta(statistics: JumpStatistics, exponent: int = 3) -> float:
    """Return the graph order parameter; without jumps it is 0, that of isolated sites."""
    if not np.any(statistics.rates_per_ps):
        return 0.0
    return graph_order_parameter(statistics.p_ij, exponent=exponent).value


def network_diffusivity(network: SiteNetwork) -> Callable[[JumpStatistics], float]:
    """Return what gives D on the sites of a network with other numbers of jumps, cm2/s."""
    centres = np.array([position for _, position in network.graph.nodes(data="position")])
    connected = nx.to_numpy_array(network.graph, weight="jumps") > 0
    vectors = hop_vectors(centres, network.cell, connected | connected.T)

    def diffusivity(statistics: JumpStatistics) -> float:
        tensor = network_diffusion(exchange_frequencies(statistics), vectors)[0]
        return float(np.trace(tensor) / 3 * ANGSTROM2_PER_PS)

    return diffusivity


def _network_columns(network: SiteNetwork, settings: OrderSettings, seed: int) -> dict[str, float]:
    """Return the columns of `gop.csv` that describe a network."""

    def binned(statistics: JumpStatistics) -> float:
        if not np.any(statistics.rates_per_ps):
            return 0.0
        return graph_order_parameter(statistics.p_ij, bins=settings.bins).normalised

    cubed = network.uncertain(theta, settings.resamples, seed)
    simple = network.uncertain(partial(theta, exponent=1), settings.resamples, seed)
    normalised = network.uncertain(binned, settings.resamples, seed)
    clusters = percolation(network.graph)
    diffusivity = network.uncertain(network_diffusivity(network), settings.resamples, seed)
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
        "network_D_std_cm2_s": diffusivity.standard_error,
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
"""Measures of the network that may predict D, by column of `gop.csv`."""


OVER = {"all systems": None, "glasses": "amorphous", "crystals": "crystal"}
"""What correlations are taken over, and its phase."""
_FEWEST = 5
"""Systems for a correlation."""


def correlate_with_diffusion(
    table: pd.DataFrame, departed: Collection[str] = ()
) -> dict[str, dict[str, RankCorrelation]]:
    """Return the rank correlation of each measure with D, over all systems and over each phase.

    Parameters
    ----------
    table
        Of `analyse_networks`.
    departed
        Runs with a framework that is not what their phase says, such as a crystal that amorphised:
        they count among all systems, but in no phase.

    Returns
    -------
    dict
        By what it is over (`OVER`), then by the measure's name. Replicas count once, with their
        means; of several supercells that with most systems counts, because some measures grow with
        the cell. A measure that is the same in all systems is left out, as is what has fewer than
        five systems.
    """
    known = table[np.isfinite(table["tracer_D_cm2_s"])]
    usual = known[~known["run"].isin(departed)]
    found = {}
    for over, phase in OVER.items():
        rows = _systems(known if phase is None else usual[usual["phase"] == phase])
        if len(rows) >= _FEWEST:
            found[over] = {
                name: rank_correlation(rows[column], rows["tracer_D_cm2_s"])
                for column, name in PREDICTORS.items()
                if rows[column].nunique() > 1
            }
    return found


def _systems(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the replicas of each system, of the supercell with most systems."""
    keys = [*SYSTEM_COLUMNS, "temperature_K"]
    numbers = [*PREDICTORS, "tracer_D_cm2_s"]
    systems = runs.groupby(keys, dropna=False, sort=False)[numbers].mean().reset_index()
    sizes = systems["supercell"].fillna(0)
    return systems[sizes == sizes.mode().iloc[0]] if len(systems) else systems


def correlation_table(
    correlations: Mapping[str, Mapping[str, RankCorrelation]],
) -> pd.DataFrame:
    """Return the content of `predictors.csv`, the strongest first."""
    rows = [
        {
            "measure": name,
            "over": over,
            "rank_correlation": correlation.coefficient,
            "interval_low": correlation.interval[0],
            "interval_high": correlation.interval[1],
            "p_value": correlation.p_value,
            "systems": correlation.n,
        }
        for over, measures in correlations.items()
        for name, correlation in sorted(
            measures.items(), key=lambda item: -abs(item[1].coefficient)
        )
    ]
    columns = ["measure", "over", "rank_correlation", "interval_low", "interval_high", "p_value"]
    return pd.DataFrame(rows, columns=[*columns, "systems"])
