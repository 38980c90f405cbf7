"""Widgets for JupyterLab. They compute nothing themselves, and call what the notebooks call."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import ase
import ipywidgets as widgets
import nglview
import pandas as pd
import plotly.graph_objects as go
from IPython.display import display

from llzo_helpers.analysis.diffusion import TracerDiffusion, tracer_diffusion_coefficient
from llzo_helpers.analysis.fit_window import DEFAULT_WINDOW
from llzo_helpers.analysis.networks.gop import graph_order_parameter
from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.campaign.site_panels import density_panel
from llzo_helpers.campaign.sites import RunSites
from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.figures.diffusion import msd_figure
from llzo_helpers.figures.figure2 import density_view
from llzo_helpers.figures.figure3 import figure_3a
from llzo_helpers.figures.thermo import thermo_figure
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.jobs import control
from llzo_helpers.md.chain import Progress
from llzo_helpers.md.folder import read_thermo
from llzo_helpers.md.lock import holder
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.paths import DATA, PARAMETERS
from llzo_helpers.structures import describe

_RADII_A = {"Li": 0.7, "La": 0.6, "Zr": 0.5, "O": 0.35}


def structure_view(atoms: ase.Atoms) -> nglview.NGLWidget:
    """Return a structure to rotate: lithium large, the framework small."""
    view = nglview.show_ase(atoms)
    view.clear_representations()
    for element in dict.fromkeys(atoms.get_chemical_symbols()):
        view.add_spacefill(f"_{element}", radius=_RADII_A.get(element, 0.5))
    view.add_unitcell()
    view.center()
    return view


def explore_crystal(seed: int) -> widgets.VBox:
    """Return sliders for lithium content and volume, with the resulting structure."""
    lithium = widgets.FloatSlider(value=6.25, min=5.5, max=7.5, step=0.125, description="Li X")
    volume = widgets.FloatSlider(value=1.0, min=0.8, max=1.3, step=0.01, description="V / V_exp")
    output = widgets.Output()

    def update(change: Any = None) -> None:
        with output:
            output.clear_output(wait=True)
            atoms = crystal(li_per_formula=lithium.value, volume_ratio=volume.value, seed=seed)
            display(structure_view(atoms), describe(atoms).to_frame())

    for slider in (lithium, volume):
        slider.continuous_update = False
        slider.observe(update, names="value")
    update()
    return widgets.VBox([lithium, volume, output])


class _CancelledError(Exception):
    """Raised inside a run to end it."""


def md_panel(
    start: Callable[[float, float, Callable[[Progress], None]], Path],
    temperature_K: float,
    production_ps: float,
) -> widgets.VBox:
    """Return a panel that starts a run and shows its progress; the kernel stays free.

    Parameters
    ----------
    start
        Runs molecular dynamics given temperature (K), production time (ps) and a function to
        report progress to; returns the run's folder.
    temperature_K, production_ps
        Initial values of the sliders.
    """
    temperature = widgets.IntSlider(
        value=round(temperature_K), min=300, max=3000, step=50, description="T (K)"
    )
    production = widgets.FloatSlider(
        value=production_ps, min=5, max=1000, step=5, description="time (ps)"
    )
    run_button = widgets.Button(description="Run", button_style="primary", icon="play")
    stop_button = widgets.Button(description="Stop", icon="stop", disabled=True)
    bar = widgets.FloatProgress(min=0, max=1)
    status = widgets.Label()
    stop = threading.Event()

    def on_progress(progress: Progress) -> None:
        bar.value = progress.steps_done / progress.steps_total
        left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
        status.value = (
            f"{progress.steps_done} of {progress.steps_total} steps, "
            f"{progress.steps_per_second:.0f} steps/s{left}"
        )
        if stop.is_set():
            raise _CancelledError

    def work() -> None:
        try:
            directory = start(float(temperature.value), production.value, on_progress)
            atoms = len(Trajectory(directory).symbols)
            figure = thermo_figure(read_thermo(directory), atoms, temperature.value)
            panel.children = [*controls, go.FigureWidget(figure)]
            status.value = f"done: {directory}"
        except _CancelledError:
            status.value = "stopped; Run resumes from the last complete segment"
        except (InputError, SimulationError) as error:
            status.value = str(error)
        finally:
            run_button.disabled, stop_button.disabled = False, True

    def on_run(button: widgets.Button) -> None:
        stop.clear()
        panel.children = controls
        run_button.disabled, stop_button.disabled = True, False
        threading.Thread(target=work, daemon=True).start()

    run_button.on_click(on_run)
    stop_button.on_click(lambda button: stop.set())
    buttons = widgets.HBox([run_button, stop_button, bar, status])
    controls = [temperature, production, buttons]
    panel = widgets.VBox(controls)
    return panel


def campaign_panel(campaign_name: str = "quick") -> widgets.VBox:
    """Return a table of a campaign's runs, with buttons to start and cancel them.

    A separate process makes the runs: closing the browser or the kernel stops nothing, and a new
    panel shows them again.
    """
    names = sorted(path.stem for path in PARAMETERS.glob("*.yaml"))
    campaign = widgets.Dropdown(options=names, value=campaign_name, description="campaign")
    profile = widgets.Dropdown(options=["local", "slurm"], description="where")
    chosen = widgets.SelectMultiple(description="only", rows=6, layout={"width": "80%"})
    start_button = widgets.Button(description="Start", button_style="primary", icon="play")
    cancel_button = widgets.Button(description="Cancel", icon="stop", disabled=True)
    refresh_button = widgets.Button(description="Refresh", icon="refresh")
    status = widgets.Label()
    table = widgets.HTML()
    engine: subprocess.Popen[bytes] | None = None

    def refresh(*_: Any) -> None:
        try:
            selected = load_campaign(campaign.value)
            shown = control.run_table(selected)
        except InputError as error:
            status.value = str(error)
            return
        names = tuple(shown["run"])
        if chosen.options != names:
            chosen.options = names
        counts = shown["state"].value_counts()
        status.value = ", ".join(f"{count} {state}" for state, count in counts.items())
        table.value = _runs_html(shown, control.last_words(selected))
        starting = engine is not None and engine.poll() is None
        start_button.disabled = starting or holder(selected.directory) is not None
        # a killed engine may have left runs behind
        cancel_button.disabled = not (start_button.disabled or "running" in counts)

    def watch() -> None:
        """Refresh as long as there is something to cancel."""
        while not cancel_button.disabled:
            time.sleep(5)
            refresh()

    def on_start(button: widgets.Button) -> None:
        nonlocal engine
        try:
            engine = control.start(campaign.value, profile=profile.value, only=chosen.value)
        except InputError as error:
            status.value = str(error)
            return
        begin()

    def on_cancel(button: widgets.Button) -> None:
        try:
            control.cancel(load_campaign(campaign.value))
            status.value = "cancelling"
        except InputError as error:
            status.value = str(error)

    def begin(*_: Any) -> None:
        watched = not cancel_button.disabled
        refresh()
        if not watched:
            threading.Thread(target=watch, daemon=True).start()

    campaign.observe(begin, names="value")
    refresh_button.on_click(begin)
    start_button.on_click(on_start)
    cancel_button.on_click(on_cancel)
    begin()
    buttons = widgets.HBox([start_button, cancel_button, refresh_button, status])
    return widgets.VBox([widgets.HBox([campaign, profile]), chosen, buttons, table])


_STATE_COLOURS = {
    "failed": "var(--jp-error-color1)",
    "running": "var(--jp-brand-color1)",
    "waiting": "var(--jp-ui-font-color2)",
    "done": "var(--jp-success-color1)",
}


def _runs_html(table: pd.DataFrame, last_words: str = "") -> str:
    """Return the runs as an HTML table, failed and running ones first; all text is escaped."""
    order = list(_STATE_COLOURS)
    table = table.sort_values("state", key=lambda states: states.map(order.index), kind="stable")
    rows = "".join(
        f"<tr><td>{escape(row['run'])}</td>"
        f'<td style="color:{_STATE_COLOURS[row["state"]]}">{row["state"]}</td>'
        f'<td><progress value="{row["progress"]}"></progress> {row["progress"]:.0%}</td>'
        f"<td>{'' if pd.isna(row['steps_per_second']) else round(row['steps_per_second'])}</td>"
        f"<td>{escape(row['reason'])}</td></tr>"
        for row in table.to_dict("records")
    )
    return (
        "<style>.llzo-runs td, .llzo-runs th"
        "{text-align:left; line-height:1.6; padding-right:1.5em; white-space:nowrap}"
        ".llzo-runs td:last-child{white-space:normal}"
        ".llzo-runs progress{width:6em}</style>"
        '<div class="llzo-runs" style="max-height:30em; overflow:auto"><table>'
        "<tr><th>run</th><th>state</th><th>progress</th><th>steps/s</th>"
        "<th>process or reason</th></tr>"
        f"{rows}</table></div><code>{escape(last_words)}</code>"
    )


def _window_slider(fit_window: tuple[float, float] | None) -> widgets.FloatRangeSlider:
    window = widgets.FloatRangeSlider(
        value=fit_window or DEFAULT_WINDOW, min=0.01, max=0.95, step=0.01, description="window"
    )
    window.continuous_update = False
    return window


def explore_fit(campaign: Campaign) -> widgets.VBox:
    """Return a choice of run and a slider for the window of the fit, with the MSD and D."""
    runs = {run.name: run for run in campaign.analysed_runs}
    run = widgets.Dropdown(options=list(runs), description="run")
    run.layout.width = "60%"
    window = _window_slider(campaign.diffusion.fit_window)
    result_label = widgets.Label()
    figure = go.FigureWidget()

    def update(change: Any = None) -> None:
        chosen = runs[run.value]
        trajectory = campaign.trajectory(chosen)
        try:
            result = tracer_diffusion_coefficient(
                trajectory.relative_to_framework(chosen.mobile),
                trajectory.frame_interval_ps,
                window.value,
            )
        except InputError as error:
            result_label.value = str(error)
            return
        result_label.value = _describe(result)
        _show_msd(figure, run.value, result, " and ".join(chosen.mobile))

    run.observe(update, names="value")
    window.observe(update, names="value")
    update()
    return widgets.VBox([run, window, result_label, figure])


def _show_msd(figure: go.FigureWidget, name: str, result: TracerDiffusion, mobile: str) -> None:
    drawn = msd_figure({name: {"": result}}, mobile=mobile)
    with figure.batch_update():
        figure.data = []
        figure.add_traces(drawn.data)
        figure.update_layout(drawn.layout)


_NAMES_OF_TRAJECTORIES = (
    *("*.dump*", "*.lammpstrj*", "XDATCAR*", "*.xyz", "*.extxyz", "*.traj"),
    *("*.dcd", "*.xtc", "*.trr", "*.nc", "*.ncdf", "vasprun*.xml"),
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
    wide = {"layout": {"width": "80%"}, "style": {"description_width": "8em"}}
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
    status, about, first_frame = widgets.Label(), widgets.HTML(), widgets.Output()
    figure = go.FigureWidget()
    opened: list[Trajectory] = []

    def on_open(button: widgets.Button) -> None:
        opened.clear()
        analyse_button.disabled = True
        first_frame.clear_output()
        about.value = ""
        try:
            trajectory = Trajectory.read(
                path.value,
                frame_interval_ps=interval.value or None,
                elements=_elements_by_type(elements.value),
                topology=topology.value or None,
            )
            structure = trajectory.structure()
        except InputError as error:
            status.value = str(error)
            return
        opened.append(trajectory)
        symbols = [str(symbol) for symbol in dict.fromkeys(trajectory.symbols.tolist())]
        mobile.options = symbols
        mobile.value = [next((s for s in symbols if s in ("Li", "Na")), symbols[0])]
        status.value = (
            f"{len(trajectory)} frames, {trajectory.frame_interval_ps:g} ps apart, "
            f"{structure.get_chemical_formula()}"
        )
        about.value = "<br>".join(map(escape, trajectory.notes))
        with first_frame:
            display(structure_view(structure))
        analyse_button.disabled = False

    def on_analyse(button: widgets.Button) -> None:
        try:
            result = tracer_diffusion_coefficient(
                opened[0].relative_to_framework([*mobile.value]),
                opened[0].frame_interval_ps,
                window.value,
            )
        except InputError as error:
            status.value = str(error)
            return
        status.value = _describe(result)
        about.value = "<br>".join(map(escape, opened[0].notes))
        _show_msd(figure, Path(path.value).name, result, " and ".join(mobile.value))

    open_button.on_click(on_open)
    analyse_button.on_click(on_analyse)
    choices = widgets.HBox([mobile, window, analyse_button])
    parts = [path, topology, elements, interval, open_button, status, about, first_frame, choices]
    return widgets.VBox([*parts, figure])


def _elements_by_type(text: str) -> dict[str, str] | None:
    """Return the map that "1: Na, 2: Cl" means; None for nothing."""
    pairs = [pair.partition(":") for pair in text.split(",") if pair.strip()]
    if any(not colon for _, colon, _ in pairs):
        raise InputError(f"elements = {text!r}: must be elements by type, such as 1: Na, 2: Cl")
    return {key.strip(): symbol.strip() for key, _, symbol in pairs} or None


def explore_order_parameter(table: pd.DataFrame, graphs: Mapping[str, Any]) -> widgets.VBox:
    """Return sliders for the exponent and the bins, with the order parameter against D.

    Parameters
    ----------
    table
        `gop.csv`.
    graphs
        The network of each system.
    """
    exponent = widgets.ToggleButtons(options=[1, 3], value=3, description="k")
    bins = widgets.IntSlider(value=0, min=0, max=60, description="bins (0: none)")
    bins.style.description_width = "initial"
    figure = go.FigureWidget()

    def update(change: Any = None) -> None:
        if bins.value == 1:
            return
        values = {
            system: graph_order_parameter(graph, exponent=exponent.value, bins=bins.value or None)
            for system, graph in graphs.items()
        }
        shown = table.assign(
            gop_k3=[values[system].value for system in table["system"]],
            gop_k3_std=0.0,
            gop_k3_counting_limit=[values[system].counting_limit for system in table["system"]],
        )
        drawn = figure_3a(shown)
        with figure.batch_update():
            figure.data = []
            figure.add_traces(drawn.data)
            figure.update_layout(drawn.layout)
            figure.update_yaxes(title=f"graph order parameter θ (k = {exponent.value})")

    exponent.observe(update, names="value")
    bins.observe(update, names="value")
    update()
    return widgets.VBox([exponent, bins, figure])


def _describe(result: TracerDiffusion) -> str:
    text = (
        f"D = {result.D_cm2_s:.3g} ± {result.D_std_cm2_s:.1g} cm2/s, "
        f"MSD ∝ t^({result.exponent:.2f} ± {result.exponent_std:.2f})"
    )
    return "; ".join([text, *result.warnings])


def explore_density(systems: Mapping[str, RunSites]) -> widgets.VBox:
    """Return a choice of system and of isosurface density, with the surface."""
    system = widgets.Dropdown(options=list(systems), description="system")
    level = widgets.FloatSlider(value=4, min=1, max=15, step=0.5, description="ρ / mean ρ")
    level.continuous_update = False
    output = widgets.Output()

    def update(change: Any = None) -> None:
        with output:
            output.clear_output(wait=True)
            display(density_view(density_panel(systems[system.value], relative_level=level.value)))

    system.observe(update, names="value")
    level.observe(update, names="value")
    update()
    return widgets.VBox([system, level, output])
