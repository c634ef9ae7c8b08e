"""Calibrates insertion: records a run once, then replays insertion rules on the record.

    python benchmarks/insertion_calibration.py record run.npz --vpc 1 --lr 30 --init real --iterations 400
    python benchmarks/insertion_calibration.py replay run.npz --insert-every 0 0.05 0.25 --evidence last mean
    python benchmarks/insertion_calibration.py positions a.zarr b.zarr

`record` runs DFS without insertion and keeps, for every step and clip, the dot products (T, T) between the
gradients of all rendered frames. They determine the cosines of all candidates, for both definitions of a key
frame's gradient and between any key frames. A record that was stopped continues from where it was last saved.
With `--networks M`, each `--networks-every`-th step also keeps the dot products of gradients that are summed
over 1, 2, 4 .. M extra networks, each with its own real batches.

`replay` applies rules to the insertion phase. Up to the first insertion into a clip, this is exactly what a
run does. After that, it is an approximation: the clip's neighbours change as in a run, but its gradients
remain those of the recorded run, in which no clip changes. The table therefore shows the share of clips with
at least one insertion, and the number of all insertions under this approximation.

`positions` reads finished stores. It compares the positions of inserted key frames with the error of the
real clips of each class against linear interpolation between their first and last frames: the rank
correlation over classes and positions, and how often it is reached when the positions of each class are
permuted, and when the classes are exchanged (which keeps "in the middle" and changes "of this action").
"""

import argparse
import functools
import itertools
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from insertion_positions import add_positions

from dfs_store import condense, open_videos
from dfs_store.condense.engine.initialise import initial_key_frames
from dfs_store.condense.engine.insertion.evidence import Evidence
from dfs_store.condense.engine.insertion.rule import (
    DEFAULT_EPSILON,
    InsertionRule,
    adjacent_cosines,
    gradient_dots,
)
from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.condense.engine.matching import class_means, match
from dfs_store.condense.engine.randomness import Purpose, torch_generator
from dfs_store.condense.engine.real_clips import RealClips
from dfs_store.condense.engine.real_starts import real_starts
from dfs_store.condense.engine.schedule import Schedule
from dfs_store.condense.methods.dfs import checked_network, clips_at_a_time
from dfs_store.condense.runtime.checkpoint import key_frame_state, restore_key_frames
from dfs_store.condense.runtime.device import resolve_device
from dfs_store.loaders.precision import full_float32

TABLE_2 = (0.4, 1.6)  # insertions per clip at VPC 1 that count as the paper's rate
LEGEND = f"""
every: interval between tests, as a share of the phase
a clip: insertions per clip over the phase, an approximation after a clip's first one;
        * in the range of Table 2, {TABLE_2[0]} to {TABLE_2[1]}
first: % of clips with at least one
qualify: % of clips and tests that would insert if no clip changed
lowest, mean: of the candidates' scores at these tests
step: median of the first insertions; where: their number at positions 1 to T-2"""
OTHER_SEED = 1_000_003  # of the extra networks, so that none is that of a step


