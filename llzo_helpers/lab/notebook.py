"""For every notebook: checked parameters, and whether the session is interactive."""

import ast
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import ase
import pandas as pd
from IPython.core.getipython import get_ipython
from pydantic import BaseModel
from tqdm.auto import tqdm

from llzo_helpers.md.chain import Progress
from llzo_helpers.schema import validate

# Figures are kept in the notebook as data, which JupyterLab draws; other renderers add 5 MB of
# JavaScript to each notebook. It must be set before plotly is imported.
os.environ["PLOTLY_RENDERER"] = "plotly_mimetype"

# tables of a campaign have a row per run, with names and warnings that are of use only whole
pd.set_option("display.max_rows", 200, "display.max_columns", 60, "display.max_colwidth", None)

ParametersType = TypeVar("ParametersType", bound=BaseModel)


def read_parameters(model: type[ParametersType], namespace: Mapping[str, Any]) -> ParametersType:
    """Check a notebook's parameters, given in its parameters cell or by papermill.

    Parameters
    ----------
    model
        The parameters of the notebook.
    namespace
        The notebook's `globals()`.

    Raises
    ------
    InputError
        For an impossible value, or a parameter that the notebook does not have.
    """
    given = {key: namespace[key] for key in model.model_fields if key in namespace}
    # neither Python nor papermill minds: a misspelt parameter would go unnoticed
    unknown = {key: namespace.get(key) for key in _parameter_names(model) if key not in given}
    return validate(model, given | unknown, "notebook parameters")


def _parameter_names(model: type[BaseModel]) -> list[str]:
    """Return the names assigned in the last run of the parameters cell, and of papermill's.

    A parameters cell consists of assignments only, of which all have types or one is to a
    parameter.
    """
    shell = get_ipython()
    own: list[str] = []
    injected: list[str] = []
    for cell in shell.user_ns.get("In", []) if shell else []:
        names, typed = _assignments(cell)
        if cell.startswith("# Parameters\n"):
            injected = names
        elif names and (typed or not model.model_fields.keys().isdisjoint(names)):
            own = names
    return [*own, *injected]


def _assignments(cell: str) -> tuple[list[str], bool]:
    """Return the names that a cell of nothing but assignments assigns; whether all have types."""
    try:
        statements = ast.parse(cell).body
    except SyntaxError:
        # it was refused, and then corrected
        return [], False
    targets: list[ast.expr] = []
    for statement in statements:
        if isinstance(statement, ast.AnnAssign):
            targets.append(statement.target)
        elif isinstance(statement, ast.Assign):
            targets += statement.targets
        else:
            return [], False
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return names, all(isinstance(statement, ast.AnnAssign) for statement in statements)


def interactive() -> bool:
    """Return whether the notebook is open in an editor, rather than run by papermill.

    Widgets are for interactive sessions only: saved without a kernel, they show nothing.
    """
    return any(name in os.environ for name in ("JPY_SESSION_NAME", "VSCODE_PID"))


def show_structure(atoms: ase.Atoms) -> Any:
    """Return a view of a structure: nglview's in an interactive session, else a plotly figure."""
    if not interactive():
        from llzo_helpers.figures.structure import structure_figure

        return structure_figure(atoms)
    from llzo_helpers.lab.structure_view import structure_view

    return structure_view(atoms)


def progress_bar(title: str) -> Callable[[Progress], None]:
    """Return a function that shows a run's progress: steps per second and time left."""
    bar = tqdm(desc=title, unit=" steps", disable=not interactive(), dynamic_ncols=True)

    def show(progress: Progress) -> None:
        if bar.total is None:
            # the steps of an earlier process do not count for the speed of this one
            bar.reset(progress.steps_total)
            bar.initial = bar.n = progress.steps_done
        bar.update(progress.steps_done - bar.n)
        if progress.steps_done == progress.steps_total:
            bar.close()

    return show
