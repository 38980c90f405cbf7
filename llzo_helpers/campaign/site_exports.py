"""Sites and their network in files of other programs: VESTA, OVITO, Gephi, Cytoscape."""

import io

import ase
import networkx as nx
import numpy as np

from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.sites import RunSites


def network_as_graphml(network: "nx.DiGraph[int]") -> str:
    """Return a network as GraphML, which has only numbers and words: a vector is three numbers.

    What is not known, or infinite, is left out: Java reads neither "nan" nor "inf".
    """

    def flat(data: dict[str, object]) -> dict[str, object]:
        plain: dict[str, object] = {}
        for key, value in data.items():
            if isinstance(value, np.ndarray | tuple | list):
                plain |= {f"{key}_{axis}": float(part) for axis, part in zip("xyz", value)}  # noqa: B905
            else:
                plain[key] = value.item() if isinstance(value, np.generic) else value
        return {
            key: value
            for key, value in plain.items()
            if not isinstance(value, float) or np.isfinite(value)
        }

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from((node, flat(data)) for node, data in network.nodes(data=True))
    graph.add_edges_from((a, b, flat(data)) for a, b, data in network.edges(data=True))
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def _structure(system: RunSites) -> tuple[ase.Atoms, FloatArray, FloatArray]:
    """Return the mean framework and the sites, with occupancies and residence times (ps) [atom].

    An ion between sites counts where it last was, so that the composition is right. Framework atoms
    have occupancy 1 and residence time 0; a site that nobody left, infinity.
    """
    symbols = system.symbols
    sites = system.analysis
    atoms = ase.Atoms(
        # several kinds of ion share their sites: the first stands for all
        [*symbols[~system.mobile], *[symbols[system.mobile][0]] * sites.n_sites],
        positions=np.concatenate([sites.framework, sites.centres]),
        cell=sites.cell,
        pbc=True,
    )
    atoms.wrap()
    n_framework = len(sites.framework)
    occupancy = np.concatenate([np.ones(n_framework), system.statistics.occupancy])
    residence = np.concatenate([np.zeros(n_framework), system.statistics.residence_time_ps])
    return atoms, occupancy, residence


def sites_as_extxyz(system: RunSites) -> str:
    """Return sites in the mean framework as extended XYZ, with columns for OVITO to colour by."""
    from ase.io import write

    atoms, occupancy, residence = _structure(system)
    n_framework = len(atoms) - system.analysis.n_sites
    atoms.set_array("site", np.r_[np.full(n_framework, -1), np.arange(system.analysis.n_sites)])
    atoms.set_array("occupancy", occupancy)
    atoms.set_array("residence_time_ps", residence)
    text = io.StringIO()
    write(text, atoms, format="extxyz")
    return text.getvalue()


def sites_as_cif(system: RunSites) -> str:
    """Return sites in the mean framework as CIF, with their occupancy."""
    atoms, occupancy, residence = _structure(system)
    if atoms.cell.handedness < 0:
        # lengths and angles alone make a right-handed cell: the mirror image of a left-handed one
        atoms.set_cell(atoms.cell.array[[1, 0, 2]])
    a, b, c, alpha, beta, gamma = atoms.cell.cellpar()
    # letters and digits only: it names the block
    name = "".join(letter if letter.isalnum() else "_" for letter in system.run.name)
    lines = [
        f"data_{name}",
        f"_cell_length_a {a:.6f}",
        f"_cell_length_b {b:.6f}",
        f"_cell_length_c {c:.6f}",
        f"_cell_angle_alpha {alpha:.6f}",
        f"_cell_angle_beta {beta:.6f}",
        f"_cell_angle_gamma {gamma:.6f}",
        "_symmetry_space_group_name_H-M 'P 1'",
        "loop_",
        "_symmetry_equiv_pos_as_xyz",
        "'x, y, z'",
        "loop_",
        "_atom_site_label",
        "_atom_site_type_symbol",
        *(f"_atom_site_fract_{axis}" for axis in "xyz"),
        "_atom_site_occupancy",
        "_atom_site_residence_time_ps",
    ]
    for number, (atom, place) in enumerate(zip(atoms, atoms.get_scaled_positions(), strict=True)):
        x, y, z = place
        known = f"{residence[number]:.4g}" if np.isfinite(residence[number]) else "?"
        lines.append(
            f"{atom.symbol}{number} {atom.symbol} {x:.6f} {y:.6f} {z:.6f} "
            f"{occupancy[number]:.4f} {known}"
        )
    return "\n".join(lines) + "\n"
