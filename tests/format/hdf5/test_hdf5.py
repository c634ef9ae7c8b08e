"""The HDF5 container is readable with h5py alone, and must not refer to other files."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError, NotAStoreError
from dfs_store.format import open_store
from tests.format.making import content, edit_attributes, write_header


@pytest.fixture
def path(tmp_path):
    content().write(tmp_path / "s.h5")
    return tmp_path / "s.h5"


def test_datasets_are_contiguous_without_filters(path):
    with h5py.File(path) as file:
        assert sorted(file) == [
            "checksums", "dfs_store", "inserted_at", "key_frames", "labels", "offsets", "positions",
        ]  # fmt: skip
        for dataset in file.values():
            assert dataset.chunks is None
            assert dataset.compression is None
            assert dataset.id.get_offset() is not None
            # otherwise, the same store written a second later would be a different file
            assert not dataset.id.get_create_plist().get_obj_track_times()


def test_the_header_is_text_in_a_dataset(path):
    edit_attributes(path, lambda attributes: attributes.update(x="ä"), redigest=True)
    with h5py.File(path) as file:
        assert not file.attrs
        assert file["dfs_store"].dtype == np.uint8
        assert json.loads(file["dfs_store"][:].tobytes()) == open_store(path).attributes
    with h5py.File(path, "r+") as file:
        text = json.dumps(json.loads(file["dfs_store"][:].tobytes()), ensure_ascii=False)
        write_header(file, text.encode())
    assert open_store(path).attributes["x"] == "ä"


def replace(path, name, make):
    with h5py.File(path, "r+") as file:
        old = file[name][...]
        del file[name]
        make(file, old)


def external_link(file, _old):
    file["labels"] = h5py.ExternalLink("other.h5", "/labels")


def soft_link(file, old):
    file["elsewhere"] = old
    file["labels"] = h5py.SoftLink("/elsewhere")


def virtual(file, old):
    layout = h5py.VirtualLayout(shape=old.shape, dtype=old.dtype)
    layout[:] = h5py.VirtualSource("other.h5", "labels", shape=old.shape)
    file.create_virtual_dataset("labels", layout)


def external_storage(file, old):
    file.create_dataset("labels", old.shape, old.dtype, external=[("/etc/passwd", 0, old.nbytes)])


def group(file, _old):
    file.create_group("labels")


def big_endian(file, old):
    file["labels"] = old.astype(">i4")


def other_dtype(file, old):
    file["labels"] = old.astype("<i8")


def never_written(file, old):
    file.create_dataset("labels", old.shape, old.dtype)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (external_link, "ExternalLink"),
        (soft_link, "SoftLink"),
        (virtual, "other files"),
        (external_storage, "other files"),
        (group, "must be a dataset"),
        (big_endian, r"little-endian int32, got shape \(4,\) and dtype >i4"),
        (other_dtype, "little-endian int32"),
        (never_written, "never written"),
    ],
)
def test_a_small_array_in_a_layout_that_is_not_allowed_is_refused(path, make, words):
    replace(path, "labels", make)
    with pytest.raises(DamagedStoreError, match=words):
        open_store(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "<f8"}, "little-endian float32, float16, uint8"),
        ({"dtype": ">f4"}, "got shape .* and dtype >f4"),
        ({"chunks": (1, 2, 4, 3), "scaleoffset": 2}, "filters must be shuffle, deflate"),
    ],
)
def test_key_frames_in_a_layout_that_is_not_allowed_are_refused(path, options, words):
    replace(path, "key_frames", lambda file, old: file.create_dataset("key_frames", data=old, **options))
    with pytest.raises(DamagedStoreError, match=words):
        open_store(path)


@pytest.mark.parametrize("value", [np.arange(3), np.uint8(5), np.bytes_(b"{}")])
def test_a_header_that_is_not_text_is_refused(path, value):
    with h5py.File(path, "r+") as file:
        del file["dfs_store"]
        file["dfs_store"] = value
    with pytest.raises(DamagedStoreError, match="must be an array of little-endian uint8"):
        open_store(path)


def test_an_hdf5_file_without_a_header_is_not_a_store(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(NotAStoreError, match="HDF5 file without"):
        open_store(tmp_path / "x.h5")


def test_foreign_groups_are_ignored(path):
    with h5py.File(path, "r+") as file:
        file["somebody_elses/x"] = np.zeros(3)
        file["link"] = h5py.ExternalLink("other.h5", "/")
    assert len(open_store(path)) == 4


def test_an_open_store_is_not_locked(path):
    # in another process, because libhdf5 shares its locks within a process
    write = "import sys, h5py; h5py.File(sys.argv[1], 'r+').close()"
    with open_store(path) as store:
        done = subprocess.run(
            [sys.executable, "-c", write, path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert store.key_frames(0).shape == (2, 2, 4, 3)


def test_a_store_can_be_opened_while_h5py_has_it_open(path):
    with h5py.File(path, "r", locking=False), open_store(path) as store:
        assert len(store) == 4
    with h5py.File(path, "r", locking=True), open_store(path) as store:
        assert len(store) == 4
