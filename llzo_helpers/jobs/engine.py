"""Running a campaign: `llzo run CAMPAIGN`.

Checks the parameters, has Snakemake run the notebooks, shows the progress, and ends by naming the
report. Call it again after any interruption: only what is missing is done.
"""

import difflib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from llzo_helpers import slurm
from llzo_helpers.campaign.archive import open_campaign
from llzo_helpers.campaign.kept import has_frames, kept_path
from llzo_helpers.campaign.model import Campaign
from llzo_helpers.errors import InputError
from llzo_helpers.files import make_folder
from llzo_helpers.generate.melt_quench import other_glass_than_asked
from llzo_helpers.jobs.control import run_locks, stop_runs
from llzo_helpers.jobs.cpus import require_cores, usable_cpus
from llzo_helpers.jobs.executed import notebook_error
from llzo_helpers.jobs.plan import require_disk_space
from llzo_helpers.jobs.progress import ProgressLine
from llzo_helpers.jobs.report import write_report
from llzo_helpers.md.folder import other_than_asked
from llzo_helpers.md.launch import die_with_parent, find_lammps, require_capabilities, starts
from llzo_helpers.md.lock import locked, slurm_job
from llzo_helpers.md.settings import ChainSettings
from llzo_helpers.paths import PROJECT_VARIABLE, RESULTS, RESULTS_VARIABLE, ROOT
from llzo_helpers.potentials import load_potential, make_calculator
from llzo_helpers.schema import load_yaml

CAMPAIGN_VARIABLE = "LLZO_CAMPAIGN"
"""Tells the Snakefile which campaign: an argument would pass through shells on its way to Slurm."""

_WORKFLOW = ROOT / "workflow"

_PATIENCE_S = 20
"""For steps that were told to stop; LAMMPS ends at once, notebooks want a moment."""

_PATIENCE_ALONE_S = 3
"""For Snakemake whose steps are jobs: it cancels them at once, then sleeps until it would have
looked at them again. A job that it leaves behind is cancelled afterwards (`stop_runs`)."""


def run_campaign(name: str, profile: str, cores: int | None, *, only: Sequence[str] = ()) -> int:
    """Run whatever a campaign lacks.

    Parameters
    ----------
    name
        Of the campaign.
    profile
        Folder of `workflow/profiles`.
    cores
        Cores to use on this machine; all that this process may use by default.
    only
        Names of the only runs to make (`vibration/NAME` for the spectrum of one); all runs and
        analyses by default.

    Returns
    -------
    int
        0 if everything was done, 1 if some of it failed; the report then says what is missing.

    Raises
    ------
    InputError
        If the campaign, the profile, `cores` or LAMMPS is wrong, the disk has no room for the
        results, or another process is running the campaign.
    """
    if cores is not None:
        require_cores(cores)
    if name.endswith((".yaml", ".yml")):
        name = str(Path(name).absolute())
    campaign = open_campaign(name)
    # a folder elsewhere also works
    profile_directory = _WORKFLOW / "profiles" / profile
    if not (profile_directory / "config.yaml").is_file():
        known = ", ".join(sorted(path.name for path in (_WORKFLOW / "profiles").iterdir()))
        raise InputError(f"--profile {profile!r}: no such profile; available: {known}")
    wanted = _folders_of(only, campaign)
    executor = _profile(profile_directory).get("executor", "local")
    here = executor == "local"
    if not here:
        _require_plain_path(campaign.directory)
        _require_plain_path(ROOT)
    if executor == "slurm" and not slurm.answers():
        raise InputError(
            f"--profile {profile}: Slurm does not answer (scontrol ping); start this where sbatch "
            "works, or choose --profile local"
        )
    if executor == "slurm":
        _require_accepted_by_slurm(profile_directory)
    # runs made elsewhere need no LAMMPS
    lmp = find_lammps() if campaign.runs else Path()
    print(
        f"{name}: {len(campaign.structures)} structures, {len(campaign.runs)} runs"
        + (f", {len(campaign.vibration_runs)} spectra" if campaign.vibration_runs else "")
        + (f", {len(campaign.trajectories)} trajectories" if campaign.trajectories else "")
        + f" -> {campaign.directory}",
        flush=True,
    )
    if here or not campaign.runs or starts(lmp):
        _require_lammps_for(campaign, lmp)
    else:
        print(f"{lmp}: does not start on this machine; each job checks it where it runs")
    if here:
        _require_calculators_of(campaign)
    _require_trajectories(campaign)
    changed = _runs_other_than_asked(campaign, wanted)
    _require_continuable(changed)
    _require_glasses_as_asked(campaign, wanted)
    require_disk_space(campaign)

    began = time.monotonic()
    make_folder(campaign.directory)
    with locked(campaign.directory) as lock, _interruption_for_all(campaign):
        os.environ[CAMPAIGN_VARIABLE] = name
        # the steps run in the folder of the results, which may lie elsewhere
        os.environ[PROJECT_VARIABLE] = str(ROOT)
        os.environ[RESULTS_VARIABLE] = str(RESULTS)
        _require_writable_home(campaign.directory)
        if cores is None and _profile(profile_directory).get("cores") == "all":
            cores = usable_cpus()
        command = _snakemake(campaign, profile_directory, cores)
        command += [f"{folder}/summary.json" for folder in wanted]
        for folder in changed:
            # by which Snakemake sees what to run; complete segments stay, and it is made from them
            (folder / "summary.json").unlink()
        watch = partial(
            _watch,
            campaign=campaign,
            lock=lock,
            progress=ProgressLine(campaign, only),
            patience_s=_PATIENCE_S if here else _PATIENCE_ALONE_S,
        )
        log_size = _log(campaign).stat().st_size if _log(campaign).is_file() else 0
        _run_beside_earlier_jobs(command, campaign, watch)
        status = watch(command)
        if status:
            _report_failures(campaign, _log(campaign).read_bytes()[log_size:])
        if status and not only:
            watch([*command, "--config", "only_finished=1"])
            # Snakemake makes it only after all analyses; this one shows those that succeeded
            write_report(campaign)
    report = campaign.directory / "report.html"
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    if not only:
        print(f"report: {report}" if report.is_file() else f"no report; see {_log(campaign)}")
    return 1 if status else 0


