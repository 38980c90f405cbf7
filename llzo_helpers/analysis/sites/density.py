"""Probability density of the mobile ions on a grid, and its isosurface."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llzo_helpers.analysis.frames import Frames, as_frames, frame_chunks
from llzo_helpers.analysis.periodic import checked_cell, nearest_image
from llzo_helpers.arguments import (
    check_finite,
    check_number,
    check_repeats,
    checked_mask,
)
from llzo_helpers.arrays import BoolArray, FloatArray, IntArray
from llzo_helpers.errors import InputError

MOST_VOXELS = 100_000_000
"""Of a density; its smoothing takes about 80 bytes for each."""


@dataclass(frozen=True)
class ProbabilityDensity:
    """Time-averaged number density of ions.

    Attributes
    ----------
    values : ndarray, shape [a, b, c]
        Ions per Å3; voxel (i, j, k) has its middle at fractions ((i, j, k) + 1/2) / shape.
    cell : ndarray, shape [vector, axis]
        Cell of the grid, Å: that of the simulation, or of one repeat of the crystal.
    """

    values: FloatArray
    cell: FloatArray

    @property
    def voxel_volume(self) -> float:
        """Å3."""
        return float(abs(np.linalg.det(self.cell)) / self.values.size)


def probability_density(
    positions: ArrayLike | Frames,
    cell: ArrayLike,
    mobile: BoolArray,
    *,
    spacing: float = 0.25,
    repeats: tuple[int, int, int] = (1, 1, 1),
    smoothing: float = 0.2,
) -> ProbabilityDensity:
    """Average the density of the mobile ions over a trajectory.

    Parameters
    ----------
    positions : array_like, shape [frame, atom, axis], or Frames
        Å, wrapped or unwrapped.
    cell : array_like, shape [vector, axis]
        Å.
    mobile : ndarray of bool, shape [atom]
    spacing : float
        Largest distance between grid points, Å.
    repeats : tuple of int
        Equal cells along each vector to average over, for a crystal.
    smoothing : float
        Standard deviation of a Gaussian, Å; 0 for none.

    Returns
    -------
    ProbabilityDensity
        It integrates to the mean number of ions in its cell.

    Raises
    ------
    InputError
        A grid that is too fine or too coarse, positions that are not finite, or another mask.
    """
    check_number("spacing", spacing, "the distance between grid points in Å", low=1e-3, high=10)
    check_number("smoothing", smoothing, "a standard deviation in Å", low=0, high=10)
    check_repeats(repeats)
    mobile = checked_mask(mobile)
    frames = as_frames(positions)
    small = checked_cell(cell) / np.array(repeats)[:, None]
    lengths = np.linalg.norm(small, axis=1)
    shape = np.ceil(lengths / spacing).astype(int)
    if (n_voxels := float(np.prod(lengths / spacing))) > MOST_VOXELS:
        raise InputError(
            f"spacing: {spacing:g} Å makes {n_voxels:.1g} grid points, more than "
            f"{MOST_VOXELS:.0e}; give a larger one"
        )
    inverse = np.linalg.inv(small)
    counts = np.zeros(shape.prod())
    n_frames = 0
    for chunk in frame_chunks(frames, len(mobile)):
        check_finite(chunk[:, mobile], n_frames)
        n_frames += len(chunk)
        fractions = chunk[:, mobile].reshape(-1, 3).astype(float) @ inverse % 1.0
        voxel = np.minimum((fractions * shape).astype(int), shape - 1)
        counts += np.bincount(
            np.ravel_multi_index(tuple(voxel.T), tuple(shape)), minlength=len(counts)
        )
    density = ProbabilityDensity(counts.reshape(tuple(shape)), small)
    scale = len(frames) * float(np.prod(repeats)) * density.voxel_volume
    values = density.values / scale
    if smoothing > 0:
        values = _smoothed(values, small, smoothing)
    return ProbabilityDensity(values, small)


def _smoothed(values: FloatArray, cell: FloatArray, deviation: float) -> FloatArray:
    """Convolve a periodic grid with a Gaussian that is round in space, whatever the cell."""
    axes = [np.arange(n) / n for n in values.shape]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ cell
    distance2 = (nearest_image(offsets, cell) ** 2).sum(axis=-1)
    kernel = np.exp(-distance2 / (2 * deviation**2))
    transformed = np.fft.rfftn(values) * np.fft.rfftn(kernel / kernel.sum())
    smooth = np.fft.irfftn(transformed, values.shape, axes=(0, 1, 2))
    # rounding leaves less than nothing where there is nothing
    return np.asarray(np.maximum(smooth, 0.0))


@dataclass(frozen=True)
class Surface:
    """A triangulated surface.

    Attributes
    ----------
    vertices : ndarray, shape [vertex, axis]
        Å.
    triangles : ndarray of int, shape [triangle, 3]
        Vertices of each triangle.
    """

    vertices: FloatArray
    triangles: IntArray


def isosurface(density: ProbabilityDensity, level: float) -> Surface:
    """Return the surface of constant density within one cell, by naive surface nets.

    Each block of 2x2x2 grid points with the level between them gets a vertex, at the mean of
    the crossings on its edges; each edge crossed joins the vertices of the four blocks around
    it by two triangles (Gibson, MICCAI 1998).

    Parameters
    ----------
    density : ProbabilityDensity
        Periodic; the surface is cut at the faces of the cell.
    level : float
        Ions per Å3.

    Raises
    ------
    InputError
        A level that the density doesn't cross.
    """
    check_number("level", level, "a density per Å3", low=0, high=float(density.values.max()))
    if not density.values.min() < level < density.values.max():
        raise InputError(
            f"level: {level:g}; give a density between {density.values.min():.3g} "
            f"and {density.values.max():.3g} per Å3"
        )
    # One more layer than the cell has, of its periodic images, closes it at its far faces.
    values = np.pad(density.values, [(0, 1)] * 3, mode="wrap") - level
    blocks = tuple(np.array(values.shape) - 1)
    crossing_sum = np.zeros((*blocks, 3))
    n_crossings = np.zeros(blocks)
    corner = np.stack(np.meshgrid(*map(np.arange, blocks), indexing="ij"), axis=-1)
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        for offset in np.ndindex(2, 2):
            start = np.zeros(3, dtype=int)
            start[others] = offset
            stop = start + np.eye(3, dtype=int)[axis]
            low = values[tuple(slice(s, s + n) for s, n in zip(start, blocks, strict=True))]
            high = values[tuple(slice(s, s + n) for s, n in zip(stop, blocks, strict=True))]
            crossed = (low > 0) != (high > 0)
            place = corner[crossed] + start.astype(float)
            place[:, axis] += low[crossed] / (low[crossed] - high[crossed])
            crossing_sum[crossed] += place
            n_crossings[crossed] += 1
    surfaced = n_crossings > 0
    index = np.full(blocks, -1)
    index[surfaced] = np.arange(surfaced.sum())
    points = crossing_sum[surfaced] / n_crossings[surfaced][:, None]
    fractions = (points + 0.5) / density.values.shape

    triangles = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        inside = values > 0
        changes = np.diff(inside.astype(np.int8), axis=axis)
        edges = np.argwhere(changes != 0)
        # The four blocks around an edge exist unless it lies on the outer faces.
        edges = edges[(edges[:, u] > 0) & (edges[:, v] > 0)]
        edges = edges[(edges[:, u] < blocks[u]) & (edges[:, v] < blocks[v])]
        step_u, step_v = np.eye(3, dtype=int)[u], np.eye(3, dtype=int)[v]
        around = (edges - step_u - step_v, edges - step_v, edges, edges - step_u)
        a, b, c, d = (index[tuple(block.T)] for block in around)
        # in a left-handed cell the quads turn the other way
        outward = (changes[tuple(edges.T)] < 0) == (np.linalg.det(density.cell) > 0)
        quads = np.where(outward[:, None], np.stack([a, b, c, d], 1), np.stack([d, c, b, a], 1))
        triangles += [quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]
    return Surface(fractions @ density.cell, np.concatenate(triangles))


def value_of_nearest_site(
    points: FloatArray,
    centres: FloatArray,
    values: FloatArray,
    cell: ArrayLike,
    *,
    repeats: tuple[int, int, int] = (1, 1, 1),
) -> FloatArray:
    """Return at each point the residence time of the nearest site, or another time.

    Parameters
    ----------
    points : ndarray, shape [point, axis]
        Å.
    centres : ndarray, shape [site, axis]
        Å.
    values : ndarray, shape [site]
        Times, infinite ones included.
    cell : array_like, shape [vector, axis]
        Of the simulation, Å.
    repeats : tuple of int
        Equal cells along each vector: the value is then that of the mean rate of as many nearest
        sites, one in each cell, all brought to the same cell. A site that nobody left is a rate
        of zero among others.

    Returns
    -------
    ndarray, shape [point]
    """
    check_repeats(repeats)
    small = checked_cell(cell) / np.array(repeats)[:, None]
    n_nearest = min(int(np.prod(repeats)), len(centres))
    result = np.empty(len(points))
    for start in range(0, len(points), 2000):
        part = slice(start, start + 2000)
        offsets = nearest_image(points[part, None] - centres[None], small)
        distance = np.einsum("psx,psx->ps", offsets, offsets)
        nearest = np.argpartition(distance, n_nearest - 1, axis=1)[:, :n_nearest]
        with np.errstate(divide="ignore"):
            result[part] = 1 / (1 / values[nearest]).mean(axis=1)
    return result
