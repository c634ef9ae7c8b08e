import json
import os
import subprocess
import sys

import numpy as np
import pytest

from dfs_store.errors import DatasetNotFoundError, SettingsError
from dfs_store.videos import find_clips, open_videos
from dfs_store.videos.cache.shards import Shard
from dfs_store.videos.files.catalogue import CATALOGUE
from dfs_store.videos.files.class_names import MINIUCF, UCF101
from dfs_store.videos.opening import open_shard
from tests.videos.making import DATA, make_folder, make_video, needs_data


def fake_ucf(root, classes):
    """A root with one empty file per class and split, which is enough for lists."""
    for part in ("train", "test"):
        lines = []
        for name in classes:
            file = root / "UCF-101" / name / f"v_{name}_{part}.avi"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            lines.append(f"{name}/{file.name} 1\n")
        (root / "ucfTrainTestlist").mkdir(exist_ok=True)
        (root / f"ucfTrainTestlist/{part}list01.txt").write_text("".join(reversed(lines)))
    return root


def test_miniucf_keeps_its_50_classes_of_any_root(tmp_path):
    found = find_clips("miniucf", fake_ucf(tmp_path, UCF101))
    assert found.classes == list(MINIUCF)
    assert found.classes[:2] == ["ApplyEyeMakeup", "BalanceBeam"]
    assert found.classes[-1] == "WritingOnBoard"
    assert len(found.clips) == 50
    assert find_clips("miniucf", tmp_path, "test").classes == list(MINIUCF)


def test_miniucf_says_which_classes_are_missing(tmp_path):
    fake_ucf(tmp_path, [name for name in UCF101 if name not in ("Punch", "Mixing")])
    with pytest.raises(DatasetNotFoundError, match=r"lacks 2: Mixing, Punch\. Get it from UCF Center"):
        find_clips("miniucf", tmp_path)


def test_ucf101_works_with_the_existing_classes(tmp_path):
    found = find_clips("ucf101", fake_ucf(tmp_path, ["YoYo", "JumpingJack", "JumpRope"]))
    assert found.classes == ["JumpRope", "JumpingJack", "YoYo"]


def test_missing_data_is_reported_with_source_and_layout(tmp_path, monkeypatch):
    monkeypatch.delenv("DFS_DATA", raising=False)
    with pytest.raises(
        DatasetNotFoundError, match=r"--root.*DFS_DATA.*crcv\.ucf\.edu.*Expected files: UCF-101/"
    ):
        find_clips("ucf101")
    monkeypatch.setenv("DFS_DATA", str(tmp_path))
    with pytest.raises(DatasetNotFoundError, match=f"{tmp_path}/ucf101.*trainlist01.txt.*Get it from"):
        find_clips("ucf101")
    with pytest.raises(DatasetNotFoundError, match=f"no folder {tmp_path}/absent.*Get it from"):
        find_clips("ucf101", tmp_path / "absent")


@pytest.mark.parametrize("inside", ["ucf101", "UCF101", "."])
def test_data_is_found_through_the_environment(tmp_path, monkeypatch, inside):
    (tmp_path / inside).mkdir(exist_ok=True)
    fake_ucf(tmp_path / inside, ["YoYo"])
    monkeypatch.setenv("DFS_DATA", str(tmp_path))
    assert find_clips("ucf101").root == (tmp_path / inside).resolve()


def test_an_explicit_root_wins_over_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_DATA", str(fake_ucf(tmp_path, ["YoYo"])))
    (tmp_path / "other").mkdir()
    assert find_clips("ucf101", fake_ucf(tmp_path / "other", ["Mixing"])).classes == ["Mixing"]


@pytest.mark.parametrize("content", ["{", '{"id": 1}', '[{"id": "1"}]'])
def test_lists_that_cannot_be_read_are_named(tmp_path, content):
    (tmp_path / "something-something-v2-train.json").write_text(content)
    with pytest.raises(DatasetNotFoundError, match=r"cannot be read|not a list of clips|expected the keys"):
        find_clips("ssv2", tmp_path)


def test_an_unknown_dataset_is_refused_with_a_list_of_known_ones():
    with pytest.raises(DatasetNotFoundError, match=r"is neither a dataset \(stick-figures, moving-shapes"):
        open_videos("nope")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "val"}, "train or test"),
        ({"official_split": 4}, r"splits 1 to 3, got 4"),
        ({"frames": 1}, "num_frames"),
        ({"stride": 0}, "stride"),
        ({"size": 2}, "size"),
        ({"classes": []}, "at least one"),
        ({"clips_per_class": 3}, "only be used with a built-in dataset"),
    ],
)
def test_invalid_settings_are_refused(tmp_path, options, said):
    with pytest.raises(SettingsError, match=said):
        open_videos("ucf101", fake_ucf(tmp_path, ["YoYo"]), cache_dir=tmp_path / "cache", **options)
    assert not (tmp_path / "cache").exists()


