"""Time and memory from a LAMMPS text dump to D, on one core.

Run by hand: ``python benchmarks/trajectory.py [GB]``; 2 GB by default, in a temporary folder. The
dump has 1,520 atoms, 448 of them Li, wrapped positions and rows in any order. Each case runs in a
process of its own, so that its peak memory is its own. Times are processor seconds of one core,
which other work on the machine hardly changes. MDAnalysis reads a tenth of the frames only; its
time is multiplied.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
COUNTS = {"Li": 448, "La": 192, "Zr": 128, "O": 752}
ELEMENTS = dict(enumerate(COUNTS, start=1))
EDGE_A = 26.0
# frames of the random walk that are written over and over, forwards and backwards
PERIOD = 50


def write_dump(path: Path, gigabytes: float) -> int:
    """Write the dump and return its number of frames."""
    import numpy as np

    rng = np.random.default_rng(1)
    types = np.repeat(list(ELEMENTS), list(COUNTS.values()))
    steps = rng.normal(scale=np.where(types == 1, 0.3, 0.0)[:, None], size=(PERIOD, len(types), 3))
    walk = rng.uniform(0, EDGE_A, (len(types), 3)) + np.cumsum(steps, axis=0)
    walk += rng.normal(scale=0.1, size=walk.shape)
    bodies = []
    for frame in [*walk, *walk[::-1]]:
        order = rng.permutation(len(types))
        rows = zip(order + 1, types[order], frame[order] % EDGE_A, strict=True)
        bodies.append(
            "".join(f"{i} {kind} {x:.6g} {y:.6g} {z:.6g}\n" for i, kind, (x, y, z) in rows)
        )
    bounds = f"0 {EDGE_A}\n" * 3
    n_frames = 0
    with path.open("w") as file:
        while file.tell() < 1e9 * gigabytes:
            file.write(f"ITEM: TIMESTEP\n{100 * n_frames}\nITEM: NUMBER OF ATOMS\n{len(types)}\n")
            file.write(f"ITEM: BOX BOUNDS pp pp pp\n{bounds}ITEM: ATOMS id type x y z\n")
            file.write(bodies[n_frames % len(bodies)])
            n_frames += 1
    return n_frames


def read_bytes(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def open_only(path: Path) -> None:
    trajectory(path)


def read_frames(path: Path) -> None:
    for _ in trajectory(path).chunks(64):
        pass


def diffusion(path: Path) -> float:
    from llzo_helpers import tracer_diffusion_coefficient

    opened = trajectory(path)
    ions = opened.relative_to_framework("Li")
    return tracer_diffusion_coefficient(ions, opened.frame_interval_ps).D_cm2_s


def trajectory(path: Path):
    from llzo_helpers import Trajectory

    return Trajectory.read(path, frame_interval_ps=0.1, elements=ELEMENTS)


def mdanalysis_tenth(path: Path) -> None:
    import MDAnalysis

    universe = MDAnalysis.Universe(
        str(path), format="LAMMPSDUMP", topology_format="LAMMPSDUMP", to_guess=()
    )
    for _ in universe.trajectory[: len(universe.trajectory) // 10]:
        pass


CASES = {
    case.__name__: case
    for case in (read_bytes, open_only, read_frames, diffusion, mdanalysis_tenth)
}


def measure(case: str, path: Path, warm: Path) -> dict[str, float]:
    # numba loads or compiles what it needs, and modules are imported
    CASES[case](warm)
    start, wall = time.process_time(), time.perf_counter()
    CASES[case](path)
    return {
        "seconds": time.process_time() - start,
        "wall_s": time.perf_counter() - wall,
        "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    environment = os.environ | dict.fromkeys(THREADS, "1")
    with tempfile.TemporaryDirectory() as folder:
        path, warm = Path(folder) / "run.dump", Path(folder) / "warm.dump"
        print(f"{write_dump(path, gigabytes)} frames, {path.stat().st_size / 1e9:.2f} GB")
        write_dump(warm, 0.005)
        for case in CASES:
            process = subprocess.run(
                [sys.executable, __file__, "--measure", case, str(path), str(warm)],
                capture_output=True,
                text=True,
                check=True,
                env=environment,
            )
            found = json.loads(process.stdout.splitlines()[-1])
            rate = path.stat().st_size / 1e6 / found["seconds"]
            print(
                f"{case:18s} {found['seconds']:7.2f} s ({found['wall_s']:.1f} s by the clock) "
                f"{rate:7.0f} MB/s  peak {found['peak_MB']:5.0f} MB"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))))
    else:
        main()
