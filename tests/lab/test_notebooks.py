"""How notebooks are committed: one parameters cell, no outputs, no code of their own."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from llzo_helpers.errors import InputError
from llzo_helpers.lab.without_outputs import without_outputs
from llzo_helpers.paths import NOTEBOOKS, PARAMETERS, RESULTS, ROOT


@pytest.fixture(params=sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    content = nbformat.read(Path(request.param), as_version=4)
    nbformat.validate(content)
    return content


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_committed_as_git_s_filter_writes_them(path: Path):
    text = path.read_text(encoding="utf-8")
    assert text == without_outputs(text)
    for cell in json.loads(text)["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_git_sees_no_change_in_a_notebook_that_was_run(tmp_path: Path):
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    shutil.copy(ROOT / ".gitattributes", tmp_path)

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    git("init", "--quiet")
    (clean,) = re.findall(r"git config (filter\S+) \"(.+)\" ", (ROOT / "Makefile").read_text())
    git("config", clean[0], clean[1].replace("$(BIN)/python", sys.executable))
    git("add", ".")
    for path in (tmp_path / "notebooks").glob("*.ipynb"):
        run = nbformat.read(path, as_version=4)
        for count, cell in enumerate(code_cells(run), start=1):
            cell.update(execution_count=count, metadata={**cell.metadata, "scrolled": True})
            cell.outputs = [nbformat.v4.new_output("stream", text="out")]
        run.metadata["language_info"] = {"name": "python", "version": "3.11.2"}
        nbformat.write(run, path)
    assert git("diff", "--name-only") == ""
    (tmp_path / "notebooks" / "01_generate.ipynb").write_text("{}")
    assert git("diff", "--name-only") == "notebooks/01_generate.ipynb\n"


def test_one_parameters_cell_typed_and_commented(notebook):
    (cell,) = [c for c in code_cells(notebook) if "parameters" in c.metadata.get("tags", [])]
    assert cell is code_cells(notebook)[0]
    for statement, line in zip(ast.parse(cell.source).body, cell.source.splitlines(), strict=True):
        assert isinstance(statement, ast.AnnAssign)
        assert "  # " in line


def test_prose_first_and_what_was_learnt_last(notebook):
    """Question, what it reads and writes; at the end sentences from the data of the run."""
    opening = notebook.cells[0]
    assert opening.cell_type == "markdown"
    assert "**Question.**" in opening.source
    assert "| reads | writes" in opening.source
    heading, printed = notebook.cells[-2:]
    assert heading.cell_type == "markdown"
    assert heading.source.startswith("## What was learnt")
    assert printed.cell_type == "code"
    assert "print(learnt." in printed.source


def test_hardly_any_definitions(notebook):
    bodies = [node for c in code_cells(notebook) for node in ast.walk(ast.parse(c.source))]
    assert sum(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in bodies) <= 1


@pytest.mark.parametrize(
    ("stem", "first"),
    [
        ("03_diffusion", "notebook 02"),
        ("04_sites", "notebook 02"),
        ("05_gop", "notebook 03"),
        ("06_crossover", "notebook 03"),
    ],
)
def test_without_runs_they_say_in_one_line_what_to_run_first(tmp_path: Path, stem: str, first: str):
    """Nothing is analysed, and nothing is written."""
    campaign = tmp_path / "without-runs.yaml"
    campaign.write_text((PARAMETERS / "smoke.yaml").read_text())
    _, *cells = code_cells(nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4))
    namespace = {"campaign": str(campaign), "temperature_K": 0}
    with pytest.raises(InputError, match=rf"without-runs.*; run {first}"):
        for cell in cells:
            exec(cell.source, namespace)  # noqa: S102
    assert not (RESULTS / "without-runs").exists()
