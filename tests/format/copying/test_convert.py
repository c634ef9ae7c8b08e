import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError, OutputExistsError, SettingsError
from dfs_store.format import copy_store, open_store
from dfs_store.format.quantization import decode, encode
from tests.format.making import content, flip, open_writer
from tests.format.test_writer import files_of


def same(first, second):
    assert first.attributes == second.attributes
    assert np.array_equal(first.stored_frames(0, 12), second.stored_frames(0, 12))
    for name in ("labels", "offsets", "all_positions"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    for clip in range(len(first)):
        assert np.array_equal(first.inserted_at(clip), second.inserted_at(clip))


def test_converting_zarr_to_hdf5_and_back_changes_no_byte(tmp_path, dtype):
    content(dtype).write(tmp_path / "a.zarr")
    copy_store(tmp_path / "a.zarr", tmp_path / "b.h5")
    copy_store(tmp_path / "b.h5", tmp_path / "c.zarr")
    same(open_store(tmp_path / "a.zarr"), open_store(tmp_path / "b.h5"))
    assert files_of(tmp_path / "a.zarr") == files_of(tmp_path / "c.zarr")


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressing_and_decompressing_changes_no_byte(tmp_path, dtype, compression):
    content(dtype).write(tmp_path / "a.zarr")
    copy_store(tmp_path / "a.zarr", tmp_path / "b.zarr", compression=compression)
    copy_store(tmp_path / "b.zarr", tmp_path / "c.zarr")
    assert files_of(tmp_path / "a.zarr") == files_of(tmp_path / "c.zarr") != files_of(tmp_path / "b.zarr")


@pytest.mark.parametrize("target", ["float32", "float16", "uint8"])
def test_a_different_dtype_is_encoded_from_the_decoded_values(tmp_path, container, dtype, target):
    path, copy = tmp_path / f"a.{container}", tmp_path / f"b.{container}"
    content(dtype).write(path)
    copy_store(path, copy, dtype=target)
    before, after = open_store(path), open_store(copy)
    assert after.dtype == target
    for clip in range(4):
        frames = before.key_frames(clip)
        expected = frames if dtype == target else decode(*encode(frames, target))
        assert np.array_equal(after.key_frames(clip), expected)


def test_a_subset_of_classes_is_relabelled(store_path, tmp_path):
    copy_store(store_path, tmp_path / "b.zarr", classes=["right"])
    before, after = open_store(store_path), open_store(tmp_path / "b.zarr")
    assert after.class_names == ["right"]
    assert after.labels.tolist() == [0, 0]
    assert np.array_equal(after.key_frames(1), before.key_frames(3))
    assert after.inserted_at(1).tolist() == before.inserted_at(3).tolist()
    copy_store(store_path, tmp_path / "c.h5", classes=["right", "left"])
    same(open_store(tmp_path / "c.h5"), before)


def test_unknown_classes_are_listed_in_the_error(store_path, tmp_path):
    with pytest.raises(SettingsError, match=r"\(left, right\), got up"):
        copy_store(store_path, tmp_path / "b.zarr", classes=["up", "left"])
    assert not (tmp_path / "b.zarr").exists()


def test_copying_a_damaged_store_leaves_nothing(store_path, tmp_path):
    frames = open_store(store_path).stored_frames(8, 9).tobytes()
    file = store_path / "key_frames" / "c.0.0.0.0" if store_path.is_dir() else store_path
    flip(file, file.read_bytes().index(frames))
    with pytest.raises(DamagedStoreError, match="clip 3"):
        copy_store(store_path, tmp_path / "b.h5")
    assert [entry.name for entry in tmp_path.iterdir()] == [store_path.name]


def test_an_existing_target_is_refused_and_a_store_may_replace_itself(store_path):
    with pytest.raises(OutputExistsError):
        copy_store(store_path, store_path)
    copy_store(store_path, store_path, dtype="uint8", overwrite=True)
    assert open_store(store_path).dtype == "uint8"
    assert [entry.name for entry in store_path.parent.iterdir()] == [store_path.name]


def test_a_full_copy_keeps_a_null_provenance(tmp_path):
    with open_writer(tmp_path / "a.zarr", attributes={"provenance": None}) as writer:
        writer.append(np.zeros((2, 2, 4, 3)), [0, 5], 0)
    copy_store(tmp_path / "a.zarr", tmp_path / "b.h5")
    first, second = (open_store(tmp_path / name).attributes for name in ("a.zarr", "b.h5"))
    assert first["provenance"] is None
    assert first["digest"] == second["digest"]


def test_soft_labels_are_copied_with_the_columns_of_the_kept_classes(tmp_path):
    content(with_soft_labels=True).write(tmp_path / "a.zarr")
    copy_store(tmp_path / "a.zarr", tmp_path / "b.h5", dtype="uint8", without=[1])
    copy_store(tmp_path / "b.h5", tmp_path / "c.zarr.zip", classes=["right"])
    assert open_store(tmp_path / "b.h5").soft_labels.tolist() == [[0, -0.25], [2, -0.25], [3, -0.25]]
    assert open_store(tmp_path / "c.zarr.zip").soft_labels.tolist() == [[-0.25]]
