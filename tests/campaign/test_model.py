import copy
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llzo_helpers import potentials
from llzo_helpers.campaign.model import load_campaign, smallest_cells
from llzo_helpers.errors import InputError
from llzo_helpers.md.segments import nvt_schedule, plan_segments
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.paths import PARAMETERS
from llzo_helpers.schema import load_yaml

QUICK = yaml.safe_load((PARAMETERS / "quick.yaml").read_text())

WITHOUT_VOLUME = {
    key: QUICK["systems"][0][key] for key in QUICK["systems"][0] if key != "volume_ratio"
}


@pytest.mark.parametrize("path", sorted(PARAMETERS.glob("*.yaml")), ids=lambda path: path.stem)
def test_campaigns_that_come_along_are_valid(path: Path):
    campaign = load_campaign(path.stem)
    assert campaign.name == path.stem
    assert len({run.name for run in campaign.runs}) == len(campaign.runs)


def changed(**changes):
    values = copy.deepcopy(QUICK)
    for key, value in changes.items():
        *path, last = key.split("__")
        place = values
        for part in path:
            place = place[int(part) if part.isdigit() else part]
        place[last] = value
    return values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (changed(sed=1), "sed: unknown key; did you mean 'seed'?"),
        (changed(md__time_step=1), "md.time_step: unknown key; did you mean 'timestep_fs'?"),
        (
            changed(systems=[WITHOUT_VOLUME | {"volumeratio": 1.0}]),
            "systems[0].volumeratio: unknown key; did you mean 'volume_ratio'? (and 1 more)",
        ),
        (changed(md__production_ps=-30), "md.production_ps = -30: must be greater than 0"),
        (changed(md__production_ps=0), "md.production_ps = 0: must be greater than 0"),
        (
            changed(systems__0__temperature_K=[-5, 900]),
            "systems[0].temperature_K[0] = -5: must be greater than 0",
        ),
        (
            changed(systems__0__li_per_formula=9),
            "systems[0]: li_per_formula: 9.0; give the Li per formula unit, 5.5 to 7.5",
        ),
        (changed(systems__1__volume_ratio=3), "volume_ratio"),
        (
            changed(systems__0__md={"production_ps": 0.5}),
            "systems[0].diffusion.fit_window = [0.",
        ),
        (changed(systems__0__md={"time_step": 1}), "systems[0].md: time_step: unknown key"),
        (changed(systems__0__md={"launcher": "mpi"}), "systems[0]: md.launcher: the same for all"),
        (changed(systems=[*QUICK["systems"], QUICK["systems"][0]]), "is already in systems[0]"),
        (changed(systems__0__temperature_K=[900, 900]), "is given twice; remove one"),
        (changed(systems__0__md_potential="nope"), "no potential 'nope'; available: bush"),
        (
            changed(md__frame_interval_fs=0.7),
            "md: frame_interval_fs = 0.7: must be a multiple of timestep_fs = 1",
        ),
        (changed(md__segment_ps=0.03), "segment_ps = 0.03: must be a multiple of frame_interval"),
        (changed(md__launcher="slurm"), "md.launcher = 'slurm': must be 'auto', 'serial'"),
        (changed(md__launcher="serial", md__processes=2), "launcher 'serial' uses 1"),
        (
            changed(diffusion={"fit_window": [0.5, 0.1]}),
            "fit_window = [0.5, 0.1]: must be two increasing numbers",
        ),
        (changed(name="x"), "a campaign is named by its file"),
        (changed(systems=[]), "systems: missing; list systems to run, or trajectories of your own"),
        (changed(seed=float("nan")), "seed = nan"),
        # an analysis would fail after all of the molecular dynamics
        (changed(md__production_ps=0.25, md__segment_ps=0.25), "too few of 5 frames"),
        (changed(diffusion={"fit_window": [0.1, 0.101]}), "too few of 600 frames"),
        (changed(md__jump_run_ps=0.15, md__segment_ps=0.15), "jump_run_ps = 0.15: has 3 frames"),
        # no numbers
        (
            changed(systems__0__temperature_K=True),
            "temperature_K[0] = True: must be a valid number",
        ),
        (changed(systems__0__temperature_K="900"), "temperature_K[0] = '900': must be a valid"),
        (changed(systems__0__replicas=True), "replicas = True: must be a valid integer"),
        (changed(diffusion={"fit_window": [True, "0.5"]}), "fit_window[0] = True"),
        # sizes
        (
            changed(md__equilibration_ps=1e18),
            "equilibration_ps = 1e+18: must be less than or equal",
        ),
        (changed(md__equilibration_ps=1e306), "equilibration_ps = 1e+306: must be less than"),
        (changed(systems__0__replicas=10_000_000), "replicas = 10000000: must be less than"),
        (
            changed(systems__0__replicas=900),
            "replicas = 900: with all the lists this makes 5400 runs",
        ),
        (
            changed(systems=[{**s, "replicas": 400} for s in QUICK["systems"]]),
            "systems: 6800 runs in all",
        ),
        (
            changed(md__production_ps=5000, md__segment_ps=0.2),
            "segments of a run, at most 10000",
        ),
        (changed(md__frame_interval_fs=1e-9), "frame_interval_fs = 1e-09: must be greater than"),
        (changed(md__frame_interval_fs=0.4), "must be a multiple of timestep_fs = 1"),
        (changed(md__segment_ps=1e-12), "segment_ps = 1e-12: must be a multiple"),
        (changed(md__thermostat_damping_fs=2), "shorter than 5 timestep_fs"),
        (
            changed(md__production_ps=1e6, md__segment_ps=1e6, md__frame_interval_fs=50),
            "frames of a run",
        ),
        (changed(systems__4__melt_quench__quench_K_ps=1e-300), "more than 1e+06 ps"),
        (changed(seed=10**30), "seed = a number of about"),
        # strange shapes
        (changed(systems__3__melt_quench={"preset": []}), "no preset []"),
        (changed(systems__0__md_potential="x" * 100_000), "must be the name of a folder"),
        (changed(systems__0__md_potential=["a" * 61]), "must be the name of a folder"),
        (changed(description=["x"] * 10_000), "description = a list of 10000: must be a valid str"),
        (changed(description="x" * 100_000), "String should have at most 10000"),
        (changed(**{"x" * 100_000: 1}), "xxx: unknown key"),
        (changed(systems={"phase": "crystal"}), "systems: must be a valid list"),
    ],
)
def test_bad_campaigns_are_refused_in_one_line(tmp_path: Path, values, message):
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(InputError) as error:
        load_campaign(str(path))
    text = str(error.value)
    assert text.startswith(str(path))
    assert message in text
    assert "\n" not in text
    assert len(text) < 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "line 2 key 'seed' is given twice"),
        ("a: [1\n", "line 2 expected ',' or ']'"),
        ("- 1\n", "holds no keys"),
        ("", "holds no keys"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("seed: 2001-13-45\n", "line 1 '2001-13-45' is not of the kind 'timestamp'"),
        ("a: 1\nseed: !!int abc\n", "line 2 'abc' is not of the kind 'int'"),
        ("seed: " + "9" * 5000, "line 1 '9999"),
        ("systems: !!map [1]\n", "line 1 expected a mapping node, but found sequence"),
        ("{" * 2000, "line 1 more than 20 levels of nesting"),
        ("- " * 2000, "line 1 more than 20 levels of nesting"),
        ('description: "\\UFFFFFFFF"\n', "not YAML"),
        ("a: &a [*a]\n", "line 1 an alias inside itself"),
        (
            "a0: &a0 [x, x]\n"
            + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(12)),
            "aliases stand for more than 100000 values",
        ),
        ("1: 2\n", "key 1 is not a name"),
        ("[a]: 2\n", "key ['a'] is not a name"),
        ("? {a: b}\n: 2\n", "key {'a': 'b'} is not a name"),
        ("a: " + "x" * 1_000_001, "larger than 1000000 bytes"),
        ("\x00", "not YAML"),
    ],
)
def test_bad_yaml_is_refused_with_its_line(tmp_path: Path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_campaign(str(path))
    assert message in str(error.value)
    assert len(str(error.value)) < 300


def test_numbers_are_decimal(tmp_path: Path):
    """YAML 1.1 would take 0700 for 448, 12:30 for 750, and 1e3 for a text."""
    path = tmp_path / "numbers.yaml"
    path.write_text("a: 0700\nb: 12:30\nc: 1e3\nd: -4\ne: 1_0\nf: .5\n<<: {g: 1.5}\n")
    values = {"a": 700, "b": "12:30", "c": 1000, "d": -4, "e": "1_0", "f": 0.5, "g": 1.5}
    assert load_yaml(path) == values


def test_files_that_are_none(tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"seed: \xff\n")
    with pytest.raises(InputError, match="not YAML"):
        load_campaign(str(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="no such campaign"):
        load_campaign(str(path))
    for name in ("x" * 100_000, "a/" * 3000):
        with pytest.raises(InputError, match=r"campaign: .*: File name too long"):
            load_campaign(name)


def test_a_large_campaign_reads_each_potential_once():
    """It has hundreds of runs, and each asks for its potentials."""
    potentials._read.cache_clear()
    campaign = load_campaign("paper")
    reads = potentials._read.cache_info()
    assert reads.misses <= len(campaign.potentials)
    assert reads.hits > 10 * reads.misses


def test_unknown_campaign_lists_those_there():
    with pytest.raises(InputError, match=r"nope: no such campaign; available: .*quick"):
        load_campaign("nope")


def test_a_system_may_run_longer_than_the_campaign(tmp_path: Path):
    path = tmp_path / "longer.yaml"
    changes = {"production_ps": 60, "timestep_fs": 2.0}
    path.write_text(yaml.safe_dump(changed(systems__0__md=changes, md__jump_run_ps=15)))
    campaign = load_campaign(str(path))
    for run in campaign.runs:
        (system,) = [system for system in campaign.systems if system.makes(run)]
        assert run in system.runs()
        settings, longer = campaign.md_settings(run), system is campaign.systems[0]
        assert (settings.production_ps, settings.timestep_fs) == ((60, 2) if longer else (30, 1))
        assert settings.equilibration_ps == campaign.md.equilibration_ps
        assert settings.jump_run_ps == (15 if run.temperature_K == 1100 else 0)


def test_what_needs_no_large_cell_leaves_it_out_where_there_is_a_small_one():
    campaign = load_campaign("reference")
    small = smallest_cells(campaign.runs)
    left_out = [run for run in campaign.runs if run not in small]
    assert {run.structure.supercell for run in small} == {1}
    assert {run.structure.supercell for run in left_out} == {2}
    assert smallest_cells(left_out) == left_out
    assert {run.structure.supercell for run in campaign.vibration_runs} == {1}


def test_seeds_are_reproducible_and_differ_by_label_and_campaign(tmp_path: Path):
    quick = load_campaign("quick")
    seeds = {quick.seed_of(run.name) for run in quick.runs}
    assert len(seeds) == len(quick.runs)
    assert quick.seed_of("a") == load_campaign("quick").seed_of("a")
    assert quick.seed_of("a") != quick.model_copy(update={"seed": 2}).seed_of("a")
    assert all(1 <= seed < 2**31 for seed in seeds)


@given(
    equilibration=st.integers(0, 50),
    production=st.integers(1, 200),
    jumps=st.integers(0, 50),
    segment=st.integers(1, 60),
)
def test_segments_cover_the_run_without_gap_or_overlap(equilibration, production, jumps, segment):
    settings = MDSettings(
        equilibration_ps=equilibration,
        production_ps=production,
        jump_run_ps=jumps,
        segment_ps=segment,
    )
    segments = plan_segments(nvt_schedule(1100, settings), settings)
    assert segments[0].first_step == 0
    assert segments[-1].last_step == settings.total_steps
    order = ["equilibration", "production", "jumps"]
    for before, after in pairwise(segments):
        assert before.last_step == after.first_step
        assert order.index(before.stage) <= order.index(after.stage)
    assert all(0 < s.last_step - s.first_step <= 1000 * segment for s in segments)
    assert sum(s.n_frames for s in segments if s.stage == "production") == 5 * production
    assert sum(s.n_frames for s in segments if s.stage == "jumps") == 20 * jumps
    assert all(s.n_frames == 0 for s in segments if s.stage == "equilibration")


def test_a_file_is_named_so_that_folders_can_be(tmp_path: Path):
    path = tmp_path / "na cl.yaml"
    path.write_text((PARAMETERS / "smoke.yaml").read_text())
    with pytest.raises(
        InputError, match=r"name = 'na cl': names folders: letters, digits and \. _ -"
    ):
        load_campaign(path)
