"""The quenches of a campaign's glasses on the map of structures."""

from pathlib import Path
from types import SimpleNamespace

from llzo_helpers.campaign import maps
from llzo_helpers.generate.settings import Glass
from llzo_helpers.md.trajectory import Trajectory
from llzo_helpers.schema import validate


def test_a_quench_has_a_temperature_for_each_of_its_frames(
    finished_run: Path, tmp_path: Path, monkeypatch
):
    values = {"structure_potential": "bush1994_woodley1999", "melt_quench": "quick"}
    glass = validate(Glass, values, "test")
    (tmp_path / "quench").symlink_to(finished_run)
    # what a quench wrote, for all that is looked at here
    monkeypatch.setattr(maps, "Trajectory", lambda directory, stage: Trajectory(directory))
    campaign = SimpleNamespace(
        glasses=[glass], glass_directory=lambda _: tmp_path, directory=tmp_path / "results"
    )
    found, temperatures = maps._campaign_quenches(campaign, volume_per_atom=16.0)
    (features,), (temperature_K,) = found.values(), temperatures.values()
    assert len(features) == maps.FRAMES_OF_QUENCH
    assert temperature_K.shape == (maps.FRAMES_OF_QUENCH,)
    protocol = glass.melt_quench
    assert temperature_K[[0, -1]].tolist() == [protocol.hold_K, protocol.end_K]
