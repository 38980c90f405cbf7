"""The architecture itself: floors, the public face, figures that register, names, the wheel."""

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from importlinter.cli import lint_imports

import llzo_helpers
from llzo_helpers.analysis.arrhenius import BOLTZMANN_EV
from llzo_helpers.campaign.diffusion import analyse_arrhenius, combine
from llzo_helpers.campaign.labels import run_label
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.paper import table_2
from llzo_helpers.campaign.tables import run_columns
from llzo_helpers.errors import InputError
from llzo_helpers.figures.diffusion import arrhenius_figure
from llzo_helpers.figures.register import REGISTERED
from llzo_helpers.jobs.report import SECTIONS
from llzo_helpers.paths import FOLDERS, NOTEBOOKS, ROOT, project_folder, results_folder

TESTS = ROOT / "tests"
PACKAGE = ROOT / "llzo_helpers"
FIGURES = {
    f"llzo_helpers.figures.{path.stem}"
    for path in (PACKAGE / "figures").glob("*.py")
    if path.stem != "__init__"
}


def test_no_import_runs_back_up(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


# --------------------------------------------------------------------------- the public face


def test_promised_names_are_there_and_documented():
    promised = {
        *("crystal", "load_potential", "run_md", "Trajectory", "mean_squared_displacement"),
        *("tracer_diffusion_coefficient", "fit_arrhenius", "landmark_analysis"),
        *("graph_order_parameter", "pair_distribution", "vibrational_density_of_states"),
        "HDNNPCalculator",
    }
    assert promised <= set(llzo_helpers.__all__)
    for name in llzo_helpers.__all__:
        assert getattr(llzo_helpers, name).__doc__
        assert name in dir(llzo_helpers)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        llzo_helpers.nothing  # noqa: B018


def test_importing_the_package_loads_nothing_slow():
    code = "import sys, llzo_helpers; print({'numpy', 'ase', 'numba'} & set(sys.modules))"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert process.stdout.strip() == "set()"


# --------------------------------------------------------------------------- figures


def _calls(source: str) -> list[str]:
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        function.id if isinstance(function, ast.Name) else function.attr
        for function in calls
        if isinstance(function, ast.Name | ast.Attribute)
    ]


def test_the_report_shows_each_registered_figure_once_and_notebooks_draw_and_save_them():
    for module in FIGURES:
        importlib.import_module(module)
    shown = [name for section in SECTIONS for name in section.figures]
    assert sorted(shown) == sorted(REGISTERED)
    drawing = {draw.__name__ for draw in REGISTERED.values()}
    drawn: dict[str, set[str]] = {}
    for notebook in NOTEBOOKS.glob("0[3-6]*.ipynb"):
        for cell in json.loads(notebook.read_text())["cells"]:
            if cell["cell_type"] != "code":
                continue
            calls = _calls("".join(cell["source"]))
            draws = [name for name in calls if name in drawing]
            # a figure that is drawn and not saved would be absent from the report without a word
            assert calls.count("save_figure") == len(draws), (notebook.name, draws)
            drawn.setdefault(notebook.name, set()).update(draws)
    for section in SECTIONS:
        for name in section.figures:
            assert REGISTERED[name].__name__ in drawn[section.notebook], name


def test_each_figure_module_is_imported_by_a_test():
    imported = set()
    for test in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(test.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module)
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert imported >= FIGURES, FIGURES - imported


def test_tests_mirror_the_tree():
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} - {Path()}
    for folder in folders:
        assert (PACKAGE / folder).is_dir(), folder


# --------------------------------------------------------------------------- names


