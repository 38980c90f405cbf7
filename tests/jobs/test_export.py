"""Figures as files: drawn by a real browser, with the numbers that they show."""

import re
import shutil
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

from llzo_helpers.campaign import model
from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.errors import InputError
from llzo_helpers.figures.figure1 import figure_1b
from llzo_helpers.figures.register import save_figure
from llzo_helpers.jobs import export
from llzo_helpers.jobs.export import export_figures, figure_data


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    return load_campaign("quick")


def drawn() -> go.Figure:
    row = {"phase": "crystal", "structure_potential": None, "md_potential": "wang2014"}
    row |= {"li_per_formula": 6.25, "volume_ratio": 1.01, "supercell": 1, "melt_quench": None}
    table = pd.DataFrame([row | {"E_a_eV": 0.3125, "E_a_std_eV": 0.02}])
    nothing = pd.DataFrame(columns=[*row, "quantity", "value"])
    return figure_1b(table, nothing)


def test_the_numbers_of_a_figure_are_a_table():
    (point,) = figure_data(drawn()).to_dict("records")
    assert point == {"curve": "C-Li6.25 wang2014", "panel": 1, "x": 101.0, "y": 0.3125} | {
        "error_y": 0.02
    }
    assert figure_data(go.Figure()).empty


@pytest.mark.skipif(not shutil.which("chromium"), reason="no browser")
def test_figures_are_written_in_each_format(campaign: Campaign):
    save_figure(campaign, drawn())
    written = export_figures(campaign, ["svg", "png"])
    assert [path.name for path in written] == ["figure_1b.csv", "figure_1b.svg", "figure_1b.png"]
    svg = written[1].read_text()
    assert "<svg" in svg
    assert "(eV)" in svg
    assert written[2].read_bytes().startswith(b"\x89PNG")
    assert pd.read_csv(written[0])["y"].to_list() == [0.3125]


@pytest.mark.skipif(not shutil.which("chromium"), reason="no browser")
@pytest.mark.parametrize(("columns", "cm"), [(1, 8.5), (2, 17.8)])
def test_figures_are_as_wide_as_columns_of_a_journal(campaign: Campaign, columns: int, cm: float):
    """And letters at least 6 pt high."""
    save_figure(campaign, drawn())
    _, svg, pdf = export_figures(campaign, ["svg", "pdf"], columns=columns)
    width, height = re.findall(r'(?:width|height)="([\d.]+)cm"', svg.read_text())
    assert float(width) == pytest.approx(cm, abs=0.01)
    box = re.search(rb"MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf.read_bytes())
    assert box
    points = [float(number) for number in box.groups()]
    assert points == pytest.approx([72 / 2.54 * float(width), 72 / 2.54 * float(height)], abs=1.5)
    view = re.search(r'viewBox="0 0 (\d+)', svg.read_text())
    assert view
    sizes = {float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg.read_text())}
    assert min(sizes) * points[0] / float(view[1]) >= 6


@pytest.mark.skipif(not shutil.which("chromium"), reason="no browser")
def test_a_pdf_alone_leaves_no_drawing_behind(campaign: Campaign):
    save_figure(campaign, drawn())
    _, pdf = export_figures(campaign, ["pdf"])
    assert pdf.read_bytes().startswith(b"%PDF")
    assert not pdf.with_suffix(".svg").exists()


def test_what_cannot_be_written_is_refused(campaign: Campaign):
    with pytest.raises(InputError, match="figures: no figures; run the campaign's notebooks"):
        export_figures(campaign)
    with pytest.raises(InputError, match="--format gif: unknown; choose from svg, pdf, png"):
        export_figures(campaign, ["gif"])
    with pytest.raises(InputError, match="--columns 3: must be 1 or 2"):
        export_figures(campaign, columns=3)


def test_without_a_browser_it_says_what_to_install(campaign: Campaign, monkeypatch):
    save_figure(campaign, drawn())
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("BROWSER_PATH", "/nowhere")
    with pytest.raises(InputError, match="no Chromium or Chrome found"):
        export_figures(campaign, ["svg"])


@pytest.mark.skipif(not shutil.which("chromium"), reason="no browser")
def test_figures_that_are_not_drawn_are_told(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As on a machine that is too busy: a real browser, and no time for it."""
    monkeypatch.setattr(export, "_PATIENCE_S", 1e-3)
    save_figure(campaign, drawn())
    with pytest.raises(InputError, match="2 of 2 figures could not be drawn"):
        export_figures(campaign, ["svg", "png"])
    assert export.picture_of(drawn(), tmp_path / "quick/figures/figure_1b.json") is None
