"""For every notebook: checked parameters, and whether the session is interactive."""

import ast
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import ase
from IPython.core.getipython import get_ipython
from pydantic import BaseModel
from tqdm.auto import tqdm

from llzo_helpers.md.chain import Progress
from llzo_helpers.schema import validate

# Figures are kept in the notebook as data, which JupyterLab draws; other renderers add 5 MB of
# JavaScript to each notebook. It must be set before plotly is imported.
os.environ["PLOTLY_RENDERER"] = "plotly_mimetype"

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
        For an impossible value, or a papermill parameter that the notebook does not have.
    """
    given = {key: namespace[key] for key in model.model_fields if key in namespace}
    # papermill only warns about unknown names: a misspelt parameter would go unnoticed
    unknown = {key: namespace.get(key) for key in _injected_names() if key not in given}
    return validate(model, given | unknown, "notebook parameters")


def _injected_names() -> list[str]:
    """Return the names that papermill's injected cell assigns; none in JupyterLab."""
    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell else []
    injected = next((cell for cell in cells if cell.startswith("# Parameters\n")), "")
    return [
        target.id
        for statement in ast.parse(injected).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]


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
