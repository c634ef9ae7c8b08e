"""`dfs datasets list | info | prepare | cache`."""

import os
import sys

import pytest

from tests.videos.making import make_folder, make_video

SMALL = ("--frames", 4, "--stride", 2, "--size", 64, "--workers", 1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DFS_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "videos", clips=2)


def test_list_names_every_dataset(dfs):
    outcome = dfs("datasets", "list")
    assert outcome.code == 0
    for name in ("stick-figures", "moving-shapes", "miniucf", "ucf101", "hmdb51", "kinetics400", "ssv2"):
        assert f"\n{name} " in outcome.stdout
    assert dfs("datasets", "list", "-q").stdout.split()[:2] == ["stick-figures", "moving-shapes"]


def test_list_prints_a_document(dfs):
    content = dfs("datasets", "list", "--json").document
    assert next(iter(content)) == "schema"
    assert content["schema"] == "dfs.datasets/1"
    miniucf = content["datasets"][2]
    assert (miniucf["name"], miniucf["num_classes"]) == ("miniucf", 50)
    assert miniucf["num_clips"] == {"train": 4662, "test": 1861}
    assert miniucf["sampling"]["size"] == 112


def test_info_prints_the_source_and_the_expected_files(dfs):
    outcome = dfs("datasets", "info", "ucf101")
    assert outcome.code == 0
    assert "www.crcv.ucf.edu" in outcome.stdout
    assert "UCF-101/<Class>/*.avi" in outcome.stdout
    assert "here            no: the folder of ucf101 is unknown" in outcome.stdout


def test_info_counts_the_files_in_a_folder(dfs, folder):
    content = dfs("datasets", "info", folder, "--json").document
    assert content["found"]["train"]["num_clips"] == 4
    assert content["found"]["train"]["classes"] == ["left", "right"]
    assert "test/<class>/" in content["found"]["test"]["error"]
    assert "4 clips of 2 classes" in dfs("datasets", "info", folder).stdout


def test_prepare_prints_what_it_decoded(dfs, folder, cache):
    outcome = dfs("datasets", "prepare", folder, *SMALL)
    assert outcome.code == 0
    assert "train: 4 clips of 4x64x64, 2 classes, " in outcome.stdout
    assert str(cache) in outcome.stdout
    assert "prepare train: 0/4" in outcome.stderr
    assert "test" not in outcome.stdout.replace(
        str(cache), ""
    )  # there is no test part, and none is requested


def test_prepare_prints_a_document_with_both_parts(dfs, tmp_path, cache):
    make_folder(tmp_path / "two" / "train", clips=2)
    make_folder(tmp_path / "two" / "test", clips=1)
    content = dfs("datasets", "prepare", tmp_path / "two", *SMALL, "--json").document
    assert content["schema"] == "dfs.prepare/1"
    assert [part["part"] for part in content["parts"]] == ["train", "test"]
    assert [part["num_clips"] for part in content["parts"]] == [4, 2]
    assert content["parts"][1]["shape"] == [
        2,
        1 + 3 * 5,
        4,
        64,
        64,
        3,
    ]  # the centre, and random starts for five runs
    only = dfs("datasets", "prepare", tmp_path / "two", *SMALL, "--part", "test", "--json").document
    assert only["parts"][0]["path"] == content["parts"][1]["path"]
    strict = dfs("datasets", "prepare", tmp_path / "two", *SMALL, "--runs", "0", "--json").document
    assert strict["parts"][1]["path"] == content["parts"][1]["path"]  # it contains the centre clips


