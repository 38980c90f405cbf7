"""Spoilt campaigns, potentials and results: a short version of `make fuzz`."""

from pathlib import Path

from fuzz import trials


def test_campaigns(tmp_path: Path):
    counts, faults = trials.count(trials.campaigns(iter(range(150)), tmp_path))
    assert not faults, "\n".join(faults[:3])
    assert min(counts["accepted"], counts["refused"]) > 10


def test_potentials(tmp_path: Path):
    counts, faults = trials.count(trials.potentials(iter(range(80)), tmp_path))
    assert not faults, "\n".join(faults[:3])
    assert min(counts["accepted"], counts["refused"]) > 10


def test_results(tmp_path: Path, finished_run: Path):
    counts, faults = trials.count(trials.results(iter(range(80)), tmp_path, finished_run))
    assert not faults, "\n".join(faults[:3])
    assert min(counts["accepted"], counts["refused"]) > 5
