"""Damages stores at random, in every container and compression, and reports how readers react.

    python benchmarks/damage_campaign.py [--damages 10000] [--seed 0] [--stores coded-] [--keep FOLDER]

Every damage must be rejected with one of the library's errors, or be harmless. Otherwise, the exit code is 1,
and `--keep` copies the affected stores. `--stores` selects stores by the start of their names, by default all
archived ones. Each damage takes about 15 ms per core.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.attacks.campaign import STORES, run_campaign


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--damages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stores", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    slowest = []

    def part(first):
        return run_campaign(
            range(first, options.damages, options.jobs),
            seed=options.seed,
            keep=options.keep,
            stores=[store for store in STORES if store.name.startswith(options.stores)],
            on_progress=lambda number, kind, seconds: slowest.append((seconds, number)),
        )

    start = time.perf_counter()
    with ThreadPoolExecutor(options.jobs) as pool:
        parts = list(pool.map(part, range(options.jobs)))
    counts = sum((counts for counts, _ in parts[1:]), parts[0][0])
    findings = [line for _, lines in parts for line in lines]
    seconds, number = max(slowest)
    print(
        f"{counts.total():,} damages of seed {options.seed} in {time.perf_counter() - start:.0f} s: ", end=""
    )
    print(", ".join(f"{count:,} {kind}" for kind, count in counts.most_common()))
    print(f"slowest: damage {number}, {seconds:.2f} s")
    print(*findings, sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
