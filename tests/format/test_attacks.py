"""Hostile and broken stores: each is a clear error, soon, without taking the memory that it claims."""

import json
import os
import resource
import shutil
import subprocess
import sys

import google_crc32c
import h5py
import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError, DFSError, NotAStoreError
from dfs_store.format import open_store
from dfs_store.format.spec import MAX_HEADER_BYTES
from tests.format.making import content, edit_attributes

OPEN_WITH_LITTLE_MEMORY = """
import resource, sys
from dfs_store.errors import DamagedStoreError
from dfs_store.format import open_store
import h5py, numpy
limit = 2**30 + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
resource.setrlimit(resource.RLIMIT_AS, (max(limit, 3 * 2**30), resource.RLIM_INFINITY))
try:
    open_store(sys.argv[1])
except DamagedStoreError as error:
    print(error)
    sys.exit(0)
sys.exit(1)
"""


def open_with_little_memory(path):
    done = subprocess.run(
        [sys.executable, "-c", OPEN_WITH_LITTLE_MEMORY, path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def zarr_path(tmp_path):
    content().write(tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


@pytest.fixture
def hdf5_path(tmp_path):
    content().write(tmp_path / "s.h5")
    return tmp_path / "s.h5"


def edit_json(file, change):
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


PETA = 2**50


@pytest.mark.parametrize("name", ["key_frames", "positions", "labels"])
def test_a_small_zarr_store_that_claims_a_petabyte(zarr_path, name):
    def claim(metadata):
        metadata["shape"][0] = PETA
        metadata["chunk_grid"]["configuration"]["chunk_shape"][0] = PETA

    edit_json(zarr_path / name / "zarr.json", claim)
    told = open_with_little_memory(zarr_path)
    assert str(PETA) in told.replace(",", "")


def test_a_small_zarr_store_that_claims_a_petabyte_everywhere(zarr_path):
    for name in ("key_frames", "positions", "inserted_at", "checksums"):

        def claim(metadata):
            metadata["shape"][0] = PETA
            metadata["chunk_grid"]["configuration"]["chunk_shape"][0] = PETA

        edit_json(zarr_path / name / "zarr.json", claim)
    assert "needs 2,251,799,813,685,248 bytes, the file has 24" in open_with_little_memory(zarr_path)


def test_sizes_whose_product_overflows_64_bits(zarr_path):
    # 2**62 * 4 bytes is 0 modulo 2**64
    edit_json(
        zarr_path / "labels" / "zarr.json",
        lambda metadata: (
            metadata.update(shape=[2**62]),
            metadata["chunk_grid"]["configuration"].update(chunk_shape=[2**62]),
        ),
    )
    with pytest.raises(DamagedStoreError, match="labels"):
        open_store(zarr_path)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_small_hdf5_store_that_claims_a_petabyte(hdf5_path, compression):
    with h5py.File(hdf5_path, "r+") as file:
        for name in ("key_frames", "positions", "checksums"):
            shape, dtype = file[name].shape, file[name].dtype
            del file[name]
            options = {"chunks": (1, *shape[1:]), "compression": compression} if compression else {}
            file.create_dataset(name, (PETA, *shape[1:]), dtype, **options)
    assert hdf5_path.stat().st_size < 40_000
    open_with_little_memory(hdf5_path)


def test_a_frame_of_a_petabyte(zarr_path):
    edit_attributes(zarr_path, lambda attributes: attributes.update(frame_shape=[1, 2**25, 2**25]))
    assert "frame_shape must make at most" in open_with_little_memory(zarr_path)


def write_index(path, change):
    """Rewrites the index of the one shard, its checksum fitting."""
    file = path / "key_frames" / "c.0.0.0.0"
    data = file.read_bytes()
    index = np.frombuffer(data[-12 * 16 - 4 : -4], dtype="<u8").reshape(12, 2).copy()
    change(index)
    crc = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    file.write_bytes(data[: -12 * 16 - 4] + index.tobytes() + crc)


def set_entry(frame, start, size):
    def change(index):
        index[frame] = (start, size)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_entry(3, 2 * 96, 96), "overlap"),
        (set_entry(3, 2 * 96 + 1, 96), "overlap"),
        (set_entry(11, 11 * 96 + 1, 96), "frames end at 1,152"),
        (set_entry(0, 2**63, 96), "claims bytes 9,223,372,036,854,775,808"),
        (set_entry(0, 2**64 - 96, 96), "claims"),  # the sum wraps around to 0
        (set_entry(0, 96, 2**64 - 96), "claims"),
        (set_entry(5, 5 * 96, 95), "has 96 bytes, the index says 95"),
        (set_entry(5, 2**64 - 1, 2**64 - 1), "frame 5 of the shard is missing"),
    ],
)
def test_crossing_offsets_in_a_shard(zarr_path, change, words):
    write_index(zarr_path, change)
    with pytest.raises(DamagedStoreError, match=words):
        open_store(zarr_path)


