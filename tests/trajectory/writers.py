"""One run written in the ways of many programs."""

import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import MDAnalysis
import numpy as np
from ase.io import write
from ase.io.trajectory import TrajectoryWriter
from numpy.typing import NDArray
from scipy.io import netcdf_file

INTERVAL_PS = 0.05


@dataclass(frozen=True)
class MadeRun:
    """Unwrapped positions of a salt whose anions hop, in a sheared cell."""

    positions: NDArray[np.float64]
    symbols: list[str]
    cell: NDArray[np.float64]

    @property
    def images(self) -> list[ase.Atoms]:
        """The frames, wrapped."""
        frames = [
            ase.Atoms(self.symbols, positions=frame, cell=self.cell, pbc=True)
            for frame in self.positions
        ]
        for atoms in frames:
            atoms.wrap(eps=0)
        return frames


def made_run(n_frames: int = 400, seed: int = 3) -> MadeRun:
    """Fluorite, its anions hopping to empty places of a finer grid of sites."""
    from ase.spacegroup import crystal

    rng = np.random.default_rng(seed)
    atoms = crystal(
        ["Ba", "F"],
        [(0, 0, 0), (0.25, 0.25, 0.25)],
        spacegroup=225,
        cellpar=[6.2, 6.2, 6.2, 90, 90, 90],
    )
    atoms = atoms * (2, 2, 2)
    atoms = atoms[np.argsort(atoms.symbols, kind="stable")]
    atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.1, 1, 0], [0.05, -0.08, 1]], scale_atoms=True)
    anions = np.flatnonzero(atoms.symbols == "F")
    scaled = atoms.get_scaled_positions(wrap=False)
    centre = scaled.copy()
    all_positions = np.empty((n_frames, len(atoms), 3))
    for frame in range(n_frames):
        hopping = rng.choice(anions, size=3, replace=False)
        step = np.eye(3)[rng.integers(3, size=3)] * rng.choice([-0.25, 0.25], size=(3, 1))
        centre[hopping] += step
        vibration = rng.normal(scale=0.06, size=(len(atoms), 3))
        all_positions[frame] = centre @ atoms.cell.array + vibration + 0.004 * frame
    return MadeRun(all_positions, atoms.get_chemical_symbols(), atoms.cell.array)


TYPES = {"Ba": 1, "F": 2}
ELEMENTS = {1: "Ba", 2: "F"}


def dump(
    path: Path,
    run: MadeRun,
    frames: Sequence[int] | None = None,
    *,
    columns: str = "id type x y z",
    shuffle: bool = False,
    format_: str = "%.12g",
    n_atoms: int | None = None,
) -> Path:
    """Write a LAMMPS text dump; what is wrapped by its columns is wrapped."""
    rng = np.random.default_rng(1)
    chosen = range(len(run.positions)) if frames is None else frames
    a, b, c = run.cell
    assert b[2] == a[1] == a[2] == 0
    origin = np.array([-1.0, 2.0, 0.5])
    xy, xz, yz = b[0], c[0], c[1]
    low = origin + np.array([min(0, xy, xz, xy + xz), min(0, yz), 0])
    high = origin + np.diag(run.cell) + np.array([max(0, xy, xz, xy + xz), max(0, yz), 0])
    text = io.StringIO()
    for frame in chosen:
        scaled = run.positions[frame] @ np.linalg.inv(run.cell)
        image = np.floor(scaled)
        inside = (scaled - image) @ run.cell
        data = {
            "id": np.arange(1, len(scaled) + 1),
            "type": np.array([TYPES[symbol] for symbol in run.symbols]),
            "element": np.array(run.symbols),
            "mass": np.array([{"Ba": 137.327, "F": 18.9984}[symbol] for symbol in run.symbols]),
        }
        for axis, name in enumerate("xyz"):
            data[name] = inside[:, axis] + origin[axis]
            data[f"{name}u"] = run.positions[frame][:, axis] + origin[axis]
            data[f"{name}s"] = (scaled - image)[:, axis]
            data[f"{name}su"] = scaled[:, axis]
            data[f"i{name}"] = np.nan_to_num(image[:, axis]).astype(int)
        rows = np.arange(len(scaled))[:n_atoms]
        if shuffle:
            rng.shuffle(rows)
        text.write(f"ITEM: TIMESTEP\n{50 * frame}\nITEM: NUMBER OF ATOMS\n{len(rows)}\n")
        text.write("ITEM: BOX BOUNDS xy xz yz pp pp pp\n")
        for bounds in zip(low, high, (xy, xz, yz), strict=True):
            text.write(" ".join(f"{value:.16e}" for value in bounds) + "\n")
        text.write(f"ITEM: ATOMS {columns}\n")
        wanted = [data[name] for name in columns.split()]
        for row in rows:
            words = (v[row] if v.dtype.kind in "iU" else format_ % v[row] for v in wanted)
            text.write(" ".join(map(str, words)) + "\n")
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.getvalue().encode()))
    else:
        path.write_text(text.getvalue())
    return path