def _require_accepted_by_slurm(profile_directory: Path) -> None:
    """Raise InputError for an account or a partition of a profile that Slurm does not know."""
    profile = _profile(profile_directory)
    default, of_rules = (profile.get(key) or {} for key in ("default-resources", "set-resources"))
    if not (isinstance(default, dict) and isinstance(of_rules, dict)):
        # written as key=value, which Snakemake takes as well
        return
    steps = [default, *(default | own for own in of_rules.values())]
    keys = ("slurm_account", "slurm_partition")
    given = (tuple((key, str(step[key])) for key in keys if step.get(key)) for step in steps)
    for asked in dict.fromkeys(given):
        options = {key.removeprefix("slurm_"): value for key, value in asked}
        # others, a time limit say, depend on the step: Slurm judges them when it gets its job
        found = re.search("invalid (account|partition).*", slurm.refusal(options), re.IGNORECASE)
        if found:
            wrong = [f"{k} = {v!r}" for k, v in asked if k.removeprefix("slurm_") in found[0]]
            raise InputError(
                f"{profile_directory / 'config.yaml'}: {', '.join(wrong) or ' and '.join(keys)}: "
                f"{found[0]}; give yours (sinfo shows partitions, sshare -U accounts)"
            )


def _require_lammps_for(campaign: Campaign, lmp: Path) -> None:
    """Raise InputError if LAMMPS lacks what the runs and glasses of a campaign need."""
    needs: list[tuple[str, ChainSettings, str]] = [
        ("md", campaign.md, potential) for potential in campaign.potentials
    ]
    if vibration := campaign.vibration:
        needs += [("vibration.md", vibration.md, potential) for potential in campaign.potentials]
    needs += [
        ("melt_quench", glass.melt_quench, glass.structure_potential) for glass in campaign.glasses
    ]
    for key, settings, potential in needs:
        try:
            require_capabilities(lmp, settings, load_potential(potential))
        except InputError as error:
            raise InputError(f"{campaign.name}: {key}: {error}") from None


def _require_calculators_of(campaign: Campaign) -> None:
    """Raise InputError for a calculator of ASE that cannot be made, and that a run waits for."""
    finished, vibration = campaign.finished_runs, campaign.finished_vibration_runs
    waiting = {run.md_potential for run in campaign.runs if run not in finished}
    waiting |= {run.md_potential for run in campaign.vibration_runs if run not in vibration}
    waiting |= {
        glass.structure_potential
        for glass in campaign.glasses
        if not (campaign.glass_directory(glass) / "provenance.json").is_file()
    }
    names = [name for name in sorted(waiting) if load_potential(name).kind == "ase"]
    if not names:
        return
    # in another process, whose end frees the memory of networks, also on a GPU
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        for name in names:
            print(f"loading {name}", flush=True)
            try:
                other.submit(_make_calculator_of, name).result()
            except BrokenProcessPool:
                raise InputError(
                    f"{load_potential(name).directory}: loading its calculator ended the process, "
                    "perhaps for lack of memory; try it in Python: "
                    f"make_calculator(load_potential({name!r}))"
                ) from None


