"""From `training.yaml` to a network: sample, label, fit, and again where the network is unsure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import ase
import numpy as np
import pandas as pd
import yaml
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.files import read_json, write_json, write_text, written_aside
from llzo_helpers.garnet import ELEMENTS
from llzo_helpers.hdnnp import HDNNP, HDNNPCalculator
from llzo_helpers.hdnnp.files import read_potential
from llzo_helpers.hdnnp.repulsion import repulsion_of
from llzo_helpers.potentials import load_potential
from llzo_helpers.training.descriptors import FunctionTable, tabulate
from llzo_helpers.training.functions import choose_functions
from llzo_helpers.training.label import is_held_out, label
from llzo_helpers.training.network import write_network
from llzo_helpers.training.sample import close_pairs, perturbed, sample, shortest_distances
from llzo_helpers.training.settings import Fit, Repulsion, Training
from llzo_helpers.training.validate import errors, parity

_POTENTIAL_LMP = """\
# Where LAMMPS has no ML-HDNNP, llzo_helpers.md.callback gives the forces instead.
# Nearer than 1 Å the reference draws some atoms together: the repulsion of the nuclei parts them.
pair_style hybrid/overlay zbl {inner:g} {outer:g} hdnnp {cutoff:g} dir ${{potential}} showew no &
           showewsum 1000 resetew yes maxew 100000000 cflength 1.0 cfenergy 1.0
pair_coeff * * hdnnp {elements}
{pairs}
"""


TOO_CLOSE = "atoms too close"
"""Stands for the phase of structures in which atoms have begun to fuse."""
_FUSING = 0.8
"""Relative to the shortest distance of a pair of elements in the first round, whose potential does
not let atoms fuse."""
SELECTED = "selected.extxyz"
"""File of a round's folder: the structures that are labelled."""


@dataclass(frozen=True)
class Disagreement:
    """How much the members of a committee disagree on structures.

    Attributes
    ----------
    forces
        For each structure the largest standard deviation of an atom's force, eV/Å.
    extrapolations
        For each structure the symmetry functions outside the range of the training data.
    """

    forces: FloatArray
    extrapolations: IntArray


def train(training: Training, directory: Path, calculator: Callable[[], Calculator]) -> Path:
    """Go through all rounds, or resume where an earlier call stopped.

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
        Folder of the last fit, `final/`, with `member_0/`.
    """
    labelled = first_round(training, directory, calculator)
    for number in range(1, len(training.rounds.labels)):
        labelled += further_round(training, directory, number, labelled, calculator)
    labelled += short_distances(training, directory, labelled, calculator)
    return last_fit(training, directory, labelled)


def first_round(
    training: Training, directory: Path, calculator: Callable[[], Calculator]
) -> list[ase.Atoms]:
    """Sample with the classical potential, perturb some frames, label."""
    folder = directory / "round_0"
    if not (folder / SELECTED).is_file():
        sampling = training.sampling
        classical = load_potential(sampling.potential)
        candidates = sample(folder, sampling, classical, seed=training.seed)
        rng = np.random.default_rng(training.seed)
        chosen = rng.permutation(len(candidates))[: training.rounds.labels[0]]
        write_selected(
            folder,
            [perturbed(candidates[k], sampling, seed=training.seed + int(k)) for k in chosen],
        )
    return label(read_selected(folder), directory / "labels", calculator)


def further_round(
    training: Training,
    directory: Path,
    number: int,
    labelled: list[ase.Atoms],
    calculator: Callable[[], Calculator],
) -> list[ase.Atoms]:
    """Fit the labels so far, run molecular dynamics with the fit, label where it is least sure."""
    folder = directory / f"round_{number}"
    if not (folder / SELECTED).is_file():
        committee = fit(
            training,
            directory,
            f"round_{number}/fit",
            labelled,
            members=training.fit.committee,
            epochs=training.fit.round_epochs,
        )
        seed = training.seed + 10_000 * number
        network = load_potential("member_0", committee)
        candidates = sample(folder, training.sampling, network, seed=seed, further=True)
        members = [committee / f"member_{m}" for m in range(training.fit.committee)]
        found = disagreement(candidates, members)
        chosen = choose_frames(candidates, found, training.rounds.labels[number])
        write_json(
            folder / "disagreement.json",
            {
                "candidates": len(candidates),
                "median_eV_A": float(np.median(found.forces)),
                "chosen_median_eV_A": float(np.median(found.forces[chosen])),
                "extrapolating_candidates": int((found.extrapolations > 0).sum()),
            },
        )
        write_selected(folder, [candidates[k] for k in chosen])
    return label(read_selected(folder), directory / "labels", calculator)


