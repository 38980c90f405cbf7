"""Landmark analysis: from a trajectory to sites, and to the site of each ion in each frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from llzo_helpers.analysis.frames import CHUNK_FRAMES, Frames
from llzo_helpers.analysis.periodic import checked_cell, close_pairs, nearest_image
from llzo_helpers.analysis.sites._sitator import run_sitator
from llzo_helpers.analysis.sites.arguments import (
    check_parameters,
    checked_seeds,
)
from llzo_helpers.analysis.sites.clustering import (
    assign,
    leader_clustering,
    markov_clustering,
    seeded_clustering,
)
from llzo_helpers.analysis.sites.landmark_vectors import LandmarkVectors
from llzo_helpers.analysis.sites.landmarks import Landmarks
from llzo_helpers.analysis.sites.places import Epoch
from llzo_helpers.arrays import BoolArray, FloatArray, IntArray
from llzo_helpers.errors import InputError

UNASSIGNED = -1
RECOGNISED = 0.5
"""Cosine between the vector of a site and what of it is left when the framework has rearranged,
from which on it is the same site."""
STEADY = 0.9
"""Like `RECOGNISED`; below, a site is told to lie beside a rearrangement."""
FOLLOWED_A = 1.0
"""Å; clusters beside a rearrangement that are as near as this are one site. Neighbouring sites of
lithium are 1.7 Å apart or more."""


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
        Mean positions of the atoms that aren't mobile, in their order, each at the place that it
        keeps longest, Å (not wrapped).
    epochs : tuple of Epoch
        Stretches of time in which no framework atom changes its place; one in a crystal.
    exists : ndarray of bool, shape [epoch, site]
        Whether the framework has the site in each epoch.
    rearranged : ndarray of bool, shape [site]
        Whether the framework beside the site rearranges during the run, or an atom of it goes to
        and fro too fast for its places to be told: its jumps are less certain.
    """

    assignments: NDArray[np.int32]
    centres: FloatArray
    confidences: NDArray[np.float32]
    cell: FloatArray
    framework: FloatArray
    epochs: tuple[Epoch, ...]
    exists: BoolArray
    rearranged: BoolArray

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
        """Mean number of ions assigned to each site while it exists [site]."""
        return self._assigned / (len(self.assignments) * self.existing_fraction)

    @cached_property
    def existing_fraction(self) -> FloatArray:
        """Fraction of the run for which each site exists [site]."""
        return _existing_fraction(self.exists, self.epochs)

    @cached_property
    def certainty(self) -> FloatArray:
        """Mean similarity of the ions assigned to each site to it, 0 to 1; NaN without [site]."""
        there = self.assignments != UNASSIGNED
        total = np.bincount(self.assignments[there], self.confidences[there], self.n_sites)
        with np.errstate(invalid="ignore"):
            return np.asarray(total / self._assigned)

    @cached_property
    def _assigned(self) -> IntArray:
        assigned = self.assignments[self.assignments != UNASSIGNED]
        return np.bincount(assigned, minlength=self.n_sites)

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
    seeds: ArrayLike | None = None,
    cutoff_midpoint: float = 1.5,
    cutoff_steepness: float = 30.0,
    clustering_threshold: float = 0.45,
    assignment_threshold: float = 0.8,
    minimum_site_occupancy: float = 0.01,
    expansion: int = 2,
    inflation: float = 8.0,
    place_distance_A: float = 1.5,
    window_frames: int = 50,
    engine: Literal["native", "sitator"] = "native",
) -> SiteAnalysis:
    """Find the sites of mobile ions in a trajectory, and assign each ion to one in each frame.

    Landmark analysis as published by Kahle, Musaelian, Marzari and Kozinsky, Phys. Rev.
    Materials 3, 055404 (2019). The trajectory is streamed a few times in chunks: memory grows
    with its length only by the assignments and confidences, 8 bytes per ion and frame.

    The framework may rearrange: where one of its atoms changes its place, the landmarks around it
    end and others begin, and all others stay as they are. A site exists while its landmarks do,
    and what is at the same place before and after is one site.

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
    seeds : array_like, shape [site, axis], optional
        Known positions of the sites, Å: a site is what lies around each, and nothing is clustered.
    cutoff_midpoint, cutoff_steepness : float
        Of the logistic function of distance / mean distance between an ion and a vertex.
    clustering_threshold : float
        Cosine at which a vector joins a cluster ("dotprod" only).
    assignment_threshold : float
        Minimum similarity to a site, below which the ion is unassigned; 0.5 is usual for "mcl".
    minimum_site_occupancy : float
        Minimum fraction of frames in which a site is occupied; for seeded sites, none.
    expansion, inflation : int, float
        Of Markov clustering ("mcl" only).
    place_distance_A : float
        Distance, Å, between mean positions of a framework atom over windows of time from which on
        it has changed its place.
    window_frames : int
        Frames of such a window: long enough to average vibration out.
    engine : {"native", "sitator"}
        This implementation, or the published package where it is installed.

    Returns
    -------
    SiteAnalysis

    Raises
    ------
    InputError
        Arrays of the wrong shape or not finite, no mobile ions or no framework, fewer than two
        frames, parameters out of range, a cell that cannot be that of a solid, seeds at the same
        place or where no ion is, or a framework that melted.
    """
    definition: dict[str, Any] = {
        "clustering": clustering,
        "engine": engine,
        "clustering_threshold": clustering_threshold,
        "assignment_threshold": assignment_threshold,
        "minimum_site_occupancy": minimum_site_occupancy,
        "expansion": expansion,
        "inflation": inflation,
    }
    check_parameters(**definition)
    vectors = LandmarkVectors.of_trajectory(
        positions,
        cell,
        mobile,
        cutoff_midpoint=cutoff_midpoint,
        cutoff_steepness=cutoff_steepness,
        place_distance_A=place_distance_A,
        window_frames=window_frames,
    )
    return sites_of_vectors(vectors, cell, seeds=seeds, **definition)


