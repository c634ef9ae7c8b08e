"""Measures the accuracy of a DFS run on moving-shapes by number of steps, against random real clips.

One run is stopped at the given steps. ConvNet3D is trained from scratch (protocol `paper`) on the clips at
each of these steps, and on the clips of random stores with different seeds, and is tested on the test part.

    python benchmarks/accuracy_against_steps.py --steps 100 200 400 --runs 5 --epochs 100 --random-seeds 3
"""

import argparse
import tempfile
import time
from pathlib import Path

from dfs_store import condense, evaluate, open_videos
from dfs_store.errors import DivergedError


def settings(arguments, out, **changes):
    given = {
        "out": str(out), "dataset": "moving-shapes", "vpc": arguments.vpc, "seed": arguments.seed,
        "iterations": max(arguments.steps), "lr": arguments.lr, "batch_real": arguments.batch_real,
        "init": arguments.init, "initial_key_frames": arguments.initial_key_frames, "overwrite": True,
    }  # fmt: skip
    return condense.CondenseConfig(**{**given, **changes})


def score(store, test, arguments):
    how = evaluate.EvaluationSettings(runs=arguments.runs, epochs=arguments.epochs)
    try:
        result = evaluate.evaluate(evaluate.StoreClips(store), test, how)
    except DivergedError as error:  # counted, not dropped: training on a few clips can diverge
        return f"diverged ({error})"
    return f"{result.top1}  runs " + ", ".join(f"{run:.1f}" for run in result.top1.runs)


def snapshots(videos, arguments, folder):
    """Yields (steps, store) along one run: a copy of its key frames after each of the given steps."""
    from dfs_store.condense.engine.initialise import initial_key_frames
    from dfs_store.condense.engine.loop import dfs_loop
    from dfs_store.condense.engine.real_clips import RealClips
    from dfs_store.condense.engine.real_starts import real_starts
    from dfs_store.condense.methods.dfs import frozen_network, trained_clips
    from dfs_store.condense.runtime.device import resolve_device
    from dfs_store.format import StoreWriter

    config = settings(arguments, folder / "unused.zarr").resolved()
    device = resolve_device("auto")
    groups = initial_key_frames(config, videos, device, real_starts(config, videos, device))
    with RealClips(videos, config.batch_real, config.seed, device) as real:
        for event in dfs_loop(config, real, frozen_network(videos, device), groups):
            if event.step + 1 not in arguments.steps:
                continue
            store = folder / f"after-{event.step + 1}.zarr"
            with StoreWriter(
                store,
                num_frames=videos.num_frames,
                frame_shape=videos.frame_shape,
                class_names=videos.classes,
                attributes={"normalization": videos.normalization},
            ) as writer:
                for clip in trained_clips(groups):
                    writer.append(*clip)
            yield event, store


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--vpc", type=int, default=1)
    parser.add_argument("--lr", type=float, default=8.0)
    parser.add_argument("--batch-real", type=int, default=8)
    parser.add_argument("--init", choices=["noise", "real", "herding"], default="noise")
    parser.add_argument("--initial-key-frames", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--random-seeds", type=int, default=3)
    arguments = parser.parse_args()
    videos, test = (open_videos("moving-shapes", split=split) for split in ("train", "test"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(arguments.random_seeds):
            store = folder / f"random-{seed}.zarr"
            condense.condense(settings(arguments, store, method="random", seed=seed), videos)
            print(f"random, seed {seed}: {score(store, test, arguments)}", flush=True)
        started = time.monotonic()
        for event, store in snapshots(videos, arguments, folder):
            seconds = time.monotonic() - started
            keys = event.num_key_frames / (arguments.vpc * len(videos.classes))
            print(
                f"dfs, {event.step + 1} steps ({seconds:.0f} s, tests included): "
                f"{score(store, test, arguments)}  loss {event.loss:.3f}  {keys:.2f} key frames per clip",
                flush=True,
            )


if __name__ == "__main__":
    main()
