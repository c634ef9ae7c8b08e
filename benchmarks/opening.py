"""Times opening a store of 20,000 clips and reading a random clip, against numpy, h5py and zarr-python.

    python benchmarks/opening.py [--clips 20000] [--rounds 20]

Opening is compared with reading the same small arrays from .npy files without any checks. Reading a clip
returns its two to five key frames (float32, 3x112x112) as a new NumPy array, from files in the page cache
whose checksums have already been compared (which only the first read does). All take turns in one process,
and medians are printed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import zarr
from stores import write_store

from dfs_store import open_store

ARRAYS = ("positions", "offsets", "labels", "checksums")


def take_turns(actions, rounds, repeats=1):
    """Returns the median seconds of each action, some of each in turn."""
    times = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            for _ in range(repeats):
                action()
            times[name].append((time.perf_counter() - start) / repeats)
    return {name: statistics.median(found[rounds // 4 :]) for name, found in times.items()}


def show(title, times, base):
    print(f"\n{title}")
    for name, elapsed in times.items():
        print(f"  {name:<24} {elapsed * 1e3:9.3f} ms, {elapsed / times[base]:6.2f} times {base}")


def opening(folder, num_clips, rounds):
    for suffix in (".zarr", ".h5"):
        write_store(folder / f"many{suffix}", num_clips, 8, (3, 8, 8))
    group = zarr.open_group(folder / "many.zarr", mode="r")
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", group[name][:])
    actions = {
        "numpy": lambda: [np.load(folder / f"{name}.npy") for name in ARRAYS],
        "open_store, .zarr": lambda: open_store(folder / "many.zarr"),
        "open_store, .h5": lambda: open_store(folder / "many.h5"),
    }
    show(
        f"opening {num_clips:,} clips ({group['positions'].size:,} key frames)",
        take_turns(actions, rounds),
        "numpy",
    )


def random_clip(folder, rounds):
    paths = {suffix: folder / f"few{suffix}" for suffix in (".zarr", ".h5")}
    for path in paths.values():
        write_store(path, 256, 16, (3, 112, 112))
    stores = {suffix: open_store(path) for suffix, path in paths.items()}
    for store in stores.values():
        for clip in range(len(store)):
            store.key_frames(clip)
    offsets = stores[".h5"].offsets
    rng = np.random.default_rng(0)
    with h5py.File(paths[".h5"]) as file:
        through_h5py, through_zarr = (
            file["key_frames"],
            zarr.open_group(paths[".zarr"], mode="r")["key_frames"],
        )

        def some():
            clip = int(rng.integers(256))
            return int(offsets[clip]), int(offsets[clip + 1])

        actions = {
            "dfs_store, .zarr": lambda: stores[".zarr"].key_frames(int(rng.integers(256))),
            "dfs_store, .h5": lambda: stores[".h5"].key_frames(int(rng.integers(256))),
            "h5py": lambda: through_h5py[slice(*some())],
            "zarr-python": lambda: through_zarr[slice(*some())],
        }
        show("a random clip's key frames", take_turns(actions, rounds, 20), "dfs_store, .zarr")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        opening(Path(name), arguments.clips, arguments.rounds)
        random_clip(Path(name), arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
