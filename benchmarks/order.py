"""Time and memory of pair distributions and of the density of states; run by hand.

    python benchmarks/order.py

On one core. Pair distributions are compared with MDAnalysis's InterRDF, the density of
states with a bare transform of the same numbers (scipy.fft), in the same run: on a busy
machine the ratios mean more than the seconds.
"""

import resource
import time
from collections.abc import Callable

import MDAnalysis
import numpy as np
from MDAnalysis.analysis.rdf import InterRDF
from scipy.fft import rfft

from llzo_helpers.analysis.order import bond_angles, coordination_numbers, pair_distributions
from llzo_helpers.analysis.vibration import vibrational_density_of_states


def best_of(repeats: int, run: Callable[[], object]) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def peak_memory() -> float:
    """Return the largest resident size of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def benchmark_pairs() -> None:
    rng = np.random.default_rng(0)
    edge, counts = 27.027, {"Li": 416, "La": 192, "Zr": 128, "O": 784}
    species = [element for element, count in counts.items() for _ in range(count)]
    n_atoms, n_frames = len(species), 500
    frames = rng.uniform(0, edge, size=(n_frames, n_atoms, 3)).astype(np.float32)
    cell = np.eye(3) * edge
    pair_distributions(frames[:2], cell, species)  # compiles
    ours = best_of(3, lambda: pair_distributions(frames, cell, species, r_max_A=10.0))
    print(f"pair distributions, all species, {n_atoms} atoms x {n_frames} frames: {ours:.1f} s")

    universe = MDAnalysis.Universe.empty(n_atoms, trajectory=True)
    universe.load_new(frames[:20], dimensions=[edge, edge, edge, 90, 90, 90])
    oxygen = universe.atoms[-784:]
    theirs = best_of(2, lambda: InterRDF(oxygen, oxygen, nbins=500, range=(0.0, 10.0)).run())
    share = (784 / n_atoms) ** 2
    print(
        f"  O-O alone with MDAnalysis, 20 frames: {theirs:.1f} s; per pair of atoms "
        f"{theirs / 20 / share / (ours / n_frames):.1f} times ours"
    )
    neighbours = best_of(
        3,
        lambda: coordination_numbers(
            frames, cell, species, central="Zr", neighbour="O", cutoff_A=3.0
        ),
    )
    angles = best_of(
        3, lambda: bond_angles(frames, cell, species, central="O", neighbour="O", cutoff_A=3.0)
    )
    print(f"Zr-O coordination numbers: {neighbours:.1f} s; O-O-O angles: {angles:.1f} s")


def benchmark_vibration() -> None:
    n_frames, n_atoms = 20_000, 768
    rng = np.random.default_rng(0)
    velocities = rng.standard_normal((n_frames, n_atoms, 3), dtype=np.float32)
    before = peak_memory()
    masses = np.full(n_atoms, 15.999)
    ours = best_of(
        2,
        lambda: vibrational_density_of_states(
            velocities, masses, time_step_fs=2.0, temperature_K=1100
        ),
    )
    print(f"density of states, {n_atoms} atoms x {n_frames} frames: {ours:.1f} s")
    print(f"  peak memory {peak_memory():.2f} GB, of which {before:.2f} GB before (velocities)")
    bare = best_of(2, lambda: [rfft(velocities[:, atom], axis=0) for atom in range(n_atoms)])
    print(f"  {ours / bare:.1f} times a bare transform of the same velocities, atom by atom")


if __name__ == "__main__":
    benchmark_vibration()
    benchmark_pairs()