def mdanalysis(path: Path, run: MadeRun, *, wrap: bool, start_ps: float = 0.0) -> Path:
    """Write DCD, XTC, TRR or NetCDF."""
    universe = MDAnalysis.Universe.empty(len(run.symbols), trajectory=True)
    # of DCD, which holds no times; elsewhere it would replace them
    dt = {"dt": INTERVAL_PS} if path.suffix == ".dcd" else {}
    with MDAnalysis.Writer(str(path), len(run.symbols), **dt) as writer:
        for number, (atoms, positions) in enumerate(zip(run.images, run.positions, strict=True)):
            universe.atoms.positions = atoms.positions if wrap else positions
            universe.dimensions = atoms.cell.cellpar()
            universe.trajectory.ts.frame = number
            universe.trajectory.ts.time = start_ps + number * INTERVAL_PS
            writer.write(universe.atoms)
    return path


def any_order(run: MadeRun) -> NDArray[np.intp]:
    """Return orders of atoms [frame, row] in which two anions trade places now and then."""
    rng = np.random.default_rng(7)
    anions = np.flatnonzero(np.array(run.symbols) == "F")
    orders = np.tile(np.arange(len(run.symbols)), (len(run.positions), 1))
    for frame in range(5, len(orders), 5):
        one, other = rng.choice(anions, size=2, replace=False)
        orders[frame:, [one, other]] = orders[frame:, [other, one]]
    return orders


def lammps_netcdf(path: Path, run: MadeRun) -> Path:
    """Write NetCDF as LAMMPS does: atoms in any order, with their ids."""
    n_atoms = len(run.symbols)
    sizes = {"frame": None, "spatial": 3, "atom": n_atoms, "cell_spatial": 3, "cell_angular": 3}
    columns: dict[str, tuple[str, tuple[str, ...], str]] = {
        "time": ("d", ("frame",), "picosecond"),
        "coordinates": ("d", ("frame", "atom", "spatial"), "angstrom"),
        "cell_lengths": ("d", ("frame", "cell_spatial"), "angstrom"),
        "cell_angles": ("d", ("frame", "cell_angular"), "degree"),
        "id": ("i", ("frame", "atom"), ""),
    }
    with netcdf_file(str(path), "w", version=2) as file:
        file.Conventions, file.ConventionVersion = b"AMBER", b"1.0"
        file.program, file.programVersion = b"LAMMPS", b"2"
        for name, size in sizes.items():
            file.createDimension(name, size)
        for name, (kind, dimensions, unit) in columns.items():
            variable = file.createVariable(name, kind, dimensions)
            if unit:
                variable.units = unit.encode()
        into = file.variables
        for frame, (atoms, order) in enumerate(zip(run.images, any_order(run), strict=True)):
            into["time"][frame] = frame * INTERVAL_PS
            into["coordinates"][frame] = atoms.positions[order]
            into["cell_lengths"][frame] = atoms.cell.cellpar()[:3]
            into["cell_angles"][frame] = atoms.cell.cellpar()[3:]
            into["id"][frame] = order + 1
    return path


def ovito_xyz(path: Path, run: MadeRun) -> Path:
    """Write extended XYZ as OVITO does: atoms in any order, with their ids."""
    text = io.StringIO()
    lattice = " ".join(f"{value:.12g}" for value in run.cell.ravel())
    for atoms, order in zip(run.images, any_order(run), strict=True):
        text.write(f'{len(atoms)}\nLattice="{lattice}" Properties=id:I:1:species:S:1:pos:R:3\n')
        for atom in order:
            place = " ".join(f"{x:.9f}" for x in atoms.positions[atom])
            text.write(f"{atom + 1} {run.symbols[atom]} {place}\n")
    path.write_text(text.getvalue())
    return path


def topology(path: Path, run: MadeRun) -> Path:
    """Write the first frame as CIF."""
    write(path, run.images[0])
    return path


def xdatcar(path: Path, run: MadeRun) -> Path:
    """Write an XDATCAR; the atoms come in blocks of one element."""
    counts = {symbol: run.symbols.count(symbol) for symbol in dict.fromkeys(run.symbols)}
    lines = ["made", "1.0", *(" ".join(f"{x:.12f}" for x in vector) for vector in run.cell)]
    lines += [" ".join(counts), " ".join(map(str, counts.values()))]
    for number, atoms in enumerate(run.images):
        lines.append(f"Direct configuration= {number + 1:5d}")
        lines += [" ".join(f"{x:11.8f}" for x in row) for row in atoms.get_scaled_positions()]
    path.write_text("\n".join(lines) + "\n")
    return path


