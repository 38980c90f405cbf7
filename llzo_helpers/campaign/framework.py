"""The state of the framework in every run of a campaign: its verdict, and what that rests on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.analysis.framework import CAGE_A, FrameworkHistory, framework_history
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.kept import of_each_run
from llzo_helpers.campaign.labels import run_title
from llzo_helpers.campaign.model import AnyRun, Campaign, Run
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS, run_columns, with_error
from llzo_helpers.garnet import garnet
from llzo_helpers.generate.framework import BOND_A, oxygen_bonds
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.structures import read_structure

MOST_FRAMES = 1000
"""Of a run that are looked at: enough for displacements of a framework."""
CATIONS = ("La", "Zr")
"""Whose order makes the garnet; oxygen may be disordered in it."""
STANDING = ("crystal", "crystal with defects")
"""Verdicts with which a crystal is still one."""


@dataclass(frozen=True)
class FrameworkState:
    """The framework of one run."""

    run: AnyRun
    history: FrameworkHistory
    oxygen_bonds: float = np.nan
    """Pairs of bonded oxygen in the structure that the run began with; NaN where unknown."""

    @property
    def garnet_stands(self) -> bool:
        """Whether the run is of a garnet that stays one."""
        return self.run.phase == "crystal" and self.history.verdict in STANDING

    @property
    def verdict(self) -> str:
        """In words, with the time from which on it is so."""
        since = self.history.amorphised_ps
        if since is not None:
            return f"amorphised at {since:.0f} ps"
        if self.run.phase == "crystal" and self.history.verdict not in STANDING:
            return "amorphised before production"
        return self.history.verdict

    @property
    def mark(self) -> str:
        """What to add to the label of the run: a verdict that its phase does not lead to expect."""
        if self.run.phase == "crystal" and not self.garnet_stands:
            return f" ({self.verdict})"
        unexpected = self.run.phase == "amorphous" and self.history.verdict != "glass"
        return f" ({self.verdict})" if unexpected else ""


def run_framework(run: AnyRun, trajectory: Trajectory) -> FrameworkState:
    """Return the state of the framework in one run.

    Parameters
    ----------
    run
        What the trajectory is of.
    trajectory
        Its frames, of which `MOST_FRAMES` at most are used.
    """
    framework = ~np.isin(trajectory.symbols, run.mobile)
    frames = trajectory.thinned(MOST_FRAMES)[:, framework]
    duration_ps = (len(trajectory) - 1) * trajectory.frame_interval_ps
    known: dict[str, Any] = {}
    if isinstance(run, Run):
        sites, lithium = _garnet_sites(run.structure.supercell, trajectory.cell)
        known = {"sites": sites, "interstitial": lithium, "ordering": CATIONS}
    history = framework_history(
        frames,
        trajectory.cell,
        trajectory.symbols[framework].tolist(),
        # a single frame has no interval, and is refused there
        duration_ps / max(1, len(frames) - 1),
        **known,
    )
    return FrameworkState(run, history)


def _garnet_sites(supercell: int, cell: FloatArray) -> tuple[dict[str, FloatArray], FloatArray]:
    """Return the garnet's positions [site, axis] by element, and those of lithium, Å."""
    framework, lithium = garnet(supercell)
    for atoms in (framework, lithium):
        atoms.set_cell(cell, scale_atoms=True)
    elements = dict.fromkeys(framework.get_chemical_symbols())
    sites = {element: framework.positions[framework.symbols == element] for element in elements}
    return sites, lithium.positions


def analyse_frameworks(campaign: Campaign) -> list[FrameworkState]:
    """Return the state of the framework of every run, also of those made elsewhere."""
    found = of_each_run(campaign, "framework", _state_of_run, campaign.analysed_runs)
    return [
        replace(state, oxygen_bonds=_oxygen_bonds(campaign, state.run))
        for state in found
        if state is not None
    ]


def _oxygen_bonds(campaign: Campaign, run: AnyRun) -> float:
    """Return the pairs of bonded oxygen in the structure of a run; NaN of one made elsewhere."""
    if not isinstance(run, Run):
        return np.nan
    return bonds_of_structure(campaign.structure_directory(run.structure))


def bonds_of_structure(directory: Path) -> float:
    """Return the pairs of bonded oxygen in a structure's folder; NaN while it is being made."""
    # the provenance is written last
    there = (directory / "provenance.json").is_file()
    return oxygen_bonds(read_structure(directory)) if there else np.nan


def _state_of_run(campaign: Campaign, run: AnyRun) -> FrameworkState | None:
    """Return the state of a run's framework; None without a framework."""
    trajectory = campaign.trajectory(run)
    if np.isin(trajectory.symbols, run.mobile).all():
        return None
    return run_framework(run, trajectory)


