"""Fitting networks to energies and forces, with PyTorch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ase
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from tqdm.auto import tqdm

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.train.descriptors import FunctionTable, describe
from llzo_helpers.hdnnp.train.label import force_atoms, force_weights, is_held_out
from llzo_helpers.hdnnp.train.network import FittedNetwork, Scaling
from llzo_helpers.hdnnp.train.settings import Fit


@dataclass(frozen=True)
class _Example:
    """A labelled structure as the fit sees it."""

    inputs: NDArray[np.float32]
    """[atom, function]."""
    numbers: NDArray[np.int64]
    gradients: sparse.csr_array
    """Change of all inputs (atom by atom) with the places of the atoms whose forces are fitted,
    [moved atom and axis, input]."""
    energy: float
    energy_weight: float
    forces: NDArray[np.float32]
    """[moved atom and axis]."""
    force_weights: NDArray[np.float32]


@dataclass(frozen=True)
class _Batch:
    """Several structures together."""

    inputs: list[Tensor]
    """For each element [atom, function]."""
    place: Tensor
    """Where each atom of the structures, one after another, stands in the inputs."""
    structures: Tensor
    """The structure of each atom of the inputs."""
    gradients: list[sparse.csr_array]
    sizes: Tensor
    energies: Tensor
    energy_weights: Tensor
    forces: Tensor
    force_weights: Tensor


class _Forces(torch.autograd.Function):  # type: ignore[misc]
    """Forces from the slopes of the energy, by sparse matrices: linear, so its own derivative."""

    @staticmethod
    def forward(ctx: Any, slopes: Tensor, gradients: list[sparse.csr_array]) -> Tensor:
        """[moved atom and axis] from slopes [input]."""
        ctx.gradients = gradients
        parts = slopes.numpy(force=True)
        ends = np.cumsum([matrix.shape[1] for matrix in gradients])[:-1]
        pushes = zip(gradients, np.split(parts, ends), strict=True)
        return torch.from_numpy(np.concatenate([-(matrix @ part) for matrix, part in pushes]))

    @staticmethod
    def backward(ctx: Any, derivative: Tensor) -> tuple[Tensor, None]:
        """Back to the slopes."""
        parts = derivative.numpy(force=True)
        ends = np.cumsum([matrix.shape[0] for matrix in ctx.gradients])[:-1]
        pulls = zip(ctx.gradients, np.split(parts, ends), strict=True)
        pulled = [-(matrix.T @ np.ascontiguousarray(part)) for matrix, part in pulls]
        return torch.from_numpy(np.concatenate(pulled)), None


@dataclass(frozen=True)
class FittingData:
    """Labelled structures made ready for fits, by `prepare`."""

    table: FunctionTable
    scaling: Scaling
    atom_energies: NDArray[np.float64]
    fitted: list[_Example]
    held_out: list[_Example]


def prepare(
    structures: Sequence[ase.Atoms], table: FunctionTable, settings: Fit, *, seed: int
) -> FittingData:
    """Evaluate symmetry functions and their gradients for labelled structures.

    Parameters
    ----------
    structures
        With energy and forces, see `label`.
    table
        The symmetry functions.
    settings
        Says what is held out and how many forces are fitted.
    seed
        Of the choice of the atoms whose forces are fitted.

    Raises
    ------
    InputError
        If no structure is left to be fitted, or none to test with.
    """
    rng = np.random.default_rng(seed)
    fitted = [a for a in structures if not is_held_out(a, settings.held_out)]
    held_out = [a for a in structures if is_held_out(a, settings.held_out)]
    if not fitted or not held_out:
        raise InputError(
            f"fit.held_out = {settings.held_out:g}: {len(fitted)} structures would be fitted, "
            f"{len(held_out)} held out (whole runs go one way); change it, or sample more runs"
        )
    atom_energies = _atom_energies(fitted, table)
    scaling = _scaling(fitted, table)
    fitted_examples, held_out_examples = (
        [
            _example(atoms, table, scaling, atom_energies, settings, rng)
            for atoms in tqdm(group, desc=f"symmetry functions, {what}", unit="structure")
        ]
        for group, what in ((fitted, "fitted"), (held_out, "held out"))
    )
    return FittingData(table, scaling, atom_energies, fitted_examples, held_out_examples)


def fit_network(
    data: FittingData,
    settings: Fit,
    *,
    epochs: int,
    iterations: int,
    seed: int,
) -> FittedNetwork:
    """Fit a network: Adam from random weights, then L-BFGS on all structures at once.

    The loss is the mean square error of force components plus `energy_weight` times that of the
    energies per atom, both with the weight 1 / (1 + (F / large_force)^2), F the force on the atom
    or the root mean square force of the structure: of two atoms pushed together, a relative error
    counts. The learning rate of Adam falls to zero along a cosine. The same data, settings and
    seed give the same network on the same machine.

    Parameters
    ----------
    data
        From `prepare`.
    settings
        Networks and optimisation.
    epochs
        How often Adam goes through all structures.
    iterations
        Of L-BFGS.
    seed
        Of the initial weights and the order of structures.
    """
    n_elements = len(data.table.symbols)
    generator = torch.Generator().manual_seed(seed)
    sizes = [data.table.columns.shape[1], *settings.hidden_layers, 1]
    layers = _initial_layers(sizes, n_elements, generator)
    tests = _batches(data.held_out, n_elements)
    history: list[dict[str, Any]] = []

    def record(stage: str, epoch: int, fitted: Tensor) -> None:
        with torch.no_grad():
            held_out = _mean_errors(layers, tests)
        row = {"stage": stage, "epoch": epoch}
        for name, errors in (("fitted", fitted), ("held_out", held_out)):
            row |= {f"force_{name}": errors[0].item(), f"energy_{name}": errors[1].item()}
        history.append(row)

    _adam(data.fitted, layers, n_elements, settings, epochs, seed, record)
    _lbfgs(_batches(data.fitted, n_elements), layers, settings, iterations, record)
    frozen = [(w.detach().double().numpy(), b.detach()[:, 0].double().numpy()) for w, b in layers]
    table = pd.DataFrame(history)
    return FittedNetwork(data.table, data.scaling, data.atom_energies, frozen, table)


def _adam(
    examples: list[_Example],
    layers: list[tuple[Tensor, Tensor]],
    n_elements: int,
    settings: Fit,
    epochs: int,
    seed: int,
    record: Callable[[str, int, Tensor], None],
) -> None:
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.Adam([p for layer in layers for p in layer], lr=settings.learning_rate)
    n_batches = -(-len(examples) // settings.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * n_batches)
    for epoch in tqdm(range(1, epochs + 1), desc="Adam", unit="epoch"):
        squares = []
        for part in np.array_split(rng.permutation(len(examples)), n_batches):
            errors = _square_errors(layers, _batch([examples[k] for k in part], n_elements))
            optimizer.zero_grad(set_to_none=True)
            (errors[0] + settings.energy_weight * errors[1]).backward()
            optimizer.step()
            schedule.step()
            squares.append(errors.detach())
        if epoch % 10 == 0 or epoch == epochs:
            record("Adam", epoch, torch.stack(squares).mean(dim=0).sqrt())


def _lbfgs(
    batches: list[_Batch],
    layers: list[tuple[Tensor, Tensor]],
    settings: Fit,
    iterations: int,
    record: Callable[[str, int, Tensor], None],
) -> None:
    """Few thousand weights and a smooth loss: second order pays."""
    chunk = 20
    optimizer = torch.optim.LBFGS(
        [p for layer in layers for p in layer],
        max_iter=chunk,
        history_size=50,
        line_search_fn="strong_wolfe",
    )
    total = sum(len(batch.sizes) for batch in batches)
    errors = torch.zeros(2)

    def closure() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        errors.zero_()
        for batch in batches:
            own = _square_errors(layers, batch) * (len(batch.sizes) / total)
            (own[0] + settings.energy_weight * own[1]).backward()
            errors.add_(own.detach())
        return errors[0] + settings.energy_weight * errors[1]

    for done in tqdm(range(0, iterations, chunk), desc="L-BFGS", unit=f"{chunk} iterations"):
        optimizer.step(closure)
        record("L-BFGS", done + chunk, errors.sqrt())


def _atom_energies(structures: list[ase.Atoms], table: FunctionTable) -> NDArray[np.float64]:
    """Energies of atoms that sum up to those of the structures, as nearly as they can."""
    counts = np.array(
        [np.bincount(table.element_numbers(a), minlength=len(table.symbols)) for a in structures],
        float,
    )
    energies = np.array([a.get_potential_energy() for a in structures])
    # La, Zr and O stand in a fixed ratio: of all solutions take the one of smallest norm
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
    scaling: Scaling,
    atom_energies: NDArray[np.float64],
    settings: Fit,
    rng: np.random.Generator,
) -> _Example:
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    numbers = table.element_numbers(atoms)
    moving = force_atoms(atoms, settings, rng)
    found = describe(atoms, table, moving)
    inputs = (found.values - scaling.mean[numbers]) / scaling.sigma[numbers]
    gradients = found.gradients / scaling.sigma[numbers[found.centres]][:, None, :]
    pair, axis, function = np.nonzero(gradients)
    n_functions = inputs.shape[1]
    matrix = sparse.coo_array(
        (
            gradients[pair, axis, function].astype(np.float32),
            (3 * found.moved[pair] + axis, n_functions * found.centres[pair] + function),
        ),
        shape=(3 * len(moving), inputs.size),
    )
    return _Example(
        inputs=inputs.astype(np.float32),
        numbers=numbers,
        gradients=matrix.tocsr(),
        energy=energy - atom_energies[numbers].sum(),
        energy_weight=float(force_weights(np.sqrt((forces**2).mean(axis=0)), settings)),
        forces=forces[moving].astype(np.float32).ravel(),
        force_weights=force_weights(forces[moving], settings).repeat(3).astype(np.float32),
    )


def _batch(examples: list[_Example], n_elements: int) -> _Batch:
    numbers = np.concatenate([e.numbers for e in examples])
    structures = np.repeat(np.arange(len(examples)), [len(e.numbers) for e in examples])
    inputs = np.concatenate([e.inputs for e in examples])
    order = np.argsort(numbers, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return _Batch(
        inputs=[torch.from_numpy(inputs[order[numbers[order] == k]]) for k in range(n_elements)],
        place=torch.from_numpy(place),
        structures=torch.from_numpy(structures[order]),
        gradients=[e.gradients for e in examples],
        sizes=torch.tensor([len(e.numbers) for e in examples]),
        energies=torch.tensor([e.energy for e in examples], dtype=torch.float32),
        energy_weights=torch.tensor([e.energy_weight for e in examples], dtype=torch.float32),
        forces=torch.from_numpy(np.concatenate([e.forces for e in examples])),
        force_weights=torch.from_numpy(np.concatenate([e.force_weights for e in examples])),
    )


def _batches(examples: list[_Example], n_elements: int, size: int = 32) -> list[_Batch]:
    return [_batch(examples[k : k + size], n_elements) for k in range(0, len(examples), size)]


def _initial_layers(
    sizes: list[int], n_elements: int, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    layers = []
    for n, m in pairwise(sizes):
        weights = torch.randn(n_elements, n, m, generator=generator) / n**0.5
        biases = torch.zeros(n_elements, 1, m)
        layers.append((weights.requires_grad_(), biases.requires_grad_()))
    return layers


def _evaluate(layers: list[tuple[Tensor, Tensor]], batch: _Batch) -> tuple[Tensor, Tensor]:
    """Energies [structure] and forces [moved atom and axis]."""
    energies, slopes = [], []
    for element, inputs in enumerate(batch.inputs):
        own = [(w[element], b[element]) for w, b in layers]
        nodes = [inputs]
        for weights, biases in own[:-1]:
            nodes.append(torch.tanh(torch.addmm(biases, nodes[-1], weights)))
        energies.append(torch.addmm(own[-1][1], nodes[-1], own[-1][0])[:, 0])
        # backwards, by hand: the derivative with respect to the inputs is itself fitted
        slope = own[-1][0].T.expand(len(inputs), -1)
        for (weights, _), node in zip(own[-2::-1], nodes[:0:-1], strict=True):
            slope = (slope * (1.0 - node * node)) @ weights.T
        slopes.append(slope)
    total = torch.zeros(len(batch.sizes)).index_add(0, batch.structures, torch.cat(energies))
    forces = _Forces.apply(torch.cat(slopes)[batch.place].ravel(), batch.gradients)
    return total, forces


def _square_errors(layers: list[tuple[Tensor, Tensor]], batch: _Batch) -> Tensor:
    """Weighted mean square errors of forces and of energies per atom, [2]."""
    energies, forces = _evaluate(layers, batch)
    energy_errors = (energies - batch.energies) / batch.sizes
    return torch.stack(
        [
            (batch.force_weights * (forces - batch.forces) ** 2).mean(),
            (batch.energy_weights * energy_errors**2).mean(),
        ]
    )


def _mean_errors(layers: list[tuple[Tensor, Tensor]], batches: list[_Batch]) -> Tensor:
    """Root mean square errors over batches, [2]."""
    sizes = torch.tensor([len(batch.sizes) for batch in batches], dtype=torch.float32)
    errors = torch.stack([_square_errors(layers, batch) for batch in batches])
    return ((sizes / sizes.sum()) @ errors).sqrt()
