"""Time and memory of the landmark analysis, on one core.

Run by hand: ``python benchmarks/sites.py``. Each case runs in a process of its own, so that its
peak memory is its own; "warm" is the second call, after numba has compiled or loaded its
functions. The calibration is NumPy computing all distances between ions and framework atoms of
the same trajectory, which a landmark analysis by dense arrays would do first of all. Times are
processor seconds of one core, which other work on the machine hardly changes.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
REFERENCE = Path(__file__).parents[1] / "tests" / "data" / "sites" / "trajectory.npz"

# cells along each axis, frames, clustering
CASES = (
    ((1, 1, 1), 2001, "dotprod"),
    ((1, 1, 1), 2001, "mcl"),
    ((1, 1, 1), 500, "dotprod"),
    ((2, 1, 1), 500, "dotprod"),
    ((2, 2, 1), 500, "dotprod"),
    ((2, 2, 2), 500, "dotprod"),
    ((2, 2, 2), 2000, "dotprod"),
    ((2, 2, 2), 2000, "mcl"),
    ((3, 2, 2), 500, "dotprod"),
)


def measure(repeats: tuple[int, int, int], n_frames: int, clustering: str) -> dict[str, float]:
    import numpy as np

    from llzo_helpers.analysis.periodic import nearest_image
    from llzo_helpers.analysis.sites import find_stays, jump_statistics, landmark_analysis

    data = np.load(REFERENCE, allow_pickle=False)
    # Repeated cells run at different times, so that their ions are not in step.
    shifts = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), -1).reshape(-1, 3)
    blocks = [
        np.roll(data["positions"], 97 * i, axis=0)[:n_frames]
        + (shift @ data["cell"]).astype(np.float32)
        for i, shift in enumerate(shifts)
    ]
    positions = np.concatenate(blocks, axis=1)
    del blocks
    cell = data["cell"] * np.array(repeats)[:, None]
    mobile = np.tile(data["numbers"] == 3, len(shifts))
    prepared = peak_memory()

    def run() -> float:
        start = time.process_time()
        result = landmark_analysis(
            positions,
            cell,
            mobile,
            clustering=clustering,
            assignment_threshold=0.8 if clustering == "dotprod" else 0.5,
        )
        elapsed = time.process_time() - start
        run.sites = result.n_sites
        stays = find_stays(result.assignments, result.n_sites)
        run.statistics = jump_statistics(stays, 0.05)
        return elapsed

    cold, warm = run(), min(run() for _ in range(2))

    start = time.process_time()
    n_calibrated = min(n_frames, 50)
    for frame in positions[:n_calibrated]:
        between = nearest_image(frame[mobile][:, None] - frame[~mobile][None], cell)
        np.linalg.norm(between, axis=2)
    calibration = (time.process_time() - start) * n_frames / n_calibrated
    return {
        "atoms": len(mobile),
        "sites": run.sites,
        "cold": cold,
        "warm": warm,
        "calibration": calibration,
        "memory": peak_memory(),
        "prepared": prepared,
    }


def peak_memory() -> float:
    """Return the peak memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    print(
        f"{'atoms':>6} {'frames':>6} {'method':>8} {'sites':>5} {'cold/s':>7} {'warm/s':>7} "
        f"{'frames/s':>8} {'warm/distances':>14} {'peak/MB':>8} {'of it before/MB':>15}"
    )
    for case in CASES:
        output = subprocess.run(
            [sys.executable, __file__, json.dumps(case)],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        found = json.loads(output)
        print(
            f"{found['atoms']:6d} {case[1]:6d} {case[2]:>8} {found['sites']:5d} "
            f"{found['cold']:7.2f} {found['warm']:7.2f} {case[1] / found['warm']:8.0f} "
            f"{found['warm'] / found['calibration']:14.2f} {found['memory']:8.0f} "
            f"{found['prepared']:15.0f}"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*json.loads(sys.argv[1]))))
    else:
        main()