def _make_calculator_of(name: str) -> None:
    make_calculator(load_potential(name))


def _require_trajectories(campaign: Campaign) -> None:
    """Read runs made elsewhere, except those analysed since: a bad one would end all analyses."""
    for run in campaign.trajectories:
        kept = kept_path(campaign, "diffusion", run)
        if kept.is_file() and all(
            path.is_file() and path.stat().st_mtime < kept.stat().st_mtime for path in run.files
        ):
            continue
        print(f"reading {run.title}", flush=True)
        run.require_analysable(campaign.diffusion.fit_window)


def _runs_other_than_asked(campaign: Campaign, wanted: Sequence[str]) -> dict[Path, str]:
    """Return the folders of finished runs of which something else is asked by now, and what.

    Of the wanted ones only, if there are any.
    """
    runs = {campaign.run_directory(run): campaign.md_settings(run) for run in campaign.runs}
    if vibration := campaign.vibration:
        folders = map(campaign.vibration_directory, campaign.vibration_runs)
        runs |= dict.fromkeys(folders, vibration.md)
    asked = {campaign.directory / folder for folder in wanted} or runs.keys()
    found = {folder: other_than_asked(folder, runs[folder]) for folder in asked}
    return {folder: other for folder, other in found.items() if other}


def _require_continuable(changed: Mapping[Path, str]) -> None:
    """Raise InputError for a run of which more is asked but that came without its frames."""
    for folder, other in changed.items():
        if not has_frames(folder):
            raise InputError(
                f"{folder}: {other}, and its frames are not here to continue it; delete the folder "
                "to run it anew, or restore md of the campaign"
            )


def _require_glasses_as_asked(campaign: Campaign, wanted: Sequence[str]) -> None:
    """Raise InputError for a glass, finished or begun, of which something else is asked by now.

    Of the wanted runs only, if there are any. A glass cannot be continued as another.
    """
    for run in [*campaign.runs, *campaign.vibration_runs]:
        glass = run.structure.glass
        if not glass or (wanted and run.name not in {Path(folder).name for folder in wanted}):
            continue
        folder = campaign.glass_directory(glass)
        if other := other_glass_than_asked(folder, glass):
            raise InputError(
                f"{folder}: {other}; give melt_quench another name, restore it, or delete the "
                "folder to make the glass anew"
            )


def _folders_of(names: Sequence[str], campaign: Campaign) -> list[str]:
    """Folders of runs, relative to the campaign's."""
    known = {run.name: f"runs/{run.name}" for run in campaign.runs}
    known |= {
        folder: folder for folder in (f"vibration/{run.name}" for run in campaign.vibration_runs)
    }
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]}?" if near else "see the campaign's report"
            raise InputError(f"{campaign.name}: no run {name}; {remedy}")
    return [known[name] for name in names]


@contextmanager
def _interruption_for_all(campaign: Campaign) -> Iterator[None]:
    """When this process is interrupted, stop also what an earlier one left running."""
    try:
        yield
    except KeyboardInterrupt:
        stop_runs(campaign)
        raise


def _require_writable_home(directory: Path) -> None:
    """Have Snakemake and Jupyter write to the results' folder what they cannot write at home."""
    home = Path.home()
    for variable, default in _WRITTEN_AT_HOME.items():
        folder = Path(os.environ.get(variable) or home / default)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError:
            os.environ[variable] = str(directory / ".home" / default)


_WRITTEN_AT_HOME = {
    "XDG_CACHE_HOME": ".cache",
    "JUPYTER_RUNTIME_DIR": ".local/share/jupyter/runtime",
    "IPYTHONDIR": ".ipython",
}


def _profile(directory: Path) -> dict[str, Any]:
    return load_yaml(directory / "config.yaml")


def _require_plain_path(folder: Path) -> None:
    """Raise InputError for a folder whose name a shell would not take literally.

    The Slurm executor of Snakemake puts it unquoted into the commands that it submits.
    """
    if unusual := re.sub(r"[\w.+@%:,/-]", "", str(folder)):
        raise InputError(
            f"{folder}: {unusual[0]!r} in the name of a folder is not safe in Slurm's jobs; set "
            "LLZO_RESULTS to, or move the project to, a folder of letters, digits, '.', '_', '-'"
        )


