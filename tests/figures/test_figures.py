"""What the figures show of tables and runs that are known."""

import ase
import numpy as np
import pandas as pd
import pytest

from llzo_helpers.analysis.factorial import decompose
from llzo_helpers.analysis.order import coordination_numbers, pair_distributions
from llzo_helpers.campaign import model
from llzo_helpers.campaign.paper import paper_values
from llzo_helpers.campaign.site_panels import VolumePanel
from llzo_helpers.errors import InputError
from llzo_helpers.figures.amorphous import (
    coordination_figure,
    pair_distribution_figure,
    quench_figure,
)
from llzo_helpers.figures.crossover import crossover_figure, effects_figure
from llzo_helpers.figures.figure1 import figure_1a, figure_1b
from llzo_helpers.figures.figure4 import figure_4
from llzo_helpers.figures.figure5 import figure_5
from llzo_helpers.figures.finish import numbers
from llzo_helpers.figures.register import load_figure, load_figures, save_figure
from llzo_helpers.figures.residence_colour import ResidenceColour
from llzo_helpers.figures.structure import structure_figure
from llzo_helpers.figures.thermo import thermo_figure
from llzo_helpers.figures.volume_histograms import volume_histograms
from llzo_helpers.files import write_json
from llzo_helpers.generate.crystal import crystal

SYSTEM = {
    "phase": "crystal",
    "structure_potential": np.nan,
    "melt_quench": np.nan,
    "md_potential": "bush1994_woodley1999",
    "li_per_formula": 6.25,
    "supercell": 1,
    "temperature_K": 1100,
}


CIP, ML = "CIP", "ML"


