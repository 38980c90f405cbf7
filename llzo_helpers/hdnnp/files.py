"""Read the files of an n2p2 potential: ``input.nn``, ``scaling.data``, ``weights.NNN.data``.

The result, `Potential`, holds what the energy depends on, in the potential's own units and
in n2p2's own order (elements by atomic number, symmetry functions sorted). Keywords that
only steer training are skipped; whatever would change the energy and cannot be run here
is refused by name.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.text import read_text, shown, to_number

ACTIVATIONS = "tlpsSrgche"
COMPACT_SUBTYPES = ("p1", "p1a", "p2", "p2a", "p3", "p3a", "p4", "p4a", "e")

_LARGEST_RADIUS = 30.0
"""In the potential's unit of length, usually Å or Bohr; the usual 6 Å are 11 Bohr."""
_MOST_NODES = 10_000

# names of the columns that follow the central element and the type
_COLUMNS: dict[int, tuple[str, ...]] = {
    2: ("e1", "eta", "rs", "rc"),
    3: ("e1", "e2", "eta", "lambda_", "zeta", "rc", "rs"),
    9: ("e1", "e2", "eta", "lambda_", "zeta", "rc", "rs"),
    12: ("eta", "rs", "rc"),
    13: ("eta", "rs", "lambda_", "zeta", "rc"),
    20: ("e1", "rl", "rc", "subtype"),
    21: ("e1", "e2", "rl", "rc", "angle_left", "angle_right", "subtype"),
    22: ("e1", "e2", "rl", "rc", "angle_left", "angle_right", "subtype"),
    23: ("rl", "rc", "subtype"),
    24: ("rl", "rc", "angle_left", "angle_right", "subtype"),
    25: ("rl", "rc", "angle_left", "angle_right", "subtype"),
}

_USED = """
number_of_elements elements atom_energy cutoff_type symfunction_short scale_symmetry_functions
scale_symmetry_functions_sigma center_symmetry_functions scale_min_short scale_max_short
global_hidden_layers_short global_nodes_short global_activation_short element_nodes_short
normalize_nodes mean_energy conv_length conv_energy nnp_type nn_type
"""

_SYNONYMS = {
    "symfunction": "symfunction_short",
    "nnp_generation": "nnp_type",
    "nnp_type_gen": "nnp_type",
    "nnp_gen": "nnp_type",
}
"""Other names that n2p2 takes for keywords."""

# keywords of n2p2 and RuNNer about training, output and bookkeeping
_IGNORED = """
random_seed random_number_type test_fraction epochs normalize_data_set use_short_nn
use_short_forces use_atom_energies remove_atom_energies fitting_unit energy_threshold
rmse_threshold rmse_threshold_energy rmse_threshold_force rmse_threshold_charge
rmse_threshold_trials rmse_threshold_trials_energy rmse_threshold_trials_force
rmse_threshold_trials_charge short_energy_error_threshold short_force_error_threshold
energy_fraction force_fraction charge_fraction short_energy_fraction short_force_fraction
use_old_weights_short use_old_scaling weights_min weights_max biases_min biases_max
nguyen_widrow_weights_short precondition_weights separate_bias_ini_short main_error_metric
write_trainpoints write_trainforces write_traincharges write_weights_epoch write_neuronstats
write_trainlog write_weights_epoch_charge repeated_energy_update updater_type parallel_mode
jacobian_mode update_strategy selection_mode selection_mode_energy selection_mode_force
selection_mode_charge task_batch_size_energy task_batch_size_force task_batch_size_charge
gradient_type gradient_eta gradient_adam_eta gradient_adam_beta1 gradient_adam_beta2
gradient_adam_epsilon gradient_adam_weight_decay kalman_type kalman_epsilon kalman_eta
kalman_etatau kalman_etamax kalman_q0 kalman_qtau kalman_qmin kalman_lambda_short
kalman_nue_short kalman_lambda kalman_nue kalman_damp memorize_symfunc_results force_weight
force_energy_ratio short_force_group short_energy_group mix_all_points debug_mode print_mode
runner_mode calculate_forces calculate_stress calculate_hessian analyze_error
analyze_composition analyze_error_energy_step analyze_error_force_step bond_threshold
points_in_memory max_energy max_force write_pdb write_pov write_xyz write_pwscf
write_temporary_weights write_symfunctions write_unformatted write_weights_every
print_all_short_weights print_force_components print_sensitivity print_convergence_vector
optmode_short_energy optmode_short_force scale_energies update_single_element updatekalman_short
joint_energy_force_update restrict_weights growth_mode shuffle_weights_short_atomic prepare_md
find_contradictions data_clustering dynforcegroup_start silent_mode detailed_timing
detect_saturation ewald_prec rscreen_cut total_charge_error_threshold enforce_totcharge
regularize_fit_param regularize_fit_param_short weight_analysis
"""

