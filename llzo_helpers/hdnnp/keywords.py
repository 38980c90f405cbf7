"""Keywords of ``input.nn``: which are used, which are skipped, and which are refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.text import read_text, shown, to_number

_MOST_NODES = 10_000

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
class Keywords:
    """What ``input.nn`` says.

    Attributes
    ----------
    path
        The file.
    lines
        Of each keyword: number of the line, arguments.
    """

    path: Path
    lines: dict[str, list[tuple[int, list[str]]]]

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.lines

    def all(self, keyword: str) -> list[tuple[int, list[str]]]:
        """Return the lines of a keyword, in order."""
        return self.lines.get(keyword, [])

    def required(self, keyword: str) -> tuple[int, list[str]]:
        """Return the first line of a keyword, or raise InputError."""
        if keyword not in self.lines:
            raise InputError(f"{self.path}: keyword '{keyword}' is missing")
        return self.lines[keyword][0]

    def error(self, line: int, problem: str) -> InputError:
        """Return an error that names the file and the line."""
        return InputError(f"{self.path}, line {line}: {problem}")

    def number(self, keyword: str, default: float) -> float:
        """Return the one number of a keyword."""
        if keyword not in self.lines:
            return default
        line, words = self.lines[keyword][0]
        if len(words) != 1:
            raise self.error(line, f"{keyword} takes one number, found '{shown(words)}'")
        return self.to_float(line, keyword, words[0])

    def to_float(self, line: int, name: str, word: str) -> float:
        """Return a word as a number, or raise InputError."""
        value = to_number(word)
        if math.isnan(value):
            raise self.error(line, f"{name} must be a number, found '{shown([word])}'")
        return value

    def to_count(self, line: int, name: str, word: str) -> int:
        """Return a word as a number of nodes or layers, or raise InputError."""
        value = self.to_float(line, name, word)
        if value != int(value) or not 1 <= value <= _MOST_NODES:
            raise self.error(
                line,
                f"{name} must be a whole number from 1 to {_MOST_NODES}, found '{shown([word])}'",
            )
        return int(value)


def read_keywords(path: Path) -> Keywords:
    """Read ``input.nn``.

    Raises
    ------
    InputError
        If it cannot be read, has an unknown keyword or one twice, or asks for what is not
        supported.
    """
    lines: dict[str, list[tuple[int, list[str]]]] = {}
    found = Keywords(path, lines)
    used, ignored = _USED.split(), _IGNORED.split()
    repeatable = ("symfunction_short", "atom_energy", "element_nodes_short")
    for number, text in enumerate(read_text(path).split("\n"), start=1):
        words = text.split("#")[0].split("!")[0].split()
        if not words:
            continue
        keyword, arguments = _SYNONYMS.get(words[0], words[0]), words[1:]
        if keyword in _REFUSED:
            reason = _REFUSED[keyword]
            raise found.error(number, f"'{keyword}' asks for {reason}, which is not supported")
        if keyword not in used and keyword not in ignored:
            raise found.error(
                number,
                f"unknown keyword '{shown([keyword])}'; if n2p2's energies don't depend on it, "
                "delete it",
            )
        if keyword in used and keyword in lines and keyword not in repeatable:
            raise found.error(number, f"'{keyword}' is given twice (line {lines[keyword][0][0]})")
        lines.setdefault(keyword, []).append((number, arguments))
    for keyword in ("nnp_type", "nn_type"):
        for number, arguments in found.all(keyword):
            if arguments not in (["2G-HDNNP"], ["HDNNP-2G"], ["2G"], ["2"], ["0"]):
                raise found.error(
                    number, f"{keyword} '{shown(arguments)}' is not supported, only 2G-HDNNP"
                )
    return found
