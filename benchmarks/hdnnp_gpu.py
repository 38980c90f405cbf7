"""What a GPU would bring: the HDNNP engine's formulas in JAX, beside the engine on the same host.

    python benchmarks/hdnnp_gpu.py [SECONDS [LARGEST]]

Needs JAX (not part of the set-up), which runs on what it finds: a GPU, else the CPU. The network is
`hdnnp_sevennet0`, without its short-range repulsion, on crystals of 192 to 12,288 atoms at rest
(the neighbour list, with a skin of 1 Å, is given and never rebuilt). Forces come from JAX's reverse
mode and are compared with the engine's. Times are by the clock, per step and atom, medians:

- `loop`: many steps of MD in one call, everything on the device;
- `round trip`: positions from the host, forces back, as for `fix external` of LAMMPS;
- the engine with 1 thread to as many as there are cores.
"""

import itertools
import math
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from llzo_helpers.hdnnp import HDNNP
from llzo_helpers.hdnnp.files import read_potential

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from hdnnp_reference import read_structure

FOLDER = Path(__file__).parents[1] / "potentials" / "hdnnp_sevennet0"
HIGHEST_ZETA = 4
N_STEPS = 50
EV_PER_U = 0.009649  # eV/(Å u) in Å/fs²
# exponents of x, y, z, and how often each product occurs among the components of a tensor
MONOMIALS = [
    (*powers, math.factorial(sum(powers)) / math.prod(map(math.factorial, powers)))
    for powers in itertools.product(range(HIGHEST_ZETA + 1), repeat=3)
    if sum(powers) <= HIGHEST_ZETA
]
OF_ZETA = np.zeros((len(MONOMIALS), HIGHEST_ZETA + 1))
for row, (x, y, z, times) in enumerate(MONOMIALS):
    OF_ZETA[row, x + y + z] = times


def angular_weights(function, shapes, pairs, symbols):
    """How a type 9 function follows from the products of moments, which are its features."""
    weights = np.zeros((len(pairs), len(shapes), HIGHEST_ZETA + 1))
    numbers = tuple(sorted(symbols.index(symbol) for symbol in function.neighbours))
    zeta, channel = int(function.zeta), shapes.index((function.eta, function.rs))
    alike = 0.5 if numbers[0] == numbers[1] else 1.0
    for power in range(zeta + 1):
        weight = math.comb(zeta, power) * function.lambda_**power
        weights[pairs.index(numbers), channel, power] = alike * 2.0 ** (1 - zeta) * weight
    return weights.ravel()


def of_element(element, symbols):
    """Energies of atoms of one element from the vectors to their neighbours, by element."""
    radial = [f for f in element.functions if f.type == 2]
    angular = [f for f in element.functions if f.type == 9]
    assert all(f.zeta <= HIGHEST_ZETA for f in angular)
    order = [element.functions.index(f) for f in radial + angular]
    shapes = sorted({(f.eta, f.rs) for f in angular})
    pairs = list(itertools.combinations_with_replacement(range(len(symbols)), 2))
    combination = np.array([angular_weights(f, shapes, pairs, symbols) for f in angular]).T
    scale, origin = element.scale[order], element.origin[order]
    first, *others = element.network.weights
    layers = [(first[order], element.network.biases[0])]
    layers += list(zip(others, element.network.biases[1:], strict=True))
    rc = radial[0].rc

    def energies(vectors):
        sums, moments, squares = {}, [], []
        for number, d in enumerate(vectors):
            r2 = (d * d).sum(-1)
            inside = r2 < rc * rc
            r = jnp.sqrt(jnp.where(inside, r2, 1.0))
            x = r / rc
            cutoff = jnp.where(inside, ((15.0 - 6.0 * x) * x - 10.0) * x**3 + 1.0, 0.0)
            for f in radial:
                if f.neighbours == (symbols[number],):
                    sums[f] = (jnp.exp(-f.eta * (r - f.rs) ** 2) * cutoff).sum(-1)
            gaussians = [jnp.exp(-eta * (r - rs) ** 2) for eta, rs in shapes]
            channels = jnp.stack(gaussians, -1) * cutoff[..., None]
            unit = d / r[..., None]
            powers = [[jnp.ones_like(r)] for _ in range(3)]
            for axis, _ in itertools.product(range(3), range(HIGHEST_ZETA)):
                powers[axis].append(powers[axis][-1] * unit[..., axis])
            products = [powers[0][i] * powers[1][j] * powers[2][k] for i, j, k, _ in MONOMIALS]
            moments.append(jnp.einsum("nmc,nmk->nck", channels, jnp.stack(products, -1)))
            squares.append((channels**2).sum(1))
        features = []
        for a, b in pairs:
            product = (moments[a] * moments[b]) @ OF_ZETA
            features.append(product - squares[a][..., None] if a == b else product)
        features = jnp.stack(features, 1).reshape(len(squares[0]), -1)
        values = [jnp.stack([sums[f] for f in radial], -1), features @ combination]
        nodes = element.offset + (jnp.concatenate(values, -1) - origin) * scale
        for layer, (weights, biases) in enumerate(layers):
            nodes = nodes @ weights + biases
            nodes = jnp.tanh(nodes) if layer < len(layers) - 1 else nodes
        return nodes[:, 0] + element.atom_energy

    return energies


