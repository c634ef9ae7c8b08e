"""Any byte changed in a store is either harmless or a clear error, never another picture or label."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.errors import DFSError
from dfs_store.format import open_store, verify
from tests.format.making import ENCODINGS, coded_content, content

STORES = [
    ("zarr", "float32", None),
    ("zarr", "uint8", None),
    ("zarr", "float16", "gzip"),
    ("h5", "float32", None),
    ("h5", "uint8", None),
    ("h5", "float16", "gzip"),
    *((suffix, encoding, None) for suffix in ("zarr", "h5") for encoding in ENCODINGS),
]


def everything(path):
    with open_store(path) as store:
        clips = [
            (
                store.key_frames(clip).tobytes(),
                store.positions(clip).tolist(),
                store.inserted_at(clip).tolist(),
            )
            for clip in range(len(store))
        ]
        return store.attributes, store.labels.tolist(), store.dtype, clips


@pytest.fixture(scope="module", params=STORES, ids=lambda store: "-".join(map(str, store)))
def store(request, tmp_path_factory):
    suffix, dtype, compression = request.param
    path = tmp_path_factory.mktemp("damage") / f"s.{suffix}"
    stored = coded_content(dtype) if dtype in ENCODINGS else content(dtype)
    stored.write(path, compression=compression)
    files = sorted(file for file in path.rglob("*") if file.is_file()) or [path]
    return path, files, everything(path)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_changed_byte_is_harmless_or_a_clear_error(store, data):
    path, files, expected = store
    file: Path = data.draw(st.sampled_from(files))
    original = file.read_bytes()
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(original) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        file.write_bytes(damaged)
        found, told = expected, path.name
        try:
            found = everything(path)
        except DFSError as error:
            told = str(error)
        assert found == expected
        assert path.name in told
    finally:
        file.write_bytes(original)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_verify_agrees_with_reading(store, data):
    path, files, expected = store
    file: Path = data.draw(st.sampled_from(files))
    original = file.read_bytes()
    damaged = bytearray(original)
    damaged[data.draw(st.integers(0, len(original) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        file.write_bytes(damaged)
        try:
            sound = list(verify(path)) == []
        except DFSError:
            sound = False
        try:
            readable = everything(path) == expected
        except DFSError:
            readable = False
        assert sound == readable
    finally:
        file.write_bytes(original)
    assert everything(path) == expected


def test_the_stores_hold_distinct_frames(store):
    # else an exchange of two frames could not be seen
    clips = [(np.frombuffer(frames, np.float32), len(places)) for frames, places, _ in store[2][3]]
    frames = [frame.tobytes() for values, count in clips for frame in values.reshape(count, -1)]
    assert len(set(frames)) == 12
