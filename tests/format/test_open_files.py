"""A store keeps one file open per shard, and none per clip."""

import errno
import gc
import os
import resource
import subprocess
import sys

import pytest

from dfs_store.errors import DamagedStoreError, DFSError
from dfs_store.format import open_store
from tests.format.making import content

LIMITED = """
import resource, sys
from dfs_store.errors import DamagedStoreError, DFSError
from dfs_store.format import open_store
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[3])))
try:
    with open_store(sys.argv[1]) as store:
        frames = store.stored_frames(0, 12)
        print("read", frames.shape[0], *resource.getrlimit(resource.RLIMIT_NOFILE))
except DFSError as error:
    assert not isinstance(error, DamagedStoreError)
    print(error)
"""


@pytest.fixture
def sharded(tmp_path, monkeypatch):
    monkeypatch.setattr("dfs_store.format.zarr.writer.MAX_SHARD_FRAMES", 1)
    content().write(tmp_path / "s.zarr")
    assert len(list((tmp_path / "s.zarr" / "key_frames").glob("c.*"))) == 12
    return tmp_path / "s.zarr"


def open_under(path, soft, hard):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path, str(soft), str(hard)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_process_raises_its_limit_of_open_files_if_needed(sharded):
    assert open_under(sharded, 10, 100) == "read 12 100 100"
    assert open_under(sharded, 50, 100) == "read 12 50 100"


def test_too_many_open_files_are_not_reported_as_damage(sharded):
    assert "already has the maximum of 10 open files" in open_under(sharded, 10, 10)


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_a_process_without_free_files_raises_its_limit(tmp_path, suffix):
    path = tmp_path / f"s.{suffix}"
    content().write(path)
    script = """
import os, sys, resource
from dfs_store.format import open_store
open_store(sys.argv[1]).close()
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
held = []
try:
    while True:
        held.append(os.dup(0))
except OSError:
    pass
assert len(open_store(sys.argv[1])) == 4
"""
    done = subprocess.run(
        [sys.executable, "-c", script, path],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENFILE])
def test_a_system_out_of_resources_is_not_reported_as_damage(sharded, monkeypatch, number):
    def refuse(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("dfs_store.format.io.files.mmap.mmap", refuse)
    with pytest.raises(DFSError, match="the system is out of resources") as caught:
        open_store(sharded)
    assert not isinstance(caught.value, DamagedStoreError)


def test_a_limit_of_open_files_that_cannot_be_raised_is_reported(sharded, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def unsettable(*_arguments):
        raise ValueError("current limit exceeds maximum limit")  # as on macOS

    monkeypatch.setattr("dfs_store.format.io.files.mmap.mmap", refuse)
    monkeypatch.setattr("dfs_store.format.io.files.resource.setrlimit", unsettable)
    with pytest.raises(DFSError, match="ulimit -n"):
        open_store(sharded)


def test_a_store_opens_one_file_per_shard_and_closes_all_of_them(sharded, tmp_path):
    def count():
        return len(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"))

    gc.collect()  # so that garbage of other tests does not close files in between
    before = count()
    store = open_store(sharded)
    assert count() == before + 12
    store.close()
    del store
    assert count() == before
    content().write(tmp_path / "s.h5")
    with open_store(tmp_path / "s.h5"):
        assert count() == before + 1
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 100