def energy_function(atoms, numbers, neighbours):
    """The potential energy of all atoms as a function of their positions."""
    potential = read_potential(FOLDER)
    symbols = [element.symbol for element in potential.elements]
    assert potential.mean_energy == 0.0 and potential.conv_energy == 1.0
    assert potential.cutoff_type == 6
    parts = []
    for number, element in enumerate(potential.elements):
        own = np.flatnonzero(numbers == number)
        blocks = [block_of(own, a, atoms, neighbours) for a in range(len(symbols))]
        parts.append((own, blocks, of_element(element, symbols)))

    def energy(positions):
        total = 0.0
        for own, blocks, energies in parts:
            here = positions[own][:, None]
            vectors = [positions[others] + shifts - here for others, shifts in blocks]
            total += energies(vectors).sum()
        return total

    return energy


def block_of(own, element, atoms, neighbours):
    """Candidates of one element around some atoms: atom numbers and shifts, padded alike."""
    starts, stops = neighbours.starts[own, element], neighbours.starts[own, element + 1]
    most = int((stops - starts).max())
    others, shifts = np.repeat(own[:, None], most, 1), np.full((len(own), most, 3), 100.0)
    # of points, which are atoms folded into the cell and their images, from atoms
    moved = neighbours.points[:, :3] - atoms.positions[neighbours.parents]
    for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        points = neighbours.candidates[start:stop]
        others[row, : stop - start] = neighbours.parents[points]
        shifts[row, : stop - start] = moved[points] - moved[own[row]]
    return jnp.asarray(others), jnp.asarray(shifts)


def median_time(step, seconds, least=3):
    """Median of the times of a step, after one that compiles."""
    step()
    times, began = [], time.perf_counter()
    while len(times) < least or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def on_the_device(energy, positions, masses, seconds):
    """Times of a step in a loop of MD and in a round trip, and the forces."""
    gradient = jax.grad(energy)
    acceleration = jnp.asarray(EV_PER_U / masses[:, None])

    @jax.jit
    def steps(x, v, n):
        def step(_, state):
            x, v = state
            v = v - acceleration * gradient(x)
            return x + v, v

        return jax.lax.fori_loop(0, n, step, (x, v))

    x = jnp.asarray(positions)
    at_rest = jnp.zeros_like(x)
    in_loop = median_time(lambda: jax.block_until_ready(steps(x, at_rest, N_STEPS)), seconds)
    round_trip = median_time(
        lambda: jax.device_get(steps(jnp.asarray(positions), at_rest, 1)), seconds
    )
    forces = np.asarray(steps(x, at_rest, 1)[1] / acceleration)
    return in_loop / N_STEPS, round_trip, forces


def on_the_host(network_folder, atoms, seconds):
    """Times of a step of the engine, by the number of threads."""
    times = {}
    threads = 1
    while threads <= len(os.sched_getaffinity(0)):
        network = HDNNP(network_folder, threads=threads)
        elements = network.element_numbers(atoms.get_chemical_symbols())
        arguments = (atoms.positions, atoms.cell.array, atoms.pbc, elements)
        times[threads] = median_time(lambda: network.evaluate(*arguments), seconds)  # noqa: B023
        threads *= 2
    return times


def main(seconds=2.0, largest=4):
    print(f"JAX {jax.__version__} on {jax.devices()[0].device_kind}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "network"
        # without potential.lmp, which has the repulsion
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("potential.*"))
        for repeats in (n for n in (1, 2, 4) if n <= largest):
            atoms = read_structure("cubic192").repeat(repeats)
            atoms.rattle(0.05, seed=1)
            network = HDNNP(folder)
            elements = network.element_numbers(atoms.get_chemical_symbols())
            exact = network.evaluate(atoms.positions, atoms.cell.array, atoms.pbc, elements)
            n, masses = len(atoms), atoms.get_masses()
            energy = energy_function(atoms, elements, network._neighbours)
            loop, trip, forces = on_the_device(energy, atoms.positions, masses, seconds)
            error = np.abs(forces - exact.forces).max()
            print(
                f"{n:5d} atoms, JAX: loop {1e6 * loop / n:.3f}, round trip {1e6 * trip / n:.3f} µs "
                f"per atom and step; forces differ by {error:.1e} eV/Å",
                flush=True,
            )
            for threads, taken in on_the_host(folder, atoms, seconds).items():
                print(
                    f"{n:5d} atoms, engine, {threads:2d} threads: {1e6 * taken / n:.3f}", flush=True
                )


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(*map(float, sys.argv[1:]))
