"""Where the structures of a campaign lie between crystal, melt and glass."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from llzo_helpers.analysis.frames import Frames
from llzo_helpers.analysis.structure_map import (
    FRAMEWORK,
    CrystalReference,
    StructureMap,
    crystal_reference,
    groups_on_map,
    local_environments,
    structure_features,
    structure_map,
)
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.labels import glass_label, run_label
from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.campaign.parallel import on_all_cores
from llzo_helpers.campaign.tables import run_columns
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.paths import DATA

Environments = dict[str, FloatArray]
"""Local environments [frame, atom, feature] by element."""
FRAMES_FOR_MAP = 12
FRAMES_OF_QUENCH = 26
REFERENCE_POTENTIAL = "bush1994_woodley1999"
"""That made the frames of the reference."""
NEAR_EXPERIMENT = 0.02
"""Largest strain of volume of a crystal that is a reference of order."""


@dataclass(frozen=True)
class StructurePlaces:
    """Where the structures of a campaign and of the reference lie on one map.

    Attributes
    ----------
    of_map : StructureMap
        Made from the frames of the reference, `data/reference_structures.npz`.
    reference, systems : dict
        Scores [frame, component] by structure of the reference and by system.
    quenches : dict of tuple
        Scores [frame, component] and temperatures [frame], K, of the quench of the reference and
        of the quenches of the campaign's glasses.
    reference_distances, distances : dict
        Distance from the crystal [frame, atom] by element, then as above.
    groups : DataFrame
        Number of frames of each system (rows) in each group found without labels.
    table : DataFrame
        A row per run, the content of `order.csv`.
    """

    of_map: StructureMap
    reference: dict[str, FloatArray]
    systems: dict[str, FloatArray]
    quenches: dict[str, tuple[FloatArray, FloatArray]]
    reference_distances: dict[str, dict[str, FloatArray]]
    distances: dict[str, dict[str, FloatArray]]
    groups: pd.DataFrame
    table: pd.DataFrame


def place_structures(campaign: Campaign, *, n_groups: int = 6) -> StructurePlaces:
    """Place the structures of a campaign's runs on the map of the reference.

    All are compared at the experimental density, so that strain shows only through its effect on
    the arrangement of atoms. The distance is from the crystal that the run's own potential makes:
    that of the campaign nearest to the experimental volume, or for the classical potential without
    one the reference crystal, at 1100 K; NaN where there is none. Atoms farther away than 99 % of
    those in that crystal count as disordered.
    """
    reference = _Reference.read()
    runs = campaign.compared_runs
    found = on_all_cores(
        _environments_of,
        [campaign.run_directory(run) for run in runs],
        [reference.volume_per_atom] * len(runs),
    )
    systems = dict(zip(map(run_label, runs), found, strict=True))
    crystals = _crystals(runs, campaign, reference)
    of_map = structure_map(np.concatenate(list(_features(reference.environments).values())))
    quenched, temperatures = _campaign_quenches(campaign, reference.volume_per_atom)
    of_reference, of_systems, of_quenches = (
        {name: of_map.project(features) for name, features in _features(structures).items()}
        for structures in (reference.environments, systems, quenched)
    )
    groups = _groups(of_reference | of_quenches | of_systems, n_groups)
    quenches = {"quench": (of_reference.pop("quench"), reference.quench_temperatures)} | {
        name: (of_quenches[name], temperatures[name]) for name in of_quenches
    }
    return StructurePlaces(
        of_map=of_map,
        reference=of_reference,
        systems=of_systems,
        quenches=quenches,
        reference_distances={
            element: {
                name: reference.crystal.distance(element, found[element])
                for name, found in reference.environments.items()
            }
            for element in FRAMEWORK
        },
        distances={
            element: {
                run_label(run): crystals[run.md_potential].distance(
                    element, systems[run_label(run)][element]
                )
                for run in runs
                if run.md_potential in crystals
            }
            for element in FRAMEWORK
        },
        groups=groups,
        table=_order_table(runs, systems, crystals),
    )


def _environments_of(directory: Path, volume_per_atom: float) -> Environments:
    """Return the environments in some frames of a run."""
    trajectory = Trajectory(directory)
    frames = trajectory.thinned(FRAMES_FOR_MAP)
    return _environments(frames, trajectory.cell, trajectory.symbols.tolist(), volume_per_atom)


@dataclass(frozen=True)
class _Crystal:
    """The crystal of one potential, by element of the framework."""

    name: str
    references: dict[str, CrystalReference]
    limits: dict[str, float]
    """Distance that 99 % of its own atoms keep."""

    @classmethod
    def of(cls, name: str, environments: Environments) -> "_Crystal":
        references = {element: crystal_reference(environments[element]) for element in FRAMEWORK}
        limits = {
            element: float(np.quantile(found.distance(environments[element]), 0.99))
            for element, found in references.items()
        }
        return cls(name, references, limits)

    def distance(self, element: str, environments: FloatArray) -> FloatArray:
        return self.references[element].distance(environments)


def _crystals(runs: list[Run], campaign: Campaign, reference: "_Reference") -> dict[str, _Crystal]:
    """Return the crystal of each potential that there is one for."""
    crystals = {REFERENCE_POTENTIAL: reference.crystal}
    made = [run for run in runs if run.phase == "crystal"]
    for run in sorted(made, key=lambda run: -abs(run.structure.volume_ratio - 1)):
        # the nearest to the experimental volume comes last and stays
        if abs(run.structure.volume_ratio - 1) > NEAR_EXPERIMENT:
            continue
        trajectory = Trajectory(campaign.run_directory(run))
        # other frames than those that are compared with it
        frames = trajectory.thinned(2 * FRAMES_FOR_MAP + 1)[1::2]
        environments = _environments(
            frames, trajectory.cell, trajectory.symbols.tolist(), reference.volume_per_atom
        )
        crystals[run.md_potential] = _Crystal.of(run_label(run), environments)
    return crystals


def _campaign_quenches(
    campaign: Campaign, volume_per_atom: float
) -> tuple[dict[str, Environments], dict[str, FloatArray]]:
    """Return environments and temperatures along the quenches of the campaign's glasses."""
    environments: dict[str, Environments] = {}
    temperatures: dict[str, FloatArray] = {}
    for glass in campaign.glasses:
        directory = campaign.glass_directory(glass) / "quench"
        protocol = glass.melt_quench
        if not (directory / "summary.json").is_file() or protocol.quench_K_ps is None:
            continue
        trajectory = Trajectory(directory, "quench")
        frames = trajectory.thinned(FRAMES_OF_QUENCH)
        label = f"quench, {glass_label(glass)}"
        environments[label] = _environments(
            frames, trajectory.cell, trajectory.symbols.tolist(), volume_per_atom
        )
        temperatures[label] = np.linspace(
            protocol.hold_K, protocol.end_K, len(frames), dtype=np.float64
        )
    return environments, temperatures


