"""Signatures as the source has them, and names that are imported from elsewhere.

Evaluated, an annotation such as `ArrayLike` or `FloatArray` fills five lines.
"""

import ast
import importlib
import inspect
import textwrap
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def _as_written(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Return arguments and result of a function, as its source annotates them."""
    if what == "class":
        # fields of a dataclass or of settings are described below it
        return ("", "") if "__init__" not in vars(obj) or _generated(obj.__init__) else None
    if what not in ("function", "method"):
        return None
    try:
        source = textwrap.dedent(inspect.getsource(obj))
    except (OSError, TypeError):
        return None
    function = _Homes(obj.__globals__).visit(ast.parse(source).body[0])
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    if what == "method":
        static = any(ast.unparse(line) == "staticmethod" for line in function.decorator_list)
        arguments.args = arguments.args if static else arguments.args[1:]
    return f"({ast.unparse(arguments)})", ast.unparse(function.returns) if function.returns else ""


class _Homes(ast.NodeTransformer):
    """Put the module before names of classes of this package, of which several may share one."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace a name in the annotations."""
        found = self.names.get(node.id)
        if node.id.startswith("_"):  # it has no page
            return node
        if inspect.isclass(found) and found.__module__.startswith("llzo_helpers"):
            return ast.parse(f"{found.__module__}.{found.__qualname__}", mode="eval").body
        return node


def _generated(function: Any) -> bool:
    return function.__code__.co_filename == "<string>" or "pydantic" in function.__module__


def _at_home(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.TextElement
) -> nodes.Element | None:
    """Resolve a name that a package imports from the module that defines it."""
    module, _, name = str(node.get("reftarget")).rpartition(".")
    if not module.startswith("llzo_helpers"):
        return None
    try:
        found = getattr(importlib.import_module(module), name)
        home = f"{found.__module__}.{found.__qualname__}"
    except (AttributeError, ImportError):
        return None
    if home == node["reftarget"]:
        return None
    return env.domains["py"].resolve_xref(
        env, node["refdoc"], app.builder, "obj", home, node, contnode
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect both."""
    app.connect("autodoc-process-signature", _as_written)
    app.connect("missing-reference", _at_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