def test_prepare_names_the_missing_shards(dfs, folder):
    (folder / "left/clip0.avi").write_text("no video")
    first = dfs("datasets", "prepare", folder, *SMALL, "--shard", "1/2")
    assert first.code == 0
    assert "train: 2 files of the shard prepared, 1 of them could not be decoded" in first.stdout
    assert f"missing: shard 2\n(dfs datasets prepare {folder} without --shard" in first.stdout
    second = dfs("datasets", "prepare", folder, *SMALL, "--shard", "2/2", "--json").document
    assert second["shard"] == "2/2"
    assert second["parts"][0]["complete"]
    assert second["parts"][0]["missing_shards"] == []
    whole = dfs("datasets", "prepare", folder, *SMALL, "--json").document["parts"][0]
    assert whole["num_clips"] == 3
    again = dfs("datasets", "prepare", folder, *SMALL, "--shard", "1/2")
    assert "1 of them could not be decoded; all shards of the part are complete" in again.stdout


@pytest.mark.parametrize(
    ("shard", "said"),
    [
        ("3", "must be auto or a share such as 3/16"),
        ("0/2", "I between 1 and N, got 0/2"),
        ("3/2", "I between 1 and N, got 3/2"),
    ],
)
def test_an_invalid_shard_is_refused(dfs, folder, shard, said):
    outcome = dfs("datasets", "prepare", folder, *SMALL, "--shard", shard)
    assert outcome.code == 2
    assert said in outcome.stderr


def test_prepare_lists_undecodable_files_and_succeeds(dfs, folder):
    (folder / "left/clip0.avi").write_text("no video")
    outcome = dfs("datasets", "prepare", folder, *SMALL)
    assert outcome.code == 0
    assert "1 file could not be decoded; left out:\n  left/clip0.avi: it is not a video" in outcome.stdout
    (failed,) = dfs("datasets", "prepare", folder, *SMALL, "--json").document["parts"][0]["failed"]
    assert failed["file"] == "left/clip0.avi"


def test_prepare_lists_truncated_files(dfs, tmp_path):
    path = make_video(tmp_path / "videos/a/cut.avi", 40)
    make_video(tmp_path / "videos/b/whole.avi", 40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    outcome = dfs("datasets", "prepare", tmp_path / "videos", *SMALL)
    assert outcome.code == 0
    assert "used until the first frame that cannot be decoded:\n  a/cut.avi: truncated: " in outcome.stdout


def test_a_class_without_decodable_clips_exits_with_3(dfs, tmp_path):
    make_folder(tmp_path / "videos", clips=1)
    (tmp_path / "videos/left/clip0.avi").write_text("no video")
    outcome = dfs("datasets", "prepare", tmp_path / "videos", *SMALL)
    assert outcome.code == 3
    assert "class left" in outcome.stderr
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nope"], 3, "neither a dataset"),
        (["ucf101"], 3, "Get it from"),
        (["ucf101", "--root", "/absent"], 3, "no folder /absent"),
        (["ucf101", "--split", 4], 2, "splits 1 to 3, got 4"),
        (["ucf101", "--part", "val"], 2, "train or test"),
        (["moving-shapes", "--frames", 1], 2, "num_frames"),
        (["kinetics400", "--stride", 3], 2, "stride must be None for the rule"),
    ],
)
def test_bad_input_gives_a_message_and_an_exit_code(dfs, cache, words, code, said):
    outcome = dfs("datasets", "prepare", *words)
    assert outcome.code == code
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not cache.exists()


def test_an_empty_class_folder_exits_with_3(dfs, folder):
    (folder / "empty").mkdir()
    outcome = dfs("datasets", "prepare", folder, *SMALL)
    assert outcome.code == 3
    assert "of class 'empty' in" in outcome.stderr


def test_invalid_workers_exit_with_2(dfs, folder):
    outcome = dfs("datasets", "prepare", folder, "--workers", 0)
    assert (outcome.code, "at least 1, got 0" in outcome.stderr) == (2, True)


def test_a_full_disk_exits_with_5(dfs, folder, cache):
    words = ("--frames", 65536, "--stride", 1, "--size", 4096)
    outcome = dfs("datasets", "prepare", folder, *words)
    assert outcome.code == 5
    assert "DFS_CACHE" in outcome.stderr