def short_distances(
    training: Training,
    directory: Path,
    labelled: list[ase.Atoms],
    calculator: Callable[[], Calculator],
) -> list[ase.Atoms]:
    """After the rounds: squeeze pairs of atoms in structures labelled so far, and label."""
    folder = directory / f"round_{len(training.rounds.labels)}"
    if not (folder / SELECTED).is_file():
        number = training.rounds.close_pairs
        plain = whole(training, labelled)
        write_selected(folder, close_pairs(plain, number, seed=training.seed))
    return label(read_selected(folder), directory / "labels", calculator)


def disagreement_record(directory: Path, number: int) -> dict[str, float]:
    """What a round knew of its committee before labelling; only the number if it was unpacked."""
    path = directory / f"round_{number}" / "disagreement.json"
    return {"round": number, **(read_json(path) if path.is_file() else {})}


def write_selected(folder: Path, frames: list[ase.Atoms]) -> None:
    """Write the frames of a round that are to be labelled."""
    with written_aside(folder / SELECTED) as aside:
        ase.io.write(aside, frames, format="extxyz")


def read_selected(folder: Path) -> list[ase.Atoms]:
    """Read them; always from the file, so that a label is recognised by its structure."""
    return list(ase.io.read(folder / SELECTED, ":"))


def disagreement(structures: Sequence[ase.Atoms], members: Sequence[Path]) -> Disagreement:
    """Evaluate structures with all members of a committee, given their folders."""
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
    """Choose the frames to label: extrapolating or most disputed, not too many from one run.

    A run contributes at most three times its share, so that a single condition that is new to the
    network does not take up the whole round.
    """
    runs = np.array([f"{a.info['phase']} {a.info['seed']}" for a in candidates])
    limit = max(1, round(3 * number / len(set(runs))))
    # far enough outside, disagreement no longer shows how far: extrapolation comes first
    order = np.lexsort((-found.forces, found.extrapolations == 0))
    taken: dict[str, int] = {}
    chosen: list[int] = []
    for k in order:
        if len(chosen) < number and taken.get(runs[k], 0) < limit:
            taken[runs[k]] = taken.get(runs[k], 0) + 1
            chosen.append(k)
    return np.array(chosen)


def last_fit(training: Training, directory: Path, labelled: list[ase.Atoms]) -> Path:
    """Fit the final network, `final/member_0/`; return `final/`."""
    epochs = training.fit.epochs
    return fit(training, directory, "final", labelled, members=1, epochs=epochs)


def fit(
    training: Training,
    directory: Path,
    name: str,
    labelled: list[ase.Atoms],
    *,
    members: int,
    epochs: int,
) -> Path:
    """Fit a committee and write it, `member_N/`, the best first; return its folder.

    An existing member is not fitted again.
    """
    folder = directory / name
    if (folder / "history.csv").is_file():
        return folder
    try:
        # optional: everything except the fit works without it
        from llzo_helpers.training.fit import fit_network, prepare
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name}: not installed, but needed for a fit; pip install -e '.[train]'"
        ) from None
    settings = training.fit
    paths = [folder / f"fitted_{member}" for member in range(members)]
    missing = [member for member, path in enumerate(paths) if not _is_fitted(path)]
    if missing:
        known = fitted_labels(training, labelled)
        table = _function_table(training, known)
        data = prepare(known, table, settings)
    for member in missing:
        seed = training.seed + member
        checkpoint = folder / f"checkpoint_{member}.pt"
        network = fit_network(data, settings, epochs=epochs, seed=seed, checkpoint=checkpoint)
        write_network(network, paths[member])
        _write_member_files(paths[member], name, training.repulsion)
        _write_table(paths[member] / "history.csv", network.history)
        checkpoint.unlink()
    histories = [
        pd.read_csv(path / "history.csv").assign(member=member) for member, path in enumerate(paths)
    ]
    best_first = sorted(histories, key=lambda history: history.force_held_out.iloc[-1])
    for rank, history in enumerate(best_first):
        link = folder / f"member_{rank}"
        link.unlink(missing_ok=True)
        link.symlink_to(f"fitted_{history.member[0]}")
    _write_table(folder / "history.csv", pd.concat(histories))
    return folder


def fitted_labels(training: Training, labelled: Sequence[ase.Atoms]) -> list[ase.Atoms]:
    """Labels within the reference's validity, minus the repulsion: to fit, or held out to test."""
    settings = training.fit
    return [
        without_repulsion(atoms, training.repulsion)
        for atoms in labelled
        if _is_known(atoms, settings, settings.largest_force_eV_A)
    ]


def _is_known(atoms: ase.Atoms, settings: Fit, largest_force_eV_A: float) -> bool:
    """Whether a labelled structure is within the validity of the reference."""
    near = neighbor_list("d", atoms, settings.shortest_distance_A)
    return len(near) == 0 and np.abs(atoms.get_forces()).max() < largest_force_eV_A


