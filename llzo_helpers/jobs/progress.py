"""How far a campaign's molecular dynamics is, in one line."""

import shutil
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from llzo_helpers.campaign.model import Campaign
from llzo_helpers.errors import InputError
from llzo_helpers.md.folder import run_progress

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
        self._runs = {
            campaign.run_directory(run): campaign.md_settings(run).total_steps for run in runs
        }
        if campaign.vibration:
            steps = campaign.vibration.md.total_steps
            self._runs |= {campaign.vibration_directory(run): steps for run in spectra}
        self._glasses = {
            campaign.glass_directory(glass): glass.melt_quench.total_steps
            for glass in glasses.values()
        }
        self._total = sum(self._runs.values()) + sum(self._glasses.values())
        self._began = time.monotonic()
        self._steps_at_start = sum(self._steps())
        self._last_print = 0.0
        self._terminal = sys.stdout.isatty()

    def _steps(self) -> Iterator[int]:
        """Yield the steps made of each run and glass."""
        # what is finished may have come without its segments, in an archive
        for folder, total in self._runs.items():
            yield total if _finished(folder) else _steps_in(folder)
        for folder, total in self._glasses.items():
            if (folder / "provenance.json").is_file():
                yield total
            else:
                yield sum(_steps_in(path.parent) for path in folder.glob("*/run.json"))

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
            return "analysing"
        steps = sum(self._steps())
        rate = (steps - self._steps_at_start) / elapsed_s
        finished = sum(map(_finished, self._runs))
        line = f"runs {finished}/{len(self._runs)}, MD {steps / self._total:4.0%}"
        if steps == self._total:
            return f"{line}, analysing"
        if rate > 0:
            left = (self._total - steps) / rate / 60
            line += f", {rate:.0f} steps/s, {left:.1f} min of MD left"
        return line

    def close(self) -> None:
        """End the line."""
        if self._terminal:
            print()


def _finished(folder: Path) -> bool:
    return (folder / "summary.json").is_file()


def _steps_in(folder: Path) -> int:
    # a damaged folder is the business of the step that reads it
    with suppress(InputError):
        return run_progress(folder)
    return 0
