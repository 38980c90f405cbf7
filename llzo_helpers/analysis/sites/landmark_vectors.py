"""Landmark vectors: the position of a mobile ion, described by its distances to the framework.

The landmark vector of an ion has one component per Voronoi node of the time-averaged
framework. A component is near 1 while the ion is within the polyhedron of framework atoms
around that node and falls to 0 outside of it (Kahle, Musaelian, Marzari, Kozinsky,
Phys. Rev. Materials 3, 055404 (2019)). As framework atoms move, so do their polyhedra: the
vector follows the site, not a point in space.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numba
import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from llzo_helpers.analysis.frames import Frames, as_frames
from llzo_helpers.analysis.periodic import checked_cell, nearest_image, reduced_cell
from llzo_helpers.analysis.sites.arguments import (
    check_parameters,
    check_size,
    checked_division,
)
from llzo_helpers.analysis.sites.landmarks import Landmarks, framework_landmarks
from llzo_helpers.analysis.sites.places import Framework, epoch_chunks, settled_framework
from llzo_helpers.arrays import BoolArray, FloatArray, IntArray

# A component counts as zero where the cutoff function has fallen to this.
NEGLIGIBLE = 1e-4
VOXEL_SIZE = 0.8  # Å


@dataclass(frozen=True)
class LandmarkVectors:
    """Landmark vectors of the mobile ions along a trajectory, computed chunk by chunk.

    Iterating gives, for each chunk of frames within one epoch of the framework, the number of the
    epoch, the positions [frame, ion, axis] of the mobile ions, and their landmark vectors as a
    sparse matrix [frame x ion, landmark], ions running fastest. Each iteration recomputes them:
    about a dozen of several hundred components are not zero, and computing them takes less time
    than storing them on disk.
    """

    frames: Frames
    cell: FloatArray
    mobile: BoolArray
    framework: Framework
    landmarks: Landmarks
    cutoff_midpoint: float = 1.5
    cutoff_steepness: float = 30.0

    @classmethod
    def of_trajectory(
        cls,
        positions: ArrayLike | Frames,
        cell: ArrayLike,
        mobile: ArrayLike,
        *,
        cutoff_midpoint: float = 1.5,
        cutoff_steepness: float = 30.0,
        place_distance_A: float = 1.5,
        window_frames: int = 50,
    ) -> Self:
        """Find the framework of a trajectory, its places and its landmarks.

        This is what analyses with several definitions of a site have in common; see
        `llzo_helpers.analysis.sites.landmark_analysis` for the arguments and the errors.
        """
        frames = as_frames(positions, at_least=2)
        reduced = reduced_cell(checked_cell(cell))
        mask = checked_division(mobile)
        check_parameters(
            cutoff_midpoint=cutoff_midpoint,
            cutoff_steepness=cutoff_steepness,
            place_distance_A=place_distance_A,
            window_frames=window_frames,
        )
        check_size(reduced, int((~mask).sum()))
        framework = settled_framework(
            frames,
            reduced,
            mask,
            place_distance_A=place_distance_A,
            window_frames=window_frames,
        )
        landmarks = framework_landmarks(framework, reduced)
        return cls(frames, reduced, mask, framework, landmarks, cutoff_midpoint, cutoff_steepness)

    def __iter__(self) -> Iterator[tuple[int, FloatArray, csr_array]]:
        for epoch, chunk in epoch_chunks(self.frames, self.framework.epochs):
            positions = chunk[:, self.mobile].astype(float)
            displacements = nearest_image(
                chunk[:, ~self.mobile].astype(float) - self.framework.epochs[epoch].positions,
                self.cell,
            )
            indptr, indices, data = _fill(
                positions,
                displacements,
                self.landmarks.centres,
                self.landmarks.vertices,
                self.landmarks.offsets,
                self.landmarks.present[epoch],
                self._radii,
                self._largest_ratio,
                self.cutoff_midpoint,
                self.cutoff_steepness,
                self.cell,
                np.linalg.inv(self.cell),
                self._voxels,
                *self._candidates,
            )
            n_rows = positions.shape[0] * positions.shape[1]
            vectors = csr_array((data, indices, indptr), shape=(n_rows, len(self.landmarks)))
            yield epoch, positions, vectors

    @property
    def _radii(self) -> FloatArray:
        """Mean distance of each vertex from its landmark [landmark, vertex], Å."""
        return np.asarray(np.linalg.norm(self.landmarks.offsets, axis=2))

    @property
    def _largest_ratio(self) -> float:
        """Distance of an ion from a vertex, over the mean one, at which a component is zero."""
        return self.cutoff_midpoint + float(np.log(1 / NEGLIGIBLE - 1)) / self.cutoff_steepness

    @property
    def _voxels(self) -> IntArray:
        """Voxels along each cell vector."""
        return np.asarray(np.ceil(np.linalg.norm(self.cell, axis=1) / VOXEL_SIZE), dtype=np.int64)

    @cached_property
    def _candidates(self) -> tuple[Any, ...]:
        """Landmarks that an ion in each voxel could be near to, see `_list_candidates`."""
        lists = _list_candidates(
            self.landmarks.centres,
            self.landmarks.vertices,
            self.landmarks.offsets,
            self._radii * self._largest_ratio
            + self.framework.largest_displacement[self.landmarks.vertices],
            self.cell,
            np.linalg.inv(self.cell),
            self._voxels,
        )
        return tuple(lists)


@numba.njit(cache=True)
def _list_candidates(
    centres: Any,
    vertices: Any,
    offsets: Any,
    reach: Any,
    cell: Any,
    inverse: Any,
    shape: Any,
) -> Any:
    """List, for each voxel of the cell, the landmarks that an ion in it could be near to.

    A landmark is a candidate if no vertex is farther from the voxel's centre than its reach, its
    own largest displacement included, and half the voxel's diagonal together. The lists hold
    images: entry e is landmark `entries[e]` moved by `shift_vectors[shifts[e]]`.
    """
    slack = _half_diagonal(cell, shape)
    low, high = _voxel_boxes(centres, vertices, offsets, reach, slack, inverse, shape)
    images = np.empty(3, np.int64)
    for i in range(3):
        images[i] = max(-np.floor(low[:, i].min() / shape[i]), high[:, i].max() // shape[i])
    n_images = 2 * images + 1
    shift_vectors = np.empty((n_images.prod(), 3))
    for image in range(len(shift_vectors)):
        a, rest = divmod(image, n_images[1] * n_images[2])
        b, c = divmod(rest, n_images[2])
        for i in range(3):
            shift_vectors[image, i] = (
                (a - images[0]) * cell[0, i]
                + (b - images[1]) * cell[1, i]
                + (c - images[2]) * cell[2, i]
            )

    # Count the entries of each voxel, then fill them in.
    first = np.zeros(shape.prod() + 1, np.int64)
    place = np.zeros(shape.prod(), np.int64)
    entries = np.empty(0, np.int32)
    shifts = np.empty(0, np.int32)
    for filling in (False, True):
        if filling:
            first[1:] = np.cumsum(place)
            place[:] = first[:-1]
            entries = np.empty(first[-1], np.int32)
            shifts = np.empty(first[-1], np.int32)
        for k in range(len(centres)):
            for a in range(low[k, 0], high[k, 0] + 1):
                for b in range(low[k, 1], high[k, 1] + 1):
                    for c in range(low[k, 2], high[k, 2] + 1):
                        if not _within_reach(
                            a, b, c, k, centres, vertices, offsets, reach, slack, cell, shape
                        ):
                            continue
                        # The voxel is in the cell (ia, ib, ic): brought to the home cell, the
                        # landmark is shifted the other way.
                        ia, ib, ic = a // shape[0], b // shape[1], c // shape[2]
                        voxel = ((a - ia * shape[0]) * shape[1] + (b - ib * shape[1])) * shape[
                            2
                        ] + (c - ic * shape[2])
                        if filling:
                            entries[place[voxel]] = k
                            shifts[place[voxel]] = (
                                (images[0] - ia) * n_images[1] + (images[1] - ib)
                            ) * n_images[2] + (images[2] - ic)
                        place[voxel] += 1
    return first, entries, shifts, shift_vectors


@numba.njit(cache=True)
def _half_diagonal(cell: Any, shape: Any) -> Any:
    """Return half the longest diagonal of a voxel."""
    longest = 0.0
    for sign_b in (-1, 1):
        for sign_c in (-1, 1):
            diagonal = (
                cell[0] / shape[0] + sign_b * cell[1] / shape[1] + sign_c * cell[2] / shape[2]
            )
            longest = max(longest, np.sqrt((diagonal**2).sum()))
    return longest / 2


@numba.njit(cache=True)
def _voxel_boxes(
    centres: Any, vertices: Any, offsets: Any, reach: Any, slack: Any, inverse: Any, shape: Any
) -> Any:
    """Return the first and last voxel [landmark, axis] within reach of all vertices."""
    low = np.empty((len(centres), 3), np.int64)
    high = np.empty((len(centres), 3), np.int64)
    for i in range(3):
        per_length = np.sqrt((inverse[:, i] ** 2).sum()) * shape[i]
        for k in range(len(centres)):
            lowest, highest = -np.inf, np.inf
            for v in range(vertices.shape[1]):
                if vertices[k, v] < 0:
                    break
                middle = ((centres[k] + offsets[k, v]) * inverse[:, i]).sum() * shape[i]
                span = (reach[k, v] + slack) * per_length
                lowest, highest = max(lowest, middle - span), min(highest, middle + span)
            low[k, i], high[k, i] = int(np.floor(lowest)), int(np.floor(highest))
    return low, high


@numba.njit(cache=True, inline="always")
def _within_reach(
    a: Any,
    b: Any,
    c: Any,
    k: Any,
    centres: Any,
    vertices: Any,
    offsets: Any,
    reach: Any,
    slack: Any,
    cell: Any,
    shape: Any,
) -> Any:
    """Whether the middle of voxel (a, b, c) is within reach of all vertices of landmark k."""
    fa, fb, fc = (a + 0.5) / shape[0], (b + 0.5) / shape[1], (c + 0.5) / shape[2]
    for v in range(vertices.shape[1]):
        if vertices[k, v] < 0:
            break
        distance2 = 0.0
        for i in range(3):
            difference = (
                fa * cell[0, i]
                + fb * cell[1, i]
                + fc * cell[2, i]
                - centres[k, i]
                - offsets[k, v, i]
            )
            distance2 += difference * difference
        if distance2 > (reach[k, v] + slack) ** 2:
            return False
    return True


@numba.njit(cache=True)
def _fill(
    positions: Any,
    displacements: Any,
    centres: Any,
    vertices: Any,
    offsets: Any,
    present: Any,
    radii: Any,
    limit: Any,
    midpoint: Any,
    steepness: Any,
    cell: Any,
    inverse: Any,
    shape: Any,
    first: Any,
    entries: Any,
    shifts: Any,
    shift_vectors: Any,
) -> Any:
    """Return the landmark vectors of a chunk as the three arrays of a CSR matrix."""
    n_frames, n_ions = positions.shape[:2]
    indptr = np.zeros(n_frames * n_ions + 1, np.int32)
    indices = np.empty(24 * n_frames * n_ions, np.int32)
    data = np.empty(24 * n_frames * n_ions)
    n_data = 0
    fractional = np.empty(3)
    voxel = np.empty(3, np.int64)
    point = np.empty(3)
    ratios = np.empty(vertices.shape[1])
    for frame in range(n_frames):
        for ion in range(n_ions):
            for i in range(3):
                f = (
                    positions[frame, ion, 0] * inverse[0, i]
                    + positions[frame, ion, 1] * inverse[1, i]
                    + positions[frame, ion, 2] * inverse[2, i]
                )
                fractional[i] = f - np.floor(f)
                voxel[i] = min(int(fractional[i] * shape[i]), shape[i] - 1)
            for i in range(3):
                point[i] = (
                    fractional[0] * cell[0, i]
                    + fractional[1] * cell[1, i]
                    + fractional[2] * cell[2, i]
                )
            v_index = (voxel[0] * shape[1] + voxel[1]) * shape[2] + voxel[2]
            if n_data + first[v_index + 1] - first[v_index] > len(data):
                size = 2 * len(data) + first[v_index + 1] - first[v_index]
                grown_indices, grown_data = np.empty(size, np.int32), np.empty(size)
                grown_indices[:n_data] = indices[:n_data]
                grown_data[:n_data] = data[:n_data]
                indices, data = grown_indices, grown_data
            row_start = n_data
            for e in range(first[v_index], first[v_index + 1]):
                k = entries[e]
                if not present[k]:
                    continue
                wx = point[0] - centres[k, 0] - shift_vectors[shifts[e], 0]
                wy = point[1] - centres[k, 1] - shift_vectors[shifts[e], 1]
                wz = point[2] - centres[k, 2] - shift_vectors[shifts[e], 2]
                n_vertices = 0
                for v in range(vertices.shape[1]):
                    atom = vertices[k, v]
                    if atom < 0:
                        break
                    dx = wx - offsets[k, v, 0] - displacements[frame, atom, 0]
                    dy = wy - offsets[k, v, 1] - displacements[frame, atom, 1]
                    dz = wz - offsets[k, v, 2] - displacements[frame, atom, 2]
                    d2 = dx * dx + dy * dy + dz * dz
                    far = limit * radii[k, v]
                    if d2 > far * far:
                        n_vertices = 0
                        break
                    ratios[v] = np.sqrt(d2) / radii[k, v]
                    n_vertices += 1
                if n_vertices == 0:
                    continue
                product = 1.0
                for v in range(n_vertices):
                    product /= 1.0 + np.exp(steepness * (ratios[v] - midpoint))
                value = product ** (1.0 / n_vertices)
                if n_data > row_start and indices[n_data - 1] == k:
                    # another image of the same landmark, in a small cell: the nearer counts
                    data[n_data - 1] = max(data[n_data - 1], value)
                else:
                    indices[n_data] = k
                    data[n_data] = value
                    n_data += 1
            indptr[frame * n_ions + ion + 1] = n_data
    return indptr, indices[:n_data].copy(), data[:n_data].copy()
