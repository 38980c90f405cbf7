"""Panels without a browser."""

import shutil
import subprocess
import threading
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

from llzo_helpers.campaign.diffusion import run_diffusion
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.lab.campaign_panel import campaign_panel
from llzo_helpers.lab.diffusion_panels import explore_fit, trajectory_panel
from llzo_helpers.lab.learnt import diffusion_in_words
from llzo_helpers.lab.parameters import RunParameters
from llzo_helpers.lab.run_panel import crystal_panel
from llzo_helpers.paths import DATA, PARAMETERS

FILE = DATA / "example_uo2" / "uo2_3000K.dump.gz"
Widgets = dict[str, Any]


@pytest.fixture
def panel() -> Widgets:
    return parts(trajectory_panel())


def parts(widget: Any) -> Widgets:
    found: Widgets = {}
    for child in getattr(widget, "children", ()):
        for name, part in parts(child).items():
            found[f"{name} 2" if name in found else name] = part
    found[getattr(widget, "description", "") or type(widget).__name__] = widget
    return found


@pytest.fixture
def press(panel: Widgets) -> Callable[[str], str]:
    def click(name: str) -> str:
        button = panel[name]
        assert isinstance(button, ipywidgets.Button)
        button.click()
        return str(panel["HTML"].value)

    return click


def test_a_file_is_looked_at_and_analysed(panel, press):
    assert str(FILE) in panel["file"].options
    panel["file"].value = str(FILE)
    panel["elements"].value = "1: U, 2: O"
    panel["ps per frame, or 0"].value = 0.2
    assert press("Open") == "200 frames, 0.2 ps apart, O216U108; choose the mobile ions"
    assert panel["mobile"].options == ("U", "O")
    # neither is known to be the one that moves
    assert panel["mobile"].value == ()
    assert panel["Analyse"].disabled
    panel["mobile"].value = ["O"]
    assert press("Analyse").startswith("O: D = (1.")
    assert "nearest image" in panel["HTML 2"].value
    figure = parts(panel["VBox"])["FigureWidget"]
    assert figure.layout.meta["caption"].startswith("Mean squared displacement of oxygen")


def test_a_result_bears_the_name_of_the_file_that_was_opened(panel, press):
    panel["file"].value = str(FILE)
    panel["elements"].value = "1: U, 2: O"
    panel["ps per frame, or 0"].value = 0.2
    press("Open")
    panel["mobile"].value = ["O"]
    panel["file"].value = "another.dump"
    press("Analyse")
    assert FILE.name in str(parts(panel["VBox"])["FigureWidget"].to_dict())
    panel["window"].value = (0.01, 0.02)
    assert "holds too few" in press("Analyse")
    assert "FigureWidget" not in parts(panel["VBox"])


@pytest.fixture
def two_campaigns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("one", "two"):
        shutil.copy(PARAMETERS / "smoke.yaml", tmp_path / f"{name}.yaml")
    (tmp_path / "bad.yaml").write_text("sed: 1\n")
    monkeypatch.setattr("llzo_helpers.lab.campaign_panel.PARAMETERS", tmp_path)
    monkeypatch.setattr("llzo_helpers.campaign.model.PARAMETERS", tmp_path)
    monkeypatch.setattr("llzo_helpers.campaign.model.RESULTS", tmp_path / "results")
    return tmp_path


def test_the_campaign_that_was_started_is_the_one_to_cancel(two_campaigns, monkeypatch):
    """A process in the engine's place: what it does is not the panel's matter."""
    engine = subprocess.Popen(["sleep", "60"])
    monkeypatch.setattr("llzo_helpers.jobs.control.start", lambda *_, **__: engine)
    found = parts(campaign_panel("one"))
    found["Start"].click()
    assert (found["Start"].disabled, found["Cancel"].disabled) == (True, False)
    found["campaign"].value = "two"
    assert (found["Start"].disabled, found["Cancel"].disabled) == (False, True)
    found["campaign"].value = "one"
    assert (found["Start"].disabled, found["Cancel"].disabled) == (True, False)
    engine.kill()
    engine.wait()


def test_a_campaign_that_cannot_be_read_shows_nothing_of_another(two_campaigns):
    found = parts(campaign_panel("one"))
    assert "waiting" in found["HTML 2"].value
    found["campaign"].value = "bad"
    assert "bad.yaml: sed: unknown key" in found["HTML"].value
    assert found["HTML 2"].value == ""
    assert found["only"].options == ()
    assert found["Start"].disabled


def test_what_is_missing_is_asked_for(panel, press):
    assert press("Open") == "choose a file, or type the path of one"
    panel["file"].value = "nothing.dump"
    assert f"{Path.cwd()}/nothing.dump: not found" in press("Open")
    panel["file"].value = "~nobody_here/x"
    assert press("Open").startswith("file = ~nobody_here/x: ")
    panel["file"].value = str(FILE)
    assert 'holds no elements; fill in "elements", as 1: Na, or "topology"' in press("Open")
    panel["elements"].value = "U, O"
    assert "must be elements by type, such as 1: Na" in press("Open")
    panel["elements"].value = "1: U, 2: O"
    assert "does not state the time between frames" in press("Open")
    assert panel["Analyse"].disabled


def test_a_bound_of_the_campaign_is_one_in_the_panel(by_hand: Path):
    campaign = load_campaign(str(by_hand))
    found = run_diffusion(campaign, campaign.analysed_runs[0])
    assert "less than one jump" in found.warnings[0]
    shown = parts(explore_fit(campaign))["HTML"].value
    assert unescape(shown) == diffusion_in_words(found)


def test_a_time_that_the_sliders_cannot_have_is_refused(tmp_path: Path):
    parameters = RunParameters(
        structure=str(tmp_path / "structures/a"),
        output=str(tmp_path / "runs/a"),
        md_potential="bush1994_woodley1999",
        temperature_K=900,
        seed=1,
        frame_interval_fs=150,
        segment_ps=7.5,
        equilibration_ps=3,
        production_ps=15,
    )
    panel = parts(crystal_panel(parameters, 6.25, 1.0))
    panel["time (ps)"].value = 10
    panel["Run"].click()
    for thread in threading.enumerate():
        if thread.name.endswith("(work)"):
            thread.join()
    expected = "time (ps): production_ps = 10: must be a multiple of frame_interval_fs = 150"
    assert panel["HTML"].value == expected
    assert not list(tmp_path.iterdir())
