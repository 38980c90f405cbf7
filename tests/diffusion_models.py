"""Trajectories of moving ions whose long-time diffusion coefficient is known.

Lengths are in Å, times in ps, diffusion coefficients in Å^2/ps (1e-4 cm2/s); positions are
[frame, ion, axis], unwrapped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse
from scipy.signal import lfilter
from scipy.sparse.linalg import cg

Array = NDArray[np.float64]


def brownian(
    seed: int, frames: int, ions: int, dt: float, D: float = 0.1, rattle: float = 0.3
) -> tuple[Array, float]:
    """Brownian ions on top of vibration without memory."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, np.sqrt(2 * D * dt), (frames, ions, 3)), axis=0)
    return walk + rng.normal(0, rattle, walk.shape), D


def ornstein_uhlenbeck(
    rng: np.random.Generator, frames: int, shape: tuple[int, ...], dt: float, relaxation: float
) -> Array:
    """Gaussian processes of unit variance with exponential memory, [frame, *shape]."""
    keep = np.exp(-dt / relaxation)
    noise = rng.normal(size=(frames, *shape)) * np.sqrt(1 - keep**2)
    noise[0] /= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], noise, axis=0)


def caged(
    seed: int,
    frames: int,
    ions: int,
    dt: float,
    D: float = 0.01,
    amplitude: float = 1.0,
    relaxation: float = 6.0,
) -> tuple[Array, float]:
    """Rattling in cages that slowly diffuse; `amplitude` is the root mean square of |r|."""
    rng = np.random.default_rng(seed)
    rattle = ornstein_uhlenbeck(rng, frames, (ions, 3), dt, relaxation) * amplitude / np.sqrt(3)
    return rattle + brownian(seed + 10**6, frames, ions, dt, D, 0.0)[0], D


def modulated(
    seed: int,
    frames: int,
    ions: int,
    dt: float,
    D: float = 0.1,
    width: float = 0.5,
    memory: float = 0.2,
) -> tuple[Array, float]:
    """Brownian ions whose rates all go up and down together.

    ln D is a Gaussian process of standard deviation `width` and memory `memory` of the run.
    """
    rng = np.random.default_rng(seed)
    factor = np.exp(width * ornstein_uhlenbeck(rng, frames, (), 1.0, memory * frames))
    factor /= np.exp(width**2 / 2)
    steps = rng.normal(0, 1, (frames, ions, 3)) * np.sqrt(2 * D * dt * factor)[:, None, None]
    return np.cumsum(steps, axis=0) + rng.normal(0, 0.3, steps.shape), D


def drifting(
    seed: int, frames: int, ions: int, dt: float, removed: bool, speed: float = 1.0
) -> tuple[Array, float]:
    """Brownian ions in a cell that drifts, Å/ps, which 3 framework atoms per ion show."""
    positions, D = brownian(seed, frames, ions, dt)
    rng = np.random.default_rng(seed + 10**6)
    drift = speed * dt * np.arange(frames)[:, None, None] * np.array([0.6, -0.8, 0.0])
    framework = drift + rng.normal(0, 0.2, (frames, 1, 3)) / np.sqrt(3 * ions)
    return positions + drift - (framework if removed else 0), D


@njit(cache=True)
def _back_jumps(seed, frames, ions, dt, rate, length, reversed_fraction):  # pragma: no cover
    np.random.seed(seed)
    out = np.zeros((frames, ions, 3))
    for ion in range(ions):
        at = np.zeros(3)
        axis, sign = np.random.randint(3), 1.0
        time = np.random.exponential(1 / rate)
        for frame in range(frames):
            while time < frame * dt:
                if np.random.random() < reversed_fraction:
                    sign = -sign
                else:
                    axis = np.random.randint(3)
                    sign = 1.0 if np.random.random() < 0.5 else -1.0
                at[axis] += sign * length
                time += np.random.exponential(1 / rate)
            out[frame, ion] = at
    return out


