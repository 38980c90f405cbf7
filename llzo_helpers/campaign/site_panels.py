"""The data of each run that the figures of sites show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.analysis.sites import (
    SuperbasinScan,
    Surface,
    Survival,
    isosurface,
    kaplan_meier,
    superbasin_scan,
    value_of_nearest_site,
)
from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.model import Run
from llzo_helpers.campaign.sites import RunSites


@dataclass(frozen=True)
class DensityPanel:
    """One system of Figure 2.

    Attributes
    ----------
    title : str
        Names the system.
    surface : Surface
        Isosurface of the probability density.
    residence_time_ps : ndarray, shape [vertex]
        Of the site nearest to each vertex, ps.
    cell : ndarray, shape [vector, axis]
        Cell of the density, Å.
    relative_level : float
        Density at the surface, divided by the mean density of the ions.
    """

    title: str
    surface: Surface
    residence_time_ps: FloatArray
    cell: FloatArray
    relative_level: float


@dataclass(frozen=True)
class VolumePanel:
    """One system of a figure of site volumes.

    Attributes
    ----------
    title
        Names the system.
    volumes
        Å3, [site]; NaN is left out.
    residence_time_ps
        ps, [site]; infinite where no ion was seen to leave.
    types
        Kind of each site, [site]; frequent kinds are labelled at their mean volume.
    """

    title: str
    volumes: FloatArray
    residence_time_ps: FloatArray
    types: NDArray[np.str_]


def density_panel(system: RunSites, *, relative_level: float = 4.0) -> DensityPanel:
    """Return a run's panel of Figure 2.

    Parameters
    ----------
    system
        From `llzo_helpers.campaign.site_analysis.analyse_sites`.
    relative_level
        Density at the isosurface, divided by the mean density of the ions.
    """
    density = system.density
    surface = isosurface(density, relative_level * float(density.values.mean()))
    times = value_of_nearest_site(
        surface.vertices,
        system.analysis.centres,
        system.statistics.residence_time_ps,
        system.analysis.cell,
        repeats=system.repeats,
    )
    return DensityPanel(system.title, surface, times, density.cell, relative_level)


def volume_panels(systems: Sequence[RunSites], *, accessible: bool) -> list[VolumePanel]:
    """Return the panels of Figure 5 (accessible volumes) or Figure 4 (static volumes).

    Of the systems that have such volumes.
    """
    panels = [
        VolumePanel(
            title=system.title,
            volumes=system.accessible.fixed_samples if accessible else system.static_volume,
            residence_time_ps=system.statistics.residence_time_ps,
            types=system.kinds,
        )
        for system in systems
    ]
    return [panel for panel in panels if np.isfinite(panel.volumes).any()]


def survival_curves(systems: Sequence[RunSites]) -> dict[str, dict[str, Survival]]:
    """Return the survival of stays at the frequent kinds of site of each run."""
    curves: dict[str, dict[str, Survival]] = {}
    for system in systems:
        arrived = np.zeros(system.analysis.n_sites, dtype=bool)
        arrived[system.stays.site[system.stays.previous >= 0]] = True
        curves[system.title] = {
            kind: kaplan_meier(system.stays, system.frame_interval_ps, system.kinds == kind)
            for kind in system.kind_names
            if arrived[system.kinds == kind].any()
        }
    return curves


def superbasin_scans(systems: Sequence[RunSites]) -> dict[str, SuperbasinScan]:
    """Return the scan of each run."""
    return {system.title: superbasin_scan(system.network) for system in systems}


def nearest_crystals(systems: Sequence[RunSites], volume_ratios: Sequence[float]) -> list[RunSites]:
    """Return the crystals with volumes closest to some volume ratios, without duplicates."""
    volume_of = {
        index: system.run.structure.volume_ratio
        for index, system in enumerate(systems)
        if isinstance(system.run, Run) and system.run.phase == "crystal"
    }
    if not volume_of:
        return []
    crystals = [systems[index] for index in volume_of]
    volumes = np.array(list(volume_of.values()))
    nearest = [int(np.abs(volumes - ratio).argmin()) for ratio in volume_ratios]
    return [crystals[index] for index in dict.fromkeys(nearest)]
