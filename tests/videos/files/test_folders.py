"""Tests which folders are classes, which are splits, and which layouts are rejected as ambiguous."""

import os

import pytest

from dfs_store.errors import DatasetNotFoundError, EmptyClassError, SettingsError
from dfs_store.videos import find_clips, open_videos
from tests.videos.making import make_video


def touch(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def two(root, *folders):
    """Creates two classes with two clips each in every given folder."""
    return touch(
        root, *(f"{folder}/{name}/{n}.mp4" for folder in folders for name in ("run", "walk") for n in (1, 2))
    )


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("TRAIN", "TEST"),
        ("training", "testing"),
        ("training_set", "test_set"),
        ("trainset", "testset"),
        ("videos_train", "videos_val"),
        ("rawframes-train", "rawframes-validation"),
        ("UCF101_train", "UCF101_test"),
        ("train2017", "val2017"),
        ("train", "valid"),
        ("train", "eval"),
        ("videos/train", "videos/test"),
        ("UCF/UCF-101/Train", "UCF/UCF-101/Validate"),
        ("train/videos", "test/videos"),
    ],
)
def test_splits_are_recognised_in_any_spelling_and_inside_another_folder(tmp_path, train, test):
    two(tmp_path, train, test)
    touch(tmp_path, "annotations/train.txt", "README.md", "labels.csv")
    for part, folder in (("train", train), ("test", test)):
        found = find_clips(tmp_path, split=part)
        assert found.classes == ["run", "walk"]
        assert [clip.file for clip in found.clips] == [
            f"{folder}/{name}/{n}.mp4" for name in ("run", "walk") for n in (1, 2)
        ]


def test_a_test_folder_takes_precedence_over_a_validation_folder(tmp_path):
    found = find_clips(two(tmp_path, "train", "val", "test"), split="test")
    assert {clip.file.split("/")[0] for clip in found.clips} == {"test"}
    assert any("val is not used, because there is a test split" in remark for remark in found.remarks)


def test_videos_take_precedence_over_their_frames(tmp_path):
    two(tmp_path, "videos_train", "videos_val")
    for part in ("train", "val"):
        touch(tmp_path, *(f"rawframes_{part}/{name}/v/{n}.jpg" for name in ("run", "walk") for n in range(3)))
    found = find_clips(tmp_path)
    assert found.clips[0].file == "videos_train/run/1.mp4"
    assert any("rawframes_train, rawframes_val" in remark for remark in found.remarks)


def test_a_folder_beside_splits_with_the_same_classes_is_skipped(tmp_path):
    touch(two(tmp_path, "train", "test"), "unlabelled/1.mp4")
    found = find_clips(tmp_path)
    assert len(found.clips) == 4
    assert any("unlabelled" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["run/train/1.mp4", "run/test/2.mp4", "walk/train/3.mp4", "walk/test/4.mp4"], "named like splits"),
        (["run/train/1.mp4", "walk/train/3.mp4"], "named like splits"),
        (["run/test_01/1.mp4", "run/train_01/2.mp4", "walk/train_01/3.mp4"], "named like splits"),
        (["bus/1.mp4", "train/1.mp4", "plane/1.mp4"], r"folders named like splits \(train\) .*bus"),
        (["run/1.mp4", "test/1.mp4"], r"named like splits \(test\)"),
        (["run/1.mp4"], "has only one class folder, run"),
        (["x/a/1.mp4", "x/b/1.mp4"], r"only one class folder, x \(it has the folders a, b: if these are"),
        (["train/1.mp4", "test/1.mp4"], "no class folders"),
        (["train_stop/1.mp4", "test_tube/1.mp4"], "no class folders.*--folder-layout classes"),
        (
            [f"{part}/{name}/{n}.mp4" for part in ("tr", "te") for name in ("run", "sit") for n in "12"],
            "folders te, tr in .* folders run, sit, so it is unclear which are the classes",
        ),
        (
            [
                f"{kind}/480p/{clip}/{n}.png"
                for kind in ("JPEGImages", "Annotations")
                for clip in ("bear", "cat")
                for n in "12"
            ],
            "not class names",
        ),
        (["jpegs_112/v1/1.jpg", "jpegs_112/v2/1.jpg", "list.csv"], r"jpegs_112.*--dataset .*list\.csv"),
        (["run/1.jpg", "run/2.jpg", "walk/1.jpg"], "a folder of images is one clip"),
        (["fold1/run/1.mp4", "fold2/run/1.mp4"], "fold1, fold2, which are not class names"),
        (["train_1/run/1.mp4", "train_2/run/1.mp4"], "several folders for one split"),
        (["flow_x/run/1.mp4", "flow_y/run/1.mp4"], "flow_x, flow_y"),
    ],
)
def test_ambiguous_layouts_are_rejected(tmp_path, files, said):
    with pytest.raises((DatasetNotFoundError, SettingsError), match=said):
        find_clips(touch(tmp_path, *files))


