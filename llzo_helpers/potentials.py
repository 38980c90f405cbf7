"""Interatomic potentials: folders of `potentials/`, each with a `potential.yaml`."""

import functools
import importlib
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from llzo_helpers.errors import InputError, clipped
from llzo_helpers.files import sha256
from llzo_helpers.garnet import ELEMENTS
from llzo_helpers.paths import POTENTIALS
from llzo_helpers.schema import Model, Pair, load_yaml, validate

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

_LONGEST_NAME = 60
_NO_PART = re.compile(r".*\.md|\..*|.*~|#.*#")
"""Names of files that are no part of a potential."""


class TrustedRange(Model):
    """Where a potential was fitted, used or tested; outside, results are extrapolations."""

    li_per_formula: Pair[float, float] | None = None
    volume_ratio: Pair[float, float] | None = None
    temperature_K: Pair[float, float] | None = None
    shortest_distance_A: dict[str, float] | None = None
    """By pair of elements, the closest atoms that it was fitted to or tested on."""


class Potential(Model):
    """A potential as its `potential.yaml` describes it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str
    directory: Path
    description: str
    kind: Literal["lammps", "hdnnp", "ase"]
    """`lammps`: `potential.lmp` is all that a standard LAMMPS needs. `hdnnp`: the folder also holds
    n2p2's files. `ase`: forces come from `calculator`."""
    calculator: str | None = None
    """Of kind `ase`: import path of the calculator's class, or of a function that makes one."""
    calculator_options: dict[str, Any] = Field(default_factory=dict)
    """Its arguments; `./file` is a file of the potential's folder."""
    max_extrapolations: Annotated[int, Field(ge=0)] | None = None
    """Of kind `hdnnp`: a run stops when more symmetry functions of one frame lie outside the range
    of the training data."""
    elements: Annotated[list[str], Field(min_length=1)]
    units: Literal["metal"] = "metal"
    citation: Annotated[list[str], Field(min_length=1)]
    licence: str
    paper_label: Literal["CIP", "ML"] | None = None
    """The paper's name for it, if its results are to be compared with the paper's."""
    short_name: str | None = None
    """For labels of figures and tables; by default the paper's name."""
    trusted_range: TrustedRange = TrustedRange()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.kind == "ase") != (self.calculator is not None):
            raise ValueError(
                f"calculator: kind = {self.kind}: "
                + ("missing; name one" if self.kind == "ase" else "only 'ase' has one; remove it")
            )
        if self.max_extrapolations is not None and self.kind != "hdnnp":
            raise ValueError(f"max_extrapolations: kind = {self.kind}: only 'hdnnp' counts them")
        for key, limits in self.trusted_range:
            if isinstance(limits, tuple) and limits[0] > limits[1]:
                raise ValueError(f"trusted_range.{key} = {list(limits)}: give the lower one first")
        return self

    def require_elements(self, symbols: Collection[str]) -> None:
        """Raise InputError if the potential lacks one of the elements `symbols`."""
        if missing := sorted(set(symbols) - set(self.elements)):
            raise InputError(
                f"{self.directory / 'potential.yaml'}: elements = {self.elements}: the structure "
                f"also holds {', '.join(missing)}; choose a potential that covers them"
            )

    def warnings(self, conditions: dict[str, float]) -> list[str]:
        """Return which conditions lie outside the trusted range, in words."""
        ranges = self.trusted_range.model_dump()
        return [
            f"{key} = {value:g} is outside the range {low:g} to {high:g} trusted for {self.name}"
            for key, value in conditions.items()
            if (limits := ranges[key]) is not None
            for low, high in [limits]
            if not low - 1e-9 <= value <= high + 1e-9
        ]

    def files(self) -> list[Path]:
        """Return all files of the folder that the potential consists of, sorted.

        Notes (`.md`) are none of them, nor what an editor leaves: hidden files and backups.
        """
        return sorted(
            path
            for path in self.directory.iterdir()
            if path.is_file() and not _NO_PART.fullmatch(path.name)
        )

    def sha256(self) -> dict[str, str]:
        """Return the SHA-256 of each file, by which a run detects changes."""
        return {path.name: sha256(path) for path in self.files()}


def make_calculator(potential: Potential) -> "Calculator":
    """Return the ASE calculator that a potential of kind `ase` names.

    Raises
    ------
    InputError
        If the package of the calculator is not installed, its options are wrong, or the potential
        is of another kind.
    """
    source = potential.directory / "potential.yaml"
    if potential.calculator is None:
        raise InputError(f"{source}: kind = {potential.kind}: must be ase, with a calculator")
    module, _, name = potential.calculator.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise InputError(
            f"{source}: calculator = {potential.calculator}: {error}; install its package, or "
            "correct the name"
        ) from None
    options = {
        key: str(potential.directory / value)
        if isinstance(value, str) and value.startswith("./")
        else value
        for key, value in potential.calculator_options.items()
    }
    try:
        calculator = factory(**options)
    except (Exception, SystemExit) as error:  # whatever another package raises
        raise InputError(f"{source}: calculator_options: {error}") from None
    if not hasattr(calculator, "get_potential_energy"):
        raise InputError(
            f"{source}: calculator = {clipped(potential.calculator)}: makes a "
            f"{type(calculator).__name__}; name the class of a calculator of ASE"
        )
    return calculator


def short_name(potential: str, folder: Path = POTENTIALS) -> str:
    """Return a potential's `short_name`, or else the paper's name for it, if no other has it.

    Otherwise, or if it has none, the potential's own name: short names are unique.
    """
    label = _label(potential, folder)
    others = [path.parent.name for path in folder.glob("*/potential.yaml")]
    others.remove(potential)
    taken = {*others, *(_label(other, folder) for other in others)}
    return label if label and label not in taken else potential


def _label(potential: str, folder: Path) -> str | None:
    described = load_potential(potential, folder)
    return described.short_name or described.paper_label


def load_potential(name: str, folder: Path = POTENTIALS) -> Potential:
    """Read the potential `name` of a folder of potentials.

    Raises
    ------
    InputError
        If there is no such folder, or its `potential.yaml` is wrong.
    """
    directory = folder / str(name)
    path = directory / "potential.yaml"
    if len(directory.name) > _LONGEST_NAME or not path.is_file():
        available = sorted(p.parent.name for p in folder.glob("*/potential.yaml"))
        raise InputError(
            f"{folder}: no potential {clipped(name)}; available: {', '.join(available) or 'none'}"
        )
    state = path.stat()
    potential = _read(directory, (state.st_mtime_ns, state.st_size, state.st_ino))
    if not (directory / "potential.lmp").is_file():
        raise InputError(f"{directory / 'potential.lmp'}: not found; a potential needs this file")
    return potential


@functools.lru_cache(maxsize=64)
def _read(directory: Path, state: tuple[int, ...]) -> Potential:
    """Read a `potential.yaml` again only if it has changed: a campaign asks for each run."""
    path = directory / "potential.yaml"
    values = load_yaml(path)
    for key in ("name", "directory"):
        if key in values:
            raise InputError(f"{path}: {key}: a potential is named by its folder; remove this key")
    return validate(Potential, {**values, "name": directory.name, "directory": directory}, path)


def _existing_potential(name: str) -> str:
    # part of the names of folders and jobs
    if len(name) > _LONGEST_NAME or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError("must be the name of a folder of potentials/: letters, digits, . _ -")
    potential = load_potential(name)
    potential.require_elements(ELEMENTS)
    return potential.name


PotentialName = Annotated[str, AfterValidator(_existing_potential)]
