"""The glasses of a campaign: verdicts, and crystal, melt and glass side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from llzo_helpers.analysis.order import (
    CoordinationNumbers,
    PairDistribution,
    coordination_numbers,
    first_minimum,
    pair_distributions,
)
from llzo_helpers.campaign.framework import bonds_of_structure
from llzo_helpers.campaign.kept import has_frames, of_each
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.files import read_json
from llzo_helpers.generate.settings import Glass
from llzo_helpers.md.folder import read_thermo
from llzo_helpers.md.trajectory import Trajectory

BONDS = (("Li", "O"), ("La", "O"), ("Zr", "O"))
"""Cations and the anion that coordinates them."""

FRAMES_FOR_PAIRS = 200
"""Enough for distributions and neighbours of a run of any length."""

PairDistributions = dict[tuple[str, str], PairDistribution]


def glass_table(campaign: Campaign) -> pd.DataFrame:
    """Verdict and defects of all finished glasses of a campaign, the content of `glasses.csv`."""
    rows = []
    for glass in campaign.glasses:
        path = campaign.glass_directory(glass) / "provenance.json"
        if not path.is_file():
            continue
        record = read_json(path)
        protocol = glass.melt_quench
        rate = f"{protocol.quench_K_ps:g}" if protocol.quench_K_ps else "at once"
        rows.append(
            {
                "glass": glass.name,
                "verdict": record["verdict"],
                **{
                    f"{stage}: {element} sites vacated": _vacated(record[stage]["defects"][element])
                    for stage in ("crystal", "melt", "quenched")
                    for element in ("La", "Zr")
                },
                # those of older code may have some: make_glass looks for them
                "bonded oxygen (pairs)": bonds_of_structure(path.parent / "as_quenched"),
                "fused melts": record.get("fused_melts", 0),
                "melt: framework D (10⁻⁵ cm²/s)": round(
                    1e5 * record["melt"]["framework_D_cm2_s"], 2
                ),
                "quench (K/ps)": rate,
                "LAMMPS (min)": round(record["lammps_seconds"] / 60, 1),
            }
        )
    return pd.DataFrame(rows, columns=None if rows else ["glass", "verdict"])


def _vacated(defects: Mapping[str, float]) -> str:
    return f"{defects['vacated']:.1f} of {defects['sites']:g}"


def glass_stages(glass: Path) -> dict[str, Trajectory]:
    """Return the frames of a glass's crystal, melt and quenched cell."""
    return {
        "crystal": Trajectory(glass / "melt", "crystal"),
        "melt": Trajectory(glass / "quench", "hold"),
        "glass": Trajectory(glass / "glass", "glass"),
    }


def stage_pair_distributions(glass: Path) -> dict[str, PairDistributions]:
    """Return the partial pair distributions of crystal, melt and glass.

    The crystal and the glass are at the end temperature of the quench, the melt is at the hold
    temperature.
    """
    return {
        name: pair_distributions(
            stage.thinned(FRAMES_FOR_PAIRS), stage.cell, stage.symbols.tolist()
        )
        for name, stage in glass_stages(glass).items()
    }


def stage_coordination(
    glass: Path, pairs: Mapping[str, PairDistributions]
) -> dict[str, dict[tuple[str, str], CoordinationNumbers]]:
    """Return the oxygen neighbours of each cation in crystal, melt and glass.

    Neighbours are counted up to the first minimum of the pair distribution of the glass, the same
    for all three.
    """
    return {
        name: {
            bond: coordination_numbers(
                stage.thinned(FRAMES_FOR_PAIRS),
                stage.cell,
                stage.symbols.tolist(),
                central=bond[0],
                neighbour=bond[1],
                cutoff_A=first_minimum(pairs["glass"][bond]),
            )
            for bond in BONDS
        }
        for name, stage in glass_stages(glass).items()
    }


@dataclass(frozen=True)
class GlassOrder:
    """Distances and neighbours in a glass, its melt and the crystal that it was made from."""

    pairs: dict[str, PairDistributions]
    """By stage, see `stage_pair_distributions`."""
    coordination: dict[str, dict[tuple[str, str], CoordinationNumbers]]
    """By stage, see `stage_coordination`."""


def first_glasses(campaign: Campaign) -> dict[str, tuple[Glass, GlassOrder]]:
    """Return the first finished glass of each potential."""
    first = {
        glass.structure_potential: glass
        for glass in reversed(campaign.glasses)
        if (campaign.glass_directory(glass) / "provenance.json").is_file()
    }
    glasses = [glass for _, glass in sorted(first.items())]
    here = [has_frames(campaign.glass_directory(glass)) for glass in glasses]
    found = of_each(campaign, "stages", _order_of_glass, glasses, here)
    return {
        glass.structure_potential: (glass, order)
        for glass, order in zip(glasses, found, strict=True)
    }


def _order_of_glass(campaign: Campaign, glass: Glass) -> GlassOrder:
    directory = campaign.glass_directory(glass)
    pairs = stage_pair_distributions(directory)
    return GlassOrder(pairs, stage_coordination(directory, pairs))


def coordination_table(
    coordination: Mapping[str, Mapping[tuple[str, str], CoordinationNumbers]],
) -> pd.DataFrame:
    """Mean coordination numbers, a row per stage."""
    return pd.DataFrame(
        {
            stage: {
                f"{cation}-{anion} (< {numbers.cutoff_A:.2f} Å)": numbers.mean
                for (cation, anion), numbers in bonds.items()
            }
            for stage, bonds in coordination.items()
        }
    ).T


def quench_energy(glass: Path) -> pd.DataFrame | None:
    """Return temperature and potential energy (eV per atom) during the quench; None without one."""
    thermo = read_thermo(glass / "quench", "quench") if _has_quench(glass) else None
    if thermo is None:
        return None
    n_atoms = read_json(glass / "provenance.json")["n_atoms"]
    energy = thermo["potential_energy_eV"] / n_atoms
    return pd.DataFrame(
        {"temperature_K": thermo["temperature_K"], "potential_energy_eV_atom": energy}
    )


def _has_quench(glass: Path) -> bool:
    schedule = read_json(glass / "quench" / "run.json")["inputs"]["schedule"]
    return any(stage["name"] == "quench" for stage in schedule)
