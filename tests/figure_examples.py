"""Each registered figure, drawn of made-up results for the systems of a campaign."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from llzo_helpers.analysis.diffusion import TracerDiffusion, tracer_diffusion_coefficient
from llzo_helpers.analysis.drift import FrameworkDrift
from llzo_helpers.analysis.factorial import decompose
from llzo_helpers.analysis.networks.connectivity import rank_correlation
from llzo_helpers.analysis.networks.resampling import Dependence
from llzo_helpers.analysis.order import BondAngles, CoordinationNumbers, PairDistribution
from llzo_helpers.analysis.sites import SuperbasinScan, Survival
from llzo_helpers.analysis.sites.density import Surface
from llzo_helpers.analysis.structure_map import structure_map
from llzo_helpers.analysis.vibration import VibrationalDensityOfStates
from llzo_helpers.campaign.crossover import Switch
from llzo_helpers.campaign.diffusion import analyse_arrhenius, combine
from llzo_helpers.campaign.labels import run_label, run_name_in_system, run_title, system_label
from llzo_helpers.campaign.model import Campaign, Run
from llzo_helpers.campaign.paper import paper_values_for
from llzo_helpers.campaign.preparation import GLASS_COLUMNS
from llzo_helpers.campaign.site_panels import DensityPanel, VolumePanel
from llzo_helpers.campaign.site_sensitivity import SensitivityPoint
from llzo_helpers.campaign.tables import run_columns, system_columns
from llzo_helpers.figures import (
    amorphous,
    crossover,
    diffusion,
    figure3,
    order_parameter,
    site_figures,
)
from llzo_helpers.figures.figure1 import figure_1a, figure_1b
from llzo_helpers.figures.figure2 import figure_2
from llzo_helpers.figures.figure4 import figure_4
from llzo_helpers.figures.figure5 import figure_5
from llzo_helpers.figures.framework import framework_figure
from llzo_helpers.figures.glass_networks import glass_network_figure
from llzo_helpers.figures.looks import Look, run_looks, system_looks
from llzo_helpers.figures.structure_map import distance_figure, map_figure

PAIRS = [(a, b) for a in ("Li", "La", "Zr", "O") for b in ("Li", "La", "Zr", "O")]
RADII = np.linspace(1, 6, 50)


class Examples:
    """Results that differ from run to run, and the figures of them."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign, self.rng = campaign, np.random.default_rng(0)
        self.runs = campaign.runs
        hot = [run for run in self.runs if run.temperature_K == campaign.order.temperature_K]
        self.compared = [run for run in hot if run.replica == 1]
        self.labels = [run_label(run) for run in self.compared]
        self.looks = run_looks(dict(zip(self.labels, self.compared, strict=True)))
        walk = self.rng.normal(size=(300, 20, 3)).cumsum(axis=0)
        self.walk: TracerDiffusion = tracer_diffusion_coefficient(walk, 0.1)
        self.names = {run.name: run_title(run) for run in self.runs}
        self.table = pd.DataFrame([self.row(run) for run in self.runs])

    def row(self, run: Run) -> dict[str, object]:
        D = float(10 ** self.rng.uniform(-7, -4.5)) * np.exp(-2000 / run.temperature_K)
        columns = {"tracer_D": D, "jump_D": 2 * D, "uncorrelated_D": 4 * D, "network_D": 2 * D}
        values = {f"{name}_cm2_s": value for name, value in columns.items()}
        values |= {f"{name}_std_cm2_s": value / 5 for name, value in columns.items()}
        theta = float(self.rng.uniform(-150, -20))
        return (
            run_columns(run)
            | values
            | {
                "upper_bound": bool(self.rng.random() < 0.3),
                "tracer_D_limit_cm2_s": 1.3 * D,
                "paper_D_cm2_s": 1.2 * D,
                "stationary": True,
                "gop_k3": theta,
                "gop_k3_std": 5.0,
                "gop_k3_counting_limit": theta + 1,
                "critical_rate_per_ps": 1e3 * D,
                "back_jump_fraction": 0.6,
                "back_jump_fraction_std": 0.03,
                "back_jump_lowest": 0.5,
                "back_jump_highest": 0.7,
            }
        )

    def pair(self) -> PairDistribution:
        values = 1 + self.rng.uniform(0, 2) * np.exp(-RADII) * np.sin(5 * RADII)
        return PairDistribution(RADII, values, np.full(50, 0.05), RADII)

    def dependence(self) -> Dependence:
        amounts = np.array([5, 20, 80, 300])
        return Dependence(amounts, -self.rng.uniform(0.5, 1) * amounts**0.6, amounts**0.3)

    def glasses(self, names: Sequence[str]) -> dict[str, dict[tuple[str, str], PairDistribution]]:
        return {name: {pair: self.pair() for pair in PAIRS} for name in names}

    def panels(self) -> list[VolumePanel]:
        kinds, times = np.repeat(["24d", "48g"], [24, 48]), self.rng.uniform(0.1, 9, 72)
        return [VolumePanel(name, self.rng.normal(5, 1, 72), times, kinds) for name in self.labels]

    def site_looks(self) -> dict[str, Look]:
        return run_looks({self.names[run.name]: run for run in self.runs})

    def system_table(self) -> pd.DataFrame:
        first = self.table[self.table["replica"] == 1]
        return first[first["temperature_K"] == self.campaign.order.temperature_K]

    # the figures, under the names that they are registered by

    def figure_1a(self) -> go.Figure:
        table = self.system_table()
        crystals = table[table["phase"] == "crystal"]
        temperature = table["temperature_K"].iloc[0]
        return figure_1a(
            table, paper_values_for(self.campaign), temperature, amorphised=crystals[:1]
        )

    def figure_1b(self) -> go.Figure:
        table = self.system_table().assign(E_a_eV=0.3, E_a_std_eV=0.05)
        return figure_1b(table, paper_values_for(self.campaign))

    def arrhenius(self) -> go.Figure:
        combined = combine(self.table)
        return diffusion.arrhenius_figure(combined, analyse_arrhenius(combined)[1])

    def msd(self) -> go.Figure:
        systems: dict[str, dict[str, TracerDiffusion]] = {}
        for run in self.runs[:12]:
            system = systems.setdefault(system_label(system_columns(run)), {})
            system[run_name_in_system(run)] = self.walk
        return diffusion.msd_figure(systems, system_looks(self.campaign))

    def running_diffusion(self) -> go.Figure:
        results = dict.fromkeys(list(self.names.values())[:12], self.walk)
        return diffusion.running_diffusion_figure(results, self.site_looks())

    def glass_rows(self) -> pd.DataFrame:
        glasses = self.table[self.table["phase"] == "amorphous"]
        return pd.concat([glasses.assign(age_ps=age) for age in (10.0, 20.0)])

    def ageing(self) -> go.Figure:
        return diffusion.ageing_figure(self.glass_rows(), self.site_looks())

    def ageing_lags(self) -> go.Figure:
        rows = self.glass_rows()
        lags = pd.concat([rows.assign(lag_ps=lag) for lag in (0.1, 1.0, 5.0)])
        whole = dict.fromkeys(self.names, self.walk)
        return diffusion.ageing_lags_figure(lags, whole, self.names, self.site_looks())

    def preparation(self) -> go.Figure:
        made = self.glass_rows().drop_duplicates(GLASS_COLUMNS)[GLASS_COLUMNS][:2]
        changes = {
            "lag": "lags of 10 → 100 ps",
            "made": "quench_K_ps 5 → 200, relax_cell no → yes",
        }
        numbers = {"factor": 0.5, "factor_low_95": 0.3, "factor_high_95": 0.9}
        rows = [
            made.assign(effect=effect, change=change, **numbers)
            for effect, change in changes.items()
        ]
        return amorphous.preparation_figure(pd.concat(rows))

    def framework(self) -> go.Figure:
        times = np.arange(10.0)
        curves = dict.fromkeys(self.names.values(), (times, times / 20))
        return framework_figure(curves, self.site_looks())

    def figure_2(self) -> go.Figure:
        tetrahedron = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
        surface = Surface(tetrahedron, np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3]]))
        times = np.array([0.1, 1.0, 5.0, 9.0])
        return figure_2(
            [DensityPanel(name, surface, times, np.eye(3), 4.0) for name in self.labels]
        )

    def figure_4(self) -> go.Figure:
        return figure_4(self.panels())

    def figure_5(self) -> go.Figure:
        return figure_5(self.panels(), n_samples=100)

    def survival(self) -> go.Figure:
        time = np.linspace(0, 9, 20)
        kinds = ("24d", "48g", "other", "3-fold", "5-fold", "tetrahedral")
        curves = {
            kind: Survival(time, np.exp(-time / (1 + i)), np.full(20, 0.01))
            for i, kind in enumerate(kinds)
        }
        return site_figures.survival_figure(dict.fromkeys(self.labels, curves), self.looks)

    def superbasins(self) -> go.Figure:
        rates = np.geomspace(10, 0.01, 20)
        count = np.arange(20)
        scan = SuperbasinScan(rates, 20 - count, count + 1, np.where(count > 9, 3, 0))
        scans, sizes = dict.fromkeys(self.labels, scan), dict.fromkeys(self.labels, 20)
        return site_figures.superbasin_figure(scans, sizes, self.looks)

    def site_sensitivity(self) -> go.Figure:
        quantities = ("number of sites", "residence time 24d (ps)", "back-jumps (%)")
        points = [
            SensitivityPoint(name, method, threshold, dict.fromkeys(quantities, threshold), {})
            for name in self.labels[:2]
            for method in ("known sites", "dotprod", "dotprod, joining at 0.45", "mcl")
            for threshold in (0.7, 0.8)
        ]
        return site_figures.sensitivity_figure(points, self.looks)

    def jump_diffusion(self) -> go.Figure:
        return site_figures.jump_diffusion_figure(self.system_table())

    def back_jumps(self) -> go.Figure:
        table = self.system_table()
        return site_figures.back_jump_figure(table, paper_values_for(self.campaign))

    def figure_3a(self) -> go.Figure:
        return figure3.figure_3a(self.table)

    def figure_3a_densities(self) -> go.Figure:
        return glass_network_figure(self.table)

    def gop_counting(self) -> go.Figure:
        return order_parameter.counting_figure(
            {name: self.dependence() for name in self.labels},
            dict.fromkeys(self.labels, -80.0),
            dict.fromkeys(self.labels, np.array([-82.0, -81.0])),
            self.looks,
        )

    def gop_length(self) -> go.Figure:
        curves = {name: self.dependence() for name in self.labels}
        return order_parameter.length_figure(curves, dict.fromkeys(self.labels, 0.1), self.looks)

    def predictors(self) -> go.Figure:
        x = np.arange(8)
        found = {
            over: {
                name: rank_correlation(x, self.rng.permutation(8))
                for name in ("critical rate", "order parameter, binned, normalised")
            }
            for over in ("all systems", "glasses", "crystals")
        }
        return order_parameter.predictors_figure(found)

    def figure_3b(self) -> go.Figure:
        frequency = np.linspace(0, 60, 200)
        spectrum = VibrationalDensityOfStates(
            frequency, np.exp(-frequency / 9), np.full(200, 0.01), 1.0, 9.0, 0.1, 5
        )
        spectra, atoms = dict.fromkeys(self.labels, spectrum), dict.fromkeys(self.labels, 1)
        return figure3.figure_3b(spectra, atoms, self.looks)

    def figure_3c(self) -> go.Figure:
        pairs = {name: self.pair() for name in self.labels}
        return figure3.figure_3c(pairs, looks=self.looks)

    def angles_O_Zr_O(self) -> go.Figure:
        degrees = np.arange(0.5, 180)
        density = np.exp(-(((degrees - 90) / 10) ** 2)) / 20
        angles = BondAngles(degrees, density, density, 1000)
        return figure3.angles_figure(dict.fromkeys(self.labels, angles), looks=self.looks)

    def structure_map(self) -> go.Figure:
        features = self.rng.normal(size=(30, 5))
        of_map = structure_map(features, components=2)
        scores = of_map.project(features)
        temperatures = np.linspace(3000, 500, 10)
        return map_figure(
            of_map,
            {"crystal": scores[:5], "melt": scores[5:10]},
            dict.fromkeys(self.labels, scores[10:20]),
            {"quench": (scores[20:], temperatures), "quench, CIP": (scores[20:], temperatures)},
            self.looks,
        )

    def distance_from_crystal(self) -> go.Figure:
        systems = {name: self.rng.lognormal(size=50) for name in self.labels}
        reference = {name: self.rng.lognormal(size=50) for name in ("crystal", "glass", "melt")}
        return distance_figure(reference, systems, "Zr", self.looks)

    def glass_pair_distributions(self) -> go.Figure:
        stages = self.glasses(("crystal", "melt", "glass"))
        return amorphous.pair_distribution_figure(stages, "a glass", "bush1994_woodley1999")

    def glass_coordination(self) -> go.Figure:
        bonds = [("Li", "O"), ("La", "O"), ("Zr", "O")]
        stages = {
            stage: {
                bond: CoordinationNumbers(2.5, self.rng.integers(3, 9, size=(5, 20)))
                for bond in bonds
            }
            for stage in ("crystal", "melt", "glass")
        }
        return amorphous.coordination_figure(stages, "a glass", "hdnnp_sevennet0")

    def crossover(self) -> go.Figure:
        glasses = self.table[self.table["phase"] == "amorphous"]
        first = glasses[glasses["replica"] == 1]
        return crossover.crossover_figure(first, first["temperature_K"].iloc[0])

    def effects(self) -> go.Figure:
        found = decompose([[1e-8, 1e-7]], [[1e-9, 1e-8]], [[2e-8, 2e-7]], [[2e-9, 2e-8]])
        return crossover.effects_figure({"Li6.25 112 %": found, "Li7 112 %": found})

    def switches(self) -> go.Figure:
        times = np.linspace(0, 30, 40)
        displacement = {"La": times / 30, "Zr": times / 40, "O": times / 20}
        drift = FrameworkDrift(times, displacement, times / 30)
        pairs = {pair: self.pair() for pair in PAIRS}
        return crossover.switch_figure(
            [
                Switch(run, times, np.exp(-times) / 10, drift, pairs, pairs)
                for run in self.compared
                if run.phase == "amorphous"
            ]
        )


def drawn(campaign: Campaign, names: Sequence[str]) -> dict[str, go.Figure]:
    """Return the figures of a campaign by their names."""
    examples = Examples(campaign)
    draw: dict[str, Callable[[], go.Figure]] = {name: getattr(examples, name) for name in names}
    return {name: function() for name, function in draw.items()}
