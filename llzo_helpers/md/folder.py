"""A run's folder: its inputs, the records of its segments, its tables and its summary."""

import re
import shutil
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import ase
import pandas as pd

import llzo_helpers
from llzo_helpers.errors import InputError
from llzo_helpers.files import read_json, sha256, write_json, write_text
from llzo_helpers.md.segments import Segment
from llzo_helpers.md.settings import ChainSettings
from llzo_helpers.potentials import Potential


def prepare(
    directory: Path,
    structure: Path,
    potential: Potential,
    first: Segment,
    seed: int,
    settings: ChainSettings,
    identity: dict[str, Any],
) -> None:
    """Write the run's inputs, or check that those there are the ones asked for."""
    inputs = {
        **identity,
        "seed": seed,
        "timestep_fs": settings.timestep_fs,
        "frame_interval_fs": settings.frame_interval_fs,
        "segment_ps": settings.segment_ps,
        "thermostat_damping_fs": settings.thermostat_damping_fs,
        "structure.lmp": sha256(structure / "structure.lmp"),
        "potential": {"name": potential.name, **potential.sha256()},
    }
    record_path = directory / "run.json"
    if record_path.exists():
        _require_same(directory, read_json(record_path), inputs)
        return
    shutil.copy(structure / "structure.lmp", directory)
    (directory / "potential").mkdir(exist_ok=True)
    for file in potential.files():
        shutil.copy(file, directory / "potential")
    write_text(directory / "in.lmp", _script(first, seed, settings))
    write_json(
        record_path,
        {
            "inputs": inputs,
            "in.lmp": sha256(directory / "in.lmp"),
            "structure": read_json(structure / "provenance.json"),
            "versions": {"llzo_helpers": llzo_helpers.__version__},
        },
    )


def _script(first: Segment, seed: int, settings: ChainSettings) -> str:
    """Fill in this run's values as the defaults of the script's variables."""
    values = {
        "temperature": f"{first.start_K:.10g}",
        "timestep": f"{settings.timestep_fs / 1000:.10g}",
        "damping": f"{settings.thermostat_damping_fs / 1000:.10g}",
        "velocity_seed": str(seed),
        "last_step": str(first.last_step),
        "frame_steps": str(settings.frame_steps),
        "thermo_steps": str(settings.frame_steps),
    }
    script = (files("llzo_helpers.md") / "nvt.lmp").read_text(encoding="utf-8")
    for name, value in values.items():
        default = re.compile(rf"^(variable +{name} +index )\S+ *", re.MULTILINE)
        match = default.search(script)
        assert match, name
        line = (match[1] + value + " ").ljust(len(match[0]))
        script = script[: match.start()] + line + script[match.end() :]
    return script


