"""Where the project keeps things."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
NOTEBOOKS = ROOT / "notebooks"
PARAMETERS = ROOT / "parameters"
POTENTIALS = ROOT / "potentials"
RESULTS = Path(os.environ.get("LLZO_RESULTS", ROOT / "results")).absolute()
"""On a cluster, set LLZO_RESULTS to a folder on the scratch disk."""
