"""Sites as clusters of landmark vectors: leader, seeded and Markov clustering.

All turn a stream of landmark vectors into *representatives*, one sparse vector per site; an
ion belongs to the site whose representative is most similar to its landmark vector.
"""

from collections.abc import Iterable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from scipy.spatial import cKDTree

from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError

LEADER_ITERATIONS = 10
MARKOV_ITERATIONS = 100
MARKOV_PRUNING = 1e-5


def leader_clustering(vectors: Iterable[csr_array], threshold: float) -> csr_array:
    """Return cluster representatives by leader clustering on the cosine.

    Vectors are taken in turn: each joins the cluster of the most similar mean, or starts a new
    cluster if no mean's cosine reaches the threshold. The means are clustered again in the same
    way, weighted by their members, until their number stays the same (Kahle et al. 2019,
    appendix).

    Parameters
    ----------
    vectors : iterable of csr_array, shape [vector, landmark]
        Chunks; taken once.
    threshold : float
        Cosine.

    Returns
    -------
    csr_array, shape [cluster, landmark]
        Means of length 1.

    Raises
    ------
    InputError
        Every vector is zero, or the number of clusters doesn't settle.
    """
    clusters: _Clusters | None = None
    for chunk in vectors:
        if clusters is None:
            clusters = _Clusters(chunk.shape[1], threshold)
        clusters.add(chunk, np.ones(chunk.shape[0]))
    if clusters is None or clusters.n_clusters == 0:
        raise _nobody_inside()
    for _ in range(LEADER_ITERATIONS):
        merged = _Clusters(clusters.n_landmarks, threshold)
        merged.add(clusters.means(), clusters.members())
        settled = merged.n_clusters == clusters.n_clusters
        clusters = merged
        if settled:
            return unit_rows(clusters.means())
    raise InputError(
        f"clustering_threshold: {threshold:g} still merges clusters after {LEADER_ITERATIONS} "
        "rounds; change it slightly"
    )


class _Clusters:
    """Sums of the vectors of each cluster, kept as lists by landmark.

    A landmark's list holds the clusters that have a component there. So a vector meets only
    the clusters it overlaps with, however many there are.
    """

    def __init__(self, n_landmarks: int, threshold: float) -> None:
        self.n_landmarks = n_landmarks
        self.threshold = threshold
        self.n_clusters = 0
        self._cluster = np.zeros((n_landmarks, 16), np.int32)
        self._sum = np.zeros((n_landmarks, 16))
        self._length = np.zeros(n_landmarks, np.int64)
        self._norm2 = np.zeros(64)
        self._members = np.zeros(64)

    def add(self, vectors: csr_array, weights: FloatArray) -> None:
        """Put each row with its cluster, in order."""
        (
            self.n_clusters,
            self._cluster,
            self._sum,
            self._norm2,
            self._members,
        ) = _lead(
            vectors.indptr,
            vectors.indices,
            vectors.data,
            weights,
            self.threshold,
            self.n_clusters,
            self._cluster,
            self._sum,
            self._length,
            self._norm2,
            self._members,
        )

    def members(self) -> FloatArray:
        """Return the weight of each cluster."""
        return self._members[: self.n_clusters]

    def means(self) -> csr_array:
        """Return the mean vectors [cluster, landmark]."""
        used = np.arange(self._cluster.shape[1]) < self._length[:, None]
        landmarks = np.repeat(np.arange(self.n_landmarks), self._length)
        clusters = self._cluster[used]
        shape = (self.n_clusters, self.n_landmarks)
        means = csr_array(
            (self._sum[used] / self._members[clusters], (clusters, landmarks)), shape=shape
        )
        means.sort_indices()
        return means


