"""The colour of residence times, the same in Figures 2, 4 and 5: yellow is fast, blue is slow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLORSCALE = "Plasma_r"


@dataclass(frozen=True)
class ResidenceColour:
    """A logarithmic colour scale of residence times.

    Attributes
    ----------
    shortest, longest
        Ends of the scale, ps; times beyond have the colour of the end.
    """

    shortest: float
    longest: float

    @classmethod
    def covering(cls, times: ArrayLike) -> "ResidenceColour":
        """Return a scale over the finite times, ps."""
        finite = np.asarray(times, dtype=float)
        finite = finite[np.isfinite(finite) & (finite > 0)]
        if not len(finite):
            return cls(0.1, 10.0)
        return cls(float(finite.min()), float(max(finite.max(), 1.01 * finite.min())))

    def __call__(self, times: ArrayLike) -> NDArray[np.float32]:
        """Return values for plotly's colour axis."""
        return np.log10(np.clip(times, self.shortest, self.longest)).astype(np.float32)

    @property
    def axis(self) -> dict[str, Any]:
        """Return plotly's colour axis, its ticks in ps."""
        ticks = [
            digit * 10.0**power
            for power in range(-3, 5)
            for digit in (1, 2, 5)
            if self.shortest <= digit * 10.0**power <= self.longest
        ]
        return {
            "colorscale": COLORSCALE,
            "cmin": np.log10(self.shortest),
            "cmax": np.log10(self.longest),
            "colorbar": {
                "title": {"text": "Residence<br>time (ps)"},
                "thickness": 18,
                "len": 0.9,
                "tickvals": np.log10(ticks).tolist(),
                "ticktext": [f"{tick:g}" for tick in ticks],
            },
        }
