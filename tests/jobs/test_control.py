"""Locks, the table of runs, starting and cancelling; and that values stay out of shells."""

import errno
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from site_records import record_sites
from snakemake.utils import format as snakemake_format

from llzo_helpers.campaign import model
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.campaign.site_files import load_network
from llzo_helpers.errors import InputError
from llzo_helpers.files import write_json
from llzo_helpers.jobs import control
from llzo_helpers.jobs.engine import run_campaign
from llzo_helpers.jobs.report import _reason
from llzo_helpers.md.folder import completed_segments
from llzo_helpers.md.lock import holder, local_process, locked, slurm_job
from llzo_helpers.paths import ROOT

WORKFLOW = ROOT / "workflow/Snakefile"
CAMPAIGN = {
    "description": "Two short runs",
    "seed": 1,
    "md": {
        "equilibration_ps": 0.2,
        "production_ps": 0.8,
        "frame_interval_fs": 20,
        "segment_ps": 0.2,
    },
    "systems": [
        {
            "phase": "crystal",
            "li_per_formula": 6.25,
            "volume_ratio": 1.01,
            "md_potential": "bush1994_woodley1999",
            "temperature_K": [900, 1100],
        }
    ],
}


# --------------------------------------------------------------------------- locks


def test_a_lock_says_who_holds_it_and_is_erased_at_the_end(tmp_path: Path):
    assert holder(tmp_path) is None
    with locked(tmp_path):
        record = holder(tmp_path)
        assert record is not None
        assert local_process(record) == os.getpid()
    assert holder(tmp_path) is None
    assert (tmp_path / "lock").read_text() == ""
    with suppress(KeyboardInterrupt), locked(tmp_path):
        raise KeyboardInterrupt
    assert (tmp_path / "lock").read_text() == ""


def test_a_lock_left_by_a_killed_process_is_stale_at_once(tmp_path: Path):
    (tmp_path / "lock").write_text(f"process 1 on {socket.gethostname()}\n")
    with locked(tmp_path):
        pass


@pytest.mark.parametrize(("age_s", "stale"), [(0, False), (200, False), (400, True)])
def test_a_lock_of_another_node_counts_until_nobody_renews_it(tmp_path: Path, age_s, stale):
    """As on a file system that does not share flock between nodes."""
    path = tmp_path / "lock"
    path.write_text("process 7 on node3\n")
    os.utime(path, (time.time() - age_s,) * 2)
    assert (holder(tmp_path) is None) == stale
    if stale:
        with locked(tmp_path):
            pass
    else:
        with pytest.raises(InputError, match="locked by process 7 on node3"), locked(tmp_path):
            pass
        assert path.read_text() == "process 7 on node3\n"


@pytest.mark.parametrize("node", [socket.gethostname(), "node3"], ids=["this node", "another"])
def test_the_lock_of_another_user_is_only_read(tmp_path: Path, monkeypatch, node: str):
    """Root may write everywhere, so that permissions alone would not show it."""
    record, open_file = f"process 7 on {node}", os.open

    def refused(path, flags, *args, **kwargs):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_file(path, flags, *args, **kwargs)

    path = tmp_path / "lock"
    path.write_text(f"{record}\n")
    with path.open() as lock:
        monkeypatch.setattr(os, "open", refused)
        assert holder(tmp_path) == (record if node == "node3" else None)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert holder(tmp_path) == record


def test_a_lock_that_cannot_be_read_is_said_in_one_line(tmp_path: Path):
    (tmp_path / "lock").symlink_to("lock")
    with pytest.raises(InputError, match=r"/lock: cannot be read: .*; ask its owner"):
        holder(tmp_path)


def test_a_requeued_job_finds_its_own_lock_stale(tmp_path: Path, monkeypatch):
    """The job starts again on another node, with the number it had."""
    (tmp_path / "lock").write_text("process 7 on node3, Slurm job 42\n")
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    with locked(tmp_path):
        assert slurm_job((tmp_path / "lock").read_text().strip()) == "42"


def test_who_takes_the_lock_waits_for_a_look_that_lasts(tmp_path: Path):
    """As of a process that looks and is then not given the processor for a while."""
    with (tmp_path / "lock").open("w") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        threading.Timer(1.0, fcntl.flock, (look, fcntl.LOCK_UN)).start()
        with locked(tmp_path):
            assert holder(tmp_path) is not None


def test_of_many_who_want_the_lock_at_once_one_gets_it(tmp_path: Path):
    start, gone = threading.Barrier(8), threading.Barrier(8)

    def take(_: int) -> bool:
        start.wait()
        try:
            with locked(tmp_path):
                gone.wait()
                return True
        except InputError:
            gone.wait()
            return False

    with ThreadPoolExecutor(8) as takers:
        for _ in range(50):
            assert sum(takers.map(take, range(8))) == 1


