"""The shipped results answer every number of the paper, and texts quote them as they are."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from llzo_helpers.campaign.tables import combined_D
from llzo_helpers.paths import DATA, ROOT

pytestmark = pytest.mark.slow

CIP_GLASS = r"^A-Li6.25-V112-1x1x1-r\d-bush\w+\.cip200-bush\w+-1100K$"
ML_GLASS = r"^A-Li7-V112-1x1x1-r\d-hdnnp_sevennet0\.ml-hdnnp_sevennet0-1100K$"


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    """The shipped campaign, unpacked where nothing else is."""
    results = tmp_path_factory.mktemp("results")
    subprocess.run(
        [Path(sys.executable).with_name("llzo"), "report", "reference"],
        env=os.environ | {"LLZO_RESULTS": str(results)},
        check=True,
        capture_output=True,
    )
    return results / "reference"


def number(value: float, std: float, digits: int) -> str:
    return f"{value:.{digits}f} ± {std:.{digits}f}".replace("-", "−")


def mean(values: pd.Series) -> tuple[float, float]:
    return values.mean(), values.std() / np.sqrt(len(values))


def compared(table: pd.DataFrame, **row) -> pd.Series:
    for key, value in row.items():
        table = table[table[key] == value]
    assert len(table) == 1, row
    return table.iloc[0]


def text(path: str) -> str:
    """A text without its line breaks; a YAML file's texts."""
    content = (ROOT / path).read_text()
    if path.endswith(".yaml"):
        content = " ".join(yaml.safe_load(content).values())
    return " ".join(content.split())


def test_every_number_of_the_paper_has_a_counterpart(reference):
    paper = pd.read_csv(DATA / "paper_values.csv")
    comparison = pd.read_csv(reference / "comparison.csv")
    assert set(comparison["paper_row"]) == set(range(len(paper)))
    assert comparison["agreement"].notna().all()
    # what differs says why, or that it is open
    differs = comparison["agreement"].str.startswith("differs")
    assert differs.any()
    assert comparison.loc[differs, "why"].notna().all()


def test_the_readme_counts_the_runs(reference):
    manifest = json.loads((DATA / "reference" / "manifest.json").read_text())
    runs, missing = len(manifest["runs"]), len(manifest["missing"])
    assert len(pd.read_csv(reference / "diffusion.csv")) == runs
    assert f"{runs} of {runs + missing} runs" in text("README.md")


def test_texts_quote_D_of_the_classical_glass(reference):
    diffusion = pd.read_csv(reference / "diffusion.csv")
    D = 1e7 * diffusion.loc[diffusion["run"].str.match(CIP_GLASS), "tracer_D_cm2_s"]
    assert len(D) == 3
    D_5_ns = number(*mean(D), 1)
    assert f"({D_5_ns}) × 10⁻⁷" in text("README.md")
    assert f"({D_5_ns}) × 10⁻⁷" in text("data/paper_reasons.yaml")
    assert f"| {D_5_ns} (bound) |" in text("docs/diffusion.md")
    rows = diffusion[diffusion["run"].str.match(CIP_GLASS)]
    for row in rows.itertuples():
        alone = number(1e7 * row.tracer_D_cm2_s, 1e7 * row.tracer_D_std_cm2_s, 1)
        assert f"| {alone} (bound) |" in text("docs/diffusion.md")
    larger = diffusion[diffusion["run"].str.contains("V112-2x2x2.*cip200-bush")].iloc[0]
    D_2x2x2 = number(1e7 * larger["tracer_D_cm2_s"], 1e7 * larger["tracer_D_std_cm2_s"], 1)
    assert f"({D_2x2x2}) × 10⁻⁷" in text("docs/diffusion.md")


def test_texts_quote_D_of_the_network_glass(reference):
    diffusion = pd.read_csv(reference / "diffusion.csv")
    rows = diffusion[diffusion["run"].str.match(ML_GLASS)].set_index("run")
    verdicts = pd.read_csv(reference / "framework_summary.csv").set_index("run")["framework"]
    solid = verdicts[rows.index].str.startswith("glass")
    assert solid.sum() == 2
    assert not solid[rows["tracer_D_cm2_s"].idxmax()]
    D = 1e6 * rows.loc[solid, "tracer_D_cm2_s"]
    assert f"({number(*mean(D), 1)}) × 10⁻⁶" in text("data/paper_reasons.yaml")