_REFUSED = {
    "use_electrostatics": "electrostatics",
    "use_electrostatic_nn": "electrostatics",
    "electrostatic_type": "electrostatics",
    "symfunction_electrostatic": "electrostatics",
    "fixed_charge": "electrostatics",
    "fixed_gausswidth": "electrostatics",
    "screen_electrostatics": "electrostatics",
    "ewald_alpha": "electrostatics",
    "atom_hardness": "electrostatics",
    "hardness": "electrostatics",
    "global_hidden_layers_electrostatic": "a network of charges",
    "global_nodes_electrostatic": "a network of charges",
    "global_activation_electrostatic": "a network of charges",
    "use_vdw": "dispersion",
    "vdw_type": "dispersion",
    "use_fixed_charges": "electrostatics",
    "global_symfunction_short": "RuNNer's generated symmetry functions",
    "element_symfunction_short": "RuNNer's generated symmetry functions",
    "global_hidden_layers_pair": "RuNNer's pair networks",
    "global_nodes_pair": "RuNNer's pair networks",
    "global_activation_pair": "RuNNer's pair networks",
    "element_hidden_layers_short": "networks of different depth",
    "element_activation_short": "activations of single elements",
    "cutoff_alpha": "RuNNer's inner cutoff (write 'cutoff_type N alpha')",
}


@dataclass(frozen=True)
class SymmetryFunction:
    """One line ``symfunction_short``; lengths in the potential's unit, angles in degrees.

    ``neighbours`` are the neighbour elements: one (radial), two in order of atomic number
    (angular) or none (functions that weight all elements by their atomic numbers).
    """

    type: int
    element: str
    neighbours: tuple[str, ...]
    rc: float
    eta: float = 0.0
    rs: float = 0.0
    lambda_: float = 0.0
    zeta: float = 0.0
    rl: float = 0.0
    angle_left: float = 0.0
    angle_right: float = 0.0
    subtype: str = ""

    @property
    def radial(self) -> bool:
        """Whether the function depends on distances from the central atom only."""
        return self.type in (2, 12, 20, 23)

    @property
    def narrow(self) -> bool:
        """Whether the distance between the two neighbours enters, too."""
        return self.type in (3, 13, 21, 24)

    @property
    def compact(self) -> bool:
        """Whether it is made of functions with compact support (types 20 to 25)."""
        return self.type >= 20

    @property
    def sort_key(self) -> tuple[int | float | str, ...]:
        """What n2p2 sorts by: the order of network inputs and of rows in scaling.data."""
        elements = tuple(atomic_numbers[symbol] for symbol in self.neighbours)
        if self.compact:
            support = (self.rc, self.rl, self.angle_left, self.angle_right)
            return (self.type, self.subtype, *elements, *support)
        return (self.type, self.rc, self.eta, self.rs, self.zeta, self.lambda_, *elements)

    def __str__(self) -> str:
        words = [self.element, str(self.type), *self.neighbours]
        if self.compact:
            words += [f"{self.rl:g}", f"{self.rc:g}"]
            if not self.radial:
                words += [f"{self.angle_left:g}", f"{self.angle_right:g}"]
            return " ".join([*words, self.subtype])
        words += [f"eta={self.eta:g}", f"rs={self.rs:g}", f"rc={self.rc:g}"]
        if not self.radial:
            words += [f"lambda={self.lambda_:g}", f"zeta={self.zeta:g}"]
        return " ".join(words)


@dataclass(frozen=True)
class Network:
    """Feed-forward network of one element.

    ``weights[k]`` has the shape [inputs, outputs] of layer k, ``biases[k]`` [outputs];
    ``activations[k]`` is n2p2's letter.
    """

    weights: tuple[NDArray[np.float64], ...]
    biases: tuple[NDArray[np.float64], ...]
    activations: str


