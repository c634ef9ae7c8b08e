"""Processes share the classes. If one dies, the run ends, and can continue on more or fewer processes."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time

import numpy as np

from dfs_store import open_store

RUN = shlex.split(
    "condense --dataset moving-shapes --vpc 1 --frames 6 --size 43 --classes fast,slow,still --iterations 12 "
    "--batch-real 2 --device cpu --seed 3 --checkpoint-every 1 "
    "--insert-every 0.5 --evidence mean --epsilon 0.3 --out"
)
# One thread each, since their number can change the last bit of a convolution.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(num_processes, out, *flags):
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_processes}"]
    command = [
        sys.executable,
        *(several if num_processes else []),
        "-m",
        "dfs_store.cli",
        *RUN,
        str(out),
        *flags,
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT
    )


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def test_a_single_process_prints_even_if_a_rank_is_set(dfs, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "3")  # a scheduler's
    monkeypatch.setenv("LOCAL_RANK", "1")
    random = ["--dataset", "moving-shapes", "--vpc", "1", "--method", "random", "--classes", "fast,slow"]
    outcome = dfs("condense", *random, "--out", tmp_path / "random.zarr")
    assert outcome.code == 0
    assert "random.zarr: 16 key frames" in outcome.stdout


def test_a_run_on_two_processes_dies_and_continues_on_three(tmp_path):
    out = tmp_path / "together.zarr"
    checkpoint = tmp_path / "together.zarr.checkpoint.npz"
    run = start(2, out)
    deadline = time.monotonic() + 120
    while not checkpoint.exists():
        assert run.poll() is None, run.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(children_of(run.pid)[-1], signal.SIGKILL)
    said = run.communicate(timeout=120)[0]
    assert run.returncode != 0
    assert re.search(r"dfs: another process of this run ended early .* --resume", said)
    assert not out.exists()
    assert checkpoint.exists()
    again = start(3, out, "--resume")
    said = again.communicate(timeout=240)[0]
    assert again.returncode == 0, said
    assert len(re.findall(r"together\.zarr: .* key frames", said)) == 1  # only one of them prints
    assert not checkpoint.exists()
    plain = start(0, tmp_path / "alone.zarr")
    said = plain.communicate(timeout=120)[0]
    assert plain.returncode == 0, said
    with open_store(out) as together, open_store(tmp_path / "alone.zarr") as alone:
        num_key_frames = int(alone.offsets[-1])
        assert np.array_equal(together.offsets, alone.offsets)
        assert np.array_equal(together.all_positions, alone.all_positions)
        assert np.array_equal(
            together.stored_frames(0, num_key_frames), alone.stored_frames(0, num_key_frames)
        )
        assert together.attributes["provenance"]["config"] == alone.attributes["provenance"]["config"]
