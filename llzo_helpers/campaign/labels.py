"""Names of systems for people: one per system, unique in a campaign.

`C-Li6.25 112 % CIP` is a crystal of that composition and volume, run with the potential that
represents the paper's CIP; `A-Li6.25 112 % ML on CIP (quick)` a glass made by CIP with the protocol
`quick` and run with ML, the paper's A-D with subscript CIP and superscript ML. A supercell other
than one cell follows. Nothing is looked up by these names: tables are joined by their columns,
runs by their own names.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from llzo_helpers.campaign.model import AnyRun
from llzo_helpers.campaign.observed import ObservedRun
from llzo_helpers.campaign.tables import system_columns
from llzo_helpers.generate.settings import Glass
from llzo_helpers.potentials import short_name


def system_label(row: Mapping[Any, Any]) -> str:
    """Return the name of a system.

    Parameters
    ----------
    row
        The columns of `llzo_helpers.campaign.tables.SYSTEM_COLUMNS`. All of them are part of the
        name, and the short names of potentials are unique, so the name is unique as well. A
        system that was run elsewhere is named by its group.
    """
    if row["phase"] == "observed":
        return str(row["group"])
    md_potential, origin = row["md_potential"], row["structure_potential"]
    label = (
        f"{row['phase'][0].upper()}-Li{row['li_per_formula']:g} {100 * row['volume_ratio']:g} % "
        f"{short_name(md_potential)}"
    )
    if row["phase"] == "amorphous":
        label += f" on {short_name(origin)}" if origin != md_potential else ""
        label += f" ({row['melt_quench']})"
    return label + size_label(row["supercell"])


CURVE_COLUMNS = [
    *("phase", "structure_potential", "melt_quench", "md_potential", "li_per_formula", "supercell")
]
"""What the points of a curve against volume have in common; the paper's have neither protocol nor
supercell."""


def curve_label(row: Mapping[Any, Any]) -> str:
    """Return the name of a curve against volume: that of its systems, without the volume.

    Parameters
    ----------
    row
        The columns of `CURVE_COLUMNS`; NaN means none. The paper's potentials are "CIP" and "ML".
    """
    origin, md_potential = row["structure_potential"], row["md_potential"]
    label = f"{row['phase'][0].upper()}-Li{row['li_per_formula']:g} {_short(md_potential)}"
    if isinstance(origin, str) and origin != md_potential:
        label += f" on {_short(origin)}"
    protocol = row.get("melt_quench")
    if isinstance(protocol, str):
        label += f" ({protocol})"
    return label + size_label(row.get("supercell", 1))


def _short(potential: str) -> str:
    return potential if potential in ("CIP", "ML") else short_name(potential)


def run_label(run: AnyRun) -> str:
    """Return the name of a run's system, and its replica if not the first.

    A run made elsewhere has a name of its own.
    """
    if isinstance(run, ObservedRun):
        return run.title
    return system_label(system_columns(run)) + (f" r{run.replica}" if run.replica > 1 else "")


def run_title(run: AnyRun) -> str:
    """Return the name of a run with its temperature; one made elsewhere has a name of its own."""
    if isinstance(run, ObservedRun):
        return run.title
    return f"{run_label(run)}, {run.temperature_K:g} K"


def run_labels(runs: Iterable[AnyRun]) -> dict[str, str]:
    """Return the labels of runs by their names, with temperatures where a label needs them."""
    chosen = list(runs)
    seen = Counter(run_label(run) for run in chosen)
    return {
        run.name: run_label(run)
        + (f", {run.temperature_K:g} K" if seen[run_label(run)] > 1 else "")
        for run in chosen
    }


def runs_by_label(runs: Iterable[AnyRun]) -> dict[str, AnyRun]:
    """Return runs by the labels of `run_labels`."""
    chosen = list(runs)
    labels = run_labels(chosen)
    return {labels[run.name]: run for run in chosen}


def run_name_in_system(run: AnyRun) -> str:
    """Return what tells a run from others of its system: temperature, and which replica."""
    return f"{run.temperature_K:g} K" + (f" r{run.replica}" if run.replica > 1 else "")


def glass_label(glass: Glass) -> str:
    """Return the name of a glass."""
    replica = f" r{glass.replica}" if glass.replica > 1 else ""
    name = f"{short_name(glass.structure_potential)} ({glass.melt_quench.name})"
    return name + size_label(glass.supercell) + replica


def glass_title(glass: Glass) -> str:
    """Return the name of a glass for a caption; says so where its melt was not cooled slowly."""
    at_once = glass.melt_quench.quench_K_ps is None
    return glass_label(glass) + (", an instantaneously quenched melt" if at_once else "")


def size_label(supercell: float) -> str:
    """Return what a name says of a supercell: nothing of one cell."""
    return " " + "x".join([f"{supercell:g}"] * 3) if supercell > 1 else ""
