"""Measures DFS steps per second on one process, and on several that share classes and cores.

    python benchmarks/ranks.py [--ranks 1 2] [--steps 6] [--batch-real 64]

moving-shapes, 6 classes of 8x64x64, VPC 1. The machine's cores are divided equally. On GPUs, set --device
cuda, and every process uses its own. The stores must contain equal arrays, unless the number of threads
changes a sum (which it may, in the last bit).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from dfs_store import open_store


def steps_per_second(ranks, out, arguments):
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command = [sys.executable, *(several if ranks > 1 else []), "-m", "dfs_store.cli", "condense"]
    command += [
        "--dataset",
        "moving-shapes",
        "--frames",
        "8",
        "--size",
        "64",
        "--vpc",
        "1",
        "--out",
        str(out),
    ]
    command += ["--iterations", str(arguments.steps), "--batch-real", str(arguments.batch_real)]
    command += ["--device", arguments.device, "--json", "-q"]
    threads = str(max(1, len(os.sched_getaffinity(0)) // ranks))
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout)["steps_per_second"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch-real", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    first = None
    with tempfile.TemporaryDirectory() as name:
        for ranks in arguments.ranks:
            out = Path(name) / f"{ranks}.zarr"
            pace = steps_per_second(ranks, out, arguments)
            with open_store(out) as store:
                frames = np.array(store.stored_frames(0, int(store.offsets[-1])))
            first = (pace, frames) if first is None else first
            same = frames.shape == first[1].shape and np.allclose(frames, first[1], rtol=1e-4, atol=1e-4)
            print(
                f"{ranks} processes: {pace:.3f} steps per second, {pace / first[0]:.2f} times "
                f"{arguments.ranks[0]}'s; arrays {'agree' if same else 'DIFFER'}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
