"""The paper's numbers, compared with ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS, against_volume, value_or_bound
from llzo_helpers.paths import DATA
from llzo_helpers.potentials import load_potential


def paper_values() -> pd.DataFrame:
    """Return the paper's numbers, `data/paper_values.csv`."""
    return pd.read_csv(DATA / "paper_values.csv")


def paper_label(potential: str | None) -> str | None:
    """Return the paper's name for a potential; None if it has none."""
    return load_potential(potential).paper_label if potential else None


def paper_values_for(campaign: Campaign) -> pd.DataFrame:
    """Return the paper's numbers for the phases and potentials that a campaign has."""
    paper = paper_values()
    combinations = {
        (
            run.structure.phase,
            paper_label(run.structure.structure_potential),
            paper_label(run.md_potential),
        )
        for run in campaign.runs
    }
    columns = ["phase", "structure_potential", "md_potential"]
    keys = paper[columns].replace({np.nan: None}).itertuples(index=False, name=None)
    return paper[[key in combinations for key in keys]]


COMPARISON_COLUMNS = [
    *("quantity", *SYSTEM_COLUMNS, "temperature_K", "paper", "this_work", "this_work_std"),
    *("upper_bound", "ratio", "deviation_sigma", "source"),
]
"""Of `compare_with_paper`."""


def compare_with_paper(combined: pd.DataFrame, arrhenius: pd.DataFrame) -> pd.DataFrame:
    """Compare our numbers with the paper's.

    Returns
    -------
    DataFrame
        A row per number of the paper that has a counterpart here: `paper`, `this_work`,
        `this_work_std`, `ratio` and `deviation_sigma`, the difference in our standard errors
        (the paper gives none). Where D is an upper bound, `this_work` is that bound, at 95 %, and
        `deviation_sigma` is 0 if the paper's value is below it.
    """
    rows = []
    for table, value, std in (
        (combined, "tracer_D_cm2_s", "tracer_D_std_cm2_s"),
        (arrhenius, "E_a_eV", "E_a_std_eV"),
    ):
        for row in against_volume(table).to_dict("records"):
            match = paper_value(row, value)
            if match is None:
                continue
            bound = bool(row.get("upper_bound", False))
            paper, error = match["value"], row[std]
            this_work = row["tracer_D_limit_cm2_s"] if bound else row[value]
            agrees = bound and paper <= this_work
            rows.append(
                {
                    "quantity": value,
                    **{key: row[key] for key in SYSTEM_COLUMNS},
                    "temperature_K": row.get("temperature_K", np.nan),
                    "paper": paper,
                    "this_work": this_work,
                    "this_work_std": error,
                    "upper_bound": bound,
                    "ratio": this_work / paper,
                    "deviation_sigma": 0.0 if agrees else (row[value] - paper) / error,
                    "source": match["source"],
                }
            )
    # without any counterpart, still a readable table
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def readable_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """Format the table of `compare_with_paper` for reading, with rounded numbers."""
    formats = {"tracer_D_cm2_s": ("D (cm2/s)", ".2e", ".1e"), "E_a_eV": ("E_a (eV)", ".2f", ".2f")}
    rows = []
    for row in comparison.to_dict("records"):
        name, value, error = formats[row["quantity"]]
        number, mark = f"{row['this_work']:{value}} ± {row['this_work_std']:{error}}", ""
        if row["upper_bound"]:
            number, mark = f"< {row['this_work']:{error}}", "< "
        rows.append(
            {
                "quantity": name,
                "system": system_label(row),
                "T (K)": "" if np.isnan(row["temperature_K"]) else f"{row['temperature_K']:g}",
                "paper": f"{row['paper']:{value}}",
                "this work": number,
                "ratio": f"{mark}{row['ratio']:.2f}",
                "deviation (σ)": f"{row['deviation_sigma']:+.1f}",
                "in the paper": row["source"],
            }
        )
    return pd.DataFrame(rows)


def paper_value(row: Mapping[Any, Any], quantity: str) -> Any:
    """Return the paper's row of a quantity that corresponds to a row; None if it has none."""
    paper = paper_values()
    label = paper_label(row["md_potential"])
    origin = paper_label(row["structure_potential"]) if row["phase"] == "amorphous" else None
    same = (
        (paper["quantity"] == quantity)
        & (paper["phase"] == row["phase"])
        & (paper["md_potential"] == label)
        & (paper["structure_potential"].fillna("") == (origin or ""))
        # the paper's Table 1 does not give it
        & ((paper["li_per_formula"] == row["li_per_formula"]) | paper["li_per_formula"].isna())
        & np.isclose(paper["volume_ratio"], row["volume_ratio"], atol=0.001)
    )
    if "temperature_K" in row:
        same &= paper["temperature_K"] == row["temperature_K"]
    matches = paper[same]
    return matches.iloc[0] if len(matches) else None


def table_2(combined: pd.DataFrame, arrhenius: pd.DataFrame) -> pd.DataFrame:
    """Table 2 of the paper: D at 1100 K and E_a of the systems of the jump analysis."""
    at_1100 = against_volume(combined[combined["temperature_K"] == 1100])
    if at_1100.empty:
        return pd.DataFrame()
    # without a glass the column of structure potentials is empty, and then of another type
    same_type = arrhenius.astype(at_1100[SYSTEM_COLUMNS].dtypes.to_dict())
    merged = at_1100.merge(same_type, on=SYSTEM_COLUMNS, how="inner")
    values = {
        system_label(row): {
            "E_a (eV)": f"{row['E_a_eV']:.2f} ± {row['E_a_std_eV']:.2f}",
            "D (cm2/s)": value_or_bound(row),
        }
        for row in merged.to_dict("records")
    }
    return pd.DataFrame(values)
