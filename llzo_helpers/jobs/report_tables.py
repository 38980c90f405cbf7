"""Tables of the report: short names, units in the heads, numbers to the digits that they have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.paper import readable_comparison
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS, rounded, value_or_bound, with_error

_UNITS = {
    "_cm2_s": ("10⁻⁵ cm²/s", 1e5),
    "_eV": ("eV", 1.0),
    "_ps": ("ps", 1.0),
    "_A3": ("Å³", 1.0),
    "_A": ("Å", 1.0),
    "_K": ("K", 1.0),
    "_percent": ("%", 1.0),
}
"""What the end of a column's name says: its unit in a head, and the factor to it."""
_HEADS = {
    "tracer_D": "D",
    "volume_ratio": "V / V<sub>exp</sub>",
    "temperature": "T",
    "md_potential": "run with",
    "structure_potential": "structure of",
    "n_jumps": "jumps",
    "paper_D": "paper: D",
    "paper_ratio": "paper: ratio",
    "haven_ratio": "Haven ratio",
    "first_half_D": "first half",
    "second_half_D": "second half",
    "D_drift_sigma": "drift (σ)",
    "fit_start": "lags from",
    "fit_end": "to",
}
"""Heads that the column's name does not give."""
_LEFT_OUT = {
    "crossover": ["stationary", "tracer_D_freedom"],
    "effects": ["ln_D", "ln_D_std"],
}
"""Columns that the table in the folder has and the page does not."""
_SHOWN = {
    "diffusion": [
        *("run", "tracer_D_cm2_s", "tracer_D_std_cm2_s", "upper_bound", "tracer_D_limit_cm2_s"),
        *("first_half_D_cm2_s", "second_half_D_cm2_s", "D_drift_sigma", "fit_start_ps"),
        *("fit_end_ps", "collective_D_cm2_s", "collective_D_std_cm2_s"),
        *("haven_ratio", "haven_ratio_std"),
    ],
}
"""The only columns that the page has, of tables with many more."""
_MOST_ROWS = 24
_MOST_COLUMNS = 6
"""A single row with more is shown as a list."""
_LONGEST_LINE = 24
"""Of a name, in characters; a longer one may be broken."""
_INTERVALS = (("factor_low_95", "factor_high_95"), ("ratio_low_95", "ratio_high_95"))


@dataclass(frozen=True)
class ReportTable:
    """A table as HTML, and what all of its rows have in common."""

    html: str
    common: str
    long: bool = False
    """Shown only when asked for."""


def report_table(name: str, table: pd.DataFrame, labels: Mapping[str, str]) -> ReportTable:
    """Return a table of a campaign's folder as the report shows it.

    Parameters
    ----------
    name
        Of the file, without its ending.
    table
        As it was read.
    labels
        What to call each run, glass and potential, by its name.

    Returns
    -------
    ReportTable
        Values stand with their errors, systems under their names; a column with one value for all
        rows goes into `common`.
    """
    if name == "comparison":
        return _grouped(readable_comparison(table))
    if name == "site_definitions":
        table = _clusterings_beside(table)
    table = table.drop(columns=_LEFT_OUT.get(name, ()), errors="ignore")
    table = table[[column for column in _SHOWN.get(name, table) if column in table]]
    table = table.dropna(axis="columns", how="all").rename(columns={"Unnamed: 0": ""})
    if set(SYSTEM_COLUMNS) - {"group", "melt_quench", "structure_potential"} <= set(table):
        table = _named(table)
    for column in {"run", "glass", "md_potential", "structure_potential"} & set(table):
        table = table.assign(**{column: [labels.get(key, key) for key in table[column]]})
    if "upper_bound" in table:
        table = _with_bounds(table)
    if "haven_ratio_std" in table:
        # of a collective D that is not known from zero
        known = table["haven_ratio_std"] < table["haven_ratio"]
        table = table.assign(haven_ratio=table["haven_ratio"].where(known))
    table = _with_errors(table)
    if len(table) == 1 and len(table.columns) > _MOST_COLUMNS:
        turned = table.T.to_html(header=False, border=0, escape=False, classes="list")
        return ReportTable(printed(turned), "")
    varying, common = _without_constants(table)
    return ReportTable(_html(varying), common, long=len(table) > _MOST_ROWS)


