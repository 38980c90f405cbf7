"""The panel for a trajectory of any program, without a browser."""

from collections.abc import Callable
from typing import Any

import ipywidgets
import pytest

from llzo_helpers.lab.diffusion_panels import trajectory_panel
from llzo_helpers.paths import DATA

FILE = DATA / "example_uo2" / "uo2_3000K.dump.gz"
Widgets = dict[str, Any]


@pytest.fixture
def panel() -> Widgets:
    found: Widgets = {}

    def collect(widget: Any) -> None:
        for child in getattr(widget, "children", ()):
            collect(child)
        found[getattr(widget, "description", "") or type(widget).__name__] = widget

    collect(trajectory_panel())
    return found


@pytest.fixture
def press(panel: Widgets) -> Callable[[str], str]:
    def click(name: str) -> str:
        button = panel[name]
        assert isinstance(button, ipywidgets.Button)
        button.click()
        return str(panel["Label"].value)

    return click


def test_a_file_is_looked_at_and_analysed(panel, press):
    assert str(FILE) in panel["file"].options
    panel["file"].value = str(FILE)
    panel["elements"].value = "1: U, 2: O"
    panel["ps per frame, or 0"].value = 0.2
    assert press("Open") == "200 frames, 0.2 ps apart, O216U108"
    assert panel["mobile"].options == ("U", "O")
    panel["mobile"].value = ["O"]
    assert press("Analyse").startswith("D = 1.")
    assert "nearest image" in panel["HTML"].value
    assert (
        panel["FigureWidget"]
        .layout.meta["caption"]
        .startswith("Mean squared displacement of oxygen")
    )


def test_what_is_missing_is_asked_for(panel, press):
    panel["file"].value = "nothing.dump"
    assert "nothing.dump: not found" in press("Open")
    panel["file"].value = str(FILE)
    assert "holds no elements; give elements by type" in press("Open")
    panel["elements"].value = "U, O"
    assert "must be elements by type, such as 1: Na" in press("Open")
    panel["elements"].value = "1: U, 2: O"
    assert "does not state the time between frames" in press("Open")
    assert panel["Analyse"].disabled