def test_looking_does_not_disturb_who_takes_the_lock(tmp_path: Path):
    """Another process looks all the while, and counts how often it did and whom it saw."""
    code = (
        "import sys, pathlib; from llzo_helpers.md.lock import holder\n"
        "run, looks, seen = pathlib.Path(sys.argv[1]), 0, 0\n"
        "while not (run / 'enough').exists():\n"
        "    seen += holder(run) is not None\n"
        "    looks += 1\n"
        "    if looks == 1: print('looking', flush=True)\n"
        "print(looks, seen)"
    )
    looking = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert looking.stdout is not None
        assert looking.stdout.readline() == "looking\n"
        for _ in range(200):
            with locked(tmp_path):
                time.sleep(0.005)
        (tmp_path / "enough").touch()
        looks, seen = map(int, looking.stdout.readline().split())
        assert looking.wait(10) == 0
    finally:
        looking.kill()
        looking.wait()
        looking.stdout.close()
    assert looks > 200
    # held for most of the time, and between looks nobody
    assert 0 < seen < looks


# --------------------------------------------------------------------------- runs from outside


def call(code: str, results: Path) -> str:
    """Run some code in a process that then ends, as a notebook's kernel might."""
    return subprocess.run(
        [sys.executable, "-c", f"from llzo_helpers.jobs import control\n{code}"],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(results), "JPY_SESSION_NAME": "02_run_md.ipynb"},
        # as in the kernels of a server that a shell has put into the background
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def table(campaign: Path, results: Path) -> dict[str, dict]:
    code = (
        "import json; from llzo_helpers.campaign.model import load_campaign\n"
        f"t = control.run_table(load_campaign({str(campaign)!r}))\n"
        "print(t.to_json(orient='records'))"
    )
    return {row["run"]: row for row in json.loads(call(code, results))}


