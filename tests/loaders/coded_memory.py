"""Measures the memory of a dataset of image files and its workers.

`python -m tests.loaders.coded_memory STORE METHOD WORKERS` loads the store in a new process and starts
workers by "fork", "forkserver" or "spawn"; it prints JSON (see `measure`).
"""

import json
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from dfs_store import DFSDataset
from tests.loaders.flat_memory import private_bytes


def peak_bytes():
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) * 1024


def proportional_bytes(pid="self"):
    """Returns the memory of a process; shared pages are divided by the number of processes sharing them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def measure(path, method, num_workers):
    """Returns sizes in bytes: the table, the peak while loading, each worker's private memory, and all."""
    torch.set_num_threads(1)
    before = peak_bytes()
    dataset = DFSDataset(path, num_frames=1)
    loading = peak_bytes() - before
    loader = DataLoader(
        dataset, 1, num_workers=num_workers, multiprocessing_context=method, persistent_workers=True
    )
    batches = iter(loader)
    for _ in range(2 * num_workers):
        next(batches)
    workers = [
        worker.pid for worker in batches._workers
    ]  # children() would include multiprocessing's helper processes
    return {
        "table": dataset.key_frame_table.frames.nbytes,
        "loading": loading,
        "private": [private_bytes(pid) for pid in workers],
        "together": proportional_bytes() + sum(map(proportional_bytes, workers)),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))  # noqa: T201
