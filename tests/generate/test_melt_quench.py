"""Melting and quenching with real LAMMPS, in a few picoseconds."""

import shutil
from pathlib import Path

import ase
import numpy as np
import pandas as pd
import pytest

from llzo_helpers.analysis.student import interval_width
from llzo_helpers.campaign.crossover import (
    crossover_effects,
    crossover_table,
    crossover_temperature,
)
from llzo_helpers.campaign.glasses import (
    coordination_table,
    quench_energy,
    stage_coordination,
    stage_pair_distributions,
)
from llzo_helpers.errors import InputError, SimulationError
from llzo_helpers.files import read_json, sha256
from llzo_helpers.garnet import li_per_formula, volume_ratio
from llzo_helpers.generate import melt_quench
from llzo_helpers.generate.amorphous import amorphous_structure, shortest_lithium_distance
from llzo_helpers.generate.crystal import crystal
from llzo_helpers.generate.framework import oxygen_bonds
from llzo_helpers.generate.melt_quench import last_frame, make_glass, other_glass_than_asked
from llzo_helpers.generate.settings import Glass, Structure
from llzo_helpers.jobs import plan
from llzo_helpers.md.chain import Progress, run_schedule
from llzo_helpers.md.folder import completed_segments, read_thermo
from llzo_helpers.md.lock import locked
from llzo_helpers.md.relax import relax, relax_cell
from llzo_helpers.potentials import Potential
from llzo_helpers.schema import validate
from llzo_helpers.structures import read_structure, write_structure

POTENTIAL = "bush1994_woodley1999_10A"
"""Its tiny glass of this seed has empty sites, to which lithium can be added."""
TINY = {
    "preset": "quick",
    "name": "tiny",
    "crystal_ps": 0.5,
    "superheat_K": 7000,
    "superheat_ps": 4,
    "hold_ps": 2,
    "quench_K_ps": 2000,
    "glass_ps": 0.5,
    "sites_ps": 4,
    "sites_K": 2000,  # at 1100 K hardly an ion finds another site within 4 ps
    "frame_interval_fs": 20,
    "segment_ps": 1,
}


def glass_of(**changes) -> Glass:
    values = {"structure_potential": POTENTIAL, "melt_quench": {**TINY, **changes}}
    return validate(Glass, values, "test")


