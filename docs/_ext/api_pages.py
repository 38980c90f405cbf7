"""A page for each public class and function of the library, and one for each module.

They are written to docs/api/ before Sphinx reads its sources, from the modules themselves, so that
nothing can be forgotten. Public is what does not begin with an underscore.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import mock
from sphinx.pycode import ModuleAnalyzer

import llzo_helpers

PACKAGE = llzo_helpers.__name__
LIBRARY = (
    *("analysis", "trajectory", "hdnnp", "md", "generate", "structures", "potentials", "garnet"),
    *("campaign", "figures", "errors"),
)
"""The parts of the package that are called from outside: each member has a page."""
MACHINERY = ("jobs", "lab", "training", "slurm", "schema", "files", "paths", "arrays")
"""The parts that serve the others: members are described on the pages of their modules."""
FLOORS = (*LIBRARY, *MACHINERY)


def modules_below(name: str) -> Iterator[ModuleType]:
    """Yield a module and all public modules within it."""
    module = importlib.import_module(name)
    yield module
    for inner in inner_modules(module):
        yield from modules_below(inner)


def public_members(module: ModuleType) -> dict[str, Any]:
    """Return the public classes and functions that a module defines, in their order there."""
    return {
        name: member
        for name, member in vars(module).items()
        if not name.startswith("_")
        and getattr(member, "__module__", None) == module.__name__
        and (inspect.isclass(member) or inspect.isfunction(member))
    }


def described_values(module: ModuleType) -> dict[str, list[str]]:
    """Return the public constants of a module that have a description, and its lines."""
    described = ModuleAnalyzer.for_module(module.__name__).find_attr_docs()
    return {
        name: lines
        for (scope, name), lines in described.items()
        if not scope and not name.startswith("_")
    }


def inner_modules(module: ModuleType) -> list[str]:
    """Return the public modules of a package."""
    found = pkgutil.iter_modules(getattr(module, "__path__", []))
    return [f"{module.__name__}.{item.name}" for item in found if not item.name.startswith("_")]


def _heading(title: str) -> str:
    return f"{title}\n{'=' * len(title)}\n\n"


def _first_line(documented: Any) -> str:
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def _file(name: str) -> str:
    """Return the file of a page; in it, `.md` would be an ending."""
    return name.replace(".", "-")


def _toctree(pages: list[str]) -> str:
    return "\n.. toctree::\n   :hidden:\n\n" + "".join(f"   {_file(page)}\n" for page in pages)


def _described(name: str, member: Any) -> str:
    """Return the directive that describes a member."""
    home = f"{member.__module__}.{name}"
    if not inspect.isclass(member):
        return f".. autofunction:: {home}\n\n"
    text = f".. autoclass:: {home}\n   :members:\n"
    # else numpydoc lists them
    if "Attributes\n---" not in (inspect.getdoc(member) or ""):
        text += "   :undoc-members:\n"
    return text + "\n"


def _member_page(name: str, member: Any) -> str:
    text = _heading(name) + f"*In* :py:mod:`{member.__module__}`"
    if name in llzo_helpers.__all__:
        text += f"; *also importable as* ``{PACKAGE}.{name}``"
    return text + ".\n\n" + _described(name, member)


def _has_member_pages(module: ModuleType) -> bool:
    return module.__name__.split(".")[1] in LIBRARY


def _module_page(module: ModuleType) -> str:
    inner, members = inner_modules(module), public_members(module)
    text = _heading(module.__name__) + f".. automodule:: {module.__name__}\n"
    if inner:
        text += "\n.. rubric:: Modules\n\n"
    for name in inner:
        text += f"- :py:mod:`{name}`: {_first_line(importlib.import_module(name))}\n"
    for title, is_one in (("Classes", inspect.isclass), ("Functions", inspect.isfunction)):
        chosen = {name: member for name, member in members.items() if is_one(member)}
        if chosen:
            text += f"\n.. rubric:: {title}\n\n"
        for name, member in chosen.items():
            if _has_member_pages(module):
                text += f"- :py:obj:`~{module.__name__}.{name}`: {_first_line(member)}\n"
            else:
                text += _described(name, member)
    if values := described_values(module):
        text += f"\n.. rubric:: Values\n\n.. py:currentmodule:: {module.__name__}\n\n"
    for name, lines in values.items():
        text += f".. py:data:: {name}\n\n" + "".join(f"   {line}\n" for line in lines) + "\n"
    below = [f"{module.__name__}.{name}" for name in members if _has_member_pages(module)]
    return text + _toctree([*inner, *below])


def _overview() -> str:
    text = _heading("Reference") + (
        "Units are part of names, and shapes are written as ``[frame, ion, axis]``. An error that "
        f"a user can cause is an :py:obj:`~{PACKAGE}.errors.InputError` of one line.\n\n"
        f".. rubric:: Importable from {PACKAGE} itself\n\n"
    )
    for name in llzo_helpers.__all__:
        member = getattr(llzo_helpers, name)
        text += f"- :py:obj:`~{member.__module__}.{name}`: {_first_line(member)}\n"
    for title, floors in (("The library", LIBRARY), ("What serves it", MACHINERY)):
        text += f"\n.. rubric:: {title}\n\n"
        for floor in floors:
            module = importlib.import_module(f"{PACKAGE}.{floor}")
            text += f"- :py:mod:`{module.__name__}`: {_first_line(module)}\n"
    return text + _toctree([f"{PACKAGE}.{floor}" for floor in FLOORS])


def pages(mocked: list[str]) -> dict[str, str]:
    """Return the content of all pages, by name."""
    with mock(mocked):
        found = {"index": _overview()}
        for module in (m for floor in FLOORS for m in modules_below(f"{PACKAGE}.{floor}")):
            found[module.__name__] = _module_page(module)
            if _has_member_pages(module):
                for name, member in public_members(module).items():
                    found[f"{module.__name__}.{name}"] = _member_page(name, member)
        return found


def write_pages(app: Sphinx) -> None:
    """Write the pages that have changed, and remove those of what is no more."""
    folder = Path(app.srcdir, "api")
    folder.mkdir(exist_ok=True)
    written = pages(app.config.autodoc_mock_imports)
    wanted = {folder / f"{_file(name)}.rst": text for name, text in written.items()}
    for path in set(folder.glob("*.rst")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages when a build begins."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
