"""The sites of all runs of a campaign."""

from dataclasses import replace
from typing import Any

import numpy as np

from llzo_helpers.arrays import FloatArray
from llzo_helpers.campaign.kept import of_each_run
from llzo_helpers.campaign.labels import run_labels
from llzo_helpers.campaign.model import AnyRun, Campaign, Run
from llzo_helpers.campaign.site_files import save_sites
from llzo_helpers.campaign.sites import RunSites, analyse_run
from llzo_helpers.errors import InputError


def analyse_sites(campaign: Campaign) -> tuple[list[RunSites], dict[str, str]]:
    """Analyse the sites of all finished runs at the temperatures that the campaign chooses.

    And of the runs made elsewhere. The sites of each are written to files, see
    `llzo_helpers.campaign.site_files.save_sites`.

    Returns
    -------
    systems
        By phase, composition, potential and volume; without the confidences of the assignments,
        which are in the files.
    failures
        The reason, by name, for runs without sites: those whose framework melted.

    Raises
    ------
    InputError
        If no such run is finished, or none can be analysed.
    """
    runs = campaign.analysed_site_runs
    if not runs:
        raise InputError(
            f"{campaign.directory}: no finished run at sites.temperature_K = "
            f"{campaign.sites.temperatures}; run notebook 02, or choose another temperature"
        )
    runs = sorted(runs, key=_order)
    labels = run_labels(runs)
    found = of_each_run(campaign, "sites", _sites_or_reason, runs)
    systems = [
        replace(result, title=labels[result.name] + result.framework.mark)
        for result in found
        if isinstance(result, RunSites)
    ]
    failures = {
        run.name: result for run, result in zip(runs, found, strict=True) if isinstance(result, str)
    }
    if not systems:
        raise InputError("; ".join(f"{name}: {reason}" for name, reason in failures.items()))
    return systems, failures


def _sites_or_reason(campaign: Campaign, run: AnyRun) -> RunSites | str:
    """Return the sites of a run, or why it has none, and write them to files."""
    try:
        system = analyse_run(run, campaign.trajectory(run, "jumps"), campaign.sites)
    except InputError as error:
        return str(error)
    save_sites(campaign, system)
    # these would be most of what is kept; confidences are in a file
    analysis = replace(system.analysis, confidences=system.analysis.confidences[:0])
    density = replace(system.density, values=_for_surfaces(system.density.values))
    return replace(system, analysis=analysis, density=density)


def _for_surfaces(density: FloatArray) -> FloatArray:
    """Return a density as surfaces at its mean and above need it: it compresses to a third.

    With six significant bits, and zero where it is below a tenth of the mean.
    """
    mantissa, exponent = np.frexp(np.where(density < 0.1 * density.mean(), 0, density))
    return np.ldexp(np.round(mantissa * 64) / 64, exponent)


def _order(run: AnyRun) -> tuple[Any, ...]:
    if not isinstance(run, Run):
        # as they come
        return (True, True)
    structure = run.structure
    return (
        False,
        structure.phase != "crystal",
        structure.li_per_formula,
        run.md_potential,
        structure.volume_ratio,
        structure.replica,
    )
