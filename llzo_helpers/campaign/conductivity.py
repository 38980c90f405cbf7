"""Ionic conductivity of a run, from its diffusion coefficients."""

from llzo_helpers.analysis.conductivity import CollectiveDiffusion, nernst_einstein_conductivity
from llzo_helpers.analysis.diffusion import TracerDiffusion
from llzo_helpers.campaign.model import AnyRun

_CHARGES = {"Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Ag": 1, "Cu": 1, "H": 1} | {
    **{"F": -1, "Cl": -1, "Br": -1, "I": -1, "O": -2, "S": -2},
    **{"Mg": 2, "Ca": 2, "Zn": 2, "Al": 3},
}
"""Of ions that conduct in solids."""


def conductivity_columns(
    run: AnyRun, tracer: TracerDiffusion, collective: CollectiveDiffusion, volume_A3: float
) -> dict[str, float]:
    """Return the columns of conductivity of a run, S/cm.

    Parameters
    ----------
    run
        Whose mobile ions and temperature they are of.
    tracer, collective
        Its diffusion coefficients.
    volume_A3
        Of its cell.

    Returns
    -------
    dict
        By the Nernst-Einstein relation from each coefficient and its error; NaN where several
        elements move, or where the charge of the ion is not known.
    """
    charge = _CHARGES.get(run.mobile[0]) if len(run.mobile) == 1 else None
    columns = {}
    for name, D in (
        ("tracer_conductivity_S_cm", tracer.D_cm2_s),
        ("tracer_conductivity_std_S_cm", tracer.D_std_cm2_s),
        ("collective_conductivity_S_cm", collective.D_cm2_s),
        ("collective_conductivity_std_S_cm", collective.D_std_cm2_s),
    ):
        columns[name] = float("nan")
        if charge is not None:
            columns[name] = nernst_einstein_conductivity(
                D, tracer.n_ions / volume_A3, run.temperature_K, charge
            )
    return columns