def test_a_folder_needs_no_root(tmp_path):
    with pytest.raises(SettingsError, match="is a folder"):
        find_clips(make_folder(tmp_path, clips=1), root=tmp_path)


def test_every_dataset_of_the_catalogue_is_complete():
    for name, info in CATALOGUE.items():
        assert info.name == name
        assert list(info.classes) == sorted(set(info.classes))
        assert info.metric in ("top1", "top5")
        assert not info.classes or len(info.classes) == info.num_classes
    paper = {name: info.sampling.frames * info.sampling.size for name, info in CATALOGUE.items()}
    assert paper["miniucf"] == paper["hmdb51"] == 16 * 112
    assert paper["kinetics400"] == paper["ssv2"] == 8 * 64


def test_kinetics_and_ssv2_have_one_official_split(tmp_path):
    with pytest.raises(SettingsError, match="the official split 1, got 2"):
        find_clips("ssv2", tmp_path, official_split=2)


def test_videos_open_in_a_script_without_a_main_guard(tmp_path):
    make_folder(tmp_path / "videos", clips=1)
    script = tmp_path / "script.py"
    script.write_text(
        "import json, sys, torch\n"
        "from dfs_store import open_videos\n"
        "videos = open_videos(sys.argv[1], cache_dir=sys.argv[2], frames=2, stride=1, size=64)\n"
        "print(json.dumps([len(videos), videos.classes]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(tmp_path / "videos"), str(tmp_path / "cache")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [2, ["left", "right"]]


def test_importing_the_package_imports_no_torch():
    code = (
        "import sys, dfs_store.videos, dfs_store.videos.opening, dfs_store.videos.decode.worker; "
        "assert 'torch' not in sys.modules and 'decord' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_added_videos_are_found(tmp_path):
    root = make_folder(tmp_path / "videos", clips=1)
    options = {"cache_dir": tmp_path / "cache", "frames": 2, "stride": 1, "size": 64}
    assert len(open_videos(root, **options)) == 2
    make_video(root / "left/more.avi")
    assert len(open_videos(root, **options)) == 3


def test_a_folder_may_be_moved(tmp_path):
    make_folder(tmp_path / "one/videos", clips=1)
    options = {"cache_dir": tmp_path / "cache", "frames": 2, "stride": 1, "size": 64}
    first = open_videos(tmp_path / "one/videos", **options)
    (tmp_path / "one").rename(tmp_path / "two")
    assert open_videos(tmp_path / "two/videos", **options).cache_path == first.cache_path


@needs_data
@pytest.mark.parametrize(("split", "count"), [("train", 528), ("test", 212)])
def test_the_real_lists(split, count):
    found = find_clips("ucf101", DATA / "ucf101-10", split)
    assert len(found.clips) == count
    assert len(found.classes) == 10
    assert found.classes.index("JumpRope") < found.classes.index("JumpingJack")
    assert found.missing == []


@needs_data
def test_real_clips_of_two_classes(tmp_path):
    options = {"cache_dir": tmp_path, "frames": 4, "size": 64, "classes": ["HandstandPushups", "Lunges"]}
    train = open_videos("ucf101", DATA / "ucf101-10", **options)
    assert (len(train), train.failed, train.missing) == (len(train.targets), [], [])
    assert train.class_to_idx == {"HandstandPushups": 0, "Lunges": 1}
    assert train.pixels.std() > 20
    assert "v_HandStandPushups_" in train.source(0)["file"]
    assert train.metric == "top1"
    test = open_videos("ucf101", DATA / "ucf101-10", "test", random_starts=3, **options)
    assert test.pixels.shape[1:] == (4, 4, 64, 64, 3)
    assert not np.array_equal(test.pixels[:, 0], test.pixels[:, 1])


@needs_data
def test_every_codec_decodes(tmp_path):
    videos = open_videos(DATA / "codecs", cache_dir=tmp_path, frames=2, stride=1, size=32)
    assert (len(videos), videos.failed) == (11, [])
    assert videos.classes == ["mmaction2", "torchcodec"]


@needs_data
def test_original_clips_as_a_folder_with_train_and_test(tmp_path):
    options = {"cache_dir": tmp_path, "frames": 4, "size": 64}
    train = open_videos(DATA / "ucf101-original-4x6", **options)
    test = open_videos(DATA / "ucf101-original-4x6", split="test", **options)
    assert len(train) + len(test) == 24
    assert train.classes == test.classes == ["JumpRope", "Lunges", "PullUps", "TrampolineJumping"]


def test_shards_take_the_options_that_videos_are_opened_with(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "videos", clips=2)
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    how = {"frames": 4, "stride": 1, "size": 16, "resize": "direct"}
    reports = [open_shard(folder, Shard(number, 2), **how) for number in (1, 2)]
    assert [report.missing for report in reports] == [(2,), ()]
    entries = sorted((tmp_path / "cache").iterdir())
    assert len(open_videos(folder, **how)) == 4
    assert sorted((tmp_path / "cache").iterdir()) == entries  # another sampling would have made another one
