"""What the diffusion coefficient of a glass depends on: how it was made, its age, and the lag."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.analysis.diffusion import TracerDiffusion
from llzo_helpers.analysis.factorial import Effect, effects_against_first, mean_effect
from llzo_helpers.analysis.plateau import RunningD
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.campaign.tables import rounded
from llzo_helpers.generate.settings import MeltQuench

GLASS_COLUMNS = [
    *("structure_potential", "md_potential", "li_per_formula", "volume_ratio", "supercell"),
    "temperature_K",
]
"""Columns in which the glasses that are compared agree: in all but how they were made."""

_EFFECT_COLUMNS = ("effect", "change", "runs", "factor", "factor_low_95", "factor_high_95")

SHORTER = 10
"""By how much shorter lags are compared with those of the fit."""


def preparation_effects(
    campaign: Campaign,
    diffusion: pd.DataFrame,
    ageing: pd.DataFrame,
    results: Mapping[str, TracerDiffusion],
) -> pd.DataFrame:
    """Compare glasses that differ only in how they were made, and ages and lags within their runs.

    Parameters
    ----------
    campaign
        Whose runs they are.
    diffusion
        Of `llzo_helpers.campaign.diffusion.analyse_diffusion`.
    ageing
        Of `llzo_helpers.campaign.diffusion.diffusion_against_age`.
    results
        By run name, of `analyse_diffusion`.

    Returns
    -------
    DataFrame
        A row per comparison between two runs or more, the content of `preparation.csv`: `change`,
        the number of `runs` compared, and the `factor` by which D changes, with its 95 % interval.
        "lag" and "age" compare within each run; their errors are from the spread between runs.
        "made" compares the mean of ln D of one protocol with that of the first; errors are from the
        spread between glasses that were made alike, pooled over the protocols. "replicas" is that
        spread: one standard deviation of ln D. Upper bounds are compared as they stand: all D are
        of the same lags.
    """
    glasses = diffusion[(diffusion["phase"] == "amorphous") & (diffusion["tracer_D_cm2_s"] > 0)]
    rows: list[dict[str, Any]] = []
    for key, group in glasses.groupby(GLASS_COLUMNS, sort=False):
        if len(group) < 2:
            continue
        alike = dict(zip(GLASS_COLUMNS, key, strict=True))
        found = [*_within_runs(group, ageing, results), *_between(campaign, group)]
        rows += [alike | row for row in found]
    return pd.DataFrame(rows, columns=[*GLASS_COLUMNS, *_EFFECT_COLUMNS])


def _within_runs(
    group: pd.DataFrame, ageing: pd.DataFrame, results: Mapping[str, TracerDiffusion]
) -> list[dict[str, Any]]:
    """Return the effects of lag and age."""
    middles, by_lag = [], []
    for name in group["run"]:
        middle = float(np.sqrt(np.prod(results[name].fit_lags_ps)))
        long, short = (_at(results[name].running, lag) for lag in (middle, middle / SHORTER))
        if long > 0 and short > 0:
            middles.append(middle)
            by_lag.append(np.log(long / short))
    by_age = []
    for _, parts in ageing[ageing["run"].isin(group["run"])].groupby("run", sort=False):
        D = parts.sort_values("age_ps")["tracer_D_cm2_s"].to_numpy()
        if len(D) > 1 and min(D[0], D[-1]) > 0:
            by_age.append(np.log(D[-1] / D[0]))
    rows = []
    if len(by_lag) > 1:
        middle = float(np.mean(middles))
        change = f"lags of {rounded(middle / SHORTER)} → {rounded(middle)} ps"
        rows.append(_row("lag", change, len(by_lag), mean_effect(by_lag)))
    if len(by_age) > 1:
        change = "first → last part of the run"
        rows.append(_row("age", change, len(by_age), mean_effect(by_age)))
    return rows


def _at(running: RunningD, lag_ps: float) -> float:
    """Return D at a lag between those that are known; NaN outside of them."""
    known = np.log(running.lags_ps)
    return float(np.interp(np.log(lag_ps), known, running.D_cm2_s, left=np.nan, right=np.nan))


def _between(campaign: Campaign, group: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the effects of how glasses were made, and the spread of those made alike."""
    runs = {run.name: run for run in campaign.runs}
    made = {name: runs[name].structure.melt_quench for name in group["run"]}
    protocols = dict(iter(group.groupby("melt_quench", sort=False)))
    columns = ("tracer_D_cm2_s", "tracer_D_std_cm2_s")
    D, std = ([rows[column].to_numpy() for rows in protocols.values()] for column in columns)
    first, *others = (made[rows["run"].iloc[0]] for rows in protocols.values())
    effects, spread = effects_against_first(D, std)
    assert first is not None
    rows = [
        _row("made", _difference(first, other), len(D[0]) + len(values), effect)
        for other, values, effect in zip(others, D[1:], effects, strict=True)
        if other is not None
    ]
    if spread is not None:
        low, high = spread.interval()
        change = "one standard deviation between glasses made alike"
        factors = (np.exp(value) for value in (spread.std, low, high))
        rows.append(_numbers("replicas", change, len(group), *factors))
    return rows


def _difference(first: MeltQuench, other: MeltQuench) -> str:
    before, after = first.model_dump(), other.model_dump()
    changed = [key for key in before if key != "name" and before[key] != after[key]]
    return ", ".join(f"{key} {_told(before[key])} → {_told(after[key])}" for key in changed)


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _row(effect: str, change: str, runs: int, found: Effect) -> dict[str, Any]:
    return _numbers(effect, change, runs, found.factor, *found.factor_interval())


def _numbers(
    effect: str, change: str, runs: int, factor: float, low: float, high: float
) -> dict[str, Any]:
    values = (effect, change, runs, float(factor), float(low), float(high))
    return dict(zip(_EFFECT_COLUMNS, values, strict=True))