def wait_for(condition, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.slow
def test_a_finished_run_of_which_more_is_asked_goes_on(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    path, made = tmp_path / "pair.yaml", []
    for production_ps in (0.8, 1.2):
        own = CAMPAIGN["systems"][0] | {"md": {"production_ps": production_ps}}
        path.write_text(yaml.safe_dump(CAMPAIGN | {"systems": [own]}))
        campaign = load_campaign(str(path))
        run, _ = campaign.runs
        assert campaign.finished_runs == []
        words = ["run", str(path), "--cores", "1", "--only", run.name]
        subprocess.run(
            [sys.executable, "-m", "llzo_helpers", *words],
            cwd=ROOT,
            env={**os.environ, "LLZO_RESULTS": str(tmp_path)},
            check=True,
        )
        assert campaign.finished_runs == [run]
        folder = campaign.run_directory(run)
        assert completed_segments(folder)[-1]["last_step"] == 200 + 1000 * production_ps
        made.append((folder / "segment_0000/segment.json").stat().st_mtime_ns)
    assert made[0] == made[1]


@pytest.mark.slow
def test_started_runs_outlive_who_started_them_and_can_be_cancelled(tmp_path: Path):
    campaign = tmp_path / "pair.yaml"
    # long enough to be met at work
    md = CAMPAIGN["md"] | {"production_ps": 100, "segment_ps": 1}
    campaign.write_text(yaml.safe_dump(CAMPAIGN | {"md": md}))
    first, second = (run.name for run in load_campaign(str(campaign)).runs)
    call(f"control.start({str(campaign)!r}, only=[{first!r}])", tmp_path)
    folder = tmp_path / "pair"
    wait_for(lambda: list(folder.glob("runs/*/segment_0001")))
    rows = table(campaign, tmp_path)
    assert rows[first]["state"] == "running"
    assert 0 < rows[first]["progress"] < 1
    assert "process" in rows[first]["reason"]
    assert rows[second]["state"] == "waiting"
    with pytest.raises(subprocess.CalledProcessError) as error:
        call(f"control.start({str(campaign)!r})", tmp_path)
    assert "pair: already running (process" in error.value.stderr
    call(
        "from llzo_helpers.campaign.model import load_campaign\n"
        f"control.cancel(load_campaign({str(campaign)!r}))",
        tmp_path,
    )
    wait_for(lambda: not holder(folder) and not holder(folder / "runs" / first), 60)
    rows = table(campaign, tmp_path)
    assert rows[first]["state"] == "waiting"
    assert not list((tmp_path / "pair").glob("runs/*/summary.json"))


def lammps_of(folder: Path) -> list[int]:
    """Processes of LAMMPS that work in a campaign's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name = (process / "comm").read_text().strip()
            if name == "lmp" and folder in (process / "cwd").readlink().parents:
                found.append(int(process.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "launcher"),
    [(signal.SIGINT, {}), (signal.SIGTERM, {"launcher": "mpi", "processes": 2})],
)
def test_a_stop_of_the_controller_alone_ends_lammps_at_once(tmp_path: Path, stop, launcher):
    md = CAMPAIGN["md"] | {"production_ps": 100} | launcher
    campaign = tmp_path / "pair.yaml"
    campaign.write_text(yaml.safe_dump(CAMPAIGN | {"md": md}))
    folder = tmp_path / "pair"
    controller = subprocess.Popen(
        [sys.executable, "-m", "llzo_helpers", "run", str(campaign), "--cores", "2"],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    # between two segments there is none
    wait_for(lambda: list(folder.glob("runs/*/segment_0001")) and lammps_of(folder))
    before = {path.parent for path in folder.glob("runs/*/segment_????/segment.json")}
    controller.send_signal(stop)
    wait_for(lambda: not lammps_of(folder), 5)
    _, errors = controller.communicate(timeout=30)
    assert controller.returncode == 130
    assert errors.strip() == "stopped; the same command resumes from here"
    assert before <= {path.parent for path in folder.glob("runs/*/segment_????/segment.json")}
    assert not holder(folder)
    assert not lammps_of(folder)


@pytest.mark.slow
def test_snakemake_ended_from_outside_is_no_failure_of_a_step(tmp_path: Path):
    campaign = tmp_path / "pair.yaml"
    campaign.write_text(yaml.safe_dump(CAMPAIGN))
    controller = subprocess.Popen(
        [sys.executable, "-m", "llzo_helpers", "run", str(campaign), "--cores", "1"],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: list(tmp_path.glob("pair/runs/*/segment_0001")))
    children = Path(f"/proc/{controller.pid}/task/{controller.pid}/children")
    os.kill(int(children.read_text().split()[0]), signal.SIGTERM)
    output, _ = controller.communicate(timeout=120)
    assert controller.returncode == 1
    assert "no notebook failed" in output
    assert "some steps failed" not in output


# --------------------------------------------------------------------------- shells

HOSTILE = "r $(touch pwned) `touch pwned`; touch pwned # '\" & |"


@pytest.mark.slow
def test_hostile_paths_reach_no_shell(tmp_path: Path):
    """The campaign's file and the results lie in folders whose names are shell code."""
    folder = tmp_path / HOSTILE
    folder.mkdir()
    campaign = folder / "pair.yaml"
    campaign.write_text(yaml.safe_dump(CAMPAIGN | {"description": HOSTILE}))
    run = load_campaign(str(campaign)).runs[0].name
    process = subprocess.run(
        [sys.executable, "-m", "llzo_helpers", "run", str(campaign), "--only", run],
        cwd=ROOT,
        env={**os.environ, "LLZO_RESULTS": str(folder / "results"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert (folder / "results/pair/runs" / run / "summary.json").is_file()
    assert not list(tmp_path.rglob("pwned"))
    assert not (ROOT / "pwned").exists()


OTHERS = [HOSTILE, "../x", "", "wang2014/../wang2014", "wang2014\n", "./wang2014"]
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")
values = st.one_of(st.text(), st.integers(), st.floats(), st.sampled_from(OTHERS))


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["phase", "li_per_formula", "volume_ratio", "md_potential", "supercell"]),
        values,
        min_size=1,
    ),
    values,
    values,
)
def test_names_made_of_parameters_hold_no_shell_code(tmp_path_factory, system, seed, launcher):
    """What is not refused gives names of plain characters: only they appear in job commands."""
    path = tmp_path_factory.mktemp("fuzz") / "fuzz.yaml"
    content = CAMPAIGN | {"systems": [CAMPAIGN["systems"][0] | system]}
    for changed in (content, content | {"seed": seed}, content | {"md": {"launcher": launcher}}):
        path.write_text(yaml.safe_dump(changed, allow_unicode=True), encoding="utf-8")
        try:
            campaign = load_campaign(str(path))
        except InputError as error:
            assert "\n" not in str(error)
            continue
        for name in [run.name for run in campaign.runs] + [s.name for s in campaign.structures]:
            assert set(name) <= PLAIN


@pytest.mark.parametrize("character", sorted(set(HOSTILE) - set("rtouchpwned")))
def test_folders_whose_names_a_shell_would_read_are_refused_for_slurm(
    tmp_path: Path, monkeypatch, character
):
    """Its executor does not quote them."""
    monkeypatch.setattr(model, "RESULTS", tmp_path / f"a{character}b")
    with pytest.raises(InputError, match="not safe in Slurm's jobs") as error:
        run_campaign("smoke", "slurm", None)
    assert repr(character) in str(error.value)
    assert not list(tmp_path.iterdir())


# What a shell gives special meaning, beside any text that a YAML file and a path can hold
SPECIAL = st.text(st.sampled_from("'\"\\`$(){}[]<>|&;#!*?~=%^ \t\n-"), min_size=1)
TEXT = st.text(
    # a path is never empty
    st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"], exclude_characters="\0"),
    min_size=1,
)
COMMANDS = re.findall(r'^    shell:\n(?: +#.*\n)* +"(.+)"$', WORKFLOW.read_text(), re.MULTILINE)


@settings(deadline=None)
@given(*[st.one_of(SPECIAL, TEXT, st.tuples(TEXT, SPECIAL).map("".join))] * 4)
def test_values_come_out_of_the_workflows_shell_commands_as_they_went_in(a, b, c, campaign):
    """Each command of the Snakefile, filled in as Snakemake does, in the shell it uses."""
    given = json.dumps({"structure": c, "output": a})
    assert len(COMMANDS) == WORKFLOW.read_text().count("    shell:\n")
    for command in set(COMMANDS):
        filled_in = snakemake_format(
            command,
            python="words",
            papermill="words",
            input=SimpleNamespace(notebook=a),
            log=SimpleNamespace(notebook=b),
            params=SimpleNamespace(parameters=given),
            campaign_name=campaign,
            threads=2,
        )
        shell = subprocess.run(
            [shutil.which("bash"), "-c", f"words() {{ printf '%s\\0' \"$@\"; }}; {filled_in}"],
            capture_output=True,
            check=True,
            # nothing but what the shell has itself: a command let in is not found
            env={"PATH": "", "LC_ALL": "C.UTF-8"},
        )
        assert shell.stderr == b""
        words = shell.stdout.decode().split("\0")[:-1]
        if "{papermill}" in command:
            assert words == [a, b, "-y", given]
            # as papermill reads it
            assert yaml.safe_load(words[-1]) == json.loads(given)
        else:
            assert words == ["-m", "llzo_helpers", "report", campaign]


class Pwn:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_results_are_read_without_running_what_they_hold(tmp_path: Path, monkeypatch):
    """A pickle where arrays are expected, code where a notebook's error is."""
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    (tmp_path / "pair.yaml").write_text(yaml.safe_dump(CAMPAIGN))
    campaign = load_campaign(str(tmp_path / "pair.yaml"))
    run = campaign.runs[0]
    sites = campaign.directory / "sites" / run.name
    sites.mkdir(parents=True)
    np.savez(sites / "assignments.npz", assignments=np.array([Pwn(tmp_path / "pwned")]))
    write_json(sites / "network.json", {"nodes": [], "edges": []})
    record_sites(sites)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_network(campaign, run)

    code = f"__import__('pathlib').Path({str(tmp_path / 'pwned')!r}).touch()"
    error = {"output_type": "error", "ename": "Error", "evalue": code}
    folder = campaign.run_directory(run)
    folder.mkdir(parents=True)
    (folder / "02_run_md.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": code, "outputs": [error]}]})
    )
    assert control.run_status(campaign, run).reason == f"Error: {code}"
    assert not (tmp_path / "pwned").exists()