@numba.njit(cache=True)
def _lead(
    indptr: Any,
    indices: Any,
    data: Any,
    weights: Any,
    threshold: Any,
    n_clusters: Any,
    cluster: Any,
    total: Any,
    length: Any,
    norm2: Any,
    members: Any,
) -> Any:
    dot = np.zeros(len(norm2))
    touched = np.empty(len(norm2), np.int64)
    for row in range(len(indptr) - 1):
        start, stop = indptr[row], indptr[row + 1]
        row_norm2 = 0.0
        n_touched = 0
        for e in range(start, stop):
            landmark, value = indices[e], data[e]
            row_norm2 += value * value
            for slot in range(length[landmark]):
                c = cluster[landmark, slot]
                if dot[c] == 0.0:
                    touched[n_touched] = c
                    n_touched += 1
                dot[c] += value * total[landmark, slot]
        if row_norm2 == 0.0:
            continue
        best, best_cosine = -1, -1.0
        for t in range(n_touched):
            c = touched[t]
            cosine = dot[c] / np.sqrt(norm2[c] * row_norm2)
            if cosine > best_cosine or (cosine == best_cosine and c < best):
                best, best_cosine = c, cosine
        if best_cosine < threshold:
            best = n_clusters
            n_clusters += 1
            if n_clusters > len(norm2):
                norm2, members = _doubled(norm2), _doubled(members)
                dot = _doubled(dot)
                grown = np.empty(len(norm2), np.int64)
                grown[:n_touched] = touched[:n_touched]
                touched = grown
        weight = weights[row]
        norm2[best] += 2 * weight * dot[best] + weight * weight * row_norm2
        members[best] += weight
        for t in range(n_touched):
            dot[touched[t]] = 0.0
        for e in range(start, stop):
            landmark = indices[e]
            slot = 0
            while slot < length[landmark] and cluster[landmark, slot] != best:
                slot += 1
            if slot == length[landmark]:
                if slot == cluster.shape[1]:
                    wider = np.zeros((cluster.shape[0], 2 * slot), np.int32)
                    wider[:, :slot] = cluster
                    cluster = wider
                    wider_total = np.zeros((total.shape[0], 2 * slot))
                    wider_total[:, :slot] = total
                    total = wider_total
                cluster[landmark, slot] = best
                length[landmark] += 1
            total[landmark, slot] += weight * data[e]
    return n_clusters, cluster, total, norm2, members


@numba.njit(cache=True)
def _doubled(array: Any) -> Any:
    grown = np.zeros(2 * len(array))
    grown[: len(array)] = array
    return grown


def seeded_clustering(
    chunks: Iterable[tuple[FloatArray, csr_array]], seeds: FloatArray, cell: FloatArray
) -> csr_array:
    """Return cluster representatives around known positions.

    Each representative is the mean landmark vector of the ions that are nearer to this seed than
    to the others; a seed that no ion comes near to has a zero vector.

    Parameters
    ----------
    chunks : iterable of (ndarray [frame, ion, axis], csr_array [vector, landmark])
        Positions, Å, and landmark vectors, ions running fastest; taken once.
    seeds : ndarray, shape [site, axis]
        Å.
    cell : ndarray, shape [vector, axis]
        Å, reduced.

    Returns
    -------
    csr_array, shape [site, landmark]
        Means of length 1.
    """
    inverse = np.linalg.inv(cell)
    home = seeds @ inverse % 1.0
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    images = cKDTree(((home + shifts) @ cell).reshape(-1, 3))
    total: Any = 0
    for positions, vectors in chunks:
        wrapped = positions.reshape(-1, 3) @ inverse % 1.0 @ cell
        nearest = np.asarray(images.query(wrapped)[1]) % len(seeds)
        members = csr_array(
            (np.ones(len(nearest)), (nearest, np.arange(len(nearest)))),
            shape=(len(seeds), len(nearest)),
        )
        total = total + members @ vectors
    return unit_rows(csr_array(total))