class Recorder:
    """A DFS run without insertion, one step after another.

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
        """Takes a step. Returns its loss and the dot products (N, T, T) float32 before the step."""
        loss, dots = 0.0, []
        for chunk, part, gradient in self.gradients(self.real, self.config.seed, step):
            loss += float(part)
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
    device = resolve_device(config.device)
    groups = initial_key_frames(config, videos, device, real_starts(config, videos, device))
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
    with full_float32(), run.real, run.other_real:
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
    parser.add_argument("--init", choices=["noise", "real", "herding"])
    for name in ("--frames", "--size", "--batch-real", "--iterations"):
        parser.add_argument(name, type=int)
    for name in ("--lr", "--momentum", "--warmup", "--cooldown"):
        parser.add_argument(name, type=float)
    for name, default in (("--vpc", 1), ("--seed", 0), ("--initial-key-frames", 2), ("--save-every", 100)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--networks", type=int, default=0, metavar="M", help="extra networks")
    parser.add_argument("--networks-every", type=int, default=25, metavar="STEPS")
    parser.add_argument("--networks-batch-real", type=int, metavar="N", help="default: as --batch-real")
    parser.set_defaults(run=record)


class Record:
    """The insertion phase of a recorded run.

    Args:
        path: path of the record.
        networks: 0 for the run's gradients; otherwise, the number of extra networks over which gradients are
            summed.
    """

    def __init__(self, path, networks=0):
        header, arrays = load(path)
        settings = header["settings"]
        schedule = Schedule(settings["iterations"], settings["warmup"], settings["cooldown"])
        steps = np.arange(header["step"])
        dots = arrays["dots"]
        if networks:
            if networks not in header["networks"]:
                sys.exit(
                    f"{path} was recorded with {header['networks'] or 'no'} extra networks, not {networks}"
                )
            steps = steps[:: header["networks_every"]]
            dots = arrays["extra"][:, header["networks"].index(networks)]
        inserting = [schedule.inserts(int(step)) for step in steps]
        if not any(inserting):
            sys.exit(f"{path} holds {header['step']} steps, none of them in the insertion phase")
        self.steps, self.name = steps[inserting], path.name
        self._dots = torch.from_numpy(dots[: len(steps)][inserting]).double()
        self._start = tuple(arrays["positions"].tolist())
        self.num_clips, self.num_frames = self._dots.shape[1:3]

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - as long as the record
    def cosines(self, clip, positions, reading):
        """Returns (2, S, T), the cosines of a clip at all S steps if it has these key frames."""
        one = TrainableKeyFrames([torch.zeros(len(positions), 1, 1, 1)], [positions], [0], self.num_frames)
        num_steps = len(self.steps)
        repeated = SimpleNamespace(
            weights=one.weights.expand(num_steps, -1, -1),
            left=one.left.expand(num_steps, -1),
            right=one.right.expand(num_steps, -1),
        )
        return adjacent_cosines(self._dots[:, clip], repeated, reading)

    def replay(self, rule, insert_every, *, insert, seed=0):
        """Applies a rule.

        Args:
            rule: the rule.
            insert_every: interval between two tests, as a fraction of the phase.
            insert: whether clips change; if not, tests continue as if nothing had been inserted.
            seed: seed of the random selection.

        Returns:
            The (step, clip, position) of all insertions, and the scores (tests, N, T).
        """
        keys = [self._start] * self.num_clips
        cosines = torch.stack([self.cosines(c, k, rule.gradient) for c, k in enumerate(keys)], dim=2)
        schedule = Schedule(len(self.steps), 0.0, 0.0, insert_every)
        evidence, generator = Evidence(self.num_clips, self.num_frames), np.random.default_rng(seed)
        inserted, scores = [], []
        for number, step in enumerate(self.steps.tolist()):
            rule.gather(cosines[:, number].numpy(), evidence)
            if not schedule.tests(number):
                continue
            scores.append(rule.scores(evidence))
            for clip, position in rule.choose(evidence, generator):
                inserted.append((step, clip, position))
                if insert:
                    keys[clip] = tuple(sorted((*keys[clip], position)))
                    cosines[:, :, clip] = self.cosines(clip, keys[clip], rule.gradient)
            evidence.clear()
        return inserted, np.stack(scores)


def rules_of(arguments):
    """Yields every (insert_every, networks, rule) in the grid defined by the arguments."""
    a = arguments
    for metric, gradient, evidence, insertions, score in itertools.product(
        a.metric, a.gradient, a.evidence, a.insertions, a.score
    ):
        epsilons = [DEFAULT_EPSILON[metric]] if a.epsilon is None else a.epsilon
        persistences = a.persistence if evidence == "persistent" else [0.5]
        for epsilon, persistence, every, networks in itertools.product(
            epsilons, persistences, a.insert_every, a.networks
        ):
            yield every, networks, InsertionRule(
                metric=metric, epsilon=epsilon, selection=a.selection, insertions=insertions,
                gradient=gradient, evidence=evidence, persistence=persistence, score=score,
            )  # fmt: skip


def row_of(records, rule, insert_every, networks):
    """Returns the effect of a rule on some records as a JSON object."""
    found, fixed, scores = [], [], []
    for record in records:
        found.append(record.replay(rule, insert_every, insert=True)[0])
        unchanged, scored = record.replay(rule, insert_every, insert=False)
        fixed.append(len({(step, clip) for step, clip, _ in unchanged}) / (len(scored) * record.num_clips))
        scores.append(scored[~np.isnan(scored)])
    num_clips = sum(record.num_clips for record in records)
    firsts = [first for one in found for first in {c: (s, p) for s, c, p in reversed(one)}.values()]
    where = np.zeros((2, records[0].num_frames), int)
    np.add.at(where[0], [position for _, position in firsts], 1)
    np.add.at(where[1], [position for one in found for _, _, position in one], 1)
    return {
        "gradient": rule.gradient, "networks": networks, "metric": rule.metric, "insert_every": insert_every,
        "evidence": rule.evidence, "persistence": rule.persistence, "epsilon": rule.epsilon,
        "score": rule.score, "insertions": rule.insertions, "selection": rule.selection,
        "insertions_per_clip": sum(map(len, found)) / num_clips,
        "insertions_per_clip_by_record": [len(o) / r.num_clips for o, r in zip(found, records, strict=True)],
        "clips_with_insertion": len(firsts) / num_clips,
        "qualifying_clip_tests": float(np.mean(fixed)),
        "lowest_score": float(np.concatenate(scores).min()),
        "mean_score": float(np.concatenate(scores).mean()),
        "first_step_median": float(np.median([step for step, _ in firsts])) if firsts else None,
        "first_positions": where[0].tolist(),
        "all_positions": where[1].tolist(),
    }  # fmt: skip


def text_of(row):
    evidence = row["evidence"]
    if evidence == "persistent":
        evidence += f" {row['persistence']:g}"
    gradient = row["gradient"] + (" l2" if row["metric"] == "l2" else "")
    gradient += f" x{row['networks']}" if row["networks"] else ""
    rule = ", ".join((gradient, evidence, row["score"], row["insertions"]))
    per_clip = row["insertions_per_clip"]
    mark = "*" if TABLE_2[0] <= per_clip <= TABLE_2[1] else " "
    by_record = "/".join(f"{value:.2f}" for value in row["insertions_per_clip_by_record"])
    where = " ".join(map(str, row["first_positions"][1:-1]))
    step = "-" if row["first_step_median"] is None else f"{row['first_step_median']:.0f}"
    return (
        f"{rule:44} {row['insert_every']:7g} {row['epsilon']:8g} {per_clip:7.2f}{mark} {by_record:20} "
        f"{100 * row['clips_with_insertion']:5.0f} {100 * row['qualifying_clip_tests']:8.3f} "
        f"{row['lowest_score']:8.4f} {row['mean_score']:7.4f} {step:>6}  {where}"
    )


def replay(arguments):
    records = {n: [Record(path, n) for path in arguments.records] for n in arguments.networks}
    for record in records[arguments.networks[0]]:
        first, last = record.steps[[0, -1]]
        print(f"{record.name}: {record.num_clips} clips of {record.num_frames}, insertion {first} to {last}")
    print(
        f"{'rule':44} {'every':>7} {'epsilon':>8} {'a clip':>7}  {'by record':20} {'first':>5} "
        f"{'qualify':>8} {'lowest':>8} {'mean':>7} {'step':>6}  where"
    )
    rows = []
    for every, networks, rule in rules_of(arguments):
        rows.append(row_of(records[networks], rule, every, networks))
        print(text_of(rows[-1]), flush=True)
    print(LEGEND)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def add_replay(commands):
    parser = commands.add_parser("replay", help="apply rules of insertion to records of the same settings")
    parser.add_argument("records", type=Path, nargs="+", metavar="RECORD.npz")
    parser.add_argument("--insert-every", type=float, nargs="+", default=[0.0], metavar="SHARE")
    parser.add_argument("--epsilon", type=float, nargs="+", help="default: that of the metric")
    parser.add_argument("--persistence", type=float, nargs="+", default=[0.5], metavar="SHARE")
    parser.add_argument(
        "--networks", type=int, nargs="+", default=[0], metavar="M", help="0: those of the run"
    )
    for name, choices in (
        ("--evidence", ["last", "mean", "persistent"]),
        ("--score", ["larger", "smaller"]),
        ("--insertions", ["one", "all"]),
        ("--gradient", ["frame", "accumulated"]),
        ("--metric", ["cosine", "l2"]),
    ):
        parser.add_argument(name, nargs="+", choices=choices, default=choices[:1])
    parser.add_argument("--selection", choices=["lowest", "random"], default="lowest")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table as JSON")
    parser.set_defaults(run=replay)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    add_record(commands)
    add_replay(commands)
    add_positions(commands)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