def test_the_user_can_declare_folders_to_be_classes(tmp_path):
    touch(tmp_path, "bus/1.mp4", "train/1.mp4", "train/test/2.mp4")
    assert find_clips(tmp_path, folder_layout="classes").classes == ["bus", "train"]
    assert find_clips(touch(tmp_path / "one", "x/1.mp4"), folder_layout="classes").classes == ["x"]
    assert find_clips(tmp_path / "one", classes=["x"]).classes == ["x"]
    with pytest.raises(SettingsError, match=r"must be classes, got 'class'\. Did you mean 'classes'"):
        find_clips(tmp_path, folder_layout="class")
    with pytest.raises(SettingsError, match="can only be used with a list"):
        find_clips(tmp_path, test_list=tmp_path / "x")


def test_ordinary_trees_are_read(tmp_path):
    touch(
        tmp_path, *(f"{name}/{clip:04}/{n}.jpg" for name in ("a", "b") for clip in (1, 2) for n in range(3))
    )
    assert [clip.file for clip in find_clips(tmp_path).clips] == ["a/0001", "a/0002", "b/0001", "b/0002"]
    people = touch(
        tmp_path / "p", *(f"{name}/person{n:02}/{n}.mp4" for name in ("run", "sit") for n in range(2))
    )
    assert find_clips(people).classes == ["run", "sit"]
    kinetics = touch(tmp_path / "k", "training dog/1.mp4", "testifying/2.mp4", "riding train/3.mp4")
    assert find_clips(kinetics).classes == ["riding train", "testifying", "training dog"]


@pytest.mark.parametrize(
    "junk",
    [
        "__MACOSX",
        "@eaDir",
        "lost+found",
        "$RECYCLE.BIN",
        "System Volume Information",
        ".ipynb_checkpoints",
        ".git",
    ],
)
def test_folders_of_the_system_are_ignored_everywhere(tmp_path, junk):
    two(tmp_path, ".", "train", "test")
    for name in ("run", "walk"):
        (tmp_path / name / "1.mp4").unlink()
        (tmp_path / name / "2.mp4").unlink()
        (tmp_path / name).rmdir()
    touch(
        tmp_path, f"{junk}/x.mp4", f"train/{junk}/x.mp4", f"train/run/{junk}/1.mp4/x.jpg", "train/.DS_Store"
    )
    found = find_clips(tmp_path)
    assert len(found.clips) == 4
    assert found.remarks == []


