"""The tables and figures of a campaign: put together from its runs, kept as files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io

from llzo_helpers.diffusion import (
    Arrhenius,
    TracerDiffusion,
    combine_replicas,
    fit_arrhenius,
    nernst_einstein_conductivity,
    tracer_diffusion_coefficient,
)
from llzo_helpers.figures.style import make_room_for_legend
from llzo_helpers.files import write_text
from llzo_helpers.parameters import Campaign, Run
from llzo_helpers.paths import DATA
from llzo_helpers.potentials import load_potential
from llzo_helpers.trajectory import Trajectory

SYSTEM_COLUMNS = [
    "phase",
    "structure_potential",
    "melt_quench",
    "md_potential",
    "li_per_formula",
    "volume_ratio",
    "supercell",
]
"""What tells systems apart, apart from temperature and replica."""


def finished_runs(campaign: Campaign) -> list[Run]:
    """Return the runs that are complete."""
    return [
        run for run in campaign.runs if (campaign.run_directory(run) / "summary.json").is_file()
    ]


def run_columns(run: Run) -> dict[str, Any]:
    """Return the columns that describe a run, the same in every table."""
    structure = run.structure
    return {
        "run": run.name,
        "structure": structure.name,
        "phase": structure.phase,
        # a crystal is built from its symmetry, not by a potential
        "structure_potential": structure.structure_potential,
        "melt_quench": structure.melt_quench.name if structure.melt_quench else None,
        "md_potential": run.md_potential,
        "li_per_formula": structure.li_per_formula,
        "volume_ratio": structure.volume_ratio,
        "supercell": structure.supercell,
        "temperature_K": run.temperature_K,
        "replica": structure.replica,
    }


def analyse_diffusion(
    campaign: Campaign, on_run: Callable[[Run], None] = lambda run: None
) -> tuple[pd.DataFrame, dict[str, TracerDiffusion]]:
    """Tracer diffusion coefficients of all finished runs.

    Returns
    -------
    table
        A row per run, the content of `diffusion.csv`.
    results
        By run name, for figures.
    """
    rows, results = [], {}
    for run in finished_runs(campaign):
        trajectory = Trajectory(campaign.run_directory(run))
        result = tracer_diffusion_coefficient(
            trajectory.lithium_relative_to_framework(),
            trajectory.frame_interval_ps,
            campaign.diffusion.fit_window,
        )
        results[run.name] = result
        density = result.n_ions / abs(np.linalg.det(trajectory.cell))
        conductivity = nernst_einstein_conductivity(result.D_cm2_s, density, run.temperature_K)
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
                "n_li": result.n_ions,
                "nernst_einstein_S_cm": conductivity,
                "warnings": "; ".join(result.warnings),
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


def system_label(row: Mapping[Any, Any]) -> str:
    """Return a short name of a row's system, in the paper's notation."""
    label = (
        f"{row['phase'][0].upper()}-Li{row['li_per_formula']:g} {100 * row['volume_ratio']:g} % "
        f"{row['md_potential']}"
    )
    if row["phase"] == "crystal":
        return label
    return f"{label} ({row['melt_quench']} glass of {row['structure_potential']})"


def analyse_arrhenius(combined: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Arrhenius]]:
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
        By `system_label`, for figures.
    """
    rows, fits = [], {}
    for key, group in combined.groupby(SYSTEM_COLUMNS, dropna=False, sort=False):
        positive = group[group["tracer_D_cm2_s"] > 0]
        if len(positive) < 3:
            continue
        fit = fit_arrhenius(
            positive["temperature_K"], positive["tracer_D_cm2_s"], positive["tracer_D_std_cm2_s"]
        )
        fits[system_label(dict(zip(SYSTEM_COLUMNS, key, strict=True)))] = fit
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


def paper_values() -> pd.DataFrame:
    """Return the paper's numbers, `data/paper_values.csv`."""
    return pd.read_csv(DATA / "paper_values.csv")


def _paper_label(potential: str | None) -> str | None:
    return load_potential(potential).paper_label if potential else None


def paper_values_for(campaign: Campaign) -> pd.DataFrame:
    """Return the paper's numbers for the phases and potentials that a campaign has."""
    paper = paper_values()
    ours = {
        (
            run.structure.phase,
            _paper_label(run.structure.structure_potential),
            _paper_label(run.md_potential),
        )
        for run in campaign.runs
    }
    columns = ["phase", "structure_potential", "md_potential"]
    keys = paper[columns].replace({np.nan: None}).itertuples(index=False, name=None)
    return paper[[key in ours for key in keys]]


