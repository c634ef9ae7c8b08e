"""There is one complete store at any moment, even if stores are replaced and writers are killed."""

import multiprocessing
import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

from dfs_store.errors import DamagedStoreError, OutputExistsError, StoreNotFoundError
from dfs_store.format import open_store
from dfs_store.format.checks.verify import verify
from dfs_store.format.io import durable, transaction
from tests.format.making import ENCODINGS, coded_content, content, open_writer

KEEP_REPLACING = """
import sys, warnings
from tests.format.making import content
warnings.simplefilter("ignore")
path, seeds, compression = sys.argv[1], map(int, sys.argv[2].split(",")), sys.argv[3] or None
stores = [content(seed=seed) for seed in seeds]
print("begins", flush=True)
while True:
    for store in stores:
        store.write(path, overwrite=True, compression=compression)
"""


@contextmanager
def keep_replacing(path, seeds=(0, 1), compression=""):
    """Runs a process that replaces the store continuously, and kills it at the end."""
    words = [sys.executable, "-c", KEEP_REPLACING, path, ",".join(map(str, seeds)), compression]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "begins\n"
            yield
        finally:
            process.kill()


def seed_of(store):
    """Compares all of a store with its expected content, and returns the seed of the content."""
    seed = store.attributes["provenance"]["seed"]
    for number, clip in enumerate(content(seed=seed).clips):
        assert np.array_equal(store.key_frames(number), clip.key_frames)
        assert np.array_equal(store.positions(number), clip.positions)
    return seed


def parts_beside(path):
    return sorted(entry.name for entry in path.parent.iterdir() if entry != path)


@pytest.mark.parametrize(
    ("container", "compression"), [("zarr", ""), ("zarr", "zstd"), ("h5", ""), ("h5", "gzip")]
)
def test_readers_are_not_affected_by_a_replacement(tmp_path, container, compression):
    path = tmp_path / f"s.{container}"
    content(seed=0).write(path, compression=compression or None)
    kept = open_store(path)  # no frame is read yet
    seen, ends = set(), time.monotonic() + 2
    with keep_replacing(path, compression=compression):
        while time.monotonic() < ends or len(seen) < 2:
            seen.add(seed_of(open_store(path)))
            assert time.monotonic() < ends + 30
    assert seen == {0, 1}
    assert seed_of(kept) == 0


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("container", ["zarr", "zarr.zip", "h5"])
def test_image_files_are_read_from_the_store_that_was_opened(tmp_path, container, encoding):
    path = tmp_path / f"s.{container}"
    coded_content(encoding, seed=0).write(path)
    expected = [open_store(path).key_frames(clip) for clip in range(2)]
    kept = open_store(path)  # no frame is read yet
    coded_content(encoding, seed=1).write(path, overwrite=True)
    assert not np.array_equal(open_store(path).key_frames(0), expected[0])
    assert all(np.array_equal(kept.key_frames(clip), expected[clip]) for clip in range(2))


@pytest.mark.parametrize("container", ["zarr", "h5"])
def test_a_killed_writer_leaves_one_intact_store_and_the_next_cleans_up(tmp_path, container):
    path = tmp_path / f"s.{container}"
    content(seed=0).write(path)
    moments, left = random.Random(0), 0
    for _ in range(12):
        with keep_replacing(path):
            time.sleep(moments.uniform(0, 0.05))
        assert list(verify(path)) == []
        seed_of(open_store(path))
        dead = parts_beside(path)
        left += len(dead)
        assert all(name.startswith(f".s.{container}.") and name.endswith(".partial") for name in dead)
        if dead:
            with pytest.warns(
                UserWarning, match=rf"removed files left by a process that was killed: {dead[0]}"
            ):
                content(seed=0).write(path, overwrite=True)
        assert parts_beside(path) == []
    assert left, "no writer was killed while it was writing"


@pytest.mark.parametrize("container", ["zarr", "h5"])
def test_parts_of_a_living_writer_are_left_alone(tmp_path, container):
    path = tmp_path / f"s.{container}"
    with open_writer(path) as writer:
        (part,) = parts_beside(path)
        content(seed=1).write(path)
        assert parts_beside(path) == [part]
        path.rename(tmp_path / "other")
        writer.append(np.zeros((1, 2, 4, 3)), [0], 0)
    assert len(open_store(path)) == 1
    assert parts_beside(path) == ["other"]