def markov_clustering(
    vectors: Iterable[csr_array], expansion: int, inflation: float, threshold: float
) -> csr_array:
    """Return site representatives by Markov clustering of the landmarks.

    Landmarks that are near 1 together are one site: their uncentred correlation is the flow
    matrix of Markov clustering (van Dongen 2000). A site's representative is the leading
    eigenvector of its landmarks' second moments, scaled so that the vector that matches it
    best projects to 1. A cluster that no vector matches to the threshold is dropped.

    Parameters
    ----------
    vectors : iterable of csr_array, shape [vector, landmark]
        Chunks; taken twice.
    expansion : int
        Power of the flow matrix.
    inflation : float
        Power of its elements; higher gives smaller clusters.
    threshold : float
        Minimum projection, absolute and relative, of the best matching vector.

    Returns
    -------
    csr_array, shape [cluster, landmark]
        Representatives, to be used with their lengths.

    Raises
    ------
    InputError
        No convergence, or no cluster left.
    """
    moments: Any = 0
    n_vectors = 0
    for chunk in vectors:
        moments = moments + chunk.T @ chunk
        n_vectors += chunk.shape[0]
    moments = csr_array(moments / n_vectors)

    groups = _markov_groups(_correlation(moments), expansion, inflation)
    seen = moments.diagonal() > 0
    groups = [group for group in groups if seen[group].any()]
    if not groups:
        raise _nobody_inside()
    axes = csr_array(
        (
            np.concatenate([_leading_eigenvector(moments[group][:, group]) for group in groups]),
            (np.repeat(np.arange(len(groups)), [len(g) for g in groups]), np.concatenate(groups)),
        ),
        shape=(len(groups), len(seen)),
    )

    best, best_norm = np.zeros(len(groups)), np.ones(len(groups))
    for chunk in vectors:
        projections = abs(chunk @ axes.T).tocsc()
        norms = np.sqrt(chunk.multiply(chunk).sum(axis=1))
        rows = np.asarray(projections.argmax(axis=0)).ravel()
        largest = np.asarray(projections.max(axis=0).todense()).ravel()
        better = largest > best
        best[better], best_norm[better] = largest[better], norms[rows[better]]
    good = (best >= threshold) & (best / best_norm >= threshold)
    if not good.any():
        raise InputError(
            f"assignment_threshold: no cluster is matched to {threshold:g}; lower it "
            "(0.5 suits clustering='mcl')"
        )
    scaled = axes[good].multiply(1 / best[good][:, None])
    return csr_array(scaled)


def _correlation(moments: csr_array) -> csr_array:
    """Return the uncentred correlation, with a self-loop where a landmark was never seen."""
    deviation = np.sqrt(moments.diagonal())
    unseen = deviation == 0
    deviation[unseen] = 1.0
    scaled = moments.multiply(1 / deviation[:, None]).multiply(1 / deviation[None, :])
    loops = csr_array((unseen.astype(float), (np.arange(len(unseen)),) * 2), shape=moments.shape)
    return csr_array(scaled + loops)


def _markov_groups(correlation: csr_array, expansion: int, inflation: float) -> list[Any]:
    """Return groups of landmarks, as sorted index arrays, by Markov clustering."""
    flow = _stochastic_columns(csc_array(correlation))
    for _ in range(MARKOV_ITERATIONS):
        expanded = flow
        for _ in range(expansion - 1):
            expanded = csc_array(expanded @ flow)
        expanded.data **= inflation
        expanded = _stochastic_columns(expanded)
        largest = np.asarray(expanded.max(axis=0).todense()).ravel()
        column = np.repeat(np.arange(expanded.shape[1]), np.diff(expanded.indptr))
        expanded.data[(expanded.data < MARKOV_PRUNING) & (expanded.data < largest[column])] = 0
        expanded.eliminate_zeros()
        change = abs(expanded - flow)
        flow = expanded
        if change.nnz == 0 or change.max() < 1e-5:
            break
    else:
        raise InputError(
            f"inflation: {inflation:g} doesn't converge in {MARKOV_ITERATIONS} rounds; change it"
        )
    # Rows of attractors hold the clusters; rows that share a landmark are one cluster.
    attracting = flow.diagonal() > 0
    kept = csr_array((attracting.astype(float), (np.arange(len(attracting)),) * 2), flow.shape)
    linked = kept @ flow + eye_array(flow.shape[0])
    n_groups, group = connected_components(linked, directed=False)
    order = np.argsort(group, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group, minlength=n_groups))[:-1])


