"""Zarr stores rewritten by other tools, with different chunks, codecs and shards but equal arrays."""

import json
import shutil
import time
import warnings
import zipfile

import fsspec
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

from dfs_store.errors import DamagedStoreError
from dfs_store.format import copy_store, open_store, verify
from dfs_store.format.expand import expand
from tests.format.hdf5.test_rewritten_hdf5 import assert_equal_stores
from tests.format.making import assert_reads_survive_threads_and_forks, content, open_writer


@pytest.fixture
def path(tmp_path, dtype):
    content(dtype).write(tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


def rewrite(path, options_of, target=None):
    """Copies every array with zarr-python, with options that depend on its name."""
    other = path.with_name("other.zarr")
    source = zarr.open_group(path, mode="r")
    attributes = source.attrs.asdict()
    group = zarr.create_group(other if target is None else target, attributes=attributes)
    for name, array in source.arrays():
        put(group, name, array[:], **options_of(name, array))
    return other


def put(group, name, values, **options):
    # Without `data=`, which makes zarr-python 3.1.0 lose chunks of shards.
    group.create_array(name, shape=values.shape, dtype=values.dtype, **options)[...] = values


def consolidate(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # because they are not in the specification yet
        zarr.consolidate_metadata(path)


def frames_only(**options):
    return lambda name, array: options if name == "key_frames" else {}


def test_a_copy_with_default_options_is_equal(path):
    assert_equal_stores(path, rewrite(path, lambda name, array: {}))


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": None},
        {"compressors": ZstdCodec(level=7, checksum=True)},
        {"compressors": GzipCodec(level=1)},
        {"compressors": BloscCodec(cname="lz4", shuffle="shuffle")},
        {"compressors": BloscCodec(cname="zlib", shuffle="bitshuffle")},
        {"compressors": [ZstdCodec(), Crc32cCodec()]},
        {"compressors": [Crc32cCodec(), GzipCodec()]},
        {"fill_value": 1},
        {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    ],
    ids=str,
)
def test_copies_with_other_codecs_are_equal(path, options):
    assert_equal_stores(path, rewrite(path, lambda name, array: options))


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (1, 1, 1, 1), "compressors": None},
        {"chunks": (5, 2, 2, 2)},
        {"chunks": (64, 2, 4, 3)},
        {"chunks": (1, 2, 4, 3), "shards": (12, 2, 4, 3)},
        {"chunks": (2, 1, 4, 3), "shards": (4, 2, 4, 3), "compressors": GzipCodec()},
        {"chunks": (4, 2, 4, 3), "filters": TransposeCodec(order=(3, 1, 0, 2))},
    ],
    ids=str,
)
def test_frames_in_any_chunks_are_read(path, options):
    assert_equal_stores(path, rewrite(path, frames_only(**options)))


def test_big_endian_and_an_index_at_the_start_are_read(path):
    from zarr.codecs import BytesCodec, ShardingCodec

    sharding = ShardingCodec(
        chunk_shape=(2, 2, 4, 3), codecs=[BytesCodec(endian="big")], index_location="start"
    )
    source = zarr.open_group(path, mode="r")
    other = rewrite(
        path, lambda name, array: {"serializer": BytesCodec(endian="big")} if array.dtype != "u1" else {}
    )
    group = zarr.open_group(other, mode="r+")
    frames = source["key_frames"][:]
    group.create_array(
        "key_frames",
        shape=frames.shape,
        dtype=frames.dtype,
        chunks=(4, 2, 4, 3),
        compressors=None,
        serializer=sharding,
        overwrite=True,
    )[:] = frames
    assert_equal_stores(path, other)


def copy_layout(path, fill_value_of):
    """Copies every array with zarr-python in its own layout, except for the fill value."""

    def options(_, array):
        return {
            "chunks": array.chunks,
            "shards": array.shards,
            "compressors": None,
            "chunk_key_encoding": {"name": "default", "separator": "."},
            "fill_value": fill_value_of(array),
        }

    return rewrite(path, options)


def test_a_copy_in_our_layout_is_read_fast(path):
    assert_equal_stores(path, copy_layout(path, lambda array: array.fill_value), "fast")


def black_store(path, dtype="uint8"):
    with open_writer(path, dtype=dtype) as writer:
        for _ in range(3):
            writer.append(np.zeros((1, 2, 4, 3)), [0], 0)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_copies_of_zeros_are_equal(tmp_path, dtype):
    """zarr-python does not write chunks of labels, positions and frames that are all zero."""
    path = black_store(tmp_path / "s.zarr", dtype)
    other = rewrite(path, lambda name, array: {"compressors": None})
    assert not (other / "labels" / "c").exists()
    assert not (other / "key_frames" / "c").exists()
    assert_equal_stores(path, other)
    shutil.rmtree(other)
    assert_equal_stores(path, copy_layout(path, lambda array: 0))
    shutil.rmtree(other)
    # With our fill values, which no whole chunk has, every chunk is written.
    assert_equal_stores(path, copy_layout(path, lambda array: array.fill_value), "fast")


def test_a_missing_chunk_must_match_checksum_and_digest(path):
    other = rewrite(path, frames_only(chunks=(1, 2, 4, 3)))
    shutil.rmtree(other / "key_frames" / "c" / "3")
    with pytest.raises(DamagedStoreError, match=r"key frame 3 .* does not match its checksum"):
        open_store(other).stored_frames(0, 12)
    assert len(list(verify(other))) == 1
    shutil.rmtree(other / "labels" / "c")
    with pytest.raises(DamagedStoreError, match="digest"):
        open_store(other)


