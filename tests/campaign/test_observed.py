"""Trajectories that were run elsewhere, in a campaign: tables, files, figures."""

import dataclasses
import io
import os
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import ase.io
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import yaml
from trajectory.writers import ELEMENTS, INTERVAL_PS, MadeRun, dump, made_run, mdanalysis, topology

from llzo_helpers.campaign.diffusion import (
    analyse_arrhenius,
    analyse_diffusion,
    combine,
    msd_table,
)
from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.campaign.networks import analyse_networks
from llzo_helpers.campaign.order import analyse_structures
from llzo_helpers.campaign.paper import compare_with_paper, paper_values_for, table_2
from llzo_helpers.campaign.settings import SiteSettings
from llzo_helpers.campaign.site_exports import sites_as_cif, sites_as_extxyz
from llzo_helpers.campaign.site_files import load_network, save_sites
from llzo_helpers.campaign.site_panels import density_panel, nearest_crystals, volume_panels
from llzo_helpers.campaign.site_tables import kind_table, run_table
from llzo_helpers.campaign.sites import RunSites, Surroundings, analyse_run
from llzo_helpers.campaign.tables import against_volume
from llzo_helpers.errors import InputError
from llzo_helpers.figures.diffusion import arrhenius_figure, msd_figure
from llzo_helpers.figures.figure2 import figure_2
from llzo_helpers.figures.figure3 import figure_3a
from llzo_helpers.figures.style import diffusivity_axis, ion_name
from llzo_helpers.jobs.engine import CAMPAIGN_VARIABLE, run_campaign
from llzo_helpers.paths import ROOT

TEMPERATURES_K = (700, 800, 900)


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "file": "700.dump",
        "temperature_K": 700,
        "mobile": "F",
        "frame_interval_ps": INTERVAL_PS,
        "elements": ELEMENTS,
        "group": "BaF2",
    } | changes


