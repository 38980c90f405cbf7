"""The crossover of structures and potentials, from rows of `diffusion.csv`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from llzo_helpers.campaign.crossover import crossover_effects
from llzo_helpers.figures.crossover import crossover_figure

CIP, ML = "bush1994_woodley1999", "hdnnp_sevennet0"
POTENTIAL = 10.0
"""The factor in D between the two; without interaction."""


def glasses(maker: str, protocol: str, D: Sequence[float]) -> pd.DataFrame:
    """Return the rows of glasses, each run with both potentials."""
    rows = [
        {
            "phase": "amorphous",
            "structure": f"{maker}.{protocol} r{replica}",
            "structure_potential": maker,
            "melt_quench": protocol,
            "md_potential": potential,
            "li_per_formula": 6.25,
            "volume_ratio": 1.12,
            "supercell": 1,
            "temperature_K": 700.0,
            "tracer_D_cm2_s": D_cm2_s * (POTENTIAL if potential == ML else 1),
            "tracer_D_std_cm2_s": 0.01 * D_cm2_s,
            "tracer_D_limit_cm2_s": np.nan,
            "upper_bound": False,
        }
        for replica, D_cm2_s in enumerate(D)
        for potential in (CIP, ML)
    ]
    return pd.DataFrame(rows)


FAST, SLOW = [1.0e-6, 1.1e-6], [1.0e-8, 1.1e-8]
"""Of glasses by two protocols, which differ much more than those of one."""


@pytest.mark.parametrize(
    ("rows", "compared"),
    [
        # like with like
        (
            [glasses(CIP, "fast", FAST), glasses(CIP, "slow", SLOW), glasses(ML, "slow", SLOW)],
            {("slow", "slow"): 1.0},
        ),
        # nothing in common: each with each
        (
            [glasses(CIP, "fast", FAST), glasses(CIP, "slow", SLOW), glasses(ML, "ml", FAST)],
            {("fast", "ml"): 1.0, ("slow", "ml"): 100.0},
        ),
    ],
)
def test_glasses_by_different_protocols_are_no_replicas(rows, compared):
    table, decompositions = crossover_effects(pd.concat(rows))
    found = table[table["effect"] == "structure"].set_index(["from_melt_quench", "to_melt_quench"])
    assert found["factor"].to_dict() == pytest.approx(compared)
    assert found["ln_D_std"].max() < 0.1
    assert set(found["structures"]) == {"2 + 2"}
    assert (found["left_out"] == 0).all()
    assert table.loc[table["effect"] == "potential", "factor"].to_list() == pytest.approx(
        [POTENTIAL] * len(compared)
    )
    for (start, end), label in zip(compared, decompositions, strict=True):
        assert label == f"{CIP} ({start}) → {ML} ({end}), Li6.25 112 %, 700 K"


def test_a_line_joins_runs_of_one_protocol():
    rows = pd.concat([glasses(CIP, "fast", FAST[:1]), glasses(CIP, "slow", SLOW[:1])])
    figure = crossover_figure(rows.assign(paper_D_cm2_s=np.nan), 700)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    drawn = [D for line in lines for D in line.y]
    assert drawn == pytest.approx([1e-6, 1e-5, 1e-8, 1e-7])
    assert len(lines) == 2
    assert {trace.name for trace in figure.data if trace.name} == {
        f"CIP ({protocol}) structures with {name}"
        for protocol in ("fast", "slow")
        for name in ("CIP", "ML")
    }
