"""Stores of image files copied by other tools, on a server, and read by several threads and processes."""

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
import zarr

from dfs_store.errors import DamagedStoreError, MissingDependencyError
from dfs_store.format import copy_store, open_store, verify
from dfs_store.format.coded import codec
from tests.format.making import assert_reads_survive_threads_and_forks, coded_content


def everything(store):
    return [store.key_frames(clip).tobytes() for clip in range(len(store))]


def copy_zarr(source, target, chunks, **options):
    group = zarr.open_group(source, mode="r")
    copy = zarr.create_group(target, attributes=group.attrs.asdict())
    for name, array in group.arrays():
        layout = {"chunks": chunks, **options} if name == "coded_frames" else {}
        copy.create_array(name, data=array[...], **layout)


def copy_h5(source, target, chunks, **options):
    with h5py.File(source) as file, h5py.File(target, "w") as copy:
        for name, dataset in file.items():
            sides = chunks if name == "coded_frames" else True
            copy.create_dataset(name, data=dataset[...], chunks=sides, **options)


def test_copies_by_zarr_python_and_h5py_are_equal(tmp_path, encoding):
    coded_content(encoding).write(tmp_path / "a.zarr")
    coded_content(encoding).write(tmp_path / "a.h5")
    store = open_store(tmp_path / "a.zarr")
    end = store.storage.key_frame_bytes
    # Image files that cross chunks, and chunks that extend beyond the array.
    copy_zarr(tmp_path / "a.zarr", tmp_path / "b.zarr", (101,), compressors=zarr.codecs.ZstdCodec())
    copy_zarr(tmp_path / "a.zarr", tmp_path / "c.zarr", (50,), shards=(500,))
    copy_zarr(tmp_path / "a.zarr", tmp_path / "d.zarr", (end + 100,), compressors=None)
    copy_h5(tmp_path / "a.h5", tmp_path / "e.h5", (101,), compression="gzip", shuffle=True)
    copy_h5(tmp_path / "a.h5", tmp_path / "f.h5", True, compression="lzf", fletcher32=True)
    for name in ("b.zarr", "c.zarr", "d.zarr", "e.h5", "f.h5"):
        copy = open_store(tmp_path / name)
        assert copy.read_path == "general"
        assert everything(copy) == everything(store)
        assert copy.content_digest == store.content_digest
        assert list(verify(tmp_path / name)) == []
    copy_store(tmp_path / "e.h5", tmp_path / "g.zarr")
    assert (tmp_path / "g.zarr" / "coded_frames" / "c.0").read_bytes() == (
        tmp_path / "a.zarr" / "coded_frames" / "c.0"
    ).read_bytes()


@pytest.mark.skipif(shutil.which("h5repack") is None, reason="h5repack is not installed")
@pytest.mark.parametrize("options", [[], ["-f", "GZIP=5"], ["-l", "coded_frames:CHUNK=256", "-f", "SHUF"]])
def test_copies_by_h5repack_are_equal(tmp_path, encoding, options):
    coded_content(encoding).write(tmp_path / "a.h5")
    subprocess.run(["h5repack", *options, tmp_path / "a.h5", tmp_path / "b.h5"], check=True)
    copy = open_store(tmp_path / "b.h5")
    assert copy.read_path == ("general" if options else "fast")
    assert everything(copy) == everything(open_store(tmp_path / "a.h5"))


def test_a_copy_with_a_missing_chunk_is_damaged(tmp_path, encoding):
    coded_content(encoding).write(tmp_path / "a.zarr")
    copy_zarr(tmp_path / "a.zarr", tmp_path / "b.zarr", (400,))
    (tmp_path / "b.zarr" / "coded_frames" / "c" / "1").unlink()
    with pytest.raises(DamagedStoreError, match="does not match its checksum"):
        everything(open_store(tmp_path / "b.zarr"))
    assert list(verify(tmp_path / "b.zarr"))


def test_chunks_of_one_byte_are_refused(tmp_path):
    # each would need its own file, or a lookup in a file's index
    coded_content("avif:60").write(tmp_path / "a.h5")
    copy_h5(tmp_path / "a.h5", tmp_path / "b.h5", (1,))
    with pytest.raises(DamagedStoreError, match=r"has 4,\d+ chunks, but at most 4,096 are allowed"):
        open_store(tmp_path / "b.h5")