def sites_of_vectors(
    stream: LandmarkVectors,
    cell: ArrayLike,
    *,
    clustering: Literal["dotprod", "mcl"] = "dotprod",
    seeds: ArrayLike | None = None,
    clustering_threshold: float = 0.45,
    assignment_threshold: float = 0.8,
    minimum_site_occupancy: float = 0.01,
    expansion: int = 2,
    inflation: float = 8.0,
    engine: Literal["native", "sitator"] = "native",
) -> SiteAnalysis:
    """Find the sites of mobile ions from their landmark vectors; see `landmark_analysis`.

    Parameters
    ----------
    stream
        Vectors of a trajectory, which several definitions of a site can share.
    cell
        That of the trajectory, as it was given: a cell of the same lattice.
    clustering, seeds, clustering_threshold, assignment_threshold, minimum_site_occupancy
        As in `landmark_analysis`.
    expansion, inflation, engine
        As in `landmark_analysis`.
    """
    cell = checked_cell(cell)
    check_parameters(
        clustering=clustering,
        engine=engine,
        clustering_threshold=clustering_threshold,
        assignment_threshold=assignment_threshold,
        minimum_site_occupancy=minimum_site_occupancy,
        expansion=expansion,
        inflation=inflation,
    )
    framework, landmarks, reduced = stream.framework, stream.landmarks, stream.cell
    known = None if seeds is None else checked_seeds(seeds, framework.positions, reduced)
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
        n_sites = int(assignments.max()) + 1
        exists: BoolArray = np.ones((1, n_sites), dtype=bool)
        rearranged: BoolArray = np.zeros(n_sites, dtype=bool)
    else:
        assigning = _Assigning(
            stream, assignment_threshold, cosine=known is not None or clustering == "dotprod"
        )
        if known is not None:
            sites = seeded_clustering(((ions, rows) for _, ions, rows in stream), known, reduced)
            assignments, confidences = assigning(sites)
            if np.all(assignments == UNASSIGNED):
                raise InputError(
                    "seeds: no ion is ever recognised at one; give the positions of all sites in "
                    "Å, or lower assignment_threshold"
                )
        else:
            if clustering == "dotprod":
                sites = leader_clustering(_VectorsOnly(stream), clustering_threshold)
            else:
                sites = markov_clustering(
                    _VectorsOnly(stream), expansion, inflation, assignment_threshold
                )
            sites, assignments, confidences = _occupied(assigning, sites, minimum_site_occupancy)
        exists = _exists(sites, landmarks, RECOGNISED)
        changing = np.asarray(~_exists(sites, landmarks, STEADY).all(axis=0))
        steady = landmarks.without(framework.restless)
        rearranged = np.asarray(~_exists(sites, steady, STEADY).all(axis=0))
        if known is None and changing.any():
            centres = _site_centres(stream, assignments, confidences, len(changing))
            site_of = _followed(centres, changing, reduced)
            assignments = np.append(site_of, UNASSIGNED)[assignments].astype(np.int32)
            exists = np.array([np.bincount(site_of, there) > 0 for there in exists])
            rearranged = np.asarray(np.bincount(site_of, rearranged) > 0)
    centres = _site_centres(stream, assignments, confidences, exists.shape[1])
    if known is not None:
        # where no ion ever was
        centres = np.where(np.isnan(centres), known, centres)
    return SiteAnalysis(
        assignments=assignments,
        centres=np.asarray((centres @ np.linalg.inv(cell) % 1.0) @ cell),
        confidences=confidences,
        cell=cell,
        framework=framework.positions,
        epochs=framework.epochs,
        exists=exists,
        rearranged=rearranged,
    )


