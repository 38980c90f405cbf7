"""The site analysis of a campaign: its tables, files and figures, on the reference trajectory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from ase.data import chemical_symbols
from numpy.typing import NDArray

from llzo_helpers.analysis.sites import (
    back_jumps,
    find_stays,
    jump_statistics,
    jump_table,
)
from llzo_helpers.campaign.model import Campaign, Run, load_campaign
from llzo_helpers.campaign.paper import paper_values
from llzo_helpers.campaign.paper_sites import definitions_of_run
from llzo_helpers.campaign.settings import SiteSettings
from llzo_helpers.campaign.site_analysis import analyse_sites
from llzo_helpers.campaign.site_files import network_as_json, save_sites
from llzo_helpers.campaign.site_panels import (
    VolumePanel,
    density_panel,
    nearest_crystals,
    superbasin_scans,
    survival_curves,
    volume_panels,
)
from llzo_helpers.campaign.site_sensitivity import sensitivity
from llzo_helpers.campaign.site_tables import (
    compare_back_jumps,
    kind_table,
    missed_jumps,
    run_table,
    site_table,
    strongest_flux,
    warning_table,
)
from llzo_helpers.campaign.sites import RunSites, analyse_run, ranges_over_definitions
from llzo_helpers.campaign.storage import in_few_bits
from llzo_helpers.errors import InputError
from llzo_helpers.figures.figure2 import figure_2
from llzo_helpers.figures.figure4 import figure_4
from llzo_helpers.figures.figure5 import figure_5
from llzo_helpers.figures.residence_colour import ResidenceColour
from llzo_helpers.figures.site_figures import (
    back_jump_figure,
    jump_diffusion_figure,
    sensitivity_figure,
    superbasin_figure,
    survival_figure,
)
from llzo_helpers.generate.settings import Structure
from llzo_helpers.lab.explorers import explore_density

DATA = Path(__file__).parents[1] / "data" / "sites"


@dataclass(frozen=True)
class MemoryTrajectory:
    """The reference trajectory, with what `llzo_helpers.md.trajectory.Trajectory` offers."""

    positions: NDArray[np.float32]
    symbols: NDArray[np.str_]
    cell: NDArray[np.float64]
    frame_interval_ps: float
    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def thinned(self, at_most: int) -> NDArray[np.float32]:
        return self.positions[:: -(-len(self) // at_most)]

    def chunks(self, frames: int = 1000) -> Iterator[NDArray[np.float32]]:
        for begin in range(0, len(self), frames):
            yield self.positions[begin : begin + frames]


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory: pytest.TempPathFactory) -> MemoryTrajectory:
    data = np.load(DATA / "trajectory.npz", allow_pickle=False)
    directory = tmp_path_factory.mktemp("run")
    (directory / "run.json").write_text("{}")
    return MemoryTrajectory(
        positions=data["positions"],
        symbols=np.array([chemical_symbols[number] for number in data["numbers"]]),
        cell=data["cell"],
        frame_interval_ps=float(data["frame_interval"]),
        files=(directory / "run.json",),
    )


@pytest.fixture(scope="module")
def system(trajectory: MemoryTrajectory) -> RunSites:
    run = Run(
        structure=Structure(li_per_formula=7.0),
        md_potential="bush1994_woodley1999",
        temperature_K=1100,
    )
    return analyse_run(run, trajectory, SiteSettings(hull_samples=100))


@pytest.fixture(scope="module")
def table(system: RunSites) -> pd.DataFrame:
    diffusion = pd.DataFrame(
        {
            "run": [system.run.name],
            "tracer_D_cm2_s": [3.0e-5],
            "tracer_D_std_cm2_s": [0.3e-5],
            "upper_bound": [False],
            "tracer_D_limit_cm2_s": [3.6e-5],
        }
    )
    return run_table([system], diffusion)


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.setattr("llzo_helpers.campaign.model.RESULTS", tmp_path)
    return load_campaign("smoke")


class TestTables:
    def test_a_row_per_run(self, system, table):
        row = table.iloc[0]
        assert row["n_sites"] == 72
        assert row["percolation_rank"] == 3
        assert row["back_jump_fraction"] == pytest.approx(0.64, abs=0.02)
        assert row["n_jumps"] == len(jump_table(system.stays))
        # neighbouring 24d and 48g are a/8 to a/6 apart
        assert 13.0 / 8 < row["jump_distance_A"] < 13.0 / 6
        assert row["tracer_D_cm2_s"] < row["jump_D_cm2_s"] < row["uncorrelated_D_cm2_s"]

    def test_a_run_that_was_finished_after_notebook_03(self, system):
        with pytest.raises(InputError, match=f"no run {system.name}; run notebook 03 again"):
            run_table([system], pd.DataFrame(columns=["run"]))

    def test_a_run_without_jumps_has_no_correlation(self, system):
        still = replace(system, diffusion=replace(system.diffusion, D_cm2_s=0.0))
        diffusion = pd.DataFrame(
            {
                "run": [system.run.name],
                "tracer_D_cm2_s": [1e-9],
                "tracer_D_std_cm2_s": [1e-9],
                "upper_bound": [True],
                "tracer_D_limit_cm2_s": [3e-9],
            }
        )
        row = run_table([still], diffusion).iloc[0]
        assert np.isnan(row["memory_correlation"])
        assert np.isnan(row["memory_correlation_std"])

    def test_the_factors_of_diffusion_multiply(self, table):
        row = table.iloc[0]
        product = (
            row["uncorrelated_D_cm2_s"] * row["network_correlation"] * row["memory_correlation"]
        )
        assert product == pytest.approx(row["tracer_D_cm2_s"])
        # 10 % of the tracer's D alone
        assert row["memory_correlation_std"] / row["memory_correlation"] >= 0.1

    def test_a_row_per_kind(self, system):
        kinds = kind_table([system]).set_index("kind")
        assert kinds["n_sites"].to_dict() == {"24d": 24, "48g": 48}
        assert kinds.at["24d", "residence_time_ps"] == pytest.approx(0.27, abs=0.01)
        assert kinds.at["24d", "static_volume_A3"] < kinds.at["48g", "static_volume_A3"]
        assert (kinds["residence_time_std_ps"] < 0.1 * kinds["residence_time_ps"]).all()
        total = (kinds["n_sites"] * kinds["occupancy"]).sum()
        assert total == pytest.approx(56, abs=0.2)

    def test_occupancy_is_of_the_time_that_a_site_exists(self, system):
        analysis = system.analysis
        (epoch,) = analysis.epochs
        half = len(epoch) // 2
        halves = (replace(epoch, stop=half), replace(epoch, start=half))
        exists = np.repeat(analysis.exists, 2, axis=0)
        exists[0, ::3] = False
        rearranged = replace(system, analysis=replace(analysis, epochs=halves, exists=exists))
        whole, sites = site_table(system), site_table(rearranged)
        assert sites["occupancy"][::3].to_list() == pytest.approx(
            2 * whole["occupancy"][::3], rel=0.01
        )
        kinds = kind_table([rearranged]).set_index("kind")["occupancy"]
        assert kinds.to_dict() == pytest.approx(sites.groupby("kind")["occupancy"].mean().to_dict())

    def test_back_jumps_beside_the_paper(self, table):
        row = {**table.iloc[0], "volume_ratio": 1.01, "li_per_formula": 6.25}
        compared = compare_back_jumps(pd.DataFrame([row]))
        assert compared.at[0, "paper_percent"] == 64
        elsewhere = compare_back_jumps(table)
        assert np.isnan(elsewhere.at[0, "paper_percent"])

    def test_the_known_sites_of_a_garnet_are_all_there(self, system, trajectory):
        assert system.seeded
        assert system.framework.verdict == "crystal"
        assert np.unique(system.kinds, return_counts=True)[1].tolist() == [24, 48]
        found = analyse_run(
            system.run, trajectory, SiteSettings(hull_samples=100, crystal_sites="found")
        )
        assert not found.seeded
        # what is known and what is found agree where the crystal is not strained
        assert found.analysis.n_sites == 72
        assert found.returns.fraction == pytest.approx(system.returns.fraction, abs=0.03)

    def test_residence_times_depend_on_definitions(self, system):
        kinds = kind_table([system]).set_index("kind")
        for kind, (low, high) in system.ranges.residence_ps.items():
            time, error = (kinds.at[kind, f"residence_time_{x}ps"] for x in ("", "std_"))
            assert low <= time * (1 + 1e-9)
            # a minimum stay of four frames hides the short ones
            assert high > time + 5 * error
            assert kinds.at[kind, "residence_time_highest_ps"] == high

    def test_definitions_of_back_jumps_spread(self, system, table):
        low, high = system.ranges.back_jumps
        assert low <= system.returns.fraction <= high
        assert high - low > system.returns.standard_error
        assert table["back_jump_lowest"].item() == low

    @pytest.mark.parametrize("minimum_stay", [1, 4, 20])
    def test_the_range_is_around_the_minimum_stay_as_given(self, system, minimum_stay):
        sites = system.analysis
        stays = find_stays(sites.assignments, sites.n_sites, minimum_frames=minimum_stay)
        ranges = ranges_over_definitions(
            sites.assignments,
            sites.confidences,
            sites.assignments,
            0.9,
            system.kinds,
            system.frame_interval_ps,
            minimum_stay,
        )
        low, high = ranges.back_jumps
        assert low <= back_jumps(stays).fraction <= high
        statistics = jump_statistics(stays, system.frame_interval_ps)
        for kind, (shortest, longest) in ranges.residence_ps.items():
            time, _ = statistics.pooled_residence_time_ps(system.kinds == kind)
            assert shortest <= time <= longest

    def test_a_run_with_a_minimum_stay_reports_what_is_in_its_range(self, system, trajectory):
        short = replace(trajectory, positions=trajectory.positions[:300])
        settings = SiteSettings(hull_samples=20, minimum_stay_ps=1.0)
        found = analyse_run(system.run, short, settings)
        low, high = found.ranges.back_jumps
        assert low <= found.returns.fraction <= high

    def test_missed_jumps_are_bounded_by_the_network(self):
        assert missed_jumps(2e-6, 8e-6) == pytest.approx(0.75)
        assert missed_jumps(2e-5, 8e-6) == 0.0
        assert np.isnan(missed_jumps(2e-5, 0.0))

    def test_the_paper_s_definitions_beside_ours(self, system, trajectory):
        settings = SiteSettings(hull_samples=100)
        rows = pd.DataFrame(definitions_of_run(system, trajectory, settings))
        order = rows[rows["quantity"] == "accessible volumes, hull of all positions"]
        assert set(order["paper"]) == {"octahedral smaller than tetrahedral"}
        # which sites seem larger is a matter of the clustering
        assert order.set_index("clustering")["agrees"].to_dict() == {
            "known sites": "no",
            "mcl": "yes",
        }
        assert set(rows["differs"]) == {"one cell instead of 2x2x2"}
        signs = np.sign(order.set_index("clustering")["value"])
        assert signs.to_dict() == {"known sites": 1, "mcl": -1}
        assert (order["value_std"] > 0).all()

    def test_warnings(self, system, table):
        assert warning_table([system], {}, table).empty
        melted = warning_table([], {"a run": "it melted"}, table)
        assert melted.to_dict("records") == [{"run": "a run", "warning": "it melted"}]


@pytest.mark.parametrize("n_frames", [1, 2])
def test_too_few_frames_are_refused(system, trajectory, n_frames):
    short = replace(trajectory, positions=trajectory.positions[:n_frames])
    with pytest.raises(InputError, match="give at least 24 frames"):
        analyse_run(system.run, short, SiteSettings())


class TestFiles:
    def test_what_is_written_can_be_read_back(self, campaign, system):
        save_sites(campaign, system)
        folder = campaign.directory / "sites" / system.run.name
        sites = pd.read_csv(folder / "sites.csv")
        assert len(sites) == 72
        assert sites["residence_time_ps"].to_numpy() == pytest.approx(
            system.statistics.residence_time_ps
        )
        network = nx.node_link_graph(
            json.loads((folder / "network.json").read_text()), edges="edges"
        )
        assert set(network.edges) == set(system.network.edges)
        assert all(len(data["shift"]) == 3 for _, _, data in network.edges(data=True))
        kept = np.load(folder / "assignments.npz", allow_pickle=False)
        assert np.array_equal(kept["assignments"], system.analysis.assignments)
        provenance = json.loads((folder / "provenance.json").read_text())
        assert provenance["settings"]["clustering"] == "dotprod"

    @pytest.mark.parametrize(("n_sites", "bits"), [(72, 16), (2**15, 16), (36_864, 32)])
    def test_numbers_of_sites_fit(self, n_sites, bits):
        assignments = np.array([[n_sites - 1, -1]], dtype=np.int32)
        written = in_few_bits(assignments, least=16)
        assert written.tolist() == assignments.tolist()
        assert written.dtype == f"int{bits}"

    def test_a_network_with_a_site_that_nobody_leaves_is_json(self):
        graph = nx.DiGraph()
        graph.add_node(0, residence_time_ps=float("inf"), position=np.zeros(3))
        text = json.dumps(network_as_json(graph), allow_nan=False)
        assert json.loads(text)["nodes"][0]["residence_time_ps"] is None

    def test_a_campaign_without_finished_runs_says_what_to_do(self, campaign):
        with pytest.raises(InputError, match="run notebook 02"):
            analyse_sites(campaign)


class TestFigures:
    def test_figure_2_colours_the_surface_by_the_nearest_site(self, system):
        panel = density_panel(system)
        figure = figure_2([panel, panel])
        meshes = [trace for trace in figure.data if trace.type == "mesh3d"]
        assert len(meshes) == 2
        times = 10.0 ** np.array(meshes[0].intensity)
        assert times.min() >= system.statistics.residence_time_ps.min() * 0.999
        assert times.max() <= system.statistics.residence_time_ps.max() * 1.001
        # both kinds of site show
        assert (times < 0.4).any()
        assert (times > 0.9).any()

    def test_every_site_is_in_figures_4_and_5(self, system):
        static = figure_4(volume_panels([system], accessible=False))
        explored = figure_5(volume_panels([system], accessible=True), n_samples=100)
        assert sum(static.data[0].y) == 72
        assert sum(explored.data[0].y) == np.isfinite(system.accessible.fixed_samples).sum()
        assert {note.text for note in static.layout.annotations} >= {"24d", "48g"}

    def test_a_site_that_nobody_leaves_does_not_colour_its_bar(self):
        times = np.array([1.0, 1.0, np.inf, np.inf])
        panel = VolumePanel("a", np.array([3.01, 3.02, 3.03, 5.0]), times, np.array(["x"] * 4))
        figure = figure_4([panel])
        # of three sites of a bar, two are left once a ps; the other bar's never
        assert figure.data[0].customdata.tolist() == [1.5, np.inf]

    def test_no_volumes_no_histograms(self):
        empty = VolumePanel("nothing", np.full(2, np.nan), np.ones(2), np.array(["a", "b"]))
        with pytest.raises(InputError, match="longer run"):
            figure_4([empty])

    def test_colours_are_logarithmic_and_bear_infinite_times(self):
        colour = ResidenceColour.covering([0.1, 10.0, np.inf])
        assert colour([0.1, 1.0, np.inf]).tolist() == pytest.approx([-1, 0, 1])
        assert colour.axis["colorbar"]["ticktext"] == ["0.1", "0.2", "0.5", "1", "2", "5", "10"]

    def test_supporting_figures_have_captions_and_axes(self, system, trajectory, table):
        point = sensitivity(
            system,
            trajectory,
            SiteSettings(),
            [
                {"clustering": "dotprod", "assignment_threshold": 0.8},
                {"clustering": "dotprod", "assignment_threshold": 0.9},
            ],
        )
        scans = superbasin_scans([system])
        for figure in (
            survival_figure(survival_curves([system])),
            superbasin_figure(scans, {system.title: 72}),
            sensitivity_figure(point),
            jump_diffusion_figure(table),
            back_jump_figure(table, paper_values()),
        ):
            assert figure.data
            assert figure.layout.meta["caption"].endswith((".", ")"))
            assert any(axis.title.text for axis in figure.select_xaxes())
            assert figure.layout.yaxis.title.text or figure.layout.annotations

    def test_a_fraction_of_unknown_error_is_drawn_with_its_range(self, table):
        figure = back_jump_figure(table.assign(back_jump_fraction_std=np.nan), paper_values())
        spread, value = figure.data[0], figure.data[1]
        assert np.isfinite(spread.error_y.array).all()
        assert np.isfinite(value.y).all()
        assert np.isnan(value.error_y.array).all()

    def test_the_threshold_changes_residence_times(self, system, trajectory):
        loose, strict = sensitivity(
            system,
            trajectory,
            SiteSettings(),
            [{"clustering": "dotprod", "assignment_threshold": t} for t in (0.8, 0.9)],
        )
        name = "residence time 24d (ps)"
        # the science of it: 270 and 460 fs
        assert loose.values[name] == pytest.approx(0.267, abs=0.005)
        assert strict.values[name] == pytest.approx(0.455, abs=0.005)


def test_the_strongest_flux_goes_from_tetrahedron_to_octahedron(system):
    kinds = strongest_flux(system).split(" → ")
    assert kinds[0] == kinds[-1]
    assert all({a, b} == {"24d", "48g"} for a, b in pairwise(kinds))


def test_density_panel_of_the_lab(system):
    system_choice, level, shown = explore_density({system.title: system}).children
    assert system_choice.value is not None
    level.value = 6.0  # draws the surface anew
    assert "Isosurfaces" in shown.children[0].layout.meta["caption"]
    highest = system.density.values.max() / system.density.values.mean()
    level.max = highest + 10
    level.value = highest + 5
    assert shown.children[0].value.startswith("level: ")


def test_nearest_crystals(system):
    assert nearest_crystals([system], (1.0, 1.12)) == [system]
    assert nearest_crystals([], (1.0,)) == []
