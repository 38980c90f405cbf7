"""What users' environments bring: a home that cannot be written, Slurm's settings, few CPUs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llzo_helpers import slurm
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.errors import InputError
from llzo_helpers.files import make_folder, write_text
from llzo_helpers.jobs import cpus
from llzo_helpers.jobs.cli import main
from llzo_helpers.jobs.engine import (
    _require_accepted_by_slurm,
    _require_writable_home,
    _run_beside_earlier_jobs,
)
from llzo_helpers.lab.parameters import GenerateParameters, RunParameters
from llzo_helpers.md.lock import locked, slurm_job
from llzo_helpers.paths import RESULTS, ROOT
from llzo_helpers.schema import validate

_AT_HOME = ("XDG_CACHE_HOME", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nobody", "/sys/nobody"])
def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch, home: str):
    monkeypatch.setenv("HOME", home)
    for variable in _AT_HOME:
        # so that they are put back afterwards
        monkeypatch.setenv(variable, "")
    _require_writable_home(tmp_path)
    assert all(os.environ[variable].startswith(str(tmp_path / ".home")) for variable in _AT_HOME)


def test_a_home_that_can_is_left_alone(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in _AT_HOME:
        monkeypatch.setenv(variable, "")
    _require_writable_home(tmp_path / "results")
    assert not any(os.environ[variable] for variable in _AT_HOME)


def test_results_that_cannot_be_written_are_said_in_one_line(tmp_path: Path):
    # even root makes no folder there
    with pytest.raises(InputError, match="/sys/llzo: cannot be made: Operation not permitted"):
        make_folder(Path("/sys/llzo"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/x: cannot be made: Not a directory; change"):
        write_text(tmp_path / "file" / "x" / "y.csv", "")
    with pytest.raises(InputError, match="/sys/lock: cannot be written"), locked(Path("/sys")):
        pass


def fake(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def test_a_users_settings_of_slurm_do_not_hide_the_time_limit(tmp_path: Path, monkeypatch):
    fake(
        tmp_path,
        "squeue",
        'if [ -n "$SLURM_TIME_FORMAT$SQUEUE_STATES" ]; then echo "Fri 13:00"; exit; fi\n'
        'date -d "+100 seconds" +%Y-%m-%dT%H:%M:%S\n',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    monkeypatch.setenv("SQUEUE_STATES", "PENDING")
    assert slurm.seconds_left() == pytest.approx(100, abs=10)


def test_empty_lines_of_squeue(tmp_path: Path, monkeypatch):
    fake(tmp_path, "squeue", f"echo; echo '7|7|N/A|RUNNING|{tmp_path}'; echo; echo '8|8'\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert slurm.jobs_in(tmp_path) == {"7": "RUNNING"}


def test_an_account_that_slurm_does_not_know(tmp_path: Path, monkeypatch):
    """As a Slurm with accounts says it, which takes a database that is not at hand."""
    fake(
        tmp_path,
        "sbatch",
        'case "$*" in *--account=ours*) exit 0 ;; esac\n'
        'echo "allocation failure: Invalid account or account/partition combination specified" >&2'
        "\nexit 1\n",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    profile = tmp_path / "config.yaml"
    profile.write_text("default-resources: {slurm_account: default, slurm_partition: main}")
    words = "slurm_account = 'default', slurm_partition = 'main': Invalid account or .*; give yours"
    with pytest.raises(InputError, match=rf"{profile}: {words}"):
        _require_accepted_by_slurm(tmp_path)
    profile.write_text("default-resources: {slurm_account: ours, slurm_partition: main}")
    _require_accepted_by_slurm(tmp_path)
    profile.write_text("executor: slurm")
    with pytest.raises(InputError, match=rf"{profile}: slurm_account and slurm_partition: Inva"):
        _require_accepted_by_slurm(tmp_path)


def test_only_allowed_cpus_count(tmp_path: Path, monkeypatch):
    code = "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1]); "
    code += "from llzo_helpers.jobs.cpus import usable_cpus; print(usable_cpus())"
    words = [sys.executable, "-c", code]
    assert subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout == "1\n"
    monkeypatch.setattr(cpus, "_CGROUPS", tmp_path)
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert cpus.usable_cpus() == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert cpus.usable_cpus() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "smoke", "--steps-per-second", "nan"], "--steps-per-second nan: give a number"),
        (["plan", "smoke", "--steps-per-second", "0"], "--steps-per-second 0: give a number"),
        (["plan", "smoke", "--steps-per-second", "-inf"], "invalid"),
        (["plan", "smoke", "--cores", "0"], "--cores 0: give a number from 1"),
        (["plan", "smoke", "--cores", "two"], "invalid int value: 'two'"),
        (["fly"], "invalid choice: 'fly'"),
        ([], "the following arguments are required"),
    ],
)
def test_a_command_line_that_is_wrong_is_refused_in_one_line(capsys, words, message):
    if words[-1:] == ["-inf"]:
        # argparse takes it for an option; with '=' it is a value
        words, message = [*words[:-2], "--steps-per-second=-inf"], "--steps-per-second -inf"
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert len(line) < 300


def test_folders_of_notebooks_lie_in_the_results(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given, folder in (
        ("by_hand/x", RESULTS / "by_hand/x"),
        ("./x", tmp_path / "x"),
        ("/x/y", Path("/x/y")),
    ):
        assert Path(GenerateParameters(seed=1, output=given).output) == folder
    run = RunParameters(
        structure="a", output="b", md_potential="wang2014", temperature_K=900, seed=1
    )
    assert (run.structure, run.output) == (str(RESULTS / "a"), str(RESULTS / "b"))


def test_the_home_of_nobody_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"parameters: output = '~nobody_here/x': .*another path"):
        validate(GenerateParameters, {"seed": 1, "output": "~nobody_here/x"}, "parameters")


@pytest.mark.slow
def test_a_notebook_from_the_root_writes_into_the_results(tmp_path: Path):
    words = [sys.executable, "-m", "papermill", "--no-progress-bar"]
    words += ["notebooks/01_generate.ipynb", str(tmp_path / "out.ipynb")]
    environment = {**os.environ, "LLZO_RESULTS": str(tmp_path / "results")}
    subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True)
    made = tmp_path / "results/by_hand/structures/C-Li6.25-V101-1x1x1-r1/provenance.json"
    assert made.is_file()
    assert not (ROOT.parent / "results").exists()


ARRAY = """
end() { date -d "+$1 seconds" +%Y-%m-%dT%H:%M:%S; }
case "$*" in
*"--job 12_3"*) end 100 ;;
*"--job 12"*) end 900; end 900; end 100 ;;
*) for job in "13|12|1" "12|12|3" "15|15|N/A"; do echo "$job|RUNNING|/a"; done ;;
esac
"""
"""Slurm's answers about two tasks of an array, one of which has its number, and about a job."""


