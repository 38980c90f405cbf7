"""Which reader a file needs: by its name, and by its first words."""

from pathlib import Path

from llzo_helpers.errors import InputError
from llzo_helpers.trajectory.ase_files import AseTrajectoryReader, read_with_ase
from llzo_helpers.trajectory.elements import Elements
from llzo_helpers.trajectory.extxyz import ExtxyzReader
from llzo_helpers.trajectory.lammps import DumpReader
from llzo_helpers.trajectory.readers import Reader
from llzo_helpers.trajectory.text import TextFile
from llzo_helpers.trajectory.vasp import XdatcarReader, read_vasprun

_BINARY = (".dcd", ".xtc", ".trr", ".nc", ".ncdf", ".netcdf")
_PDB = (".pdb", ".ent")
_DUMP = (".dump", ".lammpstrj", ".lammpsdump")
_PLAIN_TEXT = (b"ITEM: ",)


def open_reader(path: Path, elements: Elements | None, topology: Path | None) -> Reader:
    """Return the reader for a file; InputError if there is none or it cannot read the file."""
    if not path.is_file():
        raise InputError(f"{path}: not found; check the name")
    if not path.stat().st_size:
        raise InputError(f"{path}: empty; give a file that has frames")
    if topology is not None and not topology.is_file():
        raise InputError(f"{topology}: not found; check topology")
    name = path.name.lower().removesuffix(".gz")
    suffix = Path(name).suffix
    if suffix in _BINARY or suffix in _PDB:
        # imported here: it is slow, and other formats do without
        from llzo_helpers.trajectory.mdanalysis import read_mdanalysis

        return read_mdanalysis(path, elements, topology or (path if suffix in _PDB else None))
    dump = suffix in _DUMP or _first_bytes(path).startswith(_PLAIN_TEXT)
    if topology is not None and not dump:
        raise InputError(f"{path}: states its elements itself; leave topology out")
    if suffix == ".traj":
        return AseTrajectoryReader(path)
    if dump:
        return DumpReader(path, elements, topology)
    if name.startswith("xdatcar"):
        return XdatcarReader(path)
    if suffix in (".xyz", ".extxyz"):
        return ExtxyzReader(path)
    if suffix == ".xml":
        return read_vasprun(path)
    return read_with_ase(path)


def _first_bytes(path: Path) -> bytes:
    return TextFile(path).read(0, 64)
