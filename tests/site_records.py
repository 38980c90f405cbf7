"""The record beside sites and a network that a test made itself."""

from pathlib import Path
from typing import Any

from llzo_helpers.files import sha256, write_json


def record_sites(folder: Path, **known: Any) -> None:
    """Record the files of a folder as notebook 04 does."""
    (folder / "sites.csv").write_text("site\n0\n")
    files = ("sites.csv", "network.json", "assignments.npz")
    hashes = {file: sha256(folder / file) for file in files}
    write_json(folder / "provenance.json", {**known, "sha256": hashes})
