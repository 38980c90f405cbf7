"""The window of lags of the fit of D, in fractions of a run or in ps, and the frames it needs."""

from llzo_helpers.arguments import checked_numbers
from llzo_helpers.errors import InputError, clipped

DEFAULT_WINDOW = (0.1, 0.5)
"""Fractions of the run."""
MIN_LAGS = 8
"""Frames between the ends of a window: with fewer, its inner structure cannot be examined."""


def window_in_frames(
    fit_window: tuple[float, float], n_frames: int, frame_interval_ps: float | None = None
) -> tuple[int, int]:
    """First and last lag of a window, in frames.

    Parameters
    ----------
    fit_window
        First and last lag, as fractions of the run; in ps if `frame_interval_ps` is given.
    n_frames
        Frames of the run.
    frame_interval_ps
        Time between frames.

    Raises
    ------
    InputError
        If the window is ill-formed or holds too few of the run's frames.
    """
    if frame_interval_ps is None:
        unit, longest, limit = float(n_frames), 1.0, "1 (fractions of the run)"
    else:
        unit, longest = 1 / frame_interval_ps, n_frames * frame_interval_ps
        limit = f"{longest:g} ps, the run"
    low, high = _checked(fit_window, longest, limit)
    first, last = _rounded(low * unit, high * unit)
    if not _enough(first, last, n_frames):
        raise InputError(
            f"fit_window = {list(fit_window)}: holds too few of {n_frames} frames (lags {first} to "
            f"{last}; at least {MIN_LAGS} apart); run longer, write frames more often "
            "or widen the window"
        )
    return first, last


def _checked(fit_window: tuple[float, float], longest: float, limit: str) -> tuple[float, float]:
    ends = checked_numbers("fit_window", fit_window)
    if ends.shape != (2,) or not 0 <= ends[0] < ends[1] < longest:
        raise InputError(
            f"fit_window = {clipped(ends.tolist())}: must be two increasing numbers, at least 0 "
            f"and below {limit}; use [0.1, 0.5] of the run"
        )
    return float(ends[0]), float(ends[1])


def _rounded(first: float, last: float) -> tuple[int, int]:
    return max(round(first), 1), round(last)


def _enough(first: int, last: int, n_frames: int) -> bool:
    return last - first >= MIN_LAGS and last < n_frames