@pytest.mark.parametrize("suffix", [".zarr", ".zarr.zip", ".h5"])
def test_a_remote_store_of_image_files_equals_the_local_one(tmp_path, bucket, encoding, suffix):
    coded_content(encoding).write(tmp_path / f"a{suffix}")
    url = f"{bucket}/s{suffix}"
    copy_store(tmp_path / f"a{suffix}", url)
    here, there = open_store(tmp_path / f"a{suffix}"), open_store(url)
    assert everything(there) == everything(here)
    assert there.coded_clip(2) == here.coded_clip(2)
    assert there.content_digest == here.content_digest
    assert there.storage == here.storage
    assert [part.tobytes() for part in there.stored_spans([(0, 1), (5, 9)], threads=2)] == [
        here.stored_frames(0, 1).tobytes(),
        here.stored_frames(5, 9).tobytes(),
    ]
    assert list(verify(url)) == []


def test_a_remote_store_with_missing_files_is_damaged(tmp_path, bucket):
    import s3fs

    coded_content().write(tmp_path / "a.zarr")
    copy_store(tmp_path / "a.zarr", f"{bucket}/s.zarr")
    s3fs.S3FileSystem().rm(f"{bucket}/s.zarr/coded_frames/c.0")
    with pytest.raises(DamagedStoreError, match=r"coded_frames/c\.0"):
        open_store(f"{bucket}/s.zarr").key_frames(0)
    assert {finding.clip for finding in verify(f"{bucket}/s.zarr")} == {0, 1, 2, 3}


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_threads_forks_and_pickled_stores_read_the_same(tmp_path, encoding, suffix):
    coded_content(encoding).write(tmp_path / f"s{suffix}")
    store = open_store(tmp_path / f"s{suffix}")
    again = pickle.loads(pickle.dumps(store))
    assert everything(again) == everything(store)
    store = open_store(tmp_path / f"s{suffix}")  # no frame is decoded yet
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda clip: store.key_frames(clip).tobytes(), [0, 1, 2, 3] * 10))
    assert found == everything(again) * 10
    assert_reads_survive_threads_and_forks(store)


def test_the_first_threads_to_decode_find_pillows_plugins(tmp_path):
    # Pillow imports its plug-ins on demand, and threads must not use them while another thread imports them.
    coded_content().write(tmp_path / "s.h5")
    program = (
        "import sys; from concurrent.futures import ThreadPoolExecutor\n"
        "from dfs_store.format import open_store\n"
        f"store = open_store({str(tmp_path / 's.h5')!r}); sys.setswitchinterval(1e-6)\n"
        "with ThreadPoolExecutor(8) as pool: list(pool.map(store.key_frames, [0, 1, 2, 3] * 8))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_pillow_without_the_codec_is_not_reported_as_damage(tmp_path, encoding, monkeypatch):
    coded_content(encoding).write(tmp_path / "s.h5")
    monkeypatch.setattr(codec.features, "check", lambda name: False)
    with pytest.raises(MissingDependencyError, match="install --upgrade pillow"):
        open_store(tmp_path / "s.h5").key_frames(0)
    with pytest.raises(MissingDependencyError):
        list(verify(tmp_path / "s.h5"))


def test_a_lack_of_memory_is_not_reported_as_damage(tmp_path, monkeypatch):
    coded_content("avif:60").write(tmp_path / "s.h5")

    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr(codec, "decode_avif", refuse)
    with pytest.raises(MemoryError):
        list(verify(tmp_path / "s.h5"))


def test_returned_levels_cannot_be_changed(tmp_path, encoding):
    # Otherwise, the cache would return other pictures to the next reader.
    coded_content(encoding).write(tmp_path / "s.h5")
    store = open_store(tmp_path / "s.h5")
    for found in (store.stored_frames(6, 12), store.stored_frames(7, 8), store.stored_frames(0, 12)):
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 0
    before = store.key_frames(3)
    before[:] = 0
    assert np.any(store.key_frames(3))
