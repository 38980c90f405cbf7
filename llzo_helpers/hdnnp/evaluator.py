"""Energy, forces and stress of a structure from an n2p2 potential."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from llzo_helpers.arguments import check_number, check_whole, checked_path
from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp import kernels
from llzo_helpers.hdnnp.files import read_potential
from llzo_helpers.hdnnp.layout import build_tables
from llzo_helpers.hdnnp.neighbours import NeighbourList
from llzo_helpers.hdnnp.pair_style import read_pair_style
from llzo_helpers.hdnnp.repulsion import Repulsion
from llzo_helpers.hdnnp.tables import padded
from llzo_helpers.hdnnp.threads import Threads

_LARGEST_CUTOFF = 15.0
"""Å; the usual 6 Å have 80 neighbours, these 1200."""
_LARGEST_SKIN = 10.0
"""Å; 1 Å is rebuilt about every dozen steps."""
_MOST_THREADS = 1024
_LARGEST_COORDINATE = 1e7
"""Å; beyond, double precision has less than 1e-9 Å left."""


@dataclass(frozen=True)
class Evaluation:
    """Result of an `HDNNP` for one structure.

    Attributes
    ----------
    energy
        Potential energy, eV.
    energies
        Contribution of each atom, its offset included, shape [atom], eV.
    forces
        Shape [atom, xyz], eV/Å.
    virial
        Sum over atoms of position times force, including periodic images; shape
        [xyz, xyz], eV. The stress is ``-virial / volume``.
    extrapolations
        How many symmetry functions of the atoms of each element lie outside the range of
        the training data, by symbol.
    """

    energy: float
    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]
    extrapolations: dict[str, int]


class HDNNP:
    """High-dimensional neural network potential (2G), read from n2p2's files.

    Parameters
    ----------
    directory
        Folder with ``input.nn``, ``scaling.data`` and ``weights.NNN.data``; the repulsion
        (``zbl``) that its ``potential.lmp``, if any, combines with the network is added.
    length_unit, energy_unit
        The potential's units in Å and eV, as `ase.units.Bohr` and `ase.units.Hartree` for one in
        atomic units. By default those of ``potential.lmp`` (``cflength``, ``cfenergy``); without
        that file, 1 and 1.
    skin
        Margin of the neighbour list, Å.
    threads
        Number of threads among which atoms are divided. Results depend on it in the last
        digits only.

    Raises
    ------
    InputError
        If the potential cannot be read or needs what is not supported.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        length_unit: float | None = None,
        energy_unit: float | None = None,
        skin: float = 1.0,
        threads: int = 1,
    ) -> None:
        for name, unit in (("length_unit", length_unit), ("energy_unit", energy_unit)):
            if unit is not None:
                check_number(name, unit, "the unit's size in Å or eV", low=1e-3, high=1e3)
        check_number("skin", skin, "a margin in Å", low=0, high=_LARGEST_SKIN)
        check_whole("threads", threads, "a number of threads", low=1, high=_MOST_THREADS)
        self.directory = checked_path("directory", directory)
        potential = read_potential(self.directory)
        self.pair_style = style = read_pair_style(self.directory)
        if length_unit is None:
            length_unit = style.length_unit if style else 1.0
        if energy_unit is None:
            energy_unit = style.energy_unit if style else 1.0
        self.symbols = tuple(element.symbol for element in potential.elements)
        self.cutoff_radius = potential.cutoff_radius * length_unit
        self._tables = build_tables(potential, length_unit, energy_unit)
        self._repulsion = Repulsion(self.symbols, style.zbl) if style and style.zbl else None
        self._require_sensible_cutoff()
        self._threads = Threads(threads)
        self._neighbours = NeighbourList(self.cutoff_radius, skin, len(self.symbols), self._threads)
        self._n_functions = padded(max(len(element.functions) for element in potential.elements))

    def _require_sensible_cutoff(self) -> None:
        radius, style = self.cutoff_radius, self.pair_style
        if radius > _LARGEST_CUTOFF:
            raise InputError(
                f"{self.directory / 'input.nn'}: a cutoff radius of {radius:g} Å; at most "
                f"{_LARGEST_CUTOFF:g} Å can be evaluated, correct it or the unit of length"
            )
        if style and style.cutoff < radius * (1 - 1e-6):
            raise InputError(
                f"{self.directory / 'potential.lmp'}: hdnnp {style.cutoff:g}: smaller than the "
                f"cutoff radius of input.nn, {radius:g} Å; raise it"
            )
        if style and style.zbl and style.zbl.outer > radius:
            raise InputError(
                f"{self.directory / 'potential.lmp'}: zbl {style.zbl.inner:g} {style.zbl.outer:g}: "
                f"ends beyond the cutoff radius of input.nn, {radius:g} Å; lower it"
            )

    @property
    def neighbour_list_builds(self) -> int:
        """How many neighbour lists have been built."""
        return self._neighbours.n_builds

    def element_numbers(self, symbols: list[str]) -> NDArray[np.int64]:
        """Numbers by which `evaluate` knows the elements of atoms.

        Raises
        ------
        InputError
            If the potential has no such element.
        """
        for symbol in symbols:
            if symbol not in self.symbols:
                raise InputError(
                    f"{self.directory}: the potential is for {' '.join(self.symbols)}, "
                    f"the structure has {symbol}"
                )
        return np.array([self.symbols.index(symbol) for symbol in symbols], np.int64)

    def evaluate(
        self,
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        elements: NDArray[np.int64],
    ) -> Evaluation:
        """Evaluate a structure.

        Parameters
        ----------
        positions
            Shape [atom, xyz], Å; inside or outside the cell.
        cell
            Cell vectors in rows, Å.
        pbc
            Whether the cell is periodic along each vector.
        elements
            From `element_numbers`.

        Raises
        ------
        InputError
            If positions have another shape, or elements do not belong to them; if positions or the
            cell are not finite, two atoms are at one place, or the cell has no
            extent along a direction in which it is periodic.
        """
        return self._evaluate(positions, cell, pbc, elements)[0]

    def symmetry_functions(
        self,
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        elements: NDArray[np.int64],
    ) -> list[NDArray[np.float64]]:
        """Symmetry functions of each atom as its network sees them: scaled, in n2p2's order."""
        values = self._evaluate(positions, cell, pbc, elements)[1]
        tables, scaled = self._tables, []
        for row, number in zip(values, elements, strict=True):
            element = tables.elements[number]
            n, first = element["n_functions"], element["first_function"]
            origin = tables.functions.origin[first : first + n]
            scale = tables.functions.scale[first : first + n]
            scaled.append(element["offset"] + (row[:n] - origin) * scale)
        return scaled

    def _evaluate(
        self,
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        pbc: NDArray[np.bool_],
        elements: NDArray[np.int64],
    ) -> tuple[Evaluation, NDArray[np.float64]]:
        positions = np.ascontiguousarray(positions, float)
        cell = np.ascontiguousarray(cell, float)
        pbc = np.asarray(pbc, bool)
        # the kernels trust them
        if positions.ndim != 2 or positions.shape[1] != 3 or not len(positions):
            raise InputError(f"positions: shape {positions.shape}; give [atom, xyz], one or more")
        elements = np.asarray(elements)
        if (
            elements.shape != positions.shape[:1]
            or elements.dtype.kind != "i"
            or elements.min() < 0
            or elements.max() >= len(self.symbols)
        ):
            raise InputError(
                f"elements: give one number for each of {len(positions)} atoms, from "
                "element_numbers"
            )
        if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
            atom = int(np.argmin(np.isfinite(positions).all(axis=1)))
            raise InputError(
                f"positions and cell must be finite numbers, atom {atom} is at {positions[atom]}"
            )
        if np.abs(positions).max(initial=0.0) > _LARGEST_COORDINATE:
            atom = int(np.abs(positions).max(axis=1).argmax())
            raise InputError(
                f"positions: atom {atom} is at {positions[atom]} Å; wrap it into the cell"
            )
        n = len(positions)
        neighbours = self._neighbours
        neighbours.update(positions, cell, pbc, elements)
        energies = np.empty(n)
        functions = np.empty((n, self._n_functions))
        threads = self._threads
        gradients = np.zeros((threads.n, *neighbours.points.shape))
        outside = np.zeros((threads.n, len(self.symbols)), np.int64)

        def evaluate(thread: int) -> None:
            kernels.evaluate(
                self._tables,
                elements,
                # every n-th, as costs differ between elements
                np.arange(thread, n, threads.n),
                neighbours.points,
                neighbours.candidates,
                neighbours.starts,
                energies,
                gradients[thread],
                functions,
                outside[thread],
            )

        def add_up(thread: int) -> None:
            points = threads.share(len(neighbours.points), thread)
            gradients[0, points] = gradients[:, points].sum(axis=0)

        try:
            threads.run(evaluate)
            if threads.n > 1:
                threads.run(add_up)
            gradient = gradients[0]
            if self._repulsion:
                self._repulsion.add(elements, neighbours, energies, gradient)
        except ZeroDivisionError:
            self._refuse_result(neighbours)
        forces, virial = neighbours.fold(gradient)
        if not (np.isfinite(energies).all() and np.isfinite(forces).all()):
            self._refuse_result(neighbours)
        evaluation = Evaluation(
            energy=float(energies.sum()),
            energies=energies,
            forces=forces,
            virial=virial,
            extrapolations=dict(
                zip(self.symbols, (int(count) for count in outside.sum(axis=0)), strict=True)
            ),
        )
        return evaluation, functions

    def _refuse_result(self, neighbours: NeighbourList) -> NoReturn:
        """Return why energy or forces are not finite."""
        starts, points = neighbours.starts, neighbours.points[:, :3]
        first = np.repeat(np.arange(len(starts)), starts[:, -1] - starts[:, 0])
        second = neighbours.candidates[: len(first)]
        distances = np.linalg.norm(points[second] - points[first], axis=1)
        if len(distances) and distances.min() < 1e-3:
            nearest = int(distances.argmin())
            raise InputError(
                f"positions: atoms {first[nearest]} and {neighbours.parents[second[nearest]]} are "
                "at the same place; move or remove one of them"
            )
        raise InputError(
            f"{self.directory}: energy or forces of this structure are not finite; it is too far "
            "from anything the network was trained for, or the network's files are damaged"
        )