def test_texts_quote_crystals(reference):
    comparison = pd.read_csv(reference / "comparison.csv")
    D = {
        volume: compared(
            comparison, quantity="tracer_D_cm2_s", phase="crystal", li_per_formula=6.25,
            volume_ratio=volume, supercell=1,
        )
        for volume in (1.12, 1.17)
    }  # fmt: skip
    value = number(1e6 * D[1.17]["this_work"], 1e6 * D[1.17]["this_work_std"], 1)
    assert f"({value}) × 10⁻⁶ cm²/s at 117 %" in text("README.md")
    away = abs(D[1.12]["deviation_sigma"])
    slower = number(D[1.12]["ratio"], D[1.12]["this_work_std"] / D[1.12]["paper"], 2)
    assert f"{slower} times as fast ({away:.1f} σ)" in text("README.md")
    barriers = comparison[comparison["quantity"] == "E_a_eV"]
    agree = (barriers["agreement"] == "agrees").sum()
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
    assert f"{words[agree]} of {words[len(barriers)]} activation energies" in text("README.md")


def test_texts_quote_crystals_of_two_sizes(reference):
    comparison = pd.read_csv(reference / "comparison.csv")
    crystals = comparison[
        (comparison["quantity"] == "tracer_D_cm2_s") & (comparison["li_per_formula"] == 6.25)
    ]
    large, small = (
        [
            number(1e6 * row["this_work"], 1e6 * row["this_work_std"], 1)
            for volume in (1.01, 1.12)
            for row in [compared(crystals, phase="crystal", supercell=n, volume_ratio=volume)]
        ]
        for n in (2, 1)
    )
    assert (
        f"D at 101 and 112 % is {' and '.join(large)} in 10⁻⁶ cm²/s (one crystal each), in one "
        f"cell {' and '.join(small)} (three)"
    ) in text("docs/diffusion.md")
    glasses = pd.read_csv(reference / "diffusion.csv").query(
        "phase == 'amorphous' and structure_potential == md_potential == 'hdnnp_sevennet0' "
        "and li_per_formula == 6.25 and temperature_K == 1100"
    )
    large_glass, small_glass = (
        number(1e6 * found.value, 1e6 * found.std, 1)
        for n in (2, 1)
        for found in [combined_D(glasses[glasses["supercell"] == n])]
    )
    assert (
        f"The ML glass has {large_glass} in 1488 atoms (one glass; its melt was held at 2500 K "
        f"for 50 ps, and it was run for 150 ps), {small_glass} in one cell (three; 3000 K, 200 ps "
        "and 300 ps): no dependence on size is seen"
    ) in text("docs/diffusion.md")
    sites = pd.read_csv(reference / "sites.csv").set_index("run")
    walk = (
        1e6
        * sites.filter(regex="^C-Li6.25-V112-", axis="index")[["jump_D_cm2_s", "jump_D_std_cm2_s"]]
    )
    whole = walk.filter(like="2x2x2", axis="index").iloc[0]
    cells = walk.filter(like="1x1x1", axis="index")["jump_D_cm2_s"]
    assert (
        f"{number(*whole, 0)} in 1488 atoms, and {cells.min():.0f} to {cells.max():.0f} in one cell"
    ) in text("docs/diffusion.md")
    kinds = pd.read_csv(reference / "site_kinds.csv").query("kind == '48g'").set_index("run")
    volumes = kinds.filter(regex="^C-Li6.25-V112-", axis="index")["accessible_volume_A3"]
    large_site = volumes.filter(like="2x2x2").iloc[0]
    small_sites = volumes.filter(like="1x1x1")
    assert (
        f"({small_sites.min():.1f} to {small_sites.max():.1f} instead of {large_site:.1f} Å³)"
    ) in text("docs/diffusion.md")
    expanded = compared(crystals, phase="crystal", supercell=2, volume_ratio=1.12)
    ratio = number(expanded["ratio"], expanded["this_work_std"] / expanded["paper"], 2)
    assert f"{ratio} times in one of 2×2×2 cells" in text("README.md")


def test_no_glass_has_bonded_oxygen(reference):
    assert (pd.read_csv(reference / "framework.csv")["oxygen_bonds"] == 0).all()
    bonds = pd.read_csv(reference / "glasses.csv")["bonded oxygen (pairs)"]
    assert len(bonds) == 12
    assert (bonds == 0).all()


