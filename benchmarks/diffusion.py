"""MSD of 448 Li over 25,000 frames: time and memory, beside tidynamics on the same data.

python benchmarks/diffusion.py
"""

import resource
import time

import numpy as np
import tidynamics

from llzo_helpers.analysis.diffusion import tracer_diffusion_coefficient
from llzo_helpers.analysis.msd import mean_squared_displacement


def main() -> None:
    rng = np.random.default_rng(0)
    positions = np.cumsum(rng.normal(0, 0.1, (25_000, 448, 3)).astype(np.float32), axis=0)

    began = time.perf_counter()
    ours = mean_squared_displacement(positions)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began = time.perf_counter()
    tracer_diffusion_coefficient(positions, 0.2)
    with_fit = time.perf_counter() - began
    began = time.perf_counter()
    theirs = np.mean(
        [tidynamics.msd(positions[:, ion].astype(float)) for ion in range(448)], axis=0
    )
    peer = time.perf_counter() - began

    lags = np.arange(0, 12_500, 100)
    difference = np.abs(ours[lags] / theirs[lags] - 1)[1:].max()
    print("448 Li x 25,000 frames, all lags, one core")
    print(f"  ours          {seconds:6.2f} s, peak memory {peak:.2f} GB (with data and Python)")
    print(f"  D and error   {with_fit:6.2f} s")
    print(f"  tidynamics    {peer:6.2f} s, ratio {peer / seconds:.2f}")
    print(f"  largest relative difference {difference:.1e}")


if __name__ == "__main__":
    main()
