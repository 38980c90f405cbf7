import numpy as np
import pandas as pd
import pytest

from llzo_helpers.analysis.diffusion import BOLTZMANN_EV
from llzo_helpers.campaign.diffusion import analyse_arrhenius, combine, table_2
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.paper import (
    compare_with_paper,
    paper_values,
    paper_values_for,
    readable_comparison,
)
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS, run_columns, save_table


@pytest.fixture
def diffusion() -> pd.DataFrame:
    """The quick campaign with D's of a known law, two replicas of each."""
    rows = []
    for run in load_campaign("quick").runs:
        for replica, factor in ((1, 0.9), (2, 1.1)):
            D = 1e-3 * np.exp(-0.4 / (BOLTZMANN_EV * run.temperature_K))
            rows.append(
                {
                    **run_columns(run),
                    "replica": replica,
                    "tracer_D_cm2_s": factor * D,
                    "tracer_D_std_cm2_s": 0.01 * D,
                }
            )
    return pd.DataFrame(rows)


def test_replicas_become_one_row_with_their_spread(diffusion):
    combined = combine(diffusion)
    assert len(combined) == len(load_campaign("quick").runs)
    assert (combined["replicas"] == 2).all()
    relative = combined["tracer_D_std_cm2_s"] / combined["tracer_D_cm2_s"]
    assert relative.to_numpy() == pytest.approx(0.1)


def test_activation_energies_of_systems_with_three_temperatures(diffusion):
    arrhenius, fits = analyse_arrhenius(combine(diffusion))
    assert sorted(arrhenius["volume_ratio"]) == [1.01, 1.12]
    assert arrhenius["E_a_eV"].to_numpy() == pytest.approx(0.4)
    assert arrhenius["D0_cm2_s"].to_numpy() == pytest.approx(1e-3)
    assert [system_label(dict(zip(SYSTEM_COLUMNS, key, strict=True))) for key in fits] == [
        "C-Li6.25 101 % CIP",
        "C-Li6.25 112 % CIP",
    ]


def test_no_temperatures_no_fits(diffusion):
    arrhenius, fits = analyse_arrhenius(combine(diffusion[diffusion["temperature_K"] == 1100]))
    assert arrhenius.empty
    assert "E_a_eV" in arrhenius.columns
    assert fits == {}


def test_comparison_stands_each_number_beside_its_counterpart(diffusion):
    combined = combine(diffusion)
    comparison = compare_with_paper(combined, analyse_arrhenius(combined)[0])
    comparison = comparison[comparison["phase"] == "crystal"]
    D = comparison[comparison["quantity"] == "tracer_D_cm2_s"]
    learnt = D[D["md_potential"] == "hdnnp_sevennet0"]
    assert learnt["paper"].to_list() == [5.36e-6, 1.36e-5, 2.914e-5, 2.95e-5]
    D = D[D["md_potential"] == "bush1994_woodley1999"]
    assert dict(zip(D["volume_ratio"], D["paper"], strict=True)) == {
        0.86: 1.82e-5,
        1.01: 2.88e-5,
        1.07: 2.94e-5,
        1.12: 1.64e-5,
        1.17: 3.61e-6,
    }
    assert (D["temperature_K"] == 1100).all()
    row = D.iloc[0]
    assert row["deviation_sigma"] == pytest.approx(
        (row["this_work"] - row["paper"]) / row["this_work_std"]
    )
    E_a = comparison[comparison["quantity"] == "E_a_eV"]
    assert E_a["paper"].to_list() == [0.29, 0.56]


def test_a_potential_that_is_not_the_papers_has_no_counterpart(diffusion, tmp_path):
    other = diffusion.assign(md_potential="wang2014")
    comparison = compare_with_paper(combine(other), analyse_arrhenius(combine(other))[0])
    # a table without rows, which the report reads back
    save_table(tmp_path / "comparison.csv", comparison)
    assert readable_comparison(pd.read_csv(tmp_path / "comparison.csv")).empty


def test_table_2_has_a_column_for_each_system_with_both_numbers(diffusion):
    combined = combine(diffusion)
    table = table_2(combined, analyse_arrhenius(combined)[0])
    assert table.shape == (2, 2)
    assert table.loc["E_a (eV)"].str.startswith("0.40 ± ").all()


CIP_CRYSTALS = load_campaign("quick").systems[:2]


def test_papers_values_of_a_campaign_are_those_of_its_potentials():
    values = paper_values_for(load_campaign("quick"))
    assert set(values["md_potential"]) == {"CIP", "ML"}
    values = paper_values_for(load_campaign("quick").model_copy(update={"systems": CIP_CRYSTALS}))
    assert set(values["md_potential"]) == {"CIP"}
    assert set(values["phase"]) <= {"crystal", "amorphous"}
    assert len(values) < len(paper_values())
