"""Sites and networks of a run as files: written by notebook 04, read by 05."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from llzo_helpers.analysis.networks.resampling import Quantity, Uncertainty, bootstrap
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.model import AnyRun, Campaign
from llzo_helpers.campaign.site_exports import network_as_graphml, sites_as_cif, sites_as_extxyz
from llzo_helpers.campaign.site_tables import site_table
from llzo_helpers.campaign.sites import RunSites
from llzo_helpers.campaign.storage import DAMAGES, in_few_bits
from llzo_helpers.errors import InputError
from llzo_helpers.files import (
    read_json,
    read_record,
    require_sha256,
    sha256,
    write_json,
    write_text,
    written_aside,
)

_FILES = ("sites.csv", "network.json", "assignments.npz")


def save_sites(campaign: Campaign, system: RunSites) -> None:
    """Write a run's sites, network and assignments to `sites/<run>` in the campaign's folder.

    `sites.csv`: a row per site. `network.json`: networkx's node-link format. `assignments.npz`:
    assignments and confidences [frame, ion]. `provenance.json`: what made them. For other
    programs: `network.graphml`; `sites.cif` and `sites.extxyz`, the mean framework with the sites
    in it, their occupancy and residence time.
    """
    directory = campaign.directory / "sites" / system.run.name
    write_text(directory / "sites.csv", site_table(system).to_csv(index=False))
    write_json(directory / "network.json", network_as_json(system.network))
    write_text(directory / "network.graphml", network_as_graphml(system.network))
    write_text(directory / "sites.cif", sites_as_cif(system))
    write_text(directory / "sites.extxyz", sites_as_extxyz(system))
    with written_aside(directory / "assignments.npz") as aside, aside.open("wb") as file:
        np.savez_compressed(
            file,
            # numbers that others may calculate with
            assignments=in_few_bits(system.analysis.assignments, least=16),
            confidences=system.analysis.confidences.astype(np.float16),
            frame_interval_ps=system.frame_interval_ps,
            cell=system.analysis.cell,
        )
    write_json(
        directory / "provenance.json",
        {
            "run": system.run.name,
            "files": system.files,
            "n_frames": system.n_frames,
            "frame_interval_ps": system.frame_interval_ps,
            "settings": campaign.sites.model_dump(),
            "sha256": {name: sha256(directory / name) for name in _FILES},
            "versions": {name: version(name) for name in ("llzo-notebooks", "numpy", "scipy")},
        },
    )


def network_as_json(network: "nx.DiGraph[int]") -> dict[str, Any]:
    """Return a network in networkx's node-link format; `node_link_graph` reads it back."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray | tuple):
            return [plain(part) for part in value]
        if isinstance(value, np.generic):
            value = value.item()
        # JSON has no infinity: the residence time at a site that no ion left
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


@dataclass(frozen=True)
class SiteNetwork:
    """What notebook 04 wrote for a run: the site of each ion in each frame, and the network.

    Attributes
    ----------
    graph : networkx.DiGraph
        Sites and the jumps between them, see `llzo_helpers.analysis.sites.site_network`.
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


def has_network(campaign: Campaign, run: AnyRun) -> bool:
    """Return whether notebook 04 wrote a run's network."""
    return _provenance(campaign, run).is_file()


def _provenance(campaign: Campaign, run: AnyRun) -> Path:
    return campaign.directory / "sites" / run.name / "provenance.json"


def load_network(campaign: Campaign, run: AnyRun) -> SiteNetwork | None:
    """Return the network that notebook 04 found in a run; None if it was not analysed.

    Raises
    ------
    InputError
        If one of its files is missing, damaged or changed since.
    """
    provenance = _provenance(campaign, run)
    directory = provenance.parent
    if not provenance.is_file():
        return None
    record = read_record(provenance, {"sha256": dict})
    for name in _FILES:
        require_sha256(directory / name, str(record["sha256"].get(name)), _REMEDY)
    network, assigned = directory / "network.json", directory / "assignments.npz"
    try:
        graph: nx.DiGraph[int] = nx.DiGraph(nx.node_link_graph(read_json(network), edges="edges"))
    except (TypeError, LookupError, AttributeError, nx.NetworkXError) as error:
        raise InputError(f"{network}: no network ({str(error)[:60]}); {_REMEDY}") from None
    try:
        with np.load(assigned, allow_pickle=False) as data:
            assignments, interval = data["assignments"], float(data["frame_interval_ps"])
            cell = data["cell"]
    except DAMAGES as error:
        raise InputError(f"{assigned}: damaged ({str(error)[:60]}); {_REMEDY}") from None
    if (
        assignments.ndim != 2
        or assignments.dtype.kind != "i"
        or len(assignments) != record.get("n_frames", len(assignments))
        or not -1 <= assignments.min(initial=0) <= assignments.max(initial=0) < max(1, len(graph))
        or interval != record.get("frame_interval_ps", interval)
    ):
        raise InputError(f"{assigned}: does not belong to the sites in {network.name}; {_REMEDY}")
    return SiteNetwork(
        graph=graph,
        assignments=assignments,
        frame_interval_ps=interval,
        cell=cell,
    )


_REMEDY = "delete sites.csv of the campaign and run notebook 04 again"
