"""How to split the Coulomb sum of the classical potential: exactness and speed of some splits.

python benchmarks/coulomb.py

Forces of each split are compared with those of a tight one (all cutoffs 12 Å, PPPM at 1e-8) in
crystals at the paper's volumes, 1100 K, and in a melt cooled to 1100 K within 8 ps: root mean
square over components and largest error. Speed is that of NVT at 1100 K on one core, as a ratio to
`bush1994_woodley1999_10A`: all splits run in turns, in blocks timed by the processor time they
take, which a busy machine disturbs less than the time by the clock; medians.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from llzo_helpers.generate.crystal import crystal
from llzo_helpers.md.callback import open_lammps
from llzo_helpers.paths import POTENTIALS
from llzo_helpers.structures import write_structure

OLD = (POTENTIALS / "bush1994_woodley1999_10A/potential.lmp").read_text()
NEW = (POTENTIALS / "bush1994_woodley1999/potential.lmp").read_text()
TIGHT = OLD.replace("long 10.0", "long 12.0").replace("1.0e-4", "1.0e-8\nkspace_modify order 7")

VOLUME_RATIOS = (0.86, 1.01, 1.07, 1.12, 1.17)
TURNS = 9


def variants() -> dict[str, str]:
    """Return splits by what they are: O-O and Coulomb cutoff in Å, and what else is changed."""

    def cutoffs(oxygen: float, coulomb: float) -> str:
        return NEW.replace("long 8.5 8.0", f"long {oxygen} {coulomb}")

    return {
        "10 Å for all": OLD,
        "8.5, 8.0 (chosen)": NEW,
        "8.0, 8.0": cutoffs(8, 8),
        "9.0, 8.0": cutoffs(9, 8),
        "10.0, 8.0": cutoffs(10, 8),
        "8.5, 8.5": cutoffs(8.5, 8.5),
        "9.0, 9.0": cutoffs(9, 9),
        "8.5, 7.0": cutoffs(8.5, 7),
        "table 12": NEW.replace("table 10", "table 12"),
        "table 8": NEW.replace("table 10", "table 8"),
        "order 5": NEW.replace("order 7", "order 5"),
        "PPPM 3e-4": NEW.replace("1.0e-4", "3.0e-4"),
        "diff ad": NEW.replace("order 7", "order 7 diff ad"),
        "stagger": NEW.replace("pppm ", "pppm/stagger "),
        "skin 0.7 Å": NEW + "\nneighbor 0.7 bin\n",
        "skin 1.5 Å": NEW + "\nneighbor 1.5 bin\n",
    }


def started(data: Path, potential: str) -> Any:
    """Return LAMMPS with a structure and a potential."""
    lmp = open_lammps(["-screen", "none", "-log", "none"])
    lmp.commands_string(
        "units metal\natom_style charge\n"
        f"read_data {data}\nneighbor 1.0 bin\nneigh_modify delay 0 every 1 check yes\n{potential}"
    )
    return lmp


def make_structures(folder: Path) -> dict[str, Path]:
    """Write crystals, a cooled melt and a supercell, as LAMMPS data."""
    found = {}

    def run(name: str, start: Path, commands: str) -> None:
        found[name] = folder / f"{name}.data"
        lmp = started(start, NEW)
        lmp.commands_string(f"{commands}\nwrite_data {found[name]} nocoeff")
        lmp.close()

    for ratio in VOLUME_RATIOS:
        atoms = crystal(li_per_formula=6.25, volume_ratio=ratio, seed=1, draws=1)
        write_structure(atoms, folder / f"{ratio}", {"made for": "a benchmark"})
        run(
            f"{ratio:.0%}",
            folder / f"{ratio}/structure.lmp",
            "velocity all create 2000 1\nfix nvt all nvt temp 1100 1100 0.1\nrun 500",
        )
    run(
        "glass",
        found["112%"],
        "velocity all create 6000 1\nfix nvt all nvt temp 6000 6000 0.1\nrun 6000\n"
        "fix nvt all nvt temp 3000 1100 0.1\nrun 8000",
    )
    run("2x2x2", found["101%"], "replicate 2 2 2")
    return found


def forces(data: Path, potential: str) -> np.ndarray:
    """Return the forces on the atoms of a structure, eV/Å, [atom, axis], in the order of IDs."""
    lmp = started(data, potential)
    lmp.command("run 0 post no")
    result = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    lmp.close()
    return result


def speeds(data: Path, potentials: dict[str, str], steps: int) -> dict[str, np.ndarray]:
    """Return steps per second of each potential, [turn]."""
    running = {name: started(data, potential) for name, potential in potentials.items()}
    for lmp in running.values():
        lmp.commands_string(
            "velocity all create 1100 1\nfix nvt all nvt temp 1100 1100 0.1\n"
            f"thermo 1000000\nrun {steps} post no"
        )
    found: dict[str, list[float]] = {name: [] for name in potentials}
    for _ in range(TURNS):
        for name, lmp in running.items():
            began = time.process_time()
            lmp.command(f"run {steps} pre no post no")
            found[name].append(steps / (time.process_time() - began))
    for lmp in running.values():
        lmp.close()
    return {name: np.array(rates) for name, rates in found.items()}


def main() -> None:
    potentials = variants()
    with tempfile.TemporaryDirectory() as folder:
        structures = make_structures(Path(folder))
        timed = {
            name: speeds(structures[name], potentials, steps)
            for name, steps in (("101%", 100), ("glass", 100), ("2x2x2", 10))
        }
        compared = [name for name in structures if name != "2x2x2"]
        tight = {name: forces(structures[name], TIGHT) for name in compared}
        typical = np.sqrt(np.mean([(tight[name] ** 2).mean() for name in compared]))
        print(f"forces: {typical:.2f} eV/Å; their error in 1e-4 eV/Å; speed over the first's")
        print(f"{'':18s}" + "".join(f"{name:>7s}" for name in [*compared, "max", *timed]))
        for name, potential in potentials.items():
            errors = [1e4 * (forces(structures[s], potential) - tight[s]) for s in compared]
            row = [f"{np.sqrt((error**2).mean()):7.2f}" for error in errors]
            row.append(f"{max(abs(error).max() for error in errors):7.1f}")
            first = next(iter(potentials))
            row += [f"{np.median(rates[name] / rates[first]):7.2f}" for rates in timed.values()]
            print(f"{name:18s}" + "".join(row), flush=True)
        for kind, rates in timed.items():
            old, new = (np.median(rates[name]) for name in list(potentials)[:2])
            print(f"{kind}: {old:.0f} and {new:.0f} steps/s (old, chosen)")


if __name__ == "__main__":
    main()