def _log(campaign: Campaign) -> Path:
    return campaign.directory / "snakemake.log"


def _snakemake(campaign: Campaign, profile_directory: Path, cores: int | None) -> list[str]:
    # our own lock guards the folder; Snakemake's would outlive a killed process
    command = [sys.executable, "-m", "snakemake", "--nolock"]
    command += ["--snakefile", str(_WORKFLOW / "Snakefile"), "--profile", str(profile_directory)]
    command += ["--directory", str(campaign.directory)]
    command += ["--cores", str(cores)] if cores is not None else []
    profile = _profile(profile_directory)
    status_command = "slurm-status-command"
    if profile.get("executor") == "slurm" and status_command not in profile:
        # by itself it asks sacct wherever there is one, and waits forever for one without accounts
        command += [] if slurm.keeps_accounts() else [f"--{status_command}", "squeue"]
    return command


def _run_beside_earlier_jobs(
    command: list[str], campaign: Campaign, watch: Callable[[list[str]], int]
) -> None:
    """Leave alone what a killed call left running, do everything else, and wait for its end.

    Slurm jobs, and runs on this machine, outlive the process that started them.
    """
    slurm.cancel_jobs_in(campaign.directory, only_waiting=True)
    told: set[str] = set()
    while jobs := _jobs_without_a_run(campaign):
        # one that has just started claims its run soon; an analysis never does
        if new := jobs - told:
            told |= new
            print(
                f"waiting for Slurm job {', '.join(sorted(new))} of an earlier call, which holds "
                "no run yet (scancel ends it)",
                flush=True,
            )
        time.sleep(2)
    running = list(run_locks(campaign))
    if not running:
        return
    print(f"{len(running)} runs of an earlier call are still running; they are left to finish")
    under_way = {_last_file(folder, campaign) for folder in running}
    watch([*command, "--omit-from", *sorted(under_way)])
    while slurm.jobs_in(campaign.directory) or run_locks(campaign):
        time.sleep(2)


def _jobs_without_a_run(campaign: Campaign) -> set[str]:
    """Return the numbers of the campaign's Slurm jobs that work in no run's folder."""
    holders = set(map(slurm_job, run_locks(campaign).values()))
    return {job for job in slurm.jobs_in(campaign.directory) if job not in holders}


def _last_file(folder: Path, campaign: Campaign) -> str:
    """Return the file of a run's (or glass's) folder that the workflow waits for."""
    parts = folder.relative_to(campaign.directory).parts[:2]
    end = "as_quenched/provenance.json" if parts[0] == "glasses" else "summary.json"
    return "/".join([*parts, end])


def _watch(
    command: list[str], campaign: Campaign, lock: int, progress: ProgressLine, patience_s: float
) -> int:
    """Run Snakemake, its output going to a log, and print progress until it ends."""
    with _log(campaign).open("ab") as log:
        process = subprocess.Popen(
            command,
            # Slurm knows a campaign's jobs by the folder they were submitted in
            cwd=campaign.directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            preexec_fn=die_with_parent,
            # its steps and it, and nobody else: together they can be told to stop
            process_group=0,
        )
        try:
            while True:
                try:
                    return process.wait(timeout=2)
                except subprocess.TimeoutExpired:
                    progress.update()
        finally:
            _end_group(process, patience_s)
            progress.close()


def _end_group(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """End Snakemake with its steps, which by itself would wait for them."""
    for stop in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, stop)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience_s)


def _report_failures(campaign: Campaign, log: bytes) -> None:
    """Print what failed: notebooks, jobs that Slurm refused, or Snakemake for another reason.

    Parameters
    ----------
    campaign
        In whose folder to look.
    log
        What Snakemake has printed in this call.
    """
    errors = [
        f"{notebook.relative_to(campaign.directory)}: {error}"
        for notebook in sorted(campaign.directory.rglob("*.ipynb"))
        if (error := notebook_error(notebook))
    ]
    # the same for many jobs, and for each try; Snakemake quotes it
    refusals = re.findall(r"sbatch: error: (.+?)(?:'\.)?$", log.decode(errors="replace"), re.M)
    errors += [f"sbatch: {refusal}" for refusal in dict.fromkeys(refusals)]
    if errors:
        print("some steps failed; the report shows what is available")
    else:
        print(
            "Snakemake ended early, though no notebook failed: perhaps it was told to "
            f"(see {_log(campaign)}); the same command resumes from here"
        )
    for error in errors:
        print(f"  {error}")
