"""Counts the GPU operations of a DFS step on a simulated GPU (tests/pretend_cuda.py).

    python benchmarks/device_work.py [--classes 50 --frames 4 --size 43] [--lines]

Prints synchronisations, copies and kernels per step with 50 classes, as in MiniUCF: with the real clips on
the device or streamed, with key frames on the device or in host memory, without and with an insertion test,
and for static-dynamic. The clips are small, but the numbers do not depend on their size as long as all clips
fit on the device.
"""

import argparse
import sys
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from dfs_store.condense import CondenseConfig
from dfs_store.condense.events import StepDone
from tests.condense.many_classes import many_classes
from tests.pretend_cuda import pretended_cuda

ENGINE = "dfs_store.condense.engine"


def counted(options, videos, place, lines):
    """Prints the work of the last step of a run."""
    with pretended_cuda() as work:
        found = {}

        def tell(event):
            if isinstance(event, StepDone):
                found.update(work.numbers(), waited=dict(work.waited_at.most_common(12)))
                found["names"] = dict(work.kernel_names.most_common(12))
                work.reset()

        config = CondenseConfig(
            out="/tmp/never.zarr",
            dataset="moving-shapes",
            iterations=2,
            lr=1.0,
            batch_real=3,
            device="cuda",
            **options,
        ).resolved()
        config.record.run(config, videos, tell)
    numbers = ", ".join(f"{name} {found[name]}" for name in ("synchronisations", "copies", "kernels"))
    print(f"{place}: {numbers}")
    if lines:
        print("   ", found["waited"])
        print("   ", found["names"])


def main():
    """Prints all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--size", type=int, default=43)
    parser.add_argument("--lines", action="store_true", help="also print the lines that wait")
    given = parser.parse_args()
    videos = many_classes(given.classes, frames=given.frames, size=given.size)
    streamed = patch(f"{ENGINE}.real_clips.real_clips_fit", lambda *_: False)
    hosted = patch(f"{ENGINE}.initialise.KEY_FRAME_SHARE", 0.0)
    quiet = {"method": "dfs", "insertion": False}
    tests = {"method": "dfs", "epsilon": 2.0, "warmup": 0.0, "cooldown": 0.0}
    for vpc in (1, 5):
        counted({**quiet, "vpc": vpc}, videos, f"dfs, VPC {vpc}", given.lines)
        counted({**tests, "vpc": vpc}, videos, f"dfs, VPC {vpc}, insertion", given.lines)
    with streamed:
        counted({**quiet, "vpc": 1}, videos, "dfs, VPC 1, streamed", given.lines)
    with hosted:
        counted({**tests, "vpc": 1}, videos, "dfs, VPC 1, insertion, key frames in host memory", given.lines)
    memories = {"method": "static-dynamic", "vpc": 1, "static_iterations": 1}
    counted(memories, videos, "static-dynamic, VPC 1", given.lines)


if __name__ == "__main__":
    main()
