"""Our numbers beside the paper's, and what is said of them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from llzo_helpers.campaign import model
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.not_compared import not_compared
from llzo_helpers.campaign.paper import (
    accessible_over_static,
    compare_with_paper,
    compared_tables,
    paper_values,
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
    assert words["this work"].to_list() == [
        *("1.90 ± 0.10", "2.00 ± 0.10", "2.0 ± 1.6", "< 2.2", "< 0.13"),
    ]
    assert words["paper"].to_list() == ["1.82", "2.88", "2.94", "1.64", "0.361"]
    assert words[""].to_list() == ["✓", "✗", "?", "≤", "✗"]


def test_the_verdict_counts_all_and_names_what_differs_the_worst_first():
    first, *others = verdict(compare_with_paper({"diffusion": TABLE}), 28)
    assert first == (
        "5 of the paper's 28 numbers for these potentials have a counterpart here: 1 within 2 "
        "standard errors of the paper; 2 further from it; 1 with only an upper bound, which allows "
        "the paper's value; 1 undecided: known to no better than 50 %, between two methods, or "
        "from ions that jumped less than once."
    )
    assert others == [
        "D of C-Li6.25 117 % CIP at 1100 K is at most 0.37 times the paper's; the reason is open.",
        "D of C-Li6.25 101 % CIP at 1100 K is 0.69 times the paper's (−8.8 σ); the reason is open.",
    ]
    (nothing,) = verdict(compare_with_paper({"diffusion": TABLE.iloc[:0]}), 28)
    assert "No number of the paper" in nothing


def test_a_curve_that_is_off_by_one_factor_is_named_as_a_whole():
    paper = {0.86: 1.82e-5, 1.01: 2.88e-5, 1.07: 2.94e-5}
    lower = [row(volume, 0.8 * D, 0.08 * D) for volume, D in paper.items()]
    _, together, *_ = verdict(compare_with_paper({"diffusion": pd.DataFrame(lower)}), 28)
    # 0.8 +- 0.08 / sqrt(3)
    assert together == (
        "Taken together, the 3 values of D of C-Li6.25 CIP that are no bounds are 0.80 ± 0.05 "
        "times the paper's (−4.3 σ)."
    )
    # one high and two low: no common factor
    mixed = [*lower[:2], row(1.07, 2 * 2.94e-5, 0.2 * 2.94e-5)]
    _, *others = verdict(compare_with_paper({"diffusion": pd.DataFrame(mixed)}), 28)
    assert not [sentence for sentence in others if "together" in sentence]


def test_ions_that_jumped_less_than_once_refute_nothing():
    """A bound below the paper's value, of 50 ions."""
    below = TABLE.iloc[-1:].assign(n_ions=50)
    for one_jump, agreement in ((1e-8, "differs"), (5e-8, "undecided")):
        found = compare_with_paper({"diffusion": below.assign(one_jump_D_cm2_s=one_jump)})
        assert found["agreement"].item() == agreement
    # the run of UO2 has no jump length
    found = compare_with_paper({"diffusion": below.assign(one_jump_D_cm2_s=0.0)})
    assert found["agreement"].item() == "differs"


def test_frameworks_are_told_that_are_not_what_names_say(tmp_path: Path):
    system = SYSTEM | {"volume_ratio": 1.01, "temperature_K": 1100.0}
    runs = pd.DataFrame([row(1.01, 2.6e-5, 1e-7), row(1.01, 3.0e-5, 1e-7, replica=2)])
    runs["run"] = ["a", "b"]
    frameworks = pd.DataFrame(
        {"run": ["a", "b"], "framework": ["crystal", "liquid"], "unexpected": [False, True]}
    ).assign(**system)
    activation = pd.DataFrame([system | {"E_a_eV": 0.3, "E_a_std_eV": 0.01}])
    tables = {"diffusion": runs, "arrhenius": activation.drop(columns="temperature_K")}
    comparison = compare_with_paper(tables | {"framework": frameworks})
    assert comparison["framework"].to_list() == ["1 of 2 liquid"] * 2
    comparison.to_csv(tmp_path / "comparison.csv")
    for found in (comparison, pd.read_csv(tmp_path / "comparison.csv")):
        systems = readable_comparison(found)["system"]
        assert systems.to_list() == ["C-Li6.25 101 % CIP, 1 of 2 liquid"] * 2
    unmarked = compare_with_paper(tables | {"framework": frameworks.assign(unexpected=False)})
    unmarked.to_csv(tmp_path / "comparison.csv")
    assert (
        not readable_comparison(pd.read_csv(tmp_path / "comparison.csv"))["system"]
        .str.contains(",")
        .any()
    )


def test_replicas_are_one_number():
    twice = pd.DataFrame([row(1.01, 2.6e-5, 1e-7), row(1.01, 3.0e-5, 1e-7, replica=2)])
    (mean,) = compare_with_paper({"diffusion": twice}).to_dict("records")
    assert mean["this_work"] == pytest.approx(2.8e-5)
    assert mean["this_work_std"] == pytest.approx(2e-6)


