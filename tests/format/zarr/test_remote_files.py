"""Stores on a server read like local ones, in few requests, and damage and replacement are reported."""

import json
import pickle

import fsspec
import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError, NotAStoreError, StoreNotFoundError
from dfs_store.format import StoreWriter, copy_store, open_store, repair_store, verify
from tests.archives.test_archives import STORES as ARCHIVES
from tests.format.making import content

SUFFIXES = (".zarr", ".zarr.zip", ".h5")
MOST_REQUESTS = 10
TRIED = {"float32-native.zarr", "float16-zstd.zarr", "uint8-gzip.h5", "float32-native.zarr.zip"}


def system():
    return fsspec.filesystem("s3")


def equal(first, second):
    assert first.attributes["digest"] == second.attributes["digest"]
    for clip in range(len(second)):
        np.testing.assert_array_equal(first.clip(clip), second.clip(clip))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_remote_store_equals_the_local_one(bucket, tmp_path, suffix, compression):
    content("uint8").write(tmp_path / "s.zarr")
    url = f"{bucket}/folder/s{suffix}"
    copy_store(tmp_path / "s.zarr", url, compression=compression)
    with open_store(url) as remote, open_store(tmp_path / "s.zarr") as local:
        equal(remote, local)
        spans = [(9, 12), (0, 2), (3, 5)]
        for found, (start, stop) in zip(remote.stored_spans(spans), spans, strict=True):
            np.testing.assert_array_equal(found, local.stored_frames(start, stop))
        assert str(remote.path) == url
        assert remote.storage.on_disk_bytes > remote.storage.index_bytes
        equal(pickle.loads(pickle.dumps(remote)), local)
    assert list(verify(url)) == []
    copy_store(url, tmp_path / "back.h5")
    with open_store(tmp_path / "back.h5") as back, open_store(tmp_path / "s.zarr") as local:
        equal(back, local)


@pytest.mark.parametrize(
    "path", [path for path in ARCHIVES if path.name in TRIED], ids=lambda path: path.name
)
def test_archived_stores_are_read_from_a_server(bucket, path):
    system().put(str(path), f"{bucket}/{path.name}", recursive=path.is_dir())
    with open_store(f"{bucket}/{path.name}") as remote, open_store(path) as local:
        equal(remote, local)
        assert remote.native_arrays().keys() == local.native_arrays().keys()
    assert list(verify(f"{bucket}/{path.name}")) == []


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """20,000 clips in 15 shards, with every small array."""
    path = tmp_path_factory.mktemp("large") / "large.zarr"
    frames = np.random.default_rng(0).normal(size=(3, 1, 4, 4)).astype(np.float32)
    options = {"num_frames": 8, "frame_shape": (1, 4, 4), "class_names": ["a", "b"], "dtype": "uint8"}
    with StoreWriter(path, **options) as writer:
        for clip in range(20_000):
            writer.append(frames + clip % 7, [0, 3, 7], clip % 2, [-1, 5, -1])
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_opening_and_reading_a_clip_takes_few_requests(bucket, s3, large, suffix):
    url = f"{bucket}/large{suffix}"
    copy_store(large, url)
    before = len(s3.requests())
    with open_store(url) as store, open_store(large) as local:
        np.testing.assert_array_equal(store.clip(12_345), local.clip(12_345))
        asked = s3.requests()[before:]
        assert len(asked) <= MOST_REQUESTS, asked
        if suffix == ".zarr":  # one shard's index, and one range of it
            assert sum("/key_frames/c" in each for each in asked) == 2
        before = len(s3.requests())
        store.stored_spans([(3 * clip, 3 * clip + 3) for clip in range(12_000, 12_064)])
        # One request for all neighbours, after the shard's header in a zip archive and its index.
        assert len(s3.requests()) - before <= 3


def test_remote_stores_without_consolidated_metadata_are_read(bucket, s3, tmp_path):
    content().write(tmp_path / "s.zarr")
    file = tmp_path / "s.zarr" / "zarr.json"
    root = json.loads(file.read_text())
    del root["consolidated_metadata"]
    file.write_text(json.dumps(root))
    system().put(str(tmp_path / "s.zarr"), f"{bucket}/s.zarr", recursive=True)
    with open_store(f"{bucket}/s.zarr") as remote, open_store(tmp_path / "s.zarr") as local:
        equal(remote, local)


