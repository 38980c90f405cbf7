"""Which element each atom is: from the user, from a topology, or by its mass."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from numpy.typing import ArrayLike, NDArray

from llzo_helpers.arrays import FloatArray
from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.guard import NAMES_ONLY, STRUCTURES, ase_format, reading

Elements = Mapping[Any, str] | Sequence[str]
"""Symbols by atom type, or one per atom."""

_MASS_TOLERANCE = 0.05
"""u; elements differ by more, but for Bi and Po, Cm and Bk, and from Ds on."""
_WEIGHED = [number for number in range(1, 97) if chemical_symbols[number] != "Po"]
"""Atomic numbers of elements that are told by their masses."""


def checked_symbols(symbols: Iterable[str], source: str) -> NDArray[np.str_]:
    """Return chemical symbols as an array; InputError if one of them is invalid."""
    if not isinstance(symbols, Iterable):
        raise InputError(f"{source} = {symbols!r}: give chemical symbols, as ['Na', 'Cl']")
    found = list(symbols)
    for symbol in found:
        if not isinstance(symbol, str) or atomic_numbers.get(symbol, 0) == 0:
            raise InputError(f"{source}: {symbol!r} is not a chemical symbol; give one, as 'Na'")
    return np.array(found, dtype=np.str_)


def check_elements(elements: Elements | None) -> None:
    """Raise InputError unless all are chemical symbols, needed or not."""
    if elements is not None:
        checked_symbols(
            elements.values() if isinstance(elements, Mapping) else elements, "elements"
        )


def symbols_of_types(types: ArrayLike, elements: Mapping[Any, str], source: str) -> NDArray[Any]:
    """Return the symbol of each atom [atom] from its type; types are compared as text."""
    known = {str(key): symbol for key, symbol in elements.items()}
    names = [str(kind) for kind in np.asarray(types).tolist()]
    missing = sorted(set(names) - set(known))
    if missing:
        raise InputError(
            f"{source}: elements: none for type {', '.join(missing)}; give one for each type, as "
            f"{{{missing[0]}: 'Na'}}"
        )
    return checked_symbols([known[name] for name in names], f"{source}: elements")


def symbols_of_masses(masses: ArrayLike, source: str) -> NDArray[np.str_]:
    """Return the symbol of each atom [atom] whose standard mass is nearest to the given one, u."""
    given = np.asarray(masses, dtype=float)
    kinds, kind_of_atom = np.unique(given, return_inverse=True)
    nearest = np.abs(atomic_masses[None, _WEIGHED] - kinds[:, None]).argmin(axis=1)
    numbers = np.array(_WEIGHED)[nearest]
    off = np.abs(atomic_masses[numbers] - kinds)
    if not off.max() < _MASS_TOLERANCE:
        raise InputError(
            f"{source}: mass {kinds[off.argmax()]:g} matches no element; give elements"
        )
    return np.array([chemical_symbols[number] for number in numbers])[kind_of_atom]


def symbols_given(
    elements: Elements | None, topology: Path | None, n_atoms: int, source: str
) -> NDArray[np.str_]:
    """Return the symbols for a file that holds positions only.

    Parameters
    ----------
    elements
        One per atom; or by atom type, if the topology has types.
    topology
        A file with the atoms in the same order.
    n_atoms
        Of the trajectory.
    source
        The trajectory's name in messages.
    """
    if elements is not None and not isinstance(elements, Mapping):
        symbols = checked_symbols(elements, f"{source}: elements")
    elif topology is not None:
        symbols = topology_symbols(topology, elements)
    else:
        raise InputError(
            f"{source}: holds no elements; give topology, a file with the same atoms, or elements, "
            "one per atom"
        )
    if len(symbols) != n_atoms:
        where = "elements" if topology is None else f"topology {topology}"
        raise InputError(
            f"{source}: {n_atoms} atoms, but {len(symbols)} in {where}; give those of this run"
        )
    return symbols


def topology_symbols(path: Path, elements: Mapping[Any, str] | None) -> NDArray[np.str_]:
    """Return the symbols [atom] of any structure file that ASE or MDAnalysis reads."""
    if _is_lammps_data(path):
        return _lammps_data_symbols(path, elements)
    atoms = _structure(path, STRUCTURES - NAMES_ONLY)
    if atoms is not None:
        return checked_symbols(atoms.get_chemical_symbols(), str(path))
    # imported here: it is slow, and most formats do without
    import MDAnalysis

    with reading(str(path), "give a topology that ASE or MDAnalysis reads, or elements"):
        # nothing is guessed: names like CA are calcium to one program, carbon to another
        universe = MDAnalysis.Universe(str(path), to_guess=())
    return universe_symbols(universe, elements, str(path))


def topology_cell(path: Path) -> FloatArray | None:
    """Return the cell of a topology, rows are vectors, Å, [3, 3]; None if it has none."""
    atoms = _structure(path, STRUCTURES)
    return np.asarray(atoms.cell.array) if atoms is not None and atoms.cell.rank == 3 else None


def _structure(path: Path, known: frozenset[str]) -> ase.Atoms | None:
    """Return what ASE reads from a file; None if its format is not among those `known`."""
    from ase.io import read

    kind = "lammps-data" if _is_lammps_data(path) else ase_format(path, known)
    if kind is None:
        return None
    try:
        return read(path, index=0, format=kind)
    except Exception:
        return None


def _is_lammps_data(path: Path) -> bool:
    return path.suffix.lower() in (".data", ".lmp") or path.name.lower().startswith("data.")


def universe_symbols(universe: Any, elements: Elements | None, source: str) -> NDArray[np.str_]:
    """Return the symbols of a universe's atoms: from a map of types, elements or masses."""
    atoms = universe.atoms
    # MDAnalysis guesses from the names of atoms what a file does not hold
    guessed = {attribute.attrname for attribute in universe._topology.guessed_attributes}
    if elements is not None and not isinstance(elements, Mapping):
        return symbols_given(elements, None, len(atoms), source)
    if elements is not None and hasattr(atoms, "types"):
        return symbols_of_types(atoms.types, elements, source)
    if "elements" not in guessed and hasattr(atoms, "elements") and all(atoms.elements):
        return checked_symbols([name.capitalize() for name in atoms.elements], source)
    if "masses" not in guessed and hasattr(atoms, "masses"):
        return symbols_of_masses(atoms.masses, source)
    raise InputError(f"{source}: has neither elements nor masses; give elements")


