"""Measures the memory of a loader after each of many epochs, like a short day of training.

`python -m tests.loaders.flat_memory STORE KIND EPOCHS` runs in a new process, where nothing else
moves the memory; KIND is loader (DFSLoader), or plain, workers, packed, failing, failing-workers (torch's
DataLoader, the last two with a transform that fails in every epoch).
"""

import gc
import json
import os
import subprocess
import sys
from collections import deque
from pathlib import Path

import torch

from dfs_store import DFSDataset, DFSLoader

KEPT = 4  # batches that the training keeps
BATCH = 16


def private_bytes(pid="self"):
    """Returns a process's private memory, without the store's pages and shared libraries."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(
        int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))
    )


def measured(module, *words):
    """Runs a module of measurements in a new process, and returns the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def children():
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


class Failing:
    """A transform that raises for every 40th clip, with an error that refers to the clip."""

    def __init__(self):
        self.calls = 0

    def __call__(self, clip):
        self.calls += 1
        if self.calls % 40 == 0:
            raise FloatingPointError("no such clip", clip)
        return clip


def batches_of(kind, dataset):
    """Returns a function that makes an iterator over one epoch of batches."""
    if kind == "loader":
        return DFSLoader(dataset, BATCH, shuffle=True, seed=0, horizontal_flip=0.5)
    workers = 0 if kind in ("plain", "failing") else 2
    source = dataset.packed() if kind == "packed" else dataset
    return torch.utils.data.DataLoader(
        source, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )


def measure(path, kind, epochs):
    """Returns the private bytes of this process and of its workers after each epoch."""
    torch.set_num_threads(1)
    dataset = DFSDataset(path, transform=Failing() if "failing" in kind else None)
    batches, kept, seen = batches_of(kind, dataset), deque(maxlen=KEPT), []
    failures = 0
    rebuild = dataset.packed().rebuild if kind == "packed" else lambda batch: batch
    for _ in range(epochs):
        try:
            for batch in batches:
                kept.append(rebuild(batch))
        except FloatingPointError:
            failures += 1
        gc.collect()
        seen.append([private_bytes(), sum(map(private_bytes, children()))])
    assert (failures > epochs // 2) == ("failing" in kind), failures
    return seen


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))  # noqa: T201
