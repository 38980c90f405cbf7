"""What several tests share: a small structure, short settings, a finished run of real LAMMPS."""

import os
from collections import Counter
from pathlib import Path

import pytest
from short_run import SHORT, STRUCTURE

from llzo_helpers.generate.crystal import crystal
from llzo_helpers.md.chain import run_md
from llzo_helpers.potentials import Potential, load_potential
from llzo_helpers.structures import write_structure

# analyses of several runs stay in the process whose folder of results a test has changed
os.environ["LOKY_MAX_CPU_COUNT"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests take longest, so that no process is left with one."""
    long = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -long[item.path])


@pytest.fixture(scope="session")
def structure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a one-cell crystal."""
    directory = tmp_path_factory.mktemp("structure")
    write_structure(crystal(li_per_formula=6.25, seed=1), directory, {"made by": "tests"})
    return directory


@pytest.fixture(scope="session")
def potential() -> Potential:
    """The default potential."""
    return load_potential("bush1994_woodley1999")


@pytest.fixture(scope="session")
def finished_run(
    tmp_path_factory: pytest.TempPathFactory, structure: Path, potential: Potential
) -> Path:
    """Folder of an undisturbed run with settings `SHORT`; not to be changed."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    run_md(
        directory,
        structure=structure,
        potential=potential,
        temperature_K=1100,
        seed=7,
        settings=SHORT,
    )
    return directory


@pytest.fixture(scope="session")
def by_hand(tmp_path_factory: pytest.TempPathFactory, potential: Potential) -> Path:
    """Folder of a run of a structure with the provenance that notebook 01 writes."""
    folder = tmp_path_factory.mktemp("by_hand")
    atoms = crystal(li_per_formula=6.25, volume_ratio=1.01, seed=3)
    made_with = STRUCTURE.model_dump() | {"seed": 3, "glass_seed": 1}
    write_structure(atoms, folder / "structure", {"parameters": made_with})
    run_md(
        folder / "run",
        structure=folder / "structure",
        potential=potential,
        temperature_K=1300,
        seed=7,
        settings=SHORT,
    )
    return folder / "run"
