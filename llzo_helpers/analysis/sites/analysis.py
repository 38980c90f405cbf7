"""Landmark analysis: from a trajectory to sites, and to the site of each ion in each frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from llzo_helpers.analysis.frames import CHUNK_FRAMES, Frames, as_frames
from llzo_helpers.analysis.periodic import checked_cell, nearest_image
from llzo_helpers.analysis.sites._sitator import run_sitator
from llzo_helpers.analysis.sites.clustering import assign, leader_clustering, markov_clustering
from llzo_helpers.analysis.sites.landmarks import (
    Landmarks,
    LandmarkVectors,
    average_framework,
    voronoi_landmarks,
)
from llzo_helpers.arrays import BoolArray, FloatArray
from llzo_helpers.errors import InputError

UNASSIGNED = -1


@dataclass(frozen=True)
class SiteAnalysis:
    """Sites of mobile ions and the site of each ion in each frame.

    Attributes
    ----------
    assignments : ndarray of int32, shape [frame, mobile ion]
        Site of each ion; -1 where it is between sites.
    centres : ndarray, shape [site, axis]
        Mean position of the ions at each site, weighted by confidence, Å, in the cell.
    confidences : ndarray of float32, shape [frame, mobile ion]
        Similarity of the ion's landmark vector to its site's, 0 to 1; 0 where unassigned.
    cell : ndarray, shape [vector, axis]
        Å.
    framework : ndarray, shape [framework atom, axis]
        Mean positions of the atoms that aren't mobile, in their order, Å (not wrapped).
    landmarks : Landmarks
        The Voronoi nodes used.
    """

    assignments: NDArray[np.int32]
    centres: FloatArray
    confidences: NDArray[np.float32]
    cell: FloatArray
    framework: FloatArray
    landmarks: Landmarks

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.centres)

    @property
    def unassigned_fraction(self) -> float:
        """Fraction of ion-frames between sites."""
        return float((self.assignments == UNASSIGNED).mean())

    @cached_property
    def occupancy(self) -> FloatArray:
        """Mean number of ions assigned to each site [site]."""
        assigned = self.assignments[self.assignments != UNASSIGNED]
        return np.bincount(assigned, minlength=self.n_sites) / len(self.assignments)

    @cached_property
    def multiple_occupancy_count(self) -> int:
        """Number of times, over sites and frames, that several ions share one site."""
        frame = np.arange(len(self.assignments))[:, None] * self.n_sites + self.assignments
        counts = np.bincount(
            frame[self.assignments != UNASSIGNED], minlength=len(self.assignments) * self.n_sites
        )
        return int((counts > 1).sum())


def landmark_analysis(
    positions: ArrayLike | Frames,
    cell: ArrayLike,
    mobile: ArrayLike,
    *,
    clustering: Literal["dotprod", "mcl"] = "dotprod",
    cutoff_midpoint: float = 1.5,
    cutoff_steepness: float = 30.0,
    clustering_threshold: float = 0.45,
    assignment_threshold: float = 0.8,
    minimum_site_occupancy: float = 0.01,
    expansion: int = 2,
    inflation: float = 8.0,
    static_movement_threshold: float = 1.0,
    landmarks: Landmarks | None = None,
    engine: Literal["native", "sitator"] = "native",
) -> SiteAnalysis:
    """Find the sites of mobile ions in a trajectory, and assign each ion to one in each frame.

    Landmark analysis as published by Kahle, Musaelian, Marzari and Kozinsky, Phys. Rev.
    Materials 3, 055404 (2019). The trajectory is streamed a few times in chunks: memory grows
    with its length only by the assignments and confidences, 8 bytes per ion and frame.

    Parameters
    ----------
    positions : array_like, shape [frame, atom, axis], or Frames
        Positions in Å, wrapped or unwrapped; or a trajectory that gives them in chunks.
    cell : array_like, shape [vector, axis]
        Constant cell, rows in Å, of any shape.
    mobile : array_like of bool, shape [atom]
        True for the mobile ions; all other atoms are the framework.
    clustering : {"dotprod", "mcl"}
        Leader clustering of landmark vectors by their cosine, or Markov clustering of landmarks.
    cutoff_midpoint, cutoff_steepness : float
        Of the logistic function of distance / mean distance between an ion and a vertex.
    clustering_threshold : float
        Cosine at which a vector joins a cluster ("dotprod" only).
    assignment_threshold : float
        Minimum similarity to a site, below which the ion is unassigned; 0.5 is usual for "mcl".
    minimum_site_occupancy : float
        Minimum fraction of frames in which a site is occupied.
    expansion, inflation : int, float
        Of Markov clustering ("mcl" only).
    static_movement_threshold : float
        Largest distance from its mean position, Å, that a framework atom may have.
    landmarks : Landmarks, optional
        Landmarks to use instead of the Voronoi nodes of the mean framework.
    engine : {"native", "sitator"}
        This implementation, or the published package where it is installed.

    Returns
    -------
    SiteAnalysis

    Raises
    ------
    InputError
        Arrays of the wrong shape or not finite, no mobile ions or no framework, fewer than two
        frames, parameters out of range, or a framework that does not stay in place.
    """
    frames = as_frames(positions, at_least=2)
    cell = checked_cell(cell)
    mobile = _checked_mask(mobile)
    _check_choice("clustering", clustering, ("dotprod", "mcl"))
    _check_choice("engine", engine, ("native", "sitator"))
    for name, value in (
        ("clustering_threshold", clustering_threshold),
        ("assignment_threshold", assignment_threshold),
    ):
        if not 0 < value <= 1:
            raise InputError(f"{name}: {value!r}; give a similarity above 0 and up to 1")
    if not 0 <= minimum_site_occupancy < 1:
        raise InputError(
            f"minimum_site_occupancy: {minimum_site_occupancy!r}; give a fraction of frames, "
            "0 or more and less than 1"
        )
    for name, value in (
        ("cutoff_midpoint", cutoff_midpoint),
        ("cutoff_steepness", cutoff_steepness),
        ("static_movement_threshold", static_movement_threshold),
    ):
        if not 0 < value < np.inf:
            raise InputError(f"{name}: {value!r}; give a positive number")

    framework = average_framework(frames, cell, mobile, static_movement_threshold)
    if landmarks is None:
        landmarks = voronoi_landmarks(framework.positions, cell)
    stream = LandmarkVectors(
        frames, cell, mobile, framework, landmarks, cutoff_midpoint, cutoff_steepness
    )

    if engine == "sitator":
        specific = (
            {"clustering_threshold": clustering_threshold}
            if clustering == "dotprod"
            else {"expansion": expansion, "inflation": inflation}
        )
        assignments, confidences = run_sitator(
            stream,
            clustering,
            minimum_site_occupancy,
            {"assignment_threshold": assignment_threshold, **specific},
        )
    else:
        if clustering == "dotprod":
            sites = leader_clustering(_VectorsOnly(stream), clustering_threshold)
        else:
            sites = markov_clustering(
                _VectorsOnly(stream), expansion, inflation, assignment_threshold
            )
        assignments, confidences = _assign_to_occupied(
            stream,
            sites,
            assignment_threshold,
            minimum_site_occupancy,
            cosine=clustering == "dotprod",
        )
    return SiteAnalysis(
        assignments=assignments,
        centres=_site_centres(stream, assignments, confidences),
        confidences=confidences,
        cell=cell,
        framework=framework.positions,
        landmarks=landmarks,
    )


def _checked_mask(mobile: ArrayLike) -> BoolArray:
    mask = np.asarray(mobile)
    if mask.ndim != 1 or mask.dtype != np.bool_:
        raise InputError(
            f"mobile: {mask.dtype} of shape {mask.shape}; give one boolean per atom, "
            "such as numbers == 3"
        )
    if not mask.any():
        raise InputError("mobile: no mobile ion; set the mask True for the diffusing species")
    if (~mask).sum() < 4:
        raise InputError(
            f"mobile: leaves {(~mask).sum()} framework atom(s); landmarks need at least 4, "
            "so set the mask False for what stays in place"
        )
    return mask


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name}: {value!r}; give one of {', '.join(map(repr, choices))}")


@dataclass(frozen=True)
class _VectorsOnly:
    """The landmark vectors of a stream, without the positions; can be taken repeatedly."""

    stream: LandmarkVectors

    def __iter__(self) -> Iterator[csr_array]:
        for _, vectors in self.stream:
            yield vectors


def _assign_to_occupied(
    stream: LandmarkVectors,
    sites: csr_array,
    threshold: float,
    minimum_occupancy: float,
    *,
    cosine: bool,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Assign ions to sites, drop the sites that are hardly occupied, and assign again."""
    assignments, confidences = _assign_all(stream, sites, threshold, cosine=cosine)
    counts = np.bincount(assignments[assignments != UNASSIGNED], minlength=sites.shape[0])
    # The fraction is of the frames in which an ion is assigned.
    minimum = max(1, int(minimum_occupancy * counts.sum() / assignments.shape[1]))
    kept = counts >= minimum
    if not kept.any():
        raise InputError(
            f"minimum_site_occupancy: {minimum_occupancy:g} drops all {len(kept)} sites; lower it, "
            "or lower assignment_threshold"
        )
    if kept.all():
        return assignments, confidences
    return _assign_all(stream, sites[kept], threshold, cosine=cosine)