@pytest.fixture(scope="module")
def glass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished glass; not to be changed."""
    directory = tmp_path_factory.mktemp("glasses") / "glass"
    make_glass(directory, glass_of(), seed=5)
    return directory


@pytest.mark.slow
def test_a_glass_is_made_from_nothing(glass: Path):
    record = read_json(glass / "provenance.json")
    assert record["verdict"] == "glass"
    assert record["crystal"]["vacated_fraction"] == 0
    assert record["melt"]["vacated_fraction"] > 0.5
    assert record["quenched"]["vacated_fraction"] > 0.5
    atoms = read_structure(glass)
    assert li_per_formula(atoms) == 6.25
    assert volume_ratio(atoms) == pytest.approx(1.0)
    assert sha256(glass / "structure.extxyz") == record["sha256"]["structure.extxyz"]


def test_the_quench_follows_its_schedule(glass: Path):
    records = completed_segments(glass / "quench")
    assert [record["stage"] for record in records] == ["hold", "hold", "quench", "quench"]
    assert [record["end_K"] for record in records[:2]] == [3000, 3000]
    # 2500 K in 1.24 ps, whole frame intervals
    assert records[-1]["last_step"] - records[1]["last_step"] == 1240
    assert records[-1]["end_K"] == 500
    thermo = read_thermo(glass / "quench", "quench")
    # at 2000 K/ps the ions lag behind the thermostat
    assert thermo["temperature_K"].iloc[-5:].mean() < 1300
    energy = quench_energy(glass)
    assert energy["potential_energy_eV_atom"].iloc[-1] < energy["potential_energy_eV_atom"].iloc[0]


def test_a_finished_glass_is_not_made_again(glass: Path):
    before = {path: path.stat().st_mtime_ns for path in glass.rglob("*")}
    record = make_glass(glass, glass_of(launcher="mpi", processes=2), seed=5)
    assert record["verdict"] == "glass"
    assert {path: path.stat().st_mtime_ns for path in glass.rglob("*")} == before


@pytest.mark.parametrize(
    ("changes", "seed", "key"), [({"hold_ps": 3}, 5, "glass"), ({}, 6, "seed")]
)
def test_another_glass_in_the_folder_is_refused(glass: Path, changes, seed, key):
    with pytest.raises(InputError, match=f"provenance.json: {key}: made with other values"):
        make_glass(glass, glass_of(**changes), seed=seed)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"launcher": "mpi", "processes": 2}, ""),
        ({"superheat_K": 8000}, "superheat: start_K = 7000.0, the campaign asks for 8000.0"),
        ({"timestep_fs": 2}, "timestep_fs = 1.0, the campaign asks for 2.0"),
        ({"quench_K_ps": None}, "quench: duration_ps = 1.24, the campaign asks for None"),
        # these have not begun
        ({"glass_ps": 1, "sites_ps": 0}, ""),
    ],
)
def test_a_glass_that_was_begun_otherwise(glass: Path, tmp_path: Path, changes, words):
    for name in ("melt", "quench"):
        shutil.copytree(glass / name, tmp_path / name)
    assert words in (found := other_glass_than_asked(tmp_path, glass_of(**changes)))
    assert bool(found) == bool(words)


@pytest.mark.slow
def test_an_interrupted_glass_ends_as_the_same(glass: Path, tmp_path: Path):
    directory = tmp_path / "glass"
    shutil.copytree(glass / "crystal", directory / "crystal")
    shutil.copytree(glass / "melt", directory / "melt")

    def interrupt(progress: Progress) -> None:
        if progress.steps_done > 2500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_glass(directory, glass_of(sites_ps=0), seed=5, on_progress=interrupt)
    assert not (directory / "provenance.json").exists()
    shutil.copytree(glass / "glass", directory / "glass")
    make_glass(directory, glass_of(sites_ps=0), seed=5)
    assert sha256(directory / "structure.extxyz") == sha256(glass / "structure.extxyz")


@pytest.mark.parametrize(
    ("changes", "seed", "key"),
    [({"volume_ratio": 1.2}, 5, "volume_ratio"), ({"li_per_formula": 7}, 5, "li"), ({}, 6, "seed")],
)
def test_another_glass_than_the_one_begun_is_refused(tmp_path: Path, changes, seed, key):
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    for _ in range(2):  # begun, and begun again as it was
        with pytest.raises(KeyboardInterrupt):
            make_glass(tmp_path, glass_of(), seed=5, on_progress=interrupt)
    with pytest.raises(InputError, match=f"crystal/provenance.json: {key}.*: the glass was begun"):
        make_glass(tmp_path, glass_of(**changes), seed=seed)


def fusing(n_melts: int):
    """Return `run_schedule`, but with ions that fuse in the first melts."""
    melts = []

    def run(directory: Path, **values):
        if directory.name == "melt" and len(melts) < n_melts:
            melts.append(directory)
            directory.mkdir()
            raise SimulationError("LAMMPS: ERROR: Lost atoms: original 186 current 180 (log: x)")
        run_schedule(directory, **values)

    return run


def test_a_melt_in_which_ions_fuse_is_made_anew(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(melt_quench, "run_schedule", fusing(1))
    record = make_glass(tmp_path, glass_of(sites_ps=0), seed=5)
    assert record["fused_melts"] == 1
    assert (tmp_path / "fused_melt_1").is_dir()
    # with other velocities than the first melt, and than the runs below
    seeds = [read_json(tmp_path / run / "run.json")["inputs"]["seed"] for run in ("melt", "quench")]
    assert seeds == [10, 7]


def test_a_glass_with_bonded_oxygen_is_made_anew(tmp_path: Path, monkeypatch):
    found = []

    def bonds(atoms: ase.Atoms) -> int:
        found.append(atoms.get_positions())
        return 2 if len(found) == 1 else oxygen_bonds(atoms)

    monkeypatch.setattr(melt_quench, "oxygen_bonds", bonds)
    record = make_glass(tmp_path, glass_of(sites_ps=0), seed=5)
    assert record["fused_melts"] == 1
    for name in ("fused_melt_1", "fused_quench_1", "melt", "quench"):
        assert (tmp_path / name / "summary.json").is_file()
    bonded, made = found
    assert abs(bonded - made).max() > 1
    np.testing.assert_allclose(read_structure(tmp_path).positions, made, atol=1e-6)
    # interrupted as a second one was kept aside: its melt follows, nothing of it is run again
    (tmp_path / "provenance.json").unlink()
    shutil.rmtree(tmp_path / "glass")
    (tmp_path / "quench").rename(tmp_path / "fused_quench_2")
    assert make_glass(tmp_path, glass_of(sites_ps=0), seed=5)["fused_melts"] == 2
    seeds = [read_json(path)["inputs"]["seed"] for path in tmp_path.glob("*melt*/run.json")]
    assert sorted(seeds) == [6, 10, 11]
    assert not (tmp_path / "fused_quench_3").exists()


def test_ions_that_always_fuse_are_an_error_with_a_remedy(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(melt_quench, "run_schedule", fusing(9))
    with pytest.raises(SimulationError, match="fused in 4 melts at superheat_K = 7000 and"):
        make_glass(tmp_path, glass_of(), seed=5)
    assert len(list(tmp_path.glob("fused_melt_*"))) == 3


def test_a_crystal_that_does_not_melt_is_an_error(tmp_path: Path):
    cold = glass_of(superheat_K=3000, superheat_ps=0.5)
    with pytest.raises(SimulationError, match=r"melt at 3000 K is still crystalline .*superheat_K"):
        make_glass(tmp_path / "glass", cold, seed=5)
    assert not (tmp_path / "glass" / "provenance.json").exists()


@pytest.mark.slow
def test_a_glass_takes_the_disk_foreseen(glass: Path):
    present = sum(path.stat().st_size for path in glass.rglob("*") if path.is_file())
    assert 0.7 * present < plan.glass_bytes(glass_of()) < 1.5 * present


# --------------------------------------------------------------------------- from the glass


def test_lithium_is_added_where_the_run_saw_sites(glass: Path, tmp_path: Path, potential):
    arguments = {"li_per_formula": 6.5, "volume_ratio": 1.12, "potential": potential, "seed": 1}
    atoms, record = amorphous_structure(glass, tmp_path / "one", **arguments)
    assert li_per_formula(atoms) == 6.5
    assert volume_ratio(atoms) == pytest.approx(1.12)
    assert record["lithium"]["added"] == 2
    assert record["lithium"]["sites_known"] > 50
    assert record["lithium"]["shortest_distance_before_expansion_angstrom"] > 1.5
    assert record["relaxation"]["released_eV_per_atom"] > 0
    assert shortest_lithium_distance(atoms) > 1.5
    again, _ = amorphous_structure(glass, tmp_path / "again", **arguments)
    assert np.array_equal(again.positions, atoms.positions)


def test_lithium_is_removed(glass: Path, tmp_path: Path, potential):
    atoms, record = amorphous_structure(
        glass, tmp_path, li_per_formula=6.0, volume_ratio=1.0, potential=potential, seed=1
    )
    assert li_per_formula(atoms) == 6.0
    assert record["lithium"] | {"shortest_distance_before_expansion_angstrom": 0} == {
        "added": 0,
        "removed": 2,
        "sites_known": None,
        "shortest_distance_before_expansion_angstrom": 0,
    }


def test_relaxation_lowers_the_energy_to_where_forces_vanish(tmp_path: Path, potential: Potential):
    atoms = crystal(li_per_formula=7, volume_ratio=1.05, seed=1)
    relaxed = relax(atoms, tmp_path / "one", potential=potential)
    assert relaxed.released_eV_per_atom > 0.1
    # terms that end at a cutoff leave the energy rough: a hundredth of an ångström for an ion
    assert relaxed.largest_force_eV_A < 0.1
    # what is relaxed already has nothing left to release
    again = relax(relaxed.atoms, tmp_path / "two", potential=potential)
    assert again.energy_before_eV == pytest.approx(relaxed.energy_after_eV, abs=1e-3)
    assert again.released_eV_per_atom < 1e-4


def test_a_relaxation_leaves_the_folder_of_another_process_alone(
    tmp_path: Path, potential: Potential
):
    atoms = crystal(li_per_formula=7, seed=1, draws=1)
    (tmp_path / "energy.csv").write_text("theirs")
    with locked(tmp_path):
        with pytest.raises(InputError, match="locked by process"):
            relax(atoms, tmp_path, potential=potential)
        assert (tmp_path / "energy.csv").read_text() == "theirs"
    (tmp_path / "old").mkdir()
    relax(atoms, tmp_path, potential=potential)
    assert not (tmp_path / "old").exists()
    assert "theirs" not in (tmp_path / "energy.csv").read_text()


def test_the_pressure_vanishes_at_the_relaxed_cell(tmp_path: Path, potential: Potential):
    atoms = crystal(li_per_formula=7, volume_ratio=1.05, seed=1)
    relaxed = relax_cell(atoms, tmp_path, potential=potential)
    assert abs(relaxed.pressure_bar) < 500
    assert relaxed.atoms.cell.lengths() == pytest.approx([relaxed.atoms.cell[0, 0]] * 3)
    assert relaxed.released_eV_per_atom > 0
    # energy is least there: both a smaller and a larger cell cost some
    for factor in (0.98, 1.02):
        strained = relaxed.atoms.copy()
        strained.set_cell(relaxed.atoms.cell * factor, scale_atoms=True)
        other = relax(strained, tmp_path / "strained", potential=potential)
        assert other.energy_after_eV > relaxed.energy_after_eV


def test_pair_distributions_and_coordination_side_by_side(glass: Path):
    pairs = stage_pair_distributions(glass)
    assert list(pairs) == ["crystal", "melt", "glass"]
    table = coordination_table(stage_coordination(glass, pairs))
    zr_o = table.filter(like="Zr-O").iloc[:, 0]
    assert zr_o["crystal"] == pytest.approx(6, abs=0.05)
    assert 4 < zr_o["melt"] < 8
    # the first shell of the crystal is at 5.6 Å; melt and glass have neighbours nearer than that
    radii = pairs["crystal"]["Zr", "Zr"].radii
    near = (radii > 3.0) & (radii < 5.0)
    assert pairs["crystal"]["Zr", "Zr"].values[near].max() == 0
    assert pairs["melt"]["Zr", "Zr"].values[near].mean() > 0.5
    assert pairs["glass"]["Zr", "Zr"].values[near].mean() > 0.5


# --------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quench_K_ps": 1e6}, "quench_K_ps = 1e+06: 2500 K would take less than 1000 fs"),
        ({"end_K": 3500}, "end_K = 3500, hold_K = 3000, superheat_K = 7000: a quench cools"),
        ({"superheat_K": 2000}, "give end_K < hold_K <= superheat_K"),
        ({"preset": "slow"}, "no preset 'slow'; available: cip, ml, quick"),
        ({"quench_K_ps": -1}, "quench_K_ps = -1: must be greater than 0"),
        ({"hold_ps": 0.001}, "hold_ps = 0.001: must be a multiple of frame_interval_fs = 20"),
        (
            {
                "quench_K_ps": 600,
                "frame_interval_fs": 5000,
                "segment_ps": 5,
                "crystal_ps": 100,
                "hold_ps": 100,
                "glass_ps": 100,
                "superheat_ps": 5,
                "sites_ps": 5,
            },
            "quench_K_ps = 600: the quench would take 4.16667 ps, which is no whole number of",
        ),
        ({"glass_ps": 0.3}, "glass_ps = 0.3: makes 15 frames, 20 are needed to see whether"),
        ({"crystal_ps": 0.1}, "crystal_ps = 0.1: makes 5 frames, 20 are needed"),
        ({"hold_ps": 0.2}, "hold_ps = 0.2: makes 10 frames, 20 are needed"),
        ({"li_per_formula": 6.3}, "give a multiple of 0.125"),
        ({"quench_K_pS": 1}, "did you mean 'quench_K_ps'?"),
    ],
)
def test_impossible_protocols_are_refused(changes, message):
    with pytest.raises(InputError) as error:
        glass_of(**changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"phase": "amorphous"}, "structure_potential: missing; an amorphous structure needs it"),
        (
            {"phase": "amorphous", "structure_potential": "wang2014"},
            "melt_quench: missing; an amorphous structure needs it",
        ),
        ({"melt_quench": "quick"}, "melt_quench: a crystal is built from its symmetry"),
        (
            {
                "phase": "amorphous",
                "structure_potential": "wang2014",
                "melt_quench": "quick",
                "li_per_formula": 7,
            },
            "li_per_formula = 7: more than the melt's 6.25, and its empty sites are not known",
        ),
    ],
)
def test_phase_decides_what_a_structure_needs(values, message):
    with pytest.raises(InputError) as error:
        validate(Structure, values, "test")
    assert message in str(error.value)


def test_the_papers_protocols():
    cip, ml = (
        validate(
            Glass, {"structure_potential": "wang2014", "melt_quench": preset}, "test"
        ).melt_quench
        for preset in ("cip", "ml")
    )
    assert (cip.hold_K, cip.hold_ps, cip.quench_K_ps, cip.end_K) == (3000, 1000, 5, 500)
    assert cip.quench_ps == 500
    assert (ml.hold_K, ml.hold_ps, ml.timestep_fs, ml.relax_cell) == (3000, 100, 0.5, True)
    assert (ml.volume_ratio * 13**3) ** (1 / 3) == pytest.approx(13.5)
    assert ml.quench_ps == 0


def test_last_frame_is_the_end_of_the_run(glass: Path):
    atoms = last_frame(glass / "quench", "quench")
    assert np.allclose(atoms.positions, read_structure(glass).positions, atol=1e-5)
    assert (atoms.get_scaled_positions(wrap=False) < 1 + 1e-9).all()


# --------------------------------------------------------------------------- tables


def crossover_rows() -> pd.DataFrame:
    """Diffusion of two structures of each origin with both potentials, and of a crystal."""
    rows = []
    names = ("bush1994_woodley1999", "wang2014")
    for origin, factor in zip(names, (1, 2), strict=True):
        for md, speed in zip(names, (1, 10), strict=True):
            for replica, own in ((1, 0.8), (2, 1.25)):
                rows.append(
                    {
                        "run": f"{origin}-{md}-{replica}",
                        "structure": f"{origin}-{replica}",
                        "phase": "amorphous",
                        "group": None,
                        "structure_potential": origin,
                        "melt_quench": "cip",
                        "md_potential": md,
                        "li_per_formula": 6.25,
                        "volume_ratio": 1.12,
                        "supercell": 1,
                        "temperature_K": 1100.0,
                        "replica": replica,
                        "tracer_D_cm2_s": 5.6e-7 * factor * speed * own,
                        "tracer_D_std_cm2_s": 1e-8,
                        "upper_bound": False,
                        "stationary": True,
                    }
                )
    alone = {**rows[0], "structure": "c", "phase": "crystal", "structure_potential": None}
    return pd.DataFrame([*rows, alone])


def test_table_1_and_its_decomposition():
    table = crossover_table(crossover_rows())
    assert len(table) == 4
    assert table["ratio"].to_list() == pytest.approx([1, 10, 2, 20])
    first, second = table.iloc[0], table.iloc[1]
    assert first["ratio_low_95"] == first["ratio_high_95"] == 1
    assert second["ratio_low_95"] < 10 < second["ratio_high_95"]
    # the paper's amorphous CIP at 1100 K; it has no structures of wang2014
    assert table["paper_D_cm2_s"].iloc[0] == pytest.approx(5.6e-7)
    assert table["paper_D_cm2_s"].iloc[1:].isna().all()
    effects, decompositions = crossover_effects(crossover_rows())
    assert effects["effect"].to_list() == ["structure", "potential", "interaction"]
    assert effects["factor"].to_list() == pytest.approx([2, 10, 1])
    (decomposition,) = decompositions.values()
    assert decomposition.replicas == (2, 2)
    assert crossover_temperature(crossover_rows()) == 1100


def test_a_structure_without_both_runs_is_left_out():
    _, decompositions = crossover_effects(crossover_rows().drop(index=[0]))
    (decomposition,) = decompositions.values()
    assert decomposition.replicas == (1, 2)


def test_bounds_travel_into_ratios_and_out_of_the_decomposition():
    rows = crossover_rows()
    rows.loc[0, "upper_bound"] = True
    table = crossover_table(rows)
    own, *others = table.to_dict("records")
    assert own["upper_bound"] and own["ratio"] == 1
    for other in others:
        # what is known of a side that is a bound is its limit
        ratio = other["tracer_D_cm2_s"] / own["tracer_D_limit_cm2_s"]
        error = other["tracer_D_std_cm2_s"] / other["tracer_D_cm2_s"]
        # of two replicas, by their spread
        width = interval_width(2, other["tracer_D_freedom"]) * error
        assert other["tracer_D_freedom"] == 1
        assert other["ratio_low_95"] == pytest.approx(ratio * max(0.0, 1 - width))
        assert np.isnan(other["ratio"]) and np.isinf(other["ratio_high_95"])
    effects, decompositions = crossover_effects(rows)
    (decomposition,) = decompositions.values()
    assert decomposition.replicas == (1, 2)
    assert (effects["left_out"] == 1).all()


def test_campaigns_without_a_crossover_have_empty_tables():
    crystals = crossover_rows().query("phase == 'crystal'")
    assert crossover_table(crystals).empty
    assert crossover_effects(crystals)[0].empty
    assert crossover_temperature(crystals) is None
    with pytest.raises(InputError, match=r"temperature_K = 700: .* available: none"):
        crossover_temperature(crystals, 700)


def test_write_structure_of_a_glass_can_be_run(glass: Path, tmp_path: Path):
    atoms = read_structure(glass)
    write_structure(atoms, tmp_path, {})
    assert np.allclose(read_structure(tmp_path).positions, atoms.positions, atol=1e-7)