@dataclass(frozen=True)
class ElementPotential:
    """What the energy of the atoms of one element depends on.

    ``minimum`` and ``maximum`` [function] bound the training data; the network sees
    ``offset + (value - origin) * scale`` of each symmetry function.
    """

    symbol: str
    functions: tuple[SymmetryFunction, ...]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    origin: NDArray[np.float64]
    scale: NDArray[np.float64]
    offset: float
    network: Network
    atom_energy: float


@dataclass(frozen=True)
class Potential:
    """A 2G HDNNP in its own units (n2p2 names none: often Å and eV, or Bohr and Hartree).

    The energy of N atoms is ``sum(network outputs) / conv_energy + N mean_energy +
    sum(atom_energy)``. n2p2's ``conv_length`` is not needed: symmetry functions don't
    change when all lengths, those of the functions included, are scaled alike.
    """

    elements: tuple[ElementPotential, ...]
    cutoff_type: int
    cutoff_alpha: float
    mean_energy: float
    conv_energy: float

    @property
    def cutoff_radius(self) -> float:
        """Largest cutoff radius of all symmetry functions."""
        return max(f.rc for element in self.elements for f in element.functions)


def read_potential(directory: str | Path) -> Potential:
    """Read a potential.

    Parameters
    ----------
    directory
        Folder with ``input.nn``, ``scaling.data`` and one ``weights.NNN.data`` per element.

    Raises
    ------
    InputError
        If a file is missing, cannot be parsed or does not fit the others, or if the
        potential needs what this package does not do.
    """
    folder = Path(directory)
    settings = _read_settings(folder / "input.nn")
    symbols = _read_elements(settings)
    functions = _read_symmetry_functions(settings, symbols)
    networks = _read_networks(folder, settings, symbols, functions)
    scaling = _read_scaling(folder, settings, symbols, functions)
    atom_energies = _read_atom_energies(settings, symbols)
    cutoff_type, cutoff_alpha = _read_cutoff(settings)
    mean_energy, conv_energy = _read_normalisation(settings)
    return Potential(
        elements=tuple(
            ElementPotential(
                symbol=symbol,
                functions=functions[symbol],
                **asdict(scaling[symbol]),
                network=networks[symbol],
                atom_energy=atom_energies[symbol],
            )
            for symbol in symbols
        ),
        cutoff_type=cutoff_type,
        cutoff_alpha=cutoff_alpha,
        mean_energy=mean_energy,
        conv_energy=conv_energy,
    )


@dataclass(frozen=True)
class _Settings:
    """Lines of ``input.nn`` by keyword: (line number, arguments)."""

    path: Path
    lines: dict[str, list[tuple[int, list[str]]]]

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.lines

    def all(self, keyword: str) -> list[tuple[int, list[str]]]:
        return self.lines.get(keyword, [])

    def required(self, keyword: str) -> tuple[int, list[str]]:
        if keyword not in self.lines:
            raise InputError(f"{self.path}: keyword '{keyword}' is missing")
        return self.lines[keyword][0]

    def error(self, line: int, problem: str) -> InputError:
        return InputError(f"{self.path}, line {line}: {problem}")

    def number(self, keyword: str, default: float) -> float:
        if keyword not in self.lines:
            return default
        line, words = self.lines[keyword][0]
        if len(words) != 1:
            raise self.error(line, f"{keyword} takes one number, found '{shown(words)}'")
        return self.to_float(line, keyword, words[0])

    def to_float(self, line: int, name: str, word: str) -> float:
        value = to_number(word)
        if math.isnan(value):
            raise self.error(line, f"{name} must be a number, found '{shown([word])}'")
        return value

    def to_count(self, line: int, name: str, word: str) -> int:
        value = self.to_float(line, name, word)
        if value != int(value) or not 1 <= value <= _MOST_NODES:
            raise self.error(
                line,
                f"{name} must be a whole number from 1 to {_MOST_NODES}, found '{shown([word])}'",
            )
        return int(value)


