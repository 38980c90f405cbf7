"""What is kept of runs, and shipped, is what was found in their frames."""

import dataclasses
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from short_run import SHORT

from llzo_helpers.analysis.diffusion import TracerDiffusion, tracer_diffusion_coefficient
from llzo_helpers.campaign import archive, storage
from llzo_helpers.campaign.archive import open_campaign, unpack, write_archive
from llzo_helpers.campaign.diffusion import analyse_diffusion
from llzo_helpers.campaign.evidence import read_evidence
from llzo_helpers.campaign.model import Campaign, Run, System
from llzo_helpers.campaign.storage import LARGE, load, store
from llzo_helpers.campaign.tables import read_table, save_table
from llzo_helpers.errors import InputError
from llzo_helpers.files import read_json, sha256, write_json
from llzo_helpers.generate.settings import Structure
from llzo_helpers.jobs.control import run_status
from llzo_helpers.jobs.engine import _runs_other_than_asked, run_campaign
from llzo_helpers.jobs.progress import steps_of_run

NAMES = st.text(max_size=8)
NESTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | NAMES
    | npst.arrays(np.float32, st.integers(0, 12), elements=st.floats(width=32, allow_nan=False))
    | npst.arrays(np.bool_, st.integers(0, 12))
    | npst.arrays(np.int64, st.tuples(st.integers(0, 2), st.integers(0, 3))),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.tuples(parts, parts)
        | st.dictionaries(NAMES | st.tuples(NAMES, st.integers(0, 9)), parts, max_size=3)
    ),
    max_leaves=8,
)


def same(one: object, other: object) -> bool:
    match one, other:
        case np.ndarray(), np.ndarray():
            same_kind = one.dtype.kind == other.dtype.kind
            return same_kind and one.shape == other.shape and np.array_equal(one, other)
        case (list(), list()) | (tuple(), tuple()):
            return len(one) == len(other) and all(map(same, one, other))
        case dict(), dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def sealed(path: Path, tree: bytes) -> None:
    """Write what looks like a result of this version, with another tree."""
    arrays = {
        name: np.frombuffer(text, np.uint8)
        for name, text in {"tree": tree, "record": b"{}"}.items()
    }
    seal = np.frombuffer(storage._seal(arrays).encode(), np.uint8)
    np.savez(path, seal=seal, **arrays)