def test_the_comparison_is_made_of_what_tables_there_are(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    campaign = load_campaign("quick")
    assert update_comparison(campaign).empty
    save_table(campaign, "diffusion", TABLE)
    assert len(update_comparison(campaign)) == 5


def back_jumps(fraction: float, low: float, high: float, std: float = 0.01) -> pd.DataFrame:
    """Of the crystal at 112 %, where the paper has 0.84; its D is a bound."""
    numbers = {"back_jump_fraction": fraction, "back_jump_fraction_std": std}
    ends = {"back_jump_lowest": low, "back_jump_highest": high, "upper_bound": True}
    return pd.DataFrame([{**SYSTEM, "volume_ratio": 1.12, **numbers, **ends}])


@pytest.mark.parametrize(
    ("fraction", "low", "high", "sigma", "agreement"),
    [
        (0.70, 0.56, 0.85, 0.0, "agrees"),
        (0.70, 0.56, 0.83, -1.0, "agrees"),
        (0.70, 0.56, 0.70, -14.0, "differs"),
        (0.90, 0.88, 0.99, 4.0, "differs"),
        # a range as wide as this one decides nothing
        (0.50, 0.10, 0.99, 0.0, "undecided"),
    ],
)
def test_back_jumps_are_compared_by_their_range(fraction, low, high, sigma, agreement):
    (row,) = compare_with_paper({"sites": back_jumps(fraction, low, high)}).to_dict("records")
    assert row["paper"] == 0.84
    assert (row["this_work"], row["lowest"], row["highest"]) == (fraction, low, high)
    assert row["deviation_sigma"] == pytest.approx(sigma)
    assert row["agreement"] == agreement
    # the bound is that of D
    assert not row["upper_bound"]
    words = readable_comparison(pd.DataFrame([row]))["this work"].item()
    assert words == f"{100 * fraction:.1f} ± 1.0 ({100 * low:.3g} to {100 * high:.3g})"


def test_a_table_of_an_older_version_is_left_out():
    old = back_jumps(0.7, 0.5, 0.8).drop(columns="back_jump_lowest")
    assert compare_with_paper({"sites": old}).empty


def test_accessible_volumes_are_compared_by_both_clusterings():
    sites = pd.DataFrame(
        [
            {**SYSTEM, "run": "a", "phase": "amorphous", "volume_ratio": 1.12,
             "structure_potential": SYSTEM["md_potential"], "melt_quench": "cip"}
        ]
    )  # fmt: skip
    row = {"run": "a", "measure": "accessible_over_static", "value_std": 0.03}
    definitions = pd.DataFrame(
        [row | {"value": 0.23}, row | {"value": 0.48}, row | {"value": 9.0, "measure": "other"}]
    )
    table = accessible_over_static(definitions, sites)
    (found,) = compare_with_paper({"site_definitions": table}).to_dict("records")
    assert (found["this_work"], found["lowest"], found["highest"]) == (0.23, 0.23, 0.48)
    assert found["deviation_sigma"] == pytest.approx(-1.0)
    assert found["agreement"] == "agrees"
    assert accessible_over_static(definitions.drop(columns="measure"), sites).empty


def test_each_number_of_the_paper_is_compared_or_listed_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    campaign = load_campaign("quick")
    runs = {
        (run.structure.phase, run.structure.volume_ratio, run.temperature_K): run.name
        for run in campaign.runs
    }
    done = TABLE.assign(run=[runs["crystal", ratio, 1100] for ratio in TABLE["volume_ratio"]])
    save_table(campaign, "diffusion", done)
    comparison = update_comparison(campaign)
    listed = not_compared(campaign, comparison, compared_tables(campaign))
    assert comparison["paper_row"].nunique() + len(listed) == len(paper_values()) == 28
    reasons = {
        (row["quantity"].split(" (")[0], row["system"], row["T (K)"]): row["reason"]
        for row in listed.to_dict("records")
    }
    assert reasons["D", "C-Li7 100 % ML", "1100"] == "not finished: 0 of 1 runs"
    assert reasons["D", "A 112 % ML on CIP", "700"] == "no such run in this campaign"
    assert reasons["Eₐ", "C-Li6.25 86 % CIP", ""] == "too few temperatures: 1 of at least 3"
    assert reasons["Eₐ", "C-Li6.25 112 % CIP", ""] == "not finished: 1 of 3 temperatures"
    assert (
        reasons["fraction of back-jumps", "C-Li6.25 112 % CIP", "1100"]
        == "no sites.csv: run its notebook"
    )
    save_table(campaign, "sites", pd.DataFrame({"run": ["x"], "volume_ratio": [1]}))
    listed = not_compared(campaign, comparison, compared_tables(campaign))
    assert listed["reason"].str.contains("sites.csv is of an older version").sum() == 3
    alone = load_campaign("uo2")
    listed = not_compared(alone, comparison.iloc[:0], {})
    assert len(listed) == 28
    assert set(listed["reason"].str[:37]) == {"no potential here stands for the paper"[:37]}


def test_a_number_with_two_counterparts_is_counted_once():
    twice = pd.concat([TABLE, TABLE.iloc[:1].assign(supercell=2)])
    first, *_ = verdict(compare_with_paper({"diffusion": twice}), 28)
    assert first.startswith("5 of the paper's 28 numbers")
    assert "counterpart here, in 6 comparisons: 2 within" in first


def test_a_table_of_earlier_settings_is_not_compared(tmp_path: Path, monkeypatch):
    """Notebook 03 runs again after a change of settings, before 04 has."""
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    campaign = load_campaign("quick")
    save_table(campaign, "site_definitions", pd.DataFrame({"run": ["x"]}))
    assert "site_definitions" in compared_tables(campaign)
    window = campaign.diffusion.model_copy(update={"fit_window": (0.2, 0.4)})
    changed = campaign.model_copy(update={"diffusion": window})
    assert compared_tables(changed) == {}
    assert update_comparison(changed).empty
