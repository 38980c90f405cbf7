"""What figures draw is what they were given."""

import numpy as np
import pandas as pd
import pytest

from llzo_helpers.analysis.networks.connectivity import rank_correlation
from llzo_helpers.analysis.networks.gop import counting_limit
from llzo_helpers.analysis.networks.resampling import Dependence
from llzo_helpers.analysis.order import pair_distributions
from llzo_helpers.analysis.structure_map import structure_map
from llzo_helpers.analysis.vibration import vibrational_density_of_states
from llzo_helpers.figures import figure3, order_parameter
from llzo_helpers.figures.structure_map import distance_figure, map_figure
from llzo_helpers.figures.style import log_ticks

SYSTEM = {
    "structure_potential": "wang2014",
    "melt_quench": None,
    "md_potential": "wang2014",
    "li_per_formula": 7.0,
    "volume_ratio": 1.0,
    "supercell": 1,
    "group": None,
}


def trace(figure, name):
    (found,) = [t for t in figure.data if t.name == name]
    return found


def test_spectrum_is_drawn_per_atom_against_both_units():
    velocities = np.random.default_rng(0).normal(size=(600, 4, 3))
    spectrum = vibrational_density_of_states(
        velocities, [16.0] * 4, time_step_fs=4.0, temperature_K=1000, resolution_THz=2.0
    )
    figure = figure3.figure_3b({"glass": spectrum}, {"glass": 4})
    drawn = trace(figure, "glass")
    integral = np.trapezoid(drawn.y, drawn.x)
    assert integral == pytest.approx(spectrum.degrees_of_freedom / 4)
    low, high = (np.array(figure.layout[axis].range) for axis in ("xaxis", "xaxis2"))
    np.testing.assert_allclose(high, low * 33.35641, rtol=1e-6)
    assert "2 THz" in figure.layout.meta["caption"]


def test_pairs_are_drawn_with_their_errors():
    positions = np.random.default_rng(0).uniform(0, 10, size=(20, 40, 3))
    pair = pair_distributions(positions, np.eye(3) * 10, ["O"] * 40, bin_width_A=0.5)["O", "O"]
    figure = figure3.figure_3c({"gas": pair})
    np.testing.assert_allclose(trace(figure, "gas").y, pair.values)
    band = figure.data[0].y
    np.testing.assert_allclose(band[: len(pair.radii)] - pair.values, pair.standard_error)


def test_order_parameter_of_one_network_that_equals_its_count():
    row = SYSTEM | {"phase": "crystal", "temperature_K": 900, "tracer_D_cm2_s": 1e-6}
    row |= {"tracer_D_std_cm2_s": 1e-7, "gop_k3": -65.0, "gop_k3_std": 0.0}
    row |= {"upper_bound": False, "tracer_D_limit_cm2_s": 1.2e-6}
    figure = figure3.figure_3a(pd.DataFrame([row | {"gop_k3_counting_limit": -65.0 + 1e-13}]))
    assert figure.layout.yaxis.range == pytest.approx((-71.5, -58.5))


