"""Lists and folders as datasets, which commands prepare, condense and test on."""

import pytest

from dfs_store import open_store
from tests.videos.making import make_folder, make_video

SMALL = ("--frames", "4", "--stride", "1", "--size", "43")
QUICK = ("--runs", "1", "--epochs", "0", "--device", "cpu")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DFS_DATA", raising=False)


@pytest.fixture
def lists(tmp_path):
    """Writes two lists beside a folder of videos, with class numbers and class names."""
    make_folder(tmp_path / "videos", ("x", "y"), clips=2)
    for part, clip in (("train", 0), ("test", 1)):
        rows = [f"{name}/clip{clip}.avi {label}\n" for label, name in enumerate("xy")]
        (tmp_path / f"{part}.txt").write_text("".join(rows))
    (tmp_path / "names.txt").write_text("left\nright\n")
    return tmp_path


def condensed(dfs, *words):
    return dfs("condense", "--method", "random", "--vpc", "1", *SMALL, *words)


def test_a_store_made_from_a_list_is_tested_on_its_test_list(dfs, lists):
    out = lists / "s.zarr"
    words = [
        "--root",
        lists / "videos",
        "--test-list",
        lists / "test.txt",
        "--class-names",
        lists / "names.txt",
    ]
    made = condensed(dfs, "--dataset", lists / "train.txt", *words, "--out", out)
    assert made.code == 0, made.stderr
    assert (
        f"--root {lists}/videos --test-list {lists}/test.txt --class-names {lists}/names.txt" in made.stdout
    )
    with open_store(out) as store:
        assert store.class_names == ["left", "right"]
        assert store.attributes["provenance"]["sources"][0]["file"] == "x/clip0.avi"
    # The store records its lists.
    found = dfs("evaluate", out, "--root", lists / "videos", *QUICK, "--json")
    assert found.code == 0, found.stderr
    assert found.document["test"]["num_clips"] == 2
    assert found.document["class_names"] == ["left", "right"]
    again = dfs("evaluate", out, "--dataset", lists / "train.txt", *words, *QUICK, "--json", "--overwrite")
    assert again.document["test"]["num_clips"] == 2
    assert dfs("motion", out, "--root", lists / "videos", "-q").code == 0


def test_without_test_clips_the_error_says_what_to_do(dfs, lists):
    out = lists / "s.zarr"
    root = ("--root", lists / "videos")
    assert condensed(dfs, "--dataset", lists / "train.txt", *root, "--out", out).code == 0
    outcome = dfs("evaluate", out, *root, *QUICK)
    assert outcome.code == 3
    assert "pass the test clips with --test-list LIST" in outcome.stderr
    assert "--hold-out 0.2" in outcome.stderr
    assert dfs("evaluate", out, *root, "--test-list", lists / "test.txt", *QUICK).code == 0
    make_folder(lists / "folder", clips=1)
    assert condensed(dfs, "--dataset", lists / "folder", "--out", lists / "f.zarr").code == 0
    outcome = dfs("evaluate", lists / "f.zarr", *QUICK)
    assert outcome.code == 3
    assert "--hold-out 0.2" in outcome.stderr


def test_paths_with_spaces_and_in_other_folders(dfs, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    make_folder(tmp_path / "my clips" / "train", clips=1)
    make_folder(tmp_path / "my clips" / "test", clips=1)
    monkeypatch.chdir(tmp_path)
    outcome = condensed(dfs, "--dataset", "my clips", "--out", "s.zarr")
    assert "dfs evaluate s.zarr --dataset 'my clips' --epochs 100 --runs 1\n" in outcome.stdout
    monkeypatch.chdir(tmp_path / "other")
    assert dfs("evaluate", "../s.zarr", *QUICK).code == 0
    (tmp_path / "my clips").rename(tmp_path / "moved")
    outcome = dfs("evaluate", "../s.zarr", *QUICK, "--overwrite")
    assert outcome.code == 3
    assert "add --dataset FOLDER" in outcome.stderr
    assert dfs("evaluate", "../s.zarr", "--dataset", "../moved", *QUICK).code == 0


def test_a_list_is_described_and_prepared(dfs, lists):
    (lists / "train.txt").write_text("x/clip0.avi 0\ny/clip0.avi 1\ny/clip0.avi 1\ny/gone.avi 1\n")
    words = (lists / "train.txt", "--root", lists / "videos", "--test-list", lists / "test.txt")
    shown = dfs("datasets", "info", *words)
    assert "train here      2 clips of 2 classes" in shown.stdout
    assert "train: skipped 1 repeated row in train.txt" in shown.stdout
    found = dfs("datasets", "info", *words, "--json").document["found"]
    assert found["test"]["num_clips"] == 2
    assert found["train"]["missing"] == ["y/gone.avi"]
    prepared = dfs("datasets", "prepare", *words, *SMALL, "--json").document["parts"]
    assert [part["part"] for part in prepared] == ["train", "test"]
    assert prepared[0]["remarks"] == ["skipped 1 repeated row in train.txt"]


def test_different_labels_are_different_clips(dfs, lists):
    words = ("datasets", "prepare", lists / "train.txt", "--root", lists / "videos", *SMALL, "--json")
    first = dfs(*words).document["parts"][0]["path"]
    (lists / "train.txt").write_text("x/clip0.avi 1\ny/clip0.avi 0\n")
    assert dfs(*words).document["parts"][0]["path"] != first
    folder = dfs("datasets", "prepare", lists / "videos", *SMALL, "--json").document["parts"][0]
    assert folder["path"] != first


def test_every_command_reports_ignored_files(dfs, tmp_path):
    folder = make_folder(tmp_path / "videos", clips=1)
    (folder / "left/notes.foo").touch()
    said = "skipped 1 other file: .foo (1)"
    assert said in dfs("datasets", "info", folder).stdout
    assert said in dfs("datasets", "prepare", folder, *SMALL).stdout
    assert said in condensed(dfs, "--dataset", folder, "--out", tmp_path / "s.zarr").stderr


def test_the_folder_layout_can_be_forced(dfs, tmp_path):
    for name in ("bus", "train"):
        make_video(tmp_path / "videos" / name / "1.avi")
    words = ("--dataset", tmp_path / "videos", "--out", tmp_path / "s.zarr")
    refused = condensed(dfs, *words)
    assert refused.code == 3
    assert "--folder-layout classes" in refused.stderr
    made = condensed(dfs, *words, "--folder-layout", "classes")
    assert made.code == 0, made.stderr
    with open_store(tmp_path / "s.zarr") as store:
        assert store.class_names == ["bus", "train"]
        assert store.attributes["provenance"]["config"]["folder_layout"] == "classes"
    assert dfs("motion", tmp_path / "s.zarr", "-q").code == 0
    wrong = condensed(dfs, *words, "--folder-layout", "clases")
    assert wrong.code == 2
    assert "Did you mean 'classes'?" in wrong.stderr


def test_an_invalid_split_is_explained(dfs, tmp_path):
    outcome = dfs("datasets", "prepare", "ucf101", "--split", "train")
    said = " ".join(outcome.stderr.replace("│", " ").split())
    assert outcome.code == 2
    assert "number of an official split, 1 to 3, got 'train'; commands that use one part" in said
    assert "--part" in said