def _assign_all(
    stream: LandmarkVectors, sites: csr_array, threshold: float, *, cosine: bool
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    shape = (len(stream.frames), int(stream.mobile.sum()))
    assignments = np.empty(shape, np.int32)
    confidences = np.empty(shape, np.float32)
    start = 0
    for ions, vectors in stream:
        chunk = slice(start, start + len(ions))
        site, similarity = assign(vectors, sites, threshold, cosine=cosine)
        assignments[chunk] = site.reshape(len(ions), -1)
        confidences[chunk] = similarity.reshape(len(ions), -1)
        start += len(ions)
    return assignments, confidences


def _site_centres(
    stream: LandmarkVectors,
    assignments: NDArray[np.int32],
    confidences: NDArray[np.float32],
) -> FloatArray:
    """Return the confidence-weighted periodic mean [site, axis] of the ions at each site, Å."""
    # Displacements are averaged relative to the first ion seen at each site.
    n_sites = int(assignments.max()) + 1
    reference = np.full((n_sites, 3), np.nan)
    total = np.zeros((n_sites, 3))
    weight = np.zeros(n_sites)
    start = 0
    for chunk in stream.frames.chunks(frames=CHUNK_FRAMES):
        window = slice(start, start + len(chunk))
        assigned = assignments[window] != UNASSIGNED
        site = assignments[window][assigned]
        confidence = confidences[window][assigned].astype(float)
        ions = chunk[:, stream.mobile][assigned].astype(float)
        present, first = np.unique(site, return_index=True)
        new = np.isnan(reference[present, 0])
        reference[present[new]] = ions[first[new]]
        displacement = nearest_image(ions - reference[site], stream.cell)
        weight += np.bincount(site, confidence, n_sites)
        for axis in range(3):
            total[:, axis] += np.bincount(site, confidence * displacement[:, axis], n_sites)
        start += len(chunk)
    centres = reference + total / weight[:, None]
    return np.asarray((centres @ np.linalg.inv(stream.cell) % 1.0) @ stream.cell)
