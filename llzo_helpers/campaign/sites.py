"""The sites of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.analysis.periodic import nearest_image
from llzo_helpers.analysis.sites import (
    UNASSIGNED,
    AccessibleVolumes,
    BackJumps,
    JumpDiffusion,
    JumpStatistics,
    LandmarkVectors,
    ProbabilityDensity,
    SiteAnalysis,
    Stays,
    accessible_volumes,
    back_jumps,
    coordination_types,
    explored_positions,
    find_stays,
    jump_diffusion,
    jump_statistics,
    oxygen_coordination,
    polyhedron_volumes,
    probability_density,
    site_network,
    sites_of_vectors,
    static_site_volumes,
    wyckoff_positions,
    wyckoff_types,
)
from llzo_helpers.arrays import BoolArray, FloatArray, IntArray
from llzo_helpers.campaign.framework import FrameworkState, run_framework
from llzo_helpers.campaign.labels import run_label
from llzo_helpers.campaign.model import AnyRun, Run
from llzo_helpers.campaign.settings import SiteSettings
from llzo_helpers.files import sha256
from llzo_helpers.garnet import LI_SITES, SITE_RADII_A, SPACE_GROUP
from llzo_helpers.md.trajectory import Trajectory

DENSITY_SPACING_A, DENSITY_SMOOTHING_A = 0.35, 0.25
FRAMEWORK_WINDOW_PS = 2.5
"""Time over which the vibration of the framework averages out."""


@dataclass(frozen=True)
class DefinitionRanges:
    """Smallest and largest values over definitions, see `ranges_over_definitions`.

    Attributes
    ----------
    back_jumps
        Fraction of jumps that the next jump of the ion reverses.
    residence_ps
        Residence time of the sites of each kind, by its name, ps.
    """

    back_jumps: tuple[float, float]
    residence_ps: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class RunSites:
    """The site analysis of one run; times in ps, lengths in Å."""

    run: AnyRun
    title: str
    """Name of the run for figures, with what became of its framework if that is unexpected."""
    framework: FrameworkState
    symbols: NDArray[np.str_]
    """Of all atoms, [atom]."""
    frame_interval_ps: float
    files: dict[str, str]
    """The SHA-256 of each file that the frames came from."""
    analysis: SiteAnalysis
    certainty: FloatArray
    """Mean similarity of the ions at each site to it, 0 to 1 [site]."""
    seeded: bool
    """Whether the sites are the garnet's known ones; else they are clusters."""
    minimum_stay_frames: int
    """Shorter stays count as spent at the site before."""
    statistics: JumpStatistics
    returns: BackJumps
    ranges: DefinitionRanges
    """By other sensible definitions."""
    coordination: IntArray
    kinds: NDArray[np.str_]
    """Wyckoff position of each site in a garnet, else its coordination."""
    static_volume: FloatArray
    """NaN where the radii of the elements are not known."""
    polyhedron_volume: FloatArray
    accessible: AccessibleVolumes
    diffusion: JumpDiffusion
    density: ProbabilityDensity
    """Of the ions; in an intact garnet, folded into one cell of the crystal."""

    @cached_property
    def network(self) -> "nx.DiGraph[int]":
        """The sites and the jumps between them, see `site_network`."""
        return site_network(
            self.analysis.centres,
            self.analysis.cell,
            self.statistics,
            {"kind": self.kinds.tolist(), "static_volume": self.static_volume.tolist()},
        )

    @cached_property
    def stays(self) -> Stays:
        """Of the ions, from their assignments."""
        return find_stays(
            self.analysis.assignments,
            self.analysis.n_sites,
            minimum_frames=self.minimum_stay_frames,
        )

    @property
    def mobile(self) -> BoolArray:
        """Which atoms are the ions, [atom]."""
        return np.isin(self.symbols, self.run.mobile)

    @property
    def name(self) -> str:
        """That of the run."""
        return self.run.name

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.analysis.assignments)

    @property
    def repeats(self) -> tuple[int, int, int]:
        """Cells of the crystal along each vector; one without a crystal."""
        return crystal_cells(self.run, self.framework)

    @property
    def kind_names(self) -> list[str]:
        """Kinds of at least a tenth of the sites, in alphabetical order."""
        names, count = np.unique(self.kinds, return_counts=True)
        return [str(name) for name in names[count >= 0.1 * len(self.kinds)]]


def crystal_cells(run: AnyRun, framework: FrameworkState) -> tuple[int, int, int]:
    """Return the cells of a run's crystal along each vector; one without a crystal."""
    if isinstance(run, Run) and framework.garnet_stands:
        return (run.structure.supercell,) * 3
    return (1, 1, 1)