@dataclass(frozen=True)
class _VectorsOnly:
    """The landmark vectors of a stream, without the positions; can be taken repeatedly."""

    stream: LandmarkVectors

    def __iter__(self) -> Iterator[csr_array]:
        for _, _, vectors in self.stream:
            yield vectors


@dataclass(frozen=True)
class _Assigning:
    """Assigns the ions of a stream to sites; in each epoch to those that exist then."""

    stream: LandmarkVectors
    threshold: float
    cosine: bool

    def __call__(self, sites: csr_array) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        present = self.stream.landmarks.present
        exists = _exists(sites, self.stream.landmarks, RECOGNISED)
        shape = (len(self.stream.frames), int(self.stream.mobile.sum()))
        assignments = np.empty(shape, np.int32)
        confidences = np.empty(shape, np.float32)
        start, current, now = 0, -1, sites
        for epoch, ions, vectors in self.stream:
            if epoch != current and len(present) > 1:
                # of what a site is known by, what is there: similarity does not suffer from what
                # another epoch has
                here = sites.multiply(present[epoch][None, :].astype(float))
                now = csr_array(here.multiply(exists[epoch][:, None].astype(float)))
                current = epoch
            chunk = slice(start, start + len(ions))
            site, similarity = assign(vectors, now, self.threshold, cosine=self.cosine)
            assignments[chunk] = site.reshape(len(ions), -1)
            confidences[chunk] = similarity.reshape(len(ions), -1)
            start += len(ions)
        return assignments, confidences


def _exists(sites: csr_array, landmarks: Landmarks, least: float) -> BoolArray:
    """Return in which epochs [epoch, site] the landmarks by which a site is known are there."""
    squares = csr_array(sites.multiply(sites))
    there = squares @ landmarks.present.T.astype(float)
    return np.asarray(there >= least**2 * squares.sum(axis=1)[:, None] * (1 - 1e-9)).T


def _existing_fraction(exists: BoolArray, epochs: tuple[Epoch, ...]) -> FloatArray:
    lengths = np.array([len(epoch) for epoch in epochs])
    return np.asarray(lengths @ exists / lengths.sum())


def _occupied(
    assigning: _Assigning, sites: csr_array, minimum_occupancy: float
) -> tuple[csr_array, NDArray[np.int32], NDArray[np.float32]]:
    """Assign ions to sites, drop the sites that are hardly occupied, and assign again."""
    assignments, confidences = assigning(sites)
    counts = np.bincount(assignments[assignments != UNASSIGNED], minlength=sites.shape[0])
    stream = assigning.stream
    exists = _exists(sites, stream.landmarks, RECOGNISED)
    fraction = _existing_fraction(exists, stream.framework.epochs)
    # The fraction is of the frames in which an ion is assigned.
    assigned_frames = counts.sum() / assignments.shape[1]
    kept = counts >= np.maximum(1, (minimum_occupancy * assigned_frames * fraction).astype(int))
    if not kept.any():
        raise InputError(
            f"minimum_site_occupancy: {minimum_occupancy:g} drops all {len(kept)} sites; lower it, "
            "or lower assignment_threshold"
        )
    if kept.all():
        return sites, assignments, confidences
    return sites[kept], *assigning(sites[kept])


def _followed(centres: FloatArray, rearranged: BoolArray, cell: FloatArray) -> IntArray:
    """Return the site that each cluster is part of [cluster].

    What a rearrangement beside a site makes of it are clusters at one place, each with the
    landmarks of its time: within `FOLLOWED_A` of one another. The nearest are joined first.
    """
    first, second, _ = close_pairs(centres, cell, FOLLOWED_A)
    near = set(zip(first.tolist(), second.tolist(), strict=True))
    members = [[cluster] for cluster in range(len(centres))]
    for pair in range(len(first)):
        ours, theirs = members[first[pair]], members[second[pair]]
        if (
            ours is not theirs
            and rearranged[[first[pair], second[pair]]].any()
            and all((a, b) in near for a in ours for b in theirs)
        ):
            ours += theirs
            for cluster in theirs:
                members[cluster] = ours
    return np.unique([min(group) for group in members], return_inverse=True)[1]


def _site_centres(
    stream: LandmarkVectors,
    assignments: NDArray[np.int32],
    confidences: NDArray[np.float32],
    n_sites: int,
) -> FloatArray:
    """Return the confidence-weighted periodic mean [site, axis] of the ions at each site, Å.

    NaN for a site that no ion was ever at.
    """
    # Displacements are averaged relative to the first ion seen at each site.
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
        displacement = nearest_image(ions - reference[site], stream.cell, however_long=True)
        weight += np.bincount(site, confidence, n_sites)
        for axis in range(3):
            total[:, axis] += np.bincount(site, confidence * displacement[:, axis], n_sites)
        start += len(chunk)
    with np.errstate(invalid="ignore"):
        return np.asarray(reference + total / weight[:, None])
