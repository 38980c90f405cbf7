"""The colour of residence times, one scale for Figures 2, 4 and 5: yellow is fast, blue is slow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.figures.style import log_ticks

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
        """Return a scale over the finite times, ps, that begins and ends at 1, 2 or 5."""
        finite = np.asarray(times, dtype=float)
        finite = finite[np.isfinite(finite) & (finite > 0)]
        if not len(finite):
            return cls(0.1, 10.0)
        ticks = np.array(log_ticks(finite.min() / 10, finite.max() * 10))
        shortest = ticks[ticks <= finite.min()].max()
        return cls(
            float(shortest), float(ticks[(ticks >= finite.max()) & (ticks > shortest)].min())
        )

    def __call__(self, times: ArrayLike) -> NDArray[np.float32]:
        """Return values for plotly's colour axis."""
        return np.log10(np.clip(times, self.shortest, self.longest)).astype(np.float32)

    @property
    def axis(self) -> dict[str, Any]:
        """Return plotly's colour axis, its ticks in ps."""
        ticks = log_ticks(self.shortest, self.longest)
        return {
            "colorscale": COLORSCALE,
            "cmin": np.log10(self.shortest),
            "cmax": np.log10(self.longest),
            "colorbar": {
                "title": {"text": " residence time (ps)"},
                "tickvals": np.log10(ticks).tolist(),
                "ticktext": [f"{tick:g}" for tick in ticks],
            },
        }
