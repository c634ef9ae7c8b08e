"""How decoding scales with worker processes, and what two shards at once gain.

    python benchmarks/preparing.py --dataset ucf101 --root ../shared/data/ucf101-10 [--workers 1 2]

Every way prepares the training part into a cache of its own, in turn; each starts from files in the page cache.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

DFS = (sys.executable, "-m", "dfs_store.cli", "datasets", "prepare")


def seconds(commands):
    start = time.perf_counter()
    running = [subprocess.Popen([*DFS, *words], stdout=subprocess.DEVNULL) for words in commands]
    assert [process.wait() for process in running] == [0] * len(running)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--root")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    common = [
        arguments.dataset,
        *(["--root", arguments.root] if arguments.root else []),
        "--part",
        "train",
        "-q",
    ]
    ways = {f"{n} workers": [[*common, "--workers", str(n)]] for n in arguments.workers}
    ways["2 shards of 1 worker"] = [[*common, "--workers", "1", "--shard", f"{n}/2"] for n in (1, 2)]
    first = None
    for name, commands in {"warming the page cache": ways["2 shards of 1 worker"], **ways}.items():
        with tempfile.TemporaryDirectory() as cache:
            os.environ["DFS_CACHE"] = cache
            elapsed = seconds(commands)
        if name in ways:
            first = first or elapsed
            print(f"{name:<22} {elapsed:7.1f} s, {first / elapsed:.2f} times the first", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
