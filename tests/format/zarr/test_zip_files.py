"""Stores in a zip archive equal stores in a folder, are memory-mapped, and may come from other programs."""

import os
import pickle
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from dfs_store.errors import DamagedStoreError, NotAStoreError, OutputExistsError, StoreNotFoundError
from dfs_store.format import copy_store, open_store, repair_store, verify
from tests.format.making import content, open_writer

COMPRESSIONS = [None, "zstd", "gzip"]


def zipped(folder: Path, archive: Path, *, folders=False):
    """Zips a store like `zip -0 -r`. With `folders`, the folders become members as well."""
    with zipfile.ZipFile(archive, "w") as target:
        for file in sorted(folder.rglob("*")):
            if file.is_file() or folders:
                target.write(file, file.relative_to(folder))
    return archive


def equal(path, other):
    with open_store(path) as first, open_store(other) as second:
        assert first.attributes == second.attributes
        assert first.stored_frames(0, 12).tobytes() == second.stored_frames(0, 12).tobytes()
        for clip in range(len(second)):
            np.testing.assert_array_equal(first.clip(clip), second.clip(clip))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_an_archive_contains_the_same_files_as_a_folder(tmp_path, dtype, compression):
    content(dtype).write(tmp_path / "s.zarr", compression=compression)
    content(dtype).write(tmp_path / "s.zarr.zip", compression=compression)
    equal(tmp_path / "s.zarr.zip", tmp_path / "s.zarr")
    assert list(verify(tmp_path / "s.zarr.zip")) == []
    with open_store(tmp_path / "s.zarr.zip") as store:
        assert store.container == "zarr.zip"
        assert store.storage.on_disk_bytes == (tmp_path / "s.zarr.zip").stat().st_size
        assert pickle.loads(pickle.dumps(store)).attributes == store.attributes
    with zipfile.ZipFile(tmp_path / "s.zarr.zip") as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            if compression != "gzip" or not name.startswith("key_frames/c"):  # gzip stores the time of day
                assert archive.read(name) == (tmp_path / "s.zarr" / name).read_bytes()
    copy_store(tmp_path / "s.zarr.zip", tmp_path / "s.h5")
    copy_store(tmp_path / "s.h5", tmp_path / "back.zarr.zip", compression=compression)
    equal(tmp_path / "back.zarr.zip", tmp_path / "s.zarr.zip")
    if compression != "gzip":
        assert (tmp_path / "back.zarr.zip").read_bytes() == (tmp_path / "s.zarr.zip").read_bytes()


def test_frames_in_an_archive_are_memory_mapped(tmp_path):
    content().write(tmp_path / "s.zarr.zip")
    with open_store(tmp_path / "s.zarr.zip") as store:
        frames = store.stored_frames(2, 9)
    assert not frames.flags.owndata
    assert frames.flags.aligned
    assert frames.ctypes.data % 32 == 0  # 96 bytes a frame, from a multiple of 64
    with zipfile.ZipFile(tmp_path / "s.zarr.zip") as archive:
        for member in archive.infolist():
            header = (tmp_path / "s.zarr.zip").read_bytes()[member.header_offset :][26:30]
            lengths = int.from_bytes(header[:2], "little") + int.from_bytes(header[2:], "little")
            assert (member.header_offset + 30 + lengths) % 64 == 0


def test_zarr_python_reads_our_archives_and_we_read_its_archives(tmp_path):
    content("uint8").write(tmp_path / "s.zarr.zip")
    with zarr.storage.ZipStore(tmp_path / "s.zarr.zip", mode="r") as store:
        group = zarr.open_group(store, mode="r")
        with open_store(tmp_path / "s.zarr.zip") as ours:
            np.testing.assert_array_equal(group["key_frames"][:], ours.stored_frames(0, 12))
            assert group.attrs["dfs_store"] == ours.attributes
        its = tmp_path / "its.zarr.zip"
        with zarr.storage.ZipStore(its, mode="w", compression=zipfile.ZIP_STORED) as target:
            copy = zarr.create_group(target, attributes=dict(group.attrs))
            for name, array in group.arrays():
                sharded = {"shards": array.shape, "chunks": (1, *array.shape[1:])}
                plain = {"chunks": array.shape}
                made = copy.create_array(
                    name, shape=array.shape, dtype=array.dtype, compressors=None, filters=None,
                    config={"write_empty_chunks": True},
                    **(sharded if name == "key_frames" else plain),
                )  # fmt: skip
                made[...] = array[...]
    equal(its, tmp_path / "s.zarr.zip")
    assert list(verify(its)) == []


def test_archives_written_by_other_programs_are_read(tmp_path):
    content().write(tmp_path / "s.zarr")
    equal(zipped(tmp_path / "s.zarr", tmp_path / "plain.zarr.zip", folders=True), tmp_path / "s.zarr")
    # Sizes in 64 bits, as for archives beyond 4 GiB.
    with zipfile.ZipFile(tmp_path / "large.zarr.zip", "w") as target:
        for file in sorted(path for path in (tmp_path / "s.zarr").rglob("*") if path.is_file()):
            name = str(file.relative_to(tmp_path / "s.zarr"))
            with target.open(name, "w", force_zip64=True) as member:
                member.write(file.read_bytes())
    equal(tmp_path / "large.zarr.zip", tmp_path / "s.zarr")
    # Written to a pipe, so that the sizes follow the data.
    with (tmp_path / "piped.zarr.zip").open("wb") as file:
        shown = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
        with shown.stdin, zipfile.ZipFile(shown.stdin, "w") as target:
            for path in sorted(path for path in (tmp_path / "s.zarr").rglob("*") if path.is_file()):
                target.writestr(str(path.relative_to(tmp_path / "s.zarr")), path.read_bytes())
        shown.wait()
    equal(tmp_path / "piped.zarr.zip", tmp_path / "s.zarr")


