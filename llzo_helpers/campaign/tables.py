"""What the tables of a campaign have in common: columns, reading and writing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.campaign.model import AnyRun
from llzo_helpers.campaign.observed import ObservedRun
from llzo_helpers.files import write_text

SYSTEM_COLUMNS = [
    "phase",
    "structure_potential",
    "melt_quench",
    "md_potential",
    "li_per_formula",
    "volume_ratio",
    "supercell",
    "group",
]
"""What tells systems apart, apart from temperature and replica."""

SystemKey = tuple[Any, ...]
"""A system, by the values of `SYSTEM_COLUMNS`."""


def system_columns(run: AnyRun) -> dict[str, Any]:
    """Return what tells a run's system from others, by `SYSTEM_COLUMNS`."""
    if isinstance(run, ObservedRun):
        # the others mean nothing there
        numbers = dict.fromkeys(("li_per_formula", "volume_ratio", "supercell"), np.nan)
        known = {"phase": run.phase, "group": run.group or run.title}
        return dict.fromkeys(SYSTEM_COLUMNS) | numbers | known
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
        "group": None,
    }


def run_columns(run: AnyRun) -> dict[str, Any]:
    """Return the columns that describe a run, the same in every table."""
    return {
        "run": run.name,
        "structure": None if isinstance(run, ObservedRun) else run.structure.name,
        **system_columns(run),
        "temperature_K": run.temperature_K,
        "replica": run.replica,
    }


def against_volume(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of systems that have a volume ratio, for figures against it."""
    return table[table["volume_ratio"].notna()]


def system_key(row: Mapping[Any, Any]) -> SystemKey:
    """Return the values of `SYSTEM_COLUMNS`, by which a system can be looked up."""
    # a table has NaN where there is nothing
    return tuple(None if pd.isna(row[column]) else row[column] for column in SYSTEM_COLUMNS)


def save_table(path: Path, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, table.to_csv(index=index))
