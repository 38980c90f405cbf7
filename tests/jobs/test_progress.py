"""The line that says how far a campaign is."""

import os
import time
from pathlib import Path

import pytest
import yaml

from llzo_helpers.campaign import model
from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.files import write_json
from llzo_helpers.jobs.progress import ProgressLine

MD = {"equilibration_ps": 1, "production_ps": 9, "frame_interval_fs": 20, "segment_ps": 1}
CAMPAIGN = {
    "description": "Two short runs and a spectrum",
    "seed": 1,
    "md": MD,
    "systems": [
        {
            "phase": "crystal",
            "li_per_formula": 6.25,
            "volume_ratio": [1.01, 1.12],
            "md_potential": "bush1994_woodley1999",
            "temperature_K": 900,
        }
    ],
    "vibration": {
        "volume_ratio": [1.01],
        "temperature_K": 900,
        "resolution_THz": 1,
        "md": MD | {"production_ps": 4, "frame_interval_fs": 4},
    },
}


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    path = tmp_path / "pair.yaml"
    path.write_text(yaml.safe_dump(CAMPAIGN))
    return load_campaign(str(path))


def finish(folder: Path) -> None:
    folder.mkdir(parents=True)
    write_json(folder / "summary.json", {})


def test_runs_and_spectra_count(campaign: Campaign):
    progress = ProgressLine(campaign)
    assert progress.line(60) == "runs 0/3, MD   0%"
    finish(campaign.run_directory(campaign.runs[0]))
    # 10,000 of 25,000 steps in a minute
    assert progress.line(60) == "runs 1/3, MD  40%, 167 steps/s, 1.5 min of MD left"
    finish(campaign.vibration_directory(campaign.vibration_runs[0]))
    finish(campaign.run_directory(campaign.runs[1]))
    assert progress.line(60) == "runs 3/3, MD 100%, analysing"


def test_the_notebook_that_is_written_is_named(campaign: Campaign):
    for run in campaign.runs:
        finish(campaign.run_directory(run))
    finish(campaign.vibration_directory(campaign.vibration_runs[0]))
    earlier = campaign.directory / "03_diffusion.ipynb"
    earlier.touch()
    os.utime(earlier, (time.time() - 60, time.time() - 60))
    progress = ProgressLine(campaign)
    assert progress.line(60).endswith("analysing")
    for second, name in enumerate(("04_sites.ipynb", "05_gop.ipynb")):
        (campaign.directory / name).touch()
        os.utime(campaign.directory / name, (time.time() + second, time.time() + second))
    assert progress.line(60) == "runs 3/3, MD 100%, analysing: 05_gop.ipynb"


def test_only_what_was_asked_for_counts(campaign: Campaign):
    run, other = campaign.runs
    finish(campaign.run_directory(other))
    assert ProgressLine(campaign, [run.name]).line(60) == "runs 0/1, MD   0%"
    assert ProgressLine(campaign, [other.name]).line(60) == "runs 1/1, MD 100%, analysing"
    spectrum = f"vibration/{campaign.vibration_runs[0].name}"
    assert ProgressLine(campaign, [spectrum]).line(60) == "runs 0/1, MD   0%"


def test_a_segment_that_is_made_again_does_not_slow_the_estimate(campaign: Campaign):
    """An interrupted run left 900 steps of a segment, which are dropped as it goes on."""
    folder = campaign.run_directory(campaign.runs[0])
    part = folder / "segment_0000.part"
    part.mkdir(parents=True)
    (part / "thermo.csv").write_text("step\n0\n900\n")
    progress = ProgressLine(campaign)
    (part / "thermo.csv").write_text("step\n0\n")
    assert progress.line(1) == "runs 0/3, MD   0%"
    (part / "thermo.csv").write_text("step\n0\n600\n")
    assert progress.line(60) == "runs 0/3, MD   2%, 10 steps/s, 40.7 min of MD left"
