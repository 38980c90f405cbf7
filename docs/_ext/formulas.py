"""Formulas by MathJax from an installed package: its fonts are in the script, nothing is fetched.

Browsers draw MathML only as well as the fonts of a machine allow; SVG is the same everywhere, and
in pages that are opened as files.
"""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

SCRIPT = "tex-svg.js"


def copy_script(app: Sphinx, error: Exception | None) -> None:
    """Put MathJax where pages look for it."""
    # the package's own extension copies 16 MB, and fonts that Firefox refuses to pages in files
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if error is None and app.builder.format == "html" and package and package.origin:
        script = Path(package.origin).parent / "static" / "mathjax" / SCRIPT
        shutil.copy(script, Path(app.outdir, "_static"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Name the script, and write it when a build ends."""
    app.setup_extension("sphinx.ext.mathjax")
    app.config.mathjax_path = SCRIPT
    app.connect("build-finished", copy_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
