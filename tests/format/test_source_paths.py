"""Paths in a provenance do not depend on the working directory, and are not published."""

import os

from hypothesis import given
from hypothesis import strategies as st

from dfs_store.format.source_paths import found_path, portable, rebased, recorded_path, source_name

PARTS = st.lists(st.sampled_from(["a", "b", "my videos", "ucf101", "c.d"]), min_size=1, max_size=4)


@given(PARTS, PARTS, st.booleans())
def test_a_recorded_path_is_resolved_to_the_original(videos, store, shared):
    videos, store = (os.path.join("/home" if shared else f"/{place}", *parts) for place, parts in
                     (("data", videos), ("home", store)))  # fmt: skip
    recorded = recorded_path(videos, store + ".zarr")
    assert found_path(recorded, store + ".zarr") == videos
    assert os.path.isabs(recorded) is not shared
    assert recorded.split("/")[0] in ("", ".", "..")  # never like the name of a dataset
    # The recorded path stays valid if both are moved together.
    if shared:
        assert found_path(recorded, "/mnt" + store + ".zarr") == "/mnt" + videos


@given(PARTS, PARTS, PARTS)
def test_a_copy_in_another_folder_has_the_same_source(videos, store, copy):
    videos, store, copy = (os.path.join("/home", *parts) for parts in (videos, store, copy))
    recorded = recorded_path(videos, store)
    about = {"dataset": recorded, "config": {"dataset": recorded, "lr": 1.0}, "sources": [{"file": "./x"}]}
    moved = rebased(about, store, copy)
    assert found_path(moved["dataset"], copy) == found_path(moved["config"]["dataset"], copy) == videos
    assert (moved["config"]["lr"], moved["sources"]) == (1.0, about["sources"])
    assert rebased({"dataset": "ucf101"}, store, copy) == {"dataset": "ucf101"}
    assert rebased(None, store, copy) is None


def test_a_store_at_a_url_records_absolute_paths():
    assert recorded_path("videos", "s3://bucket/s.zarr") == os.path.abspath("videos")
    assert recorded_path("/data/videos", "/home/me/s.zarr") == "/data/videos"


def test_a_portable_provenance_contains_no_folders():
    about = {
        "dataset": "../../my videos",
        "config": {"dataset": "/data/my videos", "extractor": "/home/me/net.pt", "init": "noise"},
        "sources": [{"file": "a/b.mp4", "frames": [0, 1]}],
    }
    assert portable(about) == {
        "dataset": "my videos",
        "config": {"dataset": "my videos", "extractor": "net.pt", "init": "noise"},
        "sources": [{"file": "a/b.mp4", "frames": [0, 1]}],
    }
    assert [source_name(name) for name in ("ucf101", "./ucf101", "/data/v/", "UCF/101")] == [
        "ucf101", "ucf101", "v", "UCF/101",
    ]  # fmt: skip