def _features(environments: Mapping[str, Environments]) -> dict[str, FloatArray]:
    return {
        name: structure_features(list(by_element.values()))
        for name, by_element in environments.items()
    }


def _order_table(
    runs: list[Run], systems: Mapping[str, Environments], crystals: Mapping[str, _Crystal]
) -> pd.DataFrame:
    """Return a row per run, with the distance from the crystal of its own potential."""
    rows = []
    for run in runs:
        crystal = crystals.get(run.md_potential)
        row: dict[str, Any] = run_columns(run) | {"reference": crystal.name if crystal else None}
        for element in FRAMEWORK:
            row[f"{element}_distance_median"] = row[f"{element}_disordered"] = np.nan
            if crystal:
                distances = crystal.distance(element, systems[run_label(run)][element])
                row[f"{element}_distance_median"] = float(np.median(distances))
                row[f"{element}_disordered"] = float(np.mean(distances > crystal.limits[element]))
        rows.append(row)
    return pd.DataFrame(rows)


def _groups(scores: dict[str, FloatArray], n_groups: int) -> pd.DataFrame:
    """Return how many frames of each system fall into each group on the map."""
    groups = groups_on_map(np.concatenate(list(scores.values())), n_groups)
    names = np.repeat(list(scores), [len(points) for points in scores.values()])
    table = pd.crosstab(pd.Series(names, name="system"), pd.Series(groups + 1, name="group"))
    return table.loc[list(scores)]


_CRYSTAL = "crystal, 1100 K"
_REFERENCE_NAMES = {
    "crystal_300K": "crystal, 300 K",
    "crystal_1100K": _CRYSTAL,
    "compressed_86_1100K": "crystal, 86 %",
    "expanded_112_1100K": "crystal, 112 %",
    "expanded_117_1100K": "crystal, 117 %",
    "melt": "melt",
    "glass": "glass",
    "quench": "quench",
}


@dataclass(frozen=True)
class _Reference:
    """The frames of `data/reference_structures.npz`, as environments by system and element."""

    environments: dict[str, Environments]
    quench_temperatures: FloatArray
    volume_per_atom: float

    @cached_property
    def crystal(self) -> _Crystal:
        return _Crystal.of(_CRYSTAL, self.environments[_CRYSTAL])

    @classmethod
    def read(cls) -> "_Reference":
        with np.load(DATA / "reference_structures.npz", allow_pickle=False) as data:
            species = data["species"].tolist()
            volume = float(data["crystal_1100K_edge"]) ** 3 / len(species)
            return cls(
                environments={
                    label: _environments(
                        data[name], np.eye(3) * data[f"{name}_edge"], species, volume
                    )
                    for name, label in _REFERENCE_NAMES.items()
                },
                quench_temperatures=data["quench_temperature_K"].astype(float),
                volume_per_atom=volume,
            )


def _environments(
    frames: ArrayLike | Frames, cell: ArrayLike, species: list[str], volume_per_atom: float
) -> Environments:
    return {
        element: local_environments(
            frames, cell, species, central=element, volume_per_atom=volume_per_atom
        )
        for element in FRAMEWORK
    }