def test_skipped_files_are_reported(tmp_path):
    files = [
        "a/1.mp4",
        "a/frames/1.jpg",
        "a/x.foo",
        "a/notes.txt",
        "b/1.GIF",
        "b/2.vob",
        "b/3.txt",
        "b/poster.jpg",
    ]
    touch(tmp_path, *files, "top.avi")
    (tmp_path / "a/gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    found = find_clips(tmp_path)
    assert [clip.file for clip in found.clips] == ["a/1.mp4", "b/1.GIF", "b/2.vob"]
    remarks = "\n".join(found.remarks)
    assert "skipped 5 other files: .foo (1), .txt (2), broken links (1), images (1)" in remarks
    assert "folders of images in classes that also have videos are not used: 1, first a/frames" in remarks
    assert "videos outside the class folders are not used: 1, first top.avi" in remarks
    with pytest.raises(EmptyClassError, match=r"skipped 1 other file: \.foo \(1\)"):
        find_clips(touch(tmp_path / "none", "a/1.mp4", "b/1.foo"))


def test_flow_and_depth_beside_frames_are_skipped_and_reported(tmp_path):
    for clip in ("a/1", "a/2", "b/1"):
        touch(
            tmp_path, *(f"{clip}/rgb/{n}.jpg" for n in range(3)), *(f"{clip}/flow/{n}.jpg" for n in range(2))
        )
    touch(tmp_path, *(f"b/2/{kind}_{n}.jpg" for kind in ("img", "flow_x") for n in range(3)))
    found = find_clips(tmp_path)
    assert [clip.file for clip in found.clips] == ["a/1/rgb", "a/2/rgb", "b/1/rgb", "b/2"]
    assert any("folders beside the frames are not used: flow (3)" in remark for remark in found.remarks)
    assert any(
        "images beside the frames are not used: flow_x_#.jpg (3)" in remark for remark in found.remarks
    )


def test_images_inside_a_clip_are_not_a_clip(tmp_path):
    touch(tmp_path, "a/x/1.jpg", "a/x/2.jpg", "a/x/thumbnails/1.jpg", "a/x/thumbnails/2.jpg", "b/y/1.jpg")
    touch(tmp_path, "b/z/poster.jpg", "b/z/cam/1.jpg", "b/z/cam/2.jpg")
    found = find_clips(tmp_path)
    assert [clip.file for clip in found.clips] == ["a/x", "b/y"]
    remarks = " ".join(found.remarks)
    assert "folders beside the frames are not used: thumbnails (1)" in remarks
    assert "z has 1 image and its subfolder cam has 2, so it is unclear which are the frames" in remarks
    (tmp_path / "list.txt").write_text("a/x 0\nb/y 1\n")
    assert [clip.file for clip in find_clips(tmp_path / "list.txt").clips] == ["a/x", "b/y"]


def test_a_mixture_of_images_is_not_a_clip(tmp_path):
    touch(tmp_path, "a/ok/1.jpg", "b/ok/1.jpg", *(f"b/two/{side}_{n}.jpg" for side in "lr" for n in range(3)))
    found = find_clips(tmp_path)
    assert [clip.file for clip in found.clips] == ["a/ok", "b/ok"]
    assert any("two: the images in a folder have 2 name patterns" in remark for remark in found.remarks)


def test_links_to_folders_are_followed_and_loops_are_not(tmp_path):
    touch(tmp_path, "far/run/1.mp4", "data/walk/2.mp4")
    (tmp_path / "data/run").symlink_to(tmp_path / "far/run")
    (tmp_path / "data/walk/again").symlink_to(tmp_path / "data")
    (tmp_path / "data/walk/twice").symlink_to(tmp_path / "data/walk")
    (tmp_path / "far/deeper").mkdir()
    (tmp_path / "far/run/up").symlink_to(tmp_path / "data")
    found = find_clips(tmp_path / "data")
    assert [clip.file for clip in found.clips] == ["run/1.mp4", "walk/2.mp4"]
    assert any("links to a parent folder are not followed" in remark for remark in found.remarks)


def test_names_that_are_not_utf8_are_decoded(tmp_path):
    for name in (b"caf\xe9", b"tea"):
        make_video(tmp_path / "new.avi")
        folder = os.fsencode(tmp_path / "videos") + b"/" + name
        os.makedirs(folder)
        os.rename(tmp_path / "new.avi", folder + b"/\xff.avi")
    videos = open_videos(tmp_path / "videos", frames=4, stride=1, size=8, cache_dir=tmp_path / "cache")
    assert videos.failed == []
    assert videos.classes == ["caf\\xe9", "tea"]
    assert videos.source(0)["file"] == "caf\\xe9/\\xff.avi"


def test_a_hugging_face_video_folder_is_read(tmp_path):
    for part in ("train", "test"):
        touch(tmp_path, f"{part}/1.mp4", f"{part}/2.mp4")
        (tmp_path / part / "metadata.csv").write_text("file_name,label\n1.mp4,walk\n2.mp4,run\n")
    for part in ("train", "test"):
        found = find_clips(tmp_path, split=part)
        assert [(clip.file, clip.class_name) for clip in found.clips] == [("2.mp4", "run"), ("1.mp4", "walk")]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_flat_folder_is_refused_for_the_same_reason_in_every_split(tmp_path, split):
    touch(tmp_path, "1.mp4", "2.mp4")
    with pytest.raises(DatasetNotFoundError, match=r"has 2 videos .* and no class folders"):
        find_clips(tmp_path, split=split)
