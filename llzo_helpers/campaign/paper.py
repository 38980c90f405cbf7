"""The paper's numbers, compared with ours."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtri  # scipy.stats takes a second to load

from llzo_helpers.analysis.diffusion import combine_replicas
from llzo_helpers.analysis.student import interval_width, normal_deviation
from llzo_helpers.campaign.framework import departures
from llzo_helpers.campaign.glass_spread import with_glass_spread
from llzo_helpers.campaign.labels import CURVE_COLUMNS, curve_label, system_label
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.campaign.tables import (
    SYSTEM_COLUMNS,
    against_volume,
    combined_D,
    read_table,
    save_table,
    value_or_bound,
    with_error,
)
from llzo_helpers.errors import InputError
from llzo_helpers.paths import DATA
from llzo_helpers.potentials import load_potential
from llzo_helpers.schema import load_yaml


def paper_values() -> pd.DataFrame:
    """Return the paper's numbers, `data/paper_values.csv`, with the reason of a difference."""
    values = pd.read_csv(DATA / "paper_values.csv")
    return values.assign(why=[paper_reason(name) for name in values["why"].fillna("")])


def paper_reason(name: str) -> str:
    """Return why campaigns differ from the paper, by its name in `data/paper_reasons.yaml`.

    Without a name it is "open".
    """
    return str(_reasons()[name]) if name else "open"


@cache
def _reasons() -> dict[str, Any]:
    return load_yaml(DATA / "paper_reasons.yaml")


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
    *("lowest", "highest", "upper_bound", "ratio", "deviation_sigma", "agreement", "why"),
    *("framework", "source", "paper_row"),
]
"""Of `compare_with_paper`."""


@dataclass(frozen=True)
class Compared:
    """Where our counterpart of a quantity of the paper is.

    Attributes
    ----------
    table, value, std
        The table that has it, and its columns of values and standard errors.
    extremes
        The columns of the lowest and highest value by other definitions; None if there is but one.
    two_methods
        Whether these are the values of two methods, and not ends of a range of definitions: what
        lies between them is what neither method found.
    head, factor
        What a reader calls it, and the factor to the unit in `head`.
    freedom
        The column of degrees of freedom of standard errors; None if these are exact.
    """

    table: str
    value: str
    std: str
    head: str
    factor: float = 1.0
    extremes: tuple[str, str] | None = None
    two_methods: bool = False
    freedom: str | None = None

    @property
    def columns(self) -> set[str]:
        """The columns that the table must have."""
        return {self.value, self.std, *(self.extremes or ())}


COMPARED = {
    "tracer_D_cm2_s": Compared(
        *("diffusion", "tracer_D_cm2_s", "tracer_D_std_cm2_s", "D (10⁻⁵ cm²/s)", 1e5),
        freedom="tracer_D_freedom",
    ),
    "E_a_eV": Compared("arrhenius", "E_a_eV", "E_a_std_eV", "Eₐ (eV)", freedom="E_a_freedom"),
    "back_jump_fraction": Compared(
        "sites", "back_jump_fraction", "back_jump_fraction_std",
        "fraction of back-jumps (%)", 100.0, ("back_jump_lowest", "back_jump_highest"),
    ),
    "accessible_over_static": Compared(
        "site_definitions", "value", "value_std",
        "accessible over static volume (%)", 100.0, ("lowest", "highest"), two_methods=True,
    ),
}  # fmt: skip
"""The quantities of `data/paper_values.csv`."""

STANDARD_ERRORS = 2.0
"""To either side, within which numbers agree. Of an error with few degrees of freedom, as many as
cover as much (`llzo_helpers.analysis.student`)."""
DECISIVE = 0.5
"""A standard error above this fraction of the paper's value decides nothing."""


