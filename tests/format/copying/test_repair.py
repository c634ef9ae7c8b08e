"""Repair saves the intact clips of a damaged store bit by bit, and reports the others."""

import h5py
import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError
from dfs_store.format import open_store, repair_store, verify
from tests.format.making import content, edit_attributes, flip, open_writer, write_array

SHARD = "key_frames/c.0.0.0.0"


def flip_frame(path, number, dtype="float32"):
    """Damages one stored key frame of an uncompressed store."""
    with open_store(path) as store:
        frame = store.stored_frames(number, number + 1).tobytes()
    file = path / SHARD if path.suffix == ".zarr" else path
    flip(file, file.read_bytes().index(frame) + 5)


def test_intact_clips_are_saved_and_damaged_ones_reported(tmp_path, container, dtype):
    path, out = tmp_path / f"s.{container}", tmp_path / "saved.zarr"
    content(dtype).write(path)
    before = open_store(path)
    flip_frame(path, 4)  # of clip 2, at position 2
    (finding,) = repair_store(path, out)
    assert (finding.clip, finding.class_name) == (2, "left")
    assert "position 2 does not match its checksum" in finding.message
    assert list(verify(out)) == []
    saved = open_store(out)
    assert saved.class_names == before.class_names
    for number, clip in enumerate([0, 1, 3]):
        assert np.array_equal(saved.key_frames(number), before.key_frames(clip))
        assert np.array_equal(saved.positions(number), before.positions(clip))
        assert np.array_equal(saved.inserted_at(number), before.inserted_at(clip))
        assert saved.labels[number] == before.labels[clip]
    repaired = saved.attributes["provenance"]["repaired"]
    assert repaired == {"digest": before.attributes["digest"], "clips_left_out": [2]}
    assert saved.dtype == dtype


def test_an_intact_store_is_copied_unchanged(store_path, tmp_path):
    out = tmp_path / "saved.h5"
    assert repair_store(store_path, out) == []
    assert open_store(out).attributes == open_store(store_path).attributes


def test_clips_of_a_lost_shard_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("dfs_store.format.zarr.writer.MAX_SHARD_FRAMES", 3)
    path = tmp_path / "s.zarr"
    content().write(path)
    (path / "key_frames" / "c.1.0.0.0").unlink()  # key frames 3 to 5: the whole of clip 2
    findings = repair_store(path, tmp_path / "saved.zarr")
    assert [finding.clip for finding in findings] == [2]
    assert "c.1.0.0.0" in findings[0].message
    assert len(open_store(tmp_path / "saved.zarr")) == 3


def test_a_store_with_a_damaged_index_is_not_repaired(store_path, tmp_path):
    write_array(store_path, "labels", [1, 1, 1, 1])
    with pytest.raises(DamagedStoreError, match=r"cannot be repaired: the digest"):
        repair_store(store_path, tmp_path / "saved.zarr")
    edit_attributes(store_path, lambda attributes: attributes.update(num_frames=1))
    with pytest.raises(DamagedStoreError, match="num_frames"):
        repair_store(store_path, tmp_path / "saved.zarr")
    assert not (tmp_path / "saved.zarr").exists()


def test_repairing_a_store_without_intact_clips_leaves_nothing(tmp_path):
    path = tmp_path / "s.zarr"
    with open_writer(path) as writer:
        writer.append(np.ones((1, 2, 4, 3)), [0], 0)
    flip(path / SHARD, 5)
    with pytest.raises(DamagedStoreError, match="all 1 clips are damaged"):
        repair_store(path, tmp_path / "saved.zarr")
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.zarr"]


def test_native_arrays_are_repaired_only_with_all_clips(tmp_path):
    path = tmp_path / "s.zarr"
    with open_writer(path) as writer:
        for value in (1, 2):
            writer.append(np.full((1, 2, 4, 3), value), [0], 0)
        writer.write_native("test", {"numbers": np.arange(3, dtype=np.int32)})
    assert repair_store(path, tmp_path / "copy.zarr") == []
    assert open_store(tmp_path / "copy.zarr").native_arrays()["numbers"].tolist() == [0, 1, 2]
    flip(path / SHARD, 5)
    clip, native = repair_store(path, tmp_path / "saved.zarr")
    assert clip.clip == 0
    assert "native arrays left out" in native.message
    assert open_store(tmp_path / "saved.zarr").native_method is None


def test_soft_labels_of_intact_clips_are_kept(tmp_path):
    content(with_soft_labels=True).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["key_frames"][0, 0, 0, 0] += 1
    assert [found.clip for found in repair_store(tmp_path / "a.h5", tmp_path / "b.zarr")] == [0]
    assert open_store(tmp_path / "b.zarr").soft_labels.tolist() == [[1, -0.25], [2, -0.25], [3, -0.25]]