def test_order_parameter_has_its_errors_and_its_count():
    table = pd.DataFrame(
        {
            **SYSTEM,
            "melt_quench": [None, None, "quick"],
            "phase": ["crystal", "crystal", "amorphous"],
            "temperature_K": [900, 1100, 1100],
            "tracer_D_cm2_s": [1e-6, 2e-6, 3e-6],
            "tracer_D_std_cm2_s": [1e-7] * 3,
            "upper_bound": False,
            "tracer_D_limit_cm2_s": [2e-6, 3e-6, 4e-6],
            "gop_k3": [-40.0, -45.0, -50.0],
            "gop_k3_std": [1.0, 2.0, 3.0],
            "gop_k3_counting_limit": [-41.0, -44.0, -52.0],
        }
    )
    figure = figure3.figure_3a(table)
    assert list(trace(figure, "C-Li7 100 % wang2014").error_y.array) == [1.0, 2.0]
    assert list(trace(figure, "(mean degree − ln n)³").y) == [-41.0, -44.0, -52.0]
    (volumes,) = (t for t in figure.data if t.mode == "text")
    assert [text.split("%")[0].strip() for text in volumes.text] == ["100"] * 3
    assert list(volumes.textposition) == ["top right"] * 3
    table["tracer_D_cm2_s"] = [1e-6, 1.2e-6, 3e-6]
    (volumes,) = (t for t in figure3.figure_3a(table).data if t.mode == "text")
    assert list(volumes.textposition) == ["top left", "top right", "top right"]
    table["upper_bound"] = [False, True, False]
    value, bound = (t for t in figure3.figure_3a(table).data if t.name == "C-Li7 100 % wang2014")
    assert (list(value.x), list(bound.x)) == ([1e-6], [3e-6])
    assert bound.error_x.array is None or np.isnan(bound.error_x.array).all()
    assert bound.marker.size > value.marker.size


def test_counting_lines_are_the_formula():
    curve = Dependence(np.array([5, 20]), np.array([-3.0, -20.0]), np.array([0.1, 0.2]))
    figure = order_parameter.counting_figure(
        {"a": curve}, {"a": -21.0}, {"a": np.array([-21.0, -22.0])}
    )
    line = trace(figure, "count alone, mean degree 0.5")
    np.testing.assert_allclose(line.y, counting_limit(line.x, mean_degree=0.5))


def test_predictors_stand_in_order_of_strength():
    x = np.arange(8)
    noisy = [1, 0, 3, 2, 5, 4, 6, 7]
    measures = {
        "weak": rank_correlation(x, [3, 1, 0, 2, 6, 7, 5, 4]),
        "strong": rank_correlation(x, -x),
        "middle": rank_correlation(x, noisy),
    }
    glasses = {"middle": rank_correlation(x, x)}
    figure = order_parameter.predictors_figure({"all systems": measures, "glasses": glasses})
    assert figure.layout.yaxis.ticktext == ("weak", "middle", "strong")
    of_all, of_glasses = figure.data
    np.testing.assert_allclose(of_all.x[-1], -1)
    assert of_all.text[-1] == "strong, all systems: −1.00"
    # beside the same measure over all
    assert round(of_glasses.y[0]) == round(of_all.y[1]) == 1


def test_map_has_a_point_for_each_frame():
    features = np.random.default_rng(0).normal(size=(12, 5))
    of_map = structure_map(features, components=2)
    scores = of_map.project(features)
    figure = map_figure(
        of_map,
        {"melt": scores[:2]},
        {"ours": scores[2:5]},
        {"quench": (scores[5:], np.linspace(3000, 500, 7))},
    )
    np.testing.assert_allclose(trace(figure, "ours").x, scores[2:5, 0])
    np.testing.assert_allclose(trace(figure, "quench").y, scores[5:, 1])
    # in each panel, and once in the legend
    everywhere = [t for t in figure.data if t.name == "melt"]
    assert [t.showlegend for t in everywhere] == [True, False]
    np.testing.assert_allclose([t.y for t in everywhere], [scores[:2, 1]] * 2)
    assert trace(figure, "quench").marker.color[0] == figure.layout.coloraxis.cmax == 3000


def test_distances_are_drawn_as_cumulative_fractions():
    values = np.random.default_rng(0).lognormal(size=(50, 10))
    figure = distance_figure({"crystal": values / 9}, {"glass": values}, "Zr")
    drawn = trace(figure, "glass")
    assert np.interp(np.median(values), drawn.x, drawn.y) == pytest.approx(0.5, abs=0.01)
    assert drawn.y[-1] == 1


def test_ticks_in_full():
    assert log_ticks(4, 130) == [5, 10, 20, 50, 100]
    assert log_ticks(0.05, 1) == [0.05, 0.1, 0.2, 0.5, 1]
