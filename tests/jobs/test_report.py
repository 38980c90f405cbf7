"""Every part of the report is optional; what is absent is named, with the reason."""

import base64
import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import yaml
from playwright.sync_api import sync_playwright

from llzo_helpers.analysis.sites.density import Surface
from llzo_helpers.campaign import model
from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.campaign.paper import update_comparison
from llzo_helpers.campaign.site_panels import DensityPanel
from llzo_helpers.campaign.tables import run_columns, save_table
from llzo_helpers.figures.figure2 import figure_2
from llzo_helpers.figures.register import save_figure
from llzo_helpers.jobs.report import _IN_WORDS, write_report
from llzo_helpers.jobs.report_tables import report_table
from llzo_helpers.md.settings import MDSettings

GLASS = {
    "phase": "amorphous",
    "li_per_formula": 6.25,
    "volume_ratio": 1.12,
    "temperature_K": 1100,
    "md_potential": "bush1994_woodley1999",
}


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """Two glasses, whose protocols have one name, and no results."""
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    quick = {"preset": "quick", "volume_ratio": 1.12, "superheat_K": 3500}
    systems = [
        GLASS | {"structure_potential": "bush1994_woodley1999", "melt_quench": "quick"},
        GLASS | {"structure_potential": "hdnnp_sevennet0", "melt_quench": quick},
    ]
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump({"description": "x", "seed": 1, "systems": systems}))
    return load_campaign(str(path))


def failed_notebook(path: Path, error: str, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    output = {"output_type": "error", "ename": error, "evalue": value, "traceback": []}
    path.write_text(json.dumps({"cells": [{"outputs": [output]}]}))


def test_one_analysis_does_not_take_the_report_along(campaign: Campaign):
    """The example of the issue: a campaign without a jump, where notebook 05 raises."""
    folder = campaign.directory
    table = pd.DataFrame({"run": ["a"], "tracer_D_cm2_s": [1e-5], "warnings": [None]})
    save_table(campaign, "diffusion", table)
    save_table(campaign, "table_2", pd.DataFrame({"x": [3.25]}))
    failed_notebook(folder / "05_gop.ipynb", "InputError", "no jumps in any run")
    page = write_report(campaign).read_text()
    assert "Not in this report:" in page
    assert "vibrations, structural order: 05_gop.ipynb: InputError: no jumps in any" in page
    assert "Crossover: structure or potential: 06_crossover.ipynb was not run" in page
    assert "<td>3.25</td>" in page


def test_nothing_at_all_is_a_report_too(campaign: Campaign):
    page = write_report(campaign).read_text()
    assert "Missing: 2 of 2 runs." in page
    assert "Sites, jumps and volumes: 04_sites.ipynb was not run" in page


@pytest.mark.parametrize("content", ["", "\x00", "a,b\n1\n1,2,3\n", "run\nx\n", "{", '"'])
@pytest.mark.parametrize("name", ["diffusion.csv", "table_2.csv", "figures/figure_1a.json"])
def test_damaged_parts_are_named(campaign: Campaign, name: str, content: str):
    path = campaign.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert write_report(campaign).is_file()


def test_an_edited_table_is_not_shown(campaign: Campaign):
    path = campaign.directory / "table_2.csv"
    save_table(campaign, "table_2", pd.DataFrame({"x": [3.25]}))
    path.write_text(path.read_text().replace("3.25", "4.25"))
    page = write_report(campaign).read_text()
    assert "table_2.csv: changed since it was written" in page
    assert "<td>4.25</td>" not in page


def test_a_table_made_with_other_settings_is_not_shown(campaign: Campaign):
    save_table(campaign, "table_2", pd.DataFrame({"x": [3.25]}))
    assert "<td>3.25</td>" in write_report(campaign).read_text()
    window = campaign.diffusion.model_copy(update={"fit_window": (0.2, 0.4)})
    page = write_report(campaign.model_copy(update={"diffusion": window})).read_text()
    assert "table_2.csv: made with diffusion.fit_window = [0.1, 0.5], the campaign has" in page
    assert "<td>3.25</td>" not in page


def test_each_glass_has_its_own_protocol(campaign: Campaign):
    page = write_report(campaign).read_text()
    assert "Glasses of bush1994_woodley1999 by protocol <code>quick</code>: one cell" in page
    assert "Glasses of hdnnp_sevennet0 by protocol <code>quick</code>: one cell" in page
    assert "at 112 % of V" in page
    assert "6 ps at 6000 K" in page
    assert "6 ps at 3500 K" in page


def test_settings_of_systems_are_told_in_words(tmp_path: Path):
    long = {"md": {"equilibration_ps": 100, "production_ps": 1000}, "temperature_K": [700, 900]}
    both = ["bush1994_woodley1999", "hdnnp_sevennet0"]
    made = GLASS | {"structure_potential": both[0], "melt_quench": "quick"}
    systems = [made, made | long | {"md_potential": both}, made | long | {"volume_ratio": 1.05}]
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"description": "x", "seed": 1, "systems": systems}))
    page = page_of(load_campaign(str(path)))
    assert (
        "damping 100 fs; 100 ps equilibration and 1000 ps production for A-Li6.25 112 % CIP "
        "(quick) and A-Li6.25 112 % ML on CIP (quick) at 700 and 900 K, A-Li6.25 105 % CIP (quick) "
        "at 700 and 900 K.</li>"
    ) in page
    assert set(_IN_WORDS) == set(MDSettings.model_fields) - {"launcher", "processes"}


