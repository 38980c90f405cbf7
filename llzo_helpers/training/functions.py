"""Choosing symmetry functions: a few, out of many, that explain forces."""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import ase
import numpy as np
from ase.data import atomic_numbers
from tqdm.auto import tqdm

from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.files import SymmetryFunction
from llzo_helpers.training.descriptors import FunctionTable, describe, tabulate
from llzo_helpers.training.label import force_atoms, force_weights
from llzo_helpers.training.settings import Fit, FunctionPool


def function_pool(pool: FunctionPool, symbols: Sequence[str]) -> dict[str, list[SymmetryFunction]]:
    """All functions of the pool for each element, in n2p2's order."""
    symbols = sorted(symbols, key=atomic_numbers.__getitem__)
    functions = {}
    for element in symbols:
        radial = [
            SymmetryFunction(2, element, (neighbour,), pool.cutoff_A, eta=eta, rs=rs)
            for neighbour in symbols
            for eta, rs in pool.radial
        ]
        angular = [
            SymmetryFunction(9, element, pair, pool.cutoff_A, eta, rs, lambda_, zeta)
            for pair in combinations_with_replacement(symbols, 2)
            for eta, rs in pool.angular
            for zeta in pool.zeta
            for lambda_ in (-1.0, 1.0)
        ]
        functions[element] = sorted(radial + angular, key=lambda f: f.sort_key)
    return functions


def choose_functions(
    pool: FunctionPool, structures: Sequence[ase.Atoms], settings: Fit
) -> dict[str, list[SymmetryFunction]]:
    """Choose the functions that best explain forces.

    Orthogonal least squares (Chen, Billings and Luo, Int. J. Control 50, 1873 (1989)): forces are
    linear in the gradients of the functions if energies are linear in the functions; the function
    whose part that is orthogonal to all chosen ones explains most of the forces still unexplained
    comes next, until each element has its number.

    Parameters
    ----------
    pool
        The functions to choose from, and how many to choose.
    structures
        Labelled structures of all conditions; some tens suffice.
    settings
        Define how many forces are used, and the weight of large ones.

    Returns
    -------
    dict
        For each element its functions, in n2p2's order.
    """
    symbols = sorted({s for atoms in structures for s in atoms.symbols})
    table = tabulate(function_pool(pool, symbols))
    rng = np.random.default_rng(0)
    blocks = [
        _linear_forces(atoms, table, settings, rng)
        for atoms in tqdm(structures, desc="choosing functions", unit="structure")
    ]
    columns = np.concatenate([columns for columns, _ in blocks])
    forces = np.concatenate([forces for _, forces in blocks])
    n_functions = table.columns.shape[1]
    order = _orthogonal_least_squares(columns, forces, n_functions, pool.per_element)
    return {
        element: sorted(
            (own[k - n_functions * number] for k in order if k // n_functions == number),
            key=lambda f: f.sort_key,
        )
        for number, (element, own) in enumerate(zip(table.symbols, table.functions, strict=True))
    }


def _linear_forces(
    atoms: ase.Atoms, table: FunctionTable, settings: Fit, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Forces of unit coefficients [component, element and function] and true forces, weighted."""
    numbers = table.element_numbers(atoms)
    moving = force_atoms(numbers, settings.force_atoms, rng)
    found = describe(atoms, table, moving)
    n_elements, n_functions = table.columns.shape
    pushes = np.zeros((len(moving), n_elements, 3, n_functions))
    np.subtract.at(pushes, (found.moved, numbers[found.centres]), found.gradients)
    columns = pushes.swapaxes(1, 2).reshape(3 * len(moving), -1)
    forces = atoms.get_forces()[moving]
    weights = np.sqrt(force_weights(forces, settings)).repeat(3)
    return columns * weights[:, None], forces.ravel() * weights


def _orthogonal_least_squares(
    columns: FloatArray, target: FloatArray, group: int, most: int
) -> list[int]:
    """Choose columns that explain the target, `most` of each `group` adjacent ones."""
    columns, target = columns.copy(), target.copy()
    least = 1e-6 * (columns**2).sum(axis=0)
    left = np.full(columns.shape[1] // group, min(most, group))
    chosen: list[int] = []
    while left.any():
        norms = (columns**2).sum(axis=0)
        # of a column that is a combination of others, only rounding errors remain
        allowed = left.repeat(group) * (norms > least) > 0
        if not allowed.any():
            raise InputError(f"per_element = {most}: fewer functions of the pool are independent")
        explained = np.where(allowed, (columns.T @ target) ** 2 / np.maximum(norms, 1e-300), -1.0)
        best = int(explained.argmax())
        direction = columns[:, best] / np.sqrt(norms[best])
        columns -= np.outer(direction, direction @ columns)
        target -= direction * (direction @ target)
        columns[:, best] = 0.0
        left[best // group] -= 1
        chosen.append(best)
    return chosen
