"""Compares where stores have inserted key frames with where real motion is not linear.

`positions` of insertion_calibration.py.
"""

import sys
from pathlib import Path

import numpy as np

from dfs_store import open_store, open_videos
from dfs_store.condense.engine.schedule import Schedule
from dfs_store.interpolation import neighbours, rebuild

PARTS = 5  # of the insertion phase


def interpolation_errors(clips, keys):
    """Returns (T,), the error of every frame against linear interpolation between the key positions.

    Args:
        clips: (N, T, C, H, W), real clips of one class, which are read one by one.
        keys: (K,) key positions, the first 0 and the last T-1.

    Returns:
        The root mean square error over the pixels of a frame, averaged over the clips; 0 at key positions.
    """
    errors = []
    for clip in clips:
        clip = np.asarray(clip, np.float32)
        rebuilt = rebuild(clip[keys], neighbours(keys, len(clip)))
        errors.append(np.sqrt(np.square(clip - rebuilt, dtype=np.float64).mean(axis=(1, 2, 3))))
    return np.mean(errors, axis=0)


def ranks(values):
    """Returns the ranks of values of any shape, from 1. Equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse].reshape(np.shape(values))


def correlation(one, other):
    """Returns Pearson's correlation of two arrays of one shape; with ranks it is Spearman's."""
    one, other = np.ravel(one) - np.mean(one), np.ravel(other) - np.mean(other)
    length = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / length) if length else float("nan")


def permutation_test(frequencies, errors, permuted, permutations, seed=0):
    """Returns Spearman's rank correlation of two arrays and the share of permutations that reach it.

    Args:
        frequencies: (classes, positions), frequencies of insertion.
        errors: (classes, positions), errors of linear interpolation.
        permuted: maps (generator, ranks of the errors) to ranks that are equally likely if the two are
            unrelated.
        permutations: number of permutations to draw.
        seed: seed of the generator.

    Returns:
        The correlation, and its one-sided p-value, for which the observed order counts as a permutation.
    """
    generator, of_insertion, of_error = np.random.default_rng(seed), ranks(frequencies), ranks(errors)
    found = correlation(of_insertion, of_error)
    others = [correlation(of_insertion, permuted(generator, of_error)) for _ in range(permutations)]
    reached = sum(other >= found - 1e-12 for other in others)
    return found, (reached + 1) / (permutations + 1)


def positions_exchanged(generator, table):
    """Permutes the positions of each class: is the position in a clip related to the error?"""
    return generator.permuted(table, axis=1)


def classes_exchanged(generator, table):
    """Permutes the classes: is an insertion related more to the error of its own class than to others?"""
    return generator.permutation(table, axis=0)


def insertions_of(path):
    """Returns the settings, class names, labels (N,), T, and per clip its (step, position) in order."""
    with open_store(path) as store:
        if store.inserted_at(0) is None:
            sys.exit(f"{path} does not say at which steps key frames were inserted")
        found = []
        for clip in range(len(store)):
            pairs = zip(store.inserted_at(clip).tolist(), store.positions(clip).tolist(), strict=True)
            found.append(sorted((step, position) for step, position in pairs if step >= 0))
        config = dict(store.provenance_object("config"))
        config["size"] = store.frame_shape[1]
        return config, list(store.class_names), store.labels.tolist(), store.num_frames, found


def real_errors(config, names, num_frames, root):
    """Returns (classes, T), the errors of the real clips that a store was condensed from."""
    videos = open_videos(
        config["dataset"], root, frames=num_frames, stride=config.get("stride"), size=config["size"],
        classes=config.get("classes"), official_split=config.get("split") or 1,
    )  # fmt: skip
    if list(videos.classes) != names:
        sys.exit(
            f"{config['dataset']} has the classes {', '.join(videos.classes)}, the store {', '.join(names)}"
        )
    keys = np.array([0, num_frames - 1])
    errors = []
    for label in range(len(names)):
        members = np.flatnonzero(videos.labels == label)
        clips = (videos.pixels[i, 0].transpose(0, 3, 1, 2).astype(np.float32) / 255 for i in members)
        errors.append(interpolation_errors(clips, keys))
    return np.array(errors)


def counts_of(stores, num_classes, num_frames, first_only):
    """Returns insertions per class and inner position, (classes, T - 2)."""
    counts = np.zeros((num_classes, num_frames))
    for _, _, labels, _, found in stores:
        for label, inserted in zip(labels, found, strict=True):
            for _, position in inserted[:1] if first_only else inserted:
                counts[label, position] += 1
    return counts[:, 1:-1]


def positions(arguments):
    stores = [insertions_of(path) for path in arguments.stores]
    config, names, _, num_frames, _ = stores[0]
    for path, other in zip(arguments.stores, stores, strict=True):
        if (other[1], other[3], other[0]["dataset"]) != (names, num_frames, config["dataset"]):
            sys.exit(f"{path} and {arguments.stores[0]} are of different datasets, classes or frames")
        clips = other[4]
        print(f"{path}: {sum(map(len, clips)) / len(clips):.2f} insertions per clip, {when(*other)}")
    clips = [clip for store in stores for clip in store[4]]
    print(
        f"all: {sum(map(len, clips)) / len(clips):.2f} insertions per clip, at least one in "
        f"{100 * np.mean([bool(clip) for clip in clips]):.0f} % of {len(clips)} clips\n"
    )
    errors = real_errors(config, names, num_frames, arguments.root)[:, 1:-1]
    clips_per_class = sum(np.bincount(store[2], minlength=len(names)) for store in stores)
    counts = counts_of(stores, len(names), num_frames, first_only=False)
    print(f"{'class':24} {'a clip':>6}  insertions at positions 1 to T-2; the error there, in levels of 255")
    for label in np.argsort(-errors.mean(axis=1)):
        name = names[label][:24]
        print(f"{name:24} {counts[label].sum() / clips_per_class[label]:6.2f}  {row(counts[label])}")
        print(f"{'':24} {'':6}  {row(255 * errors[label])}")
    print()
    for what, first_only in (("all insertions", False), ("first of each clip", True)):
        counts = counts_of(stores, len(names), num_frames, first_only) / clips_per_class[:, None]
        if not counts.any():
            continue
        for null in (positions_exchanged, classes_exchanged):
            rho, p = permutation_test(counts, errors, null, arguments.permutations)
            print(f"{what}: rank correlation with the error {rho:+.3f}, {null.__name__}: p = {p:.4f}")
        rho, p = permutation_test(
            counts.sum(axis=1), errors.mean(axis=1), np.random.Generator.permutation, arguments.permutations
        )
        print(f"{what}, per class: rank correlation with the mean error {rho:+.3f}, p = {p:.4f}")


def when(config, names, labels, num_frames, found):
    """Returns how many insertions were made in each fifth of the insertion phase."""
    schedule = Schedule(config["iterations"], config["warmup"], config["cooldown"])
    edges = np.linspace(schedule.first_insertion, schedule.end_of_insertion, PARTS + 1)
    steps = [step for clip in found for step, _ in clip]
    return f"by fifths of the insertion phase: {row(np.histogram(steps, edges)[0])}"


def row(values):
    return " ".join(f"{value:4.0f}" for value in values)


def add_positions(commands):
    parser = commands.add_parser("positions", help="where finished stores have inserted")
    parser.add_argument("stores", type=Path, nargs="+", metavar="STORE")
    parser.add_argument("--root", help="of the dataset's videos")
    parser.add_argument("--permutations", type=int, default=10_000)
    parser.set_defaults(run=positions)
