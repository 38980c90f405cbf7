"""Many runs through Slurm: overhead of a run, and calls of the scheduler.

    python benchmarks/slurm.py [NUMBER]      default: 300

NUMBER dummy runs (the shell's `true`) under the project's Slurm profile, as one array per 30 runs
and, for comparison, a tenth of them each submitted on its own. Calls of Slurm's commands are
counted by wrappers on PATH. The Slurm is that of tests/slurm.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from one_node_slurm import running_slurm, write_profile  # noqa: E402

COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "sinfo", "scancel")
SNAKEFILE = """
rule all:
    input: expand("{{number}}.done", number=range({number}))

rule run_md:
    output: "{{number}}.done"
    shell: "touch {{output}}"
"""


def counting_path(folder: Path) -> str:
    """Return a PATH on which Slurm's commands leave a line for each call."""
    folder.mkdir()
    for name in COMMANDS:
        real = subprocess.run(["which", name], capture_output=True, text=True).stdout.strip()
        if real:
            wrapper = folder / name
            wrapper.write_text(f'#!/bin/sh\necho {name} >>"{folder}/calls"\nexec {real} "$@"\n')
            wrapper.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def measure(number: int, *, arrays: bool) -> None:
    """Run that many dummy runs and print a row."""
    # looks at the jobs as often as on a cluster, not as often as the tests
    changes: dict[str, object] = {"slurm-init-seconds-before-status-checks": 40}
    # as `llzo run` chooses: this Slurm keeps no accounts
    changes["slurm-status-command"] = "squeue"
    if not arrays:
        changes["slurm-array-jobs"] = "no_rule"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_profile(folder / "profile", **changes)
        (folder / "Snakefile").write_text(SNAKEFILE.format(number=number))
        path = counting_path(folder / "bin")
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "snakemake", "--profile", "profile"],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            check=True,
        )
        seconds = time.monotonic() - began
        calls = Counter((folder / "bin/calls").read_text().split())
    cores = os.cpu_count() or 1
    print(
        f"{number:>5} runs, {'arrays' if arrays else 'one by one':<10} {seconds:>6.0f} s, "
        f"{seconds / number:>5.1f} s per run, {cores} CPUs ({cores * seconds / number:.1f} CPU s); "
        f"calls: {', '.join(f'{n} {name}' for name, n in calls.most_common())}",
        flush=True,
    )


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with running_slurm():
        measure(number, arrays=True)
        measure(max(2, number // 10), arrays=False)


if __name__ == "__main__":
    main()
