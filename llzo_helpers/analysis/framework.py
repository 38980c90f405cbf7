"""What becomes of a framework during a run: crystal, amorphised, glass or liquid.

Two things are measured. How far the atoms of each element travel: their mean squared displacement
and diffusion coefficient. And, where the crystal's positions are known, how many are vacated,
against time: mean positions over a block of frames, so that vibration does not count, each
belonging to the nearest position (Wigner and Seitz's rule).

The rule of the verdict (`FrameworkHistory.verdict`), on the positions vacated:

- *amorphised*: they begin below `AMORPHOUS` and end above;
- *liquid*: above from the beginning, or none known, and atoms of every element travel
  farther than `CAGE_A`, most of it (`DIFFUSIVE`) by diffusion;
- *glass*: above from the beginning, and not liquid; without known positions, *solid*;
- *crystal with defects*: below, but more than `DEFECTS` at the end;
- *crystal*: the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from llzo_helpers.analysis.diffusion import (
    CM2_S_PER_A2_PS,
    TracerDiffusion,
    tracer_diffusion_coefficient,
)
from llzo_helpers.analysis.msd import mean_squared_displacement
from llzo_helpers.analysis.periodic import reduced_cell
from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError

AMORPHOUS = 0.1
"""Fraction of positions vacated from which on a crystal has amorphised. Of La and Zr in intact
garnets it is 0; when one collapses it exceeds 0.1 for good, and reaches 0.6 to 0.8 (measured)."""
DEFECTS = 0.01
"""Fraction of positions of an element vacated from which on a crystal has defects."""
CAGE_A = 1.5
"""Å, about half the distance between neighbours: an atom that travels farther has left its cage."""
DIFFUSIVE = 0.5
"""Part of a mean squared displacement that grows with time from which on atoms diffuse: 0 for
vibration. The ratio of D to its error would not do: it grows with the length of a run, and with
the number of atoms."""
BLOCKS = 24
"""Stretches of a run, over which positions are averaged."""


@dataclass(frozen=True)
class FrameworkHistory:
    """The framework along a run.

    Attributes
    ----------
    times_ps : ndarray, shape [block]
        Middle of each block, since the first frame.
    vacated : dict of ndarray, shape [block]
        Fraction of the crystal's positions that are vacated, by element; empty if they aren't
        known.
    ordering : tuple of str
        Elements whose positions decide whether there is a crystal.
    diffusion : dict of TracerDiffusion
        By element.
    msd_A2 : dict of float
        Mean squared displacement at half the run, Å^2, by element.
    """

    times_ps: FloatArray
    vacated: dict[str, FloatArray]
    ordering: tuple[str, ...]
    diffusion: dict[str, TracerDiffusion]
    msd_A2: dict[str, float]

    @property
    def disorder(self) -> FloatArray | None:
        """Fraction of all positions of the ordering elements vacated [block]; None if unknown."""
        if not self.vacated:
            return None
        n_atoms = [self.diffusion[element].n_ions for element in self.ordering]
        fractions = [self.vacated[element] for element in self.ordering]
        return np.asarray(np.average(fractions, axis=0, weights=n_atoms))

    @property
    def flows(self) -> bool:
        """Whether atoms of every element leave their cages and diffuse."""
        half_ps = (self.times_ps[0] + self.times_ps[-1]) / 2
        return bool(self.diffusion) and all(
            self.msd_A2[element] > CAGE_A**2
            and 6 * found.D_cm2_s / CM2_S_PER_A2_PS * half_ps > DIFFUSIVE * self.msd_A2[element]
            for element, found in self.diffusion.items()
        )

    @property
    def amorphised_ps(self) -> float | None:
        """Time from which on the crystal is none, ps; None if it stays one, or never was."""
        disorder = self.disorder
        if disorder is None or disorder[0] >= AMORPHOUS or disorder[-1] < AMORPHOUS:
            return None
        last_ordered = int(np.flatnonzero(disorder < AMORPHOUS)[-1])
        return float(self.times_ps[last_ordered + 1])

    @property
    def verdict(self) -> str:
        """What the framework is, by the rule of this module."""
        disorder = self.disorder
        if self.amorphised_ps is not None:
            return "amorphised"
        if disorder is None:
            return "liquid" if self.flows else "solid"
        if disorder[-1] >= AMORPHOUS:
            return "liquid" if self.flows else "glass"
        ended = [fraction[-1] for fraction in self.vacated.values()]
        return "crystal with defects" if max(ended) > DEFECTS else "crystal"


def framework_history(
    positions: ArrayLike,
    cell: ArrayLike,
    symbols: Sequence[str],
    frame_interval_ps: float,
    *,
    sites: Mapping[str, FloatArray] | None = None,
    interstitial: FloatArray | None = None,
    ordering: Sequence[str] | None = None,
) -> FrameworkHistory:
    """Follow a framework along a run.

    Parameters
    ----------
    positions : array_like, shape [frame, atom, axis]
        Of the framework alone, Å, unwrapped.
    cell : array_like, shape [vector, axis]
        Å, of any shape.
    symbols : sequence of str, shape [atom]
        Element of each atom.
    frame_interval_ps : float
        Time between frames.
    sites : mapping of str to ndarray, shape [site, axis], optional
        Positions of each element in the crystal, Å.
    interstitial : ndarray, shape [site, axis], optional
        Positions between them that atoms of the ordering elements may go to, Å, besides those of
        one another.
    ordering : sequence of str, optional
        Elements whose positions decide whether there is a crystal; by default all whose positions
        are known.

    Raises
    ------
    InputError
        Fewer frames than blocks, shapes that don't fit, or an ordering element that is not there,
        or whose positions are not known.
    """
    frames = np.asarray(positions, dtype=float)
    names = np.asarray(symbols)
    if frames.ndim != 3 or frames.shape[1:] != (len(names), 3) or len(frames) < BLOCKS:
        raise InputError(
            f"positions: shape {frames.shape}; give at least {BLOCKS} frames [frame, atom, axis] "
            f"of {len(names)} atoms"
        )
    frames = frames - (frames.mean(axis=1) - frames[0].mean(axis=0))[:, None]
    # a single atom has no diffusion coefficient with an error
    elements = [name for name in dict.fromkeys(names.tolist()) if (names == name).sum() > 1]
    known = [name for name in elements if sites is None or name in sites]
    chosen = tuple(known if ordering is None else ordering)
    for name in chosen:
        if name not in known:
            raise InputError(
                f"ordering = {list(chosen)}: {name} has fewer than two atoms, or none of sites; "
                f"choose from {', '.join(known)}"
            )
    blocks = np.array_split(frames, BLOCKS)
    vacated: dict[str, FloatArray] = {}
    if sites is not None:
        means = np.array([block.mean(axis=0) for block in blocks])
        extra = np.empty((0, 3)) if interstitial is None else interstitial
        for element in sites:
            # where else an atom of this element could be
            others = [sites[other] for other in chosen if other != element]
            elsewhere = np.concatenate([*others, extra]) if element in chosen else extra[:0]
            vacated[element] = _vacated(means[:, names == element], cell, sites[element], elsewhere)
    half = len(frames) // 2
    middles = np.cumsum([len(block) for block in blocks]) - len(blocks[0]) / 2
    return FrameworkHistory(
        times_ps=middles * frame_interval_ps,
        vacated=vacated,
        ordering=chosen,
        diffusion={
            element: tracer_diffusion_coefficient(frames[:, names == element], frame_interval_ps)
            for element in elements
        },
        msd_A2={
            element: float(mean_squared_displacement(frames[:, names == element], [half])[0])
            for element in elements
        },
    )


def _vacated(
    frames: FloatArray, cell: ArrayLike, own: FloatArray, elsewhere: FloatArray
) -> FloatArray:
    """Return the fraction [frame] of own sites that are nearest to none of the atoms."""
    box = reduced_cell(cell)
    inverse = np.linalg.inv(box)
    sites = np.concatenate([own, elsewhere]) @ inverse % 1.0
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    tree = cKDTree(((sites + shifts) @ box).reshape(-1, 3))
    nearest = np.asarray(tree.query(frames @ inverse % 1.0 @ box)[1]) % len(sites)
    occupied = [len(np.unique(frame[frame < len(own)])) for frame in nearest]
    return np.asarray(1 - np.array(occupied) / len(own))
