"""Try thousands of spoilt inputs: `make fuzz`; the short version is part of `make test`.

    PYTHONPATH=tests python -m fuzz [--campaigns N] [--potentials N] [--results N] [--first N]

Each is used with a right result or refused in one line of less than 300 characters within 5 s;
ends with 1 if one was not. The seed of each trial is its number.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from fuzz import trials
from short_run import SHORT

from llzo_helpers.generate.crystal import crystal
from llzo_helpers.md.chain import run_md
from llzo_helpers.potentials import load_potential
from llzo_helpers.structures import write_structure


def finished_run(folder: Path) -> Path:
    """Make a short run, to be spoilt."""
    write_structure(crystal(li_per_formula=6.25, seed=1), folder / "structure", {})
    run_md(
        folder / "run",
        structure=folder / "structure",
        potential=load_potential("bush1994_woodley1999"),
        temperature_K=1100,
        seed=7,
        settings=SHORT,
    )
    return folder / "run"


def main() -> int:
    """Run the trials and print a table; return 1 if one ended as it must not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--campaigns", type=int, default=10_000)
    parser.add_argument("--potentials", type=int, default=1_000)
    parser.add_argument("--results", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial of each")
    arguments = parser.parse_args()
    failed = False
    print(f"{'input':<12} {'tried':>6} {'used':>6} {'refused':>8} {'wrong':>6} {'s':>6}")
    with tempfile.TemporaryDirectory(prefix="llzo-fuzz-") as scratch:
        folder = Path(scratch)
        for name in ("campaigns", "potentials", "results"):
            n = getattr(arguments, name)
            numbers = iter(range(arguments.first, arguments.first + n))
            began = time.monotonic()
            if name == "results":
                tried = trials.results(numbers, folder, finished_run(folder)) if n else iter(())
            else:
                tried = getattr(trials, name)(numbers, folder)
            counts, faults = trials.count(tried)
            print(
                f"{name:<12} {n:>6} {counts['accepted']:>6} {counts['refused']:>8} "
                f"{len(faults):>6} {time.monotonic() - began:>6.0f}",
                flush=True,
            )
            for fault in faults[:20]:
                print(f"  {name} {fault}", file=sys.stderr, flush=True)
            failed |= bool(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
