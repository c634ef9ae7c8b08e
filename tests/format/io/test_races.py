"""Files replaced between check and open, concurrent writers, and clocks that are set."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import dfs_store
from dfs_store.errors import DamagedStoreError, DFSError
from dfs_store.format import open_store, verify
from dfs_store.format.io.files import MappedFile, read_at
from dfs_store.format.io.reading import open_found
from tests.format.making import content

SECONDS = 2.0


@pytest.mark.parametrize("act", [MappedFile, lambda path: read_at(path, 0, 1)], ids=["map", "read"])
@pytest.mark.parametrize("kind", ["pipe", "link", "device"])
def test_a_file_that_is_replaced_after_its_check_is_refused(tmp_path, act, kind):
    path, secret = tmp_path / "f", tmp_path / "secret"
    secret.write_bytes(b"secret")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(secret if kind == "link" else "/dev/zero")
    with pytest.raises(DamagedStoreError, match=re.escape(str(path))):
        act(str(path))
    with pytest.raises(OSError, match=r"regular|symbolic"):
        open_found(path, follow=False)


@pytest.mark.parametrize("name", ["zarr.json", "key_frames/c.0.0.0.0", "labels/c.0"])
def test_a_reader_survives_a_file_that_is_replaced_continuously(tmp_path, name):
    content().write(tmp_path / "s.zarr")
    with open_store(tmp_path / "s.zarr") as store:
        right = [store.clip(clip).tobytes() for clip in range(len(store))]
    place, parts = tmp_path / "s.zarr" / name, tmp_path / "parts"
    parts.mkdir()
    kept, secret, done = place.read_bytes(), tmp_path / "secret", threading.Event()
    secret.write_bytes(bytes(byte ^ 1 for byte in kept))
    other = parts / "x"

    def exchange():
        number = 0
        while not done.is_set():
            (lambda: other.write_bytes(kept), lambda: os.mkfifo(other), lambda: other.symlink_to(secret))[
                number % 3
            ]()
            other.replace(place)
            number += 1

    thread = threading.Thread(target=exchange)
    thread.start()
    end, whole, refused = time.monotonic() + SECONDS, 0, 0
    try:
        while time.monotonic() < end:
            try:
                with open_store(tmp_path / "s.zarr") as store:
                    assert [store.clip(clip).tobytes() for clip in range(len(store))] == right
                whole += 1
            except DFSError:
                refused += 1
    finally:
        done.set()
        thread.join()
    assert whole + refused > 20
    assert refused


WRITE = """
import sys
from dfs_store.errors import DFSError
from tests.format.making import content
sys.stdin.read(1)
try:
    content(seed=int(sys.argv[2])).write(sys.argv[1])
except DFSError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("suffix", [".zarr", ".zarr.zip", ".h5"])
def test_one_of_six_concurrent_writers_wins(tmp_path, suffix):
    path = tmp_path / f"s{suffix}"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, path, str(seed)],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for seed in range(6)
    ]
    for writer in writers:
        writer.stdin.write(b"x")
        writer.stdin.flush()
    said = [writer.communicate(timeout=60)[1] for writer in writers]
    won = [seed for seed, writer in enumerate(writers) if writer.returncode == 0]
    assert len(won) == 1, said
    assert all(str(path).encode() in each for seed, each in enumerate(said) if seed not in won), said
    assert list(verify(path)) == []
    with open_store(path) as store:
        assert store.attributes["provenance"]["seed"] == won[0]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_no_duration_is_measured_with_a_clock_that_can_be_set():
    root = Path(dfs_store.__file__).parent
    wrong = [path for path in root.rglob("*.py") if re.search(r"\btime\.time(_ns)?\(", path.read_text())]
    assert wrong == []
