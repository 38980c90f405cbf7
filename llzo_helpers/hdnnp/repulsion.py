"""Repulsion of nuclei at distances that no reference covers: Ziegler, Biersack, Littmark (ZBL).

A network gives nothing sensible for atoms closer than any that it was fitted to, and in hot melts
some come this close. LAMMPS's own `pair_style zbl` is added to the network in `potential.lmp`; this
is the same for the network's evaluation in Python.
"""

from itertools import product

import ase
import numpy as np
from ase.data import atomic_numbers
from numba import njit
from numpy.typing import NDArray

from llzo_helpers.hdnnp.neighbours import NeighbourList
from llzo_helpers.hdnnp.pair_style import Zbl

COULOMB = 14.399645
"""Of two elementary charges, eV Å, as in LAMMPS's metal units."""

_AMPLITUDES = np.array([0.02817, 0.28022, 0.50986, 0.18175])
_DECAYS = np.array([0.20162, 0.40290, 0.94229, 3.19980])


class Repulsion:
    """ZBL repulsion of pairs of atoms, switched off smoothly between two distances.

    Ziegler, Biersack, Littmark, The Stopping and Range of Ions in Matter, Pergamon (1985); with
    LAMMPS's switching: energy, force and its derivative vanish at the outer distance.

    Parameters
    ----------
    symbols
        Chemical symbols, in the order of the element numbers.
    zbl
        Where switching begins and where nothing is left, and which pairs repel.
    """

    def __init__(self, symbols: tuple[str, ...], zbl: Zbl) -> None:
        self.inner, self.outer = zbl.inner, zbl.outer
        # by the first of two elements; 0 where a pair does not repel
        self._charges = np.array(
            [[zbl.charges.get((a, b), (0.0, 0.0))[0] for b in symbols] for a in symbols]
        )
        self._pairs: NDArray[np.int64]
        self._listed: tuple[NeighbourList | None, int] = None, 0

    def add(
        self,
        elements: NDArray[np.int64],
        neighbours: NeighbourList,
        energies: NDArray[np.float64],
        gradient: NDArray[np.float64],
    ) -> None:
        """Add to energies [atom], eV, and to their sum's gradient [point, 4], eV/Å."""
        # few pairs come so close: they are searched for when the neighbour list is new
        if self._listed != (neighbours, neighbours.n_builds):
            reach = self.outer + neighbours.skin
            self._pairs = _near(neighbours.points, neighbours.candidates, neighbours.starts, reach)
            self._listed = neighbours, neighbours.n_builds
        _add(
            self._charges,
            self.inner,
            self.outer,
            elements,
            neighbours.points,
            neighbours.parents,
            self._pairs,
            energies,
            gradient,
        )


def all_pairs(symbols: tuple[str, ...], inner: float, outer: float) -> Zbl:
    """Return the repulsion of all pairs of elements, by their atomic numbers."""
    numbers = {symbol: float(atomic_numbers[symbol]) for symbol in symbols}
    pairs = product(symbols, repeat=2)
    return Zbl(inner, outer, {(a, b): (numbers[a], numbers[b]) for a, b in pairs})


def repulsion_of(
    atoms: ase.Atoms, inner: float, outer: float
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Energy (eV), forces [atom, xyz] (eV/Å) and virial [xyz, xyz] (eV) of a structure's atoms."""
    symbols = tuple(sorted(set(atoms.get_chemical_symbols())))
    elements = np.array([symbols.index(symbol) for symbol in atoms.get_chemical_symbols()])
    neighbours = NeighbourList(outer, 0.1, len(symbols))
    neighbours.update(atoms.positions, atoms.cell.array, atoms.pbc, elements)
    energies, gradient = np.zeros(len(atoms)), np.zeros(neighbours.points.shape)
    Repulsion(symbols, all_pairs(symbols, inner, outer)).add(
        elements, neighbours, energies, gradient
    )
    return float(energies.sum()), *neighbours.fold(gradient)


@njit(cache=True, nogil=True)
def _screened(charge: float, decay: float, r: float) -> tuple[float, float, float]:
    """Energy and its first two derivatives, not switched; `charge` in eV Å, `decay` in 1/Å."""
    value, first, second = 0.0, 0.0, 0.0
    for k in range(len(_DECAYS)):
        rate = decay * _DECAYS[k]
        term = _AMPLITUDES[k] * np.exp(-rate * r)
        value += term
        first -= rate * term
        second += rate * rate * term
    return (
        charge * value / r,
        charge * (first - value / r) / r,
        charge * (second - 2.0 * first / r + 2.0 * value / (r * r)) / r,
    )


@njit(cache=True, nogil=True)
def _near(
    points: NDArray[np.float64],
    candidates: NDArray[np.int64],
    starts: NDArray[np.int64],
    reach: float,
) -> NDArray[np.int64]:
    """Atoms and points within reach of them, [pair, 2]."""
    pairs = np.empty((starts[-1, -1], 2), np.int64)
    n = 0
    for i in range(len(starts)):
        for c in range(starts[i, 0], starts[i, -1]):
            p = candidates[c]
            squared = 0.0
            for k in range(3):
                squared += (points[p, k] - points[i, k]) ** 2
            if squared < reach * reach:
                pairs[n, 0], pairs[n, 1] = i, p
                n += 1
    return pairs[:n].copy()


@njit(cache=True, nogil=True)
def _add(
    charges: NDArray[np.float64],
    inner: float,
    outer: float,
    elements: NDArray[np.int64],
    points: NDArray[np.float64],
    parents: NDArray[np.int64],
    pairs: NDArray[np.int64],
    energies: NDArray[np.float64],
    gradient: NDArray[np.float64],
) -> None:
    width = outer - inner
    for i, p in pairs:
        dx = points[p, 0] - points[i, 0]
        dy = points[p, 1] - points[i, 1]
        dz = points[p, 2] - points[i, 2]
        squared = dx * dx + dy * dy + dz * dz
        if squared >= outer * outer:
            continue
        r = np.sqrt(squared)
        first, second = elements[i], elements[parents[p]]
        z1, z2 = charges[first, second], charges[second, first]
        if z1 == 0.0:
            continue
        charge, decay = COULOMB * z1 * z2, (z1**0.23 + z2**0.23) / 0.46850
        energy, slope, _ = _screened(charge, decay, r)
        end, end_slope, end_bend = _screened(charge, decay, outer)
        energy += -end + width / 2.0 * end_slope - width * width / 12.0 * end_bend
        if r > inner:
            a = (width * end_bend - 3.0 * end_slope) / width**2
            b = (2.0 * end_slope - width * end_bend) / width**3
            x = r - inner
            energy += a / 3.0 * x**3 + b / 4.0 * x**4
            slope += a * x**2 + b * x**3
        # each pair is found twice, once from either atom
        energies[i] += 0.5 * energy
        for k, d in enumerate((dx, dy, dz)):
            gradient[p, k] += 0.5 * slope * d / r
            gradient[i, k] -= 0.5 * slope * d / r
