"""Notebooks as they are committed; `python -m llzo_helpers.lab.without_outputs` filters for git.

`.gitattributes` names the filter, and `make lab` defines it: git then sees no change in a notebook
that was only run and saved, while the file keeps its outputs.
"""

import json
import sys


def without_outputs(text: str) -> str:
    """Return a notebook's text without outputs, counts and what JupyterLab notes about the session.

    Parameters
    ----------
    text
        Of the file; what is no notebook is returned as it is.
    """
    try:
        notebook = json.loads(text)
        for cell in notebook["cells"]:
            tags = cell["metadata"].get("tags")
            cell["metadata"] = {"tags": tags} if tags else {}
            if cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": None}
        notebook["metadata"]["language_info"] = {"name": "python"}
    except (ValueError, LookupError, TypeError, AttributeError):
        return text
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(without_outputs(sys.stdin.read()))
