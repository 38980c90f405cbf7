"""Distances, neighbours and angles in the structures of a campaign."""

from dataclasses import dataclass

import pandas as pd

from llzo_helpers.analysis.order import (
    BondAngles,
    PairDistribution,
    bond_angles,
    coordination_numbers,
    first_minimum,
    pair_distributions,
)
from llzo_helpers.campaign.labels import run_label
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.campaign.tables import run_columns
from llzo_helpers.md.trajectory import Trajectory

# Number of frames in structural averages: more frames make no visible difference
FRAMES_FOR_PAIRS = 500
COORDINATIONS = (("Zr", "O"), ("La", "O"), ("Li", "O"))


@dataclass(frozen=True)
class StructuralOrder:
    """Distances, neighbours and angles in the compared runs.

    Attributes
    ----------
    table : DataFrame
        A row per run, the content of `coordination.csv`: neighbours up to the first minimum
        of each pair distribution.
    pairs : dict
        Pair distributions by system and pair of elements.
    angles : dict of BondAngles
        O-Zr-O by system.
    """

    table: pd.DataFrame
    pairs: dict[str, dict[tuple[str, str], PairDistribution]]
    angles: dict[str, BondAngles]


def analyse_structures(campaign: Campaign) -> StructuralOrder:
    """Return distances, neighbours and angles in the compared runs."""
    rows, pairs, angles = [], {}, {}
    for run in campaign.compared_runs:
        trajectory = Trajectory(campaign.run_directory(run))
        frames = trajectory.thinned(FRAMES_FOR_PAIRS)
        species = trajectory.symbols.tolist()
        distributions = pair_distributions(frames, trajectory.cell, species, bin_width_A=0.05)
        pairs[run_label(run)] = distributions
        row = run_columns(run)
        for central, neighbour in COORDINATIONS:
            cutoff_A = first_minimum(distributions[central, neighbour])
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
        rows.append(row)
        angles[run_label(run)] = bond_angles(
            frames,
            trajectory.cell,
            species,
            central="Zr",
            neighbour="O",
            cutoff_A=row["Zr_O_cutoff_A"],
        )
    return StructuralOrder(pd.DataFrame(rows), pairs, angles)
