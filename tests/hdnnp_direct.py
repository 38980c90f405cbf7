"""HDNNPs by their definitions: loops over all neighbours and pairs, nothing shared, no forces.

Independent of llzo_helpers.hdnnp apart from the parsed potential. Slow: for few atoms.
"""

import itertools
import math

import numpy as np
from ase.data import atomic_numbers


def compact(kind, x):
    if x >= 1.0:
        return 0.0
    # n2p2's own form of the polynomials loses digits near 1; spare ones make up for that
    x = np.longdouble(x)
    if kind.endswith("a"):
        x = (2.0 - x) * x
    match kind[:2]:
        case "p1":
            return 1 - 3 * x**2 + 2 * x**3
        case "p2":
            return 1 - 10 * x**3 + 15 * x**4 - 6 * x**5
        case "p3":
            return 1 - 35 * x**4 + 84 * x**5 - 70 * x**6 + 20 * x**7
        case "p4":
            return 1 - 126 * x**5 + 420 * x**6 - 540 * x**7 + 315 * x**8 - 70 * x**9
        case "e":
            return np.exp(1.0 - 1.0 / (1.0 - x * x))
    raise ValueError(kind)


def cutoff(kind, alpha, r, rc):
    if r >= rc:
        return 0.0
    if kind == 0:
        return 1.0
    if kind in (2, 3):
        return math.tanh(1 - r / rc) ** 3 / (math.tanh(1) ** 3 if kind == 3 else 1.0)
    x = max((r - alpha * rc) / (rc - alpha * rc), 0.0)
    if kind == 1:
        return 0.5 * (math.cos(math.pi * x) + 1)
    return compact({4: "e", 5: "p1", 6: "p2", 7: "p3", 8: "p4"}[kind], x)


def neighbours(atoms, i, rc):
    """(symbol, vector) of all neighbours, images included."""
    repeats = [range(-4, 5) if periodic else [0] for periodic in atoms.pbc]
    found = []
    for shift in itertools.product(*repeats):
        for j in range(len(atoms)):
            d = atoms.positions[j] + np.array(shift) @ atoms.cell.array - atoms.positions[i]
            if 1e-9 < np.linalg.norm(d) < rc:
                found.append((atoms.symbols[j], d))
    return found


def radial_part(potential, f, r):
    if f.compact:
        if not f.rl < r < f.rc:
            return 0.0
        middle, half = (f.rl + f.rc) / 2, (f.rc - f.rl) / 2
        return compact(f.subtype, abs(r - middle) / half)
    envelope = cutoff(potential.cutoff_type, potential.cutoff_alpha, r, f.rc)
    return math.exp(-f.eta * (r - f.rs) ** 2) * envelope


def angular_part(f, cosine):
    if f.compact:
        angle = math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
        middle, half = (f.angle_left + f.angle_right) / 2, (f.angle_right - f.angle_left) / 2
        return compact(f.subtype.rstrip("a"), abs(angle - middle) / half)
    return 2 ** (1 - f.zeta) * max(1 + f.lambda_ * cosine, 0.0) ** f.zeta


def symmetry_function(potential, f, near):
    if f.radial:
        return sum(
            (1.0 if f.neighbours else atomic_numbers[symbol])
            * radial_part(potential, f, np.linalg.norm(d))
            for symbol, d in near
            if not f.neighbours or symbol == f.neighbours[0]
        )
    value = 0.0
    for (sj, dj), (sk, dk) in itertools.combinations(near, 2):
        if f.neighbours and sorted((sj, sk)) != sorted(f.neighbours):
            continue
        rj, rk, rjk = np.linalg.norm(dj), np.linalg.norm(dk), np.linalg.norm(dj - dk)
        weight = 1.0 if f.neighbours else atomic_numbers[sj] * atomic_numbers[sk]
        product = radial_part(potential, f, rj) * radial_part(potential, f, rk)
        if f.narrow:
            product *= radial_part(potential, f, rjk)
        if product:
            value += weight * product * angular_part(f, dj @ dk / (rj * rk))
    return value


ACTIVATIONS = {
    "t": np.tanh,
    "l": lambda x: x,
    "p": lambda x: np.logaddexp(0.0, x),
    "s": lambda x: 0.5 + 0.5 * np.tanh(x / 2),
    "S": lambda x: 0.5 - 0.5 * np.tanh(x / 2),
    "r": lambda x: np.maximum(x, 0),
    "g": lambda x: np.exp(-(x**2) / 2),
    "c": np.cos,
    "h": lambda x: x**2,
    "e": lambda x: np.exp(-x),
}


def evaluate(potential, atoms):
    """Energy, and symmetry functions of each atom as its network sees them."""
    by_symbol = {element.symbol: element for element in potential.elements}
    energy, inputs = 0.0, []
    for i, symbol in enumerate(atoms.symbols):
        element = by_symbol[symbol]
        near = neighbours(atoms, i, potential.cutoff_radius)
        raw = np.array([symmetry_function(potential, f, near) for f in element.functions])
        values = element.offset + (raw - element.origin) * element.scale
        inputs.append(values)
        network = element.network
        for w, b, activation in zip(
            network.weights, network.biases, network.activations, strict=True
        ):
            values = ACTIVATIONS[activation](values @ w + b)
        energy += values[0] / potential.conv_energy + potential.mean_energy + element.atom_energy
    return energy, inputs
