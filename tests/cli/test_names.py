"""Suggestions for mistyped datasets, methods, networks, classes, settings, commands and flags."""

import pytest

from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean, known_name, nearest_name


@pytest.mark.parametrize(
    ("typed", "meant"), [("timelin", "timeline"), ("STORAGE", "storage"), ("shet", "sheet"), ("xyz", None)]
)
def test_the_nearest_name(typed, meant):
    assert nearest_name(typed, ["sheet", "timeline", "storage"]) == meant
    assert did_you_mean(typed, ["sheet", "timeline", "storage"]) == (
        f". Did you mean {meant!r}?" if meant else ""
    )


def test_a_known_name_is_accepted_and_long_lists_are_abridged():
    names = [f"class {number}" for number in range(400)]
    assert known_name("class 7", names, "--classes") == "class 7"
    with pytest.raises(SettingsError, match=r"and 380 more, got 'clas 399'. Did you mean 'class 399'\?"):
        known_name("clas 399", names, "--classes")


TYPED = [
    ("condense --dataset moving-shape --vpc 1 --out a.zarr", 3, "'moving-shapes'"),
    ("condense --dataset moving-shapes --method dsf --vpc 1 --out a.zarr", 2, "'dfs'"),
    ("condense --dataset moving-shapes --metric cosin --vpc 1 --out a.zarr", 2, "'cosine'"),
    ("condense --dataset moving-shapes --classes slwo,fast --vpc 1 --out a.zarr", 2, "'slow'"),
    ("condense --dataset moving-shapes --track tensorbord --vpc 1 --out a.zarr", 2, "'tensorboard'"),
    ("evaluate whole --dataset moving-shapes --model convnet3", 2, "'convnet3d'"),
    ("evaluate whole --dataset moving-shapes --protocol papr", 2, "'paper'"),
    ("datasets info hmdb5", 3, "'hmdb51'"),
    ("inspct x.zarr", 2, "'inspect'"),
    ("datasets inf hmdb51", 2, "'info'"),
]


@pytest.mark.parametrize(("words", "code", "meant"), TYPED, ids=[words for words, _, _ in TYPED])
def test_a_mistyped_name_gets_a_suggestion(dfs, tmp_path, monkeypatch, words, code, meant):
    monkeypatch.chdir(tmp_path)
    done = dfs(*words.split())
    assert done.code == code
    assert f"Did you mean {meant}?" in " ".join(done.stderr.replace("│", " ").split())


def test_a_mistyped_flag_gets_suggestions(dfs):
    said = " ".join(dfs("condense", "--datset", "x").stderr.replace("│", " ").split())
    assert "--datset" in said
    assert "--dataset" in said


def test_a_mistyped_class_gets_a_suggestion(dfs, tmp_path):
    for name in ("PullUps", "PushUps"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.avi").touch()
    done = dfs(
        "condense", "--dataset", tmp_path, "--classes", "pullups", "--vpc", 1, "--out", tmp_path / "a.zarr"
    )
    assert done.code == 2
    assert "Did you mean 'PullUps'?" in done.stderr


def test_version_prints_the_versions_for_a_bug_report(dfs):
    done = dfs("--version")
    assert done.code == 0
    for name in ("dfs-store 0.", "python ", "system ", "torch ", "zarr ", "h5py ", "av ", "numpy "):
        assert name in done.stdout
