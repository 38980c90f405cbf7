import copy
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.errors import InputError
from llzo_helpers.md.segments import nvt_schedule, plan_segments
from llzo_helpers.md.settings import MDSettings
from llzo_helpers.paths import PARAMETERS

QUICK = yaml.safe_load((PARAMETERS / "quick.yaml").read_text())


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
            changed(systems__0__temperature_K=[-5, 900]),
            "systems[0].temperature_K[0] = -5: must be greater than 0",
        ),
        (
            changed(systems__0__li_per_formula=9),
            "systems[0]: li_per_formula = 9.0: must be from 5.5 to 7.5",
        ),
        (changed(systems__1__volume_ratio=3), "volume_ratio"),
        (changed(systems=[*QUICK["systems"], QUICK["systems"][0]]), "stands already in systems[0]"),
        (changed(systems__0__temperature_K=[900, 900]), "stands twice; remove one"),
        (changed(systems__0__md_potential="nope"), "no such potential as 'nope'; available: bush"),
        (
            changed(md__frame_interval_fs=0.7),
            "md: frame_interval_fs = 0.7: must be a multiple of timestep_fs = 1",
        ),
        (changed(md__segment_ps=0.03), "segment_ps = 0.03: must be a multiple of frame_interval"),
        (changed(md__launcher="slurm"), "md.launcher = 'slurm': must be 'serial', 'mpi'"),
        (changed(md__processes=2), "launcher 'serial' uses 1"),
        (changed(diffusion={"fit_window": [0.5, 0.1]}), "fit_window = [0.5, 0.1]: must rise"),
        (changed(name="x"), "a campaign is named by its file"),
        (changed(systems=[]), "systems: missing; list systems to run, or trajectories of your own"),
        (changed(seed=float("nan")), "seed = nan"),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "line 2 key 'seed' stands twice"),
        ("a: [1\n", "line 2 expected ',' or ']'"),
        ("- 1\n", "holds no keys"),
        ("", "holds no keys"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
    ],
)
def test_bad_yaml_is_refused_with_its_line(tmp_path: Path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_campaign(str(path))
    assert message in str(error.value)


def test_unknown_campaign_lists_those_there():
    with pytest.raises(InputError, match=r"nope\.yaml: no such campaign; available: .*quick"):
        load_campaign("nope")


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
