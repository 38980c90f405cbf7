"""The notebooks as pages, with the outputs that the campaign of `docs/build.py` gave them.

They are copied to docs/tutorials/, with figures that browsers draw, from plotly's own script.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import plotly
import plotly.io
from sphinx.application import Sphinx

from llzo_helpers.paths import NOTEBOOKS, RESULTS

CAMPAIGN = os.environ.get("CAMPAIGN", "quick")
SOURCES = sorted(NOTEBOOKS.glob("0*.ipynb"))
PLOTLY = "application/vnd.plotly.v1+json"


def executed(notebook: str) -> Path | None:
    """Return a notebook as the campaign ran it, or None; of many runs, the first by name."""
    folder = RESULTS / CAMPAIGN
    found = [folder / notebook, *sorted(folder.glob(f"*/*/{notebook}"))]
    return next((path for path in found if path.is_file()), None)


def with_figures(notebook: dict[str, Any]) -> dict[str, Any]:
    """Turn plotly's figures into HTML."""
    script: str | bool = "../_static/plotly.min.js"
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            figure = output.get("data", {}).pop(PLOTLY, None)
            if figure is None:
                continue
            figure.pop("config", None)
            output["data"]["text/html"] = plotly.io.to_html(
                figure, include_plotlyjs=script, full_html=False, validate=False
            )
            # once in a page
            script = False
    return notebook


def shown() -> str:
    """Say which notebooks have outputs, and whose."""
    with_outputs = [path.stem[:2] for path in SOURCES if executed(path.name)]
    if not with_outputs:
        return "Here they are shown without outputs; `make docs` adds these."
    return (
        f"Notebooks {', '.join(with_outputs)} are shown with the results of the campaign "
        f"`{CAMPAIGN}`, the others without outputs."
    )


def write_notebooks(app: Sphinx) -> None:
    """Write the notebooks that have changed."""
    folder = Path(app.srcdir, "tutorials")
    folder.mkdir(exist_ok=True)
    for source in SOURCES:
        chosen = executed(source.name) or source
        text = json.dumps(with_figures(json.loads(chosen.read_text())))
        # from notebooks/, a page of these is in docs/; from here, it is in the folder above
        text = text.replace("](../docs/", "](../")
        target = folder / source.name
        if not target.is_file() or target.read_text() != text:
            target.write_text(text)


def copy_plotly(app: Sphinx, error: Exception | None) -> None:
    """Put plotly's script where pages look for it."""
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    if error is None and app.builder.format == "html":
        shutil.copy(script, Path(app.outdir, "_static"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the notebooks when a build begins, the script when it ends."""
    app.connect("builder-inited", write_notebooks)
    app.connect("build-finished", copy_plotly)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
