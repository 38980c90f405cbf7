"""What was learnt: sentences that notebooks print at their ends, from the data of their runs."""

from pathlib import Path

import pandas as pd

from llzo_helpers.analysis.diffusion import TracerDiffusion, tracer_diffusion_coefficient
from llzo_helpers.analysis.stationarity import Drift, drift
from llzo_helpers.campaign.settings import DiffusionSettings
from llzo_helpers.campaign.tables import value_or_bound
from llzo_helpers.errors import InputError
from llzo_helpers.md.trajectory import Trajectory


def diffusion_in_words(result: TracerDiffusion) -> str:
    """Return D with its standard error, or as a bound, the exponent of the MSD, and warnings."""
    D = value_or_bound(
        {
            "tracer_D_cm2_s": result.D_cm2_s,
            "tracer_D_std_cm2_s": result.D_std_cm2_s,
            "tracer_D_limit_cm2_s": result.D_limit_cm2_s,
            "upper_bound": result.upper_bound,
        }
    )
    D = f"{D} ×" if result.upper_bound else f"= ({D}) ×"
    text = f"D {D} 10⁻⁵ cm²/s, MSD ∝ t^({result.exponent:.2f} ± {result.exponent_std:.2f})"
    return "; ".join([text, *result.warnings])


def run_diffusion(directory: Path) -> TracerDiffusion | None:
    """Return D of lithium in a run, as a campaign takes it by default; None for too short a run."""
    trajectory, settings = Trajectory(directory), DiffusionSettings()
    try:
        return tracer_diffusion_coefficient(
            trajectory.relative_to_framework(),
            trajectory.frame_interval_ps,
            settings.fit_window,
            jump_length_A=settings.jump_length_A,
        )
    except InputError:
        return None


def from_run(thermo: pd.DataFrame, temperature_K: float, diffusion: TracerDiffusion | None) -> str:
    """Say whether a run is in equilibrium, and how fast its ions diffuse.

    Parameters
    ----------
    thermo
        Of `llzo_helpers.md.folder.read_thermo`.
    temperature_K
        Of the thermostat.
    diffusion
        Of `run_diffusion`.
    """
    mean = thermo["temperature_K"].mean()
    sentences = [f"The thermostat was set to {temperature_K:g} K, the mean was {mean:.0f} K."]
    try:
        energy = drift(thermo["potential_energy_eV"])
    except InputError:
        sentences.append("The run is too short to see whether its energy drifts.")
    else:
        sentences.append(_stationarity(energy))
    if diffusion is None:
        sentences.append("It is too short for a diffusion coefficient as well.")
    else:
        sentences.append(f"Lithium: {diffusion_in_words(diffusion)}.")
    return "\n".join(sentences)


def _stationarity(energy: Drift) -> str:
    changed = f"changes by {energy.sigma:+.1f} standard errors between the halves of the run"
    if energy.significant:
        return f"The potential energy {changed}: equilibrate longer."
    return f"The potential energy {changed}, no more than chance allows: no sign of a drift."
