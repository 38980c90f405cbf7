"""Structures for training: molecular dynamics over the conditions of the study."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.geometry import find_mic
from ase.neighborlist import neighbor_list
from scipy.stats import qmc
from tqdm.auto import tqdm

from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.files import write_json, written_aside
from llzo_helpers.garnet import ELEMENTS
from llzo_helpers.generate.crystal import crystal, tetragonal
from llzo_helpers.md.chain import run_schedule
from llzo_helpers.md.segments import Stage
from llzo_helpers.md.settings import ChainSettings
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.potentials import Potential, load_potential
from llzo_helpers.structures import write_structure
from llzo_helpers.training.settings import Phase, PhaseSampling, Sampling

SHORTEST_DISTANCE = 1.0
"""Å. Frames with closer atoms come from a run that has failed: no reference is valid there."""

# the thermostat acts faster than in the study: these runs are short
_SETTINGS = ChainSettings(frame_interval_fs=20, segment_ps=3, thermostat_damping_fs=50)
_QUENCH_END_K = 300.0
_BEFORE_FAILURE = 25
"""Of a failed run, frames are taken from this many before atoms come too close."""


@dataclass(frozen=True)
class Conditions:
    """Of one run."""

    phase: Phase
    li_per_formula: float
    volume_ratio: float
    temperature_K: float
    seed: int


def draw_conditions(sampling: PhaseSampling, runs: int, seed: int) -> list[Conditions]:
    """Spread the runs of a phase evenly over its ranges (a Latin hypercube)."""
    cube = qmc.LatinHypercube(3, rng=np.random.default_rng(seed)).random(runs)
    contents = sampling.li_per_formula
    return [
        Conditions(
            phase=sampling.phase,
            li_per_formula=contents[int(x * len(contents))],
            volume_ratio=float(np.interp(v, [0, 1], sampling.volume_ratio)),
            temperature_K=float(np.interp(t, [0, 1], sampling.temperature_K)),
            seed=seed + number,
        )
        for number, (x, v, t) in enumerate(cube)
    ]


def sample(
    directory: Path,
    sampling: Sampling,
    potential: Potential,
    *,
    seed: int,
    further: bool = False,
) -> list[ase.Atoms]:
    """Run molecular dynamics under all conditions of a round and select frames.

    Parameters
    ----------
    directory
        Of the round; receives a folder per run and `candidates.extxyz`.
    sampling
        Phases and ranges.
    potential
        That of the runs. The superheating of the amorphous ones is `sampling.potential`'s.
    seed
        Of the conditions, structures and velocities.
    further
        Whether this is not the first round: `further_runs` instead of `runs`.

    Returns
    -------
    list of ase.Atoms
        Frames; `info` holds the `Conditions` of each. Of a run that fails, as with an immature
        network, the frames before the failure.
    """
    path = directory / "candidates.extxyz"
    if not path.is_file():
        runs = [
            (phase, conditions)
            for number, phase in enumerate(sampling.phases)
            for conditions in draw_conditions(
                phase, phase.further_runs if further else phase.runs, seed + 1000 * number
            )
        ]
        frames: list[ase.Atoms] = []
        for number, (phase, conditions) in enumerate(tqdm(runs, desc="sampling", unit="run")):
            run = directory / f"run_{number:03d}"
            frames += _run(run, phase, conditions, sampling, potential)
        with written_aside(path) as aside:
            ase.io.write(aside, frames, format="extxyz")
    return list(ase.io.read(path, ":"))


def _run(
    directory: Path,
    phase: PhaseSampling,
    conditions: Conditions,
    sampling: Sampling,
    potential: Potential,
) -> list[ase.Atoms]:
    """Frames of one run; `outcome.json` says whether it was completed."""
    outcome = directory / "outcome.json"
    if not outcome.is_file():
        _write_start(directory, conditions, sampling)
        failure = None
        try:
            run_schedule(
                directory / "md",
                structure=directory / "start",
                potential=potential,
                schedule=_schedule(phase, conditions, sampling),
                seed=conditions.seed,
                settings=_SETTINGS,
            )
        except SimulationError as error:
            failure = str(error)
        write_json(outcome, {"potential": potential.name, "failure": failure})
    return list(_frames(directory / "md", phase, sampling, conditions))


def _schedule(phase: PhaseSampling, conditions: Conditions, sampling: Sampling) -> list[Stage]:
    T = conditions.temperature_K
    # a melt is quenched throughout its run, a crystal stays at its temperature
    end_K = _QUENCH_END_K if conditions.phase == "amorphous" else T
    interval = _SETTINGS.frame_interval_fs
    warm_up = Stage("sample", sampling.warm_up_ps, T, T, interval)
    return [warm_up, Stage("sample", phase.duration_ps, T, end_K, interval)]


def _write_start(directory: Path, conditions: Conditions, sampling: Sampling) -> None:
    start = directory / "start"
    if (start / "provenance.json").is_file():
        return
    x, ratio, seed = conditions.li_per_formula, conditions.volume_ratio, conditions.seed
    if conditions.phase == "tetragonal":
        atoms = tetragonal(volume_ratio=ratio)
    else:
        atoms = crystal(li_per_formula=x, volume_ratio=ratio, seed=seed)
    if conditions.phase == "amorphous":
        write_structure(atoms, directory / "crystal", vars(conditions))
        # the melt cools to its temperature with the classical potential: no network knows how
        # close atoms come at 6000 K
        hot, T = sampling.superheat_K, conditions.temperature_K
        interval = _SETTINGS.frame_interval_fs
        run_schedule(
            directory / "melt",
            structure=directory / "crystal",
            potential=load_potential(sampling.potential),
            schedule=[
                Stage("superheat", sampling.superheat_ps, hot, hot),
                Stage("hold", sampling.warm_up_ps, T, T, interval),
            ],
            seed=seed,
            settings=_SETTINGS,
        )
        last = Trajectory(directory / "melt", "hold").positions()[-1]
        atoms.positions = last
        atoms.wrap()
    write_structure(atoms, start, vars(conditions))


def _frames(
    run: Path, phase: PhaseSampling, sampling: Sampling, conditions: Conditions
) -> Iterator[ase.Atoms]:
    """Frames after the warm-up; of a failed run those before the failure, which teach the most."""
    try:
        trajectory = Trajectory(run, "sample")
    except InputError:  # it failed before the first segment was complete
        return
    every = []
    for positions in trajectory.positions():
        atoms = ase.Atoms(trajectory.symbols, positions, cell=trajectory.cell, pbc=True)
        if shortest_distance(atoms) < SHORTEST_DISTANCE:
            break
        every.append(atoms)
    if not every:
        return
    interval = _SETTINGS.frame_interval_fs
    planned = round(1000 * (sampling.warm_up_ps + phase.duration_ps) / interval)
    first = round(1000 * sampling.warm_up_ps / interval)
    if len(every) < planned:
        first = max(0, len(every) - _BEFORE_FAILURE)
    chosen = np.unique(np.linspace(first, len(every) - 1, phase.frames).round().astype(int))
    for frame in chosen:
        atoms = every[frame]
        atoms.wrap()
        atoms.info |= vars(conditions) | {"frame": int(frame)}
        yield atoms


def shortest_distance(atoms: ase.Atoms) -> float:
    """Distance between the two closest atoms, Å; infinite if all are more than 3 Å apart."""
    return float(np.min(neighbor_list("d", atoms, 3.0), initial=np.inf))


def shortest_distances(structures: Sequence[ase.Atoms]) -> dict[str, float]:
    """Shortest distance of each pair of elements that come closer than 4 Å, Å."""
    shortest: dict[str, float] = {}
    pairs = ["-".join(pair) for pair in combinations_with_replacement(ELEMENTS, 2)]
    for atoms in structures:
        i, j, d = neighbor_list("ijd", atoms, 4.0)
        symbols = np.array(atoms.get_chemical_symbols())
        order = np.array([ELEMENTS.index(s) for s in symbols])
        for number, pair in enumerate(combinations_with_replacement(range(len(ELEMENTS)), 2)):
            own = d[(order[i] == pair[0]) & (order[j] == pair[1])]
            name = pairs[number]
            if len(own):
                shortest[name] = min(float(own.min()), shortest.get(name, np.inf))
    return {name: round(d, 2) for name, d in shortest.items()}


def perturbed(atoms: ase.Atoms, sampling: Sampling, *, seed: int) -> ase.Atoms:
    """Return the frame as it is, with all atoms displaced, or with two pushed together.

    Which, and how far, is drawn at random: displacements of 0.02 to 0.15 Å (standard deviation
    per axis), pairs of 0.6 to 0.9 times their distance.
    """
    rng = np.random.default_rng(seed)
    atoms = atoms.copy()
    which = rng.random()
    if which < sampling.rattled:
        atoms.positions += rng.normal(scale=rng.uniform(0.02, 0.15), size=(len(atoms), 3))
        atoms.info["perturbed"] = "rattled"
    elif which < sampling.rattled + sampling.close_pairs:
        i = int(rng.integers(len(atoms)))
        distances = atoms.get_distances(i, range(len(atoms)), mic=True)
        near = np.argsort(distances)[1:6]
        j = int(rng.choice(near))
        bond, _ = find_mic(atoms.positions[j] - atoms.positions[i], atoms.cell)
        atoms.positions[j] = atoms.positions[i] + bond * rng.uniform(0.6, 0.9)
        atoms.info["perturbed"] = "close pair"
    return atoms


def close_pairs(structures: Sequence[ase.Atoms], number: int, *, seed: int) -> list[ase.Atoms]:
    """Structures in each of which one atom and its nearest neighbour of an element are squeezed.

    Atoms of hot melts occasionally come this close; a network that has not learnt the cost lets
    them fuse. All pairs of elements are taken in turn, at 0.4 to 0.9 of their distance.

    Parameters
    ----------
    structures
        Structures to draw from.
    number
        How many to make.
    seed
        Of all choices.
    """
    rng = np.random.default_rng(seed)
    pairs = list(combinations_with_replacement(ELEMENTS, 2))
    squeezed = []
    for k in range(number):
        first, second = pairs[k % len(pairs)]
        atoms = structures[int(rng.integers(len(structures)))].copy()
        atoms.calc = None
        symbols = np.array(atoms.get_chemical_symbols())
        i = int(rng.choice(np.flatnonzero(symbols == first)))
        others = np.flatnonzero((symbols == second) & (np.arange(len(atoms)) != i))
        j = int(others[atoms.get_distances(i, others, mic=True).argmin()])
        bond, _ = find_mic(atoms.positions[j] - atoms.positions[i], atoms.cell)
        shift = bond * (1 - rng.uniform(0.4, 0.9)) / 2
        atoms.positions[i] += shift
        atoms.positions[j] -= shift
        atoms.info |= {"perturbed": "close pair"}
        squeezed.append(atoms)
    return squeezed
