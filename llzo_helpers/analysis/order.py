"""Order of a structure: pair distributions, coordination numbers, bond angles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d

from llzo_helpers.analysis.frames import Frames, frame_chunks
from llzo_helpers.analysis.periodic import (
    atoms_of,
    check_cutoff,
    fractional_positions,
    image_vector,
    largest_distance,
    reduced_cell,
)
from llzo_helpers.arguments import check_number, check_whole, checked_species
from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError


@dataclass(frozen=True)
class PairDistribution:
    """Distances from atoms of one species to those of another.

    Attributes
    ----------
    radii : ndarray, shape [bin]
        Middle of each bin, Å.
    values : ndarray, shape [bin]
        g(r): 1 where neighbours are as frequent as in an ideal gas of the same density.
    standard_error : ndarray, shape [bin]
        Of `values`, from blocks of consecutive frames; NaN if there is only one.
    coordination : ndarray, shape [bin]
        Mean number of atoms of the second species around one of the first, up to the
        upper edge of the bin.
    """

    radii: FloatArray
    values: FloatArray
    standard_error: FloatArray
    coordination: FloatArray

    def coarser(self, bins: int) -> "PairDistribution":
        """Return the same with so many bins joined into one; what is left at the end is dropped.

        The mean of g(r) is weighted by the volumes of the shells; errors are taken as independent.
        """
        kept = len(self.radii) // bins * bins
        radii, values, error, coordination = (
            each[:kept].reshape(-1, bins)
            for each in (self.radii, self.values, self.standard_error, self.coordination)
        )
        weights = radii**2 / np.sum(radii**2, axis=1, keepdims=True)
        return PairDistribution(
            radii.mean(axis=1),
            np.sum(weights * values, axis=1),
            np.sqrt(np.sum((weights * error) ** 2, axis=1)),
            coordination[:, -1],
        )


@dataclass(frozen=True)
class CoordinationNumbers:
    """Numbers of neighbours.

    Attributes
    ----------
    cutoff_A : float
        Largest distance of a neighbour, Å.
    numbers : ndarray, shape [frame, atom]
        Of each atom of the central species, in the order of the frames.
    """

    cutoff_A: float
    numbers: IntArray

    @property
    def mean(self) -> float:
        """Mean over atoms and frames."""
        return float(self.numbers.mean())

    @property
    def standard_error(self) -> float:
        """Of `mean`, from 5 blocks of consecutive frames; NaN of a single frame."""
        blocks = np.array_split(self.numbers, min(5, len(self.numbers)))
        means = [block.mean() for block in blocks]
        return float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else np.nan

    @property
    def distribution(self) -> FloatArray:
        """Fraction of atoms with 0, 1, 2, ... neighbours."""
        return np.bincount(self.numbers.ravel()) / self.numbers.size


@dataclass(frozen=True)
class BondAngles:
    """Angles between two bonds of an atom.

    Attributes
    ----------
    angles : ndarray, shape [bin]
        Middle of each bin, degrees.
    density : ndarray, shape [bin]
        Fraction of angles per degree; its integral is 1.
    relative_to_random : ndarray, shape [bin]
        `density` relative to that of random directions, which is proportional to the sine.
    n_angles : int
        Number of angles counted.
    """

    angles: FloatArray
    density: FloatArray
    relative_to_random: FloatArray
    n_angles: int


def pair_distributions(
    positions: ArrayLike | Frames,
    cell: ArrayLike,
    species: Sequence[str],
    *,
    r_max_A: float | None = None,
    bin_width_A: float = 0.02,
    blocks: int = 5,
) -> dict[tuple[str, str], PairDistribution]:
    """Return the partial pair distributions of every pair of species, in both orders.

    Parameters
    ----------
    positions : array_like, shape [frame, atom, axis], or Frames
        Positions, Å.
    cell : array_like, shape [vector, axis]
        Å.
    species : sequence of str, shape [atom]
        Element of each atom.
    r_max_A : float, optional
        Largest distance, Å; half the smallest height of the cell if not given.
    bin_width_A : float
        Å.
    blocks : int
        Maximum number of blocks of frames for the standard errors: chunks are not split.

    Raises
    ------
    InputError
        Mismatched shapes, no frame, or distances for which the cell is too small.
    """
    box = reduced_cell(cell)
    limit = largest_distance(box)
    check_number("bin_width_A", bin_width_A, "a distance in Å", low=1e-4, high=limit / 2)
    reach = limit if r_max_A is None else r_max_A
    check_number(
        "r_max_A",
        reach,
        "two bins or more, and at most half the smallest height of the cell",
        low=2 * bin_width_A,
        high=limit * (1 + 1e-12),
    )
    check_whole("blocks", blocks, "a number of blocks", low=1, high=10**6)
    names, kinds = np.unique(checked_species(species), return_inverse=True)
    n_bins = int(np.floor(reach / bin_width_A * (1 + 1e-12)))
    counts, n_frames = [], []
    for chunk in frame_chunks(positions, len(kinds), at_least=blocks):
        counted = np.zeros((len(names), len(names), n_bins), dtype=np.int64)
        _count_pairs(fractional_positions(chunk, box), box, kinds, bin_width_A, counted)
        counts.append(counted + counted.transpose(1, 0, 2))
        n_frames.append(len(chunk))
    groups = [
        group
        for group in np.array_split(np.arange(len(counts)), min(blocks, len(counts)))
        if len(group)
    ]
    # [block, species, species, bin]: per frame, neighbours of all atoms of the first species
    per_block = np.array([sum(counts[c] for c in g) / sum(n_frames[c] for c in g) for g in groups])
    mean = np.sum(counts, axis=0) / sum(n_frames)

    edges = np.arange(n_bins + 1) * bin_width_A
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    volume = abs(float(np.linalg.det(box)))
    totals = np.bincount(kinds)
    results = {}
    for a, first in enumerate(names.tolist()):
        for b, second in enumerate(names.tolist()):
            # an atom is not its own neighbour
            n_pairs = totals[a] * (totals[b] - (a == b))
            to_density = volume / (max(n_pairs, 1) * shells)
            spread = per_block[:, a, b] * to_density
            results[first, second] = PairDistribution(
                radii=(edges[:-1] + edges[1:]) / 2,
                values=mean[a, b] * to_density,
                standard_error=(
                    np.std(spread, axis=0, ddof=1) / np.sqrt(len(spread))
                    if len(spread) > 1
                    else np.full(n_bins, np.nan)
                ),
                coordination=np.cumsum(mean[a, b]) / totals[a],
            )
    return results


def pair_distribution(
    positions: ArrayLike | Frames,
    cell: ArrayLike,
    species: Sequence[str],
    *,
    central: str,
    neighbour: str,
    r_max_A: float | None = None,
    bin_width_A: float = 0.02,
) -> PairDistribution:
    """Return the pair distribution of one pair of species.

    Parameters
    ----------
    positions, cell, species
        As for `pair_distributions`.
    central, neighbour : str
        Elements.
    r_max_A, bin_width_A : float
        As for `pair_distributions`.

    Raises
    ------
    InputError
        As `pair_distributions`, or an element that is absent.
    """
    for element in (central, neighbour):
        atoms_of(species, element)
    pairs = pair_distributions(positions, cell, species, r_max_A=r_max_A, bin_width_A=bin_width_A)
    return pairs[central, neighbour]


def first_minimum(pair: PairDistribution, *, smoothing: float = 0.05) -> float:
    """Return the distance of the first minimum after the first peak, Å: a cutoff of bonds.

    Parameters
    ----------
    pair : PairDistribution
        Of the two species.
    smoothing : float
        Standard deviation of the Gaussian that smooths g(r) before the search, Å.

    Raises
    ------
    InputError
        No minimum within the distances counted, or none that stands out of counting errors.
    """
    width = smoothing / (pair.radii[1] - pair.radii[0])
    smooth = gaussian_filter1d(pair.values, width)
    clear = _LEAST_CHANGE * _counting_error(pair, smooth, width)
    peak = valley = -1
    for r in range(len(smooth)):
        if valley < 0:
            if peak < 0 or smooth[r] > smooth[peak]:
                peak = r
            # a peak rises above the ideal gas
            elif smooth[peak] > 1 and smooth[r] < smooth[peak] - clear[peak]:
                valley = r
        elif smooth[r] <= smooth[valley]:
            valley = r
        elif smooth[r] > smooth[valley] + max(clear[r], 1e-9):
            # where nothing lies between two shells the minimum is flat: take its middle
            flat = np.flatnonzero(smooth[peak:r] <= smooth[valley] + 1e-9) + peak
            return float((pair.radii[flat[0]] + pair.radii[flat[-1]]) / 2)
    raise InputError(
        f"pair distribution: no clear minimum after a first peak up to {pair.radii[-1]:.2f} Å; "
        "give more frames, a larger r_max_A, or the cutoff itself"
    )


_LEAST_CHANGE = 4
"""Counting errors by which g(r) falls after a peak, and rises after a minimum."""


def _counting_error(pair: PairDistribution, smooth: FloatArray, width: float) -> FloatArray:
    """Return the standard error of smoothed g(r) from the finite number of pairs, [bin].

    The number is Poisson distributed: the variance of g(r) is g(r) over the area of the shell,
    times a factor that follows from how much neighbouring bins differ.
    """
    known = smooth > 0.01 * smooth.max()
    per_area = smooth / pair.radii**2
    curvature = np.diff(pair.values, 2) ** 2 / 6
    inside = known[1:-1]
    # of a squared normal variable, the median is 0.455 of the mean
    factor = np.median(curvature[inside] / per_area[1:-1][inside]) / 0.455 if inside.any() else 0.0
    # the Gaussian averages over so many bins
    return np.sqrt(factor * per_area / max(2 * np.sqrt(np.pi) * width, 1.0))


def coordination_numbers(
    positions: ArrayLike | Frames,
    cell: ArrayLike,
    species: Sequence[str],
    *,
    central: str,
    neighbour: str,
    cutoff_A: float,
) -> CoordinationNumbers:
    """Return the number of neighbours of each atom in each frame.

    Parameters
    ----------
    positions, cell, species
        As for `pair_distributions`.
    central, neighbour : str
        Elements.
    cutoff_A : float
        Largest distance of a neighbour, Å (see `first_minimum`).

    Raises
    ------
    InputError
        Mismatched shapes, no frame, an element that is absent, or a cutoff for which
        the cell is too small.
    """
    box = reduced_cell(cell)
    check_cutoff(cutoff_A, box)
    centres, others = atoms_of(species, central), atoms_of(species, neighbour)
    numbers = [
        _count_neighbours(fractional_positions(chunk, box), box, centres, others, cutoff_A)
        for chunk in frame_chunks(positions, len(species))
    ]
    return CoordinationNumbers(cutoff_A=cutoff_A, numbers=np.concatenate(numbers))


def bond_angles(
    positions: ArrayLike | Frames,
    cell: ArrayLike,
    species: Sequence[str],
    *,
    central: str,
    neighbour: str,
    cutoff_A: float,
    bin_width_deg: float = 2.0,
) -> BondAngles:
    """Return the distribution of angles neighbour - central - neighbour.

    Parameters
    ----------
    positions, cell, species, central, neighbour, cutoff_A
        As for `coordination_numbers`.
    bin_width_deg : float
        Degrees.

    Raises
    ------
    InputError
        As for `coordination_numbers`; or no atom with two neighbours.
    """
    box = reduced_cell(cell)
    check_cutoff(cutoff_A, box)
    centres, others = atoms_of(species, central), atoms_of(species, neighbour)
    check_number("bin_width_deg", bin_width_deg, "an angle in degrees", low=0.01, high=90)
    n_bins = round(180 / bin_width_deg)
    edges = np.linspace(0, 180, n_bins + 1)
    counts = np.zeros(n_bins, dtype=np.int64)
    for chunk in frame_chunks(positions, len(species)):
        _count_angles(fractional_positions(chunk, box), box, centres, others, cutoff_A, counts)
    total = int(counts.sum())
    if total == 0:
        raise InputError(
            f"cutoff: {cutoff_A:g} Å; no {central} has two {neighbour} within it; give a larger one"
        )
    fractions = counts / total
    random = np.diff(-np.cos(np.radians(edges))) / 2
    return BondAngles(
        angles=(edges[:-1] + edges[1:]) / 2,
        density=fractions / np.diff(edges),
        relative_to_random=fractions / random,
        n_angles=total,
    )


@numba.njit(cache=True)
def _count_pairs(
    fractional: FloatArray,
    cell: FloatArray,
    kinds: IntArray,
    bin_width: float,
    counts: IntArray,
) -> None:
    """Add the pairs of every frame to `counts` [kind, kind, bin], each pair once."""
    n_frames, n_atoms, _ = fractional.shape
    n_bins = counts.shape[2]
    limit = (n_bins * bin_width) ** 2
    for frame in range(n_frames):
        at = fractional[frame]
        for i in range(n_atoms - 1):
            for j in range(i + 1, n_atoms):
                square = image_vector(at[i], at[j], cell)[3]
                if square < limit:
                    where = min(int(np.sqrt(square) / bin_width), n_bins - 1)
                    counts[kinds[i], kinds[j], where] += 1


@numba.njit(cache=True)
def _count_neighbours(
    fractional: FloatArray, cell: FloatArray, centres: IntArray, others: IntArray, cutoff_A: float
) -> IntArray:
    """Return the number of neighbours [frame, centre]."""
    numbers = np.zeros((fractional.shape[0], len(centres)), dtype=np.int64)
    for frame in range(fractional.shape[0]):
        at = fractional[frame]
        for c, i in enumerate(centres):
            for j in others:
                if i != j and image_vector(at[i], at[j], cell)[3] <= cutoff_A * cutoff_A:
                    numbers[frame, c] += 1
    return numbers


@numba.njit(cache=True)
def _count_angles(
    fractional: FloatArray,
    cell: FloatArray,
    centres: IntArray,
    others: IntArray,
    cutoff_A: float,
    counts: IntArray,
) -> None:
    """Add the angles at the centres of every frame to `counts` [bin] of 0 to 180 degrees."""
    directions = np.empty((len(others), 3))
    n_bins = len(counts)
    for frame in range(fractional.shape[0]):
        at = fractional[frame]
        for i in centres:
            found = 0
            for j in others:
                x, y, z, square = image_vector(at[i], at[j], cell)
                # two atoms at one point have no direction
                if i != j and 0 < square <= cutoff_A * cutoff_A:
                    length = np.sqrt(square)
                    directions[found, 0] = x / length
                    directions[found, 1] = y / length
                    directions[found, 2] = z / length
                    found += 1
            for a in range(found - 1):
                for b in range(a + 1, found):
                    cosine = 0.0
                    for axis in range(3):
                        cosine += directions[a, axis] * directions[b, axis]
                    angle = np.arccos(min(1.0, max(-1.0, cosine)))
                    counts[min(int(angle / np.pi * n_bins), n_bins - 1)] += 1
