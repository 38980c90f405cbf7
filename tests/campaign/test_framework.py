"""The state of the framework in a campaign's runs: words, tables, marks and figures."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from llzo_helpers.campaign.framework import (
    FrameworkState,
    departures,
    framework_summary,
    framework_table,
    framework_warnings,
    run_framework,
    vacated_curves,
)
from llzo_helpers.campaign.model import Run
from llzo_helpers.campaign.paper import paper_values
from llzo_helpers.figures.figure1 import figure_1a
from llzo_helpers.figures.framework import framework_figure
from llzo_helpers.figures.glass_networks import glass_network_figure
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.generate.settings import Structure


@dataclass(frozen=True)
class Frames:
    """Frames in memory, with what the state of a framework is made of."""

    positions: NDArray[np.float64]
    symbols: NDArray[np.str_]
    cell: NDArray[np.float64]
    frame_interval_ps: float = 0.1

    def __len__(self) -> int:
        return len(self.positions)

    def thinned(self, at_most: int) -> NDArray[np.float64]:
        return self.positions[:: -(-len(self) // at_most)]


def state(volume_ratio: float, *, collapse: bool) -> FrameworkState:
    atoms = crystal(li_per_formula=7.0, volume_ratio=volume_ratio, seed=1)
    rng = np.random.default_rng(0)
    positions = atoms.positions + 0.15 * rng.standard_normal((240, len(atoms), 3))
    if collapse:
        cations = np.flatnonzero(np.isin(atoms.symbols, ["La", "Zr"]))
        positions[120:, cations] = (rng.random((len(cations), 3)) * atoms.cell.lengths())[None]
    run = Run(
        structure=Structure(li_per_formula=7.0, volume_ratio=volume_ratio),
        md_potential="hdnnp_sevennet0",
        temperature_K=1100,
    )
    symbols = np.array(atoms.get_chemical_symbols())
    return run_framework(run, Frames(positions, symbols, atoms.cell.array))


@pytest.fixture(scope="module")
def states() -> list[FrameworkState]:
    return [state(1.0, collapse=False), state(1.3, collapse=True)]


def test_a_crystal_that_is_none_any_more_says_since_when(states):
    stands, collapses = states
    assert stands.garnet_stands
    assert stands.mark == ""
    assert not collapses.garnet_stands
    assert collapses.verdict == "amorphised at 12 ps"
    assert collapses.mark == " (amorphised at 12 ps)"


def test_tables_tell_verdict_and_motion_of_each_element(states):
    table = framework_table(states)
    assert table["framework"].tolist() == ["crystal", "amorphised at 12 ps"]
    assert table["unexpected"].tolist() == [False, True]
    assert table["vacated_first"].tolist() == [0, 0]
    assert table["vacated_last"].iloc[1] > 0.5
    summary = framework_summary(table)
    assert {f"D of {element} (10⁻⁸ cm²/s)" for element in ("La", "Zr", "O")} <= set(summary)
    assert summary["La and Zr sites vacated (%)"].iloc[0] == "0 → 0"


def test_glasses_with_bonded_oxygen_are_told_apart(states):
    table = framework_table([replace(states[0], oxygen_bonds=bonds) for bonds in (0, 2, np.nan)])
    table["run"] = ["a", "b", "c"]
    table["phase"] = "amorphous"
    table["structure_potential"] = table["md_potential"]
    assert departures(table, table) == "1 of 3 with bonded oxygen"
    ((run, words),) = framework_warnings(table)
    assert run == "b"
    assert words.startswith("oxygen is bonded in the structure")
    assert words.endswith("closer than 1.8 Å, of which LLZO has none: 2")
    flowing = table.assign(framework="liquid", unexpected=True)
    assert departures(flowing, flowing) == "2 of 3 liquid, 1 of 3 liquid with bonded oxygen"
    assert len([run for run, _ in framework_warnings(flowing) if run == "b"]) == 2
    # as tables of older code are
    assert not framework_warnings(table.drop(columns="oxygen_bonds"))


def test_curves_are_drawn_for_each_run_that_leaves_positions(states):
    curves = vacated_curves(states)
    stands, collapses = curves
    assert not curves[stands][1].any()
    (trace,) = framework_figure({collapses: curves[collapses]}).data
    assert trace.name == collapses == "C-Li7 130 % ML, 1100 K"
    assert trace.y[-1] > 50


def test_an_amorphised_crystal_is_crossed_out_in_figure_1():
    rows = pd.DataFrame(
        {
            "phase": "crystal",
            "structure_potential": None,
            "md_potential": "hdnnp_sevennet0",
            "li_per_formula": 7.0,
            "supercell": 1,
            "melt_quench": None,
            "volume_ratio": [1.0, 1.3],
            "temperature_K": 1100.0,
            "tracer_D_cm2_s": [1e-5, 4e-6],
            "tracer_D_std_cm2_s": 1e-6,
            "tracer_D_limit_cm2_s": [1.2e-5, 6e-6],
            "upper_bound": False,
        }
    )
    figure = figure_1a(rows, paper_values(), 1100.0, amorphised=rows[1:])
    (crossed,) = [trace for trace in figure.data if trace.marker.symbol == "x-thin"]
    assert list(crossed.x) == [130.0]
    assert list(crossed.y) == [4e-6]


def test_glasses_are_drawn_by_density():
    table = pd.DataFrame(
        {
            "phase": ["amorphous"] * 6 + ["crystal"],
            "structure_potential": ["bush1994_woodley1999"] * 3 + ["hdnnp_sevennet0"] * 3 + [None],
            "md_potential": ["bush1994_woodley1999"] * 3 + ["hdnnp_sevennet0"] * 3 + ["x"],
            "li_per_formula": 6.25,
            "supercell": 1,
            "melt_quench": None,
            "volume_ratio": [1.05, 1.10, 1.15] * 2 + [1.0],
            "temperature_K": 1100.0,
            "tracer_D_cm2_s": np.arange(1, 8) * 1e-6,
            "tracer_D_std_cm2_s": 1e-7,
            "gop_k3": -np.arange(1, 8) * 10.0,
            "gop_k3_std": 1.0,
            "network_D_std_cm2_s": 2e-7,
            "network_D_cm2_s": [0, 2e-6, 3e-6, 4e-6, 5e-6, 6e-6, 7e-6],
            "critical_rate_per_ps": [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        }
    )
    figure = glass_network_figure(table)
    drawn = [list(trace.y) for trace in figure.data]
    # D and the order parameter on one panel, each potential at three densities
    assert [1e-6, 2e-6, 3e-6] in [np.round(y, 9).tolist() for y in drawn]
    assert [-40.0, -50.0, -60.0] in drawn
    assert all(len(trace.x) == 3 for trace in figure.data)
    # what does not percolate has no network D
    assert any(np.isnan(y[0]) for y in drawn)