def without_repulsion(atoms: ase.Atoms, repulsion: Repulsion) -> ase.Atoms:
    """Return a labelled structure with the repulsion subtracted from its energy and forces."""
    energy, forces, _ = repulsion_of(atoms, repulsion.inner_A, repulsion.outer_A)
    rest = atoms.copy()
    rest.calc = SinglePointCalculator(
        rest, energy=atoms.get_potential_energy() - energy, forces=atoms.get_forces() - forces
    )
    return rest


def _is_fitted(member: Path) -> bool:
    return (member / "history.csv").is_file()


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with written_aside(path) as aside:
        table.to_csv(aside, index=False)


def write_potential_lmp(directory: Path, repulsion: Repulsion) -> None:
    """Write the `potential.lmp` of a network and its repulsion."""
    pairs = [
        f"pair_coeff {first} {second} zbl {atomic_numbers[first]} {atomic_numbers[second]}"
        for first, second in combinations_with_replacement(ELEMENTS, 2)
    ]
    text = _POTENTIAL_LMP.format(
        inner=repulsion.inner_A,
        outer=repulsion.outer_A,
        cutoff=read_potential(directory).cutoff_radius + 0.01,
        elements=" ".join(ELEMENTS),
        pairs="\n".join(pairs),
    )
    write_text(directory / "potential.lmp", text)


def _write_member_files(directory: Path, fit_name: str, repulsion: Repulsion) -> None:
    """Turn a member of a committee into a potential, to run molecular dynamics with it."""
    write_potential_lmp(directory, repulsion)
    keys = {
        "description": f"Member of the committee {fit_name}, for sampling only",
        "kind": "hdnnp",
        "elements": list(ELEMENTS),
        "citation": ["this project, notebook 00"],
        "licence": "MIT",
    }
    write_text(directory / "potential.yaml", yaml.safe_dump(keys, sort_keys=False))


def _function_table(training: Training, labelled: list[ase.Atoms]) -> FunctionTable:
    """The symmetry functions, chosen by structures spread over all those that may be fitted."""
    seen = [a for a in labelled if not is_held_out(a, training.fit.held_out)]
    every = np.linspace(0, len(seen) - 1, training.functions.structures).round().astype(int)
    chosen_by = [seen[k] for k in np.unique(every)]
    return tabulate(choose_functions(training.functions, chosen_by, training.fit))


def learning_curve(training: Training, directory: Path, labelled: list[ase.Atoms]) -> pd.DataFrame:
    """Errors of the best member after each round, on all structures held out at the end.

    Returns
    -------
    pandas.DataFrame
        A row per fit and phase: `fit`, `labels` (structures labelled by then) and the columns of
        `llzo_helpers.training.validate.errors`.
    """
    tests = held_out(training, labelled)
    n_rounds = len(training.rounds.labels)
    counts = np.cumsum([len(read_selected(directory / f"round_{k}")) for k in range(n_rounds)])
    fits = {f"round_{k}/fit": count for k, count in enumerate(counts[:-1], start=1)}
    tables = []
    for name, count in (fits | {"final": len(labelled)}).items():
        member = directory / name / "member_0"
        if member.is_dir():  # labels that were unpacked come without the fits of their rounds
            table = errors(parity(tests, HDNNPCalculator(member)), "phase")
            tables.append(table.assign(fit=name, labels=count))
    return pd.concat(tables, ignore_index=True)


def held_out(training: Training, labelled: Sequence[ase.Atoms]) -> list[ase.Atoms]:
    """Labelled structures that no fit has seen, without perturbed and broken ones.

    Those in which atoms have begun to fuse, which only networks of early rounds allow, are a phase
    of their own, `TOO_CLOSE`: no molecular dynamics with the reference or the last network goes
    there, and few as they are, they would dominate the errors of the others.
    """
    first = labelled[: training.rounds.labels[0]]
    closest = shortest_distances([a for a in first if not _is_perturbed(a)])
    tests = []
    for atoms in whole(training, labelled):
        if is_held_out(atoms, training.fit.held_out):
            test = atoms.copy()
            test.calc = atoms.calc
            distances = shortest_distances([atoms])
            if any(d < _FUSING * closest.get(pair, 0.0) for pair, d in distances.items()):
                test.info["phase"] = TOO_CLOSE
            tests.append(test)
    return tests


def whole(training: Training, labelled: Sequence[ase.Atoms]) -> list[ase.Atoms]:
    """Labelled structures as molecular dynamics produces them: not perturbed, no atoms fused."""
    settings = training.fit
    return [
        atoms
        for atoms in labelled
        if not _is_perturbed(atoms)
        and _is_known(atoms, settings, settings.largest_tested_force_eV_A)
    ]


def _is_perturbed(atoms: ase.Atoms) -> bool:
    return bool(atoms.info.get("perturbed", "no") != "no")
