"""How far a framework moves from its initial structure."""

from dataclasses import dataclass

import ase
import numpy as np
from ase.geometry import find_mic
from numpy.typing import ArrayLike

from llzo_helpers.arrays import FloatArray


@dataclass(frozen=True)
class FrameworkDrift:
    """Displacement of the framework from the structure at the start of a run.

    Attributes
    ----------
    times_ps
        Since the end of equilibration, [frame].
    displacement
        Root mean square over each element's atoms, Å, by element, [frame].
    moved_fraction
        Fraction of framework atoms farther than 1 Å from their start, [frame].
    """

    times_ps: FloatArray
    displacement: dict[str, FloatArray]
    moved_fraction: FloatArray


def framework_drift(
    positions: ArrayLike, times_ps: ArrayLike, start: ase.Atoms, *, mobile: str = "Li"
) -> FrameworkDrift:
    """Return the displacement of the framework from the structure at the start of a run.

    Parameters
    ----------
    positions
        Unwrapped positions of all atoms, Å, [frame, atom, axis].
    times_ps
        [frame]
    start
        The structure at the start of the run; displacements include those in equilibration.
    mobile
        Element that is not part of the framework.
    """
    frames = np.asarray(positions, dtype=float)
    names = np.array(start.get_chemical_symbols())
    framework = names != mobile
    # the two records of the same atoms may differ by whole cells, from wrapping
    first, _ = find_mic(frames[0] - start.positions, start.cell)
    displacement = frames - frames[0] + first
    displacement -= displacement[:, framework].mean(axis=1, keepdims=True)
    squares = (displacement**2).sum(axis=2)
    return FrameworkDrift(
        times_ps=np.asarray(times_ps, dtype=float),
        displacement={
            element: np.sqrt(squares[:, names == element].mean(axis=1))
            for element in dict.fromkeys(names[framework].tolist())
        },
        moved_fraction=(squares[:, framework] > 1.0).mean(axis=1),
    )