def _require_same(directory: Path, record: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Raise InputError if the folder's run differs from the one asked for, or was touched."""
    for key, value in inputs.items():
        there = record["inputs"].get(key)
        if there != value:
            raise InputError(
                f"{directory / 'run.json'}: {key}: {_difference(there, value)}; delete the folder "
                "to start anew, or give the campaign another name"
            )
    for path, expected in (
        (directory / "in.lmp", record["in.lmp"]),
        (directory / "structure.lmp", inputs["structure.lmp"]),
        *(
            (directory / "potential" / name, digest)
            for name, digest in inputs["potential"].items()
            if name != "name"
        ),
    ):
        if not path.is_file() or sha256(path) != expected:
            raise InputError(
                f"{path}: changed since the run began; restore it or delete the folder"
            )


def _difference(there: Any, wanted: Any) -> str:
    """Say in few words how what is there differs from what is asked for."""
    if isinstance(wanted, list):
        return "another one there than asked for"
    if not isinstance(wanted, dict):
        return f"{there} there, {wanted} asked for"
    if there["name"] != wanted["name"]:
        return f"{there['name']} there, {wanted['name']} asked for"
    return f"the files of {wanted['name']} have changed"


def check_completed(directory: Path, segments: list[Segment]) -> int:
    """Return how many segments are complete; InputError if they don't fit the plan."""
    records = completed_segments(directory)
    for record, segment in zip(records, segments, strict=False):
        folder = directory / f"segment_{record['index']:04d}"
        if any(record[key] != value for key, value in asdict(segment).items()):
            raise InputError(
                f"{folder}: {record['stage']} up to step {record['last_step']}, where the "
                f"parameters want {segment.stage} up to {segment.last_step}; restore them, or "
                "delete this folder and later ones"
            )
    if len(records) > len(segments):
        raise InputError(
            f"{directory}: holds {len(records)} segments, more than the {len(segments)} of "
            "production_ps; restore it, or delete the later ones"
        )
    if records:
        restart = directory / segments[len(records) - 1].name / "end.restart"
        if not restart.is_file() or sha256(restart) != records[-1]["sha256"]["end.restart"]:
            raise InputError(
                f"{restart}: damaged (its SHA-256 differs from segment.json); delete the folder "
                f"{restart.parent.name} to repeat this segment"
            )
    return len(records)


def last_step(thermo: Path) -> int | None:
    """Return the step of the last whole row of a `thermo.csv`; None if there is none yet."""
    try:
        with thermo.open("rb") as file:
            file.seek(max(0, thermo.stat().st_size - 1000))
            rows = file.read().decode().split("\n")[:-1]
    except FileNotFoundError:
        return None
    step = rows[-1].split(",")[0] if rows else ""
    return int(step) if step.isdigit() else None


def run_progress(directory: Path) -> int:
    """Return the last step that a run's files show, its unfinished segment included."""
    records = completed_segments(directory)
    last = records[-1]["last_step"] if records else 0
    for part in directory.glob("segment_????.part/thermo.csv"):
        last = max(last, last_step(part) or 0)
    return int(last)


def summarise(directory: Path) -> dict[str, Any]:
    """Write and return what is worth knowing of a finished run."""
    records = completed_segments(directory)
    stages = [record["stage"] for record in records]
    thermo = read_thermo(directory, "production" if "production" in stages else stages[-1])
    wall = sum(record["wall_seconds"] for record in records)
    summary = {
        "steps": records[-1]["last_step"],
        "n_frames": sum(record["n_frames"] for record in records),
        "lammps_seconds": round(wall, 3),
        "steps_per_second": round(records[-1]["last_step"] / wall, 1),
        "lammps": records[-1]["lammps"],
        "mean_temperature_K": round(float(thermo["temperature_K"].mean()), 3),
        "mean_potential_energy_eV": round(float(thermo["potential_energy_eV"].mean()), 6),
        "mean_pressure_bar": round(float(thermo["pressure_bar"].mean()), 1),
        **_extrapolations(directory),
    }
    write_json(directory / "summary.json", summary)
    return summary


def _extrapolations(directory: Path) -> dict[str, int]:
    """Symmetry functions found outside the training range, in all and by element.

    Each segment counts anew. Where nobody counted, nothing is returned.
    """
    last_rows = pd.DataFrame(
        pd.read_csv(directory / f"segment_{record['index']:04d}" / "thermo.csv").iloc[-1]
        for record in completed_segments(directory)
    )
    counts = last_rows.filter(regex="^extrapolations").dropna(axis="columns").sum()
    return {str(name): int(count) for name, count in counts.items()}


def completed_segments(directory: Path) -> list[dict[str, Any]]:
    """Return the records (`segment.json`) of a run's completed segments, in order."""
    return [read_json(path) for path in sorted(directory.glob("segment_????/segment.json"))]


def read_start(directory: Path) -> ase.Atoms:
    """Return the structure a run started from."""
    path = directory / "structure.lmp"
    if not path.is_file():
        raise InputError(f"{path}: not found; run notebook 02 first")
    # here, because it is slow and whoever only watches a run does without
    from ase.io import read

    return read(path, format="lammps-data", atom_style="charge", units="metal")


def read_thermo(directory: Path, stage: str | None = "production") -> pd.DataFrame:
    """Return the thermodynamic table of a run, a row per frame; units are in the column names.

    Parameters
    ----------
    directory
        A run's folder.
    stage
        Name of the stage; None for all.
    """
    tables = [
        # a segment's first row repeats the last of the one before
        pd.read_csv(directory / f"segment_{segment['index']:04d}" / "thermo.csv").iloc[1:]
        for segment in completed_segments(directory)
        if stage in (None, segment["stage"])
    ]
    return pd.concat(tables, ignore_index=True)