def test_archives_larger_than_four_gigabytes_are_read(tmp_path):
    # A hole before the store's members, which takes no disk space.
    content().write(tmp_path / "s.zarr")
    with (tmp_path / "s.zarr.zip").open("x+b") as file, zipfile.ZipFile(file, "w") as archive:
        hole = archive.open(zipfile.ZipInfo("hole"), "w", force_zip64=True)
        file.seek(2**32 + 10, os.SEEK_CUR)
        file.truncate(file.tell())
        hole._file_size = hole._compress_size = 2**32 + 10
        hole.close()
        archive.start_dir = file.seek(0, os.SEEK_END)
        for path in sorted(path for path in (tmp_path / "s.zarr").rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(tmp_path / "s.zarr"))
    equal(tmp_path / "s.zarr.zip", tmp_path / "s.zarr")
    (tmp_path / "s.zarr.zip").unlink()


def test_files_that_are_not_zipped_stores_are_refused(tmp_path):
    with pytest.raises(StoreNotFoundError):
        open_store(tmp_path / "none.zarr.zip")
    (tmp_path / "folder.zarr.zip").mkdir()
    (tmp_path / "text.zarr.zip").write_text("text, as long as the end of an archive")
    (tmp_path / "empty.zarr.zip").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.zarr.zip")
    for name in ("folder", "text", "empty", "pipe"):
        with pytest.raises(NotAStoreError, match="not a zip archive"):
            open_store(tmp_path / f"{name}.zarr.zip")
    with zipfile.ZipFile(tmp_path / "other.zarr.zip", "w") as archive:
        archive.writestr("readme", "text")
    with pytest.raises(NotAStoreError, match=r"no zarr\.json"):
        open_store(tmp_path / "other.zarr.zip")
    content().write(tmp_path / "s.zarr")
    with zipfile.ZipFile(tmp_path / "nested.zarr.zip", "w") as archive:
        for file in sorted((tmp_path / "s.zarr").rglob("*.json")):
            archive.write(file, file.relative_to(tmp_path))
    with pytest.raises(NotAStoreError, match=r"zip the contents of the folder s\.zarr"):
        open_store(tmp_path / "nested.zarr.zip")


def test_damage_in_an_archive_is_reported_and_repaired(tmp_path):
    path = tmp_path / "s.zarr.zip"
    content().write(path)
    with open_store(path) as store:
        frame = store.stored_frames(4, 5).tobytes()
    data = bytearray(path.read_bytes())
    data[data.index(frame)] ^= 1
    path.write_bytes(data)
    (finding,) = verify(path)
    assert (finding.file, finding.clip, finding.position) == ("key_frames/c.0.0.0.0", 2, 2)
    with open_store(path) as store, pytest.raises(DamagedStoreError, match=r"key frame 4 .* checksum"):
        store.clip(2)
    (left_out,) = repair_store(path, tmp_path / "r.zarr.zip")
    assert left_out.clip == 2
    assert list(verify(tmp_path / "r.zarr.zip")) == []


def test_an_archive_is_published_and_replaced_atomically(tmp_path):
    path = tmp_path / "s.zarr.zip"
    with open_writer(path) as writer:
        writer.append(np.zeros((2, 2, 4, 3)), [0, 5], 0)
        assert not path.exists()
    with pytest.raises(RuntimeError), open_writer(path, overwrite=True) as writer:  # noqa: PT012
        writer.append(np.ones((2, 2, 4, 3)), [0, 5], 0)
        raise RuntimeError
    with open_store(path) as store:
        assert store.clip(0).max() == 0
        with pytest.raises(OutputExistsError):
            content().write(path)
        content().write(path, overwrite=True)
        assert store.clip(0).max() == 0  # a reader keeps the store that it opened
    assert [file.name for file in tmp_path.iterdir()] == ["s.zarr.zip"]
    assert list(verify(path)) == []
    path.write_text("no archive")
    with pytest.raises(OutputExistsError, match="is not a store"):
        content().write(path, overwrite=True)


def test_a_killed_writer_leaves_no_archive_behind(tmp_path):
    code = (
        "import os, signal, sys; from tests.format.making import open_writer\n"
        f"with open_writer({str(tmp_path / 's.zarr.zip')!r}) as writer:\n"
        "    writer.append([[[[0.0] * 3] * 4] * 2] * 2, [0, 5], 0)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "s.zarr.zip").exists()
    with pytest.warns(UserWarning, match="removed files left by a process that was killed"):
        content().write(tmp_path / "s.zarr.zip")
    assert list(verify(tmp_path / "s.zarr.zip")) == []


def test_an_archive_may_contain_many_shards(tmp_path, monkeypatch):
    from dfs_store.format.zarr import writer as zarr_writer

    monkeypatch.setattr(zarr_writer, "MAX_SHARD_FRAMES", 5)
    content().write(tmp_path / "s.zarr.zip")
    monkeypatch.undo()
    content().write(tmp_path / "s.h5")
    equal(tmp_path / "s.zarr.zip", tmp_path / "s.h5")


def test_a_full_disk_is_reported_while_writing_an_archive(tmp_path):
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limit[1]))
        with pytest.raises(OSError, match=r"s\.zarr\.zip: the disk is full"):
            content().write(tmp_path / "s.zarr.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, former)
    assert list(tmp_path.iterdir()) == []
