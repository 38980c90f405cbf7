"""Parameters of a notebook, checked in a real session of IPython."""

from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from pydantic import BaseModel

from llzo_helpers.errors import InputError
from llzo_helpers.lab import parameters
from llzo_helpers.paths import NOTEBOOKS

CHECK = """
from llzo_helpers.lab.notebook import read_parameters
from llzo_helpers.lab.parameters import CrossoverParameters

checked = read_parameters(CrossoverParameters, globals())
"""
TYPED = 'campaign: str = "quick"\ntemperature_K: float = 0'


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    shell = InteractiveShell.instance()
    yield shell
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, *cells: str) -> Any:
    """Run cells as JupyterLab does; what the last one assigned, or its error."""
    for cell in cells:
        result = shell.run_cell(cell, store_history=True)
    result.raise_error()
    return shell.user_ns["checked"]


def test_the_cell_as_committed(shell):
    assert run(shell, TYPED, CHECK).campaign == "quick"


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ('campaign: str = "quick"\ntemprature_K: float = 900', "did you mean 'temperature_K'"),
        # without its type, below a comment
        ('# mine\ncampaign = "quick"\ntemprature_K = 900', "did you mean 'temperature_K'"),
        ('campain: str = "quick"', "did you mean 'campaign'"),
    ],
)
def test_a_misspelt_name_is_refused_until_it_is_corrected(shell, cell, hint):
    shell.run_cell('campaign = "smoke"')
    with pytest.raises(InputError, match=hint):
        run(shell, cell, CHECK)
    assert run(shell, TYPED, CHECK).temperature_K == 0


def test_what_papermill_injects_is_checked_too(shell):
    with pytest.raises(InputError, match="temperatur: unknown key"):
        run(shell, TYPED, "# Parameters\ntemperatur = 900\n", CHECK)


def test_other_cells_are_no_parameters(shell):
    run(shell, TYPED, "a = 1\nb = 2", "syntax error", "temperature_K = 0\nx = 1\nprint(x)", CHECK)


@pytest.mark.parametrize(
    ("stem", "model"),
    [
        ("01_generate", parameters.GenerateParameters),
        ("02_run_md", parameters.RunParameters),
        ("03_diffusion", parameters.DiffusionParameters),
        ("06_crossover", parameters.CrossoverParameters),
    ],
)
def test_only_the_first_cell_of_a_notebook_is_one_of_parameters(stem: str, model: type[BaseModel]):
    from llzo_helpers.lab.notebook import _assignments

    notebook = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert set(_assignments(cells[0])[0]) <= set(model.model_fields)
    for cell in cells[1:]:
        names, typed = _assignments(cell)
        assert not names or not (typed or set(names) & set(model.model_fields))