def test_a_report_on_another_material_is_on_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    run = {"file": "a.dump", "temperature_K": 3000, "mobile": "O", "label": "UO2 3000 K"}
    path = tmp_path / "uo2.yaml"
    path.write_text(yaml.safe_dump({"description": "x", "seed": 1, "trajectories": [run]}))
    campaign = load_campaign(str(path))
    (observed,) = campaign.trajectories
    row = run_columns(observed) | {
        "tracer_D_cm2_s": 6.1e-6,
        "tracer_D_std_cm2_s": 8e-7,
        "tracer_D_limit_cm2_s": 7e-6,
        "upper_bound": False,
        "n_frames": 200,
        "warnings": "falls by -12 meV",
        "notes": f"{observed.file[0]}: unwrapped",
    }
    save_table(campaign, "diffusion", pd.DataFrame([row]))
    state = {"run": observed.name, "framework": "solid"}
    save_table(campaign, "framework_summary", pd.DataFrame([state]))
    save_figure(campaign, scene("O"))
    page = page_of(campaign).replace("\N{NO-BREAK SPACE}", " ")
    words = re.sub("<(script|style).*?</(script|style)>", "", page, flags=re.DOTALL)
    assert "<h1>Diffusion of oxygen</h1>" in words
    assert "<td>0.61 ± 0.08</td>" in words
    assert '<td class="left">a.dump: unwrapped</td>' in words
    assert "<figcaption>Isosurfaces of the time-averaged density of oxygen" in words
    assert "falls by −12 meV" in words
    assert "vibrations, structural order: 05_gop.ipynb was not run" in words
    for other in ("the paper", "garnet", "ithium", "LLZO", "reproduce", "glass"):
        assert other not in words


def test_a_window_chosen_for_each_run_is_told(campaign: Campaign):
    assert "at lags from " in write_report(campaign).read_text()
    free = campaign.diffusion.model_copy(update={"fit_window": None})
    page = write_report(campaign.model_copy(update={"diffusion": free})).read_text()
    assert "at lags over which D is level, chosen for each run" in page


def test_claims_are_told_with_their_numbers_and_what_is_not_there_is_listed(campaign: Campaign):
    run = next(run for run in campaign.runs if run.structure.structure_potential[0] == "b")
    glass = run_columns(run) | {"tracer_D_cm2_s": 5e-7, "tracer_D_std_cm2_s": 1e-8}
    crystal = glass | {"run": "c", "phase": "crystal", "volume_ratio": 1.07, "melt_quench": None}
    crystal |= {"structure_potential": None, "tracer_D_cm2_s": 2.6e-5, "tracer_D_std_cm2_s": 1e-6}
    table = pd.DataFrame([glass, crystal]).assign(upper_bound=False, warnings=None)
    save_table(campaign, "diffusion", table)
    update_comparison(campaign)
    page = write_report(campaign).read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "claims of the paper, 1 agree, 0 partly agree, 0 disagree, and" in page
    assert (
        "C-CIP 107 %: 2.60 ± 0.10, A-CIP 112 %: 0.0500 ± 0.0010 (one glass) in 10⁻⁵ cm²/s; factor"
        in page
    )
    assert "26 of the paper's numbers are not in this campaign" in page
    assert "<td>no such run in this campaign</td>" in page
    assert (campaign.directory / "claims.csv").is_file()
    assert "Claims that disagree" not in page
    # a crystal that is slower than the glass
    slow = table.assign(tracer_D_cm2_s=[5e-7, 1e-7], tracer_D_std_cm2_s=1e-9)
    save_table(campaign, "diffusion", slow)
    page = write_report(campaign).read_text()
    assert "<p>Claims that disagree:</p><ul><li>With CIP, glass is almost two orders" in page


