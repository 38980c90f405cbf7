"""Jumps between sites, and how long ions stay: from assignments to rates.

An unassigned ion counts as still at its last known site; a jump is at the first frame with a
new one. Everything is derived from one table, the stays of the ions at sites (`Stays`). The
first and the last stay of each ion are cut off by the ends of the trajectory (censored): mean
complete stays are biased low, more so for longer residence times. Residence times are therefore
estimated by exponential likelihood, time spent over number of departures, to which every
observed frame contributes. `kaplan_meier` makes no assumption on the distribution.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.arguments import check_frame_interval, check_whole
from llzo_helpers.arrays import BoolArray, FloatArray, IntArray
from llzo_helpers.errors import InputError

UNASSIGNED = -1


@dataclass(frozen=True)
class Stays:
    """Every stay of an ion at a site, ion by ion in the order of time.

    Attributes
    ----------
    ion, site : ndarray of int, shape [stay]
    start : ndarray of int, shape [stay]
        First frame.
    n_frames : ndarray of int, shape [stay]
        Length in frames, unassigned ones after an assigned one included.
    previous, following : ndarray of int, shape [stay]
        Site before and after; -1 where the trajectory does not show it.
    n_sites, n_ions, trajectory_frames : int
        Of the trajectory.
    """

    ion: IntArray
    site: IntArray
    start: IntArray
    n_frames: IntArray
    previous: IntArray
    following: IntArray
    n_sites: int
    n_ions: int
    trajectory_frames: int

    def __len__(self) -> int:
        return len(self.site)

    @property
    def complete(self) -> BoolArray:
        """Whether both arrival and departure were seen [stay]."""
        return np.asarray((self.previous != UNASSIGNED) & (self.following != UNASSIGNED))


def find_stays(assignments: ArrayLike, n_sites: int, *, minimum_frames: int = 1) -> Stays:
    """Return the stays of ions at sites.

    Parameters
    ----------
    assignments : array_like of int, shape [frame, ion]
        Site of each ion; -1 where unassigned.
    n_sites : int
        Number of sites.
    minimum_frames : int
        A visit of fewer frames at a site counts as spent at the site before. With 1, one frame
        elsewhere and back are two jumps.

    Raises
    ------
    InputError
        Wrong shape, a site beyond `n_sites`, fewer than two frames, no ion, or a minimum that is
        no number of frames.
    """
    check_whole("minimum_frames", minimum_frames, "a number of frames", low=1, high=10**9)
    sites = np.asarray(assignments)
    n_frames, n_ions = sites.shape if sites.ndim == 2 else (0, 0)
    if n_frames < 2 or n_ions < 1 or not np.issubdtype(sites.dtype, np.integer):
        raise InputError(
            f"assignments: {sites.dtype} of shape {sites.shape}; "
            "give integers [frame, ion] with at least two frames and one ion"
        )
    if sites.max() >= n_sites or sites.min() < UNASSIGNED:
        raise InputError(
            f"assignments: values {sites.min()} to {sites.max()}; "
            f"give -1 or a site below n_sites = {n_sites}"
        )
    filled = last_known_sites(sites).T.astype(np.int64)
    if minimum_frames > 1:
        filled = _without_visits(filled, minimum_frames)
    n_ions, n_frames = filled.shape
    begins = np.ones(filled.shape, dtype=bool)
    begins[:, 1:] = filled[:, 1:] != filled[:, :-1]
    ion, start = np.nonzero(begins)
    site = filled[ion, start]
    stop = np.append(np.where(ion[1:] == ion[:-1], start[1:], n_frames), n_frames)
    previous = np.full(len(site), UNASSIGNED)
    following = np.full(len(site), UNASSIGNED)
    same_ion = ion[1:] == ion[:-1]
    previous[1:][same_ion] = site[:-1][same_ion]
    following[:-1][same_ion] = site[1:][same_ion]
    known = site != UNASSIGNED
    return Stays(
        ion=ion[known],
        site=site[known],
        start=start[known],
        n_frames=(stop - start)[known],
        previous=previous[known],
        following=following[known],
        n_sites=n_sites,
        n_ions=n_ions,
        trajectory_frames=n_frames,
    )


def _without_visits(filled: IntArray, minimum_frames: int) -> IntArray:
    """Return sites [ion, frame] in which visits of too few frames are spent at the site before.

    The visits that begin or end the trajectory stay: how long they are is not known.
    """
    n_ions, n_frames = filled.shape
    begins = np.ones(filled.shape, dtype=bool)
    begins[:, 1:] = filled[:, 1:] != filled[:, :-1]
    ion, start = np.nonzero(begins)
    same_ion = ion[1:] == ion[:-1]
    stop = np.append(np.where(same_ion, start[1:], n_frames), n_frames)
    short = (stop - start < minimum_frames) & (start > 0) & (stop < n_frames)
    site = np.where(short, UNASSIGNED, filled[ion, start])
    jumbled = np.repeat(site, stop - start).reshape(n_ions, n_frames)
    return np.asarray(last_known_sites(jumbled.T).T)


def last_known_sites(assignments: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return assignments [frame, ion] with gaps filled by the last site known before them."""
    frame = np.where(assignments != UNASSIGNED, np.arange(len(assignments))[:, None], 0)
    np.maximum.accumulate(frame, axis=0, out=frame)
    return np.take_along_axis(assignments, frame, axis=0)


