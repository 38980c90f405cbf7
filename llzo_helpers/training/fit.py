"""Fitting networks to energies and forces, with PyTorch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pytorch_optimizer import SOAP
from torch import Tensor
from tqdm.auto import tqdm

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError
from llzo_helpers.files import written_aside
from llzo_helpers.training.descriptors import FunctionTable, describe
from llzo_helpers.training.gradients import Channels, Gradients, channels_of, compress
from llzo_helpers.training.label import force_atoms, force_weights, is_held_out
from llzo_helpers.training.network import FittedNetwork, Scaling
from llzo_helpers.training.settings import Fit

_Network = list[tuple[Tensor, Tensor]]
"""Weights [input, output] and biases [output] of each layer, of one element."""


@dataclass(frozen=True)
class _Example:
    """A labelled structure as the fit sees it."""

    inputs: NDArray[np.float32]
    """[atom, function]."""
    numbers: IntArray
    gradients: Gradients
    energy: float
    energy_weight: float
    forces: NDArray[np.float32]
    """[atom, axis]."""
    force_weights: NDArray[np.float32]
    """[atom]."""


@dataclass(frozen=True)
class _Batch:
    """Several structures together."""

    inputs: list[Tensor]
    """For each element [atom, function]."""
    place: Tensor
    """Position of each atom of the structures, one after another, in the inputs."""
    structures: Tensor
    """The structure of each atom of the inputs."""
    gradients: list[Gradients]
    moved: list[IntArray]
    """For each structure the atoms whose forces count."""
    sizes: Tensor
    energies: Tensor
    energy_weights: Tensor
    forces: Tensor
    force_weights: Tensor


class _Forces(torch.autograd.Function):  # type: ignore[misc]
    """Forces from the slopes of the energy: linear, so its own derivative."""

    @staticmethod
    def forward(ctx: Any, slopes: Tensor, batch: _Batch) -> Tensor:
        """[moved atom, axis] from slopes [atom, function]."""
        ctx.batch = batch
        parts = np.split(slopes.numpy(force=True), np.cumsum(batch.sizes.numpy())[:-1])
        structures = zip(batch.gradients, parts, batch.moved, strict=True)
        return torch.from_numpy(
            np.concatenate([g.push(part, moved) for g, part, moved in structures])
        )

    @staticmethod
    def backward(ctx: Any, derivative: Tensor) -> tuple[Tensor, None]:
        """Back to the slopes."""
        batch = ctx.batch
        ends = np.cumsum([len(moved) for moved in batch.moved])[:-1]
        parts = np.split(derivative.numpy(force=True), ends)
        structures = zip(batch.gradients, parts, batch.moved, strict=True)
        pulled = [g.pull(np.ascontiguousarray(part), moved) for g, part, moved in structures]
        return torch.from_numpy(np.concatenate(pulled)), None


@dataclass(frozen=True)
class FittingData:
    """Labelled structures made ready for fits, by `prepare`."""

    table: FunctionTable
    scaling: Scaling
    atom_energies: FloatArray
    fitted: list[_Example]
    held_out: list[_Example]


def prepare(structures: Sequence[ase.Atoms], table: FunctionTable, settings: Fit) -> FittingData:
    """Evaluate symmetry functions and their gradients, about 4 MB each, for labelled structures.

    Parameters
    ----------
    structures
        With energy and forces, see `label`.
    table
        The symmetry functions.
    settings
        Define what is held out and the weight of large forces.

    Raises
    ------
    InputError
        If no structure is left to be fitted, or none to test with.
    """
    fitted = [a for a in structures if not is_held_out(a, settings.held_out)]
    held_out = [a for a in structures if is_held_out(a, settings.held_out)]
    if not fitted or not held_out:
        raise InputError(
            f"fit.held_out = {settings.held_out:g}: {len(fitted)} structures would be fitted, "
            f"{len(held_out)} held out (runs are not split); change it, or sample more runs"
        )
    atom_energies = _atom_energies(fitted, table)
    channels = channels_of(table)
    scaling = _scaling(fitted, table)
    fitted_examples, held_out_examples = (
        [
            _example(atoms, table, channels, scaling, atom_energies, settings)
            for atoms in tqdm(group, desc=f"symmetry functions, {what}", unit="structure")
        ]
        for group, what in ((fitted, "fitted"), (held_out, "held out"))
    )
    return FittingData(table, scaling, atom_energies, fitted_examples, held_out_examples)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Thousands of small matrices: threads would only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class _Course:
    """Everything that changes during a fit, so that a killed one resumes as if never interrupted.

    Attributes
    ----------
    of
        What distinguishes this fit from those with other settings, labels or symmetry functions,
        whose checkpoints are not used.
    """

    of: list[Any]
    networks: list[_Network]
    optimizer: SOAP
    schedule: torch.optim.lr_scheduler.LRScheduler
    rng: np.random.Generator
    history: list[dict[str, float]]

    def write(self, path: Path) -> None:
        """Write a checkpoint."""
        state = {
            "of": self.of,
            "networks": self.networks,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "rng": self.rng.bit_generator.state,
            "history": self.history,
        }
        with written_aside(path) as aside:
            torch.save(state, aside)

    def read(self, path: Path) -> None:
        """Restore the state from a checkpoint, if this fit has one."""
        if not path.is_file():
            return
        state = torch.load(path)
        if state["of"] != self.of:
            return
        with torch.no_grad():
            for tensor, saved in zip(
                _tensors(self.networks), _tensors(state["networks"]), strict=True
            ):
                tensor.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.rng.bit_generator.state = state["rng"]
        self.history.extend(state["history"])


def _tensors(networks: list[_Network]) -> list[Tensor]:
    return [tensor for network in networks for layer in network for tensor in layer]


@_one_thread()
def fit_network(
    data: FittingData, settings: Fit, *, epochs: int, seed: int, checkpoint: Path
) -> FittedNetwork:
    """Fit a network from random weights, by SOAP.

    SOAP (Vyas et al., arXiv:2409.11321 (2024)) is Adam in the eigenbasis of Shampoo's
    preconditioner: a layer's inputs are strongly correlated, and after as many epochs the errors
    are half of those of Adam.

    The loss is the mean square error of force components plus `energy_weight` times that of the
    energies per atom, both with the weight 1 / (1 + (F / large_force)^2), F the force on the atom
    or the root mean square force of the structure: for two atoms pushed together, the relative
    error counts. The learning rate falls to zero along a cosine. The same data, settings and seed
    give the same network on the same machine, whether the fit was killed in between or not.

    Parameters
    ----------
    data
        From `prepare`.
    settings
        Networks and optimisation.
    epochs
        How often the fit goes through all structures.
    seed
        Of the initial weights, the order of structures and the atoms whose forces are fitted.
    checkpoint
        File that is written every ten epochs, and from which a killed fit resumes.
    """
    n_elements = len(data.table.symbols)
    sizes = [data.table.columns.shape[1], *settings.hidden_layers, 1]
    networks = _initial_networks(sizes, n_elements, torch.Generator().manual_seed(seed))
    rng = np.random.default_rng(seed)
    drawn = settings.force_atoms, rng
    tests = list(_batches(data.held_out, n_elements, range(len(data.held_out)), 32))
    n_batches = -(-len(data.fitted) // settings.batch)
    optimizer = SOAP(_tensors(networks), lr=settings.learning_rate, weight_decay=0.0)
    course = _Course(
        of=[
            settings.model_dump(),
            epochs,
            seed,
            data.atom_energies.tolist(),
            data.scaling.mean.tolist(),
        ],
        networks=networks,
        optimizer=optimizer,
        schedule=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * n_batches),
        rng=rng,
        history=[],
    )
    course.read(checkpoint)
    done = int(course.history[-1]["epoch"]) if course.history else 0
    progress = tqdm(range(done + 1, epochs + 1), "fit", initial=done, total=epochs, unit="epoch")
    for epoch in progress:
        squares = []
        order = rng.permutation(len(data.fitted))
        for batch in _batches(data.fitted, n_elements, order, settings.batch, drawn):
            errors = _square_errors(networks, batch)
            optimizer.zero_grad(set_to_none=True)
            (errors[0] + settings.energy_weight * errors[1]).backward()
            optimizer.step()
            course.schedule.step()
            squares.append(errors.detach())
        if epoch % 10 == 0 or epoch in (1, epochs):
            fitted = torch.stack(squares).mean(dim=0).sqrt()
            row = _errors_row(epoch, fitted, _mean_errors(networks, tests))
            course.history.append(row)
            course.write(checkpoint)
            progress.set_postfix({k: f"{v:.4f}" for k, v in row.items() if k != "epoch"})
    layers = [
        tuple(torch.stack(parts).detach().double().numpy() for parts in zip(*layer, strict=True))
        for layer in zip(*networks, strict=True)
    ]
    table = pd.DataFrame(course.history)
    return FittedNetwork(data.table, data.scaling, data.atom_energies, layers, table)


def _errors_row(epoch: int, fitted: Tensor, held_out: Tensor) -> dict[str, float]:
    row: dict[str, float] = {"epoch": epoch}
    for name, errors in (("fitted", fitted), ("held_out", held_out)):
        row |= {f"force_{name}": errors[0].item(), f"energy_{name}": errors[1].item()}
    return row


def _atom_energies(structures: list[ase.Atoms], table: FunctionTable) -> FloatArray:
    """Energies of atoms that sum up to those of the structures, as nearly as they can."""
    counts = np.array(
        [np.bincount(table.element_numbers(a), minlength=len(table.symbols)) for a in structures],
        float,
    )
    energies = np.array([a.get_potential_energy() for a in structures])
    # La, Zr and O are in a fixed ratio: of all solutions take the one of smallest norm
    return np.linalg.lstsq(counts, energies, rcond=1e-8)[0]


def _scaling(structures: list[ase.Atoms], table: FunctionTable) -> Scaling:
    described = [describe(a, table).values for a in structures]
    values = np.concatenate(described)
    numbers = np.concatenate([table.element_numbers(a) for a in structures])
    groups = [values[numbers == k] for k in range(len(table.symbols))]
    return Scaling(
        minimum=np.array([g.min(axis=0) for g in groups]),
        maximum=np.array([g.max(axis=0) for g in groups]),
        mean=np.array([g.mean(axis=0) for g in groups]),
        sigma=np.array([g.std(axis=0) for g in groups]),
    )


def _example(
    atoms: ase.Atoms,
    table: FunctionTable,
    channels: Channels,
    scaling: Scaling,
    atom_energies: FloatArray,
    settings: Fit,
) -> _Example:
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    numbers = table.element_numbers(atoms)
    found = describe(atoms, table, np.arange(len(atoms)))
    inputs = (found.values - scaling.mean[numbers]) / scaling.sigma[numbers]
    return _Example(
        inputs=inputs.astype(np.float32),
        numbers=numbers,
        gradients=compress(found, numbers, scaling.sigma, channels),
        energy=energy - atom_energies[numbers].sum(),
        energy_weight=float(force_weights(np.sqrt((forces**2).mean(axis=0)), settings)),
        forces=forces.astype(np.float32),
        force_weights=force_weights(forces, settings).astype(np.float32),
    )


def _batch(examples: list[_Example], n_elements: int, moved: list[IntArray]) -> _Batch:
    numbers = np.concatenate([e.numbers for e in examples])
    structures = np.repeat(np.arange(len(examples)), [len(e.numbers) for e in examples])
    inputs = np.concatenate([e.inputs for e in examples])
    order = np.argsort(numbers, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    chosen = list(zip(examples, moved, strict=True))
    return _Batch(
        inputs=[torch.from_numpy(inputs[order[numbers[order] == k]]) for k in range(n_elements)],
        place=torch.from_numpy(place),
        structures=torch.from_numpy(structures[order]),
        gradients=[e.gradients for e in examples],
        moved=moved,
        sizes=torch.tensor([len(e.numbers) for e in examples]),
        energies=torch.tensor([e.energy for e in examples], dtype=torch.float32),
        energy_weights=torch.tensor([e.energy_weight for e in examples], dtype=torch.float32),
        forces=torch.from_numpy(np.concatenate([e.forces[own] for e, own in chosen])),
        force_weights=torch.from_numpy(np.concatenate([e.force_weights[own] for e, own in chosen])),
    )


def _batches(
    examples: list[_Example],
    n_elements: int,
    order: Sequence[int] | IntArray,
    size: int,
    drawn: tuple[int, np.random.Generator] | None = None,
) -> Iterator[_Batch]:
    """Batches in an order, with all forces or those of `drawn` atoms of each element."""
    for part in np.array_split(order, -(-len(order) // size)):
        own = [examples[k] for k in part]
        moved = [
            force_atoms(e.numbers, *drawn) if drawn else np.arange(len(e.numbers)) for e in own
        ]
        yield _batch(own, n_elements, moved)


def _initial_networks(
    sizes: list[int], n_elements: int, generator: torch.Generator
) -> list[_Network]:
    def layer(n: int, m: int) -> tuple[Tensor, Tensor]:
        weights = torch.randn(n, m, generator=generator) / n**0.5
        return weights.requires_grad_(), torch.zeros(m, requires_grad=True)

    return [[layer(n, m) for n, m in pairwise(sizes)] for _ in range(n_elements)]


def _evaluate(networks: list[_Network], batch: _Batch) -> tuple[Tensor, Tensor]:
    """Energies [structure] and forces [moved atom, axis]."""
    energies, slopes = [], []
    for layers, inputs in zip(networks, batch.inputs, strict=True):
        nodes = [inputs]
        for weights, biases in layers[:-1]:
            nodes.append(torch.tanh(torch.addmm(biases, nodes[-1], weights)))
        last, constant = layers[-1]
        energies.append(torch.addmm(constant, nodes[-1], last)[:, 0])
        # backpropagation by hand: the derivative with respect to the inputs is itself fitted
        slope = last.T.expand(len(inputs), -1)
        for (weights, _), node in zip(layers[-2::-1], nodes[:0:-1], strict=True):
            slope = (slope * (1.0 - node * node)) @ weights.T
        slopes.append(slope)
    total = torch.zeros(len(batch.sizes)).index_add(0, batch.structures, torch.cat(energies))
    return total, _Forces.apply(torch.cat(slopes)[batch.place], batch)


def _square_errors(networks: list[_Network], batch: _Batch) -> Tensor:
    """Weighted mean square errors of forces and of energies per atom, [2]."""
    energies, forces = _evaluate(networks, batch)
    energy_errors = (energies - batch.energies) / batch.sizes
    return torch.stack(
        [
            (batch.force_weights[:, None] * (forces - batch.forces) ** 2).mean(),
            (batch.energy_weights * energy_errors**2).mean(),
        ]
    )


@torch.no_grad()
def _mean_errors(networks: list[_Network], batches: list[_Batch]) -> Tensor:
    """Root mean square errors over batches, [2]."""
    sizes = torch.tensor([len(batch.sizes) for batch in batches], dtype=torch.float32)
    errors = torch.stack([_square_errors(networks, batch) for batch in batches])
    return ((sizes / sizes.sum()) @ errors).sqrt()
