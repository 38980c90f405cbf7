"""Speed and memory of the HDNNP engine, beside n2p2.

    python benchmarks/hdnnp.py             speed of the evaluator
    python benchmarks/hdnnp.py lammps [POTENTIAL]
                                           MD: speed, the evaluator's share of it, memory
    python benchmarks/hdnnp.py drift [POTENTIAL [TIMESTEP_PS [TEMPERATURE_K]]]
                                           conserved energy over 20 ps

POTENTIAL is a folder with n2p2's files for Li, La, Zr and O, in Å and eV; by default the trained
reference potential.

n2p2 (2.3.0 in LAMMPS 4Feb2025) took 0.206 ms per atom and step on one AVX-512 core for the
reference potential of types 2 and 3, and 0.348 ms for 112 functions per element of types 2 and 9.
It is not installed here. On a busy machine everything takes longer, so a calibration
(multiply-add of vectors in the first cache) runs after every evaluation; times are given as
measured, best and median, and the best is scaled by the best calibration to what that takes on a
quiet core of the machine on which n2p2 was timed. (Medians say how busy the machine is. Where
another thread shares the core, the calibration suffers more than the evaluator does, and scaled
times flatter: trust runs whose calibration is at its quiet best.)
"""

import itertools
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ase
import numpy as np
from numba import njit

from llzo_helpers.hdnnp import HDNNP
from llzo_helpers.hdnnp.vector import load, splat, store
from llzo_helpers.md.callback import _Callback, extrapolation_variables, hdnnp_forces, open_lammps
from llzo_helpers.potentials import load_potential

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from hdnnp_reference import DATA, read_structure

N2P2_MS = {"types 2, 3": 0.206, "types 2, 9": 0.348}
QUIET_CALIBRATION_US = 8.0


@njit
def _multiply_add(repeats, numbers, result):
    a, b, c, d = splat(0.1), splat(0.2), splat(0.3), splat(0.4)
    for _ in range(repeats):
        for j in range(0, 2048, 32):
            a = a * 0.99 + load(numbers, j)
            b = b * 0.99 + load(numbers, j + 8)
            c = c * 0.99 + load(numbers, j + 16)
            d = d * 0.99 + load(numbers, j + 24)
    store(result, 0, a + b + c + d)


def calibration():
    """Time of the calibration, µs."""
    began = time.perf_counter()
    _multiply_add(100, np.zeros(2048), np.zeros(8))
    return 1e6 * (time.perf_counter() - began)


def types_2_and_9(folder):
    """112 functions per element: 8 radial ones for each neighbour, 8 for each pair of them."""
    symbols, numbers = ("Li", "O", "Zr", "La"), (3, 8, 40, 57)
    lines = [
        "number_of_elements 4",
        f"elements {' '.join(symbols)}",
        "cutoff_type 1",
        "scale_symmetry_functions",
        "center_symmetry_functions",
        "global_hidden_layers_short 2",
        "global_nodes_short 15 15",
        "global_activation_short t t l",
    ]
    radial = [(0.01, 0), (0.05, 0), (0.15, 0)] + [(1, rs) for rs in (2, 2.6, 3.2, 3.8, 4.4)]
    angular = list(itertools.product((0.01, 0.05), (1, -1), (1, 4)))
    pairs = list(itertools.combinations_with_replacement(symbols, 2))
    for e in symbols:
        lines += [
            f"symfunction_short {e} 2 {b} {eta} {rs} 6" for b in symbols for eta, rs in radial
        ]
        lines += [
            f"symfunction_short {e} 9 {a} {b} {eta} {lambda_} {zeta} 6"
            for a, b in pairs
            for eta, lambda_, zeta in angular
        ]
    n = 4 * len(radial) + len(pairs) * len(angular)
    (folder / "input.nn").write_text("\n".join(lines))
    scaling = [f"{e} {i} 0.0 5.0 1.0 0.5" for e in range(1, 5) for i in range(1, n + 1)]
    (folder / "scaling.data").write_text("\n".join(scaling))
    rng = np.random.default_rng(0)
    for number in numbers:
        weights = 0.1 * rng.normal(size=15 * (n + 1) + 16 * 15 + 16)
        (folder / f"weights.{number:03d}.data").write_text("\n".join(map(str, weights)))
    return folder


def measure(name, folder, repeats, seconds=6.0):
    atoms = read_structure("cubic192").repeat(repeats)
    network = HDNNP(folder)
    arguments = (
        atoms.positions,
        atoms.cell.array,
        atoms.pbc,
        network.element_numbers(atoms.get_chemical_symbols()),
    )
    network.evaluate(*arguments)
    times, calibrations = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        network.evaluate(*arguments)
        times.append(1e3 * (time.perf_counter() - began) / len(atoms))
        calibration()  # brings its numbers back into the first cache
        calibrations.append(calibration())
    scaled = min(times) * QUIET_CALIBRATION_US / min(calibrations)
    ratios = N2P2_MS[name] / min(times), N2P2_MS[name] / scaled
    print(
        f"{name}, {len(atoms):4d} atoms: best {min(times):.5f}, median {np.median(times):.5f}, "
        f"scaled {scaled:.5f} ms per atom and step: n2p2 / this = {ratios[0]:.1f} (best), "
        f"{ratios[1]:.1f} (scaled)"
    )


def speed():
    calibration()
    with tempfile.TemporaryDirectory() as directory:
        folders = {
            "types 2, 3": DATA / "a_t2_t3_trained",
            "types 2, 9": types_2_and_9(Path(directory)),
        }
        for name, folder in folders.items():
            for repeats in (1, 2):
                measure(name, folder, repeats)
    best = min(calibration() for _ in range(2000))
    print(f"calibration: {best:.2f} µs at best, {QUIET_CALIBRATION_US} on a quiet core")


