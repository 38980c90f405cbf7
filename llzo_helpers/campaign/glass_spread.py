"""How far glasses made alike differ: part of the error of whatever one glass stands for."""

from typing import Any

import numpy as np
import pandas as pd

from llzo_helpers.analysis.student import freedom_of_sum
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS

_POTENTIALS = ["structure_potential", "md_potential"]


def with_glass_spread(diffusion: pd.DataFrame) -> pd.DataFrame:
    """Add to the error of each D of a glass without replicas how far glasses made alike differ.

    Parameters
    ----------
    diffusion
        `diffusion.csv`: the D and standard errors of runs.

    Returns
    -------
    DataFrame
        The same, with `tracer_D_std_cm2_s` and `tracer_D_freedom` of what the run says of its
        system instead of itself. Replicas tell that by their own spread. The variance that is
        added is that of ln D among replicas, less what the errors of their D explain, pooled over
        all temperatures and densities of the glasses of the same two potentials, or of all glasses,
        of the same supercell; where there are no replicas, nothing is added.
    """
    glasses = diffusion[(diffusion["phase"] == "amorphous") & (diffusion["tracer_D_cm2_s"] > 0)]
    keys = [*SYSTEM_COLUMNS, "temperature_K"]
    of_system = glasses.groupby(keys, dropna=False, sort=False)["tracer_D_cm2_s"]
    single = of_system.transform("size") == 1
    deviations = np.log(glasses["tracer_D_cm2_s"]) - of_system.transform(lambda D: np.log(D).mean())
    replicas = glasses.assign(
        square=deviations**2,
        freedom=1 - 1 / of_system.transform("size"),
        own=(glasses["tracer_D_std_cm2_s"] / glasses["tracer_D_cm2_s"]) ** 2,
    )
    replicas = replicas[~single]
    result = diffusion.assign(tracer_D_freedom=diffusion.get("tracer_D_freedom", np.inf))
    for index, glass in result.loc[single[single].index].iterrows():
        known = replicas[replicas["supercell"] == glass["supercell"]]
        alike = (known[_POTENTIALS] == glass[_POTENTIALS]).all(axis=1)
        known = known[alike] if alike.any() else known
        if len(known):
            result.loc[index, _ERRORS] = _widened(glass, known)
    return result


_ERRORS = ["tracer_D_std_cm2_s", "tracer_D_freedom"]


def _widened(glass: "pd.Series[Any]", known: pd.DataFrame) -> tuple[float, float]:
    """Return the standard error of a glass's D with the spread among others, and its freedom."""
    own, scale = glass["tracer_D_std_cm2_s"] ** 2, glass["tracer_D_cm2_s"] ** 2
    freedom = known["freedom"].sum()
    seen = known["square"].sum() / freedom
    explained = np.average(known["own"], weights=known["freedom"])
    between = scale * max(seen - explained, 0.0)
    total = freedom_of_sum([own, between], [glass["tracer_D_freedom"], freedom])
    return float(np.sqrt(own + between)), total