def test_a_step_that_never_began_left_an_empty_notebook(tmp_path: Path, monkeypatch):
    """As Snakemake makes it in the place of a log; a torn one is another matter."""
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    (tmp_path / "pair.yaml").write_text(yaml.safe_dump(CAMPAIGN))
    campaign = load_campaign(str(tmp_path / "pair.yaml"))
    folder = campaign.run_directory(campaign.runs[0])
    folder.mkdir(parents=True)
    for text, state in (("", "waiting"), ('{"cells": [', "failed")):
        (folder / "02_run_md.ipynb").write_text(text)
        assert control.run_status(campaign, campaign.runs[0]).state == state
    for text, words in (("", "was not run"), ('{"cells": []}', "found nothing to show")):
        (campaign.directory / "03_diffusion.ipynb").write_text(text)
        assert _reason(campaign, "03_diffusion.ipynb") == f"03_diffusion.ipynb {words}"


def test_a_run_of_an_archive_is_done(tmp_path: Path, monkeypatch):
    """It comes with its summary, but without segments."""
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    (tmp_path / "pair.yaml").write_text(yaml.safe_dump(CAMPAIGN))
    campaign = load_campaign(str(tmp_path / "pair.yaml"))
    write_json(campaign.run_directory(campaign.runs[0]) / "summary.json", {})
    table = control.run_table(campaign)
    assert table["state"].to_list() == ["done", "waiting"]
    assert table["progress"].to_list() == [1, 0]


def test_a_table_escapes_what_a_failure_says(tmp_path: Path):
    from llzo_helpers.lab.campaign_panel import _runs_html

    campaign_file = tmp_path / "pair.yaml"
    campaign_file.write_text(yaml.safe_dump(CAMPAIGN))
    shown = control.run_table(load_campaign(str(campaign_file)))
    shown["reason"] = "<script>alert(1)</script>"
    assert "<script>" not in _runs_html(shown, "<script>alert(2)</script>")
