"""Calibrates insertion: records a run once, then replays rules of insertion on the record.

    python benchmarks/insertion_calibration.py record run.npz --vpc 1 --lr 30 --init real --iterations 400
    python benchmarks/insertion_calibration.py replay run.npz --insert-every 0 0.05 0.25 --evidence last mean
    python benchmarks/insertion_calibration.py positions a.zarr b.zarr

`record` runs DFS without insertion and keeps, for every step and clip, the dot products (T, T) between the
gradients of all rendered frames. They give the cosines of all candidates, in both readings of a key frame's
gradient and between any key frames. A record that was stopped goes on from where it was last saved. With
`--networks M`, each `--networks-every`-th step also keeps the dot products of gradients that are summed over
1, 2, 4 .. M extra networks, each with real batches of its own.

`replay` applies rules to the insertion phase. Up to the first insertion into a clip, this is what a run
does. After it, it is an approximation: the clip's neighbours change as they would, but its gradients remain
those of the recorded run, in which no clip changes. So the table gives the share of clips with at least one
insertion, and the number of all insertions under this approximation.

`positions` reads finished stores. It compares the positions of inserted key frames with the error of the
real clips of each class against linear interpolation between their first and last frames.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from dfs_store import condense, open_videos
from dfs_store.condense.checkpoint import key_frame_state, restore_key_frames
from dfs_store.condense.device import resolve_device
from dfs_store.condense.initialise import initial_key_frames
from dfs_store.condense.insertion import gradient_dots
from dfs_store.condense.matching import class_means, match
from dfs_store.condense.methods.dfs import checked_network, clips_at_a_time
from dfs_store.condense.randomness import Purpose, torch_generator
from dfs_store.condense.real_clips import RealClips
from dfs_store.condense.steps import reproducible_float32

OTHER_SEED = 1_000_003  # of the extra networks, so that none is that of a step


class Recorder:
    """A run of DFS without insertion, one step after the other.

    Args:
        config: resolved settings.
        videos: the real clips.
        groups: the key frames.
        batch_extra: real clips per class for the extra networks.
    """

    def __init__(self, config, videos, groups, batch_extra):
        self.groups, device = groups, resolve_device(config.device)
        self.network, kernels = checked_network(config, videos, device)
        self.config = kernels.config(config)
        self.at_a_time = clips_at_a_time(config, videos, device)
        self.real = RealClips(videos, config.batch_real, config.seed, device)
        self.other_real = RealClips(videos, batch_extra, config.seed + OTHER_SEED, device)

    def gradients(self, real, seed, number):
        """Yields chunk, loss and gradient of all key frames with a fresh network, as the loop does."""
        device = next(self.network.parameters()).device
        self.network.reset(torch_generator(seed, Purpose.NETWORK, number, device=device))
        batches = real.batches(number)
        means = class_means(self.network, batches, precision=self.config.precision, at_a_time=self.at_a_time)
        for group in self.groups:
            yield from match(self.network, group, means, 0, self.at_a_time)

    def step(self, step):
        """Takes a step; returns its loss and the dot products (N, T, T) float32 from before it."""
        loss, dots = 0.0, []
        for chunk, part, gradient in self.gradients(self.real, self.config.seed, step):
            loss += part
            dots.append(gradient_dots(gradient).float().cpu())
            chunk.step(chunk.pull_back(gradient), lr=self.config.lr, momentum=self.config.momentum)
        return loss, torch.cat(dots).numpy()

    def extra(self, step, counts):
        """Returns (len(counts), N, T, T) float32, the dot products of gradients summed over networks."""
        total, found = None, []
        for number in range(counts[-1]):
            seed, draw = self.config.seed + OTHER_SEED, step * counts[-1] + number
            parts = [gradient for _, _, gradient in self.gradients(self.other_real, seed, draw)]
            total = parts if total is None else [a + b for a, b in zip(total, parts, strict=True)]
            if number + 1 in counts:
                found.append(torch.cat([gradient_dots(gradient).float().cpu() for gradient in total]).numpy())
        return np.stack(found)


def save(path, header, arrays):
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, header=np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8), **arrays)
    os.replace(partial, path)


def load(path):
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(bytes(arrays.pop("header"))), arrays


def recorded_settings(arguments):
    """Returns the settings of the recorded run and its real clips."""
    names = ("dataset", "root", "vpc", "frames", "size", "lr", "momentum", "batch_real", "init", "iterations",
             "seed", "initial_key_frames", "warmup", "cooldown", "device")  # fmt: skip
    given = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    config = condense.CondenseConfig(out="unused.zarr", insertion=False, **given).resolved()
    videos = open_videos(config.dataset, config.root, frames=config.frames, size=config.size)
    return config, videos


def record(arguments):
    config, videos = recorded_settings(arguments)
    groups = initial_key_frames(config, videos, resolve_device(config.device))
    num_clips, num_frames = len(videos.classes) * config.vpc, videos.num_frames
    counts = [2**k for k in range(20) if 2**k <= arguments.networks]
    header = {
        "settings": config.provenance(),
        "classes": list(videos.classes),
        "num_frames": num_frames,
        "networks": counts,
        "networks_every": arguments.networks_every,
        "networks_batch_real": arguments.networks_batch_real or config.batch_real,
    }
    arrays = {
        "dots": np.zeros((config.iterations, num_clips, num_frames, num_frames), np.float32),
        "losses": np.zeros(config.iterations),
        "positions": groups[0][0].clip_positions(0),
        "labels": np.concatenate([chunk.labels for group in groups for chunk in group]),
    }
    if counts:
        rows = -(-config.iterations // arguments.networks_every)
        arrays["extra"] = np.zeros((rows, len(counts), num_clips, num_frames, num_frames), np.float32)
    first = 0
    if arguments.record.exists():
        there, found = load(arguments.record)
        first = there.pop("step")
        if there != header:
            sys.exit(f"{arguments.record} is of other settings: {there}; this run has {header}")
        restore_key_frames(
            arguments.record, {n[6:]: a for n, a in found.items() if n[:6] == "state-"}, groups
        )
        arrays = {name: found[name] for name in arrays}
    run = Recorder(config, videos, groups, header["networks_batch_real"])
    started = time.monotonic()
    with reproducible_float32(), run.real, run.other_real:
        for step in range(first, config.iterations):
            if counts and step % arguments.networks_every == 0:
                arrays["extra"][step // arguments.networks_every] = run.extra(step, counts)
            arrays["losses"][step], arrays["dots"][step] = run.step(step)
            if (step + 1) % arguments.save_every == 0 or step + 1 == config.iterations:
                state = {f"state-{name}": array for name, array in key_frame_state(groups).items()}
                save(arguments.record, {**header, "step": step + 1}, {**arrays, **state})
                rate = (step + 1 - first) / (time.monotonic() - started)
                print(f"step {step + 1}: loss {arrays['losses'][step]:.4f}, {rate:.2f} steps/s", flush=True)


def add_record(commands):
    parser = commands.add_parser("record", help="run DFS without insertion, keep dot products of gradients")
    parser.add_argument("record", type=Path, metavar="RECORD.npz")
    parser.add_argument("--dataset", default="stick-figures")
    parser.add_argument("--root")
    parser.add_argument("--init", choices=["noise", "real"])
    for name in ("frames", "size", "batch-real", "iterations"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("lr", "momentum", "warmup", "cooldown"):
        parser.add_argument(f"--{name}", type=float)
    for name, default in (("vpc", 1), ("seed", 0), ("initial-key-frames", 2), ("save-every", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--networks", type=int, default=0, metavar="M", help="extra networks")
    parser.add_argument("--networks-every", type=int, default=25, metavar="STEPS")
    parser.add_argument("--networks-batch-real", type=int, metavar="N", help="default: as --batch-real")
    parser.set_defaults(run=record)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    add_record(commands)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