def framework_table(states: Sequence[FrameworkState]) -> pd.DataFrame:
    """Return a row per run, the content of `framework.csv`."""
    rows = []
    for state in states:
        history = state.history
        row = {**run_columns(state.run), "framework": state.verdict}
        row["unexpected"] = bool(state.mark)
        row["oxygen_bonds"] = state.oxygen_bonds
        row["amorphised_ps"] = history.amorphised_ps
        disorder = history.disorder
        row["vacated_first"] = np.nan if disorder is None else disorder[0]
        row["vacated_last"] = np.nan if disorder is None else disorder[-1]
        for element, found in history.diffusion.items():
            row[f"{element}_D_cm2_s"] = found.D_cm2_s
            row[f"{element}_D_std_cm2_s"] = found.D_std_cm2_s
            row[f"{element}_msd_A2"] = history.msd_A2[element]
            if element in history.vacated:
                row[f"{element}_vacated_last"] = history.vacated[element][-1]
        rows.append(row)
    return pd.DataFrame(rows)


def departure(row: Mapping[Any, Any]) -> str:
    """Return in a word how the framework of a run is not what its name says, or nothing.

    Parameters
    ----------
    row
        Of `framework.csv`.
    """
    state = str(row["framework"]) if row["unexpected"] else ""
    words = (state or _rearranged(row), "with bonded oxygen" if _bonds(row) else "")
    return " ".join(filter(None, words))


def _rearranged(row: Mapping[Any, Any]) -> str:
    """Return "rearranged" of a glass of which another potential than made it left nothing."""
    if row["phase"] != "amorphous" or row["structure_potential"] == row["md_potential"]:
        return ""
    return "rearranged" if all(msd > CAGE_A**2 for msd in _travelled(row).values()) else ""


def _bonds(row: Mapping[Any, Any]) -> int:
    """Return the pairs of bonded oxygen that a run began with; tables of older code do not know."""
    return int(np.nan_to_num(row.get("oxygen_bonds", 0)))


def departures(table: pd.DataFrame | None, rows: pd.DataFrame) -> str:
    """Say which runs have a framework that is not what their names say: "1 of 3 liquid".

    Parameters
    ----------
    table
        `framework.csv`; nothing is said without one.
    rows
        Of another table: of runs, or of systems, whose runs at all temperatures count.
    """
    if table is None or table.empty:
        return ""
    if "run" in rows:
        runs = table[table["run"].isin(rows["run"])]
    else:
        runs = table.merge(rows[SYSTEM_COLUMNS].astype(table[SYSTEM_COLUMNS].dtypes.to_dict()))
    words = [departure(row) for row in runs.to_dict("records")]
    return ", ".join(
        word if count == len(runs) else f"{count} of {len(runs)} {word}"
        for word, count in Counter(filter(None, words)).items()
    )


def framework_warnings(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what to mind of the frameworks in `framework.csv`, each run with a sentence."""
    warnings = []
    for row in table.to_dict("records"):
        travelled = _travelled(row).items()
        told = ", ".join(f"{name} {np.sqrt(msd):.1f}" for name, msd in travelled)
        moved = f"(displacement in half the run, Å: {told})"
        if row["unexpected"]:
            phase = row["phase"].replace("amorphous", "glass")
            text = f"counts as a {phase}, but its framework is {row['framework']} {moved}"
            warnings.append((row["run"], text))
        elif _rearranged(row):
            text = f"little is left of the structure that another potential made {moved}"
            warnings.append((row["run"], text))
        if bonds := _bonds(row):
            text = (
                "oxygen is bonded in the structure that it began with: pairs closer than "
                f"{BOND_A:g} Å, of which LLZO has none: {bonds}"
            )
            warnings.append((row["run"], text))
    return warnings


def _travelled(row: Mapping[Any, Any]) -> dict[str, float]:
    """Return the mean squared displacement of each element of a framework, Å^2."""
    return {
        str(name).removesuffix("_msd_A2"): float(value)
        for name, value in row.items()
        if str(name).endswith("_msd_A2") and np.isfinite(value)
    }


def framework_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Put the content of `framework.csv` into words and rounded numbers, for people."""
    elements = [str(column).removesuffix("_D_cm2_s") for column in table.filter(regex="_D_cm2_s$")]
    rows = []
    for row in table.to_dict("records"):
        known = np.isfinite(row["vacated_last"])
        left = f"{100 * row['vacated_first']:.0f} → {100 * row['vacated_last']:.0f}"
        rows.append(
            {
                "run": row["run"],
                "framework": row["framework"],
                "La and Zr sites vacated (%)": left if known else "",
                **{
                    f"D of {element} (10⁻⁸ cm²/s)": with_error(
                        1e8 * row[f"{element}_D_cm2_s"], 1e8 * row[f"{element}_D_std_cm2_s"]
                    )
                    for element in elements
                    if np.isfinite(row[f"{element}_D_cm2_s"])
                },
            }
        )
    return pd.DataFrame(rows).fillna("")


def vacated_curves(states: Sequence[FrameworkState]) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return times, ps, and fraction of La and Zr positions vacated, by run."""
    return {
        run_title(state.run): (state.history.times_ps, disorder)
        for state in states
        if (disorder := state.history.disorder) is not None
    }
