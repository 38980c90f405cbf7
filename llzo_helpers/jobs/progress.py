"""How far a campaign's molecular dynamics is, in one line."""

import shutil
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from llzo_helpers.campaign.model import Campaign
from llzo_helpers.errors import InputError
from llzo_helpers.generate.melt_quench import schedules
from llzo_helpers.generate.settings import MeltQuench
from llzo_helpers.md.folder import finished_as_asked, run_progress
from llzo_helpers.md.settings import MDSettings

_INTERVAL_S = 30
"""Between lines in a file."""


class ProgressLine:
    """Runs finished, speed and time left: overwritten in a terminal, sparse in a file.

    Parameters
    ----------
    campaign
        Whose folders are looked at.
    only
        Names of the only runs that count, as for `run_campaign`; by default all.
    """

    def __init__(self, campaign: Campaign, only: Collection[str] = ()) -> None:
        runs = [run for run in campaign.runs if not only or run.name in only]
        spectra = [
            run for run in campaign.vibration_runs if not only or f"vibration/{run.name}" in only
        ]
        structures = {run.structure.name: run.structure for run in [*runs, *spectra]}
        glasses = {s.glass.name: s.glass for s in structures.values() if s.glass}
        self._runs = {campaign.run_directory(run): campaign.md_settings(run) for run in runs}
        if campaign.vibration:
            folders = map(campaign.vibration_directory, spectra)
            self._runs |= dict.fromkeys(folders, campaign.vibration.md)
        self._glasses = {
            campaign.glass_directory(glass): glass.melt_quench for glass in glasses.values()
        }
        self._total = sum(settings.total_steps for settings in self._runs.values())
        self._total += sum(glass.total_steps for glass in self._glasses.values())
        self._directory = campaign.directory
        self._began, self._began_at = time.monotonic(), time.time()
        self._steps_at_start = sum(self._steps())
        self._last_print = 0.0
        self._terminal = sys.stdout.isatty()

    def _steps(self) -> Iterator[int]:
        """Yield the steps made of each run and glass."""
        for folder, settings in self._runs.items():
            yield steps_of_run(folder, settings)
        for folder, melt_quench in self._glasses.items():
            yield steps_of_glass(folder, melt_quench)

    def update(self) -> None:
        """Print the line, if it is time to."""
        now = time.monotonic()
        if not self._terminal and now - self._last_print < _INTERVAL_S:
            return
        self._last_print = now
        line = self.line(now - self._began)
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{line[:width]:<{width}}", end="", flush=True)
        else:
            print(line, flush=True)

    def line(self, elapsed_s: float) -> str:
        """Return the line, some time after the start."""
        if not self._total:
            # only trajectories of other programs
            return self._analysing()
        steps = sum(self._steps())
        # what an interrupted run had made of a segment is made again
        self._steps_at_start = min(self._steps_at_start, steps)
        rate = (steps - self._steps_at_start) / elapsed_s
        finished = sum(finished_as_asked(*run) for run in self._runs.items())
        line = f"runs {finished}/{len(self._runs)}, MD {steps / self._total:4.0%}"
        if steps == self._total:
            return f"{line}, {self._analysing()}"
        if rate > 0:
            left = (self._total - steps) / rate / 60
            line += f", {rate:.0f} steps/s, {left:.1f} min of MD left"
        return line

    def _analysing(self) -> str:
        """Name the notebook that was written last since the start: papermill saves as it runs."""
        written = {
            path.stat().st_mtime: path.name
            for path in self._directory.glob("*.ipynb")
            if path.stat().st_mtime >= self._began_at
        }
        return f"analysing: {written[max(written)]}" if written else "analysing"

    def close(self) -> None:
        """End the line."""
        if self._terminal:
            print()


def steps_of_run(folder: Path, settings: MDSettings) -> int:
    """Return how many steps of a run are made; all, if it came finished, without its segments."""
    return settings.total_steps if finished_as_asked(folder, settings) else _steps_in(folder)


def steps_of_glass(folder: Path, settings: MeltQuench) -> int:
    """Return how many steps are made of the runs that make a glass."""
    if (folder / "provenance.json").is_file():
        return settings.total_steps
    return sum(_steps_in(folder / name) for name in schedules(settings))


def _steps_in(folder: Path) -> int:
    # a damaged folder is the business of the step that reads it
    with suppress(InputError):
        return run_progress(folder)
    return 0