SCRIPT = """\
units metal
atom_style charge
boundary p p p
read_data {data}
{fix}
velocity all create {temperature} 1 mom yes dist gaussian
neighbor 1.0 bin
neigh_modify delay 0 every 1 check yes
timestep {timestep}
fix nve all nve
thermo_style custom step temp pe etotal
thermo 100
"""
FIX = "fix forces all external pf/callback 1 1\nfix_modify forces energy yes virial yes\n"


def start(folder, source, repeats, temperature, timestep=0.001):
    """LAMMPS with a potential, and the time spent in its forces (a list)."""
    (folder / "potential.lmp").touch()
    for file in source.iterdir():
        if file.name in ("input.nn", "potential.lmp") or file.suffix == ".data":
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "potential.yaml").write_text(
        "{description: a, kind: hdnnp, elements: [Li, La, Zr, O], citation: [a], licence: a}"
    )
    potential = load_potential(folder.name, folder.parent)
    atoms = read_structure("cubic192").repeat(repeats)
    data = folder / "structure.lmp"
    write_data(data, atoms)
    lmp = open_lammps(["-screen", "none", "-log", str(folder / "log.lammps")])
    script = SCRIPT.format(data=data, fix=FIX, temperature=temperature, timestep=timestep)
    lmp.commands_string(script)
    lmp.commands_string(extrapolation_variables(potential))
    symbols = atoms.get_chemical_symbols()
    forces, spent = hdnnp_forces(potential, symbols, 1), []

    def timed(positions, cell):
        began = time.perf_counter()
        result = forces(positions, cell)
        spent.append(time.perf_counter() - began)
        return result

    _Callback(lmp, timed, symbols, potential).connect()
    return lmp, atoms, spent


def write_data(path: Path, atoms: ase.Atoms) -> None:
    order = ("Li", "La", "Zr", "O")
    masses = (6.94, 138.905, 91.224, 15.999)
    lengths = atoms.cell.lengths()
    lines = ["LLZO", "", f"{len(atoms)} atoms", "4 atom types", ""]
    lines += [f"0 {length} {x}lo {x}hi" for length, x in zip(lengths, "xyz", strict=True)]
    lines += ["", "Atom Type Labels", "", *[f"{i + 1} {s}" for i, s in enumerate(order)]]
    lines += ["", "Masses", "", *[f"{i + 1} {m}" for i, m in enumerate(masses)]]
    lines += ["", "Atoms # charge", ""]
    for i, atom in enumerate(atoms):
        x, y, z = atom.position
        lines.append(f"{i + 1} {order.index(atom.symbol) + 1} 0 {x:.12f} {y:.12f} {z:.12f}")
    path.write_text("\n".join(lines) + "\n")


def lammps(source=DATA / "a_t2_t3_trained"):
    for repeats, n_steps in ((1, 1000), (2, 100)):
        with tempfile.TemporaryDirectory() as directory:
            lmp, atoms, spent = start(Path(directory), Path(source), repeats, 1000)
            lmp.command("run 0")
            totals, shares = [], []
            for _ in range(5):
                spent.clear()
                began = time.perf_counter()
                lmp.command(f"run {n_steps // 5} post no")
                totals.append(time.perf_counter() - began)
                shares.append(sum(spent) / totals[-1])
            lmp.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"LAMMPS, {len(atoms):4d} atoms, {n_steps} steps: {n_steps / 5 / min(totals):.0f} "
            f"steps/s at best, {n_steps / sum(totals):.0f} on average; the evaluator takes "
            f"{100 * max(shares):.1f} % of the time; peak memory {peak:.0f} MB"
        )
    began = time.perf_counter()
    code = (
        "import sys; sys.path.insert(0, 'tests'); from hdnnp_reference import *; "
        "from llzo_helpers.hdnnp import HDNNPCalculator; a = read_structure('cubic192'); "
        "a.calc = HDNNPCalculator(DATA / 'a_t2_t3_trained'); a.get_forces()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
    print(f"first forces of a new process: {time.perf_counter() - began:.2f} s")


def drift(source=DATA / "a_t2_t3_trained", timestep=0.001, temperature=1000):
    with tempfile.TemporaryDirectory() as directory:
        lmp, atoms, _ = start(Path(directory), Path(source), 1, 1000, timestep)
        # the reference structure is no minimum; from one, half of the heat goes into potential
        # energy
        lmp.command("minimize 0 0.1 300 3000")
        lmp.command("reset_timestep 0")
        lmp.command(f"velocity all create {2 * float(temperature)} 1 mom yes dist gaussian")
        times, energies = [], []
        for _ in range(200):
            lmp.command(f"run {round(0.1 / float(timestep))} post no")
            times.append(lmp.get_thermo("step") * float(timestep))
            energies.append(1e3 * lmp.get_thermo("etotal") / len(atoms))
            if len(times) % 10 == 0:
                print(
                    f"{times[-1]:5.1f} ps  {lmp.get_thermo('temp'):7.1f} K  "
                    f"{energies[-1]:.4f} meV/atom",
                    flush=True,
                )
        slope = np.polyfit(times, energies, 1)[0]
        print(
            f"drift over 20 ps: {20 * slope:.4f} meV/atom; standard deviation about it "
            f"{np.std(energies - np.polyval(np.polyfit(times, energies, 1), times)):.4f} meV/atom"
        )


if __name__ == "__main__":
    name, *arguments = sys.argv[1:] or ["speed"]
    {"speed": speed, "lammps": lammps, "drift": drift}[name](*arguments)