def _clusterings_beside(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row per statement and run, with what each clustering gives beside each other."""
    marks = table["agrees"].map({"yes": " ✓", "no": " ✗"}).fillna("")
    markov = table["clustering"] == "mcl"
    column = markov.map({False: "this work", True: "this work, mcl"})
    table = table.assign(said=table["this work"] + marks, column=column)
    keys = ["quantity", "system", "paper"]
    beside = table.pivot_table("said", keys, "column", "first", sort=False)
    return beside.rename_axis(columns=None).reset_index()


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Put the system's name in the place of the columns that make it."""
    every = table.reindex(columns=SYSTEM_COLUMNS).replace({np.nan: None}).to_dict("records")
    rest = table.drop(columns=[column for column in SYSTEM_COLUMNS if column in table])
    rest.insert(0, "system", [system_label(row) for row in every])
    return rest


def _with_bounds(table: pd.DataFrame) -> pd.DataFrame:
    """Put D into words, where it may be an upper bound, in the place of its columns."""
    words = [value_or_bound(row) for row in table.to_dict("records")]
    table = table.assign(**{"tracer_D_cm2_s": words})
    used = ["tracer_D_std_cm2_s", "tracer_D_limit_cm2_s", "upper_bound"]
    return table.drop(columns=used, errors="ignore")


def _with_errors(table: pd.DataFrame) -> pd.DataFrame:
    """Return all columns as text under their heads, errors beside what they are of."""
    columns: dict[str, list[str]] = {}
    for column in table:
        head, factor = _head(str(column))
        values = table[column]
        error = _error_column(str(column), table)
        if _is_error(str(column), table) or any(column == high for _, high in _INTERVALS):
            continue
        high = dict(_INTERVALS).get(str(column))
        if high is not None:
            ends = zip(values, table[high], strict=True)
            columns["95 % interval"] = [_interval(low, end) for low, end in ends]
        elif error is not None:
            pairs = zip(factor * values, factor * table[error], strict=True)
            columns[head] = [with_error(value, std) for value, std in pairs]
        else:
            shown = values.round(1) if str(column).endswith("_sigma") else values
            columns[head] = [_text(value, factor) for value in shown]
    return pd.DataFrame(columns)


def _interval(low: float, high: float) -> str:
    if np.isinf(high):
        return f"> {rounded(low)}" if low > 0 else "unknown: bounds on both sides"
    if low == high:
        return ""
    return f"{rounded(low)} to {rounded(high)}" if low > 0 else f"< {rounded(high)}"


def _error_column(column: str, table: pd.DataFrame) -> str | None:
    """Return the name of the column of a column's standard errors, if there is one."""
    for unit in ("", *_UNITS):
        if column.endswith(unit):
            stem = column.removesuffix(unit)
            if f"{stem}_std{unit}" in table:
                return f"{stem}_std{unit}"
    return None


def _is_error(column: str, table: pd.DataFrame) -> bool:
    match = re.fullmatch(r"(.*)_std(_.*)?", column)
    return match is not None and f"{match[1]}{match[2] or ''}" in table


def _head(column: str) -> tuple[str, float]:
    for ending, (unit, factor) in _UNITS.items():
        if column.endswith(ending):
            stem = column.removesuffix(ending)
            return f"{_HEADS.get(stem, escape(stem.replace('_', ' ')))} ({unit})", factor
    return _HEADS.get(column, escape(column.replace("_", " "))), 1.0


def _text(value: Any, factor: float) -> str:
    if isinstance(value, str):
        return escape(value)
    if pd.isna(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    scaled = factor * value + 0.0
    return f"{scaled:.0f}" if scaled.is_integer() else f"{scaled:.3g}"


def _without_constants(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Take out columns that say the same of all rows; return them in words."""
    if len(table) < 2:
        return table, ""
    constant = [column for column in table if table[column].nunique(dropna=False) == 1]
    told = [f"{column}: {table[column].iloc[0]}" for column in constant if table[column].iloc[0]]
    return table.drop(columns=constant), "; ".join(told)


def _html(table: pd.DataFrame) -> str:
    names = table[[c for c in table.columns[:1] if c in {"system", "run", "glass"}]]
    short = len(names.columns) and names.iloc[:, 0].str.len().max() <= _LONGEST_LINE
    classes = "in-one-line" if short else None
    return printed(table.to_html(index=False, na_rep="", border=0, escape=False, classes=classes))


def _grouped(table: pd.DataFrame) -> ReportTable:
    """Return the comparison, a part for each quantity, under its name."""
    parts = []
    rest, common = _without_constants(table)
    columns = [column for column in rest if column != "quantity"]
    heads = "".join(f"<th>{column}</th>" for column in columns)
    for quantity, rows in table.groupby("quantity", sort=False) if len(table) else ():
        parts.append(f'<tr><th class="left" colspan="{len(columns)}">{quantity}</th></tr>')
        for row in rest.loc[rows.index, columns].itertuples(index=False):
            cells = "".join(f"<td>{escape(value)}</td>" for value in row)
            parts.append(f"<tr>{cells}</tr>")
    body = "".join(parts)
    return ReportTable(
        printed(f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"), common
    )


def printed(html: str) -> str:
    """Return text or HTML as print has it: minus signs, not hyphens; errors beside their values."""
    html = html.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
    return re.sub(r"(?<=[\s>(])-(?=\d)", "−", html)
