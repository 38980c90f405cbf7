"""The visual language: the same system looks the same everywhere, no two look alike."""

from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from llzo_helpers.campaign.labels import system_label
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.tables import system_columns
from llzo_helpers.figures.looks import (
    DASHES,
    look,
    potential_colour,
    run_looks,
    shade,
    system_looks,
)
from llzo_helpers.figures.measured import add_measured

CIP, ML = "bush1994_woodley1999", "hdnnp_sevennet0"


def system(**changes):
    return {
        "phase": "crystal",
        "structure_potential": None,
        "md_potential": CIP,
        "li_per_formula": 6.25,
        "volume_ratio": 1.01,
        "supercell": 1,
    } | changes


def test_colour_is_the_potential_ours_and_the_papers():
    assert potential_colour(CIP) == potential_colour("CIP") != potential_colour(ML)
    assert potential_colour(ML) == potential_colour("ML")
    assert potential_colour("wang2014") not in {potential_colour("CIP"), potential_colour("ML")}
    glass = system(phase="amorphous", structure_potential=ML)
    assert look(glass).colour == look(system()).colour


def test_no_two_systems_of_a_campaign_look_alike():
    for name in ("quick", "reference", "paper"):
        runs = load_campaign(name).runs
        rows = {system_label(row): row for row in map(system_columns, runs)}
        looks = {look(row, shaded=True) for row in rows.values()}
        assert len(looks) == len(rows), name


def test_in_a_panel_of_its_own_a_system_has_the_colour_of_its_potential():
    looks = system_looks(load_campaign("reference"))
    assert {drawn.colour for drawn in looks.values()} == {
        potential_colour(name) for name in (CIP, ML)
    }


def test_shades_darken_with_the_volume():
    def brightness(colour: str) -> int:
        return sum(int(colour[i : i + 2], 16) for i in (1, 3, 5))

    volumes = (0.86, 0.93, 1.01, 1.07, 1.12, 1.17, 1.3)
    colours = [look(system(volume_ratio=ratio), shaded=True).colour for ratio in volumes]
    # of 765; told apart on paper
    assert (np.diff([brightness(colour) for colour in colours]) < -30).all()
    sizes = [look(system(volume_ratio=ratio), shaded=True).size for ratio in volumes]
    assert (np.diff(sizes) > 0.4).all()
    assert shade("#0072B2", 0.0) == "#0072b2"
    assert shade("#000000", -1) == "#999999"


@pytest.mark.parametrize("bounds", [(), (0,)])
def test_bounds_are_pale_with_an_arrow(bounds):
    rows = pd.DataFrame(
        {
            "tracer_D_cm2_s": [1e-6, 2e-6],
            "tracer_D_std_cm2_s": 1e-7,
            "tracer_D_limit_cm2_s": [3e-6, 4e-6],
            "upper_bound": [i in bounds for i in range(2)],
        }
    )
    figure, drawn = go.Figure(), look(system())
    add_measured(figure, rows, [100, 110], look=drawn, name="a")
    values, *of_bounds = figure.data
    assert list(values.y) == ([2e-6] if bounds else [1e-6, 2e-6])
    assert len(of_bounds) == 2 * len(bounds)
    if bounds:
        limit, arrow = of_bounds
        assert (limit.marker.symbol, list(limit.y)) == ("circle", [3e-6])
        assert limit.marker.color == shade(drawn.colour, -1, part=0.8)
        assert arrow.marker.symbol == "arrow-bar-down"


def test_each_kind_of_structure_has_a_marker():
    kinds = product(("crystal", "amorphous"), (6.25, 7.0, 7.5), (1, 2))
    looks = {
        look(system(phase=phase, li_per_formula=lithium, supercell=n, structure_potential=CIP))
        for phase, lithium, n in kinds
    }
    assert len(looks) == 12


def test_runs_are_told_apart_and_each_potential_temperature_and_replica_has_a_panel():
    runs = load_campaign("reference").runs
    looks = run_looks({run.name: run for run in runs})
    assert len(set(looks.values())) == len(runs)
    panels = {look.panel for look in looks.values()}
    # what would be crowded is two
    assert {"CIP, 1100 K, crystals", "CIP, 1100 K, glasses", "CIP, 1100 K, replica 2"} <= panels
    assert "CIP, 1100 K" not in panels
    in_one = run_looks({run.name: run for run in load_campaign("quick").runs})
    assert "CIP, 1100 K" in {look.panel for look in in_one.values()}


def test_potentials_and_replicas_can_share_a_panel():
    runs = {run.name: run for run in load_campaign("reference").runs if run.temperature_K == 1100}
    looks = run_looks(runs, by_phase=True, replicas_apart=False)
    assert {look.panel for look in looks.values()} == {"crystals", "glasses"}
    # and are still told apart
    assert len(set(looks.values())) == len(runs)


def test_lines_of_a_panel_have_different_dashes_while_there_are_any():
    crystals = [
        run
        for run in load_campaign("paper").runs
        if run.phase == "crystal" and run.replica == 1 and run.temperature_K == 1100
    ]
    looks = run_looks({run.name: run for run in crystals[: len(DASHES)]})
    of_panels = Counter((drawn.panel, drawn.dash) for drawn in looks.values())
    assert max(of_panels.values()) == 1
    many = run_looks({run.name: run for run in load_campaign("paper").runs})
    lines = Counter((drawn.panel, drawn.colour, drawn.dash) for drawn in many.values())
    assert max(lines.values()) == 1


def test_runs_made_elsewhere_differ_too():
    runs = load_campaign("uo2").trajectories
    looks = run_looks({run.name: run for run in runs})
    assert len(set(looks.values())) == len(runs) > 1


def test_open_symbols_of_supercells_exist():
    marker = look(system(supercell=2)).open
    assert marker["symbol"] == "circle-open-dot"
    go.Scatter(marker=marker)
