"""Distinguishes URLs, paths, and URLs that `pathlib` has changed."""

import os
from pathlib import Path

import pytest

from dfs_store.format.containers import container_of
from dfs_store.format.io.place import (
    StoreURL,
    absolute_text,
    collapsed_url,
    local_beside,
    locate,
    shown_place,
)


@pytest.mark.parametrize(
    "url",
    [
        "s3://b/s.zarr",
        "memory://s.h5",
        "https://h:1/a/s.zarr.zip",
        "simplecache::s3://b/s.h5",
        "gcs+x://b/s.h5",
    ],
)
def test_urls(url):
    place = locate(url)
    assert isinstance(place, StoreURL)
    assert str(place) == os.fspath(place) == absolute_text(place) == url
    assert locate(place) is place
    assert place == locate(url + "/")
    assert hash(place) == hash(locate(url + "/"))
    assert place.name == url.rpartition("/")[2]
    assert container_of(place) in ("zarr", "zarr.zip", "hdf5")


@pytest.mark.parametrize("path", ["s.zarr", "/a/s.h5", "a:b/s.zarr", "file:///a/s.h5", Path("s3://b/s.zarr")])
def test_paths(path):
    place = locate(path)
    assert isinstance(place, Path)
    assert locate(str(place)) == place
    assert absolute_text(place) == os.path.abspath(place)


def test_the_query_of_a_signed_url_is_not_shown():
    place = locate("https://host/a/s.h5?signature=secret")
    assert str(place) == "https://host/a/s.h5"
    assert place.name == "s.h5"
    assert "secret" not in repr(place)
    assert os.fspath(place).endswith("secret")


def test_a_url_that_lost_a_slash_is_recognised():
    assert "s3://" in collapsed_url(Path("s3://b/s.zarr"))
    assert "s3://" in collapsed_url(Path("s3://b/s.zarr").absolute())
    assert collapsed_url(Path("/a/b.zarr")) == collapsed_url(locate("s3://b/s.zarr")) == ""


def test_files_of_a_run_are_local_if_the_store_is_not():
    assert local_beside("/a/s.zarr") == Path("/a/s.zarr")
    first, second = local_beside("s3://b/s.zarr"), local_beside("s3://c/s.zarr")
    assert first.parent == Path()
    assert first.name.startswith("s.zarr.")
    assert first != second  # two outputs of one name do not share a checkpoint


def test_secrets_in_a_url_are_neither_shown_nor_hashed():
    one, other = (
        "https://alice:hunter2@host:81/a/s.zarr.zip?sig=SECRET",
        "https://host:81/a/s.zarr.zip?sig=OTHER",
    )
    assert shown_place(one) == shown_place(other) == "https://host:81/a/s.zarr.zip"
    assert local_beside(one) == local_beside(other)
    assert shown_place("./s.zarr") == "./s.zarr"
    assert StoreURL(one).url == one