class TestStorage:
    @given(value=NESTS)
    def test_any_nest_comes_back(self, value, tmp_path_factory):
        path = tmp_path_factory.mktemp("store") / "value.npz"
        store(path, value, {})
        assert same(load(path, "nothing")[0], value)

    def test_a_result_comes_back(self, tmp_path):
        walk = np.random.default_rng(1).normal(size=(300, 10, 3)).cumsum(axis=0)
        result = tracer_diffusion_coefficient(walk, 0.1)
        store(tmp_path / "a.npz", {"run": result}, {})
        again = load(tmp_path / "a.npz", "nothing")[0]["run"]
        assert isinstance(again, TracerDiffusion)
        assert again.D_cm2_s == result.D_cm2_s
        assert again.interval() == result.interval()
        assert np.array_equal(again.msd_A2, result.msd_A2)
        assert np.array_equal(again.running.D_cm2_s, result.running.D_cm2_s)

    def test_large_arrays_are_in_single_precision(self, tmp_path):
        numbers = np.random.default_rng(1).normal(size=LARGE + 1)
        store(tmp_path / "a.npz", [numbers, numbers[1:]], {})
        (large, small), _ = load(tmp_path / "a.npz", "nothing")
        assert np.array_equal(large, numbers.astype(np.float32))
        assert np.array_equal(small, numbers[1:])

    def test_tables_and_models_come_back(self, tmp_path):
        table = pd.DataFrame({"run": ["a", "b"], "D": [1.0, np.nan]})
        run = Run(structure=Structure(li_per_formula=7.0), md_potential="x", temperature_K=900)
        store(tmp_path / "a.npz", (table, run), {})
        (table_again, run_again), _ = load(tmp_path / "a.npz", "nothing")
        pd.testing.assert_frame_equal(table_again, table)
        assert run_again == run

    @pytest.mark.parametrize("name", ["os:system", "llzo_helpers.files:sha256", "llzo_helpers.x:Y"])
    def test_a_file_runs_no_code(self, tmp_path, name):
        path = tmp_path / "a.npz"
        tree = f'{{"class": "{name}", "fields": {{}}}}'
        sealed(path, tree.encode())
        with pytest.raises(InputError, match=r"a\.npz: cannot be read \(.*; make it again"):
            load(path, "make it again")

    def test_what_was_made_by_another_version_says_so(self, tmp_path, monkeypatch):
        @dataclasses.dataclass
        class Old:
            x: int

        monkeypatch.setattr("llzo_helpers.campaign.storage.Old", Old, raising=False)
        Old.__module__, Old.__qualname__ = "llzo_helpers.campaign.storage", "Old"
        store(tmp_path / "a.npz", Old(1), {})
        assert load(tmp_path / "a.npz", "nothing") == (Old(1), {})
        new = dataclasses.make_dataclass("Old", ["y"])
        monkeypatch.setattr("llzo_helpers.campaign.storage.Old", new)
        with pytest.raises(InputError, match="make it again"):
            load(tmp_path / "a.npz", "make it again")

    @pytest.mark.parametrize(("place", "byte"), [(6, 99), (8, 1), (8, 0x20), (10, 99)], ids=str)
    def test_a_byte_changed_in_the_directory_of_the_archive(self, tmp_path, place, byte):
        """Another version, encryption, another method: zipfile raises something else for each."""
        path = tmp_path / "a.npz"
        store(path, [np.arange(10.0)], {})
        content = bytearray(path.read_bytes())
        content[content.index(b"PK\x01\x02") + place] = byte
        path.write_bytes(content)
        with pytest.raises(InputError, match="make it again"):
            load(path, "make it again")

    @pytest.mark.parametrize("shape", ["(5,", "(99999999999999,)"])
    def test_an_array_whose_header_is_damaged(self, tmp_path, shape):
        path = tmp_path / "a.npz"
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("tree.npy", content)
        with pytest.raises(InputError, match="make it again"):
            load(path, "make it again")

    def test_too_deep_a_tree(self, tmp_path):
        path = tmp_path / "a.npz"
        sealed(path, b"[" * 100_000)
        with pytest.raises(InputError, match="make it again"):
            load(path, "make it again")

    @pytest.mark.parametrize("end", [0, 10, 200, -30])
    def test_a_file_cut_short(self, tmp_path, end):
        path = tmp_path / "a.npz"
        store(path, [np.arange(1000.0)], {})
        path.write_bytes(path.read_bytes()[:end])
        with pytest.raises(InputError, match=re.escape(str(path))):
            load(path, "make it again")


