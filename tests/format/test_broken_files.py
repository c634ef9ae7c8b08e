"""Stores with files that are truncated, too long, missing or links."""

import os

import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError, DFSError, NotAStoreError
from dfs_store.format import open_store
from tests.format.making import content, edit_attributes


@pytest.fixture
def zarr_path(tmp_path):
    content().write(tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


@pytest.fixture
def hdf5_path(tmp_path):
    content().write(tmp_path / "s.h5")
    return tmp_path / "s.h5"


def test_a_zarr_store_with_a_truncated_file_is_damaged(zarr_path):
    for file in sorted(file for file in zarr_path.rglob("*") if file.is_file()):
        data = file.read_bytes()
        for keep in (0, len(data) // 2, len(data) - 1):
            file.write_bytes(data[:keep])
            with pytest.raises(DFSError):
                open_store(zarr_path)
        file.write_bytes(data + b"\0")
        with pytest.raises(DamagedStoreError):
            open_store(zarr_path)
        file.unlink()
        with pytest.raises(DFSError):
            open_store(zarr_path)
        file.write_bytes(data)
    assert len(open_store(zarr_path)) == 4


def test_a_truncated_zarr_header_is_damage_and_other_text_is_not_a_store(zarr_path):
    file = zarr_path / "zarr.json"
    file.write_text(file.read_text()[:-9])
    with pytest.raises(DamagedStoreError, match=r"zarr\.json is damaged"):
        open_store(zarr_path)
    file.write_text("not JSON")
    with pytest.raises(NotAStoreError):
        open_store(zarr_path)
    file.unlink()
    with pytest.raises(DamagedStoreError, match=r"zarr\.json is missing"):
        open_store(zarr_path)


def test_a_truncated_hdf5_store_is_damaged(hdf5_path):
    data = hdf5_path.read_bytes()
    for keep in np.linspace(8, len(data) - 1, 40).astype(int):
        hdf5_path.write_bytes(data[:keep])
        with pytest.raises(DamagedStoreError):
            open_store(hdf5_path)


def test_links_inside_a_zarr_store_and_to_it_are_allowed(zarr_path, tmp_path):
    (zarr_path / "labels" / "c.0").rename(zarr_path / "labels" / "kept")
    (zarr_path / "labels" / "c.0").symlink_to("kept")
    (tmp_path / "link.zarr").symlink_to(zarr_path)
    assert open_store(tmp_path / "link.zarr").labels.tolist() == [0, 1, 0, 1]


def test_a_zarr_store_truncated_after_opening_raises(zarr_path):
    store = open_store(zarr_path)
    os.truncate(zarr_path / "key_frames" / "c.0.0.0.0", 100)
    with pytest.raises(DamagedStoreError, match="truncated after"):
        store.key_frames(3)


def test_frames_must_have_the_shape_in_the_header(store_path):
    edit_attributes(store_path, lambda attributes: attributes.update(frame_shape=[2, 3, 4]), redigest=True)
    with pytest.raises(DamagedStoreError, match=r"frames of shape \(2, 3, 4\), got \(2, 4, 3\)"):
        open_store(store_path)
