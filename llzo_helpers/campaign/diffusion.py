"""Diffusivities and activation energies of a campaign."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from llzo_helpers.analysis.diffusion import (
    Arrhenius,
    TracerDiffusion,
    combine_replicas,
    fit_arrhenius,
    nernst_einstein_conductivity,
    tracer_diffusion_coefficient,
)
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.model import AnyRun, Campaign
from llzo_helpers.campaign.tables import (
    SYSTEM_COLUMNS,
    SystemKey,
    against_volume,
    run_columns,
    system_key,
)

_CHARGES = {"Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Ag": 1, "Cu": 1, "H": 1} | {
    **{"F": -1, "Cl": -1, "Br": -1, "I": -1, "O": -2, "S": -2},
    **{"Mg": 2, "Ca": 2, "Zn": 2, "Al": 3},
}
"""Of the ions that conduct in solids."""


def _nernst_einstein(run: AnyRun, result: TracerDiffusion, volume_A3: float) -> float:
    """Return the conductivity of independent ions, S/cm; NaN for several ions or unknown charge."""
    charge = _CHARGES.get(run.mobile[0]) if len(run.mobile) == 1 else None
    if charge is None:
        return float("nan")
    density = result.n_ions / volume_A3
    return charge**2 * nernst_einstein_conductivity(result.D_cm2_s, density, run.temperature_K)


def analyse_diffusion(
    campaign: Campaign, on_run: Callable[[AnyRun], None] = lambda run: None
) -> tuple[pd.DataFrame, dict[str, TracerDiffusion]]:
    """Tracer diffusion coefficients of all finished runs, and of those made elsewhere.

    Returns
    -------
    table
        A row per run, the content of `diffusion.csv`.
    results
        By run name, for figures.
    """
    rows, results = [], {}
    for run in campaign.analysed_runs:
        trajectory = campaign.trajectory(run)
        result = tracer_diffusion_coefficient(
            trajectory.relative_to_framework(run.mobile),
            trajectory.frame_interval_ps,
            campaign.diffusion.fit_window,
        )
        results[run.name] = result
        rows.append(
            {
                **run_columns(run),
                "tracer_D_cm2_s": result.D_cm2_s,
                "tracer_D_std_cm2_s": result.D_std_cm2_s,
                "msd_exponent": result.exponent,
                "msd_exponent_std": result.exponent_std,
                "fit_start_ps": result.fit_lags_ps[0],
                "fit_end_ps": result.fit_lags_ps[1],
                "n_frames": len(trajectory),
                "mobile": "+".join(run.mobile),
                "n_ions": result.n_ions,
                "nernst_einstein_S_cm": _nernst_einstein(
                    run, result, abs(np.linalg.det(trajectory.cell))
                ),
                "warnings": "; ".join(result.warnings),
                "notes": "; ".join(trajectory.notes),
            }
        )
        on_run(run)
    return pd.DataFrame(rows), results


def combine(diffusion: pd.DataFrame) -> pd.DataFrame:
    """Combine the replicas of each system and temperature into one row."""
    rows = []
    keys = [*SYSTEM_COLUMNS, "temperature_K"]
    for key, group in diffusion.groupby(keys, dropna=False, sort=False):
        mean = combine_replicas(
            group["tracer_D_cm2_s"].to_list(), group["tracer_D_std_cm2_s"].to_list()
        )
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "tracer_D_cm2_s": mean.value,
                "tracer_D_std_cm2_s": mean.std,
                "replicas": mean.n_replicas,
            }
        )
    return pd.DataFrame(rows)


def analyse_arrhenius(combined: pd.DataFrame) -> tuple[pd.DataFrame, dict[SystemKey, Arrhenius]]:
    """Arrhenius fits of all systems with three temperatures or more.

    Parameters
    ----------
    combined
        Of `combine`.

    Returns
    -------
    table
        A row per system, the content of `arrhenius.csv`.
    fits
        By system, for figures.
    """
    rows, fits = [], {}
    for key, group in combined.groupby(SYSTEM_COLUMNS, dropna=False, sort=False):
        positive = group[group["tracer_D_cm2_s"] > 0]
        if len(positive) < 3:
            continue
        fit = fit_arrhenius(
            positive["temperature_K"], positive["tracer_D_cm2_s"], positive["tracer_D_std_cm2_s"]
        )
        fits[system_key(dict(zip(SYSTEM_COLUMNS, key, strict=True)))] = fit
        rows.append(
            {
                **dict(zip(SYSTEM_COLUMNS, key, strict=True)),
                "E_a_eV": fit.E_a_eV,
                "E_a_std_eV": fit.E_a_std_eV,
                "D0_cm2_s": float(np.exp(fit.ln_D0)),
                "D0_std_cm2_s": float(np.exp(fit.ln_D0) * fit.ln_D0_std),
                "ln_D0": fit.ln_D0,
                "ln_D0_std": fit.ln_D0_std,
                "covariance_E_a_ln_D0_eV": fit.covariance,
                "chi2": fit.chi2,
                "degrees_of_freedom": fit.degrees_of_freedom,
                "temperature_min_K": positive["temperature_K"].min(),
                "temperature_max_K": positive["temperature_K"].max(),
                "n_temperatures": fit.n_temperatures,
            }
        )
    columns = [*SYSTEM_COLUMNS, "E_a_eV", "E_a_std_eV", "D0_cm2_s"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns), fits


def msd_table(results: Mapping[str, TracerDiffusion]) -> pd.DataFrame:
    """Return the mean squared displacements as one table: `run`, `lag_ps`, `msd_A2` and its error.

    Parameters
    ----------
    results
        Of `analyse_diffusion`.
    """
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "run": name,
                    "lag_ps": result.lags_ps,
                    "msd_A2": result.msd,
                    "msd_std_A2": result.msd_std,
                }
            )
            for name, result in results.items()
        ]
        or [pd.DataFrame(columns=["run", "lag_ps", "msd_A2", "msd_std_A2"])],
        ignore_index=True,
    )


def table_2(combined: pd.DataFrame, arrhenius: pd.DataFrame) -> pd.DataFrame:
    """Table 2 of the paper: D at 1100 K and E_a of the systems of the jump analysis."""
    at_1100 = against_volume(combined[combined["temperature_K"] == 1100])
    if at_1100.empty:
        return pd.DataFrame()
    # a column of potentials that no crystal has is empty, and then of another type
    same_type = arrhenius.astype(at_1100[SYSTEM_COLUMNS].dtypes.to_dict())
    merged = at_1100.merge(same_type, on=SYSTEM_COLUMNS, how="inner")
    values = {
        system_label(row): {
            "E_a (eV)": f"{row['E_a_eV']:.2f} ± {row['E_a_std_eV']:.2f}",
            "D (cm2/s)": f"{row['tracer_D_cm2_s']:.2e} ± {row['tracer_D_std_cm2_s']:.1e}",
        }
        for row in merged.to_dict("records")
    }
    return pd.DataFrame(values)
