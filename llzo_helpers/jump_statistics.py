"""Networks of jumps counted in a trajectory, and how sure a number made of them is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from llzo_helpers.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class JumpStatistics:
    """Jumps and time counted in a trajectory: all that a network of jumps is made of.

    Attributes
    ----------
    jumps : ndarray, shape [site, site]
        Number of jumps from the first site to the second.
    visits : ndarray, shape [site]
        Frame intervals that ions began at each site.
    """

    jumps: FloatArray
    visits: FloatArray

    @property
    def probabilities(self) -> FloatArray:
        """Of a jump in a frame interval [site, site]; to stay is on the diagonal."""
        visited = np.maximum(self.visits, 1.0)[:, None]
        stays = self.visits - self.jumps.sum(axis=1)
        return np.asarray((self.jumps + np.diag(stays)) / visited)


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
        so a shift of several standard errors says that the value still grows with the
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


def count_jumps(paths: ArrayLike, n_sites: int) -> JumpStatistics:
    """Count jumps and visits in the paths of ions over sites.

    Parameters
    ----------
    paths : array_like of int, shape [frame, ion]
        Site of each ion in each frame, -1 where unknown: the ion then counts at the site
        it was last known at, and not at all before it is first known.
    n_sites : int
        Number of sites of the network.

    Raises
    ------
    InputError
        A site outside -1..n_sites - 1, or fewer than two frames.
    """
    return _CellCounts.of(_known_paths(paths, n_sites), n_sites, 1).total()


def bootstrap(
    paths: ArrayLike,
    n_sites: int,
    quantity: Callable[[JumpStatistics], float],
    *,
    blocks: int = 10,
    resamples: int = 100,
    seed: int,
) -> Uncertainty:
    """Return a quantity of the network of jumps with its uncertainty.

    Ions are resampled, which shows how much a few of them matter; blocks of time are,
    which shows how much all of them change together; and ions and blocks at once, as if
    each ion in each block were independent. The variances combine as in errors clustered
    in two ways, V = V_ions + V_blocks - V_both (Cameron, Gelbach, Miller, J. Bus. Econ.
    Stat. 29, 238 (2011)), and not below the larger of the first two.

    Parameters
    ----------
    paths : array_like of int, shape [frame, ion]
        As for `count_jumps`.
    n_sites : int
        Number of sites of the network.
    quantity : callable
        From `JumpStatistics` to a number.
    blocks : int
        Blocks of time, each longer than what the ions remember.
    resamples : int
        Draws of each of the three kinds.
    seed : int
        Of the draws.

    Raises
    ------
    InputError
        As `count_jumps`; or fewer than two ions, two blocks, or two frames in a block.
    """
    known = _known_paths(paths, n_sites)
    n_frames, n_ions = known.shape
    if n_ions < 2:
        raise InputError(f"paths: {n_ions} ion(s); resampling ions needs at least 2")
    if blocks < 2 or n_frames < 2 * blocks:
        raise InputError(
            f"blocks: {blocks}; give at least 2 and at most {n_frames // 2} for {n_frames} frames"
        )
    cells = _CellCounts.of(known, n_sites, blocks)
    value = quantity(cells.total())
    rng = np.random.default_rng(seed)

    def multiplicities(count: int) -> FloatArray:
        return np.bincount(rng.integers(count, size=count), minlength=count).astype(float)

    def resampled(draw: Callable[[], FloatArray]) -> FloatArray:
        return np.array([quantity(cells.total(draw())) for _ in range(resamples)])

    by_ion = resampled(lambda: np.repeat(multiplicities(n_ions), blocks))
    by_block = resampled(lambda: np.tile(multiplicities(blocks), n_ions))
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
    paths: ArrayLike,
    n_sites: int,
    quantity: Callable[[JumpStatistics], float],
    *,
    lengths: Sequence[int],
) -> Dependence:
    """Return how a quantity of the network depends on the length of the trajectory.

    Parameters
    ----------
    paths : array_like of int, shape [frame, ion]
        As for `count_jumps`.
    n_sites : int
        Number of sites of the network.
    quantity : callable
        From `JumpStatistics` to a number.
    lengths : sequence of int
        Frames; each is drawn as the windows of that length that follow one another.

    Raises
    ------
    InputError
        As `count_jumps`; or a length below 2 or above that of the trajectory.
    """
    known = _known_paths(paths, n_sites)
    for length in lengths:
        if not 2 <= length <= len(known):
            raise InputError(f"lengths: {length} frames; give 2 to {len(known)}")
    values = [
        [
            quantity(count_jumps(known[start : start + length], n_sites))
            for start in range(0, len(known) - length + 1, length)
        ]
        for length in lengths
    ]
    return Dependence.of(lengths, values)


def _known_paths(paths: ArrayLike, n_sites: int) -> IntArray:
    """Return the paths with each unknown site replaced by the last known one."""
    path = np.asarray(paths)
    if path.ndim != 2 or not np.issubdtype(path.dtype, np.integer):
        raise InputError(
            f"paths: {path.dtype} of shape {path.shape}; give site numbers as integers [frame, ion]"
        )
    if len(path) < 2:
        raise InputError(f"paths: {len(path)} frame(s); a jump takes at least 2")
    if path.min(initial=0) < -1 or path.max(initial=-1) >= n_sites:
        raise InputError(
            f"paths: sites {path.min()} to {path.max()}; give -1 (unknown) to {n_sites - 1}"
        )
    frames = np.where(path >= 0, np.arange(len(path))[:, None], 0)
    last_known = np.maximum.accumulate(frames, axis=0)
    return np.take_along_axis(path, last_known, axis=0).astype(np.int64)


@dataclass(frozen=True)
class _CellCounts:
    """Jumps and visits by cell, an ion in a block of time; cell = ion * blocks + block."""

    jump_cell: IntArray
    jump_edge: IntArray
    visits: csr_array

    @classmethod
    def of(cls, known: IntArray, n_sites: int, blocks: int) -> "_CellCounts":
        n_frames, n_ions = known.shape
        block = np.arange(n_frames) * blocks // n_frames
        cell = np.arange(n_ions) * blocks + block[:, None]
        # an interval between two frames belongs to the earlier one, its jump with it
        start, end, cell = known[:-1], known[1:], cell[:-1]
        at_site = start >= 0
        jumped = at_site & (start != end)
        return cls(
            jump_cell=cell[jumped],
            jump_edge=start[jumped] * n_sites + end[jumped],
            visits=csr_array(
                (np.ones(np.count_nonzero(at_site)), (cell[at_site], start[at_site])),
                shape=(n_ions * blocks, n_sites),
            ),
        )

    def total(self, weights: FloatArray | None = None) -> JumpStatistics:
        """Return the counts over all cells, each taken `weights` [cell] times."""
        n_cells, n_sites = self.visits.shape
        cell_weights = np.ones(n_cells) if weights is None else weights
        jumps = np.zeros((n_sites, n_sites))
        np.add.at(jumps.ravel(), self.jump_edge, cell_weights[self.jump_cell])
        return JumpStatistics(jumps=jumps, visits=cell_weights @ self.visits)
