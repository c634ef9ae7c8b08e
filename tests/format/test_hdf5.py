"""The HDF5 container: plain h5py reads it, and nothing in it may point outside."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError, NotAStoreError
from dfs_store.format import open_store
from tests.format.making import content, edit_attributes


@pytest.fixture
def path(tmp_path):
    content().write(tmp_path / "s.h5")
    return tmp_path / "s.h5"


def test_datasets_are_contiguous_without_filters(path):
    with h5py.File(path) as file:
        assert sorted(file) == ["checksums", "inserted_at", "key_frames", "labels", "offsets", "positions"]
        for dataset in file.values():
            assert dataset.chunks is None
            assert dataset.compression is None
            assert dataset.id.get_offset() is not None


def test_the_text_is_variable_length_utf8_beyond_64_kib(tmp_path):
    path = tmp_path / "s.h5"
    written = content()
    written.attributes["provenance"]["sources"] = ["ä" * 100] * 20_000
    written.write(path)
    with h5py.File(path) as file:
        kind = h5py.h5a.open(file.id, b"dfs_store").get_type()
        assert kind.is_variable_str()
        assert kind.get_cset() == h5py.h5t.CSET_UTF8
        text = file.attrs["dfs_store"]
        assert len(text) > 2**21
        assert json.loads(text) == open_store(path).attributes
    assert open_store(path).attributes["provenance"]["sources"][-1] == "ä" * 100


def test_real_utf8_and_fixed_length_text_are_read(path):
    edit_attributes(path, lambda attributes: attributes.update(x="ä"), redigest=True)
    with h5py.File(path, "r+") as file:
        text = json.dumps(json.loads(file.attrs["dfs_store"]), ensure_ascii=False)
        file.attrs["dfs_store"] = text
    assert open_store(path).attributes["x"] == "ä"
    for libver in ("earliest", "latest"):
        with h5py.File(path, "r+", libver=libver) as file:
            del file.attrs["dfs_store"]
            file.attrs["dfs_store"] = np.bytes_(text.encode())
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


def chunked(file, old):
    file.create_dataset("labels", data=old, chunks=(1,))


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
        (chunked, "contiguous"),
        (big_endian, "little-endian int32, got >i4"),
        (other_dtype, "little-endian int32"),
        (never_written, "no place in the file"),
    ],
)
def test_a_small_array_stored_otherwise_is_refused(path, make, words):
    replace(path, "labels", make)
    with pytest.raises(DamagedStoreError, match=words):
        open_store(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chunks": (2, 2, 4, 3)}, "one frame"),
        ({"dtype": "<f8"}, "little-endian float32, float16, uint8"),
        ({"dtype": ">f4"}, "got shape .* of >f4"),
        ({"chunks": (1, 2, 4, 3), "compression": "lzf"}, "deflate .gzip., .* got filter 32000"),
        ({"chunks": (1, 2, 4, 3), "compression": 1, "fletcher32": True}, "got deflate, fletcher32"),
        ({"chunks": (1, 2, 4, 3), "scaleoffset": 2}, "got scaleoffset"),
    ],
)
def test_key_frames_stored_otherwise_are_refused(path, options, words):
    replace(path, "key_frames", lambda file, old: file.create_dataset("key_frames", data=old, **options))
    with pytest.raises(DamagedStoreError, match=words):
        open_store(path)


@pytest.mark.parametrize("compression", [None, 1, 9])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_compressed_frames_of_other_writers_are_read(path, compression, shuffle, libver):
    expected = open_store(path).stored_frames(0, 12).copy()
    chunks = {"chunks": (1, 2, 4, 3), "compression": compression, "shuffle": shuffle and compression}
    other = path.with_name("other.h5")
    with h5py.File(path) as file, h5py.File(other, "w", libver=libver) as target:
        target.attrs["dfs_store"] = file.attrs["dfs_store"]
        for name in file:
            target.create_dataset(name, data=file[name], **(chunks if name == "key_frames" else {}))
    with open_store(other) as store:
        assert store.stored_frames(3, 9).tobytes() == expected[3:9].tobytes()
        assert store.stored_frames(0, 12).tobytes() == expected.tobytes()
        assert not store.stored_frames(0, 1).flags.writeable


def test_a_frame_that_its_filters_skipped_is_read(path):
    expected = open_store(path).stored_frames(0, 12).copy()

    def skip(file, old):
        dataset = file.create_dataset(
            "key_frames", data=old, chunks=(1, 2, 4, 3), compression=1, shuffle=True
        )
        dataset.id.write_direct_chunk((4, 0, 0, 0), old[4].tobytes(), filter_mask=3)

    replace(path, "key_frames", skip)
    assert open_store(path).stored_frames(0, 12).tobytes() == expected.tobytes()


def test_a_compressed_store_with_a_lost_frame_is_refused(path):
    def lose(file, old):
        dataset = file.create_dataset(
            "key_frames", old.shape, old.dtype, chunks=(1, *old.shape[1:]), compression=1
        )
        dataset[:7] = old[:7]

    replace(path, "key_frames", lose)
    with pytest.raises(DamagedStoreError, match="holds 7 of 12 frames"):
        open_store(path)


@pytest.mark.parametrize("value", [np.arange(3), 5, np.array(["a", "b"], dtype=object)])
def test_an_attribute_that_is_no_text_is_refused(path, value):
    with h5py.File(path, "r+") as file:
        file.attrs["dfs_store"] = value
    with pytest.raises(DamagedStoreError, match="must be"):
        open_store(path)


def test_an_hdf5_file_of_something_else_is_no_store(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(NotAStoreError, match="without the attribute"):
        open_store(tmp_path / "x.h5")


def test_foreign_groups_are_ignored(path):
    with h5py.File(path, "r+") as file:
        file["somebody_elses/x"] = np.zeros(3)
        file["link"] = h5py.ExternalLink("other.h5", "/")
    assert len(open_store(path)) == 4


def test_an_open_store_is_not_locked(path):
    # in another process, since libhdf5 shares its locks within one
    write = "import sys, h5py; h5py.File(sys.argv[1], 'r+').close()"
    with open_store(path) as store:
        done = subprocess.run(
            [sys.executable, "-c", write, path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert store.key_frames(0).shape == (2, 2, 4, 3)


def test_a_store_that_h5py_has_opened_can_be_opened(path):
    with h5py.File(path, "r", locking=False), open_store(path) as store:
        assert len(store) == 4
    with h5py.File(path, "r", locking=True), open_store(path) as store:
        assert len(store) == 4