def test_two_supercells_of_one_system_have_rows_fits_columns_and_names_of_their_own(tmp_path):
    system = {
        "phase": "crystal",
        "li_per_formula": 6.25,
        "volume_ratio": 1.01,
        "md_potential": "bush1994_woodley1999",
        "temperature_K": [900, 1100, 1300],
    }
    path = tmp_path / "sizes.yaml"
    path.write_text(
        yaml.safe_dump(
            {"description": "x", "seed": 1, "systems": [system, system | {"supercell": 2}]}
        )
    )
    rows = []
    for run in load_campaign(str(path)).runs:
        barrier = 0.3 if run.structure.supercell == 1 else 0.4
        D = 1e-3 * np.exp(-barrier / (BOLTZMANN_EV * run.temperature_K))
        numbers = {"tracer_D_cm2_s": D, "tracer_D_std_cm2_s": 0.1 * D, "upper_bound": False}
        rows.append({**run_columns(run), **numbers, "stationary": True})
    combined = combine(pd.DataFrame(rows))
    assert len(combined) == 6
    arrhenius, fits = analyse_arrhenius(combined)
    assert arrhenius["E_a_eV"].to_numpy() == pytest.approx([0.3, 0.4])
    assert [fit.E_a_eV for fit in fits.values()] == pytest.approx([0.3, 0.4])
    assert list(table_2(combined, arrhenius)) == ["C-Li6.25 101 % CIP", "C-Li6.25 101 % CIP 2x2x2"]
    names = [trace.name for trace in arrhenius_figure(combined, fits).data if trace.name]
    assert len(names) == len(set(names)) == 2


def test_every_run_of_the_shipped_campaigns_has_a_name_of_its_own():
    for campaign in map(load_campaign, ("smoke", "quick", "reference")):
        runs = [run for run in campaign.runs if run.temperature_K == 1100]
        assert len({run_label(run) for run in runs}) == len(runs)


# --------------------------------------------------------------------------- where things are


def test_the_project_is_the_one_named_or_stood_in(tmp_path, monkeypatch):
    for name in FOLDERS:
        (tmp_path / "mine" / name).mkdir(parents=True)
    (tmp_path / "mine" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "mine" / "deep")
    assert project_folder() == tmp_path / "mine"
    monkeypatch.chdir(tmp_path)
    assert project_folder() == ROOT
    monkeypatch.setenv("LLZO_PROJECT", "mine")
    assert project_folder() == tmp_path / "mine"
    (tmp_path / "mine" / "parameters").rmdir()
    with pytest.raises(InputError, match=r"LLZO_PROJECT = mine: holds no folder parameters/;"):
        project_folder()


def test_results_go_where_they_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("LLZO_RESULTS", "")
    assert results_folder(ROOT) == ROOT / "results"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LLZO_RESULTS", "~/scratch")
    assert results_folder(ROOT) == tmp_path / "scratch"
    (tmp_path / "scratch").write_text("")
    with pytest.raises(InputError, match="scratch: not a folder"):
        results_folder(ROOT)


@pytest.mark.slow
def test_a_wheel_runs_a_campaign_outside_the_repository(tmp_path):
    """Built, installed into a folder, and called from another: everything comes from there."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    # a copy, so that the build leaves nothing here
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "clone")], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site), str(tmp_path / "clone")], check=True)
    (elsewhere / "tiny.yaml").write_text(
        yaml.safe_dump(
            {
                "description": "One short run",
                "seed": 1,
                "md": {
                    "equilibration_ps": 0.1,
                    "production_ps": 0.8,
                    "frame_interval_fs": 20,
                    "segment_ps": 0.2,
                },
                "sites": {"temperature_K": 900},
                "systems": [
                    {
                        "phase": "crystal",
                        "li_per_formula": 6.25,
                        "volume_ratio": 1.01,
                        "md_potential": "bush1994_woodley1999",
                        "temperature_K": 1100,
                    }
                ],
            }
        )
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LLZO_")}
    process = subprocess.run(
        [sys.executable, "-P", "-m", "llzo_helpers", "run", "tiny.yaml"],
        cwd=elsewhere,
        env={**environment, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    report = elsewhere / "results" / "tiny" / "report.html"
    assert report.is_file(), process.stdout + process.stderr
    code = "from llzo_helpers.paths import ROOT; print(ROOT)"
    root = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=elsewhere,
        env={**environment, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert root == str(site / "llzo_helpers" / "project")
