"""Runs that are killed or paused, and continue with a different number of threads."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dfs_store import open_store
from dfs_store.condense.runtime.checkpoint import checkpoint_path

ITERATIONS = 12
COMMAND = (
    "condense", "--dataset", "moving-shapes", "--classes", "still,fast", "--frames", "4", "--size", "43",
    "--vpc", "1", "--batch-real", "2", "--device", "cpu", "--iterations", str(ITERATIONS),
    "--checkpoint-every", "1", "--initial-key-frames", "2",
)  # fmt: skip


def start(out, threads, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "dfs_store.cli", *COMMAND, "--out", out, *words],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def until_saved(process, out):
    """Waits until the run has saved its first checkpoint."""
    while not checkpoint_path(out).exists():
        assert process.poll() is None
        time.sleep(0.002)


def arrays(path):
    with open_store(path) as store:
        clips = range(len(store))
        return [store.key_frames(clip) for clip in clips], [store.positions(clip) for clip in clips]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "s.zarr"
    process = start(out, 1)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    return arrays(out)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_killed_run_continues_with_a_different_number_of_threads(tmp_path, whole, threads):
    out = tmp_path / "s.zarr"
    killed = start(out, 1)
    until_saved(killed, out)
    killed.kill()
    killed.communicate()
    assert not out.exists()
    resumed = start(out, threads, "--resume")
    _, said = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, said
    found = arrays(out)
    for (frames, positions), (wanted, wanted_positions) in zip(
        zip(*found, strict=True), zip(*whole, strict=True), strict=True
    ):
        np.testing.assert_array_equal(positions, wanted_positions)
        if threads == 1:
            np.testing.assert_array_equal(frames, wanted)
        else:  # a different order of sums
            np.testing.assert_allclose(frames, wanted, atol=1e-4)


def test_pausing_a_run_does_not_change_it(tmp_path, whole):
    out = tmp_path / "s.zarr"
    process = start(out, 1)
    until_saved(process, out)
    for _ in range(2):
        process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    for one, other in zip(arrays(out), whole, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