def test_two_frames_exchanged_in_the_index_are_noticed_when_read(zarr_path):
    write_index(zarr_path, lambda index: index.__setitem__([0, 1], index[[1, 0]]))
    with pytest.raises(DamagedStoreError, match="checksum"):
        open_store(zarr_path).key_frames(0)


def test_an_index_whose_checksum_is_wrong(zarr_path):
    file = zarr_path / "key_frames" / "c.0.0.0.0"
    data = bytearray(file.read_bytes())
    data[-20] ^= 4
    file.write_bytes(data)
    with pytest.raises(DamagedStoreError, match="index does not match"):
        open_store(zarr_path)


def test_a_file_of_a_zarr_store_cut_short(zarr_path):
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


def test_a_zarr_header_cut_short_is_damage_and_foreign_text_is_no_store(zarr_path):
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


def test_an_hdf5_store_cut_short(hdf5_path):
    data = hdf5_path.read_bytes()
    for keep in np.linspace(8, len(data) - 1, 40).astype(int):
        hdf5_path.write_bytes(data[:keep])
        with pytest.raises(DamagedStoreError):
            open_store(hdf5_path)


@pytest.mark.parametrize("relative", ["labels/c.0", "key_frames/c.0.0.0.0", "labels", "zarr.json"])
def test_links_out_of_a_zarr_store_are_refused(zarr_path, tmp_path, relative):
    outside = tmp_path / "outside"
    shutil.move(zarr_path / relative, outside)
    (zarr_path / relative).symlink_to(outside)
    with pytest.raises(DamagedStoreError, match="leads out of the store"):
        open_store(zarr_path)


def test_links_inside_a_zarr_store_and_to_it_are_legal(zarr_path, tmp_path):
    (zarr_path / "labels" / "c.0").rename(zarr_path / "labels" / "kept")
    (zarr_path / "labels" / "c.0").symlink_to("kept")
    (tmp_path / "link.zarr").symlink_to(zarr_path)
    assert open_store(tmp_path / "link.zarr").labels.tolist() == [0, 1, 0, 1]


def test_a_pipe_in_place_of_a_file_does_not_hang(zarr_path):
    (zarr_path / "labels" / "c.0").unlink()
    os.mkfifo(zarr_path / "labels" / "c.0")
    with pytest.raises(DamagedStoreError, match="regular file"):
        open_store(zarr_path)


def test_a_header_larger_than_allowed_is_not_read(zarr_path):
    with (zarr_path / "zarr.json").open("r+b") as file:
        file.truncate(MAX_HEADER_BYTES + 1)  # sparse: takes no disk
    assert "more than the 268,435,456 allowed" in open_with_little_memory(zarr_path)


def test_deeply_nested_json(zarr_path):
    (zarr_path / "zarr.json").write_text('{"attributes": {"dfs_store": ' + "[" * 200_000)
    with pytest.raises(DamagedStoreError):
        open_store(zarr_path)


def test_frames_that_disagree_with_the_header(store_path):
    edit_attributes(store_path, lambda attributes: attributes.update(frame_shape=[2, 3, 4]), redigest=True)
    with pytest.raises(DamagedStoreError, match=r"frames of \(2, 3, 4\), got \(2, 4, 3\)"):
        open_store(store_path)


def test_a_zarr_store_cut_short_after_it_was_opened(zarr_path):
    store = open_store(zarr_path)
    os.truncate(zarr_path / "key_frames" / "c.0.0.0.0", 100)
    with pytest.raises(DamagedStoreError, match="cut short after"):
        store.key_frames(3)


def test_the_memory_limit_of_these_tests_is_real():
    assert resource.RLIMIT_AS is not None
    script = OPEN_WITH_LITTLE_MEMORY.replace("open_store(sys.argv[1])", "numpy.ones(2**34, numpy.uint8)")
    done = subprocess.run([sys.executable, "-c", script, "x"], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr


def text_heap(path):
    """Offset and bytes of the heap that holds an HDF5 store's attribute."""
    data = path.read_bytes()
    start = data.index(b"GCOL")
    return start, bytearray(data)


@pytest.mark.parametrize(
    ("offset", "number", "words"),
    [
        (24, 822, "object of 0 bytes"),  # one bit of 310: libhdf5 would read on for ever from what follows
        (24, 2**64 - 16, "object of 18446744073709551600 bytes"),
        (24, 2**40, "object of 1099511627776 bytes"),
        (8, 2**40, "is damaged"),
    ],
)
def test_a_heap_of_hdf5_that_leads_nowhere(hdf5_path, offset, number, words):
    start, data = text_heap(hdf5_path)
    data[start + offset : start + offset + 8] = number.to_bytes(8, "little")
    hdf5_path.write_bytes(data)
    assert words in open_with_little_memory(hdf5_path)
