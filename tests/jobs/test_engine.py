"""The campaign `smoke`, as a user runs it: every notebook by papermill, real LAMMPS, the report."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from llzo_helpers.errors import InputError
from llzo_helpers.jobs.engine import CAMPAIGN_VARIABLE, run_campaign
from llzo_helpers.jobs.executed import notebook_error
from llzo_helpers.paths import NOTEBOOKS, PARAMETERS, ROOT

RUN = "C-Li6.25-V101-1x1x1-r1-bush1994_woodley1999-1100K"
AMORPHOUS = "A-Li6.25-V112-1x1x1-r1-bush1994_woodley1999.tiny"
POTENTIALS = ("bush1994_woodley1999", "hdnnp_sevennet0")


def run(
    command: str, *arguments: str, results: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llzo_helpers", command, *arguments],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(results), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the smoke campaign; not to be changed."""
    results = tmp_path_factory.mktemp("results")
    process = run("run", "smoke", results=results)
    assert process.returncode == 0, process.stdout + (results / "smoke/snakemake.log").read_text()
    assert process.stdout.rstrip().endswith(f"report: {results / 'smoke' / 'report.html'}")
    return results


@pytest.fixture
def smoke_to_change(smoke: Path, tmp_path: Path) -> Iterator[Path]:
    """The same results, put back afterwards: results know the folder they were made for."""
    backup = shutil.copytree(smoke / "smoke", tmp_path / "backup", copy_function=shutil.copy2)
    yield smoke
    shutil.rmtree(smoke / "smoke")
    shutil.move(backup, smoke / "smoke")


@pytest.mark.slow
def test_the_campaign_leaves_tables_notebooks_and_a_report(smoke: Path):
    folder = smoke / "smoke"
    diffusion = pd.read_csv(folder / "diffusion.csv")
    campaign = yaml.safe_load((PARAMETERS / "smoke.yaml").read_text())
    assert {
        "structure",
        "phase",
        "structure_potential",
        "md_potential",
        "li_per_formula",
        "volume_ratio",
        "temperature_K",
        "replica",
        "tracer_D_cm2_s",
        "tracer_D_std_cm2_s",
    } <= set(diffusion.columns)
    assert diffusion["run"].is_unique
    assert (diffusion["tracer_D_std_cm2_s"] > 0).all()
    assert set(diffusion["temperature_K"]) >= set(campaign["systems"][0]["temperature_K"])
    arrhenius = pd.read_csv(folder / "arrhenius.csv")
    assert {"E_a_eV", "E_a_std_eV", "D0_cm2_s"} <= set(arrhenius.columns)
    sites = pd.read_csv(folder / "sites.csv")
    assert {"n_sites", "back_jump_fraction", "jump_D_cm2_s", "tracer_D_cm2_s"} <= set(sites.columns)
    assert set(sites["temperature_K"]) == {1100}
    assert len(list(folder.glob("runs/*/02_run_md.ipynb"))) == len(diffusion)
    assert all(notebook_error(path) is None for path in folder.rglob("0*.ipynb"))


@pytest.mark.slow
def test_the_report_stands_alone(smoke: Path):
    page = (smoke / "smoke" / "report.html").read_text()
    assert "<script src" not in page
    assert 'rel="stylesheet"' not in page
    for text in (
        "Figure 1A",
        "Table 2",
        "Figure 5",
        "Assumptions",
        "Versions",
        f"runs/{RUN}/02_run_md",
    ):
        assert text in page
    assert "Missing:" not in page


@pytest.mark.slow
def test_the_report_leaves_out_tables_of_nothing(smoke_to_change: Path):
    """A campaign of glasses alone has no switches from one structure to another, for example."""
    folder = smoke_to_change / "smoke"
    caption = "How far the frameworks moved"
    assert caption in (folder / "report.html").read_text()
    (folder / "switches.csv").write_text("\n")
    process = run("report", "smoke", results=smoke_to_change)
    assert process.returncode == 0
    assert caption not in (folder / "report.html").read_text()


