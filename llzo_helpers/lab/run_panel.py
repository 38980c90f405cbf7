"""Panels that run molecular dynamics, show it live, and end with the diffusion coefficient."""

import threading
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets

from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.figures.diffusion import msd_figure
from llzo_helpers.figures.thermo import thermo_figure
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.generate.settings import Structure
from llzo_helpers.lab.learnt import diffusion_in_words, run_diffusion
from llzo_helpers.lab.parameters import RunParameters
from llzo_helpers.lab.shown import say, show
from llzo_helpers.md.chain import Progress, run_md
from llzo_helpers.md.folder import read_thermo
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.paths import POTENTIALS
from llzo_helpers.potentials import load_potential
from llzo_helpers.structures import require_unoccupied, write_structure

_SEED_OF_LITHIUM = 20240430
"""That of notebook 01."""


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
    status, shown = widgets.HTML(), widgets.VBox()
    stop = threading.Event()

    def on_progress(progress: Progress) -> None:
        bar.value = progress.steps_done / progress.steps_total
        left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
        say(
            status,
            f"{progress.steps_done} of {progress.steps_total} steps, "
            f"{progress.steps_per_second:.0f} steps/s{left}",
        )
        if stop.is_set():
            raise _CancelledError

    def work(temperature_K: float, production_ps: float) -> None:
        try:
            directory = start(temperature_K, production_ps, on_progress)
            atoms = len(Trajectory(directory).symbols)
            found = [thermo_figure(read_thermo(directory), atoms, temperature_K)]
            if diffusion := run_diffusion(directory):
                msd = msd_figure({directory.name: {"": diffusion}})
                found += [msd.update_layout(width=480, height=360), words := widgets.HTML()]
                say(words, diffusion_in_words(diffusion))
            show(shown, *found)
            say(status, f"done: {directory}")
        except _CancelledError:
            say(status, "stopped; Run resumes from the last complete segment")
        except (InputError, SimulationError) as error:
            say(status, str(error))
        finally:
            run_button.disabled, stop_button.disabled = False, True

    def on_run(button: widgets.Button) -> None:
        stop.clear()
        show(shown)
        run_button.disabled, stop_button.disabled = True, False
        # the sliders may be moved while it runs
        chosen = (float(temperature.value), production.value)
        threading.Thread(target=work, args=chosen, daemon=True).start()

    run_button.on_click(on_run)
    stop_button.on_click(lambda button: stop.set())
    buttons = widgets.HBox([run_button, stop_button, bar, status])
    return widgets.VBox([temperature, production, buttons, shown])


def crystal_panel(parameters: RunParameters, li_per_formula: float, volume: float) -> widgets.VBox:
    """Return a panel that makes a crystal, runs it, and ends with the diffusion coefficient.

    Parameters
    ----------
    parameters
        Of notebook 02: settings of the run, initial values, and where runs are; the structures go
        to the folder beside that of `parameters.structure`.
    li_per_formula, volume
        Initial lithium content, and volume over the experimental volume.
    """
    # one cell has eight formula units
    lithium = widgets.FloatSlider(
        value=round(8 * li_per_formula) / 8, min=5.5, max=7.5, step=0.125, description="Li X"
    )
    ratio = widgets.FloatSlider(value=volume, min=0.8, max=1.3, step=0.01, description="V / V_exp")
    names = sorted(path.parent.name for path in POTENTIALS.glob("*/potential.yaml"))
    potential = widgets.Dropdown(
        options=names, value=parameters.md_potential, description="potential"
    )

    def start(
        temperature_K: float, production_ps: float, on_progress: Callable[[Progress], None]
    ) -> Path:
        settings = parameters.settings_for(production_ps)
        folder = Path(parameters.structure).parent
        made = Structure(li_per_formula=lithium.value, volume_ratio=round(ratio.value, 2))
        made_with = made.model_dump() | {"seed": _SEED_OF_LITHIUM}
        structure = folder / f"{made.name}-panel"
        require_unoccupied(structure, made_with)
        atoms = crystal(
            li_per_formula=made.li_per_formula,
            volume_ratio=made.volume_ratio,
            seed=_SEED_OF_LITHIUM,
        )
        provenance = {"notebook": "02_run_md", "parameters": made_with}
        write_structure(atoms, structure, provenance)
        name = f"{made.name}-{potential.value}-{temperature_K:g}K"
        directory = Path(parameters.output).with_name(name)
        run_md(
            directory,
            structure=structure,
            potential=load_potential(potential.value),
            temperature_K=temperature_K,
            seed=parameters.seed,
            settings=settings,
            on_progress=on_progress,
        )
        return directory

    run = md_panel(start, parameters.temperature_K, parameters.production_ps)
    return widgets.VBox([lithium, ratio, potential, run])