@pytest.fixture
def campaign(tmp_path: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """A campaign of one run, which is finished and analysed, and another that is missing."""
    monkeypatch.setattr("llzo_helpers.campaign.model.RESULTS", tmp_path / "results")
    monkeypatch.setattr(archive, "DATA", tmp_path / "data")
    system = System(
        phase="crystal",
        li_per_formula=6.25,
        volume_ratio=1.0,
        md_potential="bush1994_woodley1999",
        temperature_K=[1100, 1200],
    )
    campaign = Campaign(
        name="tiny",
        description="one run",
        seed=1,
        md=SHORT.model_dump(),
        systems=[system],
        trajectories=[],
    )
    shutil.copytree(finished_run, campaign.run_directory(campaign.runs[0]))
    save_table(campaign, "diffusion", pd.DataFrame({"run": ["a"]}))
    monkeypatch.setattr(archive, "load_campaign", lambda name: campaign)
    return campaign


class TestArchive:
    def test_without_frames_the_same_is_found(self, campaign):
        table, results = analyse_diffusion(campaign)
        contents = write_archive(campaign)
        assert contents["runs"] == [campaign.runs[0].name]
        assert contents["missing"] == [campaign.runs[1].name]
        shutil.rmtree(campaign.directory)
        opened = open_campaign("tiny")
        assert not list(opened.directory.rglob("*.dcd"))
        assert read_table(opened, "diffusion")["run"].to_list() == ["a"]
        again, results_again = analyse_diffusion(opened)
        pd.testing.assert_frame_equal(again, table)
        name = campaign.runs[0].name
        assert results_again[name].msd_A2 == pytest.approx(results[name].msd_A2, rel=1e-6)

    def test_the_same_results_make_the_same_archive(self, campaign, tmp_path):
        analyse_diffusion(campaign)
        for name in ("one", "two"):
            write_archive(campaign, tmp_path / name)
        files = [
            path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.tar.xz")
        ]
        assert len(files) == 2
        for file in files:
            assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()

    def test_results_that_are_there_are_left_alone(self, campaign):
        analyse_diffusion(campaign)
        write_archive(campaign)
        (campaign.directory / "diffusion.csv").write_text("mine\n")
        open_campaign("tiny")
        assert (campaign.directory / "diffusion.csv").read_text() == "mine\n"

    def test_a_changed_archive_is_refused(self, campaign, tmp_path):
        analyse_diffusion(campaign)
        write_archive(campaign)
        changed = tmp_path / "data" / "tiny" / "campaign.tar.xz"
        changed.write_bytes(changed.read_bytes() + b" ")
        with pytest.raises(InputError, match=r"campaign\.tar\.xz: changed since .* git checkout"):
            unpack(tmp_path / "data" / "tiny", tmp_path / "elsewhere")
        assert not (tmp_path / "elsewhere").exists()
        assert not list(tmp_path.glob(".elsewhere*"))

    def test_a_run_that_is_nowhere(self, campaign):
        analyse_diffusion(campaign)
        run = campaign.runs[0]
        shutil.rmtree(campaign.directory / "kept" / run.name)
        for folder in campaign.run_directory(run).glob("segment_*"):
            shutil.rmtree(folder)
        with pytest.raises(InputError, match=r"npz: not found, nor the frames"):
            analyse_diffusion(campaign)

    def test_nothing_to_pack(self, campaign):
        with pytest.raises(InputError, match=r"diffusion\.npz: not found; run notebooks 03 to 06"):
            write_archive(campaign)
        shutil.rmtree(campaign.directory)
        with pytest.raises(InputError, match="no finished run"):
            write_archive(campaign)

    def test_results_of_other_settings_are_not_taken(self, campaign):
        analyse_diffusion(campaign)
        write_archive(campaign)
        shutil.rmtree(campaign.directory)
        changed = campaign.diffusion.model_copy(update={"fit_window": (0.2, 0.4)})
        opened = open_campaign("tiny").model_copy(update={"diffusion": changed})
        words = r"npz: made with diffusion\.fit_window = \[0\.1, 0\.5\], the campaign has"
        with pytest.raises(InputError, match=words):
            analyse_diffusion(opened)
        with pytest.raises(InputError, match=r"diffusion\.csv: made with diffusion\.fit_window"):
            read_table(opened, "diffusion")

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"production_ps": 0.8}, "was run with steps = 500, the campaign asks for 900"),
            ({"production_ps": 0.4, "timestep_fs": 0.5}, "was run with timestep_fs = 1"),
            ({"equilibration_ps": 0.2, "production_ps": 0.3}, "equilibration_ps = 0.1"),
            ({"thermostat_damping_fs": 50}, "thermostat_damping_fs = 100"),
            (
                {"production_ps": 0.2, "jump_run_ps": 0.2, "jump_frame_interval_fs": 20},
                "was run with n_frames = 40",
            ),
        ],
    )
    def test_a_system_with_other_md_than_its_run(self, campaign, changed, words, monkeypatch):
        """No table tells: `md` of a system is not among the settings that all results share."""
        run, other = campaign.runs
        assert read_evidence(campaign).run_ps == {run.name: 0.5}
        analyse_diffusion(campaign)
        write_archive(campaign)
        systems = [campaign.systems[0].model_copy(update={"md": changed})]
        asked = campaign.model_copy(update={"systems": systems})
        assert asked.finished_runs == []
        # with its frames it is continued, or says itself why not
        status = run_status(asked, run)
        assert status.state == "waiting"
        assert words in status.reason
        shutil.rmtree(campaign.directory)
        opened = open_campaign("tiny")
        assert opened.finished_runs == [run]
        assert read_evidence(asked).run_ps == {}
        assert steps_of_run(campaign.run_directory(run), campaign.md_settings(run)) == 500
        assert steps_of_run(campaign.run_directory(run), asked.md_settings(run)) == 0
        # is no matter of those who run something else
        assert _runs_other_than_asked(asked, [f"runs/{other.name}"]) == {}
        monkeypatch.setattr("llzo_helpers.jobs.engine.open_campaign", lambda name: asked)
        with pytest.raises(InputError, match=rf"{run.name}: .*{words}.* delete the folder to run"):
            run_campaign("tiny", "local", 1)

    def test_results_of_another_run_are_not_taken(self, campaign):
        first, second = campaign.runs
        shutil.copytree(campaign.run_directory(first), campaign.run_directory(second))
        analyse_diffusion(campaign)
        for folder in campaign.run_directory(second).glob("segment_*"):
            shutil.rmtree(folder)
        kept = campaign.directory / "kept"
        shutil.copy(kept / first.name / "diffusion.npz", kept / second.name)
        with pytest.raises(InputError, match="npz: holds 'diffusion of "):
            analyse_diffusion(campaign)

    def test_a_number_changed_in_what_is_kept(self, campaign):
        analyse_diffusion(campaign)
        path = campaign.directory / "kept" / campaign.runs[0].name / "diffusion.npz"
        with np.load(path) as packed:
            arrays = dict(packed)
        number = re.search(rb'"D_cm2_s": (\d)', arrays["tree"].tobytes())
        assert number
        arrays["tree"][number.start(1)] ^= 1
        np.savez(path, **arrays)
        with pytest.raises(InputError, match="changed since it was written"):
            load(path, "nothing")

    def test_damaged_results_are_not_packed(self, campaign):
        analyse_diffusion(campaign)
        (campaign.directory / "diffusion.csv").write_text("junk\n")
        with pytest.raises(InputError, match=r"diffusion\.csv: changed since it was written"):
            write_archive(campaign)

    def test_nothing_else_is_overwritten_or_lost(self, campaign, tmp_path):
        analyse_diffusion(campaign)
        mine = tmp_path / "out" / "runs" / "my_other_data.tar.xz"
        mine.parent.mkdir(parents=True)
        mine.write_text("precious")
        with pytest.raises(InputError, match="out: holds other files; give an empty folder"):
            write_archive(campaign, tmp_path / "out")
        assert mine.read_text() == "precious"
        write_archive(campaign)
        other = campaign.runs[1]
        campaign.run_directory(campaign.runs[0]).rename(campaign.run_directory(other))
        analyse_diffusion(campaign)
        with pytest.raises(InputError, match=r"has 1 run that the results lack"):
            write_archive(campaign)

    @pytest.mark.parametrize(
        "name", ["../evil.txt", "/tmp/evil_of_a_test.txt", "kept/another/x.npz", "kept"]
    )
    def test_an_archive_writes_nothing_elsewhere(self, campaign, tmp_path, name):
        """One that was received, whose manifest fits its files."""
        analyse_diffusion(campaign)
        write_archive(campaign)
        folder = tmp_path / "data" / "tiny"
        file = f"runs/{campaign.runs[0].name}.tar.xz"
        with tarfile.open(folder / file, "w:xz") as packed:
            packed.addfile(tarfile.TarInfo(name))
        self.accept(folder, file)
        with pytest.raises(InputError, match=r"cannot be unpacked \("):
            unpack(folder, tmp_path / "new" / "tiny")
        assert not list(tmp_path.rglob("evil*"))
        assert not Path("/tmp/evil_of_a_test.txt").exists()
        assert not (tmp_path / "new" / "tiny").exists()

    @pytest.mark.parametrize("content", [b"", b"no archive", None])
    def test_an_archive_that_is_none(self, campaign, tmp_path, content):
        analyse_diffusion(campaign)
        write_archive(campaign)
        folder = tmp_path / "data" / "tiny"
        path = folder / "campaign.tar.xz"
        path.write_bytes(path.read_bytes()[:200] if content is None else content)
        self.accept(folder, path.name)
        with pytest.raises(InputError, match=r"campaign\.tar\.xz: cannot be unpacked"):
            unpack(folder, tmp_path / "new")

    @staticmethod
    def accept(folder: Path, file: str) -> None:
        record = read_json(folder / "manifest.json")
        record["sha256"][file] = sha256(folder / file)
        write_json(folder / "manifest.json", record)

    def test_a_manifest_that_lacks_a_run(self, campaign, tmp_path):
        analyse_diffusion(campaign)
        write_archive(campaign)
        manifest = tmp_path / "data" / "tiny" / "manifest.json"
        write_json(manifest, read_json(manifest) | {"sha256": {}})
        with pytest.raises(InputError, match=r"manifest\.json: does not have 'campaign\.tar\.xz'"):
            unpack(manifest.parent, tmp_path / "new")
        manifest.unlink()
        shutil.rmtree(campaign.directory)
        with pytest.raises(InputError, match=r"manifest\.json: not found; restore it"):
            open_campaign("tiny")