def analyse_run(run: AnyRun, trajectory: Trajectory, settings: SiteSettings) -> RunSites:
    """Find sites, jumps, volumes and the network of one run.

    Parameters
    ----------
    run
        What the trajectory is of.
    trajectory
        Frames close enough together to see each jump.
    settings
        Of the campaign.

    Raises
    ------
    InputError
        If the run can't be analysed, see `llzo_helpers.analysis.sites.landmark_analysis`.
    """
    mobile = np.isin(trajectory.symbols, run.mobile)
    cell, interval = trajectory.cell, trajectory.frame_interval_ps
    framework = run_framework(run, trajectory)
    seeded = framework.garnet_stands and settings.crystal_sites == "seeded"
    seeds = garnet_sites(run, cell) if seeded and isinstance(run, Run) else None
    vectors = vectors_of(trajectory, settings, mobile)
    sites = find_sites(vectors, cell, settings, seeds=seeds)
    surroundings = Surroundings(
        sites, trajectory.symbols[~mobile], run.mobile, settings.coordination_cutoff_A
    )
    coordination = surroundings.coordination()
    kinds = coordination_types(coordination)
    if isinstance(run, Run) and framework.garnet_stands:
        # a seeded site is what its seed is, however far an expanded crystal draws its centre
        places = sites.centres if seeds is None else seeds
        kinds = garnet_types(places, cell, run.structure.supercell)
    minimum_frames = max(1, round(settings.minimum_stay_ps / interval))
    stays = find_stays(sites.assignments, sites.n_sites, minimum_frames=minimum_frames)
    statistics = jump_statistics(stays, interval)
    explored = explored_positions(trajectory, mobile, sites)
    return RunSites(
        run=run,
        title=run_label(run) + framework.mark,
        framework=framework,
        symbols=trajectory.symbols,
        frame_interval_ps=interval,
        files={path.name: sha256(path) for path in trajectory.files},
        analysis=sites,
        certainty=sites.certainty,
        seeded=seeded,
        minimum_stay_frames=minimum_frames,
        statistics=statistics,
        returns=back_jumps(stays),
        ranges=ranges_over_definitions(
            sites.assignments,
            sites.confidences,
            find_sites(
                vectors,
                cell,
                settings,
                seeds=seeds,
                assignment_threshold=settings.assignment_threshold - THRESHOLD_STEP,
            ).assignments,
            settings.assignment_threshold + THRESHOLD_STEP,
            kinds,
            interval,
            minimum_frames,
        ),
        coordination=coordination,
        kinds=kinds,
        static_volume=surroundings.static_volumes(),
        polyhedron_volume=surroundings.polyhedron_volumes(),
        accessible=accessible_volumes(explored, n_samples=settings.hull_samples),
        diffusion=jump_diffusion(stays, sites.centres, cell, interval),
        density=probability_density(
            trajectory,
            cell,
            mobile,
            spacing=DENSITY_SPACING_A,
            repeats=crystal_cells(run, framework),
            smoothing=DENSITY_SMOOTHING_A,
        ),
    )


THRESHOLD_STEP = 0.1
"""From a threshold of assignment to others that are as sensible."""


def ranges_over_definitions(
    assignments: NDArray[np.integer],
    confidences: NDArray[np.floating],
    lower: NDArray[np.integer],
    higher_threshold: float,
    kinds: NDArray[np.str_],
    frame_interval_ps: float,
    minimum_stay_frames: int,
) -> DefinitionRanges:
    """Return the smallest and largest values over definitions, one changed at a time.

    The threshold of assignment (0.1 less, as given, 0.1 more), the minimum stay that counts (as
    given, two and four times as long), and the interval between frames (as given, two and four
    times as long, the minimum stay being the same time). What is reported, everything as given, is
    one of them.

    Parameters
    ----------
    assignments, confidences : ndarray, shape [frame, ion]
        As analysed.
    lower : ndarray of int, shape [frame, ion]
        Assignments with a threshold lower by `THRESHOLD_STEP`.
    higher_threshold : float
        The other one.
    kinds : ndarray of str, shape [site]
        Of the sites.
    frame_interval_ps : float
        Time between frames, ps.
    minimum_stay_frames : int
        The minimum stay, in frames.
    """
    least = minimum_stay_frames
    higher = np.where(confidences >= higher_threshold, assignments, UNASSIGNED)
    variants = [(assignments, least, 1), (lower, least, 1), (higher, least, 1)]
    variants += [(assignments, factor * least, 1) for factor in (2, 4)]
    variants += [(assignments[::step], max(1, round(least / step)), step) for step in (2, 4)]
    fractions: list[float] = []
    times: dict[str, list[float]] = {str(kind): [] for kind in np.unique(kinds)}
    for sites, frames, step in variants:
        n_sites = int(sites.max(initial=0)) + 1
        stays = find_stays(sites, max(n_sites, len(kinds)), minimum_frames=frames)
        fractions.append(back_jumps(stays, n_bootstrap=2).fraction)
        if n_sites > len(kinds):
            # with another threshold, clusters may be other sites
            continue
        statistics = jump_statistics(stays, step * frame_interval_ps)
        for kind, values in times.items():
            values.append(statistics.pooled_residence_time_ps(kinds == kind)[0])
    return DefinitionRanges(
        _range(fractions), {kind: _range(values) for kind, values in times.items()}
    )


def _range(values: list[float]) -> tuple[float, float]:
    if np.isnan(values).all():
        return np.nan, np.nan
    return float(np.nanmin(values)), float(np.nanmax(values))


