"""Measures how dtype, container and compression affect a store: bytes, error and loading time.

    python benchmarks/choosing_bytes.py STORE [ROUNDS]

Writes the store in every way into a temporary folder. The error is that of the clips that a dataset returns,
in standard deviations of the store's values. A batch of clips is read from disk and rebuilt, all ways in
turn, and medians are compared with float32 in Zarr.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dfs_store import DFSDataset, StoreWriter, open_store

WAYS = [
    (dtype, suffix, compression)
    for suffix, compression in ((".zarr", None), (".h5", None), (".zarr", "zstd"), (".h5", "gzip"))
    for dtype in ("float32", "float16", "uint8")
]
CLIPS_AT_A_TIME = 16


def write(source, target, dtype, compression):
    with StoreWriter(
        target,
        num_frames=source.num_frames,
        frame_shape=source.frame_shape,
        class_names=source.class_names,
        dtype=dtype,
        compression=compression,
        attributes={"normalization": source.attributes.get("normalization")},
    ) as writer:
        for clip, label in enumerate(source.labels):
            writer.append(source.key_frames(clip), source.positions(clip), int(label))


def on_disk(path):
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")))


def seconds(dataset):
    """Reads and rebuilds the first clips from disk; checksums have been compared before."""
    started = time.perf_counter()
    dataset.__getitems__(range(min(CLIPS_AT_A_TIME, len(dataset))))
    return time.perf_counter() - started


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    with tempfile.TemporaryDirectory() as name, open_store(sys.argv[1]) as source:
        dense = source.storage.dense_bytes
        reference = np.stack([source.clip(clip) for clip in range(len(source))])
        deviation = reference.std()
        datasets, rows = [], []
        for number, (dtype, suffix, compression) in enumerate(WAYS):
            path = Path(name) / f"{number}{suffix}"
            write(source, path, dtype, compression)
            dataset = DFSDataset(path, in_memory=False, layout="TCHW")
            datasets.append(dataset)
            clips = np.stack([dataset[clip][0].numpy() for clip in range(len(dataset))])
            error = np.sqrt(np.mean((clips - reference) ** 2)) / deviation
            rows.append((dtype, suffix, compression or "none", on_disk(path), error))
        times = [[] for _ in datasets]
        for _ in range(rounds + 1):
            for spent, dataset in zip(times, datasets, strict=True):
                spent.append(seconds(dataset))
    medians = [statistics.median(spent[1:]) for spent in times]
    print("| dtype | container | compression | MiB | % of dense | rms error | time to load |")
    print("|---|---|---|---|---|---|---|")
    for (dtype, suffix, compression, size_bytes, error), median in zip(rows, medians, strict=True):
        size = f"{size_bytes / 2**20:.2f} | {100 * size_bytes / dense:.1f}"
        print(f"| {dtype} | `{suffix}` | {compression} | {size} | {error:.1e} | {median / medians[0]:.2f} |")


if __name__ == "__main__":
    main()
