"""What the paper says of sites, by its own definitions, beside ours: agree, or what differs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from llzo_helpers.campaign.kept import frames_here, of_each
from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.campaign.paper import STANDARD_ERRORS, paper_label, paper_value, paper_values
from llzo_helpers.campaign.settings import SiteSettings
from llzo_helpers.campaign.sites import RunSites, analyse_run
from llzo_helpers.campaign.tables import run_columns, with_error
from llzo_helpers.md.trajectory import Trajectory

PAPER_RUN_PS, PAPER_INTERVAL_PS, PAPER_QUENCH_K_PS = 100.0, 0.05, 5.0
"""Of the frames that the paper analyses, and of its glasses."""
MARKOV = {"clustering": "mcl", "assignment_threshold": 0.5, "crystal_sites": "found"}
"""The other of the two methods of the paper's tool, with its usual threshold; the paper does not
say which it took."""
COLUMNS = ["quantity", "system", "clustering", "paper", "this work", "agrees", "differs"]
NUMBERS = ["run", "measure", "value", "value_std"]
"""The same as numbers, for what is compared further."""


@dataclass(frozen=True)
class Statement:
    """What the paper says of a quantity, and ours.

    Attributes
    ----------
    quantity, paper, ours
        For people.
    agrees
        Whether they agree; None if ours is within two standard errors of what decides.
    measure
        A name for `value`: that of `data/paper_values.csv`, where it has one.
    value, value_std
        Ours as a number, and its standard error.
    """

    quantity: str
    paper: str
    ours: str
    agrees: bool | None
    measure: str
    value: float
    value_std: float


def compare_definitions(campaign: Campaign, systems: Sequence[RunSites]) -> pd.DataFrame:
    """Put what the paper says of sites beside the same quantities of these runs.

    Parameters
    ----------
    campaign
        Whose runs they are.
    systems
        Of `llzo_helpers.campaign.site_analysis.analyse_sites`. Each run is analysed by Markov
        clustering, too.

    Returns
    -------
    DataFrame
        A row per statement, run and clustering, that of the campaign first: `paper`, `this work`,
        `agrees` ("yes", "no" or "open"), in `differs` what is not as in the paper, and `NUMBERS`.
    """
    told = [system for system in systems if _is_of_the_paper(system)]
    here = frames_here(campaign, [system.run for system in told])
    found = of_each(campaign, "definitions", _definitions, told, here)
    rows = [
        row | {"system": system.title, "run": system.run.name}
        for system, of_run in zip(told, found, strict=True)
        for row in of_run
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS, *NUMBERS])


def _is_of_the_paper(system: RunSites) -> bool:
    return isinstance(system.run, Run) and paper_label(system.run.md_potential) is not None


def _definitions(campaign: Campaign, system: RunSites) -> list[dict[str, str | float]]:
    trajectory = campaign.trajectory(system.run, "jumps")
    return definitions_of_run(system, trajectory, campaign.sites)


def definitions_of_run(
    system: RunSites, trajectory: Trajectory, settings: SiteSettings
) -> list[dict[str, str | float]]:
    """Return the rows of `compare_definitions` for one run, without its name."""
    run = system.run
    if not isinstance(run, Run):
        return []
    markov = analyse_run(run, trajectory, settings.model_copy(update=MARKOV))
    usual = "known sites" if system.seeded else settings.clustering
    return [
        {
            "quantity": statement.quantity,
            "clustering": clustering,
            "paper": statement.paper,
            "this work": statement.ours,
            "agrees": {True: "yes", False: "no", None: "open"}[statement.agrees],
            "differs": _differences(run, found),
            "measure": statement.measure,
            "value": float(statement.value),
            "value_std": float(statement.value_std),
        }
        for clustering, found in ((usual, system), ("mcl", markov))
        for statement in _statements(run, found)
    ]


def _statements(run: Run, found: RunSites) -> list[Statement]:
    if run.phase == "amorphous":
        return _accessible_over_static(run, found)
    if not found.framework.garnet_stands:
        return []
    return [
        *_back_jumps(run, found),
        *_order_of_accessible(run, found),
        *_spread_of_octahedra(run, found),
    ]


def _differences(run: Run, found: RunSites) -> str:
    """Say what of a run is not as in the paper."""
    interval = found.frame_interval_ps
    length = found.n_frames * interval
    protocol = run.structure.melt_quench
    differences = []
    if not np.isclose(length, PAPER_RUN_PS, rtol=0.05):
        differences.append(f"{length:.0f} ps instead of {PAPER_RUN_PS:g}")
    if not np.isclose(interval, PAPER_INTERVAL_PS):
        differences.append(f"a frame every {1000 * interval:g} fs instead of 50")
    if protocol and protocol.quench_K_ps and protocol.quench_K_ps > PAPER_QUENCH_K_PS:
        differences.append(f"cooled at {protocol.quench_K_ps:g} K/ps instead of 5")
    if run.structure.supercell == 1:
        differences.append("one cell instead of 2x2x2")
    if found.analysis.rearranged.any():
        fraction = 100 * found.analysis.rearranged.mean()
        differences.append(f"{fraction:.0f} % of the sites beside rearrangements")
    return "; ".join(differences)


def _accessible_over_static(run: Run, found: RunSites) -> list[Statement]:
    """One number for the glasses of each potential, run with it."""
    values = paper_values()
    theirs = values[
        (values["quantity"] == "accessible_over_static")
        & (values["md_potential"] == paper_label(run.md_potential))
        & (values["structure_potential"] == paper_label(run.structure.structure_potential))
    ]
    ratio = found.accessible.all_samples / found.static_volume
    known = ratio[np.isfinite(ratio)]
    if theirs.empty or len(known) < 2:
        return []
    paper = theirs["value"].iloc[0]
    mean, error = known.mean(), known.std(ddof=1) / np.sqrt(len(known))
    return [
        Statement(
            "accessible over static volume, hull of all positions (%)",
            f"{100 * paper:.0f}",
            with_error(100 * mean, 100 * error),
            abs(mean - paper) < STANDARD_ERRORS * error,
            "accessible_over_static",
            mean,
            error,
        )
    ]


def _back_jumps(run: Run, found: RunSites) -> list[Statement]:
    paper = paper_value(run_columns(run), "back_jump_fraction")
    if paper is None:
        return []
    ours, (low, high) = found.returns, found.ranges.back_jumps
    error = ours.standard_error
    # not known from a single ion that jumps: then the range alone decides
    margin = STANDARD_ERRORS * np.nan_to_num(error)
    return [
        Statement(
            "back-jumps (%)",
            f"{100 * paper['value']:.0f}",
            f"{with_error(100 * ours.fraction, 100 * error)} ({100 * low:.0f} to "
            f"{100 * high:.0f} by definition)",
            bool(low - margin <= paper["value"] <= high + margin),
            "back_jump_fraction",
            ours.fraction,
            error,
        )
    ]


def _order_of_accessible(run: Run, found: RunSites) -> list[Statement]:
    """Which sites the ions explore more of."""
    hulls = found.accessible.all_samples
    tetrahedra, octahedra = (
        hulls[(found.kinds == kind) & np.isfinite(hulls)] for kind in ("24d", "48g")
    )
    if min(len(tetrahedra), len(octahedra)) < 2:
        return []
    difference = octahedra.mean() - tetrahedra.mean()
    error = np.hypot(*(hulls.std(ddof=1) / len(hulls) ** 0.5 for hulls in (tetrahedra, octahedra)))
    ours = f"tetrahedral {tetrahedra.mean():.2f}, octahedral {octahedra.mean():.2f} Å³"
    if paper_label(run.md_potential) == "CIP":
        paper, agrees = "octahedral smaller than tetrahedral", _is_positive(-difference, error)
    else:
        # two normal distributions have one peak if they are less than two deviations apart
        spread = np.hypot(tetrahedra.std(ddof=1), octahedra.std(ddof=1))
        paper = "one peak, no separate distributions"
        agrees = bool(abs(difference) < np.sqrt(2) * spread)
    quantity = "accessible volumes, hull of all positions"
    measure = "octahedral_minus_tetrahedral_accessible_A3"
    return [Statement(quantity, paper, ours, agrees, measure, difference, error)]


def _spread_of_octahedra(run: Run, found: RunSites) -> list[Statement]:
    """In the expanded crystal of the classical potential."""
    octahedra, tetrahedra = (found.static_volume[found.kinds == kind] for kind in ("48g", "24d"))
    expanded = run.structure.volume_ratio > 1.1 and paper_label(run.md_potential) == "CIP"
    if not expanded or min(len(octahedra), len(tetrahedra)) < 2:
        return []
    # of a standard deviation, for a normal distribution
    errors = [values.std() / np.sqrt(2 * (len(values) - 1)) for values in (octahedra, tetrahedra)]
    difference, error = octahedra.std() - tetrahedra.std(), float(np.hypot(*errors))
    return [
        Statement(
            "static volumes of the expanded crystal, standard deviation",
            "octahedral spread out, tetrahedral narrow",
            f"octahedral {octahedra.std():.2f}, tetrahedral {tetrahedra.std():.2f} Å³",
            _is_positive(difference, error),
            "octahedral_minus_tetrahedral_spread_A3",
            difference,
            error,
        )
    ]


def _is_positive(value: float, std: float) -> bool | None:
    """Whether a number is above zero; None where that is not clear."""
    return bool(value > 0) if abs(value) > STANDARD_ERRORS * std else None
