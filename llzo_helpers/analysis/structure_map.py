"""Local environments, a map of structures made without labels, a distance to the crystal.

The environment of an atom is the density of its neighbours, one species at a time, seen
through radial Gaussians g_n and the rotation-invariant power of its angular harmonics: the
part of the SOAP power spectrum that is diagonal in n (Bartok, Kondor, Csanyi, Phys. Rev. B
87, 184115 (2013)). By the addition theorem no harmonics are needed,

    p_nl = sum_jk g_n(r_j) g_n(r_k) P_l(cos of the angle between j and k),

where j and k run over the neighbours of one species. It is smooth, as g_n fades to zero at
the cutoff, and invariant to rotation, translation and renumbering of the structure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import fcluster, linkage

from llzo_helpers.analysis.frames import Frames, frame_chunks
from llzo_helpers.analysis.periodic import (
    atoms_of,
    check_cutoff,
    fractional_positions,
    image_vector,
    reduced_cell,
)
from llzo_helpers.arguments import check_number
from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError

FRAMEWORK = ("La", "Zr", "O")
# Radial Gaussians as wide as they are apart, from where the shortest bonds begin.
INNERMOST = 1.5  # Å
N_RADIAL = 8
L_MAX = 6


@dataclass(frozen=True)
class StructureMap:
    """Principal components of features of structures: a map, made without labels.

    Attributes
    ----------
    mean, scale : ndarray, shape [feature]
        Mean and standard deviation of each feature over the structures of the map.
    axes : ndarray, shape [component, feature]
        Directions of the map in units of `scale`, of decreasing variance.
    explained : ndarray, shape [component]
        Fraction of the variance along each.
    """

    mean: FloatArray
    scale: FloatArray
    axes: FloatArray
    explained: FloatArray

    def project(self, features: FloatArray) -> FloatArray:
        """Return where structures [structure, feature] lie on the map [structure, component]."""
        return np.asarray((features - self.mean) / self.scale @ self.axes.T)


@dataclass(frozen=True)
class CrystalReference:
    """Environments of one element in the crystal, as a normal distribution.

    The covariance is that of probabilistic principal components (Tipping and Bishop, J. R.
    Stat. Soc. B 61, 611 (1999)): the leading directions keep their variances, the others share
    their mean variance, so that no direction in which the crystal happens not to move gets an
    unlimited weight.

    Attributes
    ----------
    mean : ndarray, shape [feature]
        Mean environment.
    axes : ndarray, shape [feature, direction]
        Principal directions.
    variances : ndarray, shape [direction]
        Along each.
    """

    mean: FloatArray
    axes: FloatArray
    variances: FloatArray

    def distance(self, environments: FloatArray) -> FloatArray:
        """Return the distance of each environment [..., feature] from the crystal [...].

        It is the Mahalanobis distance divided by the square root of the number of features: its
        root mean square over the reference is 1, an environment as in the crystal has about 1,
        and a different environment has several.
        """
        along = (environments - self.mean) @ self.axes
        return np.asarray(np.sqrt(np.mean(np.square(along) / self.variances, axis=-1)))


def local_environments(
    frames: ArrayLike | Frames,
    cell: ArrayLike,
    species: Sequence[str],
    *,
    central: str,
    neighbours: Sequence[str] = FRAMEWORK,
    cutoff_A: float = 6.0,
    volume_per_atom: float | None = None,
) -> FloatArray:
    """Return the environment of each atom of an element in each frame.

    Parameters
    ----------
    frames : array_like, shape [frame, atom, axis], or Frames
        Positions, Å.
    cell : array_like, shape [vector, axis]
        Å.
    species : sequence of str, shape [atom]
        Element of each atom.
    central : str
        Element whose environments are described.
    neighbours : sequence of str
        Elements of the neighbours. Without Li, the default, environments describe the framework
        only, independent of the positions of the ions.
    cutoff_A : float
        Distance beyond which neighbours do not count, Å.
    volume_per_atom : float, optional
        Scale all lengths so that atoms of `neighbours` have this volume each, Å3. A crystal
        that is only strained then has the environments of the unstrained one.

    Returns
    -------
    ndarray, shape [frame, atom of the element, feature]
        Features are ordered by neighbour species, n, and l.

    Raises
    ------
    InputError
        Mismatched shapes, no frame, an element that is absent, or a cutoff for which
        the cell is too small.
    """
    box = reduced_cell(cell)
    factor = 1.0
    others = [atoms_of(species, element) for element in neighbours]
    if volume_per_atom is not None:
        volume = abs(float(np.linalg.det(box))) / sum(len(atoms) for atoms in others)
        factor = (volume_per_atom / volume) ** (1 / 3)
    check_cutoff(cutoff_A, box * factor)
    check_number("cutoff_A", cutoff_A, "a distance in Å", low=2 * INNERMOST, high=np.inf)
    centres = atoms_of(species, central)
    return np.concatenate(
        [
            np.concatenate(
                [
                    _power_spectrum(fractional, box * factor, centres, atoms, cutoff_A)
                    for atoms in others
                ],
                axis=-1,
            )
            for fractional in (
                fractional_positions(chunk, box) for chunk in frame_chunks(frames, len(species))
            )
        ]
    )


def structure_features(environments: Sequence[FloatArray]) -> FloatArray:
    """Return features of whole structures from the environments of their elements.

    Parameters
    ----------
    environments : sequence of ndarray, shape [frame, atom, feature]
        One for each element.

    Returns
    -------
    ndarray, shape [frame, feature]
        Mean over atoms, element after element.
    """
    return np.concatenate([of_element.mean(axis=1) for of_element in environments], axis=-1)


def structure_map(features: FloatArray, *, components: int = 3) -> StructureMap:
    """Return the map on which structures differ most, made without labels.

    Parameters
    ----------
    features : ndarray, shape [structure, feature]
        See `structure_features`.
    components : int
        Dimensions of the map.

    Raises
    ------
    InputError
        Fewer structures than components + 1.
    """
    if features.ndim != 2 or len(features) <= components:
        raise InputError(
            f"features: shape {features.shape}; give [structure, feature] for at least "
            f"{components + 1} structures"
        )
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-12 * (np.abs(mean) + 1), scale, np.inf)
    _, singular, axes = np.linalg.svd((features - mean) / scale, full_matrices=False)
    # the sign of an axis is arbitrary: make its largest component positive
    axes *= np.sign(axes[np.arange(len(axes)), np.argmax(np.abs(axes), axis=1)])[:, None]
    variances = singular**2
    return StructureMap(
        mean=mean,
        scale=scale,
        axes=axes[:components],
        explained=variances[:components] / variances.sum(),
    )


def groups_on_map(scores: FloatArray, n_groups: int) -> IntArray:
    """Return the group of each structure on a map, found without labels.

    Ward's hierarchical clustering (J. Am. Stat. Assoc. 58, 236 (1963)).

    Parameters
    ----------
    scores : ndarray, shape [structure, component]
        See `StructureMap.project`.
    n_groups : int
        How many.

    Returns
    -------
    ndarray, shape [structure]
        0, 1, ... in the order in which groups first appear.
    """
    labels = fcluster(linkage(scores, "ward"), n_groups, "maxclust")
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[group], dtype=np.int64)


def crystal_reference(environments: FloatArray, *, kept: float = 0.95) -> CrystalReference:
    """Return the distribution of environments in the crystal.

    Parameters
    ----------
    environments : ndarray, shape [..., feature]
        Of one element in frames of the crystal, at the temperatures of the structures to be
        compared: the distribution widens with temperature.
    kept : float
        Fraction of the variance in the directions that keep their own variance.

    Raises
    ------
    InputError
        Fewer than 50 environments, or a crystal in which nothing moves.
    """
    flat = environments.reshape(-1, environments.shape[-1])
    if len(flat) < 50:
        raise InputError(
            f"environments: {len(flat)} of the crystal; give at least 50, from more frames"
        )
    mean = flat.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(flat, rowvar=False, bias=True))
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    total = variances.sum()
    if total <= 1e-12 * np.sum(mean**2):
        raise InputError("environments: the same in all frames; give frames of a warm crystal")
    own = int(np.searchsorted(np.cumsum(variances), kept * total)) + 1
    shared = np.where(np.arange(len(variances)) < own, variances, variances[own:].mean())
    return CrystalReference(mean=mean, axes=axes, variances=shared)


@numba.njit(cache=True)
def _power_spectrum(
    fractional: FloatArray, cell: FloatArray, centres: IntArray, others: IntArray, cutoff_A: float
) -> FloatArray:
    """Return p_nl [frame, centre, n * l] of the density of the other atoms."""
    n_frames = fractional.shape[0]
    powers = np.zeros((n_frames, len(centres), N_RADIAL, L_MAX + 1))
    directions = np.empty((len(others), 3))
    radial = np.empty((len(others), N_RADIAL))
    legendre = np.ones(L_MAX + 1)
    spacing = (cutoff_A - INNERMOST) / N_RADIAL
    for frame in range(n_frames):
        at = fractional[frame]
        for c, i in enumerate(centres):
            found = 0
            for j in others:
                x, y, z, square = image_vector(at[i], at[j], cell)
                if i == j or square >= cutoff_A * cutoff_A or square == 0:
                    continue
                r = np.sqrt(square)
                directions[found, 0] = x / r
                directions[found, 1] = y / r
                directions[found, 2] = z / r
                fade = 0.5 * (1 + np.cos(np.pi * r / cutoff_A))
                for n in range(N_RADIAL):
                    u = (r - INNERMOST) / spacing - n
                    radial[found, n] = fade * np.exp(-0.5 * u * u)
                found += 1
            for a in range(found):
                for b in range(a + 1):
                    cosine = 0.0
                    for axis in range(3):
                        cosine += directions[a, axis] * directions[b, axis]
                    legendre[1] = cosine
                    for degree in range(2, L_MAX + 1):
                        legendre[degree] = (
                            (2 * degree - 1) * cosine * legendre[degree - 1]
                            - (degree - 1) * legendre[degree - 2]
                        ) / degree
                    times = 1.0 if a == b else 2.0
                    for n in range(N_RADIAL):
                        weight = times * radial[a, n] * radial[b, n]
                        for degree in range(L_MAX + 1):
                            powers[frame, c, n, degree] += weight * legendre[degree]
    return powers.reshape(n_frames, len(centres), N_RADIAL * (L_MAX + 1))