def scene(mobile: str = "Li") -> go.Figure:
    """Figure 2 with a tetrahedron."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    surface = Surface(corners, np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3]]))
    return figure_2([DensityPanel("a", surface, np.ones(4), np.eye(3), 4.0)], mobile)


def test_files_for_print_are_linked_beside_their_figure(campaign: Campaign):
    """Of two figures of one name, each has its own."""
    figure = scene()
    for subject, ending in (("first", "svg"), ("second", "pdf")):
        save_figure(campaign, figure, of=subject)
        (campaign.directory / f"figures/figure_2-{subject}.{ending}").touch()
    page = write_report(campaign).read_text()
    for link in ("figure_2-first.svg", "figure_2-second.pdf"):
        assert page.count(f'href="figures/{link}"') == 1


@pytest.mark.skipif(not shutil.which("chromium"), reason="no browser")
def test_a_scene_is_drawn_once_and_again_when_it_has_changed(campaign: Campaign):
    figure = scene()
    save_figure(campaign, figure)
    source = campaign.directory / "figures/figure_2.json"
    picture = source.with_suffix(".webp")
    picture.write_bytes(b"drawn before")
    assert base64.b64encode(b"drawn before").decode() in write_report(campaign).read_text()
    os.utime(source, (time.time() + 9, time.time() + 9))
    page = write_report(campaign).read_text()
    assert picture.read_bytes().startswith(b"RIFF")
    assert base64.b64encode(picture.read_bytes()).decode() in page


@pytest.mark.skipif(not shutil.which("chromium"), reason="no browser")
def test_the_page_fits_a_small_window_and_a_scene_is_a_picture_until_asked_for(campaign: Campaign):
    """In a real browser: nothing scrolls sideways, figures are drawn, no error is logged."""
    save_figure(campaign, scene())
    glass = {"glass": campaign.glasses[0].name, "verdict": "glass"}
    elements = [f"{stage}: {element}" for stage in ("melt", "glass") for element in ("La", "Zr")]
    rows = [
        glass | {f"{name} sites vacated": f"{number}.0 of 24" for name in elements}
        for number in range(2)
    ]
    save_table(campaign, "glasses", pd.DataFrame(rows))
    path = write_report(campaign)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        page = browser.new_page(viewport={"width": 800, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 800
        assert page.locator(".scene img").count() == 1
        assert page.locator(".scene canvas").count() == 0
        page.get_by_role("button", name="Turn in 3D").click()
        page.locator(".scene canvas").first.wait_for(timeout=60_000)
        assert page.locator(".scene img").count() == 0
        browser.close()
    assert errors == []


def test_runs_deleted_or_finished_since_are_told(campaign: Campaign):
    first, second = campaign.runs
    assert "made from 0 finished runs." in page_of(campaign)
    row = run_columns(first) | {"tracer_D_cm2_s": 1e-6, "warnings": None}
    save_table(campaign, "diffusion", pd.DataFrame([row]))
    (campaign.run_directory(second)).mkdir(parents=True)
    (campaign.run_directory(second) / "summary.json").write_text("{}")
    told = (
        "made from 0 finished runs and 1 deleted, or asked for otherwise, since, without 1 "
        "finished since; llzo run"
    )
    assert told in page_of(campaign)


def page_of(campaign: Campaign) -> str:
    return write_report(campaign).read_text()


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.5, 2.0, "0.5 to 2"),
        (1.0, 1.0, ""),  # itself
        (3.48, np.inf, "> 3.5"),
        (0.0, 7.9, "< 7.9"),
        (0.0, np.inf, "unknown: bounds on both sides"),
    ],
)
def test_intervals_are_open_where_a_D_is_a_bound(low: float, high: float, words: str):
    rows = [{"ratio_low_95": low, "ratio_high_95": high}, {"ratio_low_95": 5, "ratio_high_95": 6}]
    html = report_table("crossover", pd.DataFrame(rows), {}).html
    assert f"<td>{words}</td>" in html