def test_the_readme_quotes_the_network_crystals(reference):
    comparison = pd.read_csv(reference / "comparison.csv")
    rows = comparison[
        (comparison["quantity"] == "tracer_D_cm2_s")
        & (comparison["phase"] == "crystal")
        & (comparison["li_per_formula"] == 7)
    ]
    assert (rows["agreement"] == "differs").all()
    ends = [compared(rows, volume_ratio=volume) for volume in (0.9, 1.15)]
    assert [end["ratio"] for end in ends] == [rows["ratio"].min(), rows["ratio"].max()]
    low, high = (number(end["ratio"], end["this_work_std"] / end["paper"], 2) for end in ends)
    assert f"{low} (at 90 %) to {high} times (at 115 %) as fast" in text("README.md")


def test_texts_quote_back_jumps(reference):
    table = pd.read_csv(reference / "back_jumps.csv")
    table = table[table["run"].str.contains("^C-Li6.25.*-1x1x1-")]
    percent = table.groupby("volume_ratio")["back_jumps_percent"].mean().round().astype(int)
    at = [str(percent[volume]) for volume in (1.01, 1.12, 1.17)]
    assert f"{at[0]}, {at[1]} and {at[2]} % at 101, 112 and 117 %" in text(
        "data/paper_reasons.yaml"
    )
    every = [str(value) for value in percent.sort_index()]
    assert f"{', '.join(every[:-1])} and {every[-1]} % at 86, 101, 107, 112 and 117 %" in text(
        "docs/sites.md"
    )


def test_texts_quote_the_order_parameter_of_both_sizes(reference):
    gop = pd.read_csv(reference / "gop.csv")
    one = number(*mean(gop.loc[gop["run"].str.match(CIP_GLASS), "gop_k3"]), 0)
    large = gop[gop["run"].str.contains("V112-2x2x2.*cip200-bush")].iloc[0]
    eight = number(large["gop_k3"], large["gop_k3_std"], 0)
    assert f"from {one} in one cell of the CIP glass to {eight} in 2x2x2" in text(
        "data/paper_reasons.yaml"
    )


def test_texts_quote_accessible_volumes(reference):
    table = pd.read_csv(reference / "site_definitions.csv")
    table = table[table["measure"] == "accessible_over_static"]
    classical = table[table["run"].str.match(CIP_GLASS)].set_index("clustering")
    network = table[table["run"].str.match(ML_GLASS)].set_index("clustering")
    large = table[table["run"].str.contains("2x2x2.*cip200-bush")].set_index("clustering")

    def percent(rows: pd.DataFrame, clustering: str) -> str:
        return rows.loc[clustering, "this work"]

    assert (
        f"leader clustering gives {percent(classical, 'dotprod')} % (CIP; "
        f"{percent(large, 'dotprod')} in 1488 atoms) and {percent(network, 'dotprod')} % (ML)"
    ) in text("docs/sites.md")
    markov = percent(classical, "mcl"), percent(network, "mcl")
    assert f"{markov[0]} and {markov[1]} % in the paper's own 100 ps" in text(
        "data/paper_reasons.yaml"
    )


def test_the_panel_of_fits_says_that_shipped_runs_came_without_frames(reference):
    code = (
        "from llzo_helpers.campaign.archive import open_campaign\n"
        "from llzo_helpers.lab.diffusion_panels import explore_fit\n"
        "print(*(child.value for child in explore_fit(open_campaign('reference')).children))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"LLZO_RESULTS": str(reference.parent)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("The runs of reference came without their frames")


def test_the_report_says_how_often_the_network_extrapolates(reference):
    page = (reference / "report.html").read_text()
    assert re.search(r"outside the training range of hdnnp_sevennet0 \(.*\) in 450000 steps", page)


def test_texts_count_bounds_that_replicas_do_not_confirm(reference):
    diffusion = pd.read_csv(reference / "diffusion.csv")
    crystals = diffusion[diffusion["phase"] == "crystal"]
    keys = ["md_potential", "li_per_formula", "volume_ratio", "supercell", "temperature_K"]
    several = crystals[crystals.groupby(keys)["run"].transform("size") > 1]
    counts = f"{several['upper_bound'].sum()} of the {len(several)} runs of crystals"
    assert counts in text("docs/diffusion.md")
