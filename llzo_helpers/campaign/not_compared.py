"""Numbers of the paper that a campaign has no counterpart of, and why: none is passed over."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.campaign.paper import COMPARED, paper_label, paper_value, paper_values
from llzo_helpers.campaign.tables import run_columns

LEAST_TEMPERATURES = 3
"""Of an Arrhenius fit."""


def not_compared(
    campaign: Campaign, comparison: pd.DataFrame, tables: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """List the numbers of the paper that are not in the comparison.

    Parameters
    ----------
    campaign
        The campaign.
    comparison
        Of `compare_with_paper`.
    tables
        Of `compared_tables`.

    Returns
    -------
    DataFrame
        A row per number of the paper: `quantity`, `system`, `temperature_K`, `paper`, `source` and
        the `reason` why it has no counterpart.
    """
    done = set(tables["diffusion"]["run"]) if "run" in tables.get("diffusion", ()) else set()
    paper = paper_values()
    rows = []
    for row in paper[~paper.index.isin(comparison["paper_row"])].to_dict("records"):
        compared = COMPARED[row["quantity"]]
        rows.append(
            {
                "quantity": compared.head,
                "system": paper_system(row),
                "T (K)": "" if np.isnan(row["temperature_K"]) else f"{row['temperature_K']:g}",
                "paper": f"{compared.factor * row['value']:.3g}",
                "source": row["source"],
                "reason": _reason(campaign, row, done, tables.get(compared.table)),
            }
        )
    columns = ["quantity", "system", "T (K)", "paper", "source", "reason"]
    return pd.DataFrame(rows, columns=columns)


def paper_system(row: Mapping[Any, Any]) -> str:
    """Name a system of the paper, as `system_label` names ours."""
    lithium = "" if np.isnan(row["li_per_formula"]) else f"-Li{row['li_per_formula']:g}"
    maker, ran = row["structure_potential"], row["md_potential"]
    other = f" on {maker}" if isinstance(maker, str) and maker != ran else ""
    letter = row["phase"][0].upper()
    return f"{letter}{lithium} {100 * row['volume_ratio']:g} % {ran}{other}"


def _reason(
    campaign: Campaign, row: Mapping[Any, Any], done: set[str], table: pd.DataFrame | None
) -> str:
    """Say what is missing for a number of the paper."""
    available = {paper_label(name) for name in campaign.potentials}
    for label in (row["md_potential"], row["structure_potential"]):
        if isinstance(label, str) and label not in available:
            return f"no potential here stands for the paper's {label}"
    runs = [run for run in campaign.runs if _corresponds(run, row)]
    if not runs:
        return "no such run in this campaign"
    finished = {run.temperature_K for run in runs if run.name in done}
    if not finished:
        return f"not finished: 0 of {len(runs)} runs"
    if row["quantity"] == "E_a_eV":
        planned = {run.temperature_K for run in runs}
        if len(planned) < LEAST_TEMPERATURES:
            return f"too few temperatures: {len(planned)} of at least {LEAST_TEMPERATURES}"
        if len(finished) < LEAST_TEMPERATURES:
            return f"not finished: {len(finished)} of {len(planned)} temperatures"
        return "D is only a bound at too many temperatures"
    compared = COMPARED[row["quantity"]]
    if table is None:
        return f"no {compared.table}.csv: run its notebook"
    if lacking := sorted(compared.columns - set(table)):
        return f"{compared.table}.csv is of an older version, without {lacking[0]}: run notebook 04"
    if "sites" not in compared.table:
        return f"not in {compared.table}.csv: run its notebook"
    return "no sites were found in it, or no jumps"


def _corresponds(run: Run, row: Mapping[Any, Any]) -> bool:
    """Return whether a run would give a number of the paper, or part of it."""
    ours = run_columns(run)
    if row["quantity"] == "E_a_eV":
        # from all temperatures
        ours.pop("temperature_K")
    match = paper_value(ours, row["quantity"])
    return match is not None and bool(match["value"] == row["value"])
