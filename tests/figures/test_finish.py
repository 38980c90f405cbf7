"""Ticks that differ, legends with room, panels for potentials, two runs beside each other."""

import numpy as np
import plotly.io
import pytest

from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient
from llzo_helpers.figures.compared import comparison_figure
from llzo_helpers.figures.diffusion import msd_figure
from llzo_helpers.figures.facets import look_of, new_facets, once
from llzo_helpers.figures.finish import finish, resized, tick_text
from llzo_helpers.figures.looks import Look
from llzo_helpers.figures.style import columns_of, new_figure, new_panels

LOOKS = {
    "a": Look("#000001", "circle", "solid", "CIP"),
    "b": Look("#000002", "circle", "solid", "ML"),
    "c": Look("#000003", "circle", "solid", "CIP"),
}


def logarithmic(low, high, n_names=1):
    figure = new_figure(x="x", y="y", caption="A caption.", log_y=True)
    for number in range(n_names):
        figure.add_scatter(x=[1, 2], y=[low, high], name=f"system number {number}")
    return figure


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05, "0.05"), (1e-6, "10<sup>−6</sup>"), (1.5e-5, "1.5×10<sup>−5</sup>"), (2000, "2000")],
)
def test_numbers_at_axes(value, text):
    assert tick_text(value) == text


@pytest.mark.parametrize(("low", "high"), [(2e-6, 2.4e-6), (1e-7, 1e-4), (1e-12, 1e3)])
def test_at_least_two_ticks_are_seen_and_none_twice(low, high):
    axis = finish(logarithmic(low, high)).layout.yaxis
    assert sum(0.9 * low <= tick <= 1.1 * high for tick in axis.tickvals) >= 2
    assert len(set(axis.ticktext)) == len(axis.tickvals)


def test_a_long_legend_makes_a_figure_taller_and_not_its_axes_smaller():
    figures = [finish(logarithmic(1, 10, n_names)) for n_names in (2, 20)]
    axes = [f.layout.height - f.layout.margin.b - f.layout.margin.t for f in figures]
    assert axes[0] == axes[1]
    assert figures[1].layout.height > figures[0].layout.height + 60
    # three columns of seven
    assert figures[1].layout.legend.maxheight >= 7 * 20 / 2


def test_a_figure_that_was_read_can_be_made_narrow():
    figure = finish(logarithmic(1e-7, 1e-4, 6))
    figure.add_scatter(x=[1], y=[1e-5], text=["beside a point"], mode="text")
    small = resized(plotly.io.from_json(figure.to_json()), 350, 270)
    assert len(small.data) == len(figure.data) - 1
    assert small.layout.width == 350
    assert small.layout.height > 270 + 6 * 20 / 2
    # as high as before, without the legend
    assert small.layout.margin.b < 70 + 6 * 21
    assert len(small.layout.yaxis.tickvals) <= len(figure.layout.yaxis.tickvals)


def test_each_potential_has_a_panel():
    figure, places = new_facets(LOOKS, LOOKS, caption="", x="x", y="y")
    assert list(places) == ["a", "c", "b"]
    assert places["a"] == places["c"] == [{"row": 1, "col": 1}]
    assert once(places) == [{"row": 1, "col": 1}, {"row": 1, "col": 2}]
    assert [title.text for title in figure.layout.annotations] == ["CIP", "ML"]
    figure, places = new_facets(LOOKS, LOOKS, ("share", "number"), caption="", x="x")
    assert places["b"] == [{"row": 2, "col": 1}, {"row": 2, "col": 2}]
    assert figure.layout.annotations[3].text == "ML: number"
    assert look_of("unknown", LOOKS).colour == "#000000"


def test_panels_follow_the_numbers_in_their_titles():
    titles = ["ML, 700 K", "CIP, 1100 K", "CIP, 700 K", "CIP", "CIP, 1100 K, replica 2"]
    looks = {title: Look("#000001", "circle", "solid", panel=title) for title in titles}
    figure, places = new_facets(titles, looks, caption="", x="x", y="y")
    expected = ["CIP", "CIP, 700 K", "CIP, 1100 K", "CIP, 1100 K, replica 2", "ML, 700 K"]
    assert list(places) == expected
    shown = [title.text.replace("\N{NO-BREAK SPACE}", " ") for title in figure.layout.annotations]
    assert shown == expected


@pytest.mark.parametrize("n_entries", [3, 7, 40])
@pytest.mark.parametrize("letters", [3, 15, 43, 45, 60, 100])
def test_a_legend_has_as_many_columns_as_there_is_room_made_for(n_entries, letters):
    figure = new_figure(x="x", y="y", caption="")
    for number in range(n_entries):
        figure.add_scatter(x=[1], y=[1], name=f"{number:02d}" + "n" * (letters - 2))
    finish(figure)
    layout = figure.layout
    rows = (layout.meta["legend_height"] - 10) / 20
    # what plotly adds to the width of an entry
    fit = max(
        1, (layout.width - layout.margin.l - layout.margin.r) // (layout.legend.entrywidth + 40)
    )
    assert rows == -(-n_entries // fit)


def test_names_at_the_ends_of_curves_keep_apart():
    rng = np.random.default_rng(0)
    results = {
        f"{100 * number} K": tracer_diffusion_coefficient(
            rng.normal(scale=scale, size=(200, 20, 3)).cumsum(axis=0), 0.1
        )
        for number, scale in enumerate([0.1, 0.4, 0.102, 0.101])
    }
    figure = msd_figure({"a": results})
    (names,) = (trace for trace in figure.data if trace.mode == "text")
    axis = figure.layout.yaxis
    pixels = 145 * np.log10(names.y) / (axis.range[1] - axis.range[0])
    assert np.diff(pixels).min() >= 10.9
    ends = {name: result.msd_A2[-1] for name, result in results.items()}
    assert list(names.text) == sorted(ends, key=lambda name: ends[name])
    # the one that is alone stays at its curve
    assert names.y[-1] == pytest.approx(ends["100 K"])


@pytest.mark.parametrize(
    ("n", "columns"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 3), (6, 3), (7, 4), (9, 3), (10, 4)]
)
def test_no_panel_is_alone_in_the_last_row(n, columns):
    assert columns_of(n) == columns


def test_titles_are_not_broken_within_units():
    titles = ["network D (10<sup>−5</sup> cm<sup>2</sup>/s)", "C-Li6.25 101 % CIP, 1100 K"]
    figure, _ = new_panels([*titles, "a", "b", "c", "d", "e"], caption="")
    lines = [line for title in figure.layout.annotations for line in title.text.split("<br>")]
    assert [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines[:2]] == [
        "network D",
        "(10<sup>−5</sup> cm<sup>2</sup>/s)",
    ]
    assert not any(line.startswith(("%", "K")) for line in lines)


def test_two_runs_beside_each_other():
    rng = np.random.default_rng(0)
    slow, fast = (
        tracer_diffusion_coefficient(rng.normal(scale=s, size=(200, 20, 3)).cumsum(axis=0), 0.1)
        for s in (0.1, 0.3)
    )
    figure = comparison_figure({"a": slow, "c": fast}, LOOKS)
    curves = [trace for trace in figure.data if trace.mode == "lines"]
    assert [trace.line.dash for trace in curves] == ["solid", "solid", "dash", "dash"]
    np.testing.assert_allclose(curves[2].y, fast.msd_A2)
    assert curves[0].line.color == "#000001"
