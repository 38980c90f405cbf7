"""Spoilt inputs tried: each is used with a right result, or refused in one short line, soon."""

import itertools
import json
import random
import shutil
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import yaml
from fuzz.mutations import mutate_file, mutated_text, mutated_values
from hdnnp_reference import DATA, read_structure
from site_records import record_sites

from llzo_helpers.analysis.fit_window import DEFAULT_WINDOW
from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.campaign.site_files import load_network, network_as_json
from llzo_helpers.campaign.tables import read_table, save_table
from llzo_helpers.errors import InputError
from llzo_helpers.files import write_json
from llzo_helpers.hdnnp import HDNNPCalculator
from llzo_helpers.md.folder import read_summary, read_thermo
from llzo_helpers.md.segments import nvt_schedule, plan_segments
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.paths import PARAMETERS

LIMIT_S = 5.0
LONGEST = 300


class WrongResultError(Exception):
    """An input was taken for what it is not."""


class TooSlowError(BaseException):
    """No answer in time; no `except Exception` may catch it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooSlowError in a block that takes longer (of this process's own time)."""

    def give_up(*_: Any) -> None:
        raise TooSlowError

    previous = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def outcome(use: Callable[[], None]) -> tuple[str, str]:
    """Return how the use of an input ends, and what was said."""
    try:
        with limited(LIMIT_S):
            use()
    except InputError as error:
        text = str(error)
        if not text.isprintable() or not 0 < len(text) < LONGEST:
            return "long or several lines", repr(text)
        return "refused", text
    except WrongResultError as error:
        return "silent change", str(error)
    except TooSlowError:
        return "hang", traceback.format_exc()
    except BaseException:
        return "traceback", traceback.format_exc()
    return "accepted", ""


def good(kind: str) -> bool:
    """Tell whether an input may end so."""
    return kind in ("accepted", "refused")


# --------------------------------------------------------------------------- campaigns


def campaigns(numbers: Iterator[int], folder: Path) -> Iterator[tuple[int, str, str]]:
    """Try spoilt campaign files; yield number, outcome and words of each."""
    sources = [path.read_text() for path in sorted(PARAMETERS.glob("*.yaml"))]
    for number in numbers:
        rng = random.Random(f"campaign {number}")
        text = rng.choice(sources)
        path = folder / "campaign.yaml"
        if rng.random() < 0.6:
            values = mutated_values(rng, yaml.safe_load(text))
            path.write_text(yaml.safe_dump(values, allow_unicode=True))
            yield number, *outcome(partial(_use_campaign, path, values))
        else:
            path.write_bytes(mutated_text(rng, text))
            yield number, *outcome(partial(_use_campaign, path, None))


def _use_campaign(path: Path, values: dict[str, Any] | None) -> None:
    campaign = load_campaign(str(path))
    every = [*campaign.runs, *campaign.trajectories]
    names = {run.name for run in every}
    if len(names) != len(every) or not names:
        raise WrongResultError(f"{len(every)} runs of {len(names)} names")
    if values is not None:
        _compare(values, campaign)
    if not campaign.runs:
        return
    run = campaign.runs[0]
    settings = campaign.md_settings(run)
    segments = plan_segments(nvt_schedule(run.temperature_K, settings), settings)
    frames = sum(segment.n_frames for segment in segments if segment.stage == "production")
    window = campaign.diffusion.fit_window or DEFAULT_WINDOW  # null: looked for in each run
    first, last = (round(fraction * frames) for fraction in window)
    if not 1 <= max(first, 1) + 2 <= last < frames:
        raise WrongResultError(f"{frames} frames for {window}")


def _compare(written: dict[str, Any], campaign: Campaign) -> None:
    """Raise WrongResultError if a number that was written is not the one that was read."""
    read = json.loads(campaign.model_dump_json())

    def differs(there: Any, here: Any, where: str) -> None:
        if where == ".trajectories.file":
            pass  # read as a path beside the campaign's file
        elif isinstance(there, dict) and isinstance(here, dict):
            for key, value in there.items():
                if key in here:
                    differs(value, here[key], f"{where}.{key}")
        elif isinstance(there, list) and isinstance(here, list):
            for a, b in itertools.zip_longest(there, here):
                differs(a, b, where)
        elif isinstance(here, list) and len(here) == 1:
            differs(there, here[0], where)
        elif isinstance(here, dict):
            pass  # a preset's name
        elif isinstance(there, str) and isinstance(here, float):
            # YAML takes 1e3 for a word; the campaign takes it for what was meant
            if float(there) != here:
                raise WrongResultError(f"{where}: {there!r} was read as {here!r}")
        elif isinstance(there, bool) != isinstance(here, bool) or there != here:
            raise WrongResultError(f"{where}: {there!r} was read as {here!r}")

    differs(written, read, "")


# --------------------------------------------------------------------------- potentials


def make_network(folder: Path) -> None:
    """Make a potential of kind hdnnp: a small reference network and a `potential.lmp`."""
    folder.mkdir()
    for path in (DATA / "b_t2_t9").iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    (folder / "potential.lmp").write_text(
        "# a network and the repulsion of some nuclei\n"
        "pair_style hybrid/overlay zbl 0.7 1.3 hdnnp 6.01 dir ${potential} showew no &\n"
        "           cflength 1.0 cfenergy 1.0\n"
        "pair_coeff * * hdnnp Li La Zr O\npair_coeff Li O zbl 3 8\n"
    )


