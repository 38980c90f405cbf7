"""What the paper says of sites, by its own definitions, beside ours: agree, or why not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.analysis.sites import explored_positions, hull_volume
from llzo_helpers.campaign.model import Run
from llzo_helpers.campaign.paper import paper_label, paper_value, paper_values
from llzo_helpers.campaign.settings import SiteSettings
from llzo_helpers.campaign.sites import RunSites, find_sites, garnet_types
from llzo_helpers.campaign.tables import run_columns
from llzo_helpers.generate.settings import Structure

PAPER_RUN_PS, PAPER_INTERVAL_PS = 100.0, 0.05
"""Of the frames that the paper analyses."""
COLUMNS = ["quantity", "system", "paper", "this work", "agrees", "conditions"]


def compare_definitions(systems: Sequence[RunSites], settings: SiteSettings) -> pd.DataFrame:
    """Put what the paper says of sites beside the same quantities of these runs.

    Parameters
    ----------
    systems
        Of `analyse_sites`.
    settings
        Of the campaign.

    Returns
    -------
    DataFrame
        A row per statement and run that it is about: `paper`, `this work`, `agrees` ("yes" or
        "no"), and in `conditions` what is not as in the paper.
    """
    rows: list[dict[str, Any]] = []
    for system in systems:
        label = paper_label(getattr(system.run, "md_potential", None))
        if label is None:
            continue
        if system.run.phase == "amorphous":
            rows += _accessible_over_static(system)
        elif system.framework.garnet_stands:
            rows += _back_jumps(system)
            rows += _order_of_accessible(system, settings, label)
            rows += _spread_of_octahedra(system) if label == "CIP" else []
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(system: RunSites, quantity: str, paper: str, ours: str, agrees: bool) -> dict[str, Any]:
    return {
        "quantity": quantity,
        "system": system.title,
        "paper": paper,
        "this work": ours,
        "agrees": "yes" if agrees else "no",
        "conditions": _conditions(system),
    }


def _conditions(system: RunSites) -> str:
    """Say what of a run is not as in the paper."""
    interval = system.trajectory.frame_interval_ps
    length = len(system.trajectory) * interval
    differences = []
    if not np.isclose(length, PAPER_RUN_PS, rtol=0.05):
        differences.append(f"{length:.0f} ps instead of {PAPER_RUN_PS:g}")
    if not np.isclose(interval, PAPER_INTERVAL_PS):
        differences.append(f"a frame every {1000 * interval:g} fs instead of 50")
    melt = getattr(system.run, "structure", None)
    protocol = melt.melt_quench if melt else None
    if protocol and protocol.quench_K_ps and protocol.quench_K_ps > 5:
        differences.append(f"cooled at {protocol.quench_K_ps:g} K/ps instead of 5")
    if melt and melt.supercell == 1:
        differences.append("one cell instead of 2x2x2")
    if system.analysis.rearranged.any():
        fraction = 100 * system.analysis.rearranged.mean()
        differences.append(f"{fraction:.0f} % of the sites beside rearrangements")
    return "; ".join(differences) or "as in the paper"


def _accessible_over_static(system: RunSites) -> list[dict[str, Any]]:
    if not isinstance(system.run, Run):
        return []
    structure = system.run.structure
    theirs = paper_values()
    theirs = theirs[
        (theirs["quantity"] == "accessible_over_static")
        & (theirs["md_potential"] == paper_label(system.run.md_potential))
        & (theirs["structure_potential"] == paper_label(structure.structure_potential))
    ]
    if theirs.empty:
        return []
    # one number a potential: the paper does not say that it depends on anything else
    paper = theirs.iloc[0]
    ratio = system.accessible.all_samples / system.static_volume
    known = ratio[np.isfinite(ratio)]
    if len(known) < 2:
        return []
    mean, error = known.mean(), known.std(ddof=1) / np.sqrt(len(known))
    return [
        _row(
            system,
            "accessible over static volume, hull of all positions (%)",
            f"{100 * paper['value']:.0f}",
            f"{100 * mean:.0f} ± {100 * error:.0f}",
            abs(mean - paper["value"]) < 2 * error,
        )
        | {"conditions": _composition(structure, paper) + _conditions(system)}
    ]


def _composition(structure: Structure, paper: pd.Series) -> str:
    """Say where composition or volume are not the paper's."""
    differences = ""
    if structure.li_per_formula != paper["li_per_formula"]:
        differences += f"Li{structure.li_per_formula:g} instead of Li{paper['li_per_formula']:g}; "
    if not np.isclose(structure.volume_ratio, paper["volume_ratio"], atol=0.001):
        differences += (
            f"{100 * structure.volume_ratio:g} % instead of {100 * paper['volume_ratio']:g} %; "
        )
    return differences