COMPARISON_COLUMNS = [
    *("quantity", *SYSTEM_COLUMNS, "temperature_K", "paper", "this_work", "this_work_std"),
    *("ratio", "deviation_sigma", "source"),
]
"""Of `compare_with_paper`."""


def compare_with_paper(combined: pd.DataFrame, arrhenius: pd.DataFrame) -> pd.DataFrame:
    """Our numbers beside the paper's.

    Returns
    -------
    DataFrame
        A row per number of the paper that there is a counterpart for: `paper`, `this_work`,
        `this_work_std`, `ratio` and `deviation_sigma`, their difference in our standard errors
        (the paper gives none).
    """
    rows = []
    for table, value, std in (
        (combined, "tracer_D_cm2_s", "tracer_D_std_cm2_s"),
        (arrhenius, "E_a_eV", "E_a_std_eV"),
    ):
        for row in table.to_dict("records"):
            match = paper_value(row, value)
            if match is not None:
                ours, error, theirs = row[value], row[std], match["value"]
                rows.append(
                    {
                        "quantity": value,
                        **{key: row[key] for key in SYSTEM_COLUMNS},
                        "temperature_K": row.get("temperature_K", np.nan),
                        "paper": theirs,
                        "this_work": ours,
                        "this_work_std": error,
                        "ratio": ours / theirs,
                        "deviation_sigma": (ours - theirs) / error,
                        "source": match["source"],
                    }
                )
    # with no counterpart at all, still a table that can be read
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def readable_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """Put `compare_with_paper`'s table into words and rounded numbers, for people."""
    formats = {"tracer_D_cm2_s": ("D (cm2/s)", ".2e", ".1e"), "E_a_eV": ("E_a (eV)", ".2f", ".2f")}
    rows = []
    for row in comparison.to_dict("records"):
        name, value, error = formats[row["quantity"]]
        rows.append(
            {
                "quantity": name,
                "system": system_label(row),
                "T (K)": "" if np.isnan(row["temperature_K"]) else f"{row['temperature_K']:g}",
                "paper": f"{row['paper']:{value}}",
                "this work": f"{row['this_work']:{value}} ± {row['this_work_std']:{error}}",
                "ratio": f"{row['ratio']:.2f}",
                "deviation (σ)": f"{row['deviation_sigma']:+.1f}",
                "in the paper": row["source"],
            }
        )
    return pd.DataFrame(rows)


def paper_value(row: Mapping[Any, Any], quantity: str) -> Any:
    """Return the paper's row of a quantity for one of our rows; None if it has none."""
    paper = paper_values()
    label = _paper_label(row["md_potential"])
    origin = _paper_label(row["structure_potential"]) if row["phase"] == "amorphous" else None
    same = (
        (paper["quantity"] == quantity)
        & (paper["phase"] == row["phase"])
        & (paper["md_potential"] == label)
        & (paper["structure_potential"].fillna("") == (origin or ""))
        # the paper's Table 1 does not say
        & ((paper["li_per_formula"] == row["li_per_formula"]) | paper["li_per_formula"].isna())
        & np.isclose(paper["volume_ratio"], row["volume_ratio"], atol=0.001)
    )
    if "temperature_K" in row:
        same &= paper["temperature_K"] == row["temperature_K"]
    matches = paper[same]
    return matches.iloc[0] if len(matches) else None


def table_2(combined: pd.DataFrame, arrhenius: pd.DataFrame) -> pd.DataFrame:
    """Table 2 of the paper: D at 1100 K and E_a of the systems of the jump analysis."""
    at_1100 = combined[combined["temperature_K"] == 1100]
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


def save_table(path: Path, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, table.to_csv(index=index))


def save_figure(directory: Path, name: str, figure: go.Figure) -> None:
    """Write a figure as plotly's JSON to `directory/figures`, for the report."""
    make_room_for_legend(figure)
    write_text(directory / "figures" / f"{name}.json", figure.to_json())


def load_figure(path: Path) -> go.Figure:
    """Read what `save_figure` wrote."""
    return plotly.io.from_json(path.read_text(encoding="utf-8"))