def traces(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


def test_figure_1_has_a_curve_for_each_size_and_the_papers_beside_it():
    rows = [
        {
            **SYSTEM,
            "volume_ratio": ratio,
            "supercell": n,
            "tracer_D_cm2_s": n * ratio * 1e-5,
            "tracer_D_std_cm2_s": 1e-6,
            "E_a_eV": 0.3,
            "E_a_std_eV": 0.02,
        }
        for n in (1, 2)
        for ratio in (1.12, 1.01)
    ]
    table, paper = pd.DataFrame(rows), paper_values()
    drawn = traces(figure_1a(table, paper[paper["md_potential"] == "CIP"], 1100))
    ours = [trace for name, trace in drawn.items() if not name.startswith("paper")]
    np.testing.assert_allclose([trace.x for trace in ours], [[101, 112]] * 2)
    np.testing.assert_allclose(ours[1].y, np.multiply(2e-5, [1.01, 1.12]))
    theirs = drawn["paper: C-Li6.25 CIP"]
    assert theirs.y[np.argmin(np.abs(np.subtract(theirs.x, 101)))] == 2.88e-5
    assert set(traces(figure_1b(table, paper))) > {trace.name for trace in ours}


def test_the_crossover_is_drawn_with_errors_and_its_decomposition():
    rows = [
        {
            **SYSTEM,
            "phase": "amorphous",
            "structure_potential": origin,
            "md_potential": md,
            "volume_ratio": 1.12,
            "temperature_K": 700,
            "tracer_D_cm2_s": D,
            "tracer_D_std_cm2_s": D / 10,
            "upper_bound": False,
            "tracer_D_limit_cm2_s": 1.2 * D,
            "paper_D_cm2_s": 1.1 * D,
        }
        for origin, md, D in (
            ("bush1994_woodley1999", "bush1994_woodley1999", 1e-8),
            ("bush1994_woodley1999", "hdnnp_sevennet0", 1e-7),
            ("hdnnp_sevennet0", "bush1994_woodley1999", 2e-8),
            ("hdnnp_sevennet0", "hdnnp_sevennet0", 2e-7),
        )
    ]
    drawn = traces(crossover_figure(pd.DataFrame(rows), 700))
    ours = drawn[f"{ML} structures with {CIP}"]
    assert (list(ours.y), list(ours.error_y.array)) == ([2e-8], [2e-9])
    assert list(drawn[f"paper: {ML} structures with {CIP}"].y) == pytest.approx([2.2e-8])
    assert len(drawn) == 8
    # the colour is the potential that ran, the marker whose structure it is
    same = drawn[f"{CIP} structures with {CIP}"].marker
    assert same.color == ours.marker.color
    assert same.symbol != ours.marker.symbol
    effects = decompose([[1e-8, 1e-7]], [[1e-9, 1e-8]], [[2e-8, 2e-7]], [[2e-9, 2e-8]])
    bars = effects_figure({"a → b": effects})
    values = np.concatenate([np.ravel(trace.x) for trace in bars.data])
    assert {2.0, 10.0} <= {round(float(value), 6) for value in values if value is not None}


def test_glasses_are_drawn_stage_by_stage():
    atoms = crystal(li_per_formula=6.25, seed=1)
    symbols = atoms.get_chemical_symbols()
    rng = np.random.default_rng(0)
    frames = atoms.positions + rng.normal(scale=0.05, size=(6, *atoms.positions.shape))
    pairs = pair_distributions(frames, atoms.cell.array, symbols)
    stages = dict.fromkeys(("crystal", "melt", "glass"), pairs)
    figure = pair_distribution_figure(stages, "a glass")
    assert set(traces(figure)) == set(stages)
    numbers = {
        ("Zr", "O"): coordination_numbers(
            frames, atoms.cell.array, symbols, central="Zr", neighbour="O", cutoff_A=2.6
        )
    }
    bars = coordination_figure(dict.fromkeys(stages, numbers), "a glass")
    heights = dict(zip(bars.data[0].x, bars.data[0].y, strict=True))
    assert heights[6] == pytest.approx(1)
    energy = pd.DataFrame({"temperature_K": [3000, 500], "potential_energy_eV_atom": [-7.0, -7.5]})
    assert list(quench_figure(energy).data[0].y) == [-7.0, -7.5]


def test_a_structure_shows_each_atom():
    atoms = ase.Atoms("LiOZrLa", np.eye(4, 3) * 3, cell=[9, 9, 9], pbc=True)
    points = [trace for trace in structure_figure(atoms).data if trace.mode == "markers"]
    assert sum(len(trace.x) for trace in points) == 4


def test_thermo_shows_temperature_and_energies():
    thermo = pd.DataFrame(
        {
            "time_ps": [1.0, 2.0],
            "temperature_K": [1090.0, 1110.0],
            "potential_energy_eV": [-100.0, -101.0],
            "conserved_energy_eV": [-90.0, -90.1],
            "pressure_bar": [1.0, 2.0],
        }
    )
    figure = thermo_figure(thermo, 10, 1100)
    assert any(list(trace.y) == [1090.0, 1110.0] for trace in figure.data if trace.y is not None)


def test_bars_of_volumes_count_sites():
    panel = VolumePanel(
        "x",
        np.array([3.01, 3.02, 5.05, np.nan]),
        np.array([1.0, 3.0, 2.0, 1.0]),
        np.array(["a"] * 4),
    )
    figure = volume_histograms([panel], quantity="Volume", caption="")
    assert list(figure.data[0].y) == [2, 1]
    # no bar is cut at the frame
    low, high = figure.layout.xaxis.range
    width = figure.data[0].width
    assert low < min(figure.data[0].x) - width / 2
    assert high > max(figure.data[0].x) + width / 2
    # from the mean of the rates, 1 and 1/3 per ps
    np.testing.assert_allclose(figure.data[0].customdata, [1.5, 2.0])


def test_figures_share_a_scale_of_residence_times_whose_ends_have_ticks():
    scale = ResidenceColour.covering([0.07, 30.0, np.inf, np.nan])
    assert (scale.shortest, scale.longest) == (0.05, 50)
    bar = scale.axis["colorbar"]
    assert (bar["ticktext"][0], bar["ticktext"][-1]) == ("0.05", "50")
    panel = VolumePanel("x", np.array([3.0, 4.0]), np.array([1.0, 2.0]), np.array(["a", "a"]))
    for figure in (figure_4([panel], colour=scale), figure_5([panel], n_samples=9, colour=scale)):
        assert figure.layout.coloraxis.cmax == np.log10(50)
    assert ResidenceColour.covering([2.0]).longest == 5


@pytest.fixture
def quick(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    return model.load_campaign("quick")


def test_figures_are_saved_under_their_names_and_others_refused(quick):
    table = pd.DataFrame([{**SYSTEM, "volume_ratio": 1.0, "E_a_eV": 0.3, "E_a_std_eV": 0.02}])
    figure = figure_1b(table, paper_values())
    save_figure(quick, figure)
    save_figure(quick, figure, of="b")
    save_figure(quick, figure, of="a")
    assert len(load_figures(quick, "figure_1b")) == 3
    assert sorted(path.name for path in (quick.directory / "figures").iterdir()) == [
        "figure_1b-a.json",
        "figure_1b-b.json",
        "figure_1b.json",
    ]
    saved = load_figures(quick, "figure_1b")[0]
    for one, other in zip(saved.data, figure.data, strict=True):
        np.testing.assert_allclose(numbers(one.y), numbers(other.y), rtol=1e-6)
    with pytest.raises(InputError, match="not registered"):
        save_figure(quick, structure_figure(crystal(li_per_formula=6.25, seed=1)))


@pytest.mark.parametrize("text", ['{"layout":{"meta":5},"data":[]}', "[" * 100_000, "5", "{}"])
def test_a_damaged_figure_says_what_to_do(quick, tmp_path, text):
    path = tmp_path / "figure_1a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"figure_1a\.json: .*run "):
        load_figure(path, quick)


@pytest.mark.parametrize("meta", [5, None, {}])
def test_a_figure_without_a_record_of_what_made_it(quick, tmp_path, meta):
    path = tmp_path / "figure_1a.json"
    write_json(path, {"data": [], "layout": {"meta": meta}})
    with pytest.raises(InputError, match=r"figure_1a\.json: not a figure .*run its notebook again"):
        load_figure(path, quick)


def test_a_figure_drawn_with_other_settings_is_not_shown(quick, tmp_path):
    table = pd.DataFrame([{**SYSTEM, "volume_ratio": 1.0, "E_a_eV": 0.3, "E_a_std_eV": 0.02}])
    save_figure(quick, figure_1b(table, paper_values()))
    path = quick.directory / "figures" / "figure_1b.json"
    assert load_figure(path, quick).layout.meta["name"] == "figure_1b"
    window = quick.diffusion.model_copy(update={"fit_window": (0.2, 0.4)})
    with pytest.raises(InputError, match=r"figure_1b\.json: made with diffusion\.fit_window"):
        load_figure(path, quick.model_copy(update={"diffusion": window}))
