"""Where the structures of a campaign lie between crystal, melt and glass."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
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
from llzo_helpers.campaign.kept import has_frames, of_each, of_each_run
from llzo_helpers.campaign.labels import glass_label, run_label
from llzo_helpers.campaign.model import AnyRun, Campaign, Run
from llzo_helpers.campaign.tables import run_columns
from llzo_helpers.generate.settings import Glass
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
    crystals = _crystals(campaign, runs, reference)
    found = of_each_run(
        campaign,
        "place",
        partial(_place, volume_per_atom=reference.volume_per_atom, crystals=crystals),
        runs,
    )
    places = dict(zip(map(run_label, runs), found, strict=True))
    of_map = structure_map(np.concatenate(list(_features(reference.environments).values())))
    quenched, temperatures = _campaign_quenches(campaign, reference.volume_per_atom)
    of_reference, of_systems, of_quenches = (
        {name: of_map.project(features) for name, features in structures.items()}
        for structures in (
            _features(reference.environments),
            {name: place.features for name, place in places.items()},
            quenched,
        )
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
                name: reference.crystal.distance(element, environments[element])
                for name, environments in reference.environments.items()
            }
            for element in FRAMEWORK
        },
        distances={
            element: {
                name: place.distances[element]
                for name, place in places.items()
                if element in place.distances
            }
            for element in FRAMEWORK
        },
        groups=groups,
        table=_order_table(runs, places, crystals),
    )


@dataclass(frozen=True)
class _Place:
    """Where one structure lies."""

    features: FloatArray
    """[frame, feature]"""
    distances: dict[str, FloatArray]
    """From the crystal of its potential [frame, atom], by element; empty if there is none."""


def _place(
    campaign: Campaign, run: AnyRun, *, volume_per_atom: float, crystals: Mapping[str, "_Crystal"]
) -> _Place:
    trajectory = campaign.trajectory(run)
    environments = _environments(
        trajectory.thinned(FRAMES_FOR_MAP),
        trajectory.cell,
        trajectory.symbols.tolist(),
        volume_per_atom,
    )
    crystal = crystals.get(run.md_potential) if isinstance(run, Run) else None
    return _Place(
        features=structure_features(list(environments.values())),
        distances={
            element: crystal.distance(element, of_element)
            for element, of_element in environments.items()
        }
        if crystal
        else {},
    )


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


def _crystals(campaign: Campaign, runs: list[Run], reference: "_Reference") -> dict[str, _Crystal]:
    """Return the crystal of each potential that there is one for."""
    nearest: dict[str, Run] = {}
    for run in runs:
        if run.phase == "crystal" and _strain(run) <= NEAR_EXPERIMENT:
            known = nearest.setdefault(run.md_potential, run)
            nearest[run.md_potential] = min(known, run, key=_strain)
    found = of_each_run(
        campaign,
        "crystal",
        partial(_crystal_of_run, volume_per_atom=reference.volume_per_atom),
        list(nearest.values()),
    )
    return {REFERENCE_POTENTIAL: reference.crystal, **dict(zip(nearest, found, strict=True))}


def _strain(run: Run) -> float:
    return abs(run.structure.volume_ratio - 1)


def _crystal_of_run(campaign: Campaign, run: AnyRun, *, volume_per_atom: float) -> _Crystal:
    """Return the crystal of a run, from other frames than those that are compared with it."""
    trajectory = campaign.trajectory(run)
    frames = trajectory.thinned(2 * FRAMES_FOR_MAP + 1)[1::2]
    species = trajectory.symbols.tolist()
    return _Crystal.of(
        run_label(run), _environments(frames, trajectory.cell, species, volume_per_atom)
    )


def _campaign_quenches(
    campaign: Campaign, volume_per_atom: float
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Return features and temperatures along the quenches of the campaign's glasses."""
    glasses = [
        glass
        for glass in campaign.glasses
        if (campaign.glass_directory(glass) / "quench" / "summary.json").is_file()
        and glass.melt_quench.quench_K_ps is not None
    ]
    found = of_each(
        campaign,
        "quench",
        partial(_features_of_quench, volume_per_atom=volume_per_atom),
        glasses,
        [has_frames(campaign.glass_directory(glass) / "quench") for glass in glasses],
    )
    labels = [f"quench, {glass_label(glass)}" for glass in glasses]
    temperatures = [
        np.linspace(
            glass.melt_quench.hold_K, glass.melt_quench.end_K, len(features), dtype=np.float64
        )
        for glass, features in zip(glasses, found, strict=True)
    ]
    return dict(zip(labels, found, strict=True)), dict(zip(labels, temperatures, strict=True))


def _features_of_quench(campaign: Campaign, glass: Glass, *, volume_per_atom: float) -> FloatArray:
    """Return the features of structures along a quench [frame, feature]."""
    trajectory = Trajectory(campaign.glass_directory(glass) / "quench", "quench")
    environments = _environments(
        trajectory.thinned(FRAMES_OF_QUENCH),
        trajectory.cell,
        trajectory.symbols.tolist(),
        volume_per_atom,
    )
    return structure_features(list(environments.values()))


def _features(environments: Mapping[str, Environments]) -> dict[str, FloatArray]:
    return {
        name: structure_features(list(by_element.values()))
        for name, by_element in environments.items()
    }


def _order_table(
    runs: list[Run], places: Mapping[str, _Place], crystals: Mapping[str, _Crystal]
) -> pd.DataFrame:
    """Return a row per run, with the distance from the crystal of its own potential."""
    rows = []
    for run in runs:
        crystal = crystals.get(run.md_potential)
        row: dict[str, Any] = run_columns(run) | {"reference": crystal.name if crystal else None}
        for element in FRAMEWORK:
            row[f"{element}_distance_median"] = row[f"{element}_disordered"] = np.nan
            if crystal:
                distances = places[run_label(run)].distances[element]
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
