"""From `training.yaml` to a network: sample, label, fit, and again where the network is unsure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np
import pandas as pd
import yaml
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from llzo_helpers.files import write_json, write_text, written_aside
from llzo_helpers.hdnnp import HDNNP, HDNNPCalculator
from llzo_helpers.hdnnp.files import read_potential
from llzo_helpers.hdnnp.train.descriptors import FunctionTable, tabulate
from llzo_helpers.hdnnp.train.fit import fit_committee, is_held_out
from llzo_helpers.hdnnp.train.functions import choose_functions
from llzo_helpers.hdnnp.train.label import label
from llzo_helpers.hdnnp.train.sample import perturbed, sample
from llzo_helpers.hdnnp.train.settings import Training
from llzo_helpers.hdnnp.train.validate import errors, parity
from llzo_helpers.hdnnp.train.write import write_network
from llzo_helpers.potentials import load_potential
from llzo_helpers.structures import ELEMENTS

_POTENTIAL_LMP = """\
# Where LAMMPS has no ML-HDNNP, llzo_helpers.md.callback gives the forces instead.
pair_style hdnnp {cutoff:g} dir ${{potential}} showew no showewsum 1000 resetew yes &
           maxew 100000000 cflength 1.0 cfenergy 1.0
pair_coeff * * {elements}
"""


@dataclass(frozen=True)
class Disagreement:
    """How far the members of a committee are apart over structures.

    Attributes
    ----------
    forces
        For each structure the largest standard deviation of an atom's force, eV/Å.
    extrapolations
        For each structure the symmetry functions outside the range of the training data.
    """

    forces: NDArray[np.float64]
    extrapolations: NDArray[np.int64]


def train(training: Training, directory: Path, calculator: Callable[[], Calculator]) -> Path:
    """Go through all rounds, or go on where that stopped.

    Parameters
    ----------
    training
        What to make.
    directory
        Receives `labels/`, a folder for each round and `final/`.
    calculator
        Makes the reference; called when there is something to label.

    Returns
    -------
    Path
        Folder with the committee of the last fit, `member_N/`, the best first.
    """
    labelled = first_round(training, directory, calculator)
    for number in range(1, training.rounds.number + 1):
        labelled += further_round(training, directory, number, labelled, calculator)
    return fit(training, directory, "final", labelled, epochs=training.fit.epochs)


def first_round(
    training: Training, directory: Path, calculator: Callable[[], Calculator]
) -> list[ase.Atoms]:
    """Sample with the classical potential, perturb some frames, label."""
    candidates = sample(
        directory / "round_0",
        training.sampling,
        load_potential(training.sampling.potential),
        seed=training.seed,
    )
    rng = np.random.default_rng(training.seed)
    chosen = rng.permutation(len(candidates))[: training.rounds.first]
    frames = [
        perturbed(candidates[k], training.sampling, seed=training.seed + int(k)) for k in chosen
    ]
    return label(_selected(directory / "round_0", frames), directory / "labels", calculator)


def further_round(
    training: Training,
    directory: Path,
    number: int,
    labelled: list[ase.Atoms],
    calculator: Callable[[], Calculator],
) -> list[ase.Atoms]:
    """Fit what there is, run molecular dynamics with it, label where it is least sure."""
    folder = directory / f"round_{number}"
    epochs = training.fit.round_epochs
    committee = fit(training, directory, f"round_{number}/fit", labelled, epochs=epochs)
    seed = training.seed + 10_000 * number
    potential = load_potential("member_0", committee)
    candidates = sample(folder, training.sampling, potential, seed=seed, further=True)
    if not (folder / "selected.extxyz").is_file():
        members = [committee / f"member_{m}" for m in range(training.fit.committee)]
        found = disagreement(candidates, members)
        chosen = choose_frames(candidates, found, training.rounds.each)
        write_json(
            folder / "disagreement.json",
            {
                "candidates": len(candidates),
                "median_eV_A": float(np.median(found.forces)),
                "chosen_median_eV_A": float(np.median(found.forces[chosen])),
                "extrapolating_candidates": int((found.extrapolations > 0).sum()),
            },
        )
        candidates = [candidates[k] for k in chosen]
    return label(_selected(folder, candidates), directory / "labels", calculator)


def _selected(folder: Path, frames: list[ase.Atoms]) -> list[ase.Atoms]:
    """Write the frames that are to be labelled, once; and read them, as they will be again."""
    path = folder / "selected.extxyz"
    if not path.is_file():
        with written_aside(path) as aside:
            ase.io.write(aside, frames, format="extxyz")
    return list(ase.io.read(path, ":"))


def disagreement(structures: Sequence[ase.Atoms], members: Sequence[Path]) -> Disagreement:
    """Evaluate structures with all members of a committee, given by their folders."""
    networks = [HDNNP(folder) for folder in members]
    spread, outside = [], []
    for atoms in structures:
        elements = networks[0].element_numbers(atoms.get_chemical_symbols())
        results = [
            network.evaluate(atoms.positions, atoms.cell.array, atoms.pbc, elements)
            for network in networks
        ]
        deviation = np.std([result.forces for result in results], axis=0)
        spread.append(np.linalg.norm(deviation, axis=1).max())
        outside.append(sum(results[0].extrapolations.values()))
    return Disagreement(np.array(spread), np.array(outside))


def choose_frames(
    candidates: Sequence[ase.Atoms], found: Disagreement, number: int
) -> NDArray[np.intp]:
    """Choose the frames to label: extrapolating or most disputed, not too many of one run.

    A run gives at most three times its share, so that one condition that the network does not
    know doesn't take the whole round.
    """
    runs = np.array([f"{a.info['phase']} {a.info['seed']}" for a in candidates])
    limit = max(1, round(3 * number / len(set(runs))))
    # far enough outside, disagreement says no more how far: extrapolation comes first
    order = np.lexsort((-found.forces, found.extrapolations == 0))
    taken: dict[str, int] = {}
    chosen: list[int] = []
    for k in order:
        if len(chosen) < number and taken.get(runs[k], 0) < limit:
            taken[runs[k]] = taken.get(runs[k], 0) + 1
            chosen.append(k)
    return np.array(chosen)


def fit(
    training: Training, directory: Path, name: str, labelled: list[ase.Atoms], *, epochs: int
) -> Path:
    """Fit a committee and write it, unless that is done; return its folder."""
    folder = directory / name
    if (folder / "history.csv").is_file():
        return folder
    table = _function_table(training, directory)
    committee = fit_committee(labelled, table, training.fit, epochs=epochs, seed=training.seed)
    last = committee.history[committee.history.epoch == epochs]
    order = last.sort_values("force_held_out").member
    for rank, member in enumerate(order):
        target = folder / f"member_{rank}"
        write_network(committee, int(member), target)
        _write_member_files(target, name)
    with written_aside(folder / "history.csv") as aside:
        committee.history.to_csv(aside, index=False)
    return folder


def write_potential_lmp(directory: Path) -> None:
    """Write the `potential.lmp` of a network."""
    cutoff = read_potential(directory).cutoff_radius
    text = _POTENTIAL_LMP.format(cutoff=cutoff + 0.01, elements=" ".join(ELEMENTS))
    write_text(directory / "potential.lmp", text)


def _write_member_files(directory: Path, fit_name: str) -> None:
    """Make a member of a committee a potential, so that molecular dynamics runs with it."""
    write_potential_lmp(directory)
    keys = {
        "description": f"Member of the committee {fit_name}, for sampling only",
        "kind": "hdnnp",
        "elements": list(ELEMENTS),
        "citation": ["this project, notebook 00"],
        "licence": "MIT",
    }
    write_text(directory / "potential.yaml", yaml.safe_dump(keys, sort_keys=False))


def _function_table(training: Training, directory: Path) -> FunctionTable:
    """The symmetry functions, chosen by frames of the first round; the same in all rounds."""
    candidates = ase.io.read(directory / "round_0" / "candidates.extxyz", ":")
    rng = np.random.default_rng(training.seed)
    n = min(training.rounds.structures_for_functions, len(candidates))
    frames = [candidates[k] for k in rng.choice(len(candidates), n, replace=False)]
    return tabulate(choose_functions(training.functions, frames))


def learning_curve(training: Training, directory: Path, labelled: list[ase.Atoms]) -> pd.DataFrame:
    """Errors of the best member after each round, on all held-out structures of the end.

    Returns
    -------
    pandas.DataFrame
        A row per fit and phase: `fit`, `labels` (structures labelled by then) and the columns of
        `llzo_helpers.hdnnp.train.validate.errors`.
    """
    tests = held_out(training, labelled)
    rounds = training.rounds
    counts = [rounds.first + k * rounds.each for k in range(rounds.number + 1)]
    names = [f"round_{k}/fit" for k in range(1, rounds.number + 1)] + ["final"]
    tables = []
    for name, count in zip(names, counts, strict=True):
        table = errors(parity(tests, HDNNPCalculator(directory / name / "member_0")), "phase")
        tables.append(table.assign(fit=name, labels=count))
    return pd.concat(tables, ignore_index=True)


def held_out(training: Training, labelled: Sequence[ase.Atoms]) -> list[ase.Atoms]:
    """Labelled structures that no fit has seen, without those that were perturbed."""
    fraction = training.fit.held_out
    return [
        a for a in labelled if is_held_out(a, fraction) and a.info.get("perturbed", "no") == "no"
    ]
