"""A run by hand, from its folder."""

from pathlib import Path

import pytest
from short_run import SHORT, STRUCTURE

from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient
from llzo_helpers.campaign.diffusion import analyse_diffusion
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.errors import InputError
from llzo_helpers.md.trajectory import Trajectory


def test_its_folder_is_a_campaign_of_one_run(by_hand: Path):
    campaign = load_campaign(str(by_hand))
    (run,) = campaign.analysed_runs
    assert campaign.analysed_site_runs == [run]
    assert (run.structure, run.temperature_K) == (STRUCTURE, 1300)
    assert campaign.directory == by_hand / "analysis"
    # by which a glass has an age
    assert campaign.md_settings(run).equilibration_ps == SHORT.equilibration_ps
    trajectory = Trajectory(by_hand)
    expected = tracer_diffusion_coefficient(
        trajectory.relative_to_framework(), trajectory.frame_interval_ps, (0.1, 0.5)
    )
    table, _ = analyse_diffusion(campaign)
    assert table["tracer_D_cm2_s"].to_list() == [expected.D_cm2_s]
    assert table["md_potential"].to_list() == ["bush1994_woodley1999"]


def test_a_structure_of_unknown_origin_is_refused(finished_run: Path):
    with pytest.raises(InputError, match=r"run\.json: its structure was not made by notebook 01"):
        load_campaign(str(finished_run))
