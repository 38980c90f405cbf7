"""Verlet neighbour list for any periodic or open cell, self images included."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.threads import Threads

_LEAST_HEIGHT = 0.5
"""Å, of a periodic cell; a smaller one has more images than anyone intends."""


class NeighbourList:
    """Neighbours within ``cutoff + skin``, rebuilt when atoms have moved by half the skin.

    Atoms near a cell face are repeated as periodic images, so that neighbours are found by
    plain differences of positions. *Points* are the atoms, folded into the cell, followed
    by those images.

    Parameters
    ----------
    cutoff, skin
        Å.
    n_elements
        Number of elements; candidates are sorted by element.
    threads
        Among which the search for neighbours is divided.

    Attributes
    ----------
    points : array [point, 4], Å
        x, y, z and a zero: the kernels read and write four numbers at once.
    parents : array [point]
        The atom of which a point is an image.
    candidates : array
        Point numbers; seven more than ``starts`` refers to, because the kernels read eight at once.
    starts : array [atom, element + 1]
        ``candidates[starts[i, a]:starts[i, a + 1]]`` are the points of element a around atom i.
    """

    def __init__(
        self, cutoff: float, skin: float, n_elements: int, threads: Threads | None = None
    ) -> None:
        self._threads = threads or Threads()
        self.cutoff = cutoff
        self.skin = skin
        self.n_elements = n_elements
        self.n_builds = 0
        self.points: NDArray[np.float64]
        self.parents: NDArray[np.int64]
        self.candidates: NDArray[np.int64]
        self.starts: NDArray[np.int64]
        self._reference: NDArray[np.float64]
        self._folds: NDArray[np.float64]
        self._shifts: NDArray[np.float64]
        self._cell: NDArray[Any]
        self._built_cell: NDArray[Any]
        self._n_cells: NDArray[Any]
        self._unlisted_move: float
        self._inverse: NDArray[Any]
        # of no structure yet: the first update builds a list
        self._elements: NDArray[np.int64] = np.zeros(0, np.int64)
        self._pbc: NDArray[np.bool_] = np.zeros(3, bool)

    def update(
        self,
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        elements: NDArray[np.int64],
    ) -> None:
        """Move the points to new positions; build a new list if that is needed.

        Parameters
        ----------
        positions
            Shape [atom, xyz], Å; they may lie outside the cell.
        cell
            Cell vectors in rows, Å.
        pbc
            Whether the cell is periodic along each vector.
        elements
            Element number of each atom.
        """
        cell = np.asarray(cell, float)
        if np.array_equal(elements, self._elements) and np.array_equal(pbc, self._pbc):
            if not np.array_equal(cell, self._cell):
                self._cell, self._inverse = cell, _inverse(cell, pbc)
                # images that are not listed move, too, as far as the cell takes them
                stretch = np.linalg.norm(cell - self._built_cell, axis=1)
                self._unlisted_move = float(self._n_cells @ stretch)
            moved = _move(
                positions,
                cell,
                self._inverse, pbc, self._reference, self._folds, self._shifts,
                self.parents, self.points,
            )  # fmt: skip
            if moved + 0.5 * self._unlisted_move < 0.5 * self.skin:
                return
        self._build(positions, cell, pbc, elements)

    def fold(
        self, gradient: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Forces and virial from the gradient of the energy with respect to all points.

        Parameters
        ----------
        gradient
            Shape [point, 4], eV/Å, like the points.

        Returns
        -------
        forces
            Shape [atom, xyz], eV/Å; those of images belong to their atoms.
        virial
            Sum over points of position times force, shape [xyz, xyz], eV.
        """
        return _fold(gradient, self.points, self.parents, len(self._elements))

    def _build(
        self,
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        elements: NDArray[np.int64],
    ) -> None:
        reach = self.cutoff + self.skin
        self._cell, self._inverse = cell, _inverse(cell, pbc)
        fractional = positions @ self._inverse
        folds = np.where(pbc, -np.floor(fractional), 0.0)
        folded = fractional + folds
        heights = 1.0 / np.linalg.norm(self._inverse, axis=0)
        self.parents, self._shifts = _images(folded, np.where(pbc, reach / heights, -1.0))
        self._folds = folds
        self._built_cell, self._unlisted_move = cell.copy(), 0.0
        # along each vector, to the farthest images that may come into reach
        self._n_cells = np.where(pbc, np.ceil(reach / heights) + 1, 0.0)
        local = positions + folds @ cell
        self.points = np.zeros((len(self.parents), 4))
        self.points[:, :3] = local[self.parents] + self._shifts @ cell
        self._reference = self.points.copy()
        self._elements, self._pbc = elements.copy(), np.array(pbc)
        self.starts, self.candidates = self._candidates(elements, reach)
        self.n_builds += 1

    def _candidates(
        self, elements: NDArray[np.int64], reach: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find ``starts`` and ``candidates``, the atoms divided among the threads."""
        bins = _fill_bins(self.points, elements[self.parents], self.n_elements, reach)
        shares = [self._threads.share(len(elements), k) for k in range(self._threads.n)]
        found: list[Any] = [None] * len(shares)

        def find(thread: int) -> None:
            share = shares[thread]
            found[thread] = _find_candidates(
                self.points, share.start, share.stop, self.n_elements, reach, *bins
            )

        self._threads.run(find)
        counts = [len(candidates) for _, candidates in found]
        firsts = np.cumsum([0, *counts])
        starts = [own + first for (own, _), first in zip(found, firsts, strict=False)]
        tail: NDArray[np.int64] = np.zeros(7, np.int64)
        return np.concatenate(starts), np.concatenate([*(c for _, c in found), tail])


def _inverse(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> NDArray[Any]:
    """Inverse of the cell; InputError if it is flat where it should be periodic."""
    try:
        inverse = np.linalg.inv(_completed(cell, pbc))
    except np.linalg.LinAlgError:
        inverse = np.full((3, 3), np.inf)
    heights = 1.0 / np.linalg.norm(inverse, axis=0)
    if not (heights[np.asarray(pbc)] >= _LEAST_HEIGHT).all():
        raise InputError(
            f"cell: its vectors leave a height of {heights[np.asarray(pbc)].min():.3g} Å where it "
            "is periodic; give a whole cell, or set pbc to False"
        )
    return inverse


def _completed(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Cell with its open directions replaced by unit vectors across the periodic ones."""
    vectors = np.where(np.asarray(pbc)[:, None], cell, 0.0)
    periodic = vectors[np.asarray(pbc)]
    # rows of the null space are orthogonal to the periodic vectors and to each other
    _, _, rows = np.linalg.svd(periodic.reshape(-1, 3), full_matrices=True)
    vectors[~np.asarray(pbc)] = rows[len(periodic) :]
    return vectors


def _images(
    fractional: NDArray[np.float64], margins: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Parents and shifts of all points within margins (in fractions) of the cell.

    The atoms themselves, shift zero, come first.
    """
    parents: NDArray[Any] = np.arange(len(fractional))
    shifts: NDArray[Any] = np.zeros((len(fractional), 3))
    for axis in range(3):
        margin = margins[axis]
        if margin < 0.0:
            continue
        for sign in (1.0, -1.0):
            # one image after the other, away from the cell
            for n in range(1, int(np.ceil(margin)) + 1):
                original = shifts[:, axis] == 0.0
                position = fractional[parents, axis] + sign * n
                near = original & (position < 1.0 + margin) & (position > -margin)
                added = shifts[near].copy()
                added[:, axis] = sign * n
                parents = np.concatenate([parents, parents[near]])
                shifts = np.concatenate([shifts, added])
    return parents, shifts


@njit(cache=True, nogil=True)
def _move(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    inverse: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    reference: NDArray[np.float64],
    folds: NDArray[np.float64],
    shifts: NDArray[np.float64],
    parents: NDArray[np.int64],
    points: NDArray[np.float64],
) -> float:
    """Move the points along with their atoms; return the largest displacement, Å.

    An atom that comes back on the other side of the cell has not moved: its fold changes.
    """
    n_atoms = len(positions)
    largest = 0.0
    shift = np.zeros(3)
    for i in range(len(points)):
        p = parents[i]
        if i < n_atoms:
            for k in range(3):
                points[i, k] = positions[i, k]
                for axis in range(3):
                    points[i, k] += folds[i, axis] * cell[axis, k]
            for axis in range(3):
                shift[axis] = 0.0
                if pbc[axis]:
                    for k in range(3):
                        shift[axis] += (reference[i, k] - points[i, k]) * inverse[k, axis]
                    shift[axis] = np.rint(shift[axis])
                folds[i, axis] += shift[axis]
        else:
            for axis in range(3):
                shift[axis] = shifts[i, axis]
            for k in range(3):
                points[i, k] = points[p, k]
        squared = 0.0
        for k in range(3):
            for axis in range(3):
                points[i, k] += shift[axis] * cell[axis, k]
            squared += (points[i, k] - reference[i, k]) ** 2
        largest = max(largest, squared)
    return np.sqrt(largest)


@njit(cache=True, nogil=True)
def _fold(
    gradient: NDArray[np.float64],
    points: NDArray[np.float64],
    parents: NDArray[np.int64],
    n_atoms: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    forces, virial = np.zeros((n_atoms, 3)), np.zeros((3, 3))
    for i in range(len(points)):
        for k in range(3):
            forces[parents[i], k] -= gradient[i, k]
            for axis in range(3):
                virial[axis, k] -= points[i, axis] * gradient[i, k]
    return forces, virial


@njit(cache=True, nogil=True)
def _fill_bins(
    points: NDArray[np.float64], elements: NDArray[np.int64], n_elements: int, reach: float
) -> tuple[Any, ...]:
    """Sort points into bins.

    Returns the number of bins along each axis, the bin of each point, the points' numbers bin by
    bin, by element first, the first of each bin among those, and their positions.
    """
    # bins half as wide as the reach: two on either side hold all that is near, and little else
    low, width = np.empty(3), 0.5 * reach
    n_bins = np.empty(3, np.int64)
    for k in range(3):
        low[k] = points[:, k].min()
        # a sparse cluster must not make more bins than points
        most = int(len(points) ** (1.0 / 3.0)) + 1
        n_bins[k] = min(max(int((points[:, k].max() - low[k]) / width), 1), most)
    widths = np.empty(3)
    for k in range(3):
        widths[k] = max((points[:, k].max() - low[k]) / n_bins[k], width) * (1.0 + 1e-12)
    # the points of one element in a column of bins along z follow one another
    bins = np.empty((len(points), 3), np.int64)
    n_cells = n_elements * n_bins[0] * n_bins[1] * n_bins[2]
    cells = np.empty(len(points), np.int64)
    first = np.zeros(n_cells + 1, np.int64)
    for i in range(len(points)):
        cells[i] = elements[i]
        for k in range(3):
            bins[i, k] = min(int((points[i, k] - low[k]) / widths[k]), n_bins[k] - 1)
            cells[i] = cells[i] * n_bins[k] + bins[i, k]
        first[cells[i] + 1] += 1
    first = np.cumsum(first)
    filled = first.copy()
    order = np.empty(len(points), np.int64)
    for i in range(len(points)):
        order[filled[cells[i]]] = i
        filled[cells[i]] += 1
    return n_bins, bins, order, first, points[order]


@njit(cache=True, nogil=True)
def _find_candidates(
    points: NDArray[np.float64],
    first_atom: int,
    last_atom: int,
    n_elements: int,
    reach: float,
    n_bins: NDArray[np.int64],
    bins: NDArray[np.int64],
    order: NDArray[np.int64],
    first: NDArray[np.int64],
    binned: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Points within reach of some atoms, by element."""
    starts = np.empty((last_atom - first_atom, n_elements + 1), np.int64)
    candidates = np.empty(64 * len(starts), np.int64)
    n = 0
    for i in range(first_atom, last_atom):
        xi, yi, zi = points[i, 0], points[i, 1], points[i, 2]
        bx, by, bz = bins[i]
        for a in range(n_elements):
            starts[i - first_atom, a] = n
            for ix in range(max(bx - 2, 0), min(bx + 3, n_bins[0])):
                for iy in range(max(by - 2, 0), min(by + 3, n_bins[1])):
                    column = ((a * n_bins[0] + ix) * n_bins[1] + iy) * n_bins[2]
                    start = first[column + max(bz - 2, 0)]
                    stop = first[column + min(bz + 3, n_bins[2])]
                    needed = n + stop - start
                    if needed > len(candidates):
                        larger = np.empty(2 * needed, np.int64)
                        larger[:n] = candidates[:n]
                        candidates = larger
                    for c in range(start, stop):
                        dx, dy, dz = binned[c, 0] - xi, binned[c, 1] - yi, binned[c, 2] - zi
                        candidates[n] = order[c]
                        near = dx * dx + dy * dy + dz * dz < reach * reach
                        n += int(near and order[c] != i)
        starts[i - first_atom, n_elements] = n
    return starts, candidates[:n].copy()
