"""Volumes of sites: the space left by the static framework, and the space that ions explore.

Static: the radical (power) Voronoi cell of a site between framework atoms and all other
sites, with the paper's radii; for comparison the hull of the oxygen polyhedron. Accessible:
the convex hull of the ions' positions while assigned to the site. A hull of samples grows with
their number without limit, so it is compared at a fixed number, with a bootstrap error; the
paper's hull of all samples and the hull of a central fraction are given as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyvoro2
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError

from llzo_helpers.analysis.frames import Frames, as_frames, frame_chunks
from llzo_helpers.analysis.periodic import (
    check_cutoff,
    checked_cell,
    nearest_image,
    reduced_cell,
)
from llzo_helpers.analysis.sites.analysis import UNASSIGNED, SiteAnalysis
from llzo_helpers.arguments import (
    check_number,
    check_whole,
    checked_mask,
    checked_points,
)
from llzo_helpers.arrays import BoolArray, FloatArray
from llzo_helpers.errors import InputError


def radical_voronoi_volumes(points: ArrayLike, radii: ArrayLike, cell: ArrayLike) -> FloatArray:
    """Return the volumes of the radical Voronoi cells of spheres in a periodic cell.

    The plane between two spheres is where the tangents to both are equally long. The cells
    fill space; a small sphere within large ones may get none (volume 0).

    Parameters
    ----------
    points : array_like, shape [point, axis]
        Å.
    radii : array_like, shape [point]
        Å.
    cell : array_like, shape [vector, axis]
        Å, of any shape.

    Returns
    -------
    ndarray, shape [point]
        Å3; they add up to the volume of the cell.

    Raises
    ------
    InputError
        Mismatched shapes, positions or radii that are not finite, negative radii, no point, or two
        at the same place.
    """
    cell = reduced_cell(cell)
    points, radii = checked_points("points", points), np.asarray(radii, dtype=float)
    if radii.shape != (len(points),) or not len(points):
        raise InputError(
            f"radii: shape {radii.shape} for points of shape {points.shape}; "
            "give points [point, axis] and one radius each"
        )
    if not np.all((radii >= 0) & np.isfinite(radii)):
        raise InputError("radii: negative or not finite; give lengths in Å")
    domain = pyvoro2.PeriodicCell(vectors=tuple(map(tuple, cell)))
    try:
        cells = pyvoro2.compute(
            points,
            domain=domain,
            mode="power",
            radii=radii,
            include_empty=True,
            return_vertices=False,
            return_adjacency=False,
            return_faces=False,
            output="cells",
        )
    except pyvoro2.DuplicateError as error:
        raise InputError(f"points: two at the same place ({error}); remove one") from None
    volumes = np.zeros(len(points))
    for voronoi_cell in cells:
        volumes[voronoi_cell["id"]] = voronoi_cell["volume"]
    return volumes


def static_site_volumes(
    centres: FloatArray,
    framework: FloatArray,
    framework_symbols: ArrayLike,
    cell: ArrayLike,
    *,
    ion: str,
    radii_A: Mapping[str, float],
) -> FloatArray:
    """Return the radical Voronoi volume of each site in the framework, all sites filled.

    Parameters
    ----------
    centres : ndarray, shape [site, axis]
        Å.
    framework : ndarray, shape [framework atom, axis]
        Å; for the static volume its mean positions.
    framework_symbols : array_like of str, shape [framework atom]
        Chemical symbols.
    cell : array_like, shape [vector, axis]
        Å.
    ion : str
        Species at the sites.
    radii_A : mapping of str to float
        Radius of each species, Å.

    Returns
    -------
    ndarray, shape [site]
        Å3.

    Raises
    ------
    InputError
        A species without a radius.
    """
    symbols = list(np.asarray(framework_symbols))
    missing = sorted({*symbols, ion} - set(radii_A))
    if missing:
        raise InputError(f"radii_A: none for {', '.join(missing)}; give it in Å")
    spheres = [radii_A[symbol] for symbol in symbols] + [radii_A[ion]] * len(centres)
    return radical_voronoi_volumes(np.concatenate([framework, centres]), spheres, cell)[
        len(framework) :
    ]


def polyhedron_volumes(
    centres: FloatArray, oxygens: FloatArray, cell: ArrayLike, *, cutoff: float = 2.9
) -> FloatArray:
    """Return the volume of the hull of the oxygens around each site.

    Parameters
    ----------
    centres : ndarray, shape [site, axis]
        Å.
    oxygens : ndarray, shape [oxygen, axis]
        Å.
    cell : array_like, shape [vector, axis]
        Å.
    cutoff : float
        Largest distance of an oxygen that belongs to the polyhedron, Å.

    Returns
    -------
    ndarray, shape [site]
        Å3; NaN for a site with fewer than four oxygens.

    Raises
    ------
    InputError
        Positions that are not finite, or a cell so flat or small that an oxygen may have two
        images within the cutoff.
    """
    centres, oxygens = checked_points("centres", centres), checked_points("oxygens", oxygens)
    check_cutoff(cutoff, checked_cell(cell))
    bonds = nearest_image(oxygens[None] - centres[:, None], checked_cell(cell))
    near = np.linalg.norm(bonds, axis=2) < cutoff
    return np.array([hull_volume(bonds[site, near[site]]) for site in range(len(centres))])


@dataclass(frozen=True)
class ExploredPositions:
    """Positions of ions while at each site, relative to its centre.

    Attributes
    ----------
    displacements : tuple of ndarray of float32, shape [sample, axis]
        One array per site, in the order of frames, Å.
    """

    displacements: tuple[NDArray[np.float32], ...]


def explored_positions(
    positions: ArrayLike | Frames, mobile: BoolArray, analysis: SiteAnalysis
) -> ExploredPositions:
    """Gather the positions of the ions at each site, from the trajectory that was analysed.

    Parameters
    ----------
    positions : array_like, shape [frame, atom, axis], or Frames
        As given to `landmark_analysis`.
    mobile : ndarray of bool, shape [atom]
        As given to `landmark_analysis`.
    analysis : SiteAnalysis
        Its result.

    Raises
    ------
    InputError
        Not the mask or not the frames that were analysed.
    """
    mobile, frames = checked_mask(mobile), as_frames(positions)
    given, analysed = (len(frames), int(mobile.sum())), analysis.assignments.shape
    if given != analysed:
        raise InputError(
            f"positions: {given[0]} frames of {given[1]} ions; give the {analysed[0]} frames of "
            f"{analysed[1]} ions that were analysed"
        )
    sites, displacements = [], []
    start = 0
    for chunk in frame_chunks(frames, len(mobile)):
        assignments = analysis.assignments[start : start + len(chunk)]
        assigned = assignments != UNASSIGNED
        site = assignments[assigned]
        ions = chunk[:, mobile][assigned]
        sites.append(site)
        from_centres = ions - analysis.centres[site]
        displacements.append(
            nearest_image(from_centres, analysis.cell, however_long=True).astype(np.float32)
        )
        start += len(chunk)
    site = np.concatenate(sites)
    order = np.argsort(site, kind="stable")
    bounds = np.cumsum(np.bincount(site, minlength=analysis.n_sites))[:-1]
    return ExploredPositions(tuple(np.split(np.concatenate(displacements)[order], bounds)))


@dataclass(frozen=True)
class AccessibleVolumes:
    """Volumes explored by ions at each site, Å3 [site].

    Attributes
    ----------
    fixed_samples : ndarray
        Mean hull of `n_samples` random samples; NaN where a site has fewer.
    standard_error : ndarray
        Bootstrap error of `fixed_samples`, by blocks of consecutive samples.
    central_fraction : ndarray
        Hull of the `fraction` of samples that are closest to the centre, in units of their
        spread.
    all_samples : ndarray
        Hull of all samples, the paper's accessible volume; it grows with the run's length.
    n_samples : int
    fraction : float
    """

    fixed_samples: FloatArray
    standard_error: FloatArray
    central_fraction: FloatArray
    all_samples: FloatArray
    n_samples: int
    fraction: float


_RESAMPLED_DRAWS = 4
"""Hulls of each resampled run: the error needs no more."""


def accessible_volumes(
    explored: ExploredPositions,
    *,
    n_samples: int = 300,
    fraction: float = 0.9,
    n_draws: int = 20,
    n_blocks: int = 10,
    seed: int = 0,
) -> AccessibleVolumes:
    """Return the volumes of the hulls of explored positions.

    Parameters
    ----------
    explored : ExploredPositions
        From `explored_positions`.
    n_samples : int
        Number of samples in each hull, the same for all sites.
    fraction : float
        Fraction of samples for the central hull.
    n_draws : int
        Random draws to average over, and bootstrap resamplings for the error.
    n_blocks : int
        Blocks of consecutive samples for the bootstrap: neighbouring frames are correlated.
    seed : int
        Of the random draws.

    Raises
    ------
    InputError
        Fewer than five samples, two draws or two blocks, or a fraction out of range.
    """
    check_whole("n_samples", n_samples, "positions in each hull", low=5, high=10**9)
    check_number("fraction", fraction, "a fraction of the positions", low=0.01, high=1)
    # one draw or block has no spread
    check_whole("n_draws", n_draws, "a number of draws", low=2, high=10**6)
    check_whole("n_blocks", n_blocks, "a number of blocks", low=2, high=10**6)
    rng = np.random.default_rng(seed)

    def drawn_hulls(samples: NDArray[np.float32], draws: int) -> FloatArray:
        chosen = (rng.choice(len(samples), n_samples, replace=False) for _ in range(draws))
        return np.array([hull_volume(samples[index]) for index in chosen])

    n_sites = len(explored.displacements)
    fixed, error = np.full(n_sites, np.nan), np.full(n_sites, np.nan)
    central, everything = np.full(n_sites, np.nan), np.full(n_sites, np.nan)
    for site, samples in enumerate(explored.displacements):
        everything[site] = hull_volume(samples)
        central[site] = hull_volume(_central(samples, fraction))
        if len(samples) < n_samples:
            continue
        drawn = drawn_hulls(samples, n_draws)
        fixed[site] = drawn.mean()
        blocks = np.array_split(samples, n_blocks)
        resampled = [
            np.concatenate([blocks[block] for block in rng.integers(n_blocks, size=n_blocks)])
            for _ in range(n_draws)
        ]
        hulls = [
            drawn_hulls(sample, _RESAMPLED_DRAWS).mean()
            for sample in resampled
            if len(sample) >= n_samples
        ]
        if len(hulls) > 1:
            # means of few hulls vary by which positions were drawn, too, more than that of all
            drawing = drawn.var(ddof=1)
            between = max(np.var(hulls, ddof=1) - drawing / _RESAMPLED_DRAWS, 0.0)
            error[site] = np.sqrt(between + drawing / n_draws)
    return AccessibleVolumes(fixed, error, central, everything, n_samples, fraction)


def _central(samples: NDArray[np.float32], fraction: float) -> NDArray[np.float32]:
    """Return the fraction of samples [sample, axis] of least Mahalanobis distance."""
    if len(samples) < 5:
        return samples
    centred = samples - samples.mean(axis=0)
    metric = np.linalg.pinv(np.cov(centred.T))
    distance = np.einsum("si,ij,sj->s", centred, metric, centred)
    return np.asarray(samples[distance <= np.quantile(distance, fraction)])


def hull_volume(points: NDArray[np.floating]) -> float:
    """Return the volume of the hull of points [point, axis]; NaN for fewer than 4 or flat ones."""
    if len(points) < 4:
        return np.nan
    try:
        return float(ConvexHull(points).volume)
    except QhullError:
        return np.nan
