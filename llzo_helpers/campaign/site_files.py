"""Sites and networks of a run as files: written by notebook 04, read by 05."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from llzo_helpers.analysis.networks.resampling import Quantity, Uncertainty, bootstrap
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.campaign.sites import RunSites, site_table
from llzo_helpers.campaign.tables import save_table
from llzo_helpers.files import read_json, sha256, write_json, written_aside
from llzo_helpers.md.folder import read_start


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


def load_network(campaign: Campaign, run: Run) -> SiteNetwork | None:
    """Return the network that notebook 04 found in a run; None if it was not analysed."""
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
