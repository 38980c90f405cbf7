"""Each argument of each public function, replaced by what it cannot be."""

import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest

import llzo_helpers
from llzo_helpers.errors import InputError, clipped
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.potentials import POTENTIALS

POSITIONS = np.cumsum(np.random.default_rng(0).normal(0, 0.1, (200, 4, 3)), axis=0)
CELL = np.diag([9.0, 9.0, 9.0])
FRAMEWORK = np.array([[0.0, 0, 0], [4.5, 4.5, 0], [4.5, 0, 4.5], [0, 4.5, 4.5], [4.5, 4.5, 4.5]])
RUN = {
    "structure": Path("structure"),
    "potential": llzo_helpers.load_potential("bush1994_woodley1999"),
    "temperature_K": 300.0,
    "seed": 1,
    "settings": MDSettings(equilibration_ps=1, production_ps=1, segment_ps=1),
}


def _energy(directory: Any, **options: Any) -> float:
    atoms = ase.Atoms("LiO", [[0, 0, 0], [1.9, 0, 0]], cell=CELL, pbc=True)
    atoms.calc = llzo_helpers.HDNNPCalculator(directory, **options)
    return float(atoms.get_potential_energy())


CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "HDNNPCalculator": (
        _energy,
        {
            "directory": POTENTIALS / "hdnnp_sevennet0",
            "length_unit": 1.0,
            "energy_unit": 1.0,
            "skin": 2.0,
            "threads": 1,
        },
    ),
    "Trajectory": (
        llzo_helpers.Trajectory,
        {"source": "run", "stage": "production", "frame_interval_ps": 0.1},
    ),
    "Trajectory.read": (
        llzo_helpers.Trajectory.read,
        {"path": "no.dcd", "topology": None, "frame_interval_ps": 0.1},
    ),
    "crystal": (
        llzo_helpers.crystal,
        {"li_per_formula": 6.25, "volume_ratio": 1.0, "supercell": 1, "seed": 1, "draws": 1},
    ),
    "fit_arrhenius": (
        llzo_helpers.fit_arrhenius,
        {
            "temperature_K": [700.0, 900.0, 1100.0],
            "D_cm2_s": [1e-6, 5e-6, 1e-5],
            "D_std_cm2_s": [1e-7, 2e-7, 5e-7],
            "upper_bound": [False, False, False],
        },
    ),
    "graph_order_parameter": (
        llzo_helpers.graph_order_parameter,
        {"network": np.array([[0, 0.5], [0.5, 0]]), "exponent": 3, "bins": None},
    ),
    "landmark_analysis": (
        llzo_helpers.landmark_analysis,
        {
            "positions": np.concatenate(
                [np.broadcast_to(FRAMEWORK, (200, 5, 3)), POSITIONS + 2], axis=1
            ),
            "cell": CELL,
            "mobile": [False] * 5 + [True] * 4,
            "clustering": "dotprod",
            "seeds": None,
            "cutoff_midpoint": 1.5,
            "clustering_threshold": 0.45,
            "assignment_threshold": 0.8,
            "expansion": 2,
            "window_frames": 50,
            "engine": "native",
        },
    ),
    "load_campaign": (llzo_helpers.load_campaign, {"name": "quick"}),
    "load_potential": (llzo_helpers.load_potential, {"name": "bush1994_woodley1999"}),
    "mean_squared_displacement": (
        llzo_helpers.mean_squared_displacement,
        {"positions": POSITIONS, "lags": [0, 1, 5]},
    ),
    "pair_distribution": (
        llzo_helpers.pair_distribution,
        {
            "positions": POSITIONS,
            "cell": CELL,
            "species": ["Li", "Li", "O", "O"],
            "central": "Li",
            "neighbour": "O",
            "r_max_A": 4.0,
            "bin_width_A": 0.1,
        },
    ),
    "run_md": (llzo_helpers.run_md, {"directory": Path("run"), **RUN}),
    "tracer_diffusion_coefficient": (
        llzo_helpers.tracer_diffusion_coefficient,
        {
            "positions": POSITIONS,
            "frame_interval_ps": 0.1,
            "fit_window": (0.1, 0.5),
            "jump_length_A": 1.0,
        },
    ),
    "vibrational_density_of_states": (
        llzo_helpers.vibrational_density_of_states,
        {
            "velocities": POSITIONS,
            "masses": [6.94, 6.94, 16.0, 16.0],
            "time_step_fs": 4.0,
            "temperature_K": 300.0,
            "resolution_THz": 4.0,
            "highest_frequency_THz": 40.0,
        },
    ),
}

WRONG = [
    *(None, True, 0, -1, 1.5, 10**9, 10**400, 1e-320, 1e200, np.nan, np.inf, 1j),
    *("", "x", "a\0b", "x" * 5000, "\ud800", b"x", "~nobody/x"),
    *([], [1], [[1], [2, 3]], ["a", "b", "c"], [None] * 3, [np.nan] * 3, [1e300] * 3, [[1, 2, 3]]),
    *({"a": 1}, object(), np.zeros((3, 0)), np.full((200, 4, 3), 1e200)),
]


def test_all_are_called():
    assert {name.partition(".")[0] for name in CALLS} == set(llzo_helpers.__all__)


@pytest.mark.parametrize(
    ("name", "argument"), [(name, key) for name, (_, given) in CALLS.items() for key in given]
)
def test_wrong_values_are_refused_in_one_line(
    name: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    function, given = CALLS[name]
    for value in WRONG:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            signal.alarm(300)  # the first call of a kernel compiles it
            try:
                function(**{**given, argument: value})
            except InputError as error:
                assert len(str(error)) < 300
            except Exception as error:
                pytest.fail(f"{argument} = {clipped(value)}: {type(error).__name__}: {error}")
            finally:
                signal.alarm(0)