def jump_table(stays: Stays) -> IntArray:
    """Return the jumps as rows (frame, ion, from, to), by frame and ion."""
    jumped = stays.previous != UNASSIGNED
    rows = np.stack([stays.start, stays.ion, stays.previous, stays.site], axis=1)[jumped]
    return np.asarray(rows[np.lexsort((rows[:, 1], rows[:, 0]))])


@dataclass(frozen=True)
class JumpStatistics:
    """Jump counts, probabilities, rates and residence times of sites.

    Attributes
    ----------
    n_ij : ndarray, shape [from, to]
        Jumps; on the diagonal, the frames after which the ion stayed.
    p_ij : ndarray, shape [from, to]
        Probability to be at `to` one frame after being at `from`: n_ij over the time spent at
        `from` with a frame to follow. Rows sum to 1 (0 for a site never occupied).
    rates_per_ps : ndarray, shape [from, to]
        Jumps per ps spent at `from`; zero on the diagonal.
    jump_lag_ps : ndarray, shape [from, to]
        Mean length of the complete stays that ended with this jump, ps; infinite without any.
    residence_time_ps : ndarray, shape [site]
        Exponential maximum likelihood, ps: time spent there, censored stays included, over the
        number of departures; infinite without any.
    residence_time_std_ps : ndarray, shape [site]
        Standard error, ps: the residence time over the root of the number of departures.
    mean_complete_stay_ps : ndarray, shape [site]
        Mean of the complete stays, ps, biased low by censoring; NaN without any.
    occupancy : ndarray, shape [site]
        Mean number of ions at the site, unassigned ones counted at their last known site.
    time_at_site_ps : ndarray, shape [site]
        Time spent there with a frame to follow, ps.
    """

    n_ij: FloatArray
    p_ij: FloatArray
    rates_per_ps: FloatArray
    jump_lag_ps: FloatArray
    residence_time_ps: FloatArray
    residence_time_std_ps: FloatArray
    mean_complete_stay_ps: FloatArray
    occupancy: FloatArray
    time_at_site_ps: FloatArray

    @property
    def jumps(self) -> FloatArray:
        """Jumps without the stays on the diagonal [from, to]."""
        return np.asarray(self.n_ij - np.diag(np.diag(self.n_ij)))

    def pooled_residence_time_ps(self, sites: BoolArray) -> tuple[float, float]:
        """Return the residence time of pooled sites and its error; NaN if nobody left them."""
        departures = self.jumps[sites].sum()
        if not departures:
            return np.nan, np.nan
        residence = float(self.time_at_site_ps[sites].sum() / departures)
        return residence, residence / float(np.sqrt(departures))


