"""Build the documentation: `make docs` runs this. The pages are in build/docs.

They show the campaign that the environment variable CAMPAIGN names, if its notebooks were run here;
else the shipped results of `reference`, for which notebooks 03 to 06 are run now (some minutes),
into build/shipped. They are run again when a notebook, the library or what is shipped has changed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from llzo_helpers.paths import DATA, NOTEBOOKS, RESULTS, RESULTS_VARIABLE, ROOT

DOCS = Path(__file__).parent
BUILD = ROOT / "build"
SHIPPED = "reference"
ANALYSES = ("03_diffusion", "04_sites", "05_gop", "06_crossover")


def has_run(results: Path) -> bool:
    """Return whether notebooks of a campaign were run."""
    return any((results / f"{name}.ipynb").is_file() for name in ANALYSES)


def run_notebooks(results: Path) -> None:
    """Run the analyses on the shipped campaign, unless that is done and still up to date."""
    directory = results / SHIPPED
    last = directory / f"{ANALYSES[-1]}.ipynb"
    if last.is_file() and last.stat().st_mtime > _newest(_read_by_notebooks()):
        return
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    for name in ANALYSES:
        print(f"running notebook {name} on the shipped campaign {SHIPPED!r}", flush=True)
        aside = results / f"{name}.ipynb"
        papermill = [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3"]
        done = subprocess.run(
            [*papermill, "--log-level", "ERROR", f"{name}.ipynb", str(aside)],
            cwd=NOTEBOOKS,
            env=os.environ | {RESULTS_VARIABLE: str(results)},
            check=False,
        )
        if done.returncode:
            sys.exit(
                f"notebook {name} failed on the shipped results, see above; if the library now "
                f"keeps something else of each run, ship them again: llzo archive {SHIPPED}"
            )
        # its folder was unpacked by the first
        aside.rename(directory / aside.name)


def _read_by_notebooks() -> Iterable[Path]:
    yield from (NOTEBOOKS / f"{name}.ipynb" for name in ANALYSES)
    yield from (ROOT / "llzo_helpers").rglob("*.py")
    yield DATA / SHIPPED / "manifest.json"


def _newest(paths: Iterable[Path]) -> float:
    return max(path.stat().st_mtime for path in paths)


def main() -> int:
    """Run what is to be shown, write the pages, and check the links between them."""
    campaign, results = os.environ.get("CAMPAIGN", "quick"), RESULTS
    if not has_run(RESULTS / campaign):
        campaign, results = SHIPPED, BUILD / "shipped"
        run_notebooks(results)
    shown = {"CAMPAIGN": campaign, RESULTS_VARIABLE: str(results)}
    site = str(BUILD / "docs")
    for command in (
        ["-m", "sphinx", "-W", "--keep-going", "-q", "-j", "auto", "-b", "html", str(DOCS), site],
        [str(DOCS / "check_links.py"), site],
    ):
        done = subprocess.run([sys.executable, *command], env=os.environ | shown, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