def campaign_of(folder: Path, *trajectories: dict[str, Any]) -> Campaign:
    path = folder / "mine.yaml"
    values = {"description": "x", "seed": 1, "sites": {"hull_samples": 20}}
    path.write_text(yaml.safe_dump(values | {"trajectories": list(trajectories)}))
    return load_campaign(str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("observed")
    for number, temperature in enumerate(TEMPERATURES_K):
        dump(folder / f"{temperature}.dump", made_run(250, seed=number))
    return folder


@pytest.fixture
def campaign(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    monkeypatch.setattr("llzo_helpers.campaign.model.RESULTS", tmp_path)
    runs = [entry(file=f"{T}.dump", temperature_K=T, sites=T == 700) for T in TEMPERATURES_K]
    return campaign_of(folder, *runs)


@pytest.fixture(scope="module")
def system(folder: Path) -> RunSites:
    campaign = campaign_of(folder, entry())
    (run,) = campaign.trajectories
    return analyse_run(run, run.trajectory(), campaign.sites)


def test_diffusion_and_one_fit_a_group(campaign):
    table, results = analyse_diffusion(campaign)
    assert table["run"].to_list() == ["700", "800", "900"]
    assert set(table["mobile"]) == {"F"}
    assert (table["n_ions"] == 64).all()
    assert table["tracer_conductivity_S_cm"].notna().all()
    assert table["notes"].str.contains("nearest image").all()
    assert table[["li_per_formula", "volume_ratio"]].isna().all(axis=None)
    combined = combine(table)
    arrhenius, fits = analyse_arrhenius(combined)
    assert arrhenius["group"].to_list() == ["BaF2"]
    assert len(fits) == 1
    figure = arrhenius_figure(combined, fits, campaign.mobile)
    assert figure.layout.yaxis.title.text.startswith("D<sub>F</sub>")
    assert "BaF2: " in next(trace.name for trace in figure.data if trace.name)
    caption = msd_figure({"BaF2": results}, mobile=campaign.mobile).layout.meta["caption"]
    assert "displacement of fluorine relative" in caption
    lags = msd_table(results)
    assert lags.columns.to_list() == ["run", "lag_ps", "msd_A2", "msd_std_A2"]
    assert (lags.groupby("run")["lag_ps"].diff().dropna() > 0).all()
    # of the paper nothing is compared
    assert compare_with_paper({"diffusion": table, "arrhenius": arrhenius}).empty
    assert table_2(combined, arrhenius).empty
    assert paper_values_for(campaign).empty
    assert against_volume(combined).empty


def test_sites_of_any_ion_in_any_framework(system):
    assert system.mobile.sum() == 64
    # by its neighbours in the framework, barium
    assert set(system.kind_names) <= {"tetrahedral", "octahedral", "3-fold", "5-fold"}
    assert np.isnan(system.static_volume).all()
    diffusion = pd.DataFrame(
        {
            "run": [system.run.name],
            "tracer_D_cm2_s": [3.0e-5],
            "tracer_D_std_cm2_s": [0.3e-5],
            "upper_bound": [False],
            "tracer_D_limit_cm2_s": [4.0e-5],
        }
    )
    row = run_table([system], diffusion).iloc[0]
    assert row["n_jumps"] > 0
    assert row["phase"] == "observed"
    assert kind_table([system])["n_sites"].sum() == system.analysis.n_sites
    assert volume_panels([system], accessible=False) == []
    assert nearest_crystals([system], (1.0,)) == []
    figure = figure_2([density_panel(system)], "F")
    assert "density of fluorine" in figure.layout.meta["caption"]


def test_how_far_neighbours_count_can_be_said(system):
    settings = SiteSettings()
    n_framework = int((~system.mobile).sum())
    barium, oxygen = np.full(n_framework, "Ba"), np.full(n_framework, "O")
    lithium = system.run.model_copy(update={"mobile": ["Li"]})
    _, usual = Surroundings(system.analysis, barium, system.run.mobile, None).neighbours
    # Ba-F is 2.7 Å
    assert 2.9 < usual < 3.8
    assert Surroundings(system.analysis, oxygen, system.run.mobile, None).neighbours[1] == usual
    assert Surroundings(system.analysis, oxygen, lithium.mobile, None).neighbours[1] == 2.9
    told = settings.model_copy(update={"coordination_cutoff_A": 5.2})
    assert Surroundings(system.analysis, oxygen, lithium.mobile, 5.2).neighbours[1] == 5.2
    wider = analyse_run(system.run, system.run.trajectory(), told)
    assert (wider.coordination > system.coordination).all()


def test_sites_for_other_programs(system, campaign):
    save_sites(campaign, system)
    folder = campaign.directory / "sites" / system.run.name
    sites = pd.read_csv(folder / "sites.csv")
    cif = ase.io.read(folder / "sites.cif")
    assert (
        cif.get_chemical_formula()
        == ase.Atoms(["Ba"] * 32 + ["F"] * len(sites)).get_chemical_formula()
    )
    occupied = {key: value["F"] for key, value in cif.info["occupancy"].items() if "F" in value}
    assert sum(occupied.values()) == pytest.approx(sites["occupancy"].sum(), abs=0.01)
    atoms = ase.io.read(folder / "sites.extxyz")
    are_sites = atoms.arrays["site"] >= 0
    assert atoms.arrays["occupancy"][are_sites] == pytest.approx(sites["occupancy"], abs=1e-6)
    assert atoms.arrays["residence_time_ps"][are_sites] == pytest.approx(
        sites["residence_time_ps"], abs=1e-6
    )
    n_ions = int(system.mobile.sum())
    # every ion is at a site at some time
    assert sum(occupied.values()) == pytest.approx(n_ions, abs=0.02)
    # Java reads neither
    assert not re.search(r">-?(nan|inf)<", (folder / "network.graphml").read_text())
    graph = nx.read_graphml(folder / "network.graphml", node_type=int)
    assert set(graph.edges) == set(system.network.edges)
    a, b = next(iter(graph.edges))
    assert graph.edges[a, b]["rate"] == pytest.approx(system.network.edges[a, b]["rate"])
    assert graph.nodes[a]["position_x"] == pytest.approx(system.network.nodes[a]["position"][0])
    network = load_network(campaign, system.run)
    assert network is not None
    assert network.cell == pytest.approx(system.analysis.cell)


def test_a_left_handed_cell_is_no_mirror_image_in_cif(system):
    left = dataclasses.replace(system.analysis, cell=system.analysis.cell[[1, 0, 2]])
    assert np.linalg.det(left.cell) < 0
    read = ase.io.read(
        io.StringIO(sites_as_cif(dataclasses.replace(system, analysis=left))), format="cif"
    )
    atoms = ase.io.read(io.StringIO(sites_as_extxyz(system)), format="extxyz")

    read_vectors, vectors = (
        structure.get_distances(0, list(range(1, 12)), mic=True, vector=True)
        for structure in (read, atoms)
    )
    corners = max(
        combinations(range(11), 3), key=lambda three: abs(np.linalg.det(vectors[list(three)]))
    )
    signed = np.linalg.det(vectors[list(corners)])
    assert abs(signed) > 1
    assert np.linalg.det(read_vectors[list(corners)]) == pytest.approx(signed, abs=0.05)


def test_networks_and_structures(system, campaign):
    save_sites(campaign, system)
    diffusion, _ = analyse_diffusion(campaign)
    small = campaign.model_copy(
        update={"order": campaign.order.model_copy(update={"resamples": 10})}
    )
    networks = analyse_networks(small, diffusion)
    assert networks.table["system"].to_list() == ["700"]
    assert figure_3a(networks.table, "F").layout.xaxis.title.text.startswith("D<sub>F</sub>")
    order = analyse_structures(campaign)
    assert order.angles == {}
    assert list(order.of_like(["F"])) == ["F"]
    assert order.table["F_Ba_coordination"].notna().all()


def test_several_pieces_a_topology_and_a_label(folder, tmp_path):
    run = made_run(60)
    mdanalysis(folder / "r.dcd", run, wrap=True)
    topology(folder / "start.cif", run)
    loaded = campaign_of(
        folder,
        entry(file="r.dcd", elements=None, topology="start.cif", label="from DCD, 700 K"),
        entry(file=["700.dump"]),
    )
    first, second = loaded.trajectories
    assert (first.name, first.title) == ("from-DCD-700-K", "from DCD, 700 K")
    assert (second.name, second.title) == ("700", "700")
    assert len(first.trajectory()) == 60
    assert loaded.mobile == "F"


def test_elements_in_words():
    assert ion_name("Li") == "lithium"
    assert ion_name("Na and O") == "sodium and oxygen"
    assert diffusivity_axis("Na") == "D<sub>Na</sub> (cm<sup>2</sup>/s)"
    assert diffusivity_axis("Na and O") == "D (cm<sup>2</sup>/s)"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry(mobile="Xx")], "trajectories[0]: mobile = 'Xx': not a chemical symbol"),
        ([entry(), entry()], "trajectories[1]: 700 is already in trajectories[0]"),
        (
            [entry(), entry(label="other", mobile="Ba")],
            "trajectories[1]: mobile = ['Ba']: group 'BaF2' has ['F']",
        ),
        (
            [entry(), entry(label="BaF2", mobile="Ba", group=None)],
            "trajectories[1]: label = 'BaF2': a group of other runs has this name",
        ),
        ([entry(temperature_K=-1)], "trajectories[0].temperature_K = -1: must be greater than 0"),
        ([entry(interval=1)], "trajectories[0].interval: unknown key"),
        ([], "systems: missing; list systems to run, or trajectories of your own"),
    ],
)
def test_wrong_entries_are_refused(entries, message, tmp_path):
    with pytest.raises(InputError) as error:
        campaign_of(tmp_path, *entries)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_that_cannot_be_read_says_which(folder):
    campaign = campaign_of(folder, entry(file="nothing.dump"))
    with pytest.raises(InputError, match=r"nothing\.dump: not found"):
        analyse_diffusion(campaign)
    with pytest.raises(InputError, match=r"700\.dump: mobile = "):
        analyse_diffusion(campaign_of(folder, entry(mobile="Na")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "nothing.dump"}, r"nothing\.dump: not found"),
        ({"mobile": "Na"}, r"700\.dump: mobile = "),
        ({"file": "short.dump"}, r"short\.dump: fit_window = .* holds too few of 2 frames"),
        ({"file": "few.dump"}, r"few\.dump: 31 frames, 32 are needed to see whether"),
        ({"file": "single.dump"}, r"single\.dump: 1 ion of F, 2 are needed"),
        ({"file": "gas.dump"}, r"gas\.dump: 2 framework atoms, 4 are needed .* sites: false"),
        ({"file": "blown.dump"}, r"blown\.dump: frame 70: position of atom 3 is not a number"),
    ],
)
def test_a_bad_file_is_refused_before_work_starts(changes, message, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("llzo_helpers.campaign.model.RESULTS", tmp_path)
    dump(folder / "short.dump", made_run(2))
    dump(folder / "few.dump", made_run(31))
    some = made_run(80)
    for name, kept in (("single", ("Ba",) * 9 + ("F",)), ("gas", ("Ba",) * 2 + ("F",) * 9)):
        atoms = [some.symbols.index(symbol) + n for n, symbol in enumerate(kept)]
        dump(folder / f"{name}.dump", MadeRun(some.positions[:, atoms], list(kept), some.cell))
    blown = made_run(80)
    blown.positions[70, 3] = np.nan
    dump(folder / "blown.dump", blown)
    campaign_of(folder, entry(label="good"), entry(group=None, **changes))
    with pytest.raises(InputError, match=rf"mine\.yaml: trajectories\[1\]: .*{message}") as refused:
        run_campaign(str(folder / "mine.yaml"), "local", None)
    assert str(refused.value).count("mine.yaml") == 1
    assert not list(tmp_path.iterdir())


def test_a_change_of_any_file_makes_the_analyses_run_again(folder, tmp_path):
    """By its time: Snakemake is told of each."""
    campaign_of(folder, entry(topology="start.cif"))
    topology(folder / "start.cif", made_run(2))
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "workflow/Snakefile"]
    told = subprocess.run(
        [*snakemake, "--dry-run", "--cores", "1", "diffusion.csv"],
        cwd=tmp_path,
        env=os.environ | {CAMPAIGN_VARIABLE: str(folder / "mine.yaml")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (inputs,) = re.findall(r"input: (.*)", told)
    for name in ("700.dump", "start.cif"):
        assert str(folder / name) in inputs


@pytest.mark.slow
def test_a_change_of_settings_makes_the_analyses_run_again(folder, tmp_path):
    path, starts = folder / "mine.yaml", []
    for window in ([0.1, 0.5], [0.2, 0.4]):
        campaign_of(folder, entry(sites=False))
        values = yaml.safe_load(path.read_text()) | {"diffusion": {"fit_window": window}}
        path.write_text(yaml.safe_dump(values))
        words = [sys.executable, "-m", "llzo_helpers", "run", str(path), "--cores", "1"]
        subprocess.run(words, env=os.environ | {"LLZO_RESULTS": str(tmp_path)}, check=True)
        table = pd.read_csv(tmp_path / "mine" / "diffusion.csv")
        starts.append(float(table["fit_start_ps"].iloc[0]))
    assert starts[1] == pytest.approx(2 * starts[0], rel=0.1)


def test_the_example_that_ships_is_read(monkeypatch):
    """Oxide ions in urania, faster the hotter; the cell as measured."""
    campaign = load_campaign("uo2")
    D, cells = [], []
    for run in campaign.trajectories:
        trajectory = run.trajectory()
        assert len(trajectory) == 200
        assert trajectory.symbols.tolist().count("O") == 216
        cells.append(trajectory.cell[0, 0] / 3)
        ions = trajectory.relative_to_framework("O")
        D.append(((ions[100:] - ions[:100]) ** 2).sum(axis=2).mean())
    assert sorted(D) == D
    assert cells == pytest.approx([5.652, 5.671, 5.693], abs=1e-3)
    folder = campaign.trajectories[0].file[0].parent
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3e6


def test_positions_of_a_made_run_stay_whole():
    """The writers' own model: hops by quarters of the cell."""
    run: MadeRun = made_run(20)
    steps = np.diff(run.positions, axis=0) @ np.linalg.inv(run.cell)
    assert np.abs(steps).max() < 0.4
