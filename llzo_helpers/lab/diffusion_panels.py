"""Panels for the diffusion coefficient: of a run, of two, and of any trajectory."""

from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.analysis.diffusion import TracerDiffusion, tracer_diffusion_coefficient
from llzo_helpers.analysis.fit_window import DEFAULT_WINDOW
from llzo_helpers.campaign.diffusion import known_jump_length_A, run_diffusion
from llzo_helpers.campaign.kept import frames_here
from llzo_helpers.campaign.labels import run_title
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.errors import InputError
from llzo_helpers.figures.compared import comparison_figure
from llzo_helpers.figures.diffusion import msd_figure
from llzo_helpers.figures.looks import run_looks
from llzo_helpers.lab.learnt import diffusion_in_words
from llzo_helpers.lab.shown import say, show
from llzo_helpers.lab.structure_view import structure_view
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.paths import DATA, named_path


def explore_fit(campaign: Campaign) -> widgets.VBox:
    """Return a choice of run and a slider for the window of the fit, with the MSD and D.

    The choice is among the runs whose frames are here; those of an archive are not.
    """
    found = campaign.analysed_runs
    here = frames_here(campaign, found)
    runs = {run.name: run for run, has_frames in zip(found, here, strict=True) if has_frames}
    if not runs:
        text = widgets.HTML()
        say(
            text,
            f"The runs of {campaign.name} came without their frames, so that their fits stay as "
            "they are; of runs that you make, this panel moves the window.",
        )
        return widgets.VBox([text])
    run = widgets.Dropdown(options=list(runs), description="run")
    run.layout.width = "60%"
    window = _window_slider(campaign.diffusion.fit_window)
    result_text, shown = widgets.HTML(), widgets.VBox()

    def update(change: Any = None) -> None:
        chosen = runs[run.value]
        try:
            trajectory = campaign.trajectory(chosen)
            result = tracer_diffusion_coefficient(
                trajectory.relative_to_framework(chosen.mobile),
                trajectory.frame_interval_ps,
                window.value,
                jump_length_A=known_jump_length_A(campaign, chosen),
            )
        except InputError as error:
            say(result_text, str(error))
            show(shown)
            return
        say(result_text, diffusion_in_words(result))
        show(shown, _msd(run.value, result, " and ".join(chosen.mobile)))

    run.observe(update, names="value")
    window.observe(update, names="value")
    update()
    return widgets.VBox([run, window, result_text, shown])


def compare_runs(campaign: Campaign) -> widgets.VBox:
    """Return a choice of two runs, with displacement and running D of both, and their D."""
    runs = {run_title(run): run for run in campaign.analysed_runs}
    names = list(runs)
    wide = {"layout": {"width": "60%"}}
    first = widgets.Dropdown(options=names, description="run", **wide)
    second = widgets.Dropdown(options=names, value=names[-1], description="beside", **wide)
    shown = widgets.VBox()
    results: dict[str, TracerDiffusion] = {}

    def result_of(name: str) -> TracerDiffusion:
        if name not in results:
            results[name] = run_diffusion(campaign, runs[name])
        return results[name]

    def update(change: Any = None) -> None:
        chosen = list(dict.fromkeys([first.value, second.value]))
        try:
            found = {name: result_of(name) for name in chosen}
        except InputError as error:
            show(shown, refusal := widgets.HTML())
            say(refusal, str(error))
            return
        figure = comparison_figure(found, run_looks({name: runs[name] for name in chosen}))
        rows = [{"run": name, "diffusion": diffusion_in_words(found[name])} for name in chosen]
        table = pd.DataFrame(rows).to_html(index=False, border=0)
        show(shown, figure, widgets.HTML(table))

    for choice in (first, second):
        choice.observe(update, names="value")
    update()
    return widgets.VBox([first, second, shown])


_NAMES_OF_TRAJECTORIES = (
    *("*.dump*", "*.lammpstrj*", "XDATCAR*", "*.xyz", "*.extxyz", "*.traj"),
    *("*.dcd", "*.xtc", "*.trr", "*.nc", "*.ncdf", "vasprun*.xml*"),
)


