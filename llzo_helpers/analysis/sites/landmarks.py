"""Landmarks: the Voronoi nodes of the framework, which the positions of ions refer to."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Voronoi, cKDTree

from llzo_helpers.analysis.periodic import nearest_image
from llzo_helpers.analysis.sites.places import Framework
from llzo_helpers.arrays import BoolArray, FloatArray, IntArray

# Atoms in a plane, as in a cubic lattice, enclose nothing: the position of their Voronoi node is
# determined by noise. The flattest polyhedra of the garnet have 0.04.
FLAT = 0.02


@dataclass(frozen=True)
class Landmarks:
    """Voronoi nodes of the mean framework and the atoms around each.

    Attributes
    ----------
    centres : ndarray, shape [landmark, axis]
        Å.
    vertices : ndarray of int, shape [landmark, vertex]
        Framework atoms at the corners of the polyhedron, padded with -1.
    offsets : ndarray, shape [landmark, vertex, axis]
        From the centre to the mean position of each vertex atom, Å (the image at the corner).
    present : ndarray of bool, shape [epoch, landmark]
        In which epochs of the framework there is such a node.
    """

    centres: FloatArray
    vertices: IntArray
    offsets: FloatArray
    present: BoolArray

    def __len__(self) -> int:
        return len(self.centres)

    def without(self, atoms: BoolArray) -> "Landmarks":
        """Return them as if those with one of these atoms [framework atom] were never there."""
        touched = np.any(atoms[self.vertices] & (self.vertices >= 0), axis=1)
        return replace(self, present=self.present & ~touched)


SAME_NODE = 1e-3
"""Å; nodes of two epochs with the same corners are the same if they are as near as this."""


def framework_landmarks(framework: Framework, cell: FloatArray) -> Landmarks:
    """Return the landmarks of all epochs of a framework, those that last told once.

    A landmark is known by its corners: it lasts while they keep their places.

    Parameters
    ----------
    framework : Framework
        With the places of its atoms.
    cell : ndarray, shape [vector, axis]
        Å.
    """
    of_epochs = [voronoi_landmarks(epoch.positions, cell) for epoch in framework.epochs]
    if len(of_epochs) == 1:
        return of_epochs[0]
    rows: list[tuple[FloatArray, IntArray, FloatArray]] = []
    known: dict[tuple[tuple[int, int], ...], list[int]] = {}
    numbers = []
    for epoch, nodes in zip(framework.epochs, of_epochs, strict=True):
        numbers.append(np.empty(len(nodes), dtype=int))
        for node, centre in enumerate(nodes.centres):
            corners = nodes.vertices[node, nodes.vertices[node] >= 0]
            key = sorted(zip(corners.tolist(), epoch.places[corners].tolist(), strict=True))
            alike = known.setdefault(tuple(key), [])
            same = [old for old in alike if _distance(rows[old][0], centre, cell) < SAME_NODE]
            if not same:
                same = [len(rows)]
                alike += same
                rows.append((centre, corners, nodes.offsets[node, : len(corners)]))
            numbers[-1][node] = same[0]
    width = max(len(corners) for _, corners, _ in rows)
    vertices, offsets = np.full((len(rows), width), -1), np.zeros((len(rows), width, 3))
    for landmark, (_, corners, from_centre) in enumerate(rows):
        vertices[landmark, : len(corners)] = corners
        offsets[landmark, : len(corners)] = from_centre
    present = np.zeros((len(numbers), len(rows)), dtype=bool)
    for number, there in zip(numbers, present, strict=True):
        there[number] = True
    return Landmarks(np.array([centre for centre, _, _ in rows]), vertices, offsets, present)


def _distance(first: FloatArray, second: FloatArray, cell: FloatArray) -> float:
    return float(np.linalg.norm(nearest_image(second - first, cell)))


def voronoi_landmarks(
    framework: FloatArray, cell: FloatArray, merge_distance: float = 0.025
) -> Landmarks:
    """Return the Voronoi nodes of a periodic framework.

    Parameters
    ----------
    framework : ndarray, shape [framework atom, axis]
        Mean positions, Å.
    cell : ndarray, shape [vector, axis]
        Å; any shape.
    merge_distance : float
        Nodes closer than this, Å, become one landmark with the union of their vertices. An
        ideal octahedral hole has one node with six vertices; in a mean structure it splits
        into several nodes, separated by about the noise of the mean.
    """
    inverse = np.linalg.inv(cell)
    heights = 1 / np.linalg.norm(inverse, axis=0)
    # The published package passes the framework on in a CIF file, with five decimals, and
    # reads back nodes with six digits. That decides about 4 in 100 000 assignments; rounding in
    # the same way reproduces its assignments exactly. In an oblique cell, what is rounded depends
    # on the vectors that describe it, and is not.
    metric = cell @ cell.T
    right_angled = np.abs(metric - np.diag(np.diag(metric))).max() < 1e-6 * metric.max()
    fractions = framework @ inverse % 1.0
    rounded = (np.round(fractions, 5) if right_angled else fractions) @ cell

    # A node is correct if the images around the cell reach as far as its empty sphere.
    margin = 6.0
    while True:
        points, atoms = _images_within(rounded, cell, inverse, margin / heights)
        voronoi = Voronoi(points)
        generators = _generators(voronoi)
        scaled = voronoi.vertices @ inverse
        inside = np.all((scaled > -0.05) & (scaled < 1.05), axis=1)
        first = np.array([generators[node][0] for node in np.flatnonzero(inside)])
        radii = np.linalg.norm(voronoi.vertices[inside] - points[first], axis=1)
        if radii.max() <= margin:
            break
        margin = 1.2 * float(radii.max())

    # Merge among all images, then keep the merged nodes of one cell: no seam at its faces.
    nodes = voronoi.vertices[inside]
    generators = [generators[node] for node in np.flatnonzero(inside)]
    pairs = cKDTree(nodes).query_pairs(merge_distance, output_type="ndarray")
    linked = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(nodes),) * 2)
    n_groups, group = connected_components(linked, directed=False)
    centres = np.array([np.bincount(group, nodes[:, axis]) for axis in range(3)]).T
    centres /= np.bincount(group)[:, None]
    corners: list[set[int]] = [set() for _ in range(n_groups)]
    for node, members in enumerate(generators):
        corners[group[node]].update(members)
    scaled = centres @ inverse
    kept = np.flatnonzero(np.all((scaled >= -1e-6) & (scaled < 1 - 1e-6), axis=1))

    n_vertices = max(len(corners[node]) for node in kept)
    vertices = np.full((len(kept), n_vertices), -1)
    offsets = np.zeros((len(kept), n_vertices, 3))
    if right_angled:
        turn = _standard_orientation(cell)
        centres = _six_digits(centres @ turn) @ turn.T
    rounding = nearest_image(framework - rounded, cell)
    for landmark, node in enumerate(kept):
        members = sorted(corners[node])
        vertices[landmark, : len(members)] = atoms[members]
        offsets[landmark, : len(members)] = (
            points[members] + rounding[atoms[members]] - centres[node]
        )
    enclosing = np.array(
        [_flatness(row[atom >= 0]) > FLAT for row, atom in zip(offsets, vertices, strict=True)]
    )
    return Landmarks(
        centres[kept][enclosing],
        vertices[enclosing],
        offsets[enclosing],
        np.ones((1, int(enclosing.sum())), dtype=bool),
    )


def _flatness(offsets: FloatArray) -> float:
    """Return the thickness of a set of points [point, axis] relative to their radius."""
    spread = np.linalg.svd(offsets - offsets.mean(axis=0), compute_uv=False)
    return float(spread[-1] / np.linalg.norm(offsets, axis=1).mean())


def _standard_orientation(cell: FloatArray) -> FloatArray:
    """Return the rotation [axis, axis] that turns a cell as a CIF file has it: a along x."""
    turn, triangle = np.linalg.qr(cell.T)
    return np.asarray(turn * np.sign(np.diag(triangle)))


def _six_digits(values: FloatArray) -> FloatArray:
    """Round to six significant digits."""
    magnitude = np.floor(np.log10(np.maximum(np.abs(values), 1e-9)))
    step = 10.0 ** (magnitude - 5)
    return np.asarray(np.round(values / step) * step)


def _images_within(
    wrapped: FloatArray, cell: FloatArray, inverse: NDArray[Any], margin: NDArray[Any]
) -> tuple[FloatArray, IntArray]:
    """Return the images of points in the cell widened by fractional margins, and their atoms."""
    reach = np.ceil(margin).astype(int)
    shifts = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1)
    points = (wrapped[None] + shifts.reshape(-1, 1, 3) @ cell).reshape(-1, 3)
    atoms = np.tile(np.arange(len(wrapped)), len(points) // len(wrapped))
    scaled = points @ inverse
    near = np.all((scaled > -margin) & (scaled < 1 + margin), axis=1)
    return points[near], atoms[near]


def _generators(voronoi: Voronoi) -> list[list[int]]:
    """Return the points whose cells meet at each Voronoi node."""
    generators: list[list[int]] = [[] for _ in voronoi.vertices]
    for point, region in enumerate(voronoi.point_region):
        for node in voronoi.regions[region]:
            if node >= 0:
                generators[node].append(point)
    return generators
