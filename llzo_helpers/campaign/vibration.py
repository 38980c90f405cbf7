"""Vibrational densities of states of a campaign's short runs."""

from functools import partial

import ase
import pandas as pd

from llzo_helpers.analysis.vibration import (
    VibrationalDensityOfStates,
    vibrational_density_of_states_from_positions,
)
from llzo_helpers.campaign.kept import has_frames, of_each
from llzo_helpers.campaign.labels import run_label
from llzo_helpers.campaign.model import Campaign, Run, by_volume
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
    if campaign.vibration is None:
        return pd.DataFrame(), {}, {}
    runs = by_volume(campaign.finished_vibration_runs)
    found = of_each(
        campaign,
        f"vibration-{element}",
        partial(
            _spectrum_of_run, element=element, resolution_THz=campaign.vibration.resolution_THz
        ),
        runs,
        [has_frames(campaign.vibration_directory(run)) for run in runs],
    )
    rows, spectra, n_atoms = [], {}, {}
    for run, (spectrum, number) in zip(runs, found, strict=True):
        label = run_label(run)
        spectra[label], n_atoms[label] = spectrum, number
        rows.append(
            {
                **run_columns(run),
                "element": element,
                "mean_frequency_THz": spectrum.mean_frequency_THz,
                "mean_frequency_std_THz": spectrum.mean_frequency_std_THz,
                "degrees_of_freedom_per_atom": spectrum.degrees_of_freedom / number,
                "resolution_THz": spectrum.resolution_THz,
                "segments": spectrum.segments,
            }
        )
    return pd.DataFrame(rows), spectra, n_atoms


def _spectrum_of_run(
    campaign: Campaign, run: Run, *, element: str, resolution_THz: float
) -> tuple[VibrationalDensityOfStates, int]:
    """Return the spectrum of an element, and the number of its atoms."""
    trajectory = Trajectory(campaign.vibration_directory(run))
    atoms = trajectory.atoms(element)
    spectrum = vibrational_density_of_states_from_positions(
        trajectory.positions(atoms),
        ase.Atoms(trajectory.symbols[atoms]).get_masses(),
        time_step_fs=1000 * trajectory.frame_interval_ps,
        temperature_K=run.temperature_K,
        resolution_THz=resolution_THz,
    )
    return spectrum, len(atoms)
