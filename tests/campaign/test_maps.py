"""The quenches of a campaign's glasses on the map of structures."""

from pathlib import Path

from llzo_helpers.campaign import maps, model
from llzo_helpers.campaign.model import load_campaign
from llzo_helpers.md.trajectory import Trajectory


def test_a_quench_has_a_temperature_for_each_of_its_frames(
    finished_run: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(model, "RESULTS", tmp_path)
    campaign = load_campaign("quick")
    glass = campaign.glasses[0]
    folder = campaign.glass_directory(glass)
    folder.mkdir(parents=True)
    (folder / "quench").symlink_to(finished_run)
    # what a quench wrote, for all that is looked at here
    monkeypatch.setattr(maps, "Trajectory", lambda directory, stage: Trajectory(directory))
    found, temperatures = maps._campaign_quenches(campaign, volume_per_atom=16.0)
    (features,), (temperature_K,) = found.values(), temperatures.values()
    assert len(features) == maps.FRAMES_OF_QUENCH
    assert temperature_K.shape == (maps.FRAMES_OF_QUENCH,)
    protocol = glass.melt_quench
    assert temperature_K[[0, -1]].tolist() == [protocol.hold_K, protocol.end_K]
