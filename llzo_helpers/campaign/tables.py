"""Columns and output shared by the tables of a campaign."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.analysis.diffusion import Combined, combine_replicas
from llzo_helpers.campaign.model import AnyRun, Campaign
from llzo_helpers.campaign.observed import ObservedRun
from llzo_helpers.campaign.provenance import made_with, require_made_with
from llzo_helpers.errors import InputError
from llzo_helpers.files import read_record, require_sha256, write_json, write_text

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
"""What distinguishes systems, besides temperature and replica."""

SystemKey = tuple[Any, ...]
"""A system, by the values of `SYSTEM_COLUMNS`."""


def system_columns(run: AnyRun) -> dict[str, Any]:
    """Return what distinguishes a run's system from others, by `SYSTEM_COLUMNS`."""
    if isinstance(run, ObservedRun):
        # the other columns have no meaning there
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


def value_or_bound(row: Mapping[Any, Any]) -> str:
    """Return D of a row in 1e-5 cm2/s: with its standard error, or as an upper bound."""
    if row["upper_bound"]:
        return f"< {1e5 * row['tracer_D_limit_cm2_s']:.2g}"
    return with_error(1e5 * row["tracer_D_cm2_s"], 1e5 * row["tracer_D_std_cm2_s"])


def combined_D(rows: pd.DataFrame) -> Combined:
    """Return the mean of the D of replicas, with what their table says of the errors.

    Parameters
    ----------
    rows
        Of `diffusion.csv`; degrees of freedom, and D of one jump, are used where there are any.
    """
    known = [
        rows[column].to_list() if column in rows else None
        for column in ("tracer_D_freedom", "one_jump_D_cm2_s")
    ]
    D = rows[["tracer_D_cm2_s", "tracer_D_std_cm2_s", "upper_bound"]]
    return combine_replicas(*(D[column].to_list() for column in D), *known)


def with_error(value: float, std: float) -> str:
    """Return a value with its standard error, both to the first digit of the error.

    To the second digit where the first is 1, which alone would change the error by up to a half.

    Examples
    --------
    >>> with_error(1.4237, 0.0891), with_error(0.5638, 0.1881)
    ('1.42 ± 0.09', '0.56 ± 0.19')
    """
    if not (np.isfinite(value) and np.isfinite(std) and std > 0):
        return "" if np.isnan(value) else f"{value:.3g}"
    # rounding may carry: 0.096 is 0.10, but 0.196 is 0.2
    power = int(np.floor(np.log10(float(f"{std:.1e}"))))
    digits = (1 if float(f"{std:.1e}") < 1.95 * 10.0**power else 0) - power
    places = max(digits, 0)
    # plus zero: what rounds to zero has no sign
    return f"{round(value, digits) + 0.0:.{places}f} ± {round(std, digits):.{places}f}"


def rounded(value: float, digits: int = 2) -> str:
    """Return a number in so many digits, without an exponent where people would write none.

    Examples
    --------
    >>> rounded(218.3), rounded(0.0531), rounded(3.2e-9)
    ('220', '0.053', '3.2e-09')
    """
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+0" in text else text


def save_table(campaign: Campaign, name: str, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a table of a campaign, `NAME.csv`, and a record of what it is made with next to it."""
    path = table_path(campaign, name)
    text = table.to_csv(index=index)
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_json(_record(path), {"sha256": digest, "made_with": made_with(campaign)})
    write_text(path, text)


def table_path(campaign: Campaign, name: str) -> Path:
    """Return the file of a table."""
    return campaign.directory / f"{name}.csv"


def read_table(campaign: Campaign, name: str, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read what `save_table` wrote; an empty table may not even have columns.

    Raises
    ------
    InputError
        If the file is missing, damaged or changed since, was made with other settings than the
        campaign now has, or has rows without one of `columns`.
    """
    path = table_path(campaign, name)
    if not path.is_file():
        notebook = _WRITTEN_BY.get(name, "the notebook that writes it")
        raise InputError(f"{path}: not found; run {notebook} first")
    remedy = "delete it and run its notebook again"
    if not _record(path).is_file():
        raise InputError(f"{path}: without a record of what made it; {remedy}")
    record = read_record(_record(path), {"sha256": str, "made_with": dict})
    require_sha256(path, record["sha256"], remedy)
    require_made_with(campaign, record["made_with"], path)
    try:
        # names stay what they are, be it 2800 or "None"; what a name lacks is written as nothing
        table = pd.read_csv(
            path, dtype=dict.fromkeys(_NAMES, str), keep_default_na=False, na_values=[""]
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no table ({str(error)[:60]}); {remedy}") from None
    if missing := [column for column in columns if len(table) and column not in table]:
        raise InputError(f"{path}: column {missing[0]!r} is missing; {remedy}")
    return table


_NAMES = (
    *("run", "structure", "structure_potential", "melt_quench", "md_potential", "group"),
    *("system", "glass", "reference", "from", "to", "from_melt_quench", "to_melt_quench"),
)
"""Columns of what people named, in any table."""
_WRITTEN_BY = {"diffusion": "notebook 03"}
"""The tables that other notebooks start from."""


def _record(path: Path) -> Path:
    return path.with_name(f".{path.name}.json")
