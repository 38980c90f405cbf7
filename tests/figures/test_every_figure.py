"""Every registered figure as a referee would look at it: no two curves alike, nothing overlaps."""

import importlib
import itertools
import pkgutil
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.io
import pytest
from figure_examples import drawn
from playwright.sync_api import sync_playwright

import llzo_helpers.figures
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.figures.register import REGISTERED

CHROMIUM = shutil.which("chromium")

for module in pkgutil.iter_modules(llzo_helpers.figures.__path__):
    importlib.import_module(f"llzo_helpers.figures.{module.name}")

NAMES = sorted(name for name in REGISTERED if not name.startswith("hdnnp"))


@pytest.fixture(scope="module", params=["quick", "reference"])
def figures(request: pytest.FixtureRequest) -> dict[str, go.Figure]:
    """Of a small and of a large campaign."""
    return drawn(load_campaign(request.param), NAMES)


def appearance(trace: Any) -> tuple[Any, ...] | None:
    """Return what a reader can tell a curve by; None if it isn't one, or its name stands at it."""
    mode = getattr(trace, "mode", None) or ""
    if trace.type not in ("scatter", "bar") or trace.hoverinfo == "skip" or "text" in mode:
        return None
    if trace.type == "bar":
        return (trace.marker.color if isinstance(trace.marker.color, str) else None,)
    marker = trace.marker
    colour = marker.coloraxis or marker.color if "markers" in mode else trace.line.color
    look: tuple[Any, ...] = (colour,)
    if "markers" in mode:
        look += (marker.symbol, marker.size)
    if "lines" in mode:
        look += (trace.line.dash or "solid",)
    return look


def test_no_two_curves_of_a_panel_look_alike(figures):
    for name, figure in figures.items():
        panels = defaultdict(list)
        for trace in figure.data:
            if (look := appearance(trace)) is not None:
                panels[trace.xaxis, trace.yaxis].append((look, trace.name))
        for panel in panels.values():
            for (look, first), (other, second) in itertools.combinations(panel, 2):
                assert look != other, (name, look, first, second)


def test_they_fit_a_window_of_800_pixels_and_state_what_they_show(figures):
    for name, figure in figures.items():
        assert figure.layout.width <= 740, name
        assert figure.layout.meta["caption"].endswith((".", ")")), name
        assert figure.layout.meta["name"] == name


def test_ticks_of_an_axis_differ(figures):
    for name, figure in figures.items():
        used = {
            trace[axis] or axis[0]
            for trace in figure.data
            for axis in ("xaxis", "yaxis")
            if axis in trace
        }
        for key in used:
            axis = figure.layout[f"{key[0]}axis{key[1:]}"]
            texts = list(axis.ticktext or ())
            assert len(set(texts)) == len(texts), name
            if axis.type == "log":
                assert texts, name


OVERLAPPING = """() => {
  const words = '.xtitle, .ytitle, .annotation-text, .xtick text, .ytick text, .legendtext';
  const found = [];
  for (const plot of document.querySelectorAll('.js-plotly-plot')) {
    const boxes = [...plot.querySelectorAll(words)]
      .map(node => [node.textContent, node.getBoundingClientRect()])
      .filter(([text, box]) => text.trim() && box.width);
    const all = plot.getBoundingClientRect();
    boxes.forEach(([text, box], i) => {
      if (box.left < all.left - 1 || box.right > all.right + 1 || box.bottom > all.bottom + 1)
        found.push(plot.id + ': cut off: ' + text);
      for (const [other, next] of boxes.slice(i + 1)) {
        const width = Math.min(box.right, next.right) - Math.max(box.left, next.left);
        const height = Math.min(box.bottom, next.bottom) - Math.max(box.top, next.top);
        if (width > 2 && height > 4) found.push(plot.id + ': ' + text + ' | ' + other);
      }
    });
    for (const bar of plot.querySelectorAll('.legend .scrollbar'))
      if (+bar.getAttribute('height')) found.push(plot.id + ': its legend scrolls');
  }
  return found;
}"""


@pytest.mark.skipif(CHROMIUM is None, reason="no browser")
def test_in_a_browser_no_legend_scrolls_and_no_words_overlap(figures, tmp_path: Path):
    parts = [
        plotly.io.to_html(
            figure, full_html=False, include_plotlyjs=number == 0, div_id=name, validate=False
        )
        for number, (name, figure) in enumerate(figures.items())
        # its axes are invisible, and its scenes slow
        if name != "figure_2"
    ]
    path = tmp_path / "figures.html"
    path.write_text(f"<!doctype html><meta charset='utf-8'>{''.join(parts)}", encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 800, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_default_timeout(180_000)
        page.goto(path.as_uri())
        page.wait_for_function(
            f"document.querySelectorAll('.main-svg .infolayer').length >= {len(parts)}"
        )
        found = page.evaluate(OVERLAPPING)
        browser.close()
    assert errors == []
    assert found == []
