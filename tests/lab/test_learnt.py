"""Sentences written from data: what they say follows the numbers."""

from pathlib import Path

import numpy as np
import pandas as pd

from llzo_helpers.lab import learnt
from llzo_helpers.md.folder import read_thermo


def thermo(energy: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"temperature_K": 1099.6, "potential_energy_eV": energy})


def test_a_run_that_drifts_is_said_to(finished_run: Path):
    noise = np.random.default_rng(1).normal(size=400)
    calm = learnt.from_run(thermo(noise), 1100, None)
    assert "set to 1100 K, the mean was 1100 K" in calm
    assert "no sign of a drift" in calm
    assert "too short for a diffusion coefficient" in calm
    falling = learnt.from_run(thermo(noise - np.linspace(0, 10, 400)), 1100, None)
    assert "equilibrate longer" in falling
    real = learnt.from_run(read_thermo(finished_run), 1100, learnt.run_diffusion(finished_run))
    # half a picosecond: ions rattle in their cages
    assert "Lithium: D < " in real