def jump_statistics(
    stays: Stays,
    frame_interval_ps: float,
    *,
    sitator_compat: bool = False,
    ion_weights: FloatArray | None = None,
) -> JumpStatistics:
    """Count jumps and estimate rates and residence times.

    Parameters
    ----------
    stays : Stays
        From `find_stays`.
    frame_interval_ps : float
        Time between frames, ps.
    sitator_compat : bool
        Reproduce the published package's definitions, for comparison: p_ij divided by the time
        spent at `to` rather than `from`; `residence_time_ps` the unweighted mean over
        destinations of `jump_lag_ps`, the length of the run without any, and no error; the first
        stay of each ion counted from frame 0 and one frame too long; the first frame counted
        as a stay; identical jumps of two ions in one frame counted once.
    ion_weights : ndarray, shape [ion], optional
        How often each ion counts, for the bootstrap over ions.

    Raises
    ------
    InputError
        A frame interval that is not positive.
    """
    check_frame_interval(frame_interval_ps)
    if sitator_compat:
        return _sitator_statistics(stays, frame_interval_ps)
    weight = np.ones(len(stays)) if ion_weights is None else ion_weights[stays.ion].astype(float)
    jumps = _per_link(stays, weight, stays.following != UNASSIGNED)
    # In a stay of n frames, the ion is seen to stay n - 1 times and then to leave, if it is seen.
    n_ij = jumps + np.diag(_per_site(stays, weight * (stays.n_frames - 1)))
    frames_at_site = n_ij.sum(axis=1)
    departures = jumps.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_ij = np.where(frames_at_site[:, None] > 0, n_ij / frames_at_site[:, None], 0.0)
        rates = np.where(frames_at_site[:, None] > 0, jumps / frames_at_site[:, None], 0.0)
        residence_frames = np.where(departures > 0, frames_at_site / departures, np.inf)
        error = np.where(departures > 0, residence_frames / np.sqrt(departures), np.inf)
        complete_frames = _per_site(stays, weight * stays.n_frames * stays.complete)
        mean_complete_frames = complete_frames / _per_site(stays, weight * stays.complete)
    return JumpStatistics(
        n_ij=n_ij,
        p_ij=p_ij,
        rates_per_ps=rates / frame_interval_ps,
        jump_lag_ps=_mean_lag(stays, weight, stays.n_frames, stays.complete) * frame_interval_ps,
        residence_time_ps=residence_frames * frame_interval_ps,
        residence_time_std_ps=error * frame_interval_ps,
        mean_complete_stay_ps=mean_complete_frames * frame_interval_ps,
        occupancy=_per_site(stays, weight * stays.n_frames) / stays.trajectory_frames,
        time_at_site_ps=frames_at_site * frame_interval_ps,
    )


def _per_link(stays: Stays, values: NDArray[Any], chosen: BoolArray) -> FloatArray:
    """Sum values of the chosen stays over [site, following site]."""
    link = stays.site[chosen] * stays.n_sites + stays.following[chosen]
    total = np.bincount(link, values[chosen].astype(float), stays.n_sites**2)
    return np.asarray(total.reshape(stays.n_sites, stays.n_sites), dtype=float)


def _per_site(stays: Stays, values: NDArray[Any]) -> FloatArray:
    return np.asarray(np.bincount(stays.site, values, stays.n_sites), dtype=float)


def _mean_lag(
    stays: Stays, weight: FloatArray, length: NDArray[Any], chosen: BoolArray
) -> FloatArray:
    """Return the mean length of the chosen stays over [site, following site], in frames."""
    count = _per_link(stays, weight, chosen)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = _per_link(stays, weight * length, chosen) / count
    return np.where(count > 0, mean, np.inf)


def _sitator_statistics(stays: Stays, frame_interval_ps: float) -> JumpStatistics:
    """Return the statistics by the definitions of the published package (sitator 1 and 2)."""
    # Two ions doing the same in the same frame are counted once, and the first frame as a stay.
    sites = np.full((stays.n_ions, stays.trajectory_frames), UNASSIGNED)
    frame = np.arange(stays.n_frames.sum()) - np.repeat(
        np.cumsum(stays.n_frames) - stays.n_frames - stays.start, stays.n_frames
    )
    sites[np.repeat(stays.ion, stays.n_frames), frame] = np.repeat(stays.site, stays.n_frames)
    before = np.concatenate([sites[:, :1], sites[:, :-1]], axis=1)
    known = (before != UNASSIGNED) & (sites != UNASSIGNED)
    n, frame = stays.n_sites, np.broadcast_to(np.arange(sites.shape[1]), sites.shape)[known]
    moves = np.unique((frame * n + before[known]) * n + sites[known])
    visits = np.unique(frame * n + sites[known])
    n_ij = np.bincount(moves % n**2, minlength=n**2).reshape(n, n).astype(float)
    visit_count = np.bincount(visits % n, minlength=n).astype(float)

    weight = np.ones(len(stays))
    left = stays.following != UNASSIGNED
    length = stays.n_frames + np.where(stays.previous == UNASSIGNED, stays.start + 1, 0)
    lag = _mean_lag(stays, weight, length, left)
    reached = np.isfinite(lag)
    with np.errstate(divide="ignore", invalid="ignore"):
        residence_frames = np.where(reached, lag, 0).sum(axis=1) / reached.sum(axis=1)
        residence_frames[~reached.any(axis=1)] = stays.trajectory_frames
        p_ij = n_ij / visit_count[None, :]
        rates = (n_ij - np.diag(np.diag(n_ij))) / visit_count[None, :]
        mean_complete_frames = _per_site(stays, length * left) / _per_site(stays, left)
    return JumpStatistics(
        n_ij=n_ij,
        p_ij=p_ij,
        rates_per_ps=rates / frame_interval_ps,
        jump_lag_ps=lag * frame_interval_ps,
        residence_time_ps=residence_frames * frame_interval_ps,
        residence_time_std_ps=np.full(n, np.nan),
        mean_complete_stay_ps=mean_complete_frames * frame_interval_ps,
        occupancy=n_ij.sum(axis=0) / stays.trajectory_frames,
        time_at_site_ps=visit_count * frame_interval_ps,
    )


