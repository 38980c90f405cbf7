"""Analyses in several processes give what one gives."""

import os

import numpy as np

from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.parallel import on_all_cores
from llzo_helpers.campaign.site_analysis import analyse_sites


def process_of(item: int) -> tuple[int, int]:
    return item, os.getpid()


def test_calls_are_spread_and_keep_their_order(monkeypatch):
    items = list(range(20))
    found = on_all_cores(process_of, items)
    assert found == [(item, os.getpid()) for item in items]
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    found = on_all_cores(process_of, items)
    assert [item for item, _ in found] == items
    assert os.getpid() not in {process for _, process in found}


def test_sites_of_observed_runs_travel_between_processes(monkeypatch):
    campaign = load_campaign("uo2")
    campaign = campaign.model_copy(update={"trajectories": campaign.trajectories[:2]})
    alone, _ = analyse_sites(campaign)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    together, _ = analyse_sites(campaign)
    for one, other in zip(alone, together, strict=True):
        assert one.title == other.title
        assert np.array_equal(one.analysis.assignments, other.analysis.assignments)
        assert np.array_equal(one.analysis.centres, other.analysis.centres)
        assert np.array_equal(one.density.values, other.density.values)
