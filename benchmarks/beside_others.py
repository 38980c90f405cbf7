"""D, jumps, time and memory beside GEMDAT and kinisi, from the same files.

    python benchmarks/beside_others.py PYTHON_OF_THEIRS [DUMP ...]

PYTHON_OF_THEIRS is the interpreter of another environment, where `pip install gemdat kinisi` has
been done. Files are text dumps of urania, every 0.2 ps; by default those of `data/example_uo2`.
Each program reads the file and takes D of oxygen in a process of its own; times are processor
seconds of one core, without imports. Sites are given: those of fluorite, 1.2 Å around. GEMDAT and
this project each assign the ions and count the jumps.
"""

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ase.io
import numpy as np

ROOT = Path(__file__).parents[1]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
INTERVAL_PS = 0.2
FIT_START = 0.1  # of the run
RADIUS_A = 1.2
REPEATS = 3


def oxygen_sites() -> np.ndarray:
    """Fractional coordinates of the tetrahedra of fluorite in a cell of 3 x 3 x 3."""
    steps = (np.arange(2 * REPEATS) + 0.5) / (2 * REPEATS)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)


def ours(path: Path, _: Path) -> dict[str, Any]:
    from llzo_helpers import Trajectory, tracer_diffusion_coefficient
    from llzo_helpers.analysis.sites import find_stays, jump_statistics

    trajectory = Trajectory.read(path, frame_interval_ps=INTERVAL_PS, elements={1: "U", 2: "O"})
    elapsed = clock()
    ions = trajectory.relative_to_framework("O")
    result = tracer_diffusion_coefficient(ions, INTERVAL_PS)
    seconds = elapsed()
    oxygens = np.flatnonzero(trajectory.symbols == "O")
    fractional = trajectory.positions(oxygens) @ np.linalg.inv(trajectory.cell)
    sites = oxygen_sites()
    assignments = np.empty(fractional.shape[:2], dtype=int)
    for frame, at in enumerate(fractional):
        bonds = at[:, None] - sites
        lengths = np.linalg.norm((bonds - bonds.round()) @ trajectory.cell, axis=2)
        nearest = lengths.argmin(axis=1)
        assignments[frame] = np.where(lengths.min(axis=1) < RADIUS_A, nearest, -1)
    jumps = jump_statistics(find_stays(assignments, len(sites)), INTERVAL_PS).n_ij
    np.fill_diagonal(jumps, 0)
    D, std = result.D_cm2_s, result.D_std_cm2_s
    return {"D": D, "std": std, "seconds": seconds, "jumps": jumps.astype(int).tolist()}


def gemdat(path: Path, data: Path) -> dict[str, Any]:
    from gemdat import Trajectory
    from gemdat.metrics import TrajectoryMetricsStd
    from gemdat.transitions import Transitions
    from pymatgen.core import Structure

    elapsed = clock()
    trajectory = Trajectory.from_lammps(
        coords_file=path,
        data_file=data,
        temperature=3000,
        time_step=INTERVAL_PS,
        coords_format="LAMMPSDUMP",
        type_mapping={"1": "U", "2": "O"},
    )
    ions = trajectory.apply_drift_correction(floating_species="O").filter("O")
    D = 1e4 * float(ions.metrics().tracer_diffusivity(dimensions=3))
    parts = TrajectoryMetricsStd(ions.split(4)).tracer_diffusivity(dimensions=3)
    seconds = elapsed()
    sites = oxygen_sites()
    structure = Structure(
        trajectory.get_lattice(), ["O"] * len(sites), sites, labels=["O"] * len(sites)
    )
    transitions = Transitions.from_trajectory(
        trajectory=trajectory, sites=structure, floating_specie="O", site_radius=RADIUS_A
    )
    jumps = transitions.jumps().matrix()
    std = 1e4 * parts.std_dev / 2  # of the mean of four
    return {"D": D, "std": std, "seconds": seconds, "jumps": np.asarray(jumps, dtype=int).tolist()}


def kinisi(path: Path, _: Path) -> dict[str, Any]:
    import MDAnalysis
    import scipp
    from kinisi.analyze import DiffusionAnalyzer

    elapsed = clock()
    universe = MDAnalysis.Universe(str(path), format="LAMMPSDUMP", topology_format="LAMMPSDUMP")
    analyzer = DiffusionAnalyzer.from_universe(
        universe,
        specie="2",
        time_step=INTERVAL_PS * scipp.Unit("ps"),
        step_skip=1 * scipp.Unit("dimensionless"),
        progress=False,
    )
    start = FIT_START * len(universe.trajectory) * INTERVAL_PS
    analyzer.diffusion(
        start * scipp.Unit("ps"), progress=False, random_state=np.random.RandomState(1)
    )
    D = scipp.to_unit(analyzer.D, "cm2/s").values
    return {"D": float(D.mean()), "std": float(D.std()), "seconds": elapsed()}


def clock():
    """Return a function that tells the processor seconds since now."""
    start = time.process_time()
    return lambda: time.process_time() - start


PROGRAMS = {program.__name__: program for program in (ours, gemdat, kinisi)}


def measure(name: str, path: Path, data: Path) -> dict[str, Any]:
    found = PROGRAMS[name](path, data)
    return found | {"peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    theirs, *dumps = sys.argv[1:]
    paths = [Path(dump) for dump in dumps] or sorted(ROOT.glob("data/example_uo2/*.dump.gz"))
    environment = os.environ | dict.fromkeys(THREADS, "1")
    with tempfile.TemporaryDirectory() as folder:
        for source in paths:
            path = Path(folder) / f"{source.name.removesuffix('.gz')}"
            content = source.read_bytes()
            path.write_bytes(gzip.decompress(content) if source.suffix == ".gz" else content)
            data = path.with_suffix(".data")
            first = ase.io.read(path, index=0, format="lammps-dump-text")
            ase.io.write(data, first, format="lammps-data", atom_style="atomic", masses=True)
            jumps = {}
            for name in PROGRAMS:
                python = sys.executable if name == "ours" else theirs
                process = subprocess.run(
                    [python, __file__, "--measure", name, str(path), str(data)],
                    capture_output=True,
                    text=True,
                    env=environment,
                    check=False,
                )
                if process.returncode:
                    print(f"{source.name} {name}: {process.stderr.strip().splitlines()[-1]}")
                    continue
                found = json.loads(process.stdout.splitlines()[-1])
                print(
                    f"{source.name} {name:7s} D = {found['D']:.3g} ± {found['std']:.2g} cm2/s, "
                    f"{found['seconds']:6.2f} s, peak {found['peak_MB']:5.0f} MB"
                )
                if "jumps" in found:
                    jumps[name] = np.array(found["jumps"])
            if len(jumps) == 2:
                same = np.minimum(*jumps.values()).sum()
                counts = ", ".join(f"{name} {matrix.sum()}" for name, matrix in jumps.items())
                print(f"{source.name} jumps: {counts}; from and to the same sites: {same}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))))
    else:
        main()