def test_a_missing_chunk_in_our_layout_is_damage(tmp_path):
    path = black_store(tmp_path / "s.zarr")
    (path / "labels" / "c.0").unlink()
    with pytest.raises(DamagedStoreError, match="missing or unreadable"):
        open_store(path)


def test_conversion_makes_it_fast_again(path):
    other = rewrite(path, lambda name, array: {})
    copy_store(other, path.with_name("again.zarr"))
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        again = path.with_name("again.zarr") / file.relative_to(path)
        assert again.read_bytes() == file.read_bytes()
    assert open_store(path.with_name("again.zarr")).read_path == "fast"


def test_a_rewritten_archive_is_read(path, tmp_path):
    with zarr.storage.ZipStore(tmp_path / "a.zarr.zip", mode="w", compression=zipfile.ZIP_STORED) as target:
        rewrite(path, lambda name, array: {}, target)
    assert_equal_stores(path, tmp_path / "a.zarr.zip")


def test_the_consolidated_metadata_of_a_copy_must_agree(path):
    other = rewrite(path, lambda name, array: {})
    consolidate(other)
    assert_equal_stores(path, other)
    root = json.loads((other / "zarr.json").read_text())
    root["consolidated_metadata"]["metadata"]["labels"]["fill_value"] = 1
    (other / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(DamagedStoreError, match="describe the array labels differently"):
        open_store(other)


def test_native_arrays_in_chunks_are_read(tmp_path):
    arrays = {"weights": np.ones((30, 20), dtype=np.float32), "steps": np.zeros(5, dtype=np.int64)}
    with open_writer(tmp_path / "s.zarr") as writer:
        writer.append(np.zeros((1, 2, 4, 3)), [0], 0)
        writer.write_native("m", arrays)
    group = zarr.open_group(tmp_path / "s.zarr", mode="r+", use_consolidated=False)["native"]
    for name, array in arrays.items():
        group.create_array(name, data=array, chunks=(4,) * array.ndim, overwrite=True)
    consolidate(tmp_path / "s.zarr")
    found = open_store(tmp_path / "s.zarr").native_arrays()
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_a_reader_keeps_reading_the_store_that_it_opened(path):
    other = rewrite(path, frames_only(chunks=(1, 2, 4, 3)))
    with open_store(other) as store:
        expected = open_store(path).key_frames(2)
        content("float32", seed=3).write(other, overwrite=True)
        assert np.array_equal(store.key_frames(2), expected)


def test_frames_are_never_read_from_a_replacement_of_the_store(path, monkeypatch):
    from dfs_store.format.zarr import general

    monkeypatch.setattr(general, "_MOST_KEPT", 0)
    other = rewrite(path, frames_only(chunks=(1, 2, 4, 3)))
    with open_store(other) as store:
        store.key_frames(2)
        content("float32", seed=3).write(other, overwrite=True)
        with pytest.raises(DamagedStoreError, match="was replaced by a different store"):
            store.key_frames(1)


def test_reads_survive_threads_and_forks(path):
    assert_reads_survive_threads_and_forks(open_store(rewrite(path, frames_only(chunks=(3, 2, 4, 3)))))


@pytest.mark.parametrize("suffix", [".zarr", ".zarr.zip"])
def test_rewritten_zarr_stores_are_read_from_a_server(bucket, tmp_path, suffix):
    path = black_store(tmp_path / "s.zarr")
    content("uint8").write(path, overwrite=True)
    other = rewrite(path, frames_only(chunks=(2, 2, 4, 3), shards=(4, 2, 4, 3), fill_value=1))
    if suffix == ".zarr":
        fsspec.filesystem("s3").put(str(other), f"{bucket}/other.zarr", recursive=True)
    else:
        shutil.rmtree(other)
        with zarr.storage.ZipStore(tmp_path / "a", mode="w", compression=zipfile.ZIP_STORED) as target:
            rewrite(path, frames_only(chunks=(2, 2, 4, 3), fill_value=1), target)
        fsspec.filesystem("s3").put_file(str(tmp_path / "a"), f"{bucket}/other.zarr.zip")
    assert_equal_stores(path, f"{bucket}/other{suffix}")
    copy_store(f"{bucket}/other{suffix}", tmp_path / "back.zarr")
    assert_equal_stores(path, tmp_path / "back.zarr", "fast")


def test_missing_chunks_on_a_server_are_read_as_the_fill_value(bucket, tmp_path):
    path = black_store(tmp_path / "s.zarr")
    other = rewrite(path, lambda name, array: {"compressors": None})
    fsspec.filesystem("s3").put(str(other), f"{bucket}/other.zarr", recursive=True)
    assert_equal_stores(path, f"{bucket}/other.zarr")


def test_a_store_is_read_inside_a_running_event_loop(path):
    import asyncio

    async def cell():
        with open_store(rewrite(path, lambda name, array: {})) as store:
            return store.key_frames(2)

    assert np.array_equal(asyncio.run(cell()), open_store(path).key_frames(2))


def test_nothing_is_decompressed_after_a_chunk_has_failed(path, monkeypatch):
    """A thread that still reads a memory-mapped file after it is truncated would end the process."""
    from dfs_store.format.zarr import general

    expanded = []
    monkeypatch.setattr(general, "expand", lambda *values: expanded.append(values) or expand(*values))
    other = rewrite(path, frames_only(chunks=(1, 2, 4, 3), compressors=GzipCodec()))
    for frame in range(3):
        (other / "key_frames" / "c" / str(frame) / "0" / "0" / "0").write_bytes(b"no gzip")
    with open_store(other) as store:
        with pytest.raises(DamagedStoreError, match="cannot be read"):
            store.stored_frames(0, 12)
        count = len(expanded)
        time.sleep(0.05)
        assert len(expanded) == count