def _back_jumps(system: RunSites) -> list[dict[str, Any]]:
    paper = paper_value(run_columns(system.run), "back_jump_fraction")
    if paper is None:
        return []
    ours, (low, high) = system.returns, system.return_range
    error = ours.standard_error
    return [
        _row(
            system,
            "back-jumps (%)",
            f"{100 * paper['value']:.0f}",
            f"{100 * ours.fraction:.0f} ± {100 * error:.0f} ({100 * low:.0f} to {100 * high:.0f} "
            "by definition)",
            low - 2 * error <= paper["value"] <= high + 2 * error,
        )
    ]


def _order_of_accessible(
    system: RunSites, settings: SiteSettings, label: str
) -> list[dict[str, Any]]:
    """Which sites the ions explore more of: the paper has octahedral < tetrahedral in CIP.

    Also with Markov clustering, the other of the two methods of the paper's tool.
    """
    sites = find_sites(
        system.trajectory, settings, system.mobile, clustering="mcl", assignment_threshold=0.5
    )
    markov = explored_positions(system.trajectory, system.mobile, sites).displacements
    repeats = system.repeats[0]
    rows = []
    for name, kinds, hulls in (
        ("", system.kinds, system.accessible.all_samples),
        (
            ", Markov clustering",
            garnet_types(sites.centres, sites.cell, repeats),
            np.array([hull_volume(samples) for samples in markov]),
        ),
    ):
        tetrahedra, octahedra = (
            hulls[(kinds == kind) & np.isfinite(hulls)] for kind in ("24d", "48g")
        )
        if min(len(tetrahedra), len(octahedra)) < 2:
            continue
        difference = octahedra.mean() - tetrahedra.mean()
        spread = np.hypot(tetrahedra.std(ddof=1), octahedra.std(ddof=1))
        ours = f"tetrahedral {tetrahedra.mean():.2f}, octahedral {octahedra.mean():.2f} Å3"
        if label == "CIP":
            paper, agrees = "octahedral smaller than tetrahedral", bool(difference < 0)
        else:
            # two normal distributions have one peak if they are less than two deviations apart
            paper = "one peak, no separate distributions"
            agrees = bool(abs(difference) < np.sqrt(2) * spread)
        rows.append(_row(system, f"accessible volumes (all positions){name}", paper, ours, agrees))
    return rows


def _spread_of_octahedra(system: RunSites) -> list[dict[str, Any]]:
    octahedra = system.static_volume[system.kinds == "48g"]
    tetrahedra = system.static_volume[system.kinds == "24d"]
    expanded = getattr(system.run, "structure").volume_ratio > 1.1  # noqa: B009
    if not expanded or min(len(octahedra), len(tetrahedra)) < 2:
        return []
    ours = f"octahedral {octahedra.std():.2f}, tetrahedral {tetrahedra.std():.2f} Å3"
    return [
        _row(
            system,
            "standard deviation of static volumes, expanded",
            "octahedral sites expand unevenly",
            ours,
            bool(octahedra.std() > tetrahedra.std()),
        )
    ]