def _read_settings(path: Path) -> _Settings:
    lines: dict[str, list[tuple[int, list[str]]]] = {}
    settings = _Settings(path, lines)
    used, ignored = _USED.split(), _IGNORED.split()
    repeatable = ("symfunction_short", "atom_energy", "element_nodes_short")
    for number, text in enumerate(read_text(path).split("\n"), start=1):
        words = text.split("#")[0].split("!")[0].split()
        if not words:
            continue
        keyword, arguments = _SYNONYMS.get(words[0], words[0]), words[1:]
        if keyword in _REFUSED:
            reason = _REFUSED[keyword]
            raise settings.error(number, f"'{keyword}' asks for {reason}, which is not supported")
        if keyword not in used and keyword not in ignored:
            raise settings.error(
                number,
                f"unknown keyword '{shown([keyword])}'; if n2p2's energies don't depend on it, "
                "delete it",
            )
        if keyword in used and keyword in lines and keyword not in repeatable:
            raise settings.error(
                number, f"'{keyword}' is given twice (line {lines[keyword][0][0]})"
            )
        lines.setdefault(keyword, []).append((number, arguments))
    for keyword in ("nnp_type", "nn_type"):
        for number, arguments in settings.all(keyword):
            if arguments not in (["2G-HDNNP"], ["HDNNP-2G"], ["2G"], ["2"], ["0"]):
                raise settings.error(
                    number, f"{keyword} '{shown(arguments)}' is not supported, only 2G-HDNNP"
                )
    return settings


def _read_elements(settings: _Settings) -> tuple[str, ...]:
    line, symbols = settings.required("elements")
    for symbol in symbols:
        if symbol not in atomic_numbers or symbol == "X":
            raise settings.error(line, f"'{shown([symbol])}' is not the symbol of an element")
    if len(set(symbols)) != len(symbols) or not symbols:
        raise settings.error(line, "elements must be named once each")
    expected = settings.number("number_of_elements", len(symbols))
    if expected != len(symbols):
        raise settings.error(line, f"{len(symbols)} elements, but number_of_elements {expected:g}")
    return tuple(sorted(symbols, key=atomic_numbers.__getitem__))


def _check_element(settings: _Settings, line: int, symbol: str, symbols: tuple[str, ...]) -> None:
    if symbol not in symbols:
        raise settings.error(line, f"element '{shown([symbol])}' is not among {' '.join(symbols)}")


def _read_atom_energies(settings: _Settings, symbols: tuple[str, ...]) -> dict[str, float]:
    energies = dict.fromkeys(symbols, 0.0)
    for line, words in settings.all("atom_energy"):
        if len(words) != 2:
            raise settings.error(line, "atom_energy takes an element and a number")
        _check_element(settings, line, words[0], symbols)
        energies[words[0]] = settings.to_float(line, "atom_energy", words[1])
    return energies


def _read_normalisation(settings: _Settings) -> tuple[float, float]:
    """Mean energy and unit of energy of a potential that was trained on normalised data."""
    keywords = ("mean_energy", "conv_energy", "conv_length")
    given = [keyword for keyword in keywords if keyword in settings]
    if given and len(given) < len(keywords):
        raise InputError(
            f"{settings.path}: {' and '.join(given)} without the others of {' '.join(keywords)}; "
            "use all or none of them, as n2p2 does"
        )
    for keyword in keywords[1:]:
        if not settings.number(keyword, 1.0) > 0.0:
            raise settings.error(
                settings.required(keyword)[0], f"{keyword} must be a number above 0"
            )
    return settings.number("mean_energy", 0.0), settings.number("conv_energy", 1.0)


def _read_cutoff(settings: _Settings) -> tuple[int, float]:
    line, words = settings.required("cutoff_type")
    if len(words) not in (1, 2) or words[0] not in tuple("012345678"):
        raise settings.error(line, f"cutoff_type must be 0 to 8, found '{shown(words)}'")
    alpha = settings.to_float(line, "inner cutoff", words[1]) if len(words) == 2 else 0.0
    if not 0.0 <= alpha < 1.0:
        raise settings.error(line, f"the inner cutoff must be from 0 to below 1, found {alpha:g}")
    return int(words[0]), alpha


