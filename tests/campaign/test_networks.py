"""What notebook 05 puts together: networks as notebook 04 writes them, measures beside D."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from site_records import record_sites

from llzo_helpers.analysis.networks.gop import graph_order_parameter
from llzo_helpers.analysis.sites import find_stays, jump_statistics, site_network
from llzo_helpers.campaign import model
from llzo_helpers.campaign.maps import place_structures
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.networks import (
    PREDICTORS,
    analyse_networks,
    correlate_with_diffusion,
    correlation_table,
    theta,
)
from llzo_helpers.campaign.site_files import load_network, network_as_json
from llzo_helpers.campaign.tables import SYSTEM_COLUMNS, run_columns
from llzo_helpers.errors import InputError
from llzo_helpers.files import write_json
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.schema import validate
from llzo_helpers.structures import write_structure

N_SITES = 27


def paths(hop, n_frames=2000, n_ions=10, seed=0):
    """Return sites [frame, ion] of walkers on a 3x3x3 lattice that hop with this probability."""
    rng = np.random.default_rng(seed)
    at = rng.integers(3, size=(n_ions, 3))
    sites = []
    for _ in range(n_frames):
        moves = np.zeros((n_ions, 3), dtype=int)
        moves[np.arange(n_ions), rng.integers(3, size=n_ions)] = rng.choice([-1, 1], size=n_ions)
        at = (at + moves * (rng.random(n_ions) < hop)[:, None]) % 3
        sites.append(at @ [9, 3, 1])
    return np.array(sites)


def crystals(campaign):
    return [r for r in campaign.runs if r.temperature_K == 1100 and r.structure.phase == "crystal"]


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    """The quick campaign, five of its runs finished and their sites found, the faster the hotter.

    Only what notebook 05 reads of them is there.
    """
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    campaign = load_campaign("quick")
    runs = crystals(campaign)
    for number, run in enumerate(runs):
        folder = campaign.run_directory(run)
        atoms = crystal(li_per_formula=6.25, volume_ratio=run.structure.volume_ratio, seed=1)
        write_structure(atoms, folder, {"made by": "tests"})
        write_json(folder / "summary.json", {})
        found = campaign.directory / "sites" / run.name
        assignments = paths(0.05 * (number + 1), seed=number)
        statistics = jump_statistics(find_stays(assignments, N_SITES), 0.05)
        centres = np.stack(np.unravel_index(np.arange(N_SITES), (3, 3, 3)), axis=1)
        graph = site_network(centres @ atoms.cell.array / 3, atoms.cell.array, statistics)
        write_json(found / "network.json", network_as_json(graph))
        np.savez(
            found / "assignments.npz",
            assignments=assignments,
            frame_interval_ps=0.05,
            cell=atoms.cell.array,
        )
        record_sites(found, run=run.name, n_frames=len(assignments), frame_interval_ps=0.05)
    return campaign.model_copy(
        update={"order": campaign.order.model_copy(update={"resamples": 10})}
    )


@pytest.fixture
def diffusion(campaign):
    runs = crystals(campaign)
    return pd.DataFrame(
        [
            {
                **run_columns(run),
                "tracer_D_cm2_s": 1e-6 * (n + 1),
                "tracer_D_std_cm2_s": 1e-7,
                "upper_bound": False,
                "tracer_D_limit_cm2_s": 2e-6 * (n + 1),
            }
            for n, run in enumerate(runs)
        ]
    )


def test_network_comes_back_from_its_files(campaign):
    run = next(run for run in campaign.runs if run.temperature_K == 1100)
    network = load_network(campaign, run)
    counted = jump_statistics(find_stays(network.assignments, N_SITES), 0.05)
    probabilities = nx.to_numpy_array(network.graph, weight="probability")
    np.testing.assert_allclose(probabilities, counted.p_ij - np.diag(np.diag(counted.p_ij)))
    assert network.cell[0, 0] == pytest.approx(13 * run.structure.volume_ratio ** (1 / 3))
    elsewhere = next(run for run in campaign.runs if run.temperature_K != 1100)
    assert load_network(campaign, elsewhere) is None


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("network.json", lambda data: data[: len(data) // 2]),
        ("network.json", lambda data: b"[1]"),
        ("network.json", lambda data: b'{"nodes": [], "edges": []}'),
        ("assignments.npz", lambda data: data[: len(data) // 2]),
        ("assignments.npz", lambda data: data[:-4] + b"\x00\x00\x00\x01"),
        ("assignments.npz", lambda data: b""),
        ("provenance.json", lambda data: data[: len(data) // 2]),
    ],
)
def test_damaged_files_of_sites_are_named(campaign, name, damage):
    run = crystals(campaign)[0]
    path = campaign.directory / "sites" / run.name / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError) as error:
        load_network(campaign, run)
    message = str(error.value)
    assert name in message
    assert "\n" not in message
    assert len(message) < 300


def test_networks_of_a_campaign(campaign, diffusion):
    networks = analyse_networks(campaign, diffusion)
    table = networks.table
    assert list(table["volume_ratio"]) == sorted(table["volume_ratio"])
    probabilities = networks.probabilities[table["system"][0]]
    assert table["gop_k3"][0] == pytest.approx(graph_order_parameter(probabilities).value)
    # a walk on a cubic lattice of edge a with the rate k to each neighbour: D = k a^2
    for row in table.to_dict("records"):
        number = next(n for n, d in enumerate(diffusion["run"]) if d == row["run"])
        rate = 0.05 * (number + 1) / 6 / 0.05
        expected = rate * (13 / 3) ** 2 * row["volume_ratio"] ** (2 / 3) * 1e-4
        std = row["network_D_std_cm2_s"]
        assert row["network_D_cm2_s"] == pytest.approx(expected, abs=3 * std)
        # of a number of jumps that are independent
        assert std == pytest.approx(row["network_D_cm2_s"] / np.sqrt(row["n_jumps"]), rel=0.5)
    assert (table["percolation_rank"] == 3).all()
    for curve in networks.by_length.values():
        assert curve.amounts[-1] == 2000


def test_conductance_predicts_d_where_it_should(campaign, diffusion):
    networks = analyse_networks(campaign, diffusion)
    correlations = correlate_with_diffusion(networks.table)
    assert list(correlations) == ["all systems", "crystals"]
    correlations = correlations["crystals"]
    assert correlations["conductance of the network"].coefficient == pytest.approx(1)
    # all sites are connected in each: a measure that doesn't vary predicts nothing
    assert "largest component" not in correlations
    table = correlation_table({"crystals": correlations})
    assert (table["rank_correlation"].abs().diff().dropna() <= 0).all()


def test_replicas_count_once_and_cells_of_one_size_alone():
    rng = np.random.default_rng(1)
    one = {**dict.fromkeys(SYSTEM_COLUMNS), "phase": "amorphous", "temperature_K": 1100.0}
    rows = [
        {**one, "volume_ratio": volume, "supercell": cell, "replica": replica}
        | dict.fromkeys(PREDICTORS, volume + 10 * cell + 1e-3 * replica)
        | {"tracer_D_cm2_s": -volume if cell == 1 else rng.uniform(), "run": f"{cell} {volume}"}
        for cell, volumes in ((1, 6), (2, 5))
        for volume in range(volumes)
        for replica in (1, 2, 3)
    ]
    found = correlate_with_diffusion(pd.DataFrame(rows))
    assert list(found) == ["all systems", "glasses"]
    for one in found["glasses"].values():
        assert (one.n, one.coefficient) == (6, pytest.approx(-1))
    # of those, one flows
    found = correlate_with_diffusion(pd.DataFrame(rows), ["1 3"])
    assert {one.n for one in found["glasses"].values()} == {5}
    assert {one.n for one in found["all systems"].values()} == {6}


def test_few_systems_have_no_correlation(campaign, diffusion):
    networks = analyse_networks(campaign, diffusion)
    assert correlate_with_diffusion(networks.table[:4]) == {}
    assert correlation_table({}).columns[0] == "measure"


def test_no_network_says_what_to_run(campaign, diffusion):
    for record in campaign.directory.glob("sites/*/provenance.json"):
        record.unlink()
    with pytest.raises(InputError, match="run notebook 04"):
        analyse_networks(campaign, diffusion)


def test_nothing_jumps_no_order():
    still = jump_statistics(find_stays(np.zeros((5, 2), dtype=int), 3), 1.0)
    assert theta(still) == 0.0


def test_reference_alone_falls_into_its_groups(tmp_path, monkeypatch):
    """A campaign without finished runs: crystal, strained crystals, melt and glass apart."""
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    places = place_structures(load_campaign("quick"))
    groups = places.groups.idxmax(axis=1)
    assert groups["crystal, 300 K"] == groups["crystal, 1100 K"]
    assert groups["melt"] != groups["glass"]
    crystals = {groups[name] for name in groups.index if name.startswith("crystal")}
    assert len(crystals) >= 3
    quench = set(places.groups.columns[places.groups.loc["quench"] > 0])
    assert quench >= {groups["glass"]}
    assert not quench & crystals
    assert places.table.empty
    for distances in places.reference_distances.values():
        crystal_distance = np.median(distances["crystal, 1100 K"])
        assert crystal_distance < 1.2 < 3 < np.median(distances["glass"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution_THz": 0.01}, "0.01 THz needs 37500 frames, more than 150 ps"),
        ({"volume_ratio": [1.3]}, "1.3: no system has it; choose from 0.86, 0.9, 1, 1.01"),
    ],
)
def test_short_runs_that_cannot_answer_are_refused_at_the_door(change, message):
    campaign = load_campaign("quick")
    values = campaign.model_dump() | {"vibration": campaign.vibration.model_dump() | change}
    with pytest.raises(InputError, match=message) as error:
        validate(model.Campaign, values, "quick.yaml")
    assert "\n" not in str(error.value)


def test_short_runs_are_of_first_replicas_each_once():
    runs = load_campaign("quick").vibration_runs
    assert [run.structure.phase for run in runs] == ["crystal", "amorphous", "amorphous"]
    assert all(run.structure.structure_potential in (None, run.md_potential) for run in runs)
    assert {run.temperature_K for run in runs} == {1100}
