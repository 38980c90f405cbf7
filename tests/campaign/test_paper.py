"""Our numbers beside the paper's, and what is said of them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from llzo_helpers.campaign import model
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.paper import (
    compare_with_paper,
    readable_comparison,
    update_comparison,
    verdict,
)
from llzo_helpers.campaign.tables import save_table

SYSTEM = {
    "phase": "crystal",
    "structure_potential": None,
    "melt_quench": None,
    "md_potential": "bush1994_woodley1999",
    "li_per_formula": 6.25,
    "supercell": 1,
    "group": None,
    "temperature_K": 1100.0,
    "replica": 1,
}


def row(volume_ratio: float, D: float, std: float, **changes: Any) -> dict[str, Any]:
    numbers = {"tracer_D_cm2_s": D, "tracer_D_std_cm2_s": std, "upper_bound": False}
    limit = {"tracer_D_limit_cm2_s": D + 1.645 * std}
    return {**SYSTEM, "volume_ratio": volume_ratio, **numbers, **limit, **changes}


# the paper has 1.82e-5, 2.88e-5, 2.94e-5, 1.64e-5, 3.61e-6 at these volumes
TABLE = pd.DataFrame(
    [
        row(0.86, 1.9e-5, 1e-6),  # 0.8 sigma above
        row(1.01, 2.0e-5, 1e-6),  # 8.8 sigma below
        row(1.07, 2.0e-5, 1.6e-5),  # near, and known to 80 %
        row(1.12, 2.0e-5, 1e-6, upper_bound=True),  # a bound above
        row(1.17, 1.0e-6, 2e-7, upper_bound=True),  # a bound below
    ]
)


def test_each_number_agrees_differs_or_decides_nothing():
    comparison = compare_with_paper({"diffusion": TABLE})
    assert comparison["agreement"].to_list() == [
        *("agrees", "differs", "undecided", "bound", "differs"),
    ]
    words = readable_comparison(comparison)
    assert words["this work"].to_list() == ["1.9 ± 0.1", "2.0 ± 0.1", "2 ± 2", "< 2.2", "< 0.13"]
    assert words["paper"].to_list() == ["1.82", "2.88", "2.94", "1.64", "0.361"]
    assert words[""].to_list() == ["✓", "✗", "?", "≤", "✗"]


def test_the_verdict_counts_all_and_names_what_differs_the_worst_first():
    first, *others = verdict(compare_with_paper({"diffusion": TABLE}), 28)
    assert first == (
        "5 of the paper's 28 numbers for these potentials have a counterpart here: 1 agree within "
        "2 standard errors; 2 differ by more; 1 have only an upper bound here, which allows the "
        "paper's value; 1 are known to no better than 50 % and decide nothing."
    )
    assert others == [
        "D of C-Li6.25 117 % CIP at 1100 K is at most 0.37 times the paper's.",
        "D of C-Li6.25 101 % CIP at 1100 K is 0.69 times the paper's (-8.8 σ).",
    ]
    (nothing,) = verdict(compare_with_paper({"diffusion": TABLE.iloc[:0]}), 28)
    assert "No number of the paper" in nothing


def test_replicas_are_one_number_and_sites_are_compared_too():
    twice = pd.DataFrame([row(1.01, 2.6e-5, 1e-7), row(1.01, 3.0e-5, 1e-7, replica=2)])
    (mean,) = compare_with_paper({"diffusion": twice}).to_dict("records")
    assert mean["this_work"] == pytest.approx(2.8e-5)
    assert mean["this_work_std"] == pytest.approx(2e-6)
    sites = twice.assign(back_jump_fraction=0.66, back_jump_fraction_std=0.02, upper_bound=True)
    (jumps,) = compare_with_paper({"sites": sites}).to_dict("records")
    assert (jumps["paper"], jumps["agreement"]) == (0.64, "agrees")
    assert readable_comparison(pd.DataFrame([jumps]))["this work"].item() == "66 ± 1"


def test_the_comparison_is_made_of_what_tables_there_are(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    campaign = load_campaign("quick")
    assert update_comparison(campaign).empty
    save_table(campaign.directory / "diffusion.csv", TABLE)
    assert len(update_comparison(campaign)) == 5
