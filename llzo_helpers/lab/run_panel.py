"""A panel that runs molecular dynamics and shows it live."""

import threading
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets
import plotly.graph_objects as go

from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.figures.thermo import thermo_figure
from llzo_helpers.md.chain import Progress
from llzo_helpers.md.folder import read_thermo
from llzo_helpers.md.trajectory import Trajectory


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
