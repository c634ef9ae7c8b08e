"""Eight processes with four threads each read a store while it is verified and copied.

Every clip is compared.

    python benchmarks/load.py [--seconds 60] [--processes 8] [--threads 4]

Runs for each container and dtype, with fork and with spawn. The exit code is 1 if a clip differs or anything
raises an error.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from stores import write_store

from dfs_store.format import copy_store
from tests.loaders.load import run_load

STORES = [
    ("zarr", "float32", None),
    ("zarr", "uint8", None),
    ("h5", "float16", None),
    ("h5", "uint8", "gzip"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for suffix, dtype, compression in STORES:
            path = Path(folder) / f"{dtype}.{suffix}"
            write_store(path, 200, 8, (3, 32, 32), dtype)
            if compression:
                copy_store(path, path.with_stem("compressed"), compression=compression)
                path = path.with_stem("compressed")
            for start_method in ("fork", "spawn"):
                report = run_load(
                    path,
                    processes=options.processes,
                    threads=options.threads,
                    seconds=options.seconds,
                    start_method=start_method,
                )
                bad += report.different + len(report.errors)
                print(
                    f"{suffix} {dtype} {compression or 'uncompressed'}, {start_method}: {report.batches:,} "
                    f"batches, {report.clips:,} clips compared, {report.different} different; verified "
                    f"{report.verified:,} times, copied {report.copies:,}; {len(report.errors)} errors",
                    flush=True,
                )
                print(*report.errors, sep="\n", end="\n" if report.errors else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