def _read_symmetry_functions(
    settings: _Settings, symbols: tuple[str, ...]
) -> dict[str, tuple[SymmetryFunction, ...]]:
    functions: dict[str, list[SymmetryFunction]] = {symbol: [] for symbol in symbols}
    for line, words in settings.all("symfunction_short"):
        function = _parse_symmetry_function(settings, line, words, symbols)
        functions[function.element].append(function)
    for symbol, found in functions.items():
        if not found:
            raise InputError(f"{settings.path}: element {symbol} has no symfunction_short")
    return {
        symbol: tuple(sorted(found, key=lambda f: f.sort_key))
        for symbol, found in functions.items()
    }


def _parse_symmetry_function(
    settings: _Settings, line: int, words: list[str], symbols: tuple[str, ...]
) -> SymmetryFunction:
    if len(words) < 2:
        raise settings.error(line, "symfunction_short takes an element, a type and parameters")
    element, kind = words[0], words[1]
    _check_element(settings, line, element, symbols)
    known = [str(k) for k in _COLUMNS]
    if kind not in known:
        raise settings.error(
            line, f"symmetry function type '{shown([kind])}' is none of {' '.join(known)}"
        )
    names, values = _COLUMNS[int(kind)], words[2:]
    optional = int(kind) in (3, 9)  # rs of these two may be left out
    if len(values) != len(names) and not (optional and len(values) == len(names) - 1):
        columns = " ".join(name.rstrip("_") for name in names)
        raise settings.error(line, f"type {kind} takes '{columns}', found '{shown(values)}'")
    neighbours: list[str] = []
    numbers: dict[str, float] = {}
    subtype = ""
    for name, word in zip(names, values, strict=False):
        if name in ("e1", "e2"):
            _check_element(settings, line, word, symbols)
            neighbours.append(word)
        elif name == "subtype":
            if word not in COMPACT_SUBTYPES:
                raise settings.error(
                    line,
                    f"compact function '{shown([word])}' is none of {' '.join(COMPACT_SUBTYPES)}",
                )
            subtype = word
        else:
            numbers[name] = settings.to_float(line, name.rstrip("_"), word)
    function = SymmetryFunction(
        type=int(kind),
        element=element,
        neighbours=tuple(sorted(neighbours, key=atomic_numbers.__getitem__)),
        subtype=subtype,
        **numbers,
    )
    if not max(0.0, function.rl) < function.rc <= _LARGEST_RADIUS:
        raise settings.error(
            line,
            f"the cutoff radius {function.rc:g} must exceed 0 and rl, and be at most "
            f"{_LARGEST_RADIUS:g}",
        )
    if function.compact and not function.radial and function.angle_left >= function.angle_right:
        raise settings.error(line, "the left angle must be below the right one")
    return function


def _read_networks(
    folder: Path,
    settings: _Settings,
    symbols: tuple[str, ...],
    functions: dict[str, tuple[SymmetryFunction, ...]],
) -> dict[str, Network]:
    line, words = settings.required("global_hidden_layers_short")
    hidden = settings.to_count(line, "number of hidden layers", " ".join(words))
    line, words = settings.required("global_nodes_short")
    if len(words) != hidden:
        raise settings.error(line, f"{len(words)} numbers of nodes for {hidden} hidden layers")
    nodes = {s: [settings.to_count(line, "number of nodes", w) for w in words] for s in symbols}
    for line, words in settings.all("element_nodes_short"):
        _check_element(settings, line, words[0] if words else "", symbols)
        numbers = [settings.to_count(line, "number of nodes", word) for word in words[1:]]
        # RuNNer names a layer and its nodes, n2p2's present version the nodes of all layers; of
        # two numbers for two layers, a first one of 1 or 2 is taken for a layer
        if len(numbers) == 2 and numbers[0] <= hidden:
            nodes[words[0]][numbers[0] - 1] = numbers[1]
        elif len(numbers) == hidden:
            nodes[words[0]] = numbers
        else:
            raise settings.error(
                line,
                f"element_nodes_short '{shown(words)}': takes an element, and a layer and its "
                f"nodes or the nodes of all {hidden} hidden layers",
            )
    line, words = settings.required("global_activation_short")
    activations = "".join(words)
    if len(words) != hidden + 1 or any(word not in tuple(ACTIVATIONS) for word in words):
        raise settings.error(
            line,
            f"{hidden + 1} activations of {' '.join(ACTIVATIONS)} expected, found '{shown(words)}'",
        )
    normalise = "normalize_nodes" in settings
    return {
        symbol: _read_network(
            folder / f"weights.{atomic_numbers[symbol]:03d}.data",
            [len(functions[symbol]), *nodes[symbol], 1],
            activations,
            normalise,
        )
        for symbol in symbols
    }


