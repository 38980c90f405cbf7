"""Positions that were wrapped into the cell, followed from frame to frame."""

import numpy as np

from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError

_LARGEST_STEP = 0.4
"""Of a cell vector, between two frames: beyond it the nearest image may be the wrong one."""

_FARTHEST = 1e6
"""Cells that an ion can have crossed."""


class Unwrapping:
    """Follows atoms from frame to frame.

    Parameters
    ----------
    name
        The trajectory's name in messages.
    nearest_image
        Whether to take the nearest image; else positions must not need it.
    check
        Whether long jumps are an error: frames are consecutive, and images may have been lost.
    """

    def __init__(self, name: str, *, nearest_image: bool, check: bool) -> None:
        self.name, self.nearest_image, self.check = name, nearest_image, check
        self.crossings = 0
        self._before: FloatArray | None = None
        self._images: FloatArray | None = None

    def __call__(self, scaled: FloatArray, first: int) -> FloatArray | None:
        """Return what to add to scaled positions [frame, atom, axis]; None if nothing.

        `first` is the number of the first of these frames.
        """
        sensible = np.abs(scaled) < _FARTHEST
        if not sensible.all():
            frame, atom, _ = np.argwhere(~sensible)[0]
            raise InputError(
                f"{self.name}: frame {first + frame}: position of atom {atom} is not a number, or "
                f"{_FARTHEST:g} cells away; leave out the frames from there on"
            )
        if self._before is None:
            self._before = scaled[:1]
            self._images = np.zeros(scaled.shape[1:])
        assert self._images is not None
        steps = np.diff(np.concatenate([self._before, scaled]), axis=0)
        self._before = scaled[-1:].copy()
        if not self.nearest_image:
            if self.check and np.abs(steps).max() > 0.5:
                self._refuse(steps, first, 0.5)
            return None
        largest = np.abs(steps).max()
        if largest <= _LARGEST_STEP:
            return None if not self.crossings else self._images
        crossed = -np.rint(steps)
        steps += crossed
        if np.abs(steps).max() > _LARGEST_STEP:
            self._refuse(steps, first, _LARGEST_STEP)
        self.crossings += int(np.count_nonzero(crossed))
        images: FloatArray = np.cumsum(crossed, axis=0) + self._images
        self._images = images[-1]
        return images

    def _refuse(self, steps: FloatArray, first: int, limit: float) -> None:
        frame, atom, axis = np.argwhere(np.abs(steps) > limit)[0]
        remedy = (
            "the nearest image may be the wrong one; give frames closer together, or a LAMMPS "
            "dump with image flags"
            if self.nearest_image
            else "were its images lost at a restart? Give wrapped positions, or closer frames"
        )
        raise InputError(
            f"{self.name}: frame {first + frame}: atom {atom} moves by "
            f"{abs(steps[frame, atom, axis]):.2f} of cell vector {'abc'[axis]} since the frame "
            f"before: {remedy}"
        )
