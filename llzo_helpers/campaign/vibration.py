"""Vibrational densities of states of a campaign's short runs."""

import ase
import pandas as pd

from llzo_helpers.analysis.vibration import (
    VibrationalDensityOfStates,
    vibrational_density_of_states_from_positions,
)
from llzo_helpers.campaign.labels import run_label
from llzo_helpers.campaign.model import Campaign, by_volume
from llzo_helpers.campaign.tables import run_columns
from llzo_helpers.md.trajectory import Trajectory


def analyse_vibration(
    campaign: Campaign, element: str = "O"
) -> tuple[pd.DataFrame, dict[str, VibrationalDensityOfStates], dict[str, int]]:
    """Vibrational densities of states of the finished short runs.

    Returns
    -------
    table
        A row per run, the content of `vibration.csv`.
    spectra
        By system.
    n_atoms
        Number of atoms of the element, by system.
    """
    rows, spectra, n_atoms = [], {}, {}
    for run in by_volume(campaign.vibration_runs):
        directory = campaign.vibration_directory(run)
        if campaign.vibration is None or not (directory / "summary.json").is_file():
            continue
        trajectory = Trajectory(directory)
        atoms = trajectory.atoms(element)
        spectrum = vibrational_density_of_states_from_positions(
            trajectory.positions(atoms),
            ase.Atoms(trajectory.symbols[atoms]).get_masses(),
            time_step_fs=1000 * trajectory.frame_interval_ps,
            temperature_K=run.temperature_K,
            resolution_THz=campaign.vibration.resolution_THz,
        )
        label = run_label(run)
        spectra[label], n_atoms[label] = spectrum, len(atoms)
        rows.append(
            {
                **run_columns(run),
                "element": element,
                "mean_frequency_THz": spectrum.mean_frequency_THz,
                "mean_frequency_std_THz": spectrum.mean_frequency_std_THz,
                "degrees_of_freedom_per_atom": spectrum.degrees_of_freedom / len(atoms),
                "resolution_THz": spectrum.resolution_THz,
                "segments": spectrum.segments,
            }
        )
    return pd.DataFrame(rows), spectra, n_atoms
