import numpy as np
import pandas as pd
import pytest

from llzo_helpers.analysis.arrhenius import BOLTZMANN_EV
from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient
from llzo_helpers.analysis.student import normal_deviation
from llzo_helpers.campaign.diffusion import (
    analyse_arrhenius,
    combine,
    diffusion_against_age,
)
from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.campaign.paper import (
    compare_with_paper,
    paper_values,
    paper_values_for,
    readable_comparison,
    table_2,
)
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS, run_columns
from llzo_helpers.figures.diffusion import ageing_figure, ageing_lags_figure, arrhenius_figure
from llzo_helpers.md.trajectory import Trajectory


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
                    "tracer_D_freedom": 20.0,
                    "upper_bound": False,
                    "stationary": True,
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


def compare(diffusion: pd.DataFrame) -> pd.DataFrame:
    arrhenius = analyse_arrhenius(combine(diffusion))[0]
    return compare_with_paper({"diffusion": diffusion, "arrhenius": arrhenius})


def test_comparison_stands_each_number_beside_its_counterpart(diffusion):
    comparison = compare(diffusion)
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
    # of two replicas that scatter
    assert row["deviation_sigma"] == pytest.approx(
        normal_deviation((row["this_work"] - row["paper"]) / row["this_work_std"], 1)
    )
    E_a = comparison[comparison["quantity"] == "E_a_eV"]
    assert E_a["paper"].to_list() == [0.29, 0.56]


def test_a_potential_that_is_not_the_papers_has_no_counterpart(diffusion, tmp_path):
    other = diffusion.assign(md_potential="wang2014")
    comparison = compare(other)
    # a table without rows, which the report reads back
    comparison.to_csv(tmp_path / "comparison.csv", index=False)
    assert readable_comparison(pd.read_csv(tmp_path / "comparison.csv")).empty


def test_table_2_has_a_column_for_each_system_with_both_numbers(diffusion):
    combined = combine(diffusion)
    table = table_2(combined, analyse_arrhenius(combined)[0])
    assert table.shape == (3, 2)
    assert table.loc["Eₐ (eV)"].str.startswith("0.4").all()
    of_bounds = combined.assign(upper_bound=combined["temperature_K"] == 900)
    table = table_2(of_bounds, analyse_arrhenius(of_bounds)[0])
    assert table.loc["from temperatures"].str.fullmatch(r"\d, 1 of them bounds").all()


CIP_CRYSTALS = load_campaign("quick").systems[:2]


def test_papers_values_of_a_campaign_are_those_of_its_potentials():
    values = paper_values_for(load_campaign("quick"))
    assert set(values["md_potential"]) == {"CIP", "ML"}
    values = paper_values_for(load_campaign("quick").model_copy(update={"systems": CIP_CRYSTALS}))
    assert set(values["md_potential"]) == {"CIP"}
    assert set(values["phase"]) <= {"crystal", "amorphous"}
    assert len(values) < len(paper_values())


def bounded(diffusion: pd.DataFrame, temperature_K: float, factor: float = 1.0) -> pd.DataFrame:
    """The same runs, of which those at one temperature tell no more than an upper bound."""
    table = diffusion.copy()
    there = table["temperature_K"] == temperature_K
    table.loc[there, "tracer_D_cm2_s"] *= factor
    table.loc[there, "tracer_D_std_cm2_s"] *= factor
    table.loc[there, "upper_bound"] = True
    return table


def test_one_replica_that_is_a_bound_makes_the_mean_one(diffusion):
    table = diffusion.copy()
    table.loc[0, "upper_bound"] = True
    combined = combine(table)
    assert combined["upper_bound"].to_list() == [True] + [False] * (len(combined) - 1)
    first = combined.iloc[0]
    assert first["tracer_D_limit_cm2_s"] == pytest.approx(
        # Student's t, one degree of freedom: two replicas that differ
        first["tracer_D_cm2_s"] + 6.314 * first["tracer_D_std_cm2_s"],
        rel=1e-3,
    )


