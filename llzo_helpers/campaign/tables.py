"""Columns and output shared by the tables of a campaign."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from llzo_helpers.campaign.model import Run
from llzo_helpers.files import write_text

SYSTEM_COLUMNS = [
    "phase",
    "structure_potential",
    "melt_quench",
    "md_potential",
    "li_per_formula",
    "volume_ratio",
    "supercell",
]
"""What distinguishes systems, besides temperature and replica."""

SystemKey = tuple[Any, ...]
"""A system, by the values of `SYSTEM_COLUMNS`."""


def system_columns(run: Run) -> dict[str, Any]:
    """Return what distinguishes a run's system from others, by `SYSTEM_COLUMNS`."""
    structure = run.structure
    return {
        "phase": structure.phase,
        # a crystal is built from its symmetry, not by a potential
        "structure_potential": structure.structure_potential,
        "melt_quench": structure.melt_quench.name if structure.melt_quench else None,
        "md_potential": run.md_potential,
        "li_per_formula": structure.li_per_formula,
        "volume_ratio": structure.volume_ratio,
        "supercell": structure.supercell,
    }


def run_columns(run: Run) -> dict[str, Any]:
    """Return the columns that describe a run, the same in every table."""
    return {
        "run": run.name,
        "structure": run.structure.name,
        **system_columns(run),
        "temperature_K": run.temperature_K,
        "replica": run.structure.replica,
    }


def system_key(row: Mapping[Any, Any]) -> SystemKey:
    """Return the values of `SYSTEM_COLUMNS`, by which a system can be looked up."""
    # a table has NaN where there is nothing
    return tuple(None if pd.isna(row[column]) else row[column] for column in SYSTEM_COLUMNS)


def value_or_bound(row: Mapping[Any, Any]) -> str:
    """Return D of a row as text: with its standard error, or as an upper bound."""
    if row["upper_bound"]:
        return f"< {row['tracer_D_limit_cm2_s']:.1e}"
    return f"{row['tracer_D_cm2_s']:.2e} ± {row['tracer_D_std_cm2_s']:.1e}"


def save_table(path: Path, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a table as CSV, completely or not at all."""
    write_text(path, table.to_csv(index=index))
