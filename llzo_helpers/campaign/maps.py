"""Where the structures of a campaign lie between crystal, melt and glass."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    the arrangement of atoms. The distance is from the reference crystal at 1100 K; atoms farther
    away than 99 % of those in that crystal count as disordered.
    """
    reference = _Reference.read()
    runs = campaign.compared_runs
    found = on_all_cores(
        _environments_of,
        [campaign.run_directory(run) for run in runs],
        [reference.volume_per_atom] * len(runs),
    )
    systems = dict(zip(map(run_label, runs), found, strict=True))
    of_map = structure_map(np.concatenate(list(_features(reference.environments).values())))
    crystals = {
        element: crystal_reference(reference.environments[_CRYSTAL][element])
        for element in FRAMEWORK
    }
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
        reference_distances=_distances(crystals, reference.environments),
        distances=_distances(crystals, systems),
        groups=groups,
        table=_order_table(
            runs,
            _distances(crystals, {_CRYSTAL: reference.environments[_CRYSTAL]}),
            _distances(crystals, systems),
        ),
    )


def _environments_of(directory: Path, volume_per_atom: float) -> Environments:
    """Return the environments in some frames of a run."""
    trajectory = Trajectory(directory)
    frames = trajectory.thinned(FRAMES_FOR_MAP)
    return _environments(frames, trajectory.cell, trajectory.symbols.tolist(), volume_per_atom)


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


def _distances(
    crystals: Mapping[str, CrystalReference], environments: Mapping[str, Environments]
) -> dict[str, dict[str, FloatArray]]:
    return {
        element: {
            name: crystal.distance(by_element[element]) for name, by_element in environments.items()
        }
        for element, crystal in crystals.items()
    }


def _order_table(
    runs: list[Run],
    reference: dict[str, dict[str, FloatArray]],
    systems: dict[str, dict[str, FloatArray]],
) -> pd.DataFrame:
    """Return a row per run; distances are by element and system."""
    rows = []
    for run in runs:
        row: dict[str, Any] = run_columns(run)
        for element in FRAMEWORK:
            distances = systems[element][run_label(run)]
            ordered = np.quantile(reference[element][_CRYSTAL], 0.99)
            row[f"{element}_distance_median"] = float(np.median(distances))
            row[f"{element}_disordered"] = float(np.mean(distances > ordered))
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
