"""The uncertainty of a quantity of a network of jumps, and how it depends on the data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.analysis.sites.jumps import (
    UNASSIGNED,
    JumpStatistics,
    Stays,
    find_stays,
    jump_statistics,
    last_known_sites,
)
from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError, counted

Quantity = Callable[[JumpStatistics], float]


@dataclass(frozen=True)
class Uncertainty:
    """A value with its standard error from resampled ions and time blocks.

    Attributes
    ----------
    value : float
        From all of the data.
    standard_error : float
        Of `value`.
    interval : tuple of float
        `value` -/+ 1.96 standard errors.
    resampling_shift : float
        Mean of the resampled values minus `value`. A resample sees fewer different events,
        so a shift of several standard errors means that the value still depends on the
        amount of data.
    """

    value: float
    standard_error: float
    interval: tuple[float, float]
    resampling_shift: float


@dataclass(frozen=True)
class Dependence:
    """How a quantity depends on the amount of data.

    Attributes
    ----------
    amounts : ndarray, shape [point]
        Frames in a window, or sites in a subnetwork.
    means, standard_deviations : ndarray, shape [point]
        Of the quantity over the draws of that amount.
    """

    amounts: IntArray
    means: FloatArray
    standard_deviations: FloatArray

    @classmethod
    def of(cls, amounts: Sequence[int], values: Sequence[Sequence[float]]) -> "Dependence":
        """Summarise the values of the draws of each amount."""
        return cls(
            amounts=np.asarray(amounts, dtype=np.int64),
            means=np.array([np.mean(draws) for draws in values]),
            standard_deviations=np.array(
                [np.std(draws, ddof=1) if len(draws) > 1 else np.nan for draws in values]
            ),
        )


def bootstrap(
    assignments: ArrayLike,
    n_sites: int,
    frame_interval_ps: float,
    quantity: Quantity,
    *,
    blocks: int = 10,
    resamples: int = 100,
    seed: int,
) -> Uncertainty:
    """Return a quantity of the network of jumps with its uncertainty.

    Ions are resampled, which shows how much a few ions matter; blocks of time, which shows
    how much all ions change together; and ions and blocks at once, as if each ion in each
    block were independent. The variances combine as in errors clustered
    in two ways, V = V_ions + V_blocks - V_both (Cameron, Gelbach, Miller, J. Bus. Econ.
    Stat. 29, 238 (2011)), and not below the larger of the first two.

    Parameters
    ----------
    assignments : array_like of int, shape [frame, ion]
        Site of each ion; -1 where unassigned.
    n_sites : int
        Number of sites.
    frame_interval_ps : float
        Time between frames, ps.
    quantity : callable
        From `llzo_helpers.analysis.sites.JumpStatistics` to a number.
    blocks : int
        Number of blocks of time, each longer than the memory of the ions.
    resamples : int
        Draws of each of the three kinds.
    seed : int
        Of the draws.

    Raises
    ------
    InputError
        As `llzo_helpers.analysis.sites.find_stays`; or fewer than two ions, two blocks, or two
        frames in a block.
    """
    whole = find_stays(assignments, n_sites)
    n_frames, n_ions = whole.trajectory_frames, whole.n_ions
    if n_ions < 2:
        raise InputError(f"assignments: {counted(n_ions, 'ion')}; resampling ions needs at least 2")
    if blocks < 2 or n_frames < 2 * blocks:
        raise InputError(
            f"blocks: {blocks}; give at least 2 and at most {n_frames // 2} for {n_frames} frames"
        )
    stays = _stays_in_blocks(np.asarray(assignments), n_sites, blocks)
    value = quantity(jump_statistics(whole, frame_interval_ps))
    rng = np.random.default_rng(seed)

    def multiplicities(count: int) -> FloatArray:
        return np.bincount(rng.integers(count, size=count), minlength=count).astype(float)

    def resampled(draw: Callable[[], FloatArray]) -> FloatArray:
        return np.array(
            [
                quantity(jump_statistics(stays, frame_interval_ps, ion_weights=draw()))
                for _ in range(resamples)
            ]
        )

    by_ion = resampled(lambda: np.tile(multiplicities(n_ions), blocks))
    by_block = resampled(lambda: np.repeat(multiplicities(blocks), n_ions))
    by_both = resampled(lambda: multiplicities(n_ions * blocks))
    of_ions, of_blocks, of_both = (np.var(x, ddof=1) for x in (by_ion, by_block, by_both))
    error = float(np.sqrt(max(of_ions + of_blocks - of_both, of_ions, of_blocks)))
    return Uncertainty(
        value=value,
        standard_error=error,
        interval=(value - 1.96 * error, value + 1.96 * error),
        resampling_shift=float(np.mean(by_ion) - value),
    )


def dependence_on_length(
    assignments: ArrayLike,
    n_sites: int,
    frame_interval_ps: float,
    quantity: Quantity,
    *,
    lengths: Sequence[int],
) -> Dependence:
    """Return how a quantity of the network depends on the length of the trajectory.

    Parameters
    ----------
    assignments, n_sites, frame_interval_ps, quantity
        As for `bootstrap`.
    lengths : sequence of int
        Frames; for each length, consecutive windows of that length are used.

    Raises
    ------
    InputError
        As `llzo_helpers.analysis.sites.find_stays`; or a length below 2 or above that of the
        trajectory.
    """
    sites = np.asarray(assignments)
    find_stays(sites, n_sites)
    for length in lengths:
        if not 2 <= length <= len(sites):
            raise InputError(f"lengths: {length} frames; give 2 to {len(sites)}")
    known = last_known_sites(sites)

    def in_window(start: int, length: int) -> float:
        stays = find_stays(known[start : start + length], n_sites)
        return quantity(jump_statistics(stays, frame_interval_ps))

    values = [
        [in_window(start, length) for start in range(0, len(known) - length + 1, length)]
        for length in lengths
    ]
    return Dependence.of(lengths, values)


def _stays_in_blocks(assignments: NDArray[np.integer], n_sites: int, blocks: int) -> Stays:
    """Return the stays cut at the ends of blocks, each ion in each block as one of its own.

    Ion i in block b is number b * ions + i.
    """
    known = last_known_sites(assignments)
    n_frames, n_ions = known.shape
    edges = np.linspace(0, n_frames - 1, blocks + 1).astype(int)
    longest = np.diff(edges).max() + 1
    cut = np.full((longest, blocks, n_ions), UNASSIGNED)
    for block, (start, end) in enumerate(pairwise(edges.tolist())):
        # the last frame of a block is the first of the next: no jump is lost in between
        cut[longest - (end - start + 1) :, block] = known[start : end + 1]
    stays = find_stays(cut.reshape(longest, blocks * n_ions), n_sites)
    # occupancies are means over the frames of all blocks
    return replace(stays, trajectory_frames=n_frames)