def compare_with_paper(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Compare our numbers with the paper's.

    Parameters
    ----------
    tables
        Those that `COMPARED` names, as far as there are any; replicas are combined. And
        `framework`, if there is one.

    Returns
    -------
    DataFrame
        A row per number of the paper and system here that corresponds to it: `paper`, `this_work`,
        `this_work_std`, `lowest` and `highest` (the range over definitions, where there are
        several), `ratio` and `deviation_sigma`, the distance to the range in our standard errors
        (the paper gives none), less where these have few degrees of freedom: as many standard
        errors of a normal variable as are as unlikely. Where D is an upper bound, `this_work` is
        that bound, at 95 %, and `deviation_sigma` is 0 if the paper's value is below it.
        `agreement` is "agrees" within `STANDARD_ERRORS`, "differs" beyond it, "bound" where our
        upper bound allows the paper's value, and "undecided" where they are near, but our error,
        with half the range, is above `DECISIVE`, or the paper's value is between those of two
        methods and near neither, or above a bound from ions that jumped less than once.
        `why` it differs, as far as it was measured, or "open". `framework` says how many of the
        runs have one that is not what their names say. `paper_row` counts the rows of
        `paper_values` from 0.
    """
    rows = []
    for quantity, compared in COMPARED.items():
        table = tables.get(compared.table, pd.DataFrame())
        if not compared.columns <= set(table):
            continue
        if compared.table == "diffusion":
            table = with_glass_spread(table)
        for row in _replicas_combined(against_volume(table), compared, tables.get("framework")):
            match = paper_value(row, quantity)
            if match is not None:
                rows.append(_compared(row, quantity, match))
    # with no counterpart at all, still a table that can be read
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def update_comparison(campaign: Campaign) -> pd.DataFrame:
    """Write `comparison.csv` anew from the tables that the campaign has, and return it.

    To be called wherever one of these tables was written.
    """
    comparison = compare_with_paper(compared_tables(campaign))
    save_table(campaign, "comparison", comparison)
    return comparison


def compared_tables(campaign: Campaign) -> dict[str, pd.DataFrame]:
    """Return those tables of `COMPARED` that the campaign has.

    Without those that are damaged or were made with other settings: after a change, later notebooks
    have not made theirs again yet. The report says so of each.
    """
    tables = {}
    for name in sorted({one.table for one in COMPARED.values()} | {"framework"}):
        with suppress(InputError):
            tables[name] = read_table(campaign, name)
    if {"sites", "site_definitions"} <= set(tables):
        tables["site_definitions"] = accessible_over_static(
            tables["site_definitions"], tables["sites"]
        )
    return tables


def accessible_over_static(definitions: pd.DataFrame, sites: pd.DataFrame) -> pd.DataFrame:
    """Return the accessible over the static volume of sites, by the paper's definition.

    Parameters
    ----------
    definitions, sites
        `site_definitions.csv` and `sites.csv`.

    Returns
    -------
    DataFrame
        A row per run: the columns that describe it, `value` and `value_std` with the campaign's
        clustering, and `lowest` and `highest` over clusterings.
    """
    described = ["run", *SYSTEM_COLUMNS, "temperature_K", "replica"]
    complete = set(described) <= set(sites)
    if not complete or not {"run", "measure", "value", "value_std"} <= set(definitions):
        return pd.DataFrame()
    rows = definitions[definitions["measure"] == "accessible_over_static"]
    of_run = rows.groupby("run", sort=False)
    # the campaign's own clustering comes first
    table = of_run[["value", "value_std"]].first()
    table["lowest"], table["highest"] = of_run["value"].min(), of_run["value"].max()
    return sites[described].merge(table.reset_index(), on="run")


def _replicas_combined(
    table: pd.DataFrame, compared: Compared, framework: pd.DataFrame | None
) -> list[dict[Any, Any]]:
    """Return a row per system and temperature, with the mean of its replicas; in reading order."""
    value, std = compared.value, compared.std
    rows = table[table[value].notna() & table[std].notna()]
    order = ["phase", "md_potential", "li_per_formula", "volume_ratio"]
    rows = rows.sort_values(order, ascending=[False, True, True, True], kind="stable")
    keys = [key for key in (*SYSTEM_COLUMNS, "temperature_K") if key in rows]
    combined = []
    for key, group in rows.groupby(keys, dropna=False, sort=False):
        mean = (
            combined_D(group)
            if value == "tracer_D_cm2_s"
            else combine_replicas(
                group[value].to_list(),
                group[std].to_list(),
                None,
                group[compared.freedom].to_list() if compared.freedom in group else None,
            )
        )
        combined.append(
            {
                **dict(zip(keys, key, strict=True)),
                **{"value": mean.value, "std": mean.std, "limit": mean.limit},
                **{"freedom": mean.degrees_of_freedom},
                "upper_bound": mean.upper_bound,
                "jumps_per_ion": _jumps_per_ion(group),
                "framework": departures(framework, group),
                **{
                    end: group[column].mean()
                    for end, column in zip(
                        ("lowest", "highest"), compared.extremes or (value, value), strict=True
                    )
                },
            }
        )
    return combined


def _jumps_per_ion(rows: pd.DataFrame) -> float:
    """Return the mean number of jumps that the D of runs amounts to; infinite if unknown."""
    if not {"one_jump_D_cm2_s", "n_ions"} <= set(rows):
        return np.inf
    one_jump = (rows["one_jump_D_cm2_s"] * rows["n_ions"]).replace(0.0, np.nan)
    jumps = (rows["tracer_D_cm2_s"] / one_jump).mean()
    return np.inf if np.isnan(jumps) else float(jumps)


def _compared(row: Mapping[Any, Any], quantity: str, match: "pd.Series[Any]") -> dict[str, Any]:
    bound, std, paper = row["upper_bound"], row["std"], match["value"]
    this_work = row["limit"] if bound else row["value"]
    allowed = bound and paper <= this_work
    # none of the paper's value itself, where the range holds it
    away = np.clip(paper, row["lowest"], row["highest"]) - paper
    sigma = 0.0 if allowed or away == 0 else normal_deviation(away / std, row["freedom"])
    width = interval_width(STANDARD_ERRORS, row["freedom"]) * std
    uncertainty = np.hypot(width / STANDARD_ERRORS, (row["highest"] - row["lowest"]) / 2)
    if allowed:
        agreement = "bound"
    elif bound and row["jumps_per_ion"] < 1:
        # what ions do before each has jumped once is no measure of what they do later
        agreement = "undecided"
    elif bound or abs(sigma) > STANDARD_ERRORS:
        agreement = "differs"
    else:
        nearest = min(abs(paper - row[end]) for end in ("lowest", "highest"))
        found = nearest <= width or not COMPARED[quantity].two_methods
        decided = found and uncertainty <= DECISIVE * abs(paper)
        agreement = "agrees" if decided else "undecided"
    several = COMPARED[quantity].extremes is not None
    return {
        "quantity": quantity,
        **{key: row[key] for key in SYSTEM_COLUMNS},
        "temperature_K": row.get("temperature_K", np.nan),
        "paper": paper,
        "this_work": this_work,
        "this_work_std": std,
        "lowest": row["lowest"] if several else np.nan,
        "highest": row["highest"] if several else np.nan,
        "upper_bound": bound,
        "ratio": this_work / paper,
        "deviation_sigma": sigma,
        "agreement": agreement,
        "why": match["why"] if agreement == "differs" else "",
        "framework": row["framework"],
        "source": match["source"],
        "paper_row": match.name,
    }


_MARKS = {"agrees": "✓", "differs": "✗", "bound": "≤", "undecided": "?"}


def readable_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return `compare_with_paper`'s table for people: short names, numbers to their errors."""
    rows = []
    # a file has nothing where there is no text
    for row in comparison.fillna({"framework": ""}).to_dict("records"):
        shown = COMPARED[row["quantity"]]
        ours, std = shown.factor * row["this_work"], shown.factor * row["this_work_std"]
        bound = "< " if row["upper_bound"] else ""
        low, high = (shown.factor * row.get(end, np.nan) for end in ("lowest", "highest"))
        spread = "" if np.isnan(low) else f" ({low:.3g} to {high:.3g})"
        rows.append(
            {
                "quantity": shown.head,
                "system": ", ".join(filter(None, (system_label(row), row.get("framework")))),
                "T (K)": "" if np.isnan(row["temperature_K"]) else f"{row['temperature_K']:g}",
                "this work": f"< {ours:.2g}" if bound else with_error(ours, std) + spread,
                "paper": f"{shown.factor * row['paper']:.3g}",
                "ratio": f"{bound}{row['ratio']:.2g}",
                "σ": _deviation(row),
                "": _MARKS[row["agreement"]],
            }
        )
    return pd.DataFrame(rows)


def _deviation(row: Mapping[Any, Any]) -> str:
    """Return the deviation from the paper in standard errors, or why there is none."""
    if row["agreement"] == "bound":
        return ""
    if np.isfinite(row["lowest"]) and row["deviation_sigma"] == 0:
        return "in range"
    if np.isfinite(row["lowest"]) and row["agreement"] == "differs":
        return "out of range"
    # plus zero: what rounds to zero has no sign
    return f"{round(row['deviation_sigma'], 1) + 0.0:+.1f}".replace("-", "−")


def verdict(comparison: pd.DataFrame, n_paper: int) -> list[str]:
    """Say in words what agrees with the paper and what does not.

    Parameters
    ----------
    comparison
        Of `compare_with_paper`.
    n_paper
        The paper's numbers for the potentials of the campaign.

    Returns
    -------
    list of str
        Sentences: first the counts, then curves that differ as a whole, then numbers that differ,
        and by how much, the largest factor first.
    """
    if comparison.empty:
        return ["No number of the paper has a counterpart in this campaign."]
    in_range = comparison["lowest"].notna() & (comparison["deviation_sigma"] == 0)
    kinds = comparison["agreement"].mask(in_range & (comparison["agreement"] == "agrees"), "range")
    counts = kinds.value_counts()
    words = {
        "agrees": f"within {STANDARD_ERRORS:g} standard errors of the paper",
        "range": "with the paper's value in the range over definitions",
        "differs": "further from it",
        "bound": "with only an upper bound, which allows the paper's value",
        "undecided": (
            f"undecided: known to no better than {100 * DECISIVE:.0f} %, between two methods, or "
            "from ions that jumped less than once"
        ),
    }
    told = [f"{counts[kind]} {text}" for kind, text in words.items() if kind in counts]
    several = (
        f", in {len(comparison)} comparisons" if comparison["paper_row"].duplicated().any() else ""
    )
    sentences = [
        f"{comparison['paper_row'].nunique()} of the paper's {n_paper} numbers for these "
        f"potentials have a counterpart here{several}: {'; '.join(told)}.",
        *_common_factors(comparison),
    ]
    differing = comparison[comparison["agreement"] == "differs"]
    first_of: dict[str, str] = {}
    factor = np.abs(np.log(differing["ratio"].clip(lower=1e-12))).sort_values(ascending=False)
    for row in differing.loc[factor.index].to_dict("records"):
        name = COMPARED[row["quantity"]].head.split(" (")[0]
        at = "" if np.isnan(row["temperature_K"]) else f" at {row['temperature_K']:g} K"
        size = f"{row['ratio']:.2g} times the paper's"
        if row["upper_bound"]:
            size = f"at most {size}"
        else:
            by = _deviation(row)
            size = f"{size} ({by if by == 'out of range' else f'{by} σ'})"
        name = f"{name[0].upper()}{name[1:]} of {system_label(row)}{at}"
        if row["why"] == "open":
            why = "; the reason is open."
        elif row["why"] in first_of:
            why = f"; the reason is that of {first_of[row['why']]}."
        else:
            first_of[row["why"]] = name
            why = f". {row['why']}"
        sentences.append(f"{name} is {size}{why}")
    return sentences


def _common_factors(comparison: pd.DataFrame) -> list[str]:
    """Return a sentence for each curve of three points or more that is off by a common factor."""
    known = comparison[~comparison["upper_bound"] & (comparison["this_work"] > 0)]
    known = known[known["lowest"].isna() & (known["this_work_std"] > 0)]
    sentences = []
    for (quantity, *_), rows in known.groupby(["quantity", *CURVE_COLUMNS], dropna=False):
        relative_error = rows["this_work_std"] / rows["this_work"]
        weights = 1 / relative_error**2
        logarithms = np.log(rows["ratio"])
        logarithm = float(np.average(logarithms, weights=weights))
        factor, error = float(np.exp(logarithm)), float(1 / np.sqrt(weights.sum()))
        scatter, freedom = float((weights * (logarithms - logarithm) ** 2).sum()), len(rows) - 1
        # as the errors explain it, at 5 %; what they do not explain widens the error
        common = scatter < chdtri(freedom, 0.05)
        error *= factor * max(1.0, np.sqrt(scatter / max(freedom, 1)))
        if len(rows) < 3 or not common or abs(factor - 1) < STANDARD_ERRORS * error:
            continue
        name = COMPARED[str(quantity)].head.split(" (")[0]
        sigma = f"{(factor - 1) / error:+.1f}".replace("-", "−")
        sentences.append(
            f"Taken together, the {len(rows)} values of {name} of "
            f"{curve_label(rows.iloc[0].to_dict())} that are no bounds are "
            f"{factor:.2f} ± {error:.2f} times the paper's ({sigma} σ)."
        )
    return sentences


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
            "Eₐ (eV)": with_error(row["E_a_eV"], row["E_a_std_eV"]),
            "from temperatures": f"{row['n_temperatures']:g}"
            + (f", {row['n_bounds']:g} of them bounds" if row["n_bounds"] else ""),
            "D (10⁻⁵ cm²/s)": value_or_bound(row),
        }
        for row in merged.to_dict("records")
    }
    return pd.DataFrame(values)
