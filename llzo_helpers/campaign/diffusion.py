"""Diffusivities and activation energies of a campaign."""

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.analysis.arrhenius import Arrhenius, fit_arrhenius
from llzo_helpers.analysis.conductivity import collective_diffusion_coefficient, haven_ratio
from llzo_helpers.analysis.diffusion import (
    TracerDiffusion,
    tracer_diffusion_coefficient,
)
from llzo_helpers.analysis.fit_window import DEFAULT_WINDOW, MIN_LAGS
from llzo_helpers.analysis.plateau import RunningD
from llzo_helpers.analysis.stationarity import Drift, drift
from llzo_helpers.campaign.conductivity import conductivity_columns
from llzo_helpers.campaign.glass_spread import with_glass_spread
from llzo_helpers.campaign.kept import of_each_run
from llzo_helpers.campaign.model import AnyRun, Campaign, Run
from llzo_helpers.campaign.observed import ObservedRun
from llzo_helpers.campaign.tables import (
    SYSTEM_COLUMNS,
    SystemKey,
    combined_D,
    run_columns,
    system_key,
)
from llzo_helpers.errors import InputError
from llzo_helpers.md.folder import read_start, read_thermo


def analyse_diffusion(campaign: Campaign) -> tuple[pd.DataFrame, dict[str, TracerDiffusion]]:
    """Tracer and collective diffusion coefficients of all runs, including those made elsewhere.

    Returns
    -------
    table
        A row per run, the content of `diffusion.csv`.
    results
        By run name, for figures.

    Raises
    ------
    InputError
        If no run is finished.
    """
    if not campaign.analysed_runs:
        raise InputError(f"{campaign.directory}: no finished run; run notebook 02 first")
    runs = campaign.analysed_runs
    found = of_each_run(campaign, "diffusion", _analyse_run, runs)
    results = {run.name: tracer for run, (_, tracer) in zip(runs, found, strict=True)}
    rows = [row | {"one_jump_D_cm2_s": tracer.one_jump_D_cm2_s} for row, tracer in found]
    return pd.DataFrame(rows), results


def run_diffusion(campaign: Campaign, run: AnyRun) -> TracerDiffusion:
    """Return the tracer diffusion of one run, as kept where its frames are not here."""
    ((_, tracer),) = of_each_run(campaign, "diffusion", _analyse_run, [run])
    return tracer


def known_jump_length_A(campaign: Campaign, run: AnyRun) -> float | None:
    """Return how far an ion jumps, by which D of a run may be a bound; None if it is not known.

    It is known for lithium in the garnet.
    """
    return campaign.diffusion.jump_length_A if isinstance(run, Run) else None


def _analyse_run(campaign: Campaign, run: AnyRun) -> tuple[dict[str, Any], TracerDiffusion]:
    """Return the row of a run, and its tracer diffusion."""
    trajectory = campaign.trajectory(run)
    ions = trajectory.relative_to_framework(run.mobile)
    interval = trajectory.frame_interval_ps
    tracer = tracer_diffusion_coefficient(
        ions,
        interval,
        campaign.diffusion.fit_window,
        jump_length_A=known_jump_length_A(campaign, run),
    )
    # for a single coordinate, long lags add more noise than information
    first, last = tracer.fit_lags_ps
    window = (first, min(last, max(2 * first, first + MIN_LAGS * interval)))
    collective = collective_diffusion_coefficient(ions, interval, window, in_ps=True)
    haven = haven_ratio(tracer, collective)
    # runs made elsewhere come without energies
    energy = _energy_drift(campaign.run_directory(run)) if isinstance(run, Run) else None
    first_half, second_half = tracer.halves_D_cm2_s
    volume_A3 = abs(np.linalg.det(trajectory.cell))
    row = {
        **run_columns(run),
        "tracer_D_cm2_s": tracer.D_cm2_s,
        "tracer_D_std_cm2_s": tracer.D_std_cm2_s,
        "tracer_D_freedom": tracer.degrees_of_freedom,
        "upper_bound": tracer.upper_bound,
        "tracer_D_limit_cm2_s": tracer.D_limit_cm2_s,
        "msd_exponent": tracer.exponent,
        "msd_exponent_std": tracer.exponent_std,
        "fit_start_ps": tracer.fit_lags_ps[0],
        "fit_end_ps": tracer.fit_lags_ps[1],
        "stretches": tracer.n_stretches,
        "plateau": tracer.plateau,
        "first_half_D_cm2_s": first_half,
        "second_half_D_cm2_s": second_half,
        "D_drift_sigma": tracer.drift_sigma,
        "energy_drift_meV_atom": energy.change if energy else np.nan,
        "energy_drift_sigma": energy.sigma if energy else np.nan,
        "stationary": tracer.stationary and not (energy and energy.significant),
        "collective_D_cm2_s": collective.D_cm2_s,
        "collective_D_std_cm2_s": collective.D_std_cm2_s,
        "haven_ratio": haven.value,
        "haven_ratio_std": haven.std,
        **conductivity_columns(run, tracer, collective, volume_A3),
        "n_frames": len(trajectory),
        "mobile": "+".join(run.mobile),
        "n_ions": tracer.n_ions,
        "warnings": "; ".join([*tracer.warnings, *_energy_warnings(energy)]),
        "notes": "; ".join(trajectory.notes),
    }
    return row, tracer