def extxyz(path: Path, run: MadeRun) -> Path:
    """Write extended XYZ."""
    write(path, run.images, format="extxyz", columns=["symbols", "positions"])
    return path


def traj(path: Path, run: MadeRun) -> Path:
    """Write ASE's .traj."""
    with TrajectoryWriter(str(path)) as writer:
        for atoms in run.images:
            writer.write(atoms)
    return path


def vasprun(path: Path, run: MadeRun, incar: str = "") -> Path:
    """Write what is read of a vasprun.xml, with a time step of 2 fs, and more of INCAR."""

    def vectors(name: str, rows: Any) -> str:
        lines = "".join(f"<v>{' '.join(f'{x:.12f}' for x in row)}</v>" for row in rows)
        return f'<varray name="{name}">{lines}</varray>'

    def structure(atoms: ase.Atoms, name: str = "") -> str:
        crystal = f"<crystal>{vectors('basis', atoms.cell.array)}</crystal>"
        positions = vectors("positions", atoms.get_scaled_positions())
        return f"<structure{name}>{crystal}{positions}</structure>"

    images = run.images
    atoms = "".join(f"<rc><c>{symbol}</c><c>1</c></rc>" for symbol in run.symbols)
    names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    energies = "".join(f'<i name="{name}">0</i>' for name in names)
    energy = f"<energy>{energies}</energy>"
    calculations = "".join(
        f"<calculation><scstep>{energy}</scstep>{structure(image)}"
        f"{vectors('forces', np.zeros_like(image.positions))}{energy}</calculation>"
        for image in images
    )
    start = structure(images[0], ' name="initialpos"')
    path.write_text(
        '<?xml version="1.0"?><modeling><generator><i name="version">6</i></generator>'
        '<incar><i type="int" name="IBRION">0</i><i name="POTIM">2.0</i>'
        f"{incar}</incar>"
        f'<atominfo><array name="atoms"><set>{atoms}</set></array></atominfo>'
        f"{start}{calculations}</modeling>"
    )
    return path


Writer = Callable[[Path, MadeRun], dict[str, Any]]


def ways(folder: Path, run: MadeRun) -> dict[str, dict[str, Any]]:
    """Write the run in a dozen ways; return the arguments of `Trajectory.read` for each."""
    atoms = topology(folder / "start.cif", run)
    types: dict[str, Any] = {"elements": ELEMENTS, "frame_interval_ps": INTERVAL_PS}
    half = len(run.positions) // 2
    first = dump(folder / "one.dump", run, range(half + 1), columns="id type xu yu zu")
    second = dump(
        folder / "two.dump", run, range(half, len(run.positions)), columns="id type xu yu zu"
    )
    images = "id type x y z ix iy iz"
    interval = {"frame_interval_ps": INTERVAL_PS}
    return {
        "dump, wrapped": {"path": dump(folder / "w.dump", run), **types},
        "dump, image flags": {"path": dump(folder / "i.dump", run, columns=images), **types},
        "dump, unwrapped": {
            "path": dump(folder / "u.dump", run, columns="element id xu yu zu"),
            **interval,
        },
        "dump, unsorted": {
            "path": dump(folder / "r.dump", run, shuffle=True, columns="x y z mass id"),
            **interval,
        },
        "dump, scaled": {"path": dump(folder / "s.dump", run, columns="id type zs xs ys"), **types},
        "dump, scaled and unwrapped": {
            "path": dump(folder / "su.dump", run, columns="id type xsu ysu zsu"),
            **types,
        },
        "dump, scaled, images": {
            "path": dump(folder / "si.dump", run, columns="id type xs ys zs ix iy iz"),
            **types,
        },
        "dump, gzip": {"path": dump(folder / "z.dump.gz", run, shuffle=True), **types},
        "dump, two pieces": {"path": [first, second], **types},
        "dcd": {
            "path": mdanalysis(folder / "r.dcd", run, wrap=True),
            "topology": atoms,
            **interval,
        },
        "xtc": {"path": mdanalysis(folder / "r.xtc", run, wrap=True), "topology": atoms},
        "trr": {"path": mdanalysis(folder / "r.trr", run, wrap=False), "topology": atoms},
        "netcdf": {"path": mdanalysis(folder / "r.ncdf", run, wrap=False), "topology": atoms},
        "xdatcar": {"path": xdatcar(folder / "XDATCAR", run), **interval},
        "extxyz": {"path": extxyz(folder / "r.extxyz", run), **interval},
        "traj": {"path": traj(folder / "r.traj", run), **interval},
    }