def test_a_task_of_an_array_is_not_taken_for_all_of_it(tmp_path: Path, monkeypatch):
    fake(tmp_path, "squeue", ARRAY)
    fake(tmp_path, "scontrol", f'echo "$*" >>"{tmp_path}/asked"\n')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv(slurm.REQUEUE_VARIABLE, "1")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert slurm.seconds_left() == pytest.approx(100, abs=10)
    slurm.requeue()
    assert (tmp_path / "asked").read_text() == "requeue 12_3\n"
    with locked(tmp_path):
        assert slurm_job((tmp_path / "lock").read_text().strip()) == "12_3"
    assert [slurm.is_active(job) for job in ("12_3", "13", "15", "12")] == [True, True, True, False]
    assert slurm.jobs_in(Path("/a")) == dict.fromkeys(("13", "12_3", "15"), "RUNNING")
    # a task's variables are inherited by the job that it submits, and belong to no array there
    monkeypatch.setenv("SLURM_JOB_ID", "15")
    assert slurm.job_id() == "15"


def test_a_job_of_an_earlier_call_that_holds_no_run_is_told_of(tmp_path: Path, monkeypatch, capsys):
    """An analysis; the engine waits for its end."""
    answers = iter([{"7": "RUNNING"}, {"7": "RUNNING"}, {}])
    monkeypatch.setattr(slurm, "jobs_in", lambda folder: next(answers))
    monkeypatch.setattr(slurm, "cancel_jobs_in", lambda folder, only_waiting: None)
    monkeypatch.setattr("llzo_helpers.jobs.engine.time.sleep", lambda seconds: None)
    campaign = load_campaign("smoke").model_copy(update={"name": "nothing-here"})
    monkeypatch.setattr("llzo_helpers.campaign.model.RESULTS", tmp_path)
    _run_beside_earlier_jobs([], campaign, lambda command: 0)
    told = "waiting for Slurm job 7 of an earlier call, which holds no run yet (scancel ends it)\n"
    assert capsys.readouterr().out == told
