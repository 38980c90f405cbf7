"""ASE and MDAnalysis behind a guard: what they raise, and what they take a file for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llzo_helpers.errors import InputError

FRAMES = frozenset(
    {"aims-output", "castep-castep", "castep-geom", "castep-md", "dlp-history", "dmol-arc"}
    | {"espresso-out", "extxyz", "gpaw-out", "json", "nwchem-out", "onetep-out"}
    | {"qbox", "traj", "vasp-out", "vasp-xdatcar", "vasp-xml", "xsf"}
)
"""ASE's names of formats that may hold frames of molecular dynamics."""
STRUCTURES = FRAMES | frozenset(
    {"aims", "castep-cell", "cfg", "cif", "dlp4", "espresso-in", "gen", "gromacs", "gromos"}
    | {"lammps-data", "magres", "proteindatabank", "rmc6f", "siesta-xv", "struct_out", "vasp"}
    | {"xsd"}
)
"""ASE's names of formats that hold a structure."""
NAMES_ONLY = frozenset({"dlp4", "gromacs", "gromos", "proteindatabank"})
"""Those of which ASE takes elements from the names of atoms, where CA may be calcium or carbon."""


@contextmanager
def reading(name: str, remedy: str) -> Iterator[None]:
    """Raise InputError, naming the file, for whatever a library raises about it."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{name}: cannot be read ({words}); {remedy}") from None


def ase_format(path: Path, known: frozenset[str]) -> str | None:
    """Return ASE's name of a file's format; None if it is not among those `known`.

    ASE goes by names such as ``*.restart``, and never ends with files that are something else.
    """
    # imported here: it is slow, and most formats do without
    from ase.io.formats import filetype

    try:
        kind = filetype(str(path))
    except Exception:
        return None
    return kind if kind in known else None
