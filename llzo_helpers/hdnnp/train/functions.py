"""Choosing symmetry functions: few that tell environments apart, out of many."""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import ase
import numpy as np
from ase.data import atomic_numbers
from scipy.linalg import qr

from llzo_helpers.hdnnp.files import SymmetryFunction
from llzo_helpers.hdnnp.train.descriptors import describe, tabulate
from llzo_helpers.hdnnp.train.settings import FunctionPool


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
    pool: FunctionPool, structures: Sequence[ase.Atoms]
) -> dict[str, list[SymmetryFunction]]:
    """Choose the functions that are least alike over given structures.

    Rank-revealing QR: of the standardised columns (functions) of the matrix of all environments,
    the one with the largest part that is no combination of those already chosen comes next; a
    deterministic form of the CUR selection of Imbalzano et al., J. Chem. Phys. 148, 241730
    (2018).

    Parameters
    ----------
    pool
        What there is to choose from, and how many to choose.
    structures
        Structures of all conditions; some tens suffice.

    Returns
    -------
    dict
        For each element its functions, in n2p2's order.
    """
    symbols = sorted({s for atoms in structures for s in atoms.symbols})
    table = tabulate(function_pool(pool, symbols))
    values = np.concatenate([describe(atoms, table).values for atoms in structures])
    numbers = np.concatenate([table.element_numbers(atoms) for atoms in structures])
    chosen = {}
    for number, element in enumerate(table.symbols):
        own = values[numbers == number]
        own -= own.mean(axis=0)
        scale = own.std(axis=0)
        # a function that hardly ever sees an atom would be all noise
        own[:, scale > 1e-4] /= scale[scale > 1e-4]
        own[:, scale <= 1e-4] = 0.0
        order = qr(own, mode="r", pivoting=True)[1][: pool.per_element]
        functions = [table.functions[number][k] for k in order]
        chosen[element] = sorted(functions, key=lambda f: f.sort_key)
    return chosen
