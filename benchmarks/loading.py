"""How long a batch of DFSLoader takes, beside a plain copy of the same dense bytes.

    python benchmarks/loading.py

64 clips of 3x16x112x112, shuffled, from a store of two to five key frames per clip. Both are measured in
turns in one process, between warm buffers; medians. A ratio above 1 means that rebuilding a batch is
faster than copying it would be.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from dfs_store import DFSDataset, DFSLoader, StoreWriter

NUM_CLIPS, BATCH_SIZE, NUM_FRAMES, SHAPE = 256, 64, 16, (3, 112, 112)
ROUNDS = 8


def write_store(path, dtype):
    rng = np.random.default_rng(0)
    settings = {"num_frames": NUM_FRAMES, "frame_shape": SHAPE, "class_names": ["one"], "dtype": dtype}
    with StoreWriter(path, **settings) as writer:
        for count in rng.choice([2, 3, 4, 5], NUM_CLIPS, p=[0.4, 0.35, 0.2, 0.05]):
            inner = rng.choice(np.arange(1, NUM_FRAMES - 1), count - 2, replace=False)
            positions = np.sort([0, *inner, NUM_FRAMES - 1])
            writer.append(rng.standard_normal((count, *SHAPE)).astype(np.float32), positions, 0)


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(loader):
    dense = torch.randn(BATCH_SIZE, SHAPE[0], NUM_FRAMES, *SHAPE[1:])
    target = torch.empty_like(dense)
    batches, copies = [], []
    for _ in range(ROUNDS):
        iterator = iter(loader)
        for _ in range(len(loader)):
            batches.append(seconds(lambda: next(iterator)))  # noqa: B023 - called at once
            copies.append(seconds(lambda: target.copy_(dense)))
    # The first epoch warms up memory and checks the store's checksums.
    warm = len(loader)
    return statistics.median(batches[warm:]), statistics.median(copies[warm:])


def main():
    print(f"{BATCH_SIZE} clips of {NUM_FRAMES} frames {SHAPE}, {torch.get_num_threads()} threads")
    for dtype in ("float32", "float16", "uint8"):
        for in_memory in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "store.zarr"
                write_store(path, dtype)
                dataset = DFSDataset(path, in_memory=in_memory)
                batch, copy = measure(DFSLoader(dataset, BATCH_SIZE, shuffle=True))
            place = "memory" if in_memory else "disk"
            print(
                f"{dtype:>8} from {place:<6}: batch {batch * 1e3:6.1f} ms, copy {copy * 1e3:6.1f} ms, "
                f"ratio {copy / batch:.2f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