@pytest.mark.slow
def test_a_second_call_does_only_what_is_missing(smoke_to_change: Path):
    results = smoke_to_change
    before = {p: p.stat().st_mtime_ns for p in results.rglob("*.ipynb")}
    (results / "smoke" / "report.html").unlink()
    process = run("run", "smoke", results=results)
    assert process.returncode == 0
    assert (results / "smoke" / "report.html").is_file()
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.slow
def test_an_archive_is_drawn_again_without_frames(smoke: Path, tmp_path: Path):
    """In a project that ships it: nothing is run, and the tables are the same to the last digit."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "data", project / "data", copy_function=os.link)
    for name in ("notebooks", "parameters", "potentials", "workflow"):
        (project / name).symlink_to(ROOT / name)
    output = str(project / "data" / "smoke")
    process = run("archive", "smoke", "--output", output, results=smoke)
    assert process.returncode == 0, process.stderr
    process = run("report", "smoke", results=tmp_path / "results", LLZO_PROJECT=str(project))
    assert process.returncode == 0, process.stderr
    folder = tmp_path / "results" / "smoke"
    assert not list(folder.rglob("*.dcd"))
    tables = {path.name: path.read_text() for path in folder.glob("*.csv")}
    for name in tables:
        (folder / name).unlink()
    process = run("run", "smoke", results=tmp_path / "results", LLZO_PROJECT=str(project))
    assert process.returncode == 0, process.stdout + (folder / "snakemake.log").read_text()
    assert not list(folder.rglob("*.dcd"))
    assert {path.name: path.read_text() for path in folder.glob("*.csv")} == tables
    # what is deleted is computed again, from the structures and glasses that came along
    deleted = [RUN, *(f"{AMORPHOUS}-{name}-1100K" for name in POTENTIALS)]
    for name in (f"structures/{AMORPHOUS}", *(f"runs/{run}" for run in deleted)):
        shutil.rmtree(folder / name)
    process = run("run", "smoke", results=tmp_path / "results", LLZO_PROJECT=str(project))
    assert process.returncode == 0, process.stdout + (folder / "snakemake.log").read_text()
    assert {path.parts[-3] for path in folder.rglob("*.dcd")} == set(deleted)
    assert (folder / "diffusion.csv").read_text() == tables["diffusion.csv"]


@pytest.mark.slow
def test_a_failed_run_does_not_stop_the_others(smoke_to_change: Path):
    results = smoke_to_change
    folder = results / "smoke" / "runs" / RUN
    (folder / "summary.json").unlink()
    with (folder / "in.lmp").open("a") as script:
        script.write("# touched\n")
    (results / "smoke" / "diffusion.csv").unlink()
    process = run("run", "smoke", results=results)
    assert process.returncode == 1
    assert "in.lmp: changed since the run began" in process.stdout
    page = (results / "smoke" / "report.html").read_text()
    assert "Missing: 1 of" in page
    assert "in.lmp: changed since the run began" in page
    assert RUN not in set(pd.read_csv(results / "smoke" / "diffusion.csv")["run"])


@pytest.mark.slow
def test_a_glass_of_which_something_else_is_asked_is_refused_before_work_starts(
    smoke_to_change: Path, tmp_path: Path
):
    values = yaml.safe_load((PARAMETERS / "smoke.yaml").read_text())
    values["systems"][2]["melt_quench"]["superheat_K"] = 8000
    path = tmp_path / "smoke.yaml"
    path.write_text(yaml.safe_dump(values))
    folder = smoke_to_change / "smoke/glasses/bush1994_woodley1999.tiny-1x1x1-r1"
    before = sorted(smoke_to_change.rglob("*"))
    process = run("run", str(path), results=smoke_to_change)
    assert process.returncode == 2
    assert process.stderr.strip() == (
        f"error: {folder}: was made with superheat_K = 7000.0, the campaign asks for 8000.0; give "
        "melt_quench another name, restore it, or delete the folder to make the glass anew"
    )
    # begun only
    (folder / "provenance.json").unlink()
    process = run("run", str(path), results=smoke_to_change)
    assert f"{folder}: was made with superheat: start_K = 7000.0" in process.stderr
    assert {*before} - {*smoke_to_change.rglob("*")} == {folder / "provenance.json"}
    # is no matter of those who run something else
    assert run("run", str(path), "--only", RUN, results=smoke_to_change).returncode == 0


@pytest.mark.parametrize(
    ("change", "environment", "message"),
    [
        ({"seeed": 1}, {}, "seeed: unknown key; did you mean 'seed'?"),
        ({}, {"LLZO_LMP": "/nowhere/lmp"}, "lmp: no LAMMPS at /nowhere/lmp"),
    ],
)
def test_bad_input_ends_in_one_line_and_leaves_nothing(
    tmp_path: Path, change, environment, message
):
    values = yaml.safe_load((PARAMETERS / "smoke.yaml").read_text())
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({**values, **change}))
    process = run("run", str(path), results=tmp_path / "results", **environment)
    assert process.returncode == 2
    assert process.stdout == f"{path}: starting\n"
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "results").exists()


def papermill(
    notebook: str, folder: Path, **parameters: object
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "papermill",
            "--no-progress-bar",
            str(NOTEBOOKS / notebook),
            str(folder / notebook),
            "-y",
            json.dumps(parameters),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperatur": 900}, "notebook parameters: temperatur: unknown key"),
        ({"li_per_formula": 9.0}, "li_per_formula: 9.0; give the Li per formula unit, 5.5 to 7.5"),
    ],
)
def test_a_notebook_refuses_bad_parameters(tmp_path: Path, parameters, message):
    process = papermill("01_generate.ipynb", tmp_path, output=str(tmp_path / "s"), **parameters)
    assert process.returncode != 0
    assert message in notebook_error(tmp_path / "01_generate.ipynb")
    assert not (tmp_path / "s").exists()


def test_a_notebook_does_not_overwrite_another_structure(tmp_path: Path, structure: Path):
    there = shutil.copytree(structure, tmp_path / "there")
    process = papermill("01_generate.ipynb", tmp_path, output=str(there))
    assert process.returncode != 0
    assert "holds a structure made without phase" in notebook_error(tmp_path / "01_generate.ipynb")
    assert tree(there) == tree(structure)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("profile", ["cloud", ""])
def test_an_unknown_profile_is_refused(profile: str, tmp_path: Path):
    process = run("run", "smoke", "--profile", profile, results=tmp_path)
    assert process.returncode == 2
    assert "no such profile; available: local, slurm" in process.stderr


def test_slurm_that_does_not_answer_is_noticed_at_once(tmp_path: Path):
    process = run("run", "smoke", "--profile", "slurm", results=tmp_path, SLURM_CONF="/nowhere")
    assert process.returncode == 2
    assert "--profile slurm: Slurm does not answer (scontrol ping)" in process.stderr
    assert not any(tmp_path.iterdir())


def test_analyses_use_the_cores_that_they_were_given(tmp_path: Path):
    """As Snakemake would call them: what analyses runs side by side takes its threads, no more."""
    words = ["--snakefile", ROOT / "workflow/Snakefile", "--directory", tmp_path]
    words += ["--profile", ROOT / "workflow/profiles/local", "--cores", "3"]
    process = subprocess.run(
        [sys.executable, "-m", "snakemake", *words, "--dry-run", "--printshellcmds"],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(tmp_path), CAMPAIGN_VARIABLE: "smoke"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"LOKY_MAX_CPU_COUNT=(\d+) .* (0\d)_\w+.ipynb -y", process.stdout)
    # none of its own: it runs beside the others
    assert sorted((number, int(cores)) for cores, number in found) == [
        ("03", 3),
        ("04", 3),
        ("05", 3),
        ("06", 0),
    ]


@pytest.mark.parametrize("cores", [0, -1, 10**7])
def test_a_number_of_cores_that_is_none_is_refused(cores: int):
    with pytest.raises(InputError, match=f"--cores {cores}: give a number from 1 to 1000000"):
        run_campaign("smoke", "local", cores)


def test_a_launcher_that_lammps_lacks_is_refused_by_its_key(tmp_path: Path):
    campaign = yaml.safe_load((PARAMETERS / "smoke.yaml").read_text())
    campaign["md"]["launcher"] = "gpu"
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(campaign))
    process = run("run", str(tmp_path / "small.yaml"), results=tmp_path / "results")
    assert process.returncode == 2
    assert process.stderr.startswith("error: small: md: ")
    assert "launcher = 'gpu'" in process.stderr
    assert not (tmp_path / "results").exists()


def test_a_report_of_nothing_is_refused(tmp_path: Path):
    process = run("report", "smoke", results=tmp_path)
    assert process.returncode == 2
    assert process.stderr.strip() == f"error: {tmp_path / 'smoke'}: no results; llzo run smoke"


@pytest.mark.parametrize(
    ("calculator", "message"),
    [
        ("nowhere.Calculator", "install its package, or correct the name"),
        ("os.abort", "perhaps for lack of memory"),
    ],
)
def test_a_calculator_that_cannot_be_made_is_refused_before_work_starts(
    tmp_path: Path, calculator: str, message: str
):
    project = tmp_path / "project"
    project.mkdir()
    for name in ("data", "notebooks", "parameters", "workflow"):
        (project / name).symlink_to(ROOT / name)
    own = shutil.copytree(ROOT / "potentials" / "sevennet0", project / "potentials" / "own")
    described = yaml.safe_load((own / "potential.yaml").read_text())
    described |= {"calculator": calculator, "calculator_options": {}}
    (own / "potential.yaml").write_text(yaml.safe_dump(described))
    campaign = yaml.safe_load((PARAMETERS / "smoke.yaml").read_text())
    campaign |= {"systems": [campaign["systems"][0] | {"md_potential": "own"}], "vibration": None}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(campaign))
    process = run(
        "run",
        str(tmp_path / "small.yaml"),
        results=tmp_path / "results",
        LLZO_PROJECT=str(project),
    )
    assert process.returncode == 2, process.stdout + process.stderr
    assert message in process.stderr
    assert not (tmp_path / "results").exists()