def _energy_drift(directory: Path) -> Drift:
    """Drift of the potential energy during production, meV per atom."""
    energy = read_thermo(directory)["potential_energy_eV"].to_numpy()
    return drift(1000 * energy / len(read_start(directory)))


def _energy_warnings(energy: Drift | None) -> list[str]:
    if energy is None or not energy.significant:
        return []
    return [
        f"not stationary: the potential energy changes by {energy.change:+.2g} meV per atom "
        f"between the halves, {abs(energy.sigma):.1f} standard errors; equilibrate longer"
    ]


def diffusion_against_age(campaign: Campaign, parts: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Diffusion coefficients of amorphous structures in consecutive parts of their runs.

    A glass ages: ions that are fast after the quench may slow down. The fit uses the lags of the
    parts, which are shorter than those of the whole run.

    Returns
    -------
    ageing
        A row per run and part, the content of `ageing.csv`; ages count from the start of
        equilibration.
    lags
        D against lag in each part, with standard errors, the content of `ageing_lags.csv`.
    """
    glasses = [run for run in campaign.finished_runs if run.phase == "amorphous"]
    found = of_each_run(campaign, "ageing", partial(_age_of_run, parts=parts), glasses)
    rows = [row for of_run in found for row, _ in of_run]
    if not rows:
        columns = ["run", "age_ps", "tracer_D_cm2_s"]
        return pd.DataFrame(columns=columns), pd.DataFrame(columns=[*columns, "lag_ps"])
    lags = [
        pd.DataFrame(
            {
                "run": row["run"],
                "age_ps": row["age_ps"],
                "lag_ps": running.lags_ps,
                "tracer_D_cm2_s": running.D_cm2_s,
                "tracer_D_std_cm2_s": running.D_std_cm2_s,
            }
        )
        for of_run in found
        for row, running in of_run
    ]
    return pd.DataFrame(rows), pd.concat(lags, ignore_index=True)


def _age_of_run(
    campaign: Campaign, run: AnyRun, *, parts: int
) -> list[tuple[dict[str, Any], RunningD]]:
    """Return the row of each part of a glass's run, and D against lag there."""
    if isinstance(run, ObservedRun):
        return []
    trajectory = campaign.trajectory(run)
    settings, interval = campaign.diffusion, trajectory.frame_interval_ps
    start_ps = campaign.md_settings(run).equilibration_ps
    lithium = trajectory.relative_to_framework()
    edges = np.linspace(0, len(lithium), parts + 1).round().astype(int)
    found = []
    for begin, end in pairwise(edges.tolist()):
        try:
            part = tracer_diffusion_coefficient(
                lithium[begin:end],
                interval,
                settings.fit_window or DEFAULT_WINDOW,
                jump_length_A=settings.jump_length_A,
            )
        except InputError:
            # a part has too few frames to show ageing
            continue
        row = {
            **run_columns(run),
            "age_ps": start_ps + (begin + end) / 2 * interval,
            "fit_start_ps": part.fit_lags_ps[0],
            "fit_end_ps": part.fit_lags_ps[1],
            "tracer_D_cm2_s": part.D_cm2_s,
            "tracer_D_std_cm2_s": part.D_std_cm2_s,
            "upper_bound": part.upper_bound,
            "tracer_D_limit_cm2_s": part.D_limit_cm2_s,
        }
        found.append((row, part.running))
    return found


def combine(diffusion: pd.DataFrame) -> pd.DataFrame:
    """Combine the replicas of each system and temperature into one row.

    The mean is an upper bound if at least half of the D are. The error of a glass without replicas
    includes how far glasses made alike differ
    (`llzo_helpers.campaign.glass_spread.with_glass_spread`).
    """
    rows = []
    diffusion = with_glass_spread(diffusion)
    keys = [*SYSTEM_COLUMNS, "temperature_K"]
    for key, group in diffusion.groupby(keys, dropna=False, sort=False):
        mean = combined_D(group)
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "tracer_D_cm2_s": mean.value,
                "tracer_D_std_cm2_s": mean.std,
                "tracer_D_freedom": mean.degrees_of_freedom,
                "upper_bound": mean.upper_bound,
                "tracer_D_limit_cm2_s": mean.limit,
                "stationary": bool(group["stationary"].all()),
                "replicas": mean.n_replicas,
            }
        )
    return pd.DataFrame(rows)


