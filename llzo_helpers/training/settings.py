"""How a potential is trained: a file of `parameters/training/`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from llzo_helpers.paths import PARAMETERS
from llzo_helpers.schema import Model, Pair, Positive, Temperature, load_yaml, validate

Phase = Literal["crystal", "tetragonal", "amorphous"]
Range = Pair[float, float]


class PhaseSampling(Model):
    """Runs of one phase; each draws its conditions from these ranges."""

    phase: Phase
    runs: Annotated[int, Field(ge=1)]
    """Runs of the first round."""
    further_runs: Annotated[int, Field(ge=0)]
    """Runs of each further round, with the network."""
    li_per_formula: Annotated[list[float], Field(min_length=1)]
    volume_ratio: Range
    temperature_K: Pair[Temperature, Temperature]
    """Of a crystal's run; of an amorphous one, from that of the melt to the end of the quench."""
    duration_ps: Positive
    """Of the part from which frames are taken."""
    frames: Annotated[int, Field(ge=1)]
    """Frames taken of each run, evenly spread."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        low, high = self.volume_ratio
        if not 0 < low <= high:
            raise ValueError(f"volume_ratio = [{low:g}, {high:g}]: give a low and a high value")
        return self


class Sampling(Model):
    """Where the structures come from."""

    potential: str
    """Runs the first round, and superheats the crystals that become melts."""
    phases: Annotated[list[PhaseSampling], Field(min_length=1)]
    warm_up_ps: Positive = 1.0
    superheat_K: Temperature = 6000.0
    superheat_ps: Positive = 5.0
    rattled: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Fraction of the frames of the first round whose atoms are all displaced at random."""
    close_pairs: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Fraction of the frames of the first round in which two atoms are pushed together."""


class Rounds(Model):
    """The loop of active learning."""

    labels: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Structures labelled in each round; those of the first come from the classical potential."""
    close_pairs: Annotated[int, Field(ge=0)] = 0
    """Structures labelled after the rounds in which a pair of atoms is squeezed."""


class FunctionPool(Model):
    """Symmetry functions to choose from; all radial and angular ones for each (pair of) element."""

    cutoff_A: Positive
    radial: Annotated[list[Pair[float, float]], Field(min_length=1)]
    """eta (1/Å^2) and shift (Å) of the Gaussians of radial functions (type 2)."""
    angular: Annotated[list[Pair[float, float]], Field(min_length=1)]
    """eta and shift of the angular functions (type 9), each with every zeta and lambda = ±1."""
    zeta: Annotated[list[int], Field(min_length=1)]
    per_element: Annotated[int, Field(ge=1)]
    """Functions chosen for each element."""
    structures: Annotated[int, Field(ge=1)] = 48
    """Labelled structures by which they are chosen."""


class Repulsion(Model):
    """Of the nuclei (ZBL), in addition to the network: see `llzo_helpers.hdnnp.repulsion`."""

    inner_A: Positive
    """Where switching off begins."""
    outer_A: Positive
    """Where it has vanished."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.inner_A >= self.outer_A:
            raise ValueError(f"outer_A = {self.outer_A:g}: must be greater than inner_A")
        return self


class Fit(Model):
    """Networks and their optimisation."""

    hidden_layers: Annotated[list[int], Field(min_length=1)]
    committee: Annotated[int, Field(ge=2)] = 3
    """Number of networks with different initial weights between rounds; the one with the least
    held-out error runs the next round's molecular dynamics."""
    force_atoms: Annotated[int, Field(ge=1)] = 12
    """Atoms of each element and structure whose forces are fitted in an epoch, drawn at random."""
    energy_weight: Positive
    """Weight of (error of energy per atom / eV)^2 against (error of force / (eV/Å))^2."""
    large_force_eV_A: Positive = 3.0
    """Errors of forces well above this count relative to the force."""
    learning_rate: Positive = 3e-3
    batch: Annotated[int, Field(ge=1)] = 4
    round_epochs: Annotated[int, Field(ge=1)]
    """How often a fit between rounds goes through all structures."""
    epochs: Annotated[int, Field(ge=1)]
    """The same for the last fit."""
    largest_force_eV_A: Positive = 60.0
    """Structures with larger forces are not fitted: no reference is valid there."""
    shortest_distance_A: Positive = 0.95
    """Structures with atoms closer than this, where the reference may not repel them, are neither
    fitted nor tested."""
    largest_tested_force_eV_A: Positive = 20.0
    """Structures with larger forces are not used for tests: in their runs, atoms have fused."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Fraction of the structures that are never fitted."""


class Training(Model):
    """Everything that makes a potential."""

    seed: int
    reference: str
    """Folder in `potentials/` of the calculator that labels, of kind `ase`."""
    sampling: Sampling
    rounds: Rounds
    functions: FunctionPool
    repulsion: Repulsion
    fit: Fit


class TrainParameters(Model):
    """Parameters of notebook 00."""

    training: str
    """Name of a file in `parameters/training/`, and of the folder made in `potentials/`; or the
    path of one."""
    output: str
    """Folder for samples, labels and fits."""
    labels: str
    """File of labels to start from, from `pack_labels`; empty to calculate all."""
    motion_ps: Positive
    """Length of the runs that test the conservation of energy."""
    compare: bool
    """Also relax crystals with the reference; this takes half an hour on a core."""
    reference_ps: Annotated[float, Field(ge=0)]
    """Length of the runs with the reference whose structure is compared; half an hour on a core
    for each picosecond. 0 omits them."""
    diffusion_ps: Annotated[float, Field(ge=0)]
    """Length of the runs of cubic Li7 whose diffusion is compared with public values; 0: none."""
    publish_to: str
    """Folder of `potentials/` to write; empty to write none."""


def load_training(name: str) -> Training:
    """Read a file of `parameters/training/`, given by its name or path.

    Raises
    ------
    InputError
        If it is missing or wrong.
    """
    path = Path(name) if name.endswith(".yaml") else PARAMETERS / "training" / f"{name}.yaml"
    return validate(Training, load_yaml(path), path)