def test_missing_foreign_and_damaged_remote_stores_raise_different_errors(bucket):
    with pytest.raises(StoreNotFoundError, match="no such store"):
        open_store(f"{bucket}/none.zarr")
    with pytest.raises(StoreNotFoundError, match="no such store"):
        open_store("s3://no-such-bucket/none.h5")
    system().pipe_file(f"{bucket}/other.zarr/readme", b"text")
    with pytest.raises(NotAStoreError, match=r"no zarr\.json"):
        open_store(f"{bucket}/other.zarr")
    system().pipe_file(f"{bucket}/half.zarr/key_frames/zarr.json", b"{}")
    with pytest.raises(DamagedStoreError, match=r"its zarr\.json is missing"):
        open_store(f"{bucket}/half.zarr")
    system().pipe_file(f"{bucket}/text.h5", b"")
    with pytest.raises(NotAStoreError, match="HDF5"):
        open_store(f"{bucket}/text.h5")


def change(url, name, how):
    path = f"{url}/{name}" if name else url
    data = bytearray(system().cat_file(path))
    how(data)
    system().pipe_file(path, bytes(data))


def flip_first(data):
    data[0] ^= 1


def cut(data):
    del data[-30:]


@pytest.mark.parametrize(
    ("name", "how", "words"),
    [
        ("labels/c.0", cut, "labels/c.0: .* needs 16 bytes, but the file has 0"),
        ("labels/c.0", lambda data: data.extend(b"more"), "needs 16 bytes, but the file has more"),
        ("labels/c.0", lambda data: data.__setitem__(0, 1), "digest"),
        ("zarr.json", cut, "zarr.json is damaged"),
    ],
)
def test_damage_is_refused_at_open(bucket, name, how, words):
    url = f"{bucket}/s.zarr"
    content().write(url)
    change(url, name, how)
    with pytest.raises(DamagedStoreError, match=words):
        open_store(url)
    assert list(verify(url))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (flip_first, "key frame 0 .* does not match its checksum"),
        (cut, "index of the shard does not match its checksum"),
        (lambda data: data.clear(), "the file has 0"),
    ],
)
def test_damage_of_a_shard_is_reported_at_the_first_read_and_by_verify(bucket, how, words):
    url = f"{bucket}/s.zarr"
    content().write(url)
    change(url, "key_frames/c.0.0.0.0", how)
    with open_store(url) as store, pytest.raises(DamagedStoreError, match=words):
        store.key_frames(0)
    findings = list(verify(url))
    assert findings[0].file == "key_frames/c.0.0.0.0"
    assert findings[0].clip == 0


def test_a_missing_remote_shard_is_damage(bucket, tmp_path):
    url = f"{bucket}/s.zarr"
    content().write(url)
    system().rm_file(f"{url}/key_frames/c.0.0.0.0")
    with open_store(url) as store, pytest.raises(DamagedStoreError, match=r"c\.0\.0\.0\.0 is missing"):
        store.key_frames(0)
    with pytest.raises(DamagedStoreError, match="all 4 clips are damaged"):
        repair_store(url, tmp_path / "r.h5")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_replacing_an_open_remote_store_is_reported(bucket, suffix):
    url = f"{bucket}/s{suffix}"
    content(seed=0).write(url)
    with open_store(url) as store:
        store.key_frames(0)
        content(seed=1).write(url, overwrite=True)
        with pytest.raises(DamagedStoreError, match="was replaced by a different store after it was opened"):
            store.key_frames(1)


def test_both_copies_of_remote_metadata_must_agree(bucket):
    url = f"{bucket}/s.zarr"
    content().write(url)
    change(url, "labels/zarr.json", lambda data: data.extend(b" "))
    assert list(verify(url)) == []  # the same values
    change(url, "labels/zarr.json", lambda data: data.__setitem__(slice(None), data.replace(b"[4]", b"[5]")))
    (finding,) = verify(url)
    assert "labels" in finding.message
