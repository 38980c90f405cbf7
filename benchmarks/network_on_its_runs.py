"""Errors of a network on the runs of a campaign, against its reference; run by hand.

    python benchmarks/network_on_its_runs.py reference

A network is fitted to structures that earlier networks met; in a run of its own it may come to
others, where it is wrong. So frames of each run that is moved by the network, and the
glasses that it has made, are calculated with the reference (which needs `pip install .[train]`):
the difference of energies, and the root mean square error of forces by element. Seconds per frame
of one cell, on one core.
"""

import argparse
from collections.abc import Iterator

import ase
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from llzo_helpers.campaign.kept import has_frames
from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.generate.framework import oxygen_bonds
from llzo_helpers.hdnnp.calculator import HDNNPCalculator
from llzo_helpers.potentials import load_potential, make_calculator
from llzo_helpers.structures import read_structure


def structures(campaign: Campaign, network: str, n_frames: int) -> Iterator[tuple[str, ase.Atoms]]:
    """Yield the name and the atoms of the glasses of a network, and of frames of its runs."""
    seen = set()
    for run in campaign.finished_runs:
        if run.md_potential != network:
            continue
        if run.structure.structure_potential == network and run.structure.name not in seen:
            seen.add(run.structure.name)
            yield run.structure.name, read_structure(campaign.structure_directory(run.structure))
        if has_frames(campaign.run_directory(run)):
            trajectory = campaign.trajectory(run)
            for number, frame in enumerate(trajectory.thinned(n_frames)):
                atoms = ase.Atoms(trajectory.symbols, frame, cell=trajectory.cell, pbc=True)
                yield f"{run.name}, {number}", atoms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaign")
    parser.add_argument("--network", default="hdnnp_sevennet0")
    parser.add_argument("--reference", default="sevennet0")
    parser.add_argument("--frames", type=int, default=2, help="of each run")
    arguments = parser.parse_args()
    network = HDNNPCalculator(load_potential(arguments.network).directory)
    reference = make_calculator(load_potential(arguments.reference))
    rows = []
    campaign = load_campaign(arguments.campaign)
    named = structures(campaign, arguments.network, arguments.frames)
    for name, atoms in tqdm(named, unit="structure"):
        energy, forces = (
            [getattr(calculator, f"get_{what}")(atoms) for calculator in (network, reference)]
            for what in ("potential_energy", "forces")
        )
        error = forces[0] - forces[1]
        row = {
            "structure": name,
            "bonded oxygen (pairs)": oxygen_bonds(atoms),
            "energy (meV/atom)": 1000 * (energy[0] - energy[1]) / len(atoms),
        }
        for element in load_potential(arguments.network).elements:
            of_element = error[atoms.symbols == element]
            row[f"{element} (eV/Å)"] = float(np.sqrt(np.mean(of_element**2)))
        rows.append(row)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