def test_parts_of_another_writer_in_this_process_are_left_alone(tmp_path):
    first = transaction.Transaction(tmp_path / "s.zarr")
    first.begin()
    second = transaction.Transaction(tmp_path / "s.zarr")
    second.begin()
    assert len(list(tmp_path.iterdir())) == 2
    first.abort()
    second.abort()
    assert list(tmp_path.iterdir()) == []


def test_parts_are_kept_as_long_as_a_child_of_their_writer_lives(tmp_path):
    writer = transaction.Transaction(tmp_path / "s.zarr")
    writer.begin()
    held = multiprocessing.get_context("fork").Event()
    child = multiprocessing.get_context("fork").Process(target=held.wait)
    child.start()
    os.close(writer._part.lock)  # as when the parent dies
    writer._part.lock = None
    assert durable.clear_dead_parts(tmp_path / "s.zarr") == []
    held.set()
    child.join()
    assert len(durable.clear_dead_parts(tmp_path / "s.zarr")) == 1


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("container", ["zarr", "h5"])
def test_the_second_of_two_writers_that_replace_a_store_gets_an_error(
    tmp_path, container, exchanges, monkeypatch
):
    if not exchanges:
        monkeypatch.setattr(transaction, "exchange", lambda *_paths: False)
    path = tmp_path / f"s.{container}"
    content(seed=0).write(path)

    def replace_while_another_does():
        with open_writer(path, overwrite=True) as writer:
            writer.append(np.zeros((1, 2, 4, 3)), [0], 0)
            content(seed=1).write(path, overwrite=True)

    with pytest.raises(OutputExistsError, match="another process wrote to this path first"):
        replace_while_another_does()
    assert seed_of(open_store(path)) == 1
    assert parts_beside(path) == []


@pytest.mark.parametrize("container", ["zarr", "h5"])
def test_the_old_store_is_moved_away_if_the_system_cannot_exchange_paths(tmp_path, container, monkeypatch):
    monkeypatch.setattr(transaction, "exchange", lambda *_paths: False)
    path = tmp_path / f"s.{container}"
    content(seed=0).write(path)
    content(seed=1).write(path, overwrite=True)
    assert seed_of(open_store(path)) == 1
    assert parts_beside(path) == []


@pytest.mark.parametrize("replaced", [True, False])
def test_a_store_moved_away_by_a_killed_writer_is_restored_or_removed(tmp_path, replaced):
    path = tmp_path / "s.zarr"
    content(seed=0).write(path)
    part = tmp_path / ".s.zarr.12345678.partial"
    part.mkdir()
    path.rename(part / "old.zarr")
    (part / "lock").touch()
    if replaced:
        content(seed=1).write(tmp_path / "t.zarr")
        (tmp_path / "t.zarr").rename(path)
    else:
        with pytest.raises(StoreNotFoundError, match="rename it back"):
            open_store(path)
    removed = durable.clear_dead_parts(path)
    assert seed_of(open_store(path)) == int(replaced)
    assert removed == [part.name]
    assert parts_beside(path) == []


def test_native_arrays_of_a_replaced_store_are_not_reported_as_damaged(tmp_path):
    path = tmp_path / "s.zarr"
    for value in (1, 2):
        with open_writer(path, overwrite=True) as writer:
            writer.append(np.zeros((1, 2, 4, 3)), [0], 0)
            writer.write_native("test", {"numbers": np.full(3, value, dtype=np.int32)})
        if value == 1:
            store = open_store(path)
    with pytest.raises(DamagedStoreError, match="was replaced by a different store"):
        store.native_arrays()


def test_a_disk_without_locks_can_be_written(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(durable.fcntl, "flock", refuse)
    content(seed=0).write(tmp_path / "s.zarr")
    part = tmp_path / ".s.zarr.12345678.partial"
    part.mkdir()
    (part / "lock").touch()
    content(seed=1).write(tmp_path / "s.zarr", overwrite=True)
    assert seed_of(open_store(tmp_path / "s.zarr")) == 1
    assert parts_beside(tmp_path / "s.zarr") == [part.name]  # without locks, its writer may be alive
