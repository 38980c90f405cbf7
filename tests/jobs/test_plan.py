"""The planner: its sizes against a run that was made, its arithmetic by hand."""

import re
import shutil
from pathlib import Path

import pytest
from short_run import SHORT

from llzo_helpers.campaign import model
from llzo_helpers.campaign.model import Run, load_campaign
from llzo_helpers.errors import InputError
from llzo_helpers.generate.settings import Structure
from llzo_helpers.jobs import plan
from llzo_helpers.structures import read_structure

RUN = Run(
    structure=Structure(li_per_formula=6.25),
    md_potential="bush1994_woodley1999",
    temperature_K=1100,
)


def test_atoms_are_counted_as_built(structure: Path):
    assert plan.atom_count(RUN.structure) == len(read_structure(structure)) == 186


def test_a_run_takes_the_disk_foreseen(finished_run: Path):
    present = sum(path.stat().st_size for path in finished_run.rglob("*") if path.is_file())
    foreseen = plan.run_bytes(RUN, SHORT) - plan._NOTEBOOK_BYTES
    assert present < foreseen < 1.5 * present


@pytest.mark.slow
def test_given_a_speed_the_hours_follow():
    """Hours of the paper's campaign by hand: 30 runs of 6,000,000 steps and more at 100 steps/s."""
    campaign = load_campaign("paper")
    steps = sum(settings.total_steps for _, settings, _ in plan.molecular_dynamics(campaign))
    structures, md, _ = plan.estimate(campaign, cores=64, steps_per_second=100)
    assert md.core_hours == pytest.approx(steps / 100 / 3600, rel=0.01)
    # nothing is made yet
    assert md.wall_hours_left == pytest.approx(md.wall_hours)
    assert structures.wall_hours_left == pytest.approx(structures.wall_hours)
    # 8 cores a run, 8 runs at a time
    assert md.wall_hours == pytest.approx(md.core_hours / 64)
    # fewer cores than a run asks for: it takes what there is
    _, md, _ = plan.estimate(campaign, cores=2, steps_per_second=100)
    assert md.wall_hours == pytest.approx(md.core_hours / 2)


@pytest.mark.slow
def test_a_campaign_of_glasses_alone():
    smoke = load_campaign("smoke")
    glasses = [system for system in smoke.systems if system.phase == "amorphous"]
    campaign = smoke.model_copy(update={"systems": glasses, "vibration": None})
    structures, _, _ = plan.estimate(campaign, cores=2, steps_per_second=100)
    steps = sum(glass.melt_quench.total_steps for glass in campaign.glasses)
    assert structures.core_hours > steps / 100 / 3600 > 0
    # a glass takes as long as it does, on however many cores the others are made
    longest = max(glass.melt_quench.total_steps for glass in campaign.glasses)
    structures, _, _ = plan.estimate(campaign, cores=512, steps_per_second=100)
    assert structures.wall_hours >= longest / 100 / 3600


@pytest.mark.slow
def test_the_benchmark_agrees_with_a_run(finished_run: Path, tmp_path: Path):
    """Two measurements on a busy machine: within a factor of five."""
    measured = plan._measure_speed("bush1994_woodley1999", SHORT, tmp_path) / 186
    logs = [path.read_text() for path in finished_run.glob("segment_*/log.lammps")]
    loops = [plan._LOOP_TIME.findall(log)[-1] for log in logs]
    of_run = sum(int(steps) for _, steps in loops) / sum(float(seconds) for seconds, _ in loops)
    assert 0.2 < measured / of_run < 5


def test_a_campaign_too_large_for_the_disk_is_refused():
    values = load_campaign("paper")
    # as long as is sensible, 160 GB of frames a run
    longest = {"production_ps": 9e5, "segment_ps": 1e5, "frame_interval_fs": 100}
    longer = values.md.model_copy(update=longest)
    larger = values.model_copy(update={"md": longer})
    with pytest.raises(InputError, match=r"disk: the campaign needs .* GB more, .* GB are free"):
        plan.require_disk_space(larger)


def test_a_disk_too_small_here_is_told_and_the_plan_succeeds(capsys, monkeypatch, tmp_path: Path):
    """It may be for another machine; a file system without files, such as /proc, has no room."""
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(plan, "estimate", lambda *_, **__: [plan.StageCost("x", 1, 4, 2, 3, 1, 5)])
    plan.print_plan("smoke", cores=512)
    *_, total, _, last = capsys.readouterr().out.splitlines()
    hours = "4.00 core-hours (2.00 left), 3.00 hours by the clock on 512 cores (1.00 left)"
    assert total.startswith(f"total: {hours}")
    told = r"not enough space to run it here: .*: the campaign needs 0\.0*[1-9].* GB more, 0 GB are"
    assert re.match(told, last)