def test_moving_shapes_needs_no_preparation(dfs, cache):
    outcome = dfs("datasets", "prepare", "moving-shapes")
    assert outcome.code == 0
    assert "needs no preparation" in outcome.stderr
    assert not cache.exists()


def test_the_cache_is_listed_and_cleaned(dfs, folder, cache):
    assert dfs("datasets", "cache").stdout.startswith(f"{cache}: 0 entries")
    dfs("datasets", "prepare", folder, *SMALL)
    dfs("datasets", "prepare", folder, *SMALL, "--seed", 1)
    os.remove(next(cache.glob("*/index.json")))
    content = dfs("datasets", "cache", "--json").document
    assert content["schema"] == "dfs.cache/1"
    assert sorted(entry["complete"] for entry in content["entries"]) == [False, True]
    assert "unfinished" in dfs("datasets", "cache").stdout
    assert "removed 1 entry," in dfs("datasets", "cache", "--remove-unfinished").stdout
    (entry,) = dfs("datasets", "cache", "--json").document["entries"]
    assert dfs("datasets", "cache", "--remove", entry["key"], "--json").document["freed_bytes"] > 0
    assert dfs("datasets", "cache", "--json").document["entries"] == []
    outcome = dfs("datasets", "cache", "--remove", "absent")
    assert (outcome.code, "no entry" in outcome.stderr) == (3, True)


def test_obsolete_entries_are_listed_and_removed(dfs, folder, cache):
    dfs("datasets", "prepare", folder, *SMALL)
    dfs("datasets", "prepare", folder, *SMALL, "--decoder", "pyav")
    old = next(cache.glob("*/request.json"))
    old.write_text(old.read_text().replace('"version": 3', '"version": 2'))
    assert "obsolete: made by" in dfs("datasets", "cache").stdout
    assert dfs("datasets", "cache", "--remove-unfinished", "--json").document["removed"] == []
    assert dfs("datasets", "cache", "--remove-obsolete", "--json").document["removed"] == [old.parent.name]
    assert "obsolete:" not in dfs("datasets", "cache").stdout


def test_an_unknown_decoder_is_refused(dfs, folder):
    outcome = dfs("datasets", "prepare", folder, *SMALL, "--decoder", "decor")
    assert outcome.code == 2
    assert "decord" in outcome.stderr


def test_remove_all(dfs, folder, cache):
    dfs("datasets", "prepare", folder, *SMALL)
    assert "removed 1 entry," in dfs("datasets", "cache", "--remove-all").stdout
    assert list(cache.iterdir()) == []


def test_a_shard_is_taken_from_slurm_or_refused(dfs, tmp_path, monkeypatch):
    root = make_folder(tmp_path / "videos", clips=2)
    words = ("datasets", "prepare", root, "--part", "train", "--frames", 4, "--size", 32, "--shard", "auto")
    done = dfs(*words)
    assert (done.code, "SLURM_ARRAY_TASK_ID is not set" in done.stderr) == (2, True)
    for name, value in {"ID": 5, "MIN": 1, "STEP": 4, "COUNT": 2}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    done = dfs(*words, "--json")
    assert done.code == 0, done.stderr
    assert done.document["shard"] == "2/2"
    assert done.document["parts"][0]["missing_shards"] == [1]
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "6")
    assert dfs(*words).code == 2


def test_ray_creates_its_own_shards_and_is_an_optional_dependency(dfs, tmp_path, monkeypatch):
    root = make_folder(tmp_path / "videos", clips=1)
    done = dfs("datasets", "prepare", root, "--engine", "ray", "--shard", "1/2")
    assert (done.code, "leave out --shard 1/2" in done.stderr) == (2, True)
    done = dfs("datasets", "prepare", root, "--engine", "dask")
    assert (done.code, "--engine" in done.stderr) == (2, True)
    monkeypatch.setitem(sys.modules, "ray", None)
    done = dfs("datasets", "prepare", root, "--engine", "ray")
    assert "pip install 'dfs-store[ray]'" in done.stderr
    assert done.code != 0
