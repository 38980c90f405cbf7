"""A fitted network, and how it is written as n2p2's files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from ase.data import atomic_numbers

from llzo_helpers.arrays import FloatArray
from llzo_helpers.files import write_text
from llzo_helpers.hdnnp.files import SymmetryFunction
from llzo_helpers.training.descriptors import CUTOFF_TYPE, FunctionTable


@dataclass(frozen=True)
class Scaling:
    """Statistics of the symmetry functions over the fitted structures, each [element, function]."""

    minimum: FloatArray
    maximum: FloatArray
    mean: FloatArray
    sigma: FloatArray


@dataclass(frozen=True)
class FittedNetwork:
    """One network for each element.

    Attributes
    ----------
    table
        Symmetry functions.
    scaling
        The networks' inputs are (value - mean) / sigma.
    atom_energies
        eV, [element]: what remains is the networks'.
    layers
        For each layer the weights [element, input, output] and biases [element, output]; tanh
        between them.
    history
        Root mean square errors, weighted as in the loss: columns `epoch`, `force_fitted`,
        `force_held_out` (eV/Å), `energy_fitted`, `energy_held_out` (eV/atom).
    """

    table: FunctionTable
    scaling: Scaling
    atom_energies: FloatArray
    layers: list[tuple[FloatArray, FloatArray]]
    history: pd.DataFrame


def write_network(network: FittedNetwork, directory: Path) -> None:
    """Write a network as `input.nn`, `scaling.data` and `weights.NNN.data`."""
    table, scaling = network.table, network.scaling
    layers = network.layers
    hidden = [weights.shape[-1] for weights, _ in layers[:-1]]
    energies = zip(table.symbols, network.atom_energies, strict=True)
    lines = [
        f"number_of_elements {len(table.symbols)}",
        f"elements {' '.join(table.symbols)}",
        *(f"atom_energy {symbol} {energy:.16g}" for symbol, energy in energies),
        f"cutoff_type {CUTOFF_TYPE} 0.0",
        "scale_symmetry_functions_sigma",
        "scale_min_short 0.0",
        "scale_max_short 1.0",
        f"global_hidden_layers_short {len(hidden)}",
        f"global_nodes_short {' '.join(map(str, hidden))}",
        f"global_activation_short {'t ' * len(hidden)}l",
        "use_short_forces",
        *(_line(f) for own in table.functions for f in own),
    ]
    write_text(directory / "input.nn", "\n".join(lines) + "\n")
    rows = np.stack([scaling.minimum, scaling.maximum, scaling.mean, scaling.sigma], axis=-1)
    statistics = [
        f"{element} {function} " + " ".join(f"{x:.16E}" for x in row)
        for element, own in enumerate(rows, start=1)
        for function, row in enumerate(own, start=1)
    ]
    write_text(directory / "scaling.data", "\n".join(statistics) + "\n")
    for element, symbol in enumerate(table.symbols):
        values = np.concatenate(
            [np.concatenate([w[element].ravel(), b[element]]) for w, b in layers]
        )
        name = f"weights.{atomic_numbers[symbol]:03d}.data"
        write_text(directory / name, "\n".join(f"{x:.16E}" for x in values) + "\n")


def _line(f: SymmetryFunction) -> str:
    """The line of `input.nn`."""
    # as many digits as tell numbers apart: the network was fitted with these
    eta, lambda_, rc, rs = (repr(float(value)) for value in (f.eta, f.lambda_, f.rc, f.rs))
    start = f"symfunction_short {f.element} {f.type} {' '.join(f.neighbours)} {eta} "
    return start + (f"{rs} {rc}" if f.type == 2 else f"{lambda_} {f.zeta} {rc} {rs}")