def _read_network(path: Path, sizes: list[int], activations: str, normalise: bool) -> Network:
    values = np.array([row[0] for row in _read_table(path, 1)])
    expected = sum((n + 1) * m for n, m in pairwise(sizes))
    if len(values) != expected:
        shape = "-".join(str(n) for n in sizes)
        raise InputError(
            f"{path}: {len(values)} weights, but a {shape} network has {expected}; "
            "is the file truncated, or does it belong to another input.nn?"
        )
    weights, biases = [], []
    start = 0
    for n, m in pairwise(sizes):
        divisor = n if normalise else 1
        weights.append(values[start : start + n * m].reshape(n, m) / divisor)
        biases.append(values[start + n * m : start + (n + 1) * m] / divisor)
        start += (n + 1) * m
    return Network(tuple(weights), tuple(biases), activations)


def _read_table(path: Path, columns: int) -> list[list[float]]:
    """Rows of numbers, the first ``columns`` of each row, comments left out."""
    rows = []
    for number, text in enumerate(read_text(path).split("\n"), start=1):
        words = text.split("#")[0].split()
        if not words:
            continue
        row = [to_number(word) for word in words[:columns]]
        if any(math.isnan(value) for value in row):
            raise InputError(f"{path}, line {number}: numbers expected, found '{shown(words)}'")
        rows.append(row)
    return rows


@dataclass(frozen=True)
class _Scaling:
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    origin: NDArray[np.float64]
    scale: NDArray[np.float64]
    offset: float


def _read_scaling(
    folder: Path,
    settings: _Settings,
    symbols: tuple[str, ...],
    functions: dict[str, tuple[SymmetryFunction, ...]],
) -> dict[str, _Scaling]:
    by_range = "scale_symmetry_functions" in settings
    centered = "center_symmetry_functions" in settings
    by_sigma = "scale_symmetry_functions_sigma" in settings and not (by_range or centered)
    low = settings.number("scale_min_short", 0.0)
    high = settings.number("scale_max_short", 1.0)
    if (by_range or by_sigma) and high <= low:
        raise InputError(
            f"{settings.path}: scale_min_short {low:g}, scale_max_short {high:g}: all symmetry "
            "functions would be the same number; give a larger maximum"
        )
    path = folder / "scaling.data"
    statistics = _read_statistics(path, symbols, functions, columns=6 if by_sigma else 5)
    scaling = {}
    for symbol in symbols:
        minimum, maximum, mean = statistics[symbol].T[:3]
        origin = mean if centered or by_sigma else minimum if by_range else np.zeros_like(mean)
        scale = np.ones_like(mean)
        offset = 0.0
        if by_range or by_sigma:
            width = statistics[symbol].T[3] if by_sigma else maximum - minimum
            for function, w in zip(functions[symbol], width, strict=True):
                if not w > 0.0:
                    raise InputError(
                        f"{path}: symmetry function '{function}' has no range in the training "
                        "data; delete it from input.nn and train again"
                    )
            scale = (high - low) / width
            offset = low
        scaling[symbol] = _Scaling(minimum, maximum, origin, scale, offset)
    return scaling


def _read_statistics(
    path: Path,
    symbols: tuple[str, ...],
    functions: dict[str, tuple[SymmetryFunction, ...]],
    columns: int,
) -> dict[str, NDArray[np.float64]]:
    """Minimum, maximum, mean (and sigma) of each symmetry function, by element."""
    rows = _read_table(path, columns)
    # RuNNer ends the file with the range of energies
    rows = [row for row in rows if len(row) > 2]
    statistics = {}
    for index, symbol in enumerate(symbols, start=1):
        own = [row for row in rows if row[0] == index]
        expected = len(functions[symbol])
        if [row[1] for row in own] != list(range(1, expected + 1)):
            raise InputError(
                f"{path}: element {symbol} needs rows 1 to {expected} for its symmetry "
                f"functions, found {len(own)}"
            )
        if any(len(row) < columns for row in own):
            raise InputError(f"{path}: rows of element {symbol} need {columns} columns")
        statistics[symbol] = np.array([row[2:] for row in own])
    return statistics