def test_a_bound_is_one_in_fits_tables_and_comparison(diffusion):
    """D at 900 K a hundred times too high, and known to be a bound: E_a stays."""
    combined = combine(bounded(diffusion, 900, factor=100))
    arrhenius, fits = analyse_arrhenius(combined)
    assert arrhenius["n_bounds"].to_list() == [1, 1]
    assert arrhenius["E_a_eV"].to_numpy() == pytest.approx(0.4, abs=0.01)
    unflagged = combined.assign(upper_bound=False)
    assert (analyse_arrhenius(unflagged)[0]["E_a_eV"] < 0.2).all()
    drawn = arrhenius_figure(combined, fits)
    arrows = [trace for trace in drawn.data if trace.marker.symbol == "arrow-bar-down"]
    assert len(arrows) == 2

    at_1100 = combine(bounded(diffusion, 1100))
    assert (
        table_2(at_1100, analyse_arrhenius(at_1100)[0])
        .loc["D (10⁻⁵ cm²/s)"]
        .str.startswith("< ")
        .all()
    )
    comparison = compare(bounded(diffusion, 1100))
    D = comparison[comparison["quantity"] == "tracer_D_cm2_s"]
    assert D["upper_bound"].all()
    below = D["paper"] <= D["this_work"]
    assert (D.loc[below, "deviation_sigma"] == 0).all()
    assert (D.loc[~below, "deviation_sigma"] < 0).all()
    words = readable_comparison(comparison)
    assert words.loc[words["quantity"].str.startswith("D "), "this work"].str.startswith("< ").all()


def test_two_bounds_of_three_temperatures_give_no_activation_energy(diffusion):
    table = bounded(bounded(diffusion, 900), 1100)
    assert analyse_arrhenius(combine(table))[0].empty


def test_a_system_without_a_fit_leaves_the_others_theirs(diffusion):
    """A mean of replicas can be below zero, and no bound."""
    cold = (diffusion["volume_ratio"] == 1.01) & (diffusion["temperature_K"] < 1500)
    diffusion.loc[cold, "tracer_D_cm2_s"] *= -1
    arrhenius, _ = analyse_arrhenius(combine(diffusion))
    assert arrhenius["volume_ratio"].to_list() == [1.12]


def test_a_glass_that_ages_slows_down_at_every_lag(tmp_path):
    """Ions whose D halves from quarter to quarter of the run, in a framework that rests."""
    quarter_D = 0.4 * 0.5 ** np.arange(4)
    rng = np.random.default_rng(3)
    widths = np.sqrt(2 * 0.05 * np.repeat(quarter_D, 500))
    walk = np.cumsum(rng.normal(size=(2000, 60, 3)) * widths[:, None, None], axis=0)
    at_rest = np.broadcast_to(rng.uniform(0, 20, (40, 3)), (2000, 40, 3))
    trajectory = Trajectory.from_arrays(
        np.concatenate([walk, at_rest], axis=1),
        ["Li"] * 60 + ["O"] * 40,
        20 * np.eye(3),
        frame_interval_ps=0.05,
    )

    class OneGlass(Campaign):
        @property
        def finished_runs(self):
            return [run for run in self.runs if run.structure.phase == "amorphous"][:1]

        @property
        def directory(self):
            return tmp_path

        def trajectory(self, run, stage="production"):
            return trajectory

    campaign = OneGlass.model_construct(**dict(load_campaign("quick")))
    (run,) = campaign.finished_runs
    campaign.run_directory(run).mkdir(parents=True)
    (campaign.run_directory(run) / "frames.dcd").touch()
    ageing, lags = diffusion_against_age(campaign)
    began = campaign.md.equilibration_ps
    assert ageing["age_ps"].to_list() == [began + at for at in (12.5, 37.5, 62.5, 87.5)]
    deviation = ageing["tracer_D_cm2_s"] / (1e-4 * quarter_D) - 1
    assert (abs(deviation) < 3 * ageing["tracer_D_std_cm2_s"] / ageing["tracer_D_cm2_s"]).all()
    for (_, part), D in zip(lags.groupby("age_ps"), quarter_D, strict=True):
        assert part["lag_ps"].max() > 5
        far = abs(part["tracer_D_cm2_s"] - 1e-4 * D) / part["tracer_D_std_cm2_s"]
        assert (far < 4).all()

    (name,) = set(lags["run"])
    whole = tracer_diffusion_coefficient(trajectory.relative_to_framework(), 0.05)
    figure = ageing_lags_figure(lags, {name: whole}, {name: "one glass"})
    keys = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert keys == [*(f"part {number}" for number in range(1, 5)), "whole run"]
    values, *_ = ageing_figure(ageing).data
    assert list(values.x) == ageing.loc[~ageing["upper_bound"], "age_ps"].to_list()