def back_jumps(
    seed: int,
    frames: int,
    ions: int,
    dt: float,
    rate: float = 0.5,
    length: float = 2.0,
    reversed_fraction: float = 0.7,
) -> tuple[Array, float]:
    """Jumps on a cubic lattice, each reversed by the next with a probability, or else random.

    D = rate length^2 / 6 (1 - p) / (1 + p): successive jumps have the mean cosine -p.
    """
    rng = np.random.default_rng(seed)
    walk = _back_jumps(seed, frames, ions, dt, rate, length, reversed_fraction)
    return (
        walk + rng.normal(0, 0.3, walk.shape),
        rate * length**2 / 6 * (1 - reversed_fraction) / (1 + reversed_fraction),
    )


@njit(cache=True)
def _walk_on_bonds(seed, frames, ions, dt, rates, length, start):  # pragma: no cover
    """Random walk with the rates [axis, x, y, z, direction] of leaving each site."""
    np.random.seed(seed)
    size = rates.shape[1]
    out = np.zeros((frames, ions, 3))
    each = np.zeros(6)
    for ion in range(ions):
        at = start[ion].copy()
        time = -1.0
        for frame in range(frames):
            while time < frame * dt:
                x, y, z = at[0] % size, at[1] % size, at[2] % size
                total = 0.0
                for axis in range(3):
                    for side in range(2):
                        total += rates[axis, x, y, z, side]
                        each[2 * axis + side] = total
                if time < 0:  # the first wait
                    time = np.random.exponential(1 / total)
                    continue
                drawn = np.random.random() * total
                chosen = 0
                while chosen < 5 and each[chosen] < drawn:
                    chosen += 1
                at[chosen // 2] += 1 if chosen % 2 == 0 else -1
                x, y, z = at[0] % size, at[1] % size, at[2] % size
                total = 0.0
                for axis in range(3):
                    for side in range(2):
                        total += rates[axis, x, y, z, side]
                time += np.random.exponential(1 / total)
            for axis in range(3):
                out[frame, ion, axis] = (at[axis] - start[ion, axis]) * length
    return out


def traps(
    seed: int,
    frames: int,
    ions: int,
    dt: float,
    fastest: float = 5.0,
    decades: float = 2.0,
    length: float = 2.0,
    equilibrium: bool = True,
    size: int = 24,
) -> tuple[Array, float]:
    """Random traps: sites left at rates over many decades, to all neighbours alike.

    D = length^2 / (6 <1 / rate>), exactly, on every periodic lattice. From equilibrium the MSD is
    a straight line; from ions put on sites at random D falls as they find the deep traps.
    """
    rng = np.random.default_rng(seed)
    rate = fastest * 10 ** (-decades * rng.random((size, size, size)))
    rates = np.ascontiguousarray(np.broadcast_to((rate / 6)[None, ..., None], (3, *rate.shape, 2)))
    weight = (1 / rate).ravel() if equilibrium else np.ones(rate.size)
    sites = rng.choice(rate.size, ions, p=weight / weight.sum())
    start = np.stack(np.unravel_index(sites, rate.shape), axis=1).astype(np.int64)
    walk = _walk_on_bonds(seed, frames, ions, dt, rates, length, start)
    return walk + rng.normal(0, 0.3, walk.shape), length**2 / (6 * (1 / rate).mean())


def barriers(
    seed: int,
    frames: int,
    ions: int,
    dt: float,
    fastest: float = 5.0,
    decades: float = 3.0,
    length: float = 2.0,
    size: int = 16,
) -> tuple[Array, float]:
    """Random barriers: bonds crossed at rates over many decades, the same both ways.

    All sites are equally occupied; D is the conductivity of the periodic network of bonds, solved
    for exactly. Sub-diffusive until the ions have found the percolating bonds.
    """
    rng = np.random.default_rng(seed)
    bond = fastest / 6 * 10 ** (-decades * rng.random((3, size, size, size)))
    rates = np.stack([bond, np.stack([np.roll(bond[k], 1, k) for k in range(3)])], axis=-1)
    start = rng.integers(0, size, (ions, 3))
    walk = _walk_on_bonds(seed, frames, ions, dt, np.ascontiguousarray(rates), length, start)
    return walk + rng.normal(0, 0.3, walk.shape), length**2 * _conductivity(bond)


def _conductivity(bond: Array) -> float:
    """Mean conductivity of a periodic cubic network of bonds [axis, x, y, z], per bond length."""
    size = bond.shape[1]
    index = np.arange(size**3).reshape(size, size, size)
    here = np.concatenate([index.ravel()] * 3)
    there = np.concatenate([np.roll(index, -1, k).ravel() for k in range(3)])
    g = bond.reshape(-1)
    laplacian = sparse.coo_matrix((g, (here, there)), shape=(index.size,) * 2).tocsr()
    laplacian = laplacian + laplacian.T
    laplacian = sparse.diags(np.asarray(laplacian.sum(axis=1)).ravel()) - laplacian
    total = 0.0
    for axis in range(3):
        drive = np.zeros(index.size)
        along = bond[axis].ravel()
        np.add.at(drive, index.ravel(), along)
        np.add.at(drive, np.roll(index, -1, axis).ravel(), -along)
        scale = sparse.diags(1 / laplacian.diagonal())
        field, failed = cg(laplacian, drive, rtol=1e-7, M=scale)
        assert not failed
        total += (along.sum() - drive @ field) / index.size
    return total / 3


@njit(cache=True)
def _strings(seed, frames, ions, dt, rate, length, members, straight):  # pragma: no cover
    np.random.seed(seed)
    out = np.zeros((frames, ions, 3))
    at = np.zeros((ions, 3))
    per_event = rate * ions / members
    time = np.random.exponential(1 / per_event)
    order = np.arange(ions)
    for frame in range(frames):
        while time < frame * dt:
            axis = np.random.randint(3)
            sign = 1.0 if np.random.random() < 0.5 else -1.0
            for k in range(members):
                other = k + np.random.randint(ions - k)
                order[k], order[other] = order[other], order[k]
                if not straight:
                    axis = np.random.randint(3)
                    sign = 1.0 if np.random.random() < 0.5 else -1.0
                at[order[k], axis] += sign * length
            time += np.random.exponential(1 / per_event)
        out[frame] = at
    return out


def strings(
    seed: int,
    frames: int,
    ions: int,
    dt: float,
    rate: float = 0.2,
    length: float = 2.0,
    members: int = 6,
    straight: bool = True,
) -> tuple[Array, float]:
    """Several ions, drawn anew for each event, jump together along one axis, or each its own way.

    D = rate length^2 / 6; the collective one is `members` times that if they go one way.
    """
    rng = np.random.default_rng(seed)
    walk = _strings(seed, frames, ions, dt, rate, length, members, straight)
    return walk + rng.normal(0, 0.3, walk.shape), rate * length**2 / 6


def groups(
    seed: int, frames: int, ions: int, dt: float, members: int = 4, D: float = 0.1
) -> tuple[Array, float]:
    """Fixed groups of ions that move as one: as many independent ions as groups."""
    walk, _ = brownian(seed, frames, ions // members, dt, D, 0.0)
    rng = np.random.default_rng(seed + 10**6)
    positions = np.repeat(walk, members, axis=1)
    return positions + rng.normal(0, 0.3, positions.shape), D


def coupled(
    seed: int, frames: int, ions: int, dt: float, common: float = 0.7, D: float = 0.1
) -> tuple[Array, float]:
    """Six groups of ions that share a fraction `common` of the variance of their displacements."""
    own, _ = brownian(seed, frames, ions, dt, D * (1 - common), 0.3)
    shared, _ = brownian(seed + 10**6, frames, 6, dt, D * common, 0.0)
    return own + shared[:, np.arange(ions) % 6], D


@dataclass(frozen=True)
class Case:
    """A model at one size of run."""

    make: Callable[..., tuple[Array, float]]
    """From a seed: positions and the true D."""
    dt: float
    long_enough: bool
    """Whether D at the lags of the default window is the long-time one."""


def _case(
    model: Callable[..., tuple[Array, float]],
    frames: int,
    ions: int,
    dt: float,
    long_enough: bool = True,
    **options: float | bool,
) -> Case:
    return Case(partial(model, frames=frames, ions=ions, dt=dt, **options), dt, long_enough)


def harmonic_rings(
    seed: int, frames: int, ions: int, dt: float, D: float = 0.1, spring: float = 4.0
) -> tuple[Array, float]:
    """Rings of four Brownian ions whose neighbours are bound by springs (in kT/Å^2); Rouse modes.

    An ion feels its neighbours after the relaxation time of the slowest mode, 1/(2 spring D); then
    it moves as the ring does, with a quarter of D.
    """
    rng = np.random.default_rng(seed)
    rings = ions // 4
    stiffness = 2 * spring * np.array([1.0, 1.0, 2.0])
    modes = np.zeros((frames, rings, 4, 3))
    modes[:, :, 0] = np.cumsum(rng.normal(0, np.sqrt(2 * D * dt), (frames, rings, 3)), axis=0)
    for mode, k in enumerate(stiffness, start=1):
        inside = ornstein_uhlenbeck(rng, frames, (rings, 3), dt, 1 / (k * D))
        modes[:, :, mode] = inside / np.sqrt(k)
    shapes = np.array([[1, 1, 1, 1], [1, 0, -1, 0], [0, 1, 0, -1], [1, -1, 1, -1]], float)
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
    return np.einsum("frma,mi->fria", modes, shapes).reshape(frames, 4 * rings, 3), D / 4


CASES = {
    "Brownian, 30 ps": _case(brownian, 600, 56, 0.05),
    "Brownian, 448 ions": _case(brownian, 600, 448, 0.05),
    "Brownian, 3000 frames": _case(brownian, 3000, 112, 0.05),
    "Brownian, 100 frames": _case(brownian, 100, 56, 0.02, D=0.3),
    "back-jumps, 70 %": _case(back_jumps, 1000, 56, 0.3),
    "back-jumps, 90 %": _case(back_jumps, 2000, 56, 0.5, reversed_fraction=0.9),
    "traps over 2 decades": _case(traps, 1000, 56, 1.0),
    "traps over 3 decades": _case(traps, 1000, 56, 5.0, decades=3.0),
    "traps over 4 decades, too short": _case(
        traps, 600, 56, 0.1, False, decades=4.0, equilibrium=False
    ),
    "traps over 3 decades, too short": _case(
        traps, 1000, 112, 0.2, False, decades=3.0, equilibrium=False
    ),
    "barriers over 3 decades": _case(barriers, 1000, 56, 3.0),
    "barriers over 4 decades, too short": _case(barriers, 600, 56, 0.05, False, decades=4.0),
    "barriers over 6 decades, too short": _case(barriers, 1000, 112, 0.1, False, decades=6.0),
    "strings of 6": _case(strings, 1000, 56, 0.3),
    "strings of 6, each its own way": _case(strings, 1000, 56, 0.3, straight=False),
    "strings of 12": _case(strings, 1000, 112, 0.3, members=12),
    "groups of 4": _case(groups, 600, 56, 0.05),
    "six groups, partly coupled": _case(coupled, 600, 56, 0.05),
    "rates with a memory of 1/20 of the run": _case(modulated, 600, 56, 0.05, memory=0.05),
    "rates with a memory of 1/5 of the run": _case(modulated, 600, 56, 0.05),
    "cages, 30 ps, too short": _case(caged, 600, 56, 0.05, False),
    "cages, 30 ps, 448 ions, too short": _case(caged, 600, 448, 0.05, False),
    "cages, 1000 ps": _case(caged, 2000, 56, 0.5),
    "cages, 1000 ps, 5000 frames": _case(caged, 5000, 112, 0.2),
    "cages that nobody leaves": _case(caged, 600, 56, 0.05, False, D=1e-9, relaxation=0.2),
    "drifting cell, drift removed": _case(drifting, 600, 56, 0.05, removed=True),
    "drifting cell, drift not removed": _case(drifting, 600, 56, 0.05, False, removed=False),
    "cell that drifts as far as ions diffuse, drift not removed": _case(
        drifting, 600, 56, 0.05, False, removed=False, speed=0.1
    ),
    "harmonic rings of 4": _case(harmonic_rings, 600, 224, 0.1),
}
"""What the estimator is tried on, of the sizes of campaigns."""
