"""Stores made from a folder work from any working folder, after a move, and as copies."""

import json

import pytest

from dfs_store import open_store
from tests.videos.making import make_video

SMALL = ("--frames", "4", "--size", "43", "--stride", "1", "--vpc", "1", "--method", "random")
QUICK = ("--epochs", "0", "--runs", "1", "--protocol", "strict", "--device", "cpu")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Makes a folder of videos the working folder."""
    folder = tmp_path / "project"
    for part in ("train", "test"):
        for name in ("one", "two"):
            path = folder / "my videos" / part / name / "v.avi"
            path.parent.mkdir(parents=True)
            make_video(path, 6)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    return folder


def test_a_store_works_from_any_folder_and_moves_with_its_videos(dfs, project, monkeypatch):
    (project / "out").mkdir()
    assert dfs("condense", "--dataset", "my videos", *SMALL, "--out", "out/s.zarr").code == 0
    with open_store("out/s.zarr") as store:
        provenance = store.attributes["provenance"]
    assert provenance["dataset"] == provenance["config"]["dataset"] == "../my videos"
    moved = project.with_name("elsewhere")
    project.rename(moved)
    monkeypatch.chdir(moved.parent)
    found = dfs("evaluate", moved / "out" / "s.zarr", *QUICK, "--json")
    assert found.code == 0, found.stderr
    assert found.document["test"]["dataset"] == "my videos"
    for words in (("convert",), ("repair",)):
        copy = moved / "deep" / f"{words[0]}.h5"
        copy.parent.mkdir(exist_ok=True)
        assert dfs(*words, moved / "out" / "s.zarr", copy).code == 0
        assert dfs("evaluate", copy, *QUICK).code == 0


def test_the_error_about_missing_videos_names_the_searched_folders(dfs, project):
    assert dfs("condense", "--dataset", "my videos", *SMALL, "--out", "s.zarr").code == 0
    (project / "my videos").rename(project / "moved")
    for command in (("evaluate", "s.zarr", *QUICK), ("motion", "s.zarr")):
        outcome = dfs(*command)
        assert outcome.code == 3
        assert str(project / "my videos") in outcome.stderr
        assert "--dataset FOLDER" in outcome.stderr
    assert dfs("evaluate", "s.zarr", *QUICK, "--dataset", "moved").code == 0


def test_shared_files_do_not_contain_local_paths(dfs, project):
    assert dfs("condense", "--dataset", project / "my videos", *SMALL, "--out", project / "s.zarr").code == 0
    assert dfs("evaluate", project / "s.zarr", *QUICK).code == 0
    assert dfs("report", project / "s.zarr", "--out", "r.html").code == 0
    for kind in ("huggingface", "videos", "webdataset"):
        assert dfs("export", project / "s.zarr", "--to", kind, "--out", kind).code == 0
    sent = [project / "r.html", *(path for kind in ("huggingface", "videos", "webdataset")
                                  for path in (project / kind).rglob("*") if path.is_file())]  # fmt: skip
    for path in sent:
        assert str(project.parent).encode() not in path.read_bytes(), path
    with open_store("huggingface/store/s.h5") as store:
        assert store.attributes["provenance"]["dataset"] == "my videos"
    assert (
        "1 of my videos" in (project / "r.html").read_text()
        or "2 of my videos" in (project / "r.html").read_text()
    )
    assert json.loads((project / "huggingface" / "dfs-export.json").read_text())["num_clips"] == 2