def analyse_arrhenius(combined: pd.DataFrame) -> tuple[pd.DataFrame, dict[SystemKey, Arrhenius]]:
    """Arrhenius fits of all systems with three temperatures or more, including bounds.

    Parameters
    ----------
    combined
        From `combine`.

    Returns
    -------
    table
        A row per system, the content of `arrhenius.csv`.
    fits
        By system, for figures.
    """
    rows, fits = [], {}
    for key, group in combined.groupby(SYSTEM_COLUMNS, dropna=False, sort=False):
        # a slope needs two values; bounds alone give none
        values = ~group["upper_bound"] & (group["tracer_D_cm2_s"] > 0)
        if len(group) < 3 or values.sum() < 2:
            continue
        fit = fit_arrhenius(
            group["temperature_K"],
            group["tracer_D_cm2_s"],
            group["tracer_D_std_cm2_s"],
            group["upper_bound"],
        )
        fits[system_key(dict(zip(SYSTEM_COLUMNS, key, strict=True)))] = fit
        rows.append(
            {
                **dict(zip(SYSTEM_COLUMNS, key, strict=True)),
                "E_a_eV": fit.E_a_eV,
                "E_a_std_eV": fit.E_a_std_eV,
                "E_a_freedom": fit.freedom,
                "D0_cm2_s": float(np.exp(fit.ln_D0)),
                "D0_std_cm2_s": float(np.exp(fit.ln_D0) * fit.ln_D0_std),
                "ln_D0": fit.ln_D0,
                "ln_D0_std": fit.ln_D0_std,
                "covariance_E_a_ln_D0_eV": fit.covariance,
                "chi2": fit.chi2,
                "degrees_of_freedom": fit.degrees_of_freedom,
                "temperature_min_K": group["temperature_K"].min(),
                "temperature_max_K": group["temperature_K"].max(),
                "n_temperatures": fit.n_temperatures,
                "n_bounds": fit.n_bounds,
            }
        )
    columns = [*SYSTEM_COLUMNS, "E_a_eV", "E_a_std_eV", "E_a_freedom", "D0_cm2_s"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns), fits


def msd_table(results: Mapping[str, TracerDiffusion]) -> pd.DataFrame:
    """Return the mean squared displacements as one table: `run`, `lag_ps`, `msd_A2` and its error.

    Parameters
    ----------
    results
        From `analyse_diffusion`.
    """
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "run": name,
                    "lag_ps": result.lags_ps,
                    "msd_A2": result.msd_A2,
                    "msd_std_A2": result.msd_std_A2,
                }
            )
            for name, result in results.items()
        ]
        or [pd.DataFrame(columns=["run", "lag_ps", "msd_A2", "msd_std_A2"])],
        ignore_index=True,
    )
