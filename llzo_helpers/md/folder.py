"""A run's folder: its inputs, the records of its segments, its tables and its summary."""

import functools
import re
import shutil
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import ase
import pandas as pd

import llzo_helpers
from llzo_helpers.arguments import checked_path
from llzo_helpers.errors import InputError, clipped
from llzo_helpers.files import (
    NUMBER,
    Kinds,
    read_json,
    read_record,
    require_sha256,
    sha256,
    write_json,
    write_text,
)
from llzo_helpers.md.segments import Segment, segment_name
from llzo_helpers.md.settings import ChainSettings, MDSettings
from llzo_helpers.potentials import Potential

CHAIN_KEYS = ("timestep_fs", "frame_interval_fs", "segment_ps", "thermostat_damping_fs")
"""Settings of any run that may not change once it has begun."""


def prepare(
    directory: Path,
    structure: Path,
    potential: Potential,
    first: Segment,
    seed: int,
    settings: ChainSettings,
    identity: dict[str, Any],
) -> None:
    """Write the run's inputs, or check that those present are the ones requested."""
    inputs = {
        **identity,
        "seed": seed,
        **{key: getattr(settings, key) for key in CHAIN_KEYS},
        "structure.lmp": sha256(structure / "structure.lmp"),
        "potential": {"name": potential.name, **potential.sha256()},
    }
    record_path = directory / "run.json"
    if record_path.exists():
        _require_same(directory, read_run(directory), inputs)
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
    """Raise InputError if the folder's run differs from the one requested, or was modified."""
    for key, value in inputs.items():
        recorded = record["inputs"].get(key)
        if recorded != value:
            raise InputError(
                f"{directory / 'run.json'}: {key}: {_difference(recorded, value)}; delete the "
                "folder to start over, or give the campaign another name"
            )
    for path, expected in (
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


def _difference(recorded: Any, requested: Any) -> str:
    """State briefly how a recorded input differs from the one requested."""
    if isinstance(requested, list):
        return "the folder holds a run with another one"
    if not isinstance(requested, dict):
        return f"the folder holds a run with {recorded}, not {requested}"
    if recorded["name"] != requested["name"]:
        return f"the folder holds a run with {recorded['name']}, not {requested['name']}"
    return f"the files of {requested['name']} have changed"


def check_completed(directory: Path, segments: list[Segment]) -> int:
    """Return how many segments are complete; InputError if they do not fit the plan."""
    records = completed_segments(directory)
    for record, segment in zip(records, segments, strict=False):
        folder = directory / segment_name(record["index"])
        if any(record[key] != value for key, value in asdict(segment).items()):
            raise InputError(
                f"{folder}: {record['stage']} up to step {record['last_step']}, but the "
                f"parameters ask for {segment.stage} up to {segment.last_step}; restore them, or "
                "delete this folder and later ones"
            )
    if len(records) > len(segments):
        raise InputError(
            f"{directory}: holds {len(records)} segments, more than the {len(segments)} that "
            "production_ps asks for; restore it, or delete the later ones"
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
    """Return the step of the last complete row of a `thermo.csv`; None before the first."""
    try:
        with thermo.open("rb") as file:
            file.seek(max(0, thermo.stat().st_size - 1000))
            rows = file.read().decode(errors="replace").split("\n")[:-1]
    except FileNotFoundError:
        return None
    step = rows[-1].split(",")[0] if rows else ""
    return int(step) if step.isdigit() else None


def run_progress(directory: Path) -> int:
    """Return the last step in a run's files, including its unfinished segment."""
    records = completed_segments(directory)
    last = records[-1]["last_step"] if records else 0
    for part in directory.glob("segment_*.part/thermo.csv"):
        last = max(last, last_step(part) or 0)
    return int(last)


def summarise(directory: Path) -> dict[str, Any]:
    """Write and return the summary of a finished run."""
    records = completed_segments(directory)
    stages = [record["stage"] for record in records]
    thermo = _thermo(directory, "production" if "production" in stages else stages[-1])
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
    """Symmetry functions outside the training range, in total and by element.

    Each segment starts its own count. Nothing is returned where nothing was counted.
    """
    last_rows = pd.DataFrame(
        _segment_thermo(directory, record).iloc[-1] for record in completed_segments(directory)
    )
    counts = last_rows.filter(regex="^extrapolations").dropna(axis="columns").sum()
    return {str(name): int(count) for name, count in counts.items()}


_SEGMENT_KEYS: dict[str, Kinds] = {
    "index": int,
    "stage": str,
    "first_step": int,
    "last_step": int,
    "start_K": NUMBER,
    "end_K": NUMBER,
    "frame_steps": int,
    "n_frames": int,
    "wall_seconds": NUMBER,
    "lammps": str,
    "sha256": dict,
}
_REPEAT = "delete its folder and later ones, and run notebook 02 again"


def completed_segments(directory: Path) -> list[dict[str, Any]]:
    """Return the records (`segment.json`) of a run's completed segments, in order.

    Raises
    ------
    InputError
        If one is missing between others, or damaged, or does not continue the previous one.
    """
    folders = {
        int(match[1]): path
        for path in directory.glob("segment_*")
        if (match := re.fullmatch(r"segment_(\d{4,9})", path.name, re.ASCII))
    }
    records: list[dict[str, Any]] = []
    for index, folder in sorted(folders.items()):
        if index != len(records):
            raise InputError(
                f"{directory / segment_name(len(records))}: not found, but {folder.name} is there; "
                "restore it, or delete the later ones and run notebook 02 again"
            )
        path = folder / "segment.json"
        record = _segment_record(path)
        before = records[-1]["last_step"] if records else 0
        steps, every = record["last_step"] - before, record["frame_steps"]
        if (
            record["index"] != index
            or record["first_step"] != before
            or steps <= 0
            or record["n_frames"] != (steps // every if every > 0 else 0)
        ):
            raise InputError(f"{path}: does not continue the previous segment; {_REPEAT}")
        records.append(record)
    return records


def _segment_record(path: Path) -> dict[str, Any]:
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {_REPEAT}") from None
    return dict(_known_record(path, state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=100_000)
def _known_record(path: Path, mtime_ns: int, size: int) -> dict[str, Any]:
    """Read a record once: watching runs asks for it again and again."""
    return read_record(path, _SEGMENT_KEYS)


def finished_segments(directory: Path) -> list[dict[str, Any]]:
    """Return the records of a run's segments, for reading their frames and tables.

    Raises
    ------
    InputError
        As for `completed_segments`; also if the run once had more of them.
    """
    records = completed_segments(directory)
    summary = directory / "summary.json"
    if summary.is_file():
        done = records[-1]["last_step"] if records else 0
        if (steps := read_summary(summary)["steps"]) > done:
            raise InputError(
                f"{summary}: records {steps} steps, the segments hold {done}; restore them, or "
                "delete it and run notebook 02 again"
            )
    return records


def require_frames(path: Path, record: dict[str, Any]) -> None:
    """Raise InputError if a segment's file of frames is not the one that it wrote."""
    require_sha256(path, str(record["sha256"].get("frames.dcd")), _REPEAT)


def read_summary(path: Path) -> dict[str, Any]:
    """Read the `summary.json` of a run."""
    numbers = ("steps_per_second", "lammps_seconds", "mean_temperature_K")
    return read_record(path, {"steps": int, "n_frames": int, **dict.fromkeys(numbers, NUMBER)})


def other_than_asked(directory: Path, settings: MDSettings) -> str:
    """Say how a finished run differs from what its settings now ask for; nothing if it does not.

    What is damaged is left to those who read it.
    """
    try:
        inputs = read_record(directory / "run.json", {"inputs": dict})["inputs"]
        summary = read_summary(directory / "summary.json")
    except InputError:
        return ""
    keys = ("equilibration_ps", "timestep_fs", "frame_interval_fs", "thermostat_damping_fs")
    compared = [(key, inputs[key], getattr(settings, key)) for key in keys if key in inputs]
    compared.append(("steps", summary["steps"], settings.total_steps))
    compared.append(("n_frames", summary["n_frames"], settings.total_frames))
    for key, made, asked in compared:
        if made != asked:
            return f"was run with {key} = {clipped(made)}, the campaign asks for {clipped(asked)}"
    return ""


def finished_as_asked(directory: Path, settings: MDSettings) -> bool:
    """Return whether a run is complete, with or without its frames, and as its settings ask."""
    return (directory / "summary.json").is_file() and not other_than_asked(directory, settings)


def read_run(directory: Path) -> dict[str, Any]:
    """Read the `run.json` of a run, and check that the run's script is the one it records.

    Raises
    ------
    InputError
        If one of them is missing, damaged or changed, or they contradict each other.
    """
    path, script = directory / "run.json", directory / "in.lmp"
    record = read_record(path, {"inputs": dict, "in.lmp": str, "structure": dict})
    timestep = record["inputs"].get("timestep_fs")
    remedy = "restore it, or delete the folder"
    require_sha256(script, record["in.lmp"], remedy, since="the run began")
    text = script.read_text(encoding="utf-8")
    found = re.search(r"^variable +timestep +index +(\S+)", text, re.MULTILINE)
    if (
        not isinstance(timestep, NUMBER)
        or not found
        or found[1] != f"{timestep / 1000:.10g}"
        or not isinstance(record["structure"].get("n_atoms"), int)
        or not isinstance(record["inputs"].get("structure.lmp"), str)
    ):
        raise InputError(
            f"{path}: timestep_fs = {clipped(timestep)}: changed since the run began, or another "
            "key was; restore it, or delete the folder and run notebook 02 again"
        )
    return record


def read_start(directory: Path) -> ase.Atoms:
    """Return the structure a run started from.

    Raises
    ------
    InputError
        If its file is missing, damaged or changed since the run began.
    """
    path = directory / "structure.lmp"
    if not path.is_file():
        raise InputError(f"{path}: not found; run notebook 02 first")
    if (directory / "run.json").is_file():
        expected = read_run(directory)["inputs"]["structure.lmp"]
        require_sha256(path, expected, "restore it, or delete the folder and run notebook 02 again")
    # imported here: it is slow, and watching a run does without
    from ase.io import read

    try:
        return read(path, format="lammps-data", atom_style="charge", units="metal")
    except Exception as error:  # ASE raises whatever its parser meets
        raise InputError(
            f"{path}: not LAMMPS data ({str(error)[:80]}); restore it, or delete the folder and "
            "run notebook 02 again"
        ) from None


def read_thermo(directory: Path, stage: str | None = "production") -> pd.DataFrame:
    """Return the thermodynamic table of a run, a row per frame; units are in the column names.

    Parameters
    ----------
    directory
        A run's folder.
    stage
        Name of the stage; None for all.

    Raises
    ------
    InputError
        If there are no rows yet, or a file is missing, damaged or changed.
    """
    directory = checked_path("directory", directory)
    finished_segments(directory)
    return _thermo(directory, stage)


def _thermo(directory: Path, stage: str | None) -> pd.DataFrame:
    tables = [
        # a segment's first row repeats the last of the previous one
        _segment_thermo(directory, record).iloc[1:]
        for record in completed_segments(directory)
        if stage in (None, record["stage"])
    ]
    if not tables:
        raise InputError(f"{directory}: no {stage or 'segment'} yet; run notebook 02 first")
    return pd.concat(tables, ignore_index=True)


def _segment_thermo(directory: Path, record: dict[str, Any]) -> pd.DataFrame:
    path = directory / segment_name(record["index"]) / "thermo.csv"
    require_sha256(path, str(record["sha256"].get("thermo.csv")), _REPEAT)
    try:
        table = pd.read_csv(path)
        steps = table["step"].to_list()
        numbers = table[["temperature_K", "potential_energy_eV", "pressure_bar"]].dtypes
    except (OSError, ValueError, LookupError) as error:
        raise InputError(f"{path}: damaged ({str(error)[:60]}); {_REPEAT}") from None
    if (
        not steps
        or steps[0] != record["first_step"]
        or steps[-1] != record["last_step"]
        or not all(kind.kind in "fi" for kind in numbers)
    ):
        raise InputError(f"{path}: damaged: its rows are not those of the segment; {_REPEAT}")
    return table
