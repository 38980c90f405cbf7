"""Through a real Slurm of one node: see tests/slurm. Skipped where it cannot be started."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from short_run import SHORT

from llzo_helpers import slurm
from llzo_helpers.files import sha256
from llzo_helpers.md.launch import find_lammps
from llzo_helpers.parameters import load_campaign
from llzo_helpers.paths import ROOT
from llzo_helpers.trajectory import completed_segments

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def running_slurm() -> Iterator[None]:
    """Slurm, started if it does not answer; what was started is ended."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("starting a Slurm needs root on Debian or Ubuntu")
    start = subprocess.run([ROOT / "tests/slurm/start.sh", "2"], capture_output=True, text=True)
    if start.returncode:
        pytest.skip(f"no Slurm: {(start.stderr or start.stdout).strip().splitlines()[-1]}")
    yield
    if "answers already" not in start.stdout:
        subprocess.run([ROOT / "tests/slurm/stop.sh"], check=False)


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The project's profile, as this cluster needs it: no accounts, quick answers, two ranks."""
    content = yaml.safe_load((ROOT / "workflow/profiles/slurm/config.yaml").read_text())
    del content["default-resources"]["slurm_account"]
    content |= {
        "slurm-no-account": True,
        "slurm-status-command": "squeue",
        "slurm-init-seconds-before-status-checks": 1,
        "seconds-between-status-checks": 2,
        "latency-wait": 5,
        "set-threads": {"run_md": 2},
    }
    folder = tmp_path / "profile"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


def wait_for(condition, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_campaign_with_two_ranks_a_run(tmp_path: Path, profile: Path):
    values = yaml.safe_load((ROOT / "parameters/smoke.yaml").read_text())
    # one run with two ranks, and what is analysed after it
    values["systems"] = [values["systems"][0] | {"temperature_K": 1100}]
    values.pop("vibration", None)
    campaign = tmp_path / "smoke.yaml"
    campaign.write_text(yaml.safe_dump(values))
    process = subprocess.run(
        [sys.executable, "-m", "llzo_helpers.batch", str(campaign), "--profile", str(profile)],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    folder = tmp_path / "smoke"
    assert process.returncode == 0, process.stdout + (folder / "snakemake.log").read_text()[-3000:]
    assert (folder / "report.html").is_file()
    (run,) = load_campaign(str(campaign)).runs
    for log in (folder / "runs" / run.name).glob("segment_*/log.lammps"):
        assert "1 by 1 by 2 MPI processor grid" in log.read_text()
    # every step was a job, and none is left
    assert (folder / "snakemake.log").read_text().count("has been submitted") >= 3
    assert slurm.jobs_in(folder) == {}


JOB = """
import pathlib, sys
from llzo_helpers.md import run_md
from llzo_helpers.parameters import MDSettings
from llzo_helpers.potentials import load_potential

run_md(
    pathlib.Path("run"),
    structure=pathlib.Path(sys.argv[1]),
    potential=load_potential("bush1994_woodley1999"),
    temperature_K=1100,
    seed=7,
    settings=MDSettings.model_validate_json(sys.argv[2]),
)
"""


def test_a_job_near_its_time_limit_stops_between_segments_and_goes_on(
    tmp_path: Path, structure: Path, finished_run: Path
):
    """A limit of one minute, and segments of ten seconds (LAMMPS sleeps first): two jobs' work."""
    lmp = tmp_path / "lmp"
    lmp.write_text(f'#!/bin/sh\ncase "$*" in *-in*) sleep 10;; esac\nexec "{find_lammps()}" "$@"\n')
    lmp.chmod(0o755)
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "job.sh").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" job.py "{structure}" \'{SHORT.model_dump_json()}\'\n'
    )
    submit = ["sbatch", "--parsable", "--time=1", "--requeue", "--output=job.log", "job.sh"]
    environment = {
        **os.environ,
        "LLZO_LMP": str(lmp),
        slurm.REQUEUE_VARIABLE: "1",
        "PYTHONPATH": str(ROOT),
    }
    job = subprocess.run(
        submit, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()

    wait_for(lambda: slurm.jobs_in(tmp_path).get(job) == "PENDING" and job_restarts(job) == 1)
    done = len(completed_segments(tmp_path / "run"))
    assert 0 < done < 5
    # stopped between segments: nothing was cut off
    assert not list((tmp_path / "run").glob("*.part"))

    def finished() -> bool:
        # on a slow machine it takes a third job; Slurm would wait two minutes before each
        if slurm.jobs_in(tmp_path).get(job) == "PENDING":
            subprocess.run(["scontrol", "update", f"jobid={job}", "starttime=now"], check=False)
        return (tmp_path / "run" / "summary.json").is_file()

    wait_for(finished)
    frames = [sha256(path) for path in sorted((tmp_path / "run").glob("segment_*/frames.dcd"))]
    assert frames == [sha256(path) for path in sorted(finished_run.glob("segment_*/frames.dcd"))]


def job_restarts(job: str) -> int:
    shown = subprocess.run(
        ["scontrol", "show", "job", job], capture_output=True, text=True, check=True
    ).stdout
    return int(shown.split("Restarts=")[1].split()[0])
