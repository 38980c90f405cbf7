"""Two campaigns in one figure."""

import pandas as pd
import pytest

from llzo_helpers.campaign import model
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.paper import paper_values
from llzo_helpers.errors import InputError
from llzo_helpers.figures.figure1 import figure_1a
from llzo_helpers.figures.overlay import with_other
from llzo_helpers.figures.register import save_figure


def figure(D: float):
    row = {"phase": "crystal", "structure_potential": None, "melt_quench": None, "group": None}
    row |= {"md_potential": "bush1994_woodley1999", "li_per_formula": 6.25, "supercell": 1}
    row |= {"temperature_K": 1100.0, "tracer_D_cm2_s": D, "tracer_D_std_cm2_s": 0.1 * D}
    row |= {"upper_bound": False, "tracer_D_limit_cm2_s": 2 * D}
    table = pd.DataFrame([row | {"volume_ratio": ratio} for ratio in (1.0, 1.12)])
    paper = paper_values()
    return figure_1a(table, paper[paper["md_potential"] == "CIP"], 1100)


def test_the_other_campaign_s_values_are_added_once(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    quick = load_campaign("quick")
    with pytest.raises(InputError, match=r"figure_1a\.json: not found; run the campaign quick"):
        with_other(figure(1e-5), quick)
    save_figure(quick, figure(3e-5))
    alone, both = figure(1e-5), with_other(figure(1e-5), quick)
    added = both.data[len(alone.data) :]
    # the paper's values are in both and drawn once
    assert [trace.name for trace in added] == [f"{alone.data[0].name} (quick)"]
    assert added[0].line.dash != alone.data[0].line.dash
    assert with_other(figure(1e-5), None).data == alone.data
