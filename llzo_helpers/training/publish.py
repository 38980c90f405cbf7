"""From a trained network to a folder of `potentials/`, and its labels to a file of `data/`."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
import pandas as pd
import yaml
from ase.calculators.singlepoint import SinglePointCalculator

from llzo_helpers.files import write_text, written_aside
from llzo_helpers.garnet import ELEMENTS
from llzo_helpers.potentials import Potential
from llzo_helpers.training.label import label_path, write_label
from llzo_helpers.training.rounds import (
    SELECTED,
    fitted_labels,
    read_selected,
    write_potential_lmp,
    write_selected,
)
from llzo_helpers.training.sample import shortest_distances
from llzo_helpers.training.settings import Training

_INFO = ("phase", "li_per_formula", "volume_ratio", "temperature_K", "seed", "perturbed")


def publish(
    network: Path,
    directory: Path,
    training: Training,
    labelled: Sequence[ase.Atoms],
    reference: Potential,
    tables: dict[str, pd.DataFrame],
) -> None:
    """Write a folder of `potentials/`.

    Parameters
    ----------
    network
        Folder of the member of the committee that becomes the potential.
    directory
        Receives n2p2's files, `potential.lmp`, `potential.yaml` and the tables.
    training
        How it was made; defines the trusted range.
    labelled
        The labelled structures; those that are valid, held out or not, define the shortest
        distances.
    reference
        What it was fitted to; provides citations.
    tables
        Errors and the like, by name of their file (without `.csv`).
    """
    directory.mkdir(parents=True, exist_ok=True)
    for path in sorted(network.iterdir()):
        if path.name == "input.nn" or path.suffix == ".data":
            with written_aside(directory / path.name) as aside:
                shutil.copy(path, aside)
    write_potential_lmp(directory, training.repulsion)
    phases = training.sampling.phases
    contents = [x for phase in phases for x in phase.li_per_formula]
    volumes = [v for phase in phases for v in phase.volume_ratio]
    temperatures = [t for phase in phases for t in phase.temperature_K]
    keys = {
        "description": f"Neural network (HDNNP, types 2 and 9) fitted to {reference.name}; "
        "a stand-in for the paper's ML potential, which is not public",
        "kind": "hdnnp",
        "elements": list(ELEMENTS),
        "units": "metal",
        "paper_label": "ML",
        "citation": [
            f"This project, notebook 00: {len(labelled)} structures labelled by {reference.name}",
            *reference.citation,
        ],
        "licence": "MIT",
        "trusted_range": {
            "li_per_formula": [min(contents), max(contents)],
            "volume_ratio": [min(volumes), max(volumes)],
            "temperature_K": [300.0, max(temperatures)],
            "shortest_distance_A": shortest_distances(fitted_labels(training, labelled)),
        },
    }
    text = yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=100)
    write_text(directory / "potential.yaml", "# Written by notebook 00\n" + text)
    for name, table in tables.items():
        with written_aside(directory / f"{name}.csv") as aside:
            table.to_csv(aside, index=False, float_format="%.5g")


def pack_labels(directory: Path, path: Path) -> None:
    """Write the labelled structures of all rounds to one compressed file.

    Parameters
    ----------
    directory
        Of the training.
    path
        The file; `unpack_labels` gives rounds and labels back.
    """
    rounds = sorted(directory.glob(f"round_*/{SELECTED}"))
    numbers, labelled = [], []
    for selected in rounds:
        for atoms in read_selected(selected.parent):
            if (label := label_path(directory / "labels", atoms)).is_file():
                numbers.append(int(selected.parent.name.removeprefix("round_")))
                labelled.append(ase.io.read(label))
    content: dict[str, Any] = {
        "round": np.array(numbers),
        "n_atoms": np.array([len(a) for a in labelled]),
        "numbers": np.concatenate([a.numbers for a in labelled]).astype(np.uint8),
        "cells": np.array([a.cell.array for a in labelled]),
        "positions": np.concatenate([a.positions for a in labelled]),
        "energies": np.array([a.get_potential_energy() for a in labelled]),
        "forces": np.concatenate([a.get_forces() for a in labelled]).astype(np.float32),
        "stresses": np.array([a.get_stress() for a in labelled]),
    }
    content |= {key: np.array([a.info.get(key, "no") for a in labelled]) for key in _INFO}
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, **content)


def unpack_labels(path: Path, directory: Path) -> None:
    """Write back what `pack_labels` packed, so that a training starts where that one ended.

    Rounds that `directory` already has are not changed.
    """
    with np.load(path, allow_pickle=False) as data:
        content = {key: data[key] for key in data.files}
    ends = np.cumsum(content["n_atoms"])
    rounds: dict[int, list[ase.Atoms]] = {}
    for k, end in enumerate(ends):
        own = slice(end - content["n_atoms"][k], end)
        atoms = ase.Atoms(
            content["numbers"][own],
            content["positions"][own],
            cell=content["cells"][k],
            pbc=True,
            info={key: content[key][k].item() for key in _INFO},
        )
        atoms.calc = SinglePointCalculator(
            atoms,
            energy=float(content["energies"][k]),
            forces=content["forces"][own].astype(float),
            stress=content["stresses"][k],
        )
        rounds.setdefault(int(content["round"][k]), []).append(atoms)
    for number, structures in rounds.items():
        folder = directory / f"round_{number}"
        if (folder / SELECTED).is_file():
            continue
        for atoms in structures:
            write_label(directory / "labels", atoms)
        for atoms in structures:
            atoms.calc = None
        write_selected(folder, structures)
