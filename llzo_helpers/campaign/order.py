"""Distances, neighbours and angles in the structures of a campaign."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.analysis.order import (
    BondAngles,
    PairDistribution,
    bond_angles,
    coordination_numbers,
    first_minimum,
    pair_distributions,
)
from llzo_helpers.campaign.kept import of_each_run
from llzo_helpers.campaign.labels import run_label
from llzo_helpers.campaign.model import AnyRun, Campaign, Run
from llzo_helpers.campaign.tables import run_columns
from llzo_helpers.errors import InputError

# Number of frames in structural averages: more frames make no visible difference
FRAMES_FOR_PAIRS = 500
COORDINATIONS = (("Zr", "O"), ("La", "O"), ("Li", "O"))
PEAK_UP_TO_A = 4.5
"""Where the peak near 4 Å, which the paper sees with the classical potential, has ended."""


@dataclass(frozen=True)
class StructuralOrder:
    """Distances, neighbours and angles in the compared runs.

    Attributes
    ----------
    table : DataFrame
        A row per run, the content of `coordination.csv`: neighbours up to the first minimum
        of each pair distribution, and how far that of O-O rises again up to `PEAK_UP_TO_A`.
    pairs : dict
        Pair distributions by system and pair of elements.
    angles : dict of BondAngles
        O-Zr-O by system; of garnets and their glasses only.
    """

    table: pd.DataFrame
    pairs: dict[str, dict[tuple[str, str], PairDistribution]]
    angles: dict[str, BondAngles]

    def of_like(self, mobile: Sequence[str]) -> dict[str, dict[str, PairDistribution]]:
        """Return pair distributions of one element with itself, by element and system.

        Parameters
        ----------
        mobile
            The elements wanted, besides oxygen.
        """
        found: dict[str, dict[str, PairDistribution]] = {}
        for element in dict.fromkeys(["O", *mobile]):
            systems = {
                name: pairs[element, element]
                for name, pairs in self.pairs.items()
                if (element, element) in pairs
            }
            if systems:
                found[element] = systems
        return found


def analyse_structures(campaign: Campaign) -> StructuralOrder:
    """Return distances, neighbours and angles in the compared runs, and those made elsewhere."""
    runs: list[AnyRun] = [*campaign.compared_runs]
    runs += [run for run in campaign.trajectories if run.sites]
    labels = [run_label(run) for run in runs]
    found = of_each_run(campaign, "structure", _structure_of_run, runs)
    rows = [
        row | (oxygen_peak(pairs["O", "O"]) if isinstance(run, Run) else {})
        for run, (row, pairs, _) in zip(runs, found, strict=True)
    ]
    return StructuralOrder(
        table=pd.DataFrame(rows),
        pairs={label: pairs for label, (_, pairs, _) in zip(labels, found, strict=True)},
        angles={
            label: angles
            for label, (_, _, angles) in zip(labels, found, strict=True)
            if angles is not None
        },
    )


def oxygen_peak(pair: PairDistribution) -> dict[str, float]:
    """Return how far g(r) rises from its first minimum up to `PEAK_UP_TO_A`, and the error."""
    bottom = int(np.abs(pair.radii - first_minimum(pair)).argmin())
    beyond = (pair.radii >= pair.radii[bottom]) & (pair.radii <= PEAK_UP_TO_A)
    top = int(np.where(beyond, pair.values, -np.inf).argmax())
    errors = pair.standard_error[[bottom, top]]
    return {
        "O_O_peak": float(pair.values[top] - pair.values[bottom]) if beyond.any() else np.nan,
        "O_O_peak_std": float(np.hypot(*errors)) if beyond.any() else np.nan,
    }


def _structure_of_run(
    campaign: Campaign, run: AnyRun
) -> tuple[dict[str, Any], dict[tuple[str, str], PairDistribution], BondAngles | None]:
    """Return the row of a run, its pair distributions, and the angles of a garnet or its glass."""
    trajectory = campaign.trajectory(run)
    frames = trajectory.thinned(FRAMES_FOR_PAIRS)
    species = trajectory.symbols.tolist()
    distributions = pair_distributions(frames, trajectory.cell, species, bin_width_A=0.05)
    row = run_columns(run)
    garnet = isinstance(run, Run)
    elements = sorted(set(species))
    for central, neighbour in COORDINATIONS if garnet else permutations(elements, 2):
        try:
            cutoff_A = first_minimum(distributions[central, neighbour])
        except InputError:
            if garnet:
                raise
            # no shell: that pair has no neighbours to count
            row[f"{central}_{neighbour}_coordination"] = np.nan
            continue
        numbers = coordination_numbers(
            frames,
            trajectory.cell,
            species,
            central=central,
            neighbour=neighbour,
            cutoff_A=cutoff_A,
        )
        row |= {
            f"{central}_{neighbour}_cutoff_A": cutoff_A,
            f"{central}_{neighbour}_coordination": numbers.mean,
            f"{central}_{neighbour}_coordination_std": numbers.standard_error,
        }
    if not garnet:
        return row, distributions, None
    angles = bond_angles(
        frames,
        trajectory.cell,
        species,
        central="Zr",
        neighbour="O",
        cutoff_A=row["Zr_O_cutoff_A"],
    )
    return row, distributions, angles
