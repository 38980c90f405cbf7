"""Where the project keeps things."""

import os
from pathlib import Path

from llzo_helpers.errors import InputError

FOLDERS = ("data", "notebooks", "parameters", "potentials", "workflow")
"""The folders of a project; an installed package brings a copy of them."""

PROJECT_VARIABLE = "LLZO_PROJECT"
RESULTS_VARIABLE = "LLZO_RESULTS"

_PACKAGE = Path(__file__).resolve().parent
_PACKAGED = _PACKAGE / "project"


def project_folder() -> Path:
    """Return the folder that holds `FOLDERS`.

    It is the one named by the environment variable LLZO_PROJECT; else the one that contains the
    current folder; else the repository that contains this package, or the copy it ships.

    Raises
    ------
    InputError
        If LLZO_PROJECT names a folder without them, or no such folder exists.
    """
    if chosen := os.environ.get(PROJECT_VARIABLE):
        folder = named_path(PROJECT_VARIABLE, chosen)
        if missing := _missing(folder):
            raise InputError(
                f"{PROJECT_VARIABLE} = {chosen}: holds no folder {missing}/; name the project's "
                "folder, or unset the variable"
            )
        return folder
    try:
        current = Path.cwd()
    except FileNotFoundError:
        # it was removed
        current = _PACKAGE
    for folder in (current, *current.parents, _PACKAGE.parent, _PACKAGED):
        if not _missing(folder):
            return folder
    raise InputError(
        f"{_PACKAGE.parent}: holds no folder {_missing(_PACKAGE.parent)}/; install the package "
        f"again, or set {PROJECT_VARIABLE} to the folder of the project"
    )


def results_folder(project: Path) -> Path:
    """Return the folder for results: that of LLZO_RESULTS, else `results` of the project.

    Where the project is the package's own copy, it is `results` in the current folder.

    Raises
    ------
    InputError
        If something other than a folder is in its place.
    """
    default = Path.cwd() if project == _PACKAGED else project
    chosen = os.environ.get(RESULTS_VARIABLE)
    folder = named_path(RESULTS_VARIABLE, chosen) if chosen else default / "results"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: not a folder; remove it, or set {RESULTS_VARIABLE} to another")
    return folder


def named_path(name: str, value: str, base: Path = Path()) -> Path:
    """Return the path that a user wrote, from the root; it may begin with `~`, and need not exist.

    Parameters
    ----------
    name
        Of the variable or parameter, for the message.
    value
        What was written.
    base
        What it is relative to; the current folder by default.

    Raises
    ------
    InputError
        If there can be none.
    """
    try:
        path = (base / Path(value).expanduser()).absolute()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        # too long, below a folder that cannot be searched, or at the home of nobody
        raise InputError(f"{name} = {value[:80]}: {str(error)[:80]}; name another path") from None
    return path


def _missing(folder: Path) -> str | None:
    return next((name for name in FOLDERS if not (folder / name).is_dir()), None)


ROOT = project_folder()
DATA = ROOT / "data"
NOTEBOOKS = ROOT / "notebooks"
PARAMETERS = ROOT / "parameters"
POTENTIALS = ROOT / "potentials"
RESULTS = results_folder(ROOT)
"""On a cluster, set LLZO_RESULTS to a folder on the scratch disk."""
