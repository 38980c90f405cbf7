"""Speed and memory of the HDNNP engine, beside n2p2.

    python benchmarks/hdnnp.py             speed of the evaluator
    python benchmarks/hdnnp.py n2p2 CHECKOUT [EIGEN]
                                           beside n2p2's library, in turns
    python benchmarks/hdnnp.py lammps [POTENTIAL]
                                           MD: speed, the evaluator's share of it, memory
    python benchmarks/hdnnp.py drift [POTENTIAL [TIMESTEP_PS [TEMPERATURE_K]]]
                                           conserved energy over 20 ps

POTENTIAL is a folder with n2p2's files for Li, La, Zr and O, in Å and eV; by default the trained
reference potential. CHECKOUT is a clone of https://github.com/CompPhysVienna/n2p2 in which
`make -C src/libnnp` has run; EIGEN is where the headers of Eigen are, /usr/include/eigen3 by
default.

Times are processor times of one core, which other processes disturb less than times by the clock.
n2p2 takes its neighbour list as given and is not charged for it; the evaluator here is charged for
moving the atoms of its list, but the atoms stay where they are, so that it is not rebuilt.
"""

import itertools
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ase
import numpy as np

from llzo_helpers.hdnnp import HDNNP
from llzo_helpers.md.callback import _Callback, extrapolation_variables, hdnnp_forces, open_lammps
from llzo_helpers.potentials import load_potential

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from hdnnp_reference import DATA, read_structure


def types_2_and_9(parent):
    """112 functions per element: 8 radial ones for each neighbour, 8 for each pair of them."""
    folder = parent / "types_2_and_9"
    folder.mkdir()
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
    (folder / "input.nn").write_text("\n".join(lines) + "\n")
    scaling = [f"{e} {i} 0.0 5.0 1.0 0.5" for e in range(1, 5) for i in range(1, n + 1)]
    (folder / "scaling.data").write_text("\n".join(scaling) + "\n")
    rng = np.random.default_rng(0)
    for number in numbers:
        weights = 0.1 * rng.normal(size=15 * (n + 1) + 16 * 15 + 16)
        (folder / f"weights.{number:03d}.data").write_text("\n".join(map(str, weights)) + "\n")
    return folder


def potentials(folder):
    """Folders of the potentials that are compared."""
    return {
        "types 2, 3": DATA / "a_t2_t3_trained",
        "types 2, 9": types_2_and_9(folder),
        "types 2, 9, a zeta of 2.5": DATA / "b_t2_t9",
        "hdnnp_sevennet0": DATA.parents[2] / "potentials" / "hdnnp_sevennet0",
    }


def evaluator(folder, atoms):
    """A function that evaluates atoms once; returns processor time and energy."""
    network = HDNNP(folder)
    elements = network.element_numbers(atoms.get_chemical_symbols())

    def evaluate():
        began = time.process_time()
        energy = network.evaluate(atoms.positions, atoms.cell.array, atoms.pbc, elements).energy
        return time.process_time() - began, energy

    evaluate()
    return evaluate


def speed():
    with tempfile.TemporaryDirectory() as directory:
        for name, folder in potentials(Path(directory)).items():
            for repeats in (1, 2):
                atoms = read_structure("cubic192").repeat(repeats)
                evaluate = evaluator(folder, atoms)
                times = [1e6 * evaluate()[0] / len(atoms) for _ in range(200 // repeats**3)]
                print(
                    f"{name}, {len(atoms):4d} atoms: best {min(times):.2f}, "
                    f"median {np.median(times):.2f} µs per atom and step"
                )


def n2p2(checkout, eigen="/usr/include/eigen3"):
    """Compare with n2p2 on the same structure, one evaluation of each in turns."""
    checkout, atoms = Path(checkout), read_structure("cubic192")
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "turns"
        command = ["g++", "-O2", "-std=c++11", f"-I{checkout / 'src' / 'libnnp'}", f"-I{eigen}"]
        command += [str(Path(__file__).with_name("hdnnp_n2p2.cpp"))]
        command += [str(checkout / "lib" / "libnnp.a"), "-o", str(program)]
        subprocess.run(command, check=True)
        for name, folder in potentials(Path(directory)).items():
            work = Path(directory) / "work"
            shutil.copytree(folder, work)
            shutil.copy(DATA / "structures" / "cubic192.data", work / "input.data")
            compare(name, program, work, evaluator(folder, atoms), len(atoms))
            shutil.rmtree(work)


def compare(name, program, work, evaluate, n_atoms, turns=15):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    theirs, ours, differences = [], [], []
    with subprocess.Popen([program], cwd=work, **pipes) as process:
        for _ in range(turns):
            process.stdin.write("\n")
            process.stdin.flush()
            took, energy = map(float, process.stdout.readline().split())
            # several, as a single one would find nothing in the caches
            few = [evaluate() for _ in range(10)]
            theirs.append(1e6 * took / n_atoms)
            ours.append(1e6 * np.median([time for time, _ in few]) / n_atoms)
            differences.append(abs(energy - few[0][1]))
        process.stdin.close()
    ratio = np.median(np.divide(theirs, ours))
    print(
        f"{name}: n2p2 {np.median(theirs):.1f}, here {np.median(ours):.2f} µs per atom, "
        f"{ratio:.1f} times as fast; energies differ by {max(differences):.1e} eV",
        flush=True,
    )


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
    (folder / "potential.lmp").write_text(
        "pair_style hdnnp 6.0 dir ${potential}\npair_coeff * * Li La Zr O\n"
    )
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

    _Callback(lmp, timed, symbols, potential, None).connect()
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
    {"speed": speed, "n2p2": n2p2, "lammps": lammps, "drift": drift}[name](*arguments)
