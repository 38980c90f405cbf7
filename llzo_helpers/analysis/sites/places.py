"""The places that framework atoms keep, and when: a framework that rearranges, in epochs.

Vibration is averaged out over short windows of time. What remains tells whether an atom stays:
windows in a row whose mean positions lie together are one stay, at one place, and an atom that
comes back is at its old place. Between two changes, of whichever atom, the framework is as good as
static: an *epoch*. An atom that keeps its place has the very same mean position in all epochs, so
that what a change of place alters is what lies beside it and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.analysis.frames import CHUNK_FRAMES, Frames
from llzo_helpers.analysis.periodic import close_pairs, nearest_image
from llzo_helpers.arguments import check_finite
from llzo_helpers.arrays import BoolArray, FloatArray, IntArray
from llzo_helpers.errors import InputError

LEAST_WINDOWS = 8
"""Of a run too short for as many windows of the length asked for."""
MELTED = 0.1
"""Changes of place per atom and window from which on a framework counts as melted. In windows of
2.5 ps glasses at 1100 K have 0.02, a crystal that is amorphising 0.08, melts at 3000 K 0.2 (the
classical potential) and 1.5 (the network; measured)."""
RESTLESS = 0.6
"""Root mean square distance of an atom from its place, over the distance between two places, from
which on it does not keep to it: shared evenly, two places alone make 0.5. In 100 ps at 1100 K
atoms of crystals have up to 0.33, and in glasses 0 to 8 of 130 exceed it (measured)."""
LEAST_DISTANCE_A = 0.5
"""Å; atoms, or sites, are never as near as this."""


@dataclass(frozen=True)
class Epoch:
    """A stretch of time in which every framework atom keeps its place.

    Attributes
    ----------
    start, stop : int
        First frame, and the first after the last.
    positions : ndarray, shape [framework atom, axis]
        Mean positions, Å (not wrapped).
    places : ndarray of int, shape [framework atom]
        Which of its places each atom is at.
    """

    start: int
    stop: int
    positions: FloatArray
    places: IntArray

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Framework:
    """The places of the framework atoms along a trajectory.

    Attributes
    ----------
    epochs : tuple of Epoch
        In the order of time; a single one if every atom keeps its place.
    largest_displacement : ndarray, shape [framework atom]
        Largest distance of each atom from its place in any frame, Å.
    restless : ndarray of bool, shape [framework atom]
        Which atoms do not keep to a place, although none of their windows shows it: they go to and
        fro within one, and are too far from their mean (`RESTLESS`).
    """

    epochs: tuple[Epoch, ...]
    largest_displacement: FloatArray
    restless: BoolArray

    @property
    def positions(self) -> FloatArray:
        """Mean positions [framework atom, axis], of each atom at the place it keeps longest, Å."""
        lengths = np.array([len(epoch) for epoch in self.epochs])
        places = np.array([epoch.places for epoch in self.epochs])
        time_at = np.array([lengths @ (places == place) for place in places])
        atoms = np.arange(places.shape[1])
        return np.array([epoch.positions for epoch in self.epochs])[time_at.argmax(axis=0), atoms]

    @property
    def moved(self) -> BoolArray:
        """Which framework atoms have more than one place."""
        return np.asarray(np.any([epoch.places for epoch in self.epochs], axis=0))


def settled_framework(
    frames: Frames,
    cell: FloatArray,
    mobile: BoolArray,
    *,
    place_distance_A: float,
    window_frames: int,
) -> Framework:
    """Find the places of the framework atoms, in two streams over a trajectory.

    Parameters
    ----------
    frames : Frames
        The trajectory.
    cell : ndarray, shape [vector, axis]
        Å, reduced.
    mobile : ndarray of bool, shape [atom]
        True for the mobile ions; the framework is the rest.
    place_distance_A : float
        Distance between mean positions of an atom from which on they are two places, Å.
    window_frames : int
        Frames of a window.

    Raises
    ------
    InputError
        Positions that are not finite, atoms at the same place, a framework that drifts as a whole,
        or one that melted.
    """
    n_windows = max(1, len(frames) // window_frames, min(LEAST_WINDOWS, len(frames) // 2))
    edges = np.linspace(0, len(frames), n_windows + 1).astype(int)
    means = _window_means(frames, cell, mobile, edges)
    _refuse_drift(means, place_distance_A)
    weights = np.diff(edges).astype(float)
    places = np.zeros((n_windows, means.shape[1]), dtype=int)
    positions = np.broadcast_to(np.average(means, axis=0, weights=weights), means.shape).copy()
    n_changes = 0
    for atom in np.flatnonzero(np.ptp(means, axis=0).max(axis=1) > place_distance_A / 2):
        stays, changes = _stays(means[:, atom], weights, place_distance_A)
        n_changes += changes
        for place in np.unique(stays):
            at = stays == place
            positions[at, atom] = _settled_mean(means[at, atom], weights[at], place_distance_A)
        places[:, atom] = stays
    n_steps = max(n_windows - 1, 1) * float(weights.mean()) / window_frames
    rate = n_changes / (means.shape[1] * n_steps)
    if rate > MELTED:
        # atoms that move once each are a high rate where there is little time
        short = len(frames) < LEAST_WINDOWS * window_frames
        raise InputError(
            f"positions: the framework melted: its atoms change their place {rate:.2g} times each "
            f"in {window_frames} frames (a solid: less than {MELTED:g}), so that no site lasts; "
            + (
                f"{len(frames)} frames are few to tell: analyse a longer or a solid stretch"
                if short
                else "analyse a solid stretch of the run"
            )
        )
    changed = np.flatnonzero(np.any(places[1:] != places[:-1], axis=1)) + 1
    bounds = [0, *changed.tolist(), n_windows]
    epochs = tuple(
        Epoch(int(edges[first]), int(edges[last]), positions[first], places[first])
        for first, last in pairwise(bounds)
    )
    largest, mean_square = _displacements(frames, cell, mobile, epochs)
    return Framework(epochs, largest, mean_square > (RESTLESS * place_distance_A) ** 2)


def _window_means(
    frames: Frames, cell: FloatArray, mobile: BoolArray, edges: IntArray
) -> FloatArray:
    """Return the mean unwrapped positions [window, framework atom, axis]."""
    sums = np.zeros((len(edges) - 1, int((~mobile).sum()), 3))
    last: FloatArray | None = None
    n_frames = 0
    for chunk in frames.chunks(frames=CHUNK_FRAMES):
        if chunk.shape[1:] != (len(mobile), 3):
            raise InputError(
                f"positions: {chunk.shape[1]} atoms, but the mask `mobile` has {len(mobile)}; "
                "give one entry per atom"
            )
        check_finite(chunk, n_frames)
        framework = chunk[:, ~mobile].astype(float)
        if last is None:
            last = framework[0]
            _refuse_overlap(last, cell)
        # atoms may go farther than half the cell, but not from one frame to the next
        steps = np.diff(framework, axis=0, prepend=last[None])
        unwrapped = last + np.cumsum(nearest_image(steps, cell), axis=0)
        window = np.searchsorted(edges, n_frames + np.arange(len(chunk)), side="right") - 1
        first = np.flatnonzero(np.diff(window, prepend=-1))
        sums[window[first]] += np.add.reduceat(unwrapped, first, axis=0)
        last = unwrapped[-1]
        n_frames += len(chunk)
    return np.asarray(sums / np.diff(edges)[:, None, None])


def _refuse_overlap(framework: FloatArray, cell: FloatArray) -> None:
    first, second, distance = close_pairs(framework, cell, LEAST_DISTANCE_A)
    if len(distance):
        raise InputError(
            f"cell: brings framework atoms {first[0]} and {second[0]} as near as "
            f"{distance[0]:.2f} Å in the first frame; give the vectors of the whole cell in Å"
        )


def _refuse_drift(means: FloatArray, place_distance_A: float) -> None:
    centre = means.mean(axis=1)
    drift = float(np.linalg.norm(np.ptp(centre, axis=0)))
    own = np.linalg.norm(np.ptp(means - centre[:, None], axis=0), axis=1)
    if drift > max(place_distance_A, float(np.median(own))):
        raise InputError(
            f"positions: the framework drifted as a whole by {drift:.1f} Å: subtract its centre of "
            "mass first"
        )


def _stays(means: FloatArray, weights: FloatArray, distance_A: float) -> tuple[IntArray, int]:
    """Return the place of an atom in each window [window], and how often it left one.

    Neighbouring stretches of windows are joined, the closest first, as long as their means lie
    within the distance. A stretch of a single window is an atom on its way: it goes to the closer
    of its neighbours.
    """
    bounds = list(range(len(means) + 1))

    def centre(stretch: int) -> FloatArray:
        part = slice(bounds[stretch], bounds[stretch + 1])
        return np.asarray(np.average(means[part], axis=0, weights=weights[part]))

    def steps() -> FloatArray:
        centres = np.array([centre(stretch) for stretch in range(len(bounds) - 1)])
        return np.asarray(np.linalg.norm(np.diff(centres, axis=0), axis=1))

    while len(bounds) > 2 and (gaps := steps()).min() < distance_A:
        del bounds[int(gaps.argmin()) + 1]
    changes = len(bounds) - 2
    while len(bounds) > 2 and np.diff(bounds).min() == 1:
        single = int(np.diff(bounds).argmin())
        gaps = np.concatenate([[np.inf], steps(), [np.inf]])
        del bounds[single + int(gaps[single + 1] < gaps[single])]
    places: list[FloatArray] = []
    stays = np.zeros(len(means), dtype=int)
    for stretch in range(len(bounds) - 1):
        here = centre(stretch)
        old = [number for number, at in enumerate(places) if np.linalg.norm(at - here) < distance_A]
        if not old:
            places.append(here)
        stays[bounds[stretch] : bounds[stretch + 1]] = old[0] if old else len(places) - 1
    return stays, changes


def _settled_mean(means: FloatArray, weights: FloatArray, distance_A: float) -> FloatArray:
    """Return the mean position [axis] at one place, without windows in which it is on its way."""
    near = np.linalg.norm(means - np.median(means, axis=0), axis=1) < distance_A
    if not near.any():
        near[:] = True
    return np.asarray(np.average(means[near], axis=0, weights=weights[near]))


def epoch_chunks(frames: Frames, epochs: tuple[Epoch, ...]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield chunks of frames [frame, atom, axis], each within one epoch, and the epoch's number."""
    epoch, start = 0, 0
    for chunk in frames.chunks(frames=CHUNK_FRAMES):
        while len(chunk):
            part = chunk[: epochs[epoch].stop - start]
            yield epoch, part
            start += len(part)
            chunk = chunk[len(part) :]
            epoch += start == epochs[epoch].stop


def _displacements(
    frames: Frames, cell: FloatArray, mobile: BoolArray, epochs: tuple[Epoch, ...]
) -> tuple[FloatArray, FloatArray]:
    """Return the largest distance of each atom from its place, and the mean square one, Å, Å^2."""
    largest, total = np.zeros(int((~mobile).sum())), np.zeros(int((~mobile).sum()))
    for epoch, chunk in epoch_chunks(frames, epochs):
        displacement = nearest_image(
            chunk[:, ~mobile].astype(float) - epochs[epoch].positions, cell
        )
        square = (displacement**2).sum(axis=2)
        np.maximum(largest, np.sqrt(square.max(axis=0)), out=largest)
        total += square.sum(axis=0)
    return largest, total / len(frames)