_LITHIUM_OXYGEN_CUTOFF_A = 2.9
"""See `oxygen_coordination`."""
_SHELL = 1.25
"""Elsewhere: largest distance of a neighbour, relative to the usual one of the nearest."""


@dataclass(frozen=True)
class Surroundings:
    """What the framework around sites is like: means over the epochs in which they exist."""

    sites: SiteAnalysis
    symbols: NDArray[np.str_]
    mobile: list[str]
    cutoff_A: float | None
    """Of neighbours, Å; None takes the usual one."""

    def coordination(self) -> IntArray:
        """Number of neighbours of each site [site]."""
        element, cutoff = self.neighbours
        counts = self._over_epochs(
            lambda centres, framework: oxygen_coordination(
                centres, framework[self.symbols == element], self.sites.cell, cutoff=cutoff
            ).astype(float)
        )
        return np.round(counts).astype(int)

    def polyhedron_volumes(self) -> FloatArray:
        """Volume of the hull of the neighbours of each site, Å3 [site]."""
        element, cutoff = self.neighbours
        return self._over_epochs(
            lambda centres, framework: polyhedron_volumes(
                centres, framework[self.symbols == element], self.sites.cell, cutoff=cutoff
            )
        )

    def static_volumes(self) -> FloatArray:
        """Radical Voronoi volume of each site, Å3 [site]; NaN where radii are not known."""
        known = {*self.symbols.tolist(), *self.mobile} <= set(SITE_RADII_A)
        if len(self.mobile) != 1 or not known:
            return np.full(self.sites.n_sites, np.nan)
        return self._over_epochs(
            lambda centres, framework: static_site_volumes(
                centres,
                framework,
                self.symbols,
                self.sites.cell,
                ion=self.mobile[0],
                radii_A=SITE_RADII_A,
            )
        )

    @cached_property
    def neighbours(self) -> tuple[str, float]:
        """The element that counts for coordination, and up to which distance, Å.

        In an oxide oxygen; else the element that is nearest to the sites.
        """
        nearest = {}
        for element in np.unique(self.symbols).tolist():
            atoms = self.sites.framework[self.symbols == element]
            bonds = nearest_image(atoms[None] - self.sites.centres[:, None], self.sites.cell)
            nearest[element] = float(np.median(np.linalg.norm(bonds, axis=2).min(axis=1)))
        element = "O" if "O" in nearest else min(nearest, key=lambda name: nearest[name])
        cutoff_A = self.cutoff_A
        if cutoff_A is None and (*self.mobile, element) == ("Li", "O"):
            cutoff_A = _LITHIUM_OXYGEN_CUTOFF_A
        return element, cutoff_A or _SHELL * nearest[element]

    def _over_epochs(self, measure: Callable[[FloatArray, FloatArray], FloatArray]) -> FloatArray:
        """Return the mean over time of what is measured of centres and framework [site]."""
        total, weight = np.zeros(self.sites.n_sites), np.zeros(self.sites.n_sites)
        for epoch, exists in zip(self.sites.epochs, self.sites.exists, strict=True):
            values = np.full(self.sites.n_sites, np.nan)
            values[exists] = measure(self.sites.centres[exists], epoch.positions)
            there = np.isfinite(values)
            total[there] += len(epoch) * values[there]
            weight[there] += len(epoch)
        with np.errstate(invalid="ignore"):
            return np.asarray(total / weight)


def vectors_of(
    trajectory: Trajectory, settings: SiteSettings, mobile: BoolArray
) -> LandmarkVectors:
    """Return the landmark vectors of a trajectory, with the campaign's settings."""
    return LandmarkVectors.of_trajectory(
        trajectory,
        trajectory.cell,
        mobile,
        place_distance_A=settings.place_distance_A,
        window_frames=max(1, round(FRAMEWORK_WINDOW_PS / trajectory.frame_interval_ps)),
    )


def find_sites(
    vectors: LandmarkVectors, cell: FloatArray, settings: SiteSettings, **changes: Any
) -> SiteAnalysis:
    """Return the sites of a trajectory, with the campaign's settings except for `changes`."""
    return sites_of_vectors(
        vectors,
        cell,
        **{
            "clustering": settings.clustering,
            "clustering_threshold": settings.clustering_threshold,
            "assignment_threshold": settings.assignment_threshold,
            **changes,
        },
    )


def garnet_sites(run: Run, cell: ArrayLike) -> FloatArray:
    """Return the garnet's 24d and 48g positions in the cell of a run, Å, [site, axis]."""
    repeats = (run.structure.supercell,) * 3
    fractions, _ = wyckoff_positions(SPACE_GROUP, LI_SITES, repeats)
    return fractions @ np.asarray(cell, dtype=float)


def garnet_types(centres: FloatArray, cell: ArrayLike, supercell: int) -> NDArray[np.str_]:
    """Name lithium sites of the garnet: "24d", "48g" or "other", [site]."""
    repeats = (supercell,) * 3
    return wyckoff_types(
        centres, cell, space_group=SPACE_GROUP, positions=LI_SITES, repeats=repeats
    )
