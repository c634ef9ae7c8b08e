"""Measures the time of a DFSLoader batch against a plain copy of the same dense bytes, and its memory.

    python benchmarks/loading.py [--size 64] [--threads 2] [--rounds 8] [--device cuda]

64 clips of 3x16x112x112, shuffled, from a store with two to five key frames per clip. Both are measured in
turn in one process, with warm buffers; medians are printed. A ratio above 1 means that rebuilding a batch is
faster than copying it would be. Memory is the growth of the process from opening the store to the end of the
measurement, minus the benchmark's own two dense batches. Its limit is the key frames and three batches. On a
GPU, the measurement waits for both, and memory is torch's peak.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from stores import write_store

from dfs_store import DFSDataset, DFSLoader

NUM_CLIPS, BATCH_SIZE, NUM_FRAMES = 256, 64, 16


def held_bytes(device):
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


def seconds(action, device):
    start = time.perf_counter()
    kept = action()  # as a caller keeps a batch while it is used
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    del kept
    return time.perf_counter() - start


def measure(loader, dense, target, rounds):
    batches, copies = [], []
    for _ in range(rounds):
        iterator = iter(loader)
        for _ in range(len(loader)):
            batches.append(seconds(lambda: next(iterator), loader.device))  # noqa: B023 - called at once
            copies.append(seconds(lambda: target.copy_(dense), loader.device))
    # The first epoch warms up memory and checks the store's checksums.
    warm = len(loader)
    return statistics.median(batches[warm:]), statistics.median(copies[warm:])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=112, help="height and width")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=8, help="epochs, the first of which is not counted")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    arguments = parser.parse_args()
    device = arguments.device
    torch.set_num_threads(arguments.threads)
    shape = (3, arguments.size, arguments.size)
    dense = torch.randn(BATCH_SIZE, 3, NUM_FRAMES, *shape[1:], device=device)
    target = torch.empty_like(dense).copy_(dense)
    print(f"{BATCH_SIZE} clips of {NUM_FRAMES} frames {shape}, {torch.get_num_threads()} threads, {device}")
    for dtype in ("float32", "float16", "uint8"):
        for in_memory in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "store.zarr"
                write_store(path, NUM_CLIPS, NUM_FRAMES, shape, dtype)
                before = held_bytes(device)
                dataset = DFSDataset(path, in_memory=in_memory)
                loader = DFSLoader(dataset, BATCH_SIZE, shuffle=True, device=device)
                batch, copy = measure(loader, dense, target, arguments.rounds)
                grown = held_bytes(device) - before
                table = dataset.key_frame_table
                limit = 3 * dense.nbytes + (0 if table is None else table.frames.nbytes)
            place = "memory" if in_memory else "disk"
            print(
                f"{dtype:>8} from {place:<6}: batch {batch * 1e3:6.1f} ms, copy {copy * 1e3:6.1f} ms, "
                f"ratio {copy / batch:.2f}; memory {grown / 2**20:.0f} MiB, "
                f"{grown / limit:.2f} of its limit"
            )
            del dataset, loader, table
    return 0


if __name__ == "__main__":
    sys.exit(main())
