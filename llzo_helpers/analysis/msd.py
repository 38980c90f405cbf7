"""Mean squared displacements: over all time origins, and how they change along a run."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from llzo_helpers.arguments import checked_numbers, checked_trajectory
from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError, clipped

_BLOCK_BYTES = 1e6
"""Of the positions processed at once: what fits into a cache."""
_IONS_COPIED, _FRAMES_COPIED = 16, 512
"""Brought into order at once: few enough to stay in a cache, enough to use whole lines of it."""
_WORTH_THREADS = 3_000_000
"""Coordinates; below, starting threads takes longer than they save."""

Block = tuple[slice, FloatArray]
"""Which ions, and a copy of their positions, [ion, axis, frame]."""
Result = TypeVar("Result")


def mean_squared_displacement(
    positions: ArrayLike, lags: ArrayLike | None = None, *, per_ion: bool = False
) -> FloatArray:
    """Mean squared displacement over all time origins, by FFT.

    Parameters
    ----------
    positions
        Unwrapped positions, Å, [frame, ion, axis].
    lags
        Lags in frames, [lag]; all from 0 to the number of frames - 1 by default.
    per_ion
        Return the MSD of each ion.

    Returns
    -------
    ndarray
        Å^2, [lag], or [ion, lag] if `per_ion`.

    Notes
    -----
    For a lag m and N frames, ``MSD(m) = sum_i |r(i+m) - r(i)|^2 / (N - m)``, i from 0 to N - m - 1.
    The squares are running sums, and the cross term is an autocorrelation, computed in
    O(N log N) (Kneller et al., Comput. Phys. Commun. 91, 191 (1995); Calandrini et al., Collection
    SFN 12, 201 (2011)). For precision, the mean position of each ion is subtracted first.
    """
    trajectory = checked_trajectory(positions)
    n_frames, n_ions, _ = trajectory.shape
    chosen = np.arange(n_frames) if lags is None else _checked_lags(lags, n_frames)
    if per_ion:
        of_ions = np.empty((n_ions, len(chosen)))

        def keep(blocks: Iterator[Block]) -> None:
            for ions, block in blocks:
                of_ions[ions] = _msd_of_block(block, chosen)

        _in_threads(keep, trajectory)
        return of_ions
    none = np.zeros(len(chosen))

    def add(blocks: Iterator[Block]) -> FloatArray:
        return sum((_msd_of_block(block, chosen).sum(axis=0) for _, block in blocks), start=none)

    return sum(_in_threads(add, trajectory), start=none) / n_ions


def _checked_lags(lags: ArrayLike, n_frames: int) -> NDArray[np.intp]:
    chosen = checked_numbers("lags", lags)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
        raise InputError(f"lags: {clipped(lags)}; give whole numbers of frames, [lag]")
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < n_frames:
        raise InputError(f"lags: must lie between 0 and {n_frames - 1}, the frames minus one")
    return chosen.astype(np.intp)


def _in_threads(
    work: Callable[[Iterator[Block]], Result], trajectory: NDArray[np.generic]
) -> list[Result]:
    """Return what `work` gives for the blocks of each few ions, in their order."""
    n_frames, n_ions, n_axes = trajectory.shape
    step = max(1, int(_BLOCK_BYTES / (8 * max(n_axes, 1) * n_frames)))
    groups = range(0, n_ions, copied := max(step, _IONS_COPIED))
    threads = -1 if trajectory.size > _WORTH_THREADS else 1
    return list(
        Parallel(n_jobs=threads, require="sharedmem")(
            delayed(work)(_blocks(trajectory, range(first, min(first + copied, n_ions)), step))
            for first in groups
        )
    )


def _blocks(trajectory: NDArray[np.generic], ions: range, step: int) -> Iterator[Block]:
    """Yield the positions of some ions, a few at a time."""
    part = np.moveaxis(trajectory[:, ions.start : ions.stop], 0, -1)
    ordered = np.empty(part.shape)
    for frame in range(0, len(trajectory), _FRAMES_COPIED):
        frames = slice(frame, frame + _FRAMES_COPIED)
        ordered[..., frames] = part[..., frames]
    for begin in range(0, len(ions), step):
        chosen = ions[begin : begin + step]
        yield slice(chosen.start, chosen.stop), ordered[begin : begin + step]


def _msd_of_block(block: FloatArray, lags: NDArray[np.intp]) -> FloatArray:
    """MSD, [ion, lag], of positions [ion, axis, frame], which are overwritten."""
    n_frames = block.shape[-1]
    block -= block.mean(axis=-1, keepdims=True)
    # zeros enough that no lag wanted wraps around
    size = fft.next_fast_len(n_frames + int(lags.max(initial=0)), real=True)
    spectrum = fft.rfft(block, size)
    # real and imaginary parts in turn
    parts = spectrum.view(np.float64)
    np.square(parts, out=parts)
    squared = parts.sum(axis=1)
    power = squared[:, ::2] + squared[:, 1::2]
    correlation = fft.irfft(power, size)
    squares = np.zeros((len(block), n_frames + 1))
    np.cumsum(np.square(block).sum(axis=1), axis=1, out=squares[:, 1:])
    # sum of squares of the first and of the last N - m frames
    head, tail = squares[:, n_frames - lags], squares[:, -1:] - squares[:, lags]
    msd = (head + tail - 2 * correlation[:, lags]) / (n_frames - lags)
    msd[:, lags == 0] = 0.0
    return msd


def origin_modes(
    positions: ArrayLike, lags: NDArray[np.intp], n_modes: int, n_bins: int = 64
) -> FloatArray:
    """Squared displacements of each ion, in cosine modes of their time origin.

    Parameters
    ----------
    positions
        Unwrapped positions, Å, [frame, ion, axis].
    lags
        In frames, [lag].
    n_modes
        Number of modes besides the mean.
    n_bins
        Number of bins in which origins are averaged first; many more than modes.

    Returns
    -------
    ndarray
        Å^2, [mode, ion, lag]. Mode 0 is the MSD;
        mode j is the mean of ``|r(i+m) - r(i)|^2 sqrt(2) cos(pi j u)``, with u = i / (N - m) from 0
        to 1.
    """
    trajectory = np.asarray(positions)
    n_frames, n_ions, _ = trajectory.shape
    modes = np.empty((n_modes + 1, n_ions, len(lags)))
    bins = [_cosines_in_bins(n_frames - lag, n_modes, n_bins) for lag in lags]

    def keep(blocks: Iterator[Block]) -> None:
        for ions, block in blocks:
            # one array for all lags: a new one each time costs as much as what is done in it
            space = np.empty_like(block)
            for column, (lag, (begins, basis)) in enumerate(zip(lags, bins, strict=True)):
                squares = space[..., lag:]
                np.subtract(block[..., lag:], block[..., :-lag], out=squares)
                np.square(squares, out=squares)
                sums = np.add.reduceat(squares, begins, axis=-1).sum(axis=1)
                modes[:, ions, column] = basis @ sums.T / (n_frames - lag)

    _in_threads(keep, trajectory)
    return modes


def _cosines_in_bins(
    n_origins: int, n_modes: int, n_bins: int
) -> tuple[NDArray[np.intp], FloatArray]:
    """First origin of each bin, [bin], and the modes' cosines at its centre, [mode, bin]."""
    edges = np.unique(np.linspace(0, n_origins, n_bins + 1).round().astype(np.intp))
    centres = (edges[1:] + edges[:-1]) / (2 * n_origins)
    basis = np.cos(np.pi * np.outer(np.arange(n_modes + 1), centres))
    basis[1:] *= np.sqrt(2)
    return edges[:-1], basis