_TYPE_COLUMN = {"atomic": 1, "charge": 1} | dict.fromkeys(("full", "molecular", "bond", "angle"), 2)
"""Of atom styles in a LAMMPS data file."""


def _lammps_data_symbols(path: Path, elements: Mapping[Any, str] | None) -> NDArray[np.str_]:
    """Return the symbols of a LAMMPS data file, atoms by id."""
    sections = _sections(path)
    header = next((name for name in sections if name.startswith("Atoms")), None)
    if header is None or not sections[header]:
        raise InputError(f"{path}: no section Atoms; is it a LAMMPS data file?")
    column = _TYPE_COLUMN.get(header.partition("#")[2].strip())
    if column is None:
        raise InputError(
            f"{path}: section {header!r} does not name its atom style; write it there, as "
            "'Atoms # charge'"
        )
    try:
        rows = sorted((int(words[0]), words[column]) for words in sections[header])
        masses = {words[0]: float(words[1]) for words in sections.get("Masses", [])}
    except (ValueError, IndexError):
        raise InputError(f"{path}: sections Atoms and Masses are not those of LAMMPS") from None
    types = [kind for _, kind in rows]
    if elements is not None:
        return symbols_of_types(types, elements, str(path))
    if not set(types) <= set(masses):
        raise InputError(f"{path}: has no masses; give elements by type, as {{1: 'Na'}}")
    return symbols_of_masses([masses[kind] for kind in types], str(path))


def _sections(path: Path) -> dict[str, list[list[str]]]:
    """Return the words of each line of each section of a LAMMPS data file, by its title."""
    sections: dict[str, list[list[str]]] = {}
    title = ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
        # titles begin with a capital, and so do only type labels inside a section
        if line[:1].isupper() and len(line.partition("#")[0].split()) <= 3:
            title = line.strip()
            sections[title] = []
        elif words := line.partition("#")[0].split():
            sections.setdefault(title, []).append(words)
    return sections
