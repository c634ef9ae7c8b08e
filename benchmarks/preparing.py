"""Measures how decoding scales with worker processes and with concurrent shards.

    python benchmarks/preparing.py --dataset ucf101 --root ../shared/data/ucf101-10 [--workers 1 2]

Every way prepares the training part into its own cache, in turn, from files in the page cache. The time is
that of `prepare` alone, without the start of Python, and the best of all rounds is printed.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from dfs_store.videos.cache.prepare import prepare, prepare_shard
from dfs_store.videos.cache.shards import Shard
from dfs_store.videos.opening import describe, find_clips, resolve_sampling


def seconds(action):
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        action(cache)
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--root")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    found = find_clips(arguments.dataset, arguments.root, "train")
    sampling = resolve_sampling(describe(arguments.dataset))
    how = {"dataset": arguments.dataset, "split": "train"}

    def whole(workers):
        return lambda cache: prepare(found, sampling, workers=workers, cache_dir=cache, **how)

    def two_shards(cache):
        def one(number):
            return prepare_shard(found, sampling, Shard(number, 2), workers=1, cache_dir=cache, **how)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, (1, 2)))

    ways = {f"{workers} workers": whole(workers) for workers in arguments.workers}
    ways["2 shards of 1 worker"] = two_shards
    seconds(two_shards)  # warms the page cache
    times = {name: min(seconds(way) for _ in range(arguments.rounds)) for name, way in ways.items()}
    first = next(iter(times.values()))
    for name, elapsed in times.items():
        pace, gain = len(found.clips) / elapsed, first / elapsed
        print(f"{name:<22} {elapsed:6.1f} s, {pace:6.1f} clips per second, {gain:.2f} times the first")
    return 0


if __name__ == "__main__":
    sys.exit(main())
