"""How far results on sites depend on the definition of a site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llzo_helpers.analysis.sites import (
    back_jumps,
    explored_positions,
    find_stays,
    hull_volume,
    jump_diffusion,
    jump_statistics,
)
from llzo_helpers.campaign.kept import frames_here, of_each
from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.campaign.settings import SiteSettings
from llzo_helpers.campaign.sites import (
    RunSites,
    find_sites,
    garnet_sites,
    garnet_types,
    vectors_of,
)
from llzo_helpers.md.trajectory import Trajectory


@dataclass(frozen=True)
class SensitivityPoint:
    """Results of one way to analyse a trajectory.

    Attributes
    ----------
    system
        Names what was analysed.
    method
        Names the clustering.
    assignment_threshold
        Minimum similarity.
    values, errors
        By quantity with its unit; an error may be missing.
    """

    system: str
    method: str
    assignment_threshold: float
    values: Mapping[str, float]
    errors: Mapping[str, float]


CHOICES: tuple[dict[str, Any], ...] = (
    {"seeded": True, "assignment_threshold": 0.7},
    {"seeded": True, "assignment_threshold": 0.8},
    {"seeded": True, "assignment_threshold": 0.9},
    {"clustering": "dotprod", "assignment_threshold": 0.7},
    {"clustering": "dotprod", "assignment_threshold": 0.8},
    {"clustering": "dotprod", "assignment_threshold": 0.9},
    {"clustering": "dotprod", "assignment_threshold": 0.8, "clustering_threshold": 0.45},
    {"clustering": "dotprod", "assignment_threshold": 0.8, "clustering_threshold": 0.6},
    {"clustering": "mcl", "assignment_threshold": 0.5},
    {"clustering": "mcl", "assignment_threshold": 0.6},
)
"""Ways to analyse a run that `sensitivity` compares: arguments of `landmark_analysis` that replace
those of the campaign; "seeded" takes the crystal's known sites."""


def sensitivity(
    system: RunSites,
    trajectory: Trajectory,
    settings: SiteSettings,
    choices: Sequence[dict[str, Any]] = CHOICES,
) -> list[SensitivityPoint]:
    """Analyse a crystal in several ways.

    Parameters
    ----------
    system
        From `llzo_helpers.campaign.site_analysis.analyse_sites`.
    trajectory
        The frames that it was found in.
    settings
        Of the campaign, for everything that `choices` leave open.
    choices
        Arguments of `landmark_analysis` for each analysis.
    """
    points = []
    cell, interval = trajectory.cell, trajectory.frame_interval_ps
    vectors = vectors_of(trajectory, settings, system.mobile)
    for choice in choices:
        changes = dict(choice)
        seeds = None
        if changes.pop("seeded", False) and isinstance(system.run, Run):
            seeds = garnet_sites(system.run, cell)
        sites = find_sites(vectors, cell, settings, seeds=seeds, **changes)
        stays = find_stays(
            sites.assignments, sites.n_sites, minimum_frames=system.minimum_stay_frames
        )
        statistics = jump_statistics(stays, interval)
        returns = back_jumps(stays)
        diffusion = jump_diffusion(stays, sites.centres, cell, interval)
        places = sites.centres if seeds is None else seeds
        kinds = garnet_types(places, cell, system.repeats[0])
        values = {"number of sites": float(sites.n_sites)}
        errors = {}
        for kind in ("24d", "48g"):
            name = f"residence time {kind} (ps)"
            values[name], errors[name] = statistics.pooled_residence_time_ps(kinds == kind)
        explored = explored_positions(trajectory, system.mobile, sites).displacements
        hulls = [
            np.nanmean([hull_volume(explored[site]) for site in np.flatnonzero(kinds == kind)])
            if (kinds == kind).any()
            else np.nan
            for kind in ("24d", "48g")
        ]
        values["accessible volume (all), 48g/24d"] = float(hulls[1] / hulls[0])
        values["back-jumps (%)"] = 100 * returns.fraction
        errors["back-jumps (%)"] = 100 * returns.standard_error
        name = "network D (10<sup>-5</sup> cm<sup>2</sup>/s)"
        values[name] = 1e5 * diffusion.D_cm2_s
        errors[name] = 1e5 * diffusion.D_std_cm2_s
        values["unassigned (%)"] = 100 * sites.unassigned_fraction
        method = choice.get("clustering", "known sites")
        if "clustering_threshold" in choice:
            method += f", joining at {choice['clustering_threshold']:g}"
        points.append(
            SensitivityPoint(system.title, method, choice["assignment_threshold"], values, errors)
        )
    return points


def sensitivities(campaign: Campaign, systems: Sequence[RunSites]) -> list[SensitivityPoint]:
    """Return `sensitivity` of several crystals of a campaign."""
    here = frames_here(campaign, [system.run for system in systems])
    found = of_each(campaign, "sensitivity", _sensitivity_of, systems, here)
    return [
        replace(point, system=system.title)
        for system, points in zip(systems, found, strict=True)
        for point in points
    ]


def _sensitivity_of(campaign: Campaign, system: RunSites) -> list[SensitivityPoint]:
    return sensitivity(system, campaign.trajectory(system.run, "jumps"), campaign.sites)