def trajectory_panel(
    fit_window: tuple[float, float] = (0.1, 0.5), folder: Path = DATA
) -> widgets.VBox:
    """Return a panel to view a trajectory of any program, and to calculate D from it.

    Parameters
    ----------
    fit_window
        Initial value of the slider.
    folder
        Whose trajectories are offered; any other path can be typed.
    """
    wide = {"layout": {"width": "80%"}, "style": {"description_width": "10em"}}
    offered = sorted(
        {str(path) for pattern in _NAMES_OF_TRAJECTORIES for path in folder.rglob(pattern)}
    )
    path = widgets.Combobox(options=offered, description="file", placeholder="path", **wide)
    topology = widgets.Text(description="topology", placeholder="if positions only", **wide)
    elements = widgets.Text(
        description="elements", placeholder="by type: 1: Na, 2: Cl; if the file has none", **wide
    )
    interval = widgets.FloatText(value=0, description="ps per frame, or 0", **wide)
    open_button = widgets.Button(description="Open", icon="folder-open")
    mobile = widgets.SelectMultiple(description="mobile", rows=3)
    window = _window_slider(fit_window)
    analyse_button = widgets.Button(
        description="Analyse", button_style="primary", icon="play", disabled=True
    )
    status, about = widgets.HTML(), widgets.HTML()
    first_frame, shown = widgets.VBox(), widgets.VBox()
    opened: list[Trajectory] = []

    def on_open(button: widgets.Button) -> None:
        opened.clear()
        analyse_button.disabled = True
        show(first_frame)
        show(shown)
        about.value = ""
        if not path.value.strip():
            say(status, "choose a file, or type the path of one")
            return
        try:
            trajectory = Trajectory.read(
                # a message then says where it looked
                named_path("file", path.value.strip()),
                frame_interval_ps=interval.value or None,
                elements=_elements_by_type(elements.value),
                topology=topology.value or None,
            )
            structure = trajectory.structure()
        except InputError as error:
            say(status, _as_the_panel_calls_it(str(error)))
            return
        opened.append(trajectory)
        symbols = [str(symbol) for symbol in dict.fromkeys(trajectory.symbols.tolist())]
        mobile.options = symbols
        mobile.value = [symbol for symbol in symbols if symbol in ("Li", "Na")]
        say(
            status,
            f"{len(trajectory)} frames, {trajectory.frame_interval_ps:g} ps apart, "
            f"{structure.get_chemical_formula()}; choose the mobile ions",
        )
        about.value = "<br>".join(map(escape, trajectory.notes))
        show(first_frame, structure_view(structure))
        on_choice()

    def on_choice(change: Any = None) -> None:
        analyse_button.disabled = not (opened and mobile.value)

    def on_analyse(button: widgets.Button) -> None:
        try:
            result = tracer_diffusion_coefficient(
                opened[0].relative_to_framework([*mobile.value]),
                opened[0].frame_interval_ps,
                window.value,
            )
        except InputError as error:
            say(status, str(error))
            show(shown)
            return
        say(status, f"{' and '.join(mobile.value)}: {diffusion_in_words(result)}")
        about.value = "<br>".join(map(escape, opened[0].notes))
        show(shown, _msd(opened[0].files[0].name, result, " and ".join(mobile.value)))

    open_button.on_click(on_open)
    mobile.observe(on_choice, names="value")
    analyse_button.on_click(on_analyse)
    choices = widgets.HBox([mobile, window, analyse_button])
    parts = [path, topology, elements, interval, open_button, status, about, first_frame, choices]
    return widgets.VBox([*parts, shown])


def _as_the_panel_calls_it(message: str) -> str:
    """Return a message of `Trajectory.read` with the names of the panel's fields."""
    message = message.replace("give frame_interval_ps", 'fill in "ps per frame"')
    return message.replace(
        "give elements by type, as {1: 'Na'}, or topology",
        ('fill in "elements", as 1: Na, or "topology"'),
    )


def _elements_by_type(text: str) -> dict[str, str] | None:
    """Return the map that "1: Na, 2: Cl" means, in braces and quotes or not; None for nothing."""
    plain = text.translate(dict.fromkeys(map(ord, "{}\"'")))
    pairs = [pair.partition(":") for pair in plain.split(",") if pair.strip()]
    if any(not colon for _, colon, _ in pairs):
        raise InputError(f"elements = {text!r}: must be elements by type, such as 1: Na, 2: Cl")
    return {key.strip(): symbol.strip() for key, _, symbol in pairs} or None


def _window_slider(fit_window: tuple[float, float] | None) -> widgets.FloatRangeSlider:
    window = widgets.FloatRangeSlider(
        value=fit_window or DEFAULT_WINDOW, min=0.01, max=0.95, step=0.01, description="window"
    )
    window.continuous_update = False
    return window


def _msd(name: str, result: TracerDiffusion, mobile: str) -> go.Figure:
    return msd_figure({name: {"": result}}, mobile=mobile).update_layout(width=480, height=360)