@dataclass(frozen=True)
class BackJumps:
    """How many jumps are reversed by the next jump of the same ion.

    Attributes
    ----------
    fraction : float
        Of the jumps whose next jump was seen.
    standard_error : float
        Bootstrap over ions; NaN where a single ion has jumped.
    n_jumps : int
        Jumps whose next jump was seen.
    """

    fraction: float
    standard_error: float
    n_jumps: int


def back_jumps(
    stays: Stays, *, within_frames: int | None = None, n_bootstrap: int = 200, seed: int = 0
) -> BackJumps:
    """Return the fraction of jumps i to j that the next jump of the same ion reverses, j to i.

    Parameters
    ----------
    stays : Stays
        From `find_stays`.
    within_frames : int, optional
        Count a return only after a stay of at most this many frames.
    n_bootstrap, seed : int
        Resamplings of the ions for the standard error.

    Raises
    ------
    InputError
        Fewer than two resamplings, or a limit that is no number of frames.
    """
    check_whole("n_bootstrap", n_bootstrap, "a number of resamplings", low=2, high=10**6)
    through = stays.complete
    returned = through & (stays.previous == stays.following)
    if within_frames is not None:
        check_whole("within_frames", within_frames, "a number of frames", low=1, high=10**9)
        returned &= stays.n_frames <= within_frames
    per_ion = np.bincount(stays.ion[through], minlength=stays.n_ions)
    returned_per_ion = np.bincount(stays.ion[returned], minlength=stays.n_ions)
    n_jumps = int(per_ion.sum())
    if n_jumps == 0:
        return BackJumps(fraction=np.nan, standard_error=np.nan, n_jumps=0)
    draws = np.random.default_rng(seed).integers(stays.n_ions, size=(n_bootstrap, stays.n_ions))
    totals = per_ion[draws].sum(axis=1)
    fractions = returned_per_ion[draws].sum(axis=1)[totals > 0] / totals[totals > 0]
    # the spread between ions is not known from one
    known = (per_ion > 0).sum() > 1 and len(fractions) > 1
    return BackJumps(
        fraction=float(returned.sum() / n_jumps),
        standard_error=float(np.std(fractions, ddof=1)) if known else np.nan,
        n_jumps=n_jumps,
    )


@dataclass(frozen=True)
class Survival:
    """Probability that a stay lasts longer than a time.

    Attributes
    ----------
    time : ndarray, shape [step]
        ps; starts at 0.
    survival, standard_error : ndarray, shape [step]
        From each time until the next; Greenwood's formula for the error.
    """

    time: FloatArray
    survival: FloatArray
    standard_error: FloatArray


def kaplan_meier(
    stays: Stays, frame_interval_ps: float, sites: BoolArray | None = None
) -> Survival:
    """Estimate the distribution of stays by Kaplan and Meier, J. Am. Stat. Assoc. 53, 457 (1958).

    Stays cut off by the end of the trajectory count as censored. Stays under way at its start
    are left out: their beginning is unknown, and long stays are over-represented among them.

    Parameters
    ----------
    stays : Stays
        From `find_stays`.
    frame_interval_ps : float
        Time between frames, ps.
    sites : ndarray of bool, shape [site], optional
        Sites to pool; all by default.

    Raises
    ------
    InputError
        No stay with an observed beginning, or a frame interval that is not positive.
    """
    check_frame_interval(frame_interval_ps)
    used = stays.previous != UNASSIGNED
    if sites is not None:
        used &= sites[stays.site]
    if not used.any():
        raise InputError("stays: no ion is seen to arrive at these sites; use a longer trajectory")
    length = stays.n_frames[used]
    departed = stays.following[used] != UNASSIGNED
    ended = np.bincount(length, departed)
    at_risk = np.bincount(length)[::-1].cumsum()[::-1]
    steps = np.flatnonzero(ended)
    survival = np.cumprod(1 - ended[steps] / at_risk[steps])
    survivors = at_risk[steps] - ended[steps]
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(ended[steps] / (at_risk[steps] * survivors))
        error = np.where(survival > 0, survival * np.sqrt(greenwood), 0.0)
    time = np.concatenate([[0.0], steps * frame_interval_ps])
    survival = np.concatenate([[1.0], survival])
    return Survival(
        time=time,
        survival=survival,
        standard_error=np.concatenate([[0.0], error]),
    )
