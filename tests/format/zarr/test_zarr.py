"""The Zarr container: its layout, stores written by zarr-python, and any number of shards."""

import json

import numpy as np
import pytest
import zarr

from dfs_store.errors import DamagedStoreError
from dfs_store.format import open_store
from dfs_store.format.digest import compute_digest, frame_checksums
from dfs_store.format.zarr import writer as zarr_writer
from dfs_store.format.zarr.metadata import array_metadata, chunk_file, frames_metadata, parse_array
from tests.format.making import content


def names_of(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def test_the_zarr_layout_is_flat_and_has_few_files(tmp_path):
    path = tmp_path / "s.zarr"
    content().write(path)
    assert names_of(path) == [
        "checksums/c.0",
        "checksums/zarr.json",
        "inserted_at/c.0",
        "inserted_at/zarr.json",
        "key_frames/c.0.0.0.0",
        "key_frames/zarr.json",
        "labels/c.0",
        "labels/zarr.json",
        "offsets/c.0",
        "offsets/zarr.json",
        "positions/c.0",
        "positions/zarr.json",
        "zarr.json",
    ]


@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("shard_frames", [1, 5, 12, 13])
def test_key_frames_may_be_in_any_number_of_shards(tmp_path, monkeypatch, shard_frames, compression):
    monkeypatch.setattr(zarr_writer, "MAX_SHARD_FRAMES", shard_frames)
    path = tmp_path / "s.zarr"
    written = content("float16")
    written.write(path, compression=compression)
    shards = [name for name in names_of(path) if name.startswith("key_frames/c")]
    assert len(shards) == -(-12 // shard_frames)
    expected = np.concatenate([clip.key_frames for clip in written.clips]).astype(np.float16)
    store = open_store(path)
    assert np.array_equal(store.stored_frames(0, 12), expected)
    assert np.array_equal(store.stored_frames(3, 11), expected[3:11])
    assert np.array_equal(zarr.open_group(path, mode="r")["key_frames"][...], expected)
    np.testing.assert_array_equal(open_store(path).key_frames(3), expected[6:])


def test_a_missing_shard_is_damage_and_never_read_as_zeros(tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_writer, "MAX_SHARD_FRAMES", 5)
    path = tmp_path / "s.zarr"
    content().write(path)
    (path / "key_frames" / "c.1.0.0.0").unlink()
    with pytest.raises(DamagedStoreError, match=r"c\.1\.0\.0\.0 is missing"):
        open_store(path)


def write_with_zarr(path, written, *, separator="/", shards=5, compressors=None):
    """Writes a store with zarr-python alone, as another program would write it from docs/format.md."""
    frames = np.concatenate([clip.key_frames for clip in written.clips])
    arrays = {
        "positions": np.concatenate([clip.positions for clip in written.clips]).astype("<u2"),
        "offsets": np.cumsum([0] + [len(clip.positions) for clip in written.clips]).astype("<i8"),
        "labels": np.array([clip.label for clip in written.clips], dtype="<i4"),
        "checksums": frame_checksums(frames),
    }
    attributes = {
        "format_version": "1.0",
        "num_frames": written.num_frames,
        "frame_shape": list(written.frame_shape),
        "class_names": written.class_names,
        "interpolation": "linear",
        "complete": True,
    }
    attributes["digest"] = compute_digest(attributes, arrays, frames.shape, "float32")
    group = zarr.open_group(path, mode="w", attributes={"dfs_store": attributes})
    encoding = {"name": "default", "separator": separator}
    array = group.create_array(
        "key_frames",
        shape=frames.shape,
        dtype="<f4",
        shards=(shards, *frames.shape[1:]),
        chunks=(1, *frames.shape[1:]),
        compressors=compressors,
        chunk_key_encoding=encoding,
        config={"write_empty_chunks": True},
    )
    array[...] = frames
    for name, values in arrays.items():
        group.create_array(name, data=values, compressors=None, chunk_key_encoding=encoding)
    return frames


@pytest.mark.parametrize("separator", ["/", "."])
@pytest.mark.parametrize(
    "compressors",
    [None, zarr.codecs.ZstdCodec(), zarr.codecs.ZstdCodec(checksum=True), zarr.codecs.GzipCodec()],
)
def test_a_store_written_by_zarr_python_is_read(tmp_path, separator, compressors):
    frames = write_with_zarr(tmp_path / "s.zarr", content(), separator=separator, compressors=compressors)
    store = open_store(tmp_path / "s.zarr")
    assert np.array_equal(store.stored_frames(0, 12), frames)
    assert store.normalization is None
    assert store.storage.native_bytes is None


def test_a_shard_with_frames_in_a_different_order_is_read(tmp_path):
    path = tmp_path / "s.zarr"
    written = content()
    written.write(path)
    expected = np.concatenate([clip.key_frames for clip in written.clips])
    file = path / "key_frames" / "c.0.0.0.0"
    frame_bytes, order = 96, np.random.default_rng(0).permutation(12)
    data = b"".join(expected[frame].tobytes() for frame in order)
    index = np.stack([np.argsort(order) * frame_bytes, np.full(12, frame_bytes)], axis=1).astype("<u8")
    crc = frame_checksums(index.view(np.uint8).reshape(1, 1, 1, -1))
    file.write_bytes(data + index.tobytes() + crc.tobytes())
    store = open_store(path)
    assert np.array_equal(store.stored_frames(0, 12), expected)
    assert not store.stored_frames(2, 5).flags.writeable


def test_consolidated_metadata_and_foreign_groups_are_ignored(tmp_path):
    path = tmp_path / "s.zarr"
    content().write(path)
    before = open_store(path).attributes
    group = zarr.open_group(path, mode="r+")
    group.create_group("somebody_elses").create_array("x", data=np.zeros(3))
    with pytest.warns(UserWarning, match="Consolidated"):
        zarr.consolidate_metadata(path, zarr_format=3)
    (path / "README").write_text("a note")
    assert open_store(path).attributes == before


SMALL = array_metadata("int32", (4,))
FRAMES = frames_metadata("float32", (12, 3, 4, 4), 5, None)


def edited(metadata, change):
    copy = json.loads(json.dumps(metadata))
    change(copy)
    return json.dumps(copy).encode()


def sharding(metadata):
    return metadata["codecs"][0]["configuration"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(zarr_format=2), "Zarr v3 array"),
        (lambda m: m.update(node_type="group"), "Zarr v3 array"),
        (lambda m: m.update(shape=[-4]), "whole numbers"),
        (lambda m: m.update(shape=[4.0]), "whole numbers"),
        (lambda m: m.update(shape=[]), "whole numbers"),
        (lambda m: m.update(shape=[2**70]), "whole numbers"),
        (lambda m: m.update(data_type={"name": "int32"}), "plain name"),
    ],
)
def test_metadata_that_do_not_describe_an_array_are_refused(change, words):
    with pytest.raises(DamagedStoreError, match=words):
        parse_array(edited(SMALL, change), "labels")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(shape=[5]),
        lambda m: m.update(fill_value=0),
        lambda m: m.update(codecs=["bytes"]),
        lambda m: m["codecs"].append({"name": "zstd"}),
        lambda m: m["codecs"][0].update(configuration={"endian": "big"}),
        lambda m: m.update(chunk_grid={"name": "rectangular"}),
        lambda m: m["chunk_key_encoding"]["configuration"].update(separator="/"),
        lambda m: m.update(storage_transformers=[{"name": "x"}]),
        lambda m: m.update(dimension_names=["x"]),
    ],
)
def test_a_small_array_has_our_layout_only_if_all_of_its_metadata_match(change):
    assert not parse_array(edited(SMALL, change), "labels").is_plain


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(data_type="int32"),
        lambda m: m.update(shape=[12, 3, 4]),
        lambda m: m.update(codecs=[{"name": "bytes"}]),
        lambda m: m.update(chunk_grid=None),
        lambda m: m["chunk_grid"].update(configuration=None),
        lambda m: m["chunk_grid"]["configuration"].update(chunk_shape=[]),
        lambda m: m["chunk_grid"]["configuration"].update(chunk_shape=[5, 3, 4, 2]),
        lambda m: m["chunk_grid"]["configuration"].update(chunk_shape=[0, 3, 4, 4]),
        lambda m: sharding(m).update(chunk_shape=[2, 3, 4, 4]),
        lambda m: sharding(m).update(index_location="start"),
        lambda m: sharding(m).update(index_codecs=[{"name": "bytes"}]),
        lambda m: sharding(m)["codecs"].append({"name": "zstd"}),
    ],
)
def test_frames_have_our_layout_only_if_all_of_their_metadata_match(change):
    assert parse_array(edited(FRAMES, change), "key_frames").shard_length is None


def test_metadata_are_recognised_as_written_by_dfs_store():
    assert parse_array(json.dumps(SMALL).encode(), "x").is_plain
    parsed = parse_array(edited(FRAMES, lambda m: m.update(attributes={"note": "a user's"})), "x")
    assert (parsed.dtype, parsed.shape, parsed.shard_length) == ("float32", (12, 3, 4, 4), 5)
    assert chunk_file(2, 4) == "c.2.0.0.0"
