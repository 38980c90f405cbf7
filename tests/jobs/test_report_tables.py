import re

import pandas as pd

from llzo_helpers.campaign.tables import SYSTEM_COLUMNS
from llzo_helpers.jobs.report_tables import report_table


def test_errors_stand_beside_their_values_and_units_in_the_heads():
    table = pd.DataFrame(
        {
            "run": ["a", "b"],
            "temperature_K": [1100, 1100],
            "tracer_D_cm2_s": [1.234e-5, 2e-6],
            "tracer_D_std_cm2_s": [3e-7, 1e-6],
            "flag": [True, False],
        }
    )
    shown = report_table("any", table, {"a": "C-Li7 ML"})
    assert "<th>D (10⁻⁵ cm²/s)</th>" in shown.html
    assert "<td>1.23\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.03</td>" in shown.html
    assert "<td>0.20\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.10</td>" in shown.html
    assert "<td>C-Li7 ML</td>" in shown.html
    assert "std" not in shown.html
    assert "<td>yes</td>" in shown.html
    assert shown.common == "T (K): 1100"


def test_a_system_stands_under_its_name_and_names_cannot_hold_html():
    system = dict.fromkeys(SYSTEM_COLUMNS) | {"phase": "observed", "group": "<b>NaCl</b>"}
    columns = {"li_per_formula": float("nan"), "volume_ratio": float("nan"), "supercell": 1.0}
    rows = [{**system, **columns, "md_potential": "x", "E_a_eV": 0.25 + i} for i in range(2)]
    shown = report_table("any", pd.DataFrame(rows), {})
    assert "&lt;b&gt;NaCl&lt;/b&gt;" in shown.html + shown.common
    assert "<b>" not in shown.html + shown.common
    assert "<td>0.25</td>" in shown.html


def test_intervals_are_one_column():
    table = pd.DataFrame(
        {"effect": ["x", "y"], "factor": [2.0, 3.0], "factor_low_95": [1.5, 2.5],
         "factor_high_95": [2.5, 3.5], "ln_D": [0.7, 1.1], "ln_D_std": [0.1, 0.1]}
    )  # fmt: skip
    shown = report_table("effects", table, {})
    assert "<td>1.5 to 2.5</td>" in shown.html
    assert "ln D" not in shown.html


def test_one_row_with_many_columns_is_a_list():
    table = pd.DataFrame([{f"quantity_{number}_K": 10 * number for number in range(8)}])
    shown = report_table("any", table, {})
    assert "<th>quantity 7 (K)</th>" in shown.html
    assert "<td>70</td>" in shown.html
    assert shown.html.count("<tr>") == 8


def test_a_bound_is_shown_as_one():
    table = pd.DataFrame(
        {
            "tracer_D_cm2_s": [1e-6, 2e-6],
            "tracer_D_std_cm2_s": [1e-7, 1e-6],
            "tracer_D_limit_cm2_s": [1.2e-6, 3.6e-6],
            "upper_bound": [False, True],
        }
    )
    shown = report_table("crossover", table, {})
    assert "<td>0.100\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.010</td>" in shown.html
    assert "<td>&lt; 0.36</td>" in shown.html
    assert "limit" not in shown.html


def test_clusterings_stand_beside_each_other():
    """Known sites in a crystal, clusters in a glass; Markov clustering beside both."""
    rows = [
        ("back-jumps (%)", "C", "known sites", "60", "70 ± 1", "yes"),
        ("back-jumps (%)", "C", "mcl", "60", "90 ± 1", "no"),
        ("back-jumps (%)", "A", "dotprod", "60", "80 ± 1", "no"),
    ]
    columns = ["quantity", "system", "clustering", "paper", "this work", "agrees"]
    shown = report_table("site_definitions", pd.DataFrame(rows, columns=columns), {})
    cells = re.findall(r"<td>(.*?)</td>", shown.html.replace("\N{NO-BREAK SPACE}", " "))
    assert cells == ["C", "70 ± 1 ✓", "90 ± 1 ✗", "A", "80 ± 1 ✗", ""]
    assert shown.common == "quantity: back-jumps (%); paper: 60"
