"""The command `llzo`: run a campaign, predict what it costs, write its report."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from llzo_helpers import __version__
from llzo_helpers.errors import InputError, SimulationError


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line, by default that of the process; return the exit status."""
    # how a campaign is cancelled; a shell's `&` and some servers have it ignored
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    try:
        arguments = _parser().parse_args(words)
        act: Callable[[argparse.Namespace], int] = arguments.act
        return act(arguments)
    except (InputError, SimulationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command resumes from here", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    """States in one line what is wrong, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{self.prog}: {message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="llzo", description=__doc__)
    parser.add_argument("--version", action="version", version=f"llzo {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run what is missing of a campaign, and write its report")
    run.add_argument("--profile", default="local", help="folder of workflow/profiles")
    run.add_argument("--cores", type=int, help="cores to use (profile local; default: all)")
    run.add_argument(
        "--only",
        nargs="+",
        default=[],
        help="names of runs to do (vibration/NAME: for a spectrum), without analyses",
    )

    plan = commands.add_parser("plan", help="predict core-hours and disk space, from a benchmark")
    plan.add_argument("--cores", type=int, help="cores working at once; default: all usable here")
    plan.add_argument("--steps-per-second", type=float, help="per core; default: measured here")

    report = commands.add_parser("report", help="write the report of what has been run")

    figures = commands.add_parser("figures", help="write the figures and their data as files")
    figures.add_argument(
        "--format", nargs="+", default=["svg", "pdf"], help="svg, pdf, png; default: svg pdf"
    )
    figures.add_argument(
        "--columns",
        type=int,
        default=2,
        help="width in columns of a journal: 1 (8.5 cm; figures of one panel) or 2 (17.8 cm)",
    )

    archive = commands.add_parser("archive", help="pack results without frames into data/")
    archive.add_argument("--output", type=_folder, help="folder; default: data/ and the name")

    acts = ((run, _run), (plan, _plan), (report, _report), (figures, _figures), (archive, _archive))
    for command, act in acts:
        command.add_argument("campaign", help="name of a file in parameters/, or a path")
        command.set_defaults(act=act)
    return parser


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("give the path of a folder")
    return Path(text)


# What a command needs is imported when it is called: some of it is slow to load, and the project's
# folders, which may be wrong, are looked up then.


def _run(arguments: argparse.Namespace) -> int:
    # imports take seconds on a busy machine
    print(f"{arguments.campaign}: starting", flush=True)
    from llzo_helpers.jobs.engine import run_campaign

    return run_campaign(arguments.campaign, arguments.profile, arguments.cores, only=arguments.only)


def _plan(arguments: argparse.Namespace) -> int:
    from llzo_helpers.jobs.cpus import usable_cpus
    from llzo_helpers.jobs.plan import print_plan

    print_plan(
        arguments.campaign,
        cores=usable_cpus() if arguments.cores is None else arguments.cores,
        steps_per_second=arguments.steps_per_second,
    )
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from llzo_helpers.campaign.archive import open_campaign
    from llzo_helpers.jobs.report import write_report

    campaign = open_campaign(arguments.campaign)
    if not campaign.directory.is_dir():
        raise InputError(f"{campaign.directory}: no results; llzo run {arguments.campaign}")
    print(write_report(campaign))
    return 0


def _figures(arguments: argparse.Namespace) -> int:
    from llzo_helpers.campaign.archive import open_campaign
    from llzo_helpers.jobs.export import export_figures

    campaign = open_campaign(arguments.campaign)
    print(*export_figures(campaign, arguments.format, columns=arguments.columns), sep="\n")
    return 0


def _archive(arguments: argparse.Namespace) -> int:
    from llzo_helpers.campaign.archive import write_archive
    from llzo_helpers.campaign.model import load_campaign

    contents = write_archive(load_campaign(arguments.campaign), arguments.output)
    print(f"{len(contents['runs'])} runs, {len(contents['missing'])} missing")
    return 0
