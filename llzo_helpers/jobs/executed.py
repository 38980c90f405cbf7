"""Notebooks that papermill has run: how they ended."""

import json
from pathlib import Path


def was_run(notebook: Path) -> bool:
    """Whether papermill has written it; for a step that never began Snakemake leaves it empty."""
    return notebook.is_file() and notebook.stat().st_size > 0


def notebook_error(notebook: Path) -> str | None:
    """Return the error that an executed notebook ended with, if it was run and had one."""
    if not was_run(notebook):
        return None
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        for output in outputs:
            if output["output_type"] == "error":
                return f"{output['ename']}: {output['evalue']}"
    except (ValueError, TypeError, LookupError, AttributeError, OSError):
        return "the notebook was cut short while it was written"
    return None
