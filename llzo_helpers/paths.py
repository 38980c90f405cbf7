"""Where the project keeps things."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
NOTEBOOKS = ROOT / "notebooks"
PARAMETERS = ROOT / "parameters"
POTENTIALS = ROOT / "potentials"
RESULTS = ROOT / "results"