def potentials(numbers: Iterator[int], folder: Path) -> Iterator[tuple[int, str, str]]:
    """Try networks of which one file is spoilt."""
    make_network(folder / "network")
    atoms = read_structure("tiny7")
    # compiles what evaluates, which takes longer than any answer
    atoms.copy().calc = warm = HDNNPCalculator(folder / "network")
    warm.calculate(atoms, ["forces"])
    for number in numbers:
        rng = random.Random(f"potential {number}")
        spoilt = Path(shutil.copytree(folder / "network", folder / f"{number}"))
        names = sorted(path.name for path in spoilt.iterdir())
        # the files that hold words, and not only numbers, more often
        names += ["input.nn", "potential.lmp"] * 4
        mutate_file(rng, spoilt / rng.choice(names))

        def use(spoilt: Path = spoilt) -> None:
            copy = atoms.copy()
            copy.calc = HDNNPCalculator(spoilt)
            if not (
                np.isfinite(copy.get_potential_energy()) and np.isfinite(copy.get_forces()).all()
            ):
                raise WrongResultError("no finite energy or forces")

        yield number, *outcome(use)
        shutil.rmtree(spoilt)


# --------------------------------------------------------------------------- results


def make_results(folder: Path, run: Path) -> Path:
    """Make the results of a campaign of one run: a finished run, its sites, a table."""
    path = folder / "one.yaml"
    system = {
        "phase": "crystal",
        "li_per_formula": 6.25,
        "volume_ratio": 1.01,
        "md_potential": "bush1994_woodley1999",
        "temperature_K": 1100,
    }
    path.write_text(yaml.safe_dump({"description": "x", "seed": 1, "systems": [system]}))
    name = load_campaign(str(path)).runs[0].name
    results = folder / "results"
    shutil.copytree(run, results / "runs" / name)
    sites = results / "sites" / name
    sites.mkdir(parents=True)
    graph = nx.DiGraph([(0, 1, {"weight": 2.0}), (1, 0, {"weight": 1.5}), (1, 2, {"weight": 0.5})])
    write_json(sites / "network.json", network_as_json(graph))
    assignments = np.random.default_rng(1).integers(-1, 3, (40, 5)).astype(np.int16)
    np.savez_compressed(
        sites / "assignments.npz",
        assignments=assignments,
        frame_interval_ps=np.float64(0.01),
        cell=np.diag([13.0, 13.0, 13.0]),
    )
    record_sites(sites, run=name, n_frames=40, frame_interval_ps=0.01)
    table = pd.DataFrame({"run": [name], "tracer_D_cm2_s": [1.25e-5], "warnings": [None]})
    save_table(_in(results), "diffusion", table)
    return results


class _Here(Campaign):
    """A campaign whose results lie where its description says."""

    @property
    def directory(self) -> Path:
        return Path(self.description)


def _in(results: Path) -> Campaign:
    one = load_campaign(str(results.parent / "one.yaml"))
    return _Here.model_construct(**{**dict(one), "description": str(results)})


def read_all(results: Path) -> dict[str, Any]:
    """Return all that analyses and report read of the results."""
    campaign = _in(results)
    (run,) = campaign.runs
    folder = campaign.run_directory(run)
    trajectory = Trajectory(folder)
    network = load_network(campaign, run)
    found = {
        "symbols": trajectory.symbols,
        "cell": trajectory.cell,
        "interval": trajectory.frame_interval_ps,
        "positions": trajectory.positions(),
        "thermo": read_thermo(folder, None).to_csv(),
        "summary": read_summary(folder / "summary.json"),
        "table": read_table(campaign, "diffusion", ["run", "tracer_D_cm2_s"]).to_csv(),
    }
    if network is not None:
        found["graph"] = sorted(network.graph.edges(data=True))
        found["assignments"] = network.assignments
    return found


def results(numbers: Iterator[int], folder: Path, run: Path) -> Iterator[tuple[int, str, str]]:
    """Try results of which one file is spoilt, or a folder gone or renamed."""
    whole = make_results(folder, run)
    expected = read_all(whole)
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    read = [
        f for f in files if f.parent.name != "potential" and f.suffix not in (".txt", ".lammps")
    ]
    for number in numbers:
        rng = random.Random(f"results {number}")
        spoilt = Path(shutil.copytree(whole, folder / f"r{number}"))
        if rng.random() < 0.9:
            mutate_file(rng, spoilt / rng.choice(read))
        else:
            segment = rng.choice(sorted(spoilt.glob("runs/*/segment_*")))
            if rng.random() < 0.5:
                shutil.rmtree(segment)
            else:
                segment.rename(segment.with_name(rng.choice(["segment_9", "segment_0042", "old"])))

        def use(spoilt: Path = spoilt) -> None:
            for key, value in read_all(spoilt).items():
                wanted = expected[key]
                same = (
                    np.array_equal(value, wanted)
                    if isinstance(wanted, np.ndarray)
                    else value == wanted
                )
                if not same:
                    raise WrongResultError(f"{key} is another")

        yield number, *outcome(use)
        shutil.rmtree(spoilt)


def count(trials: Iterator[tuple[int, str, str]]) -> tuple[Counter[str], list[str]]:
    """Return how often each outcome was met, and what was said of those that must not be."""
    counts: Counter[str] = Counter()
    faults = []
    for number, kind, words in trials:
        counts[kind] += 1
        if not good(kind):
            faults.append(f"{number}: {kind}: {words}")
    return counts, faults
