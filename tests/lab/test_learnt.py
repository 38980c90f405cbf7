"""Sentences written from data: what they say follows the numbers."""

from pathlib import Path

import ase
import numpy as np
import pandas as pd

from llzo_helpers.generate.crystal import crystal
from llzo_helpers.lab import learnt
from llzo_helpers.md.folder import read_thermo
from llzo_helpers.paths import POTENTIALS
from llzo_helpers.structures import describe


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


def test_a_structure():
    atoms = crystal(li_per_formula=6.25, volume_ratio=1.12, seed=1)
    words = learnt.from_structure(atoms)
    assert words.startswith("La24Li50O96Zr16 at 112 % of V_exp")
    assert "72 tetrahedral and octahedral sites for its 50 Li: 69 % filled" in words
    shortest = describe(atoms)["shortest Li-Li (Å)"]
    assert f"closer than {shortest} Å" in words
    assert "bonded" not in words
    bond(atoms)
    assert "1 pair of oxygen is bonded (closer than 1.8 Å)" in learnt.from_structure(atoms)


def bond(atoms: ase.Atoms) -> None:
    """Bring an oxygen ion to 1.4 Å from its nearest neighbour of the kind."""
    one, *others = (int(i) for i in np.flatnonzero(atoms.symbols == "O"))
    nearest = others[int(np.argmin(atoms.get_distances(one, others, mic=True)))]
    atoms.set_distance(nearest, one, 1.4, fix=0, mic=True)


SYSTEM = {
    "phase": "crystal",
    "structure_potential": None,
    "melt_quench": None,
    "md_potential": "bush1994_woodley1999",
    "li_per_formula": 6.25,
    "supercell": 1,
    "group": None,
    "replica": 1,
}


def sites(volume_ratio: float, jumps: float, network: float, memory: float) -> dict[str, object]:
    return SYSTEM | {
        "volume_ratio": volume_ratio,
        "tracer_D_cm2_s": jumps * network * memory,
        "uncorrelated_D_cm2_s": jumps,
        "network_correlation": network,
        "memory_correlation": memory,
        "upper_bound": volume_ratio > 1.1,
        "framework": "crystal" if volume_ratio < 1.2 else "amorphised after 30 ps",
    }


def test_the_factors_of_an_expansion():
    # what is no crystal any more is not compared
    amorphised = sites(1.3, 9e-5, 0.9, 0.9)
    table = pd.DataFrame([amorphised, sites(1.12, 2e-5, 0.4, 0.1), sites(1.0, 1e-5, 0.8, 0.4)])
    assert learnt.from_sites(table) == (
        "C-Li6.25 100 % CIP → 112 %: D changes by a factor of 0.25 (from an upper bound) = "
        "2 (independent jumps) × 0.5 (shape of the network) × 0.25 (memory)"
    )
    assert "nothing to compare" in learnt.from_sites(table.iloc[:2])


def test_what_predicts_d():
    predictors = pd.DataFrame(
        {
            "measure": ["critical rate", "order parameter, k = 3"],
            "rank_correlation": [0.9, -0.1],
            "interval_low": [0.7, -0.6],
            "interval_high": [1.0, 0.5],
            "systems": [11, 11],
            "over": ["glasses", "glasses"],
        }
    )
    words = learnt.from_networks(predictors, {"a": -80.0}, {"a": np.array([-81.0, -80.6])})
    assert words.splitlines() == [
        "Rewiring the networks at random changes θ by at most 1.0 %.",
        "Rank correlation of D with critical rate, glasses: 0.90 (95 %: 0.70 to 1.00, 11 systems).",
        "Rank correlation of D with order parameter, k = 3, glasses: -0.10 (95 %: -0.60 to 0.50, "
        "11 systems).",
    ]
    few = learnt.from_networks(predictors.iloc[:0], {"a": -80.0}, {"a": np.array([-80.0])})
    assert "Too few systems" in few


def test_runs_with_bounds_and_what_agrees():
    diffusion = pd.DataFrame({"upper_bound": [True, False], "stationary": [True, False]})
    arrhenius = pd.DataFrame([SYSTEM | {"volume_ratio": 1.0, "E_a_eV": 0.3, "E_a_std_eV": 0.02}])
    words = learnt.from_diffusion(diffusion, arrhenius, pd.DataFrame(), 20).splitlines()
    assert words[0] == "1 of 2 runs give D."
    assert words[3] == "Eₐ of C-Li6.25 100 % CIP: 0.30 ± 0.02 eV."
    assert words[4] == "No number of the paper has a counterpart in this campaign."


def test_effects_and_errors():
    effects = pd.DataFrame(
        [["structure", "a", "p", "b", "q", 1100.0, 1.7, 1.2, 2.4]],
        columns=["effect", "from", "from_melt_quench", "to", "to_melt_quench", "temperature_K",
                 "factor", "factor_low_95", "factor_high_95"],
    )  # fmt: skip
    glass = {"phase": "amorphous", "structure_potential": "bush1994_woodley1999"}
    glass |= {"melt_quench": "cip", "volume_ratio": 1.12, "temperature_K": 700.0}
    glass |= {"upper_bound": True, "tracer_D_limit_cm2_s": 2e-6}
    bounds = pd.DataFrame([SYSTEM | glass])
    words = learnt.from_crossover(effects, bounds[:0])
    assert words.startswith("structure, a (p) → b (q) at 1100 K: D changes by")
    assert words.endswith("a factor of 1.7 (95 %: 1.2 to 2.4)")
    words = learnt.from_crossover(effects.iloc[:0], bounds)
    assert "no upper bound" in words
    assert words.endswith("K: D < 0.2 × 10⁻⁵ cm²/s is a bound; run it longer.")
    by_phase = pd.read_csv(POTENTIALS / "hdnnp_sevennet0" / "errors_by_phase.csv")
    assert "structures held out" in learnt.from_training(by_phase)