def _stochastic_columns(matrix: csc_array) -> csc_array:
    return csc_array(matrix.multiply(1 / matrix.sum(axis=0)[None, :]))


def _leading_eigenvector(moments: csr_array) -> FloatArray:
    if moments.shape[0] < 3:
        vector = np.linalg.eigh(moments.toarray())[1][:, -1]
    else:
        _, vectors = eigsh(moments, k=1, v0=np.ones(moments.shape[0]))
        vector = vectors[:, 0]
    return np.asarray(vector)


def assign(
    vectors: csr_array, representatives: csr_array, threshold: float, *, cosine: bool
) -> tuple[NDArray[np.int32], FloatArray]:
    """Assign each vector to the most similar representative.

    Parameters
    ----------
    vectors : csr_array, shape [vector, landmark]
    representatives : csr_array, shape [site, landmark]
    threshold : float
        Minimum similarity; below it a vector is unassigned.
    cosine : bool
        Similarity is the cosine; otherwise the projection on the representative.

    Returns
    -------
    sites : ndarray of int, shape [vector]
        -1 where unassigned.
    similarities : ndarray, shape [vector]
        0 where unassigned.
    """
    columns = csc_array(unit_rows(representatives) if cosine else representatives)
    sites, similarities = _assign(
        vectors.indptr,
        vectors.indices,
        vectors.data,
        columns.indptr,
        columns.indices,
        columns.data,
        representatives.shape[0],
        threshold,
        cosine,
    )
    return sites, similarities


@numba.njit(cache=True)
def _assign(
    indptr: Any,
    indices: Any,
    data: Any,
    column_indptr: Any,
    column_indices: Any,
    column_data: Any,
    n_sites: Any,
    threshold: Any,
    cosine: Any,
) -> Any:
    n_rows = len(indptr) - 1
    sites = np.full(n_rows, -1, np.int32)
    similarities = np.zeros(n_rows)
    dot = np.zeros(n_sites)
    for row in range(n_rows):
        dot[:] = 0.0
        norm2 = 0.0
        for e in range(indptr[row], indptr[row + 1]):
            landmark, value = indices[e], data[e]
            norm2 += value * value
            for place in range(column_indptr[landmark], column_indptr[landmark + 1]):
                dot[column_indices[place]] += value * column_data[place]
        if norm2 == 0.0:
            continue
        best, best_similarity = -1, -1.0
        for site in range(n_sites):
            if abs(dot[site]) > best_similarity:
                best, best_similarity = site, abs(dot[site])
        if cosine:
            best_similarity /= np.sqrt(norm2)
        if best_similarity >= threshold:
            sites[row] = best
            similarities[row] = best_similarity
    return sites, similarities


def unit_rows(vectors: csr_array) -> csr_array:
    """Return vectors [vector, landmark] of length 1; a zero vector stays one."""
    lengths = row_lengths(vectors)
    return csr_array(vectors.multiply(1 / np.where(lengths > 0, lengths, 1.0)[:, None]))


def row_lengths(vectors: csr_array) -> FloatArray:
    """Return the lengths [vector] of vectors [vector, landmark]."""
    return np.asarray(np.sqrt(vectors.multiply(vectors).sum(axis=1)))


def _nobody_inside() -> InputError:
    return InputError(
        "positions: no mobile ion is ever inside a landmark polyhedron; "
        "check the mask `mobile`, the cell and cutoff_midpoint"
    )
