"""Measures bytes per clip and PSNR of rebuilt clips: pack in several encodings, H.264 and AV1.

    python benchmarks/bytes.py --dataset ucf101 --root ../shared/data/ucf101-10 --vpc 4 --out results/bytes

Pack stores are written by `dfs_store.condense`; their size is that of key frames and index, divided by the
number of clips. The videos are 16 frames each, YUV 4:2:0, encoded by libx264 (preset slow) and SVT-AV1
(preset 4); their size is that of the raw stream, without a container and without the settings text that x264
adds. The PSNR compares all frames with the source clips in 8-bit levels, and is averaged over the clips. The
last table interpolates the codecs at the size of every budget.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
from video_codecs import CODECS, video

from dfs_store import open_store, open_videos
from dfs_store.condense import CondenseConfig, condense

BUDGETS = (1, 2, 3, 5, 8, 13)  # kB a clip


def psnr(rebuilt, source):
    return 10 * math.log10(255**2 / max(1e-9, float(np.mean((rebuilt - source.astype(np.float64)) ** 2))))


def pack(arguments, videos, name, **settings):
    """Makes a store if it does not exist. Returns (kB per clip, mean dB, store)."""
    path = arguments.out / f"{name}.zarr"
    if not path.exists():
        config = CondenseConfig(
            out=str(path),
            dataset=arguments.dataset,
            root=arguments.root,
            vpc=arguments.vpc,
            method="pack",
            extractor="random",
            frames=arguments.frames,
            size=arguments.size,
            **settings,
        )
        started = time.monotonic()
        condense(config, videos)
        print(f"  {name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    store = open_store(path)
    numbers = clip_numbers(store, videos)
    mean, std = (np.array(videos.normalization[key])[:, None, None] for key in ("mean", "std"))
    scores = []
    for clip, number in enumerate(numbers):
        levels = np.clip((store.clip(clip) * std + mean) * 255, 0, 255)
        scores.append(psnr(np.rint(levels), source_clip(videos, number).transpose(0, 3, 1, 2)))
    counts = np.diff(store.offsets)
    report = store.storage
    size = (report.key_frame_bytes + report.index_bytes) / len(store) / 1000
    disk = report.on_disk_bytes / len(store) / 1000
    print(
        f"| pack {name} | {size:.2f} | {disk:.2f} | {np.mean(scores):.2f} | {counts.mean():.2f} |", flush=True
    )
    return size, np.array(scores), store


def some_clips(videos, vpc):
    """Returns the first clips of every class, so that herding has nothing to choose."""
    labels = np.asarray(videos.labels)
    numbers = [np.flatnonzero(labels == label)[:vpc] for label in range(len(videos.classes))]
    return videos.subset(np.concatenate(numbers))


def source_clip(videos, number):
    """Returns a clip (T, H, W, C) uint8."""
    return np.array(videos.pixels[number, 0])


def clip_numbers(store, videos):
    """Returns the numbers of the real clips in a pack store, according to their recorded sources."""
    known = {json.dumps(videos.source(number), sort_keys=True): number for number in range(len(videos))}
    sources = store.attributes["provenance"]["sources"]
    return [
        known[json.dumps({k: v for k, v in source.items() if k != "psnr"}, sort_keys=True)]
        for source in sources
    ]


def curve(videos, numbers, codec):
    """Prints and returns (kB per clip, mean dB) of a codec at its qualities."""
    points = []
    for quality in CODECS[codec][3]:
        sizes, scores = [], []
        for number in numbers:
            frames = source_clip(videos, number)
            size, decoded = video(frames, codec, quality)
            sizes.append(size)
            scores.append(psnr(decoded.astype(np.float64), frames))
        points.append((np.mean(sizes) / 1000, float(np.mean(scores))))
        print(f"| {codec}, CRF {quality} | {points[-1][0]:.2f} | | {points[-1][1]:.2f} | |", flush=True)
    return sorted(points)


def at(points, size):
    """Interpolates the dB of a codec at a size in kB per clip, linearly in the logarithm of the size."""
    return float(np.interp(math.log(size), [math.log(kb) for kb, _ in points], [db for _, db in points]))


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--root")
    parser.add_argument("--vpc", type=int, default=4)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--budgets", type=float, nargs="*", default=BUDGETS, help="kB a clip")
    parser.add_argument("--encodings", nargs="*", default=["webp", "avif"], help="of the budgets")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    videos = open_videos(arguments.dataset, arguments.root, frames=arguments.frames, size=arguments.size)
    videos = some_clips(videos, arguments.vpc)
    print("| | kB per clip | on disk | dB | key frames per clip |\n|---|---|---|---|---|", flush=True)
    counts, losses, store = (3, 5), [], None
    for count in counts:
        plain = pack(arguments, videos, f"{count}-uint8", key_frames=count)
        for encoding in ("webp:75", "webp:88", "avif:60"):
            coded = pack(arguments, videos, f"{count}-{encoding}", key_frames=count, encoding=encoding)
            loss = (plain[1] - coded[1]).mean()
            losses.append((count, encoding, plain[0] / coded[0], loss))
        store = plain[2]
    numbers = clip_numbers(store, videos)
    num_clips = len(numbers)
    reached = []
    for encoding in arguments.encodings:
        for budget in arguments.budgets:
            name, total = f"{budget:g}kB-{encoding}", int(budget * 1000 * num_clips)
            size, scores, _ = pack(arguments, videos, name, budget=str(total), encoding=encoding)
            reached.append((encoding, size, scores.mean()))
    curves = {codec: curve(videos, numbers, codec) for codec in CODECS} if reached else {}
    print("\n| key frames | encoding | uint8 takes so many times the bytes | dB lost, mean of the clips' |")
    print("|---|---|---|---|")
    for count, encoding, ratio, loss in losses:
        print(f"| {count} | {encoding} | {ratio:.1f} | {loss:.2f} |")
    if not reached:
        return
    print("\n| encoding | kB per clip | pack, dB | H.264 at equal bytes | AV1 at equal bytes |")
    print("|---|---|---|---|---|")
    for encoding, size, score in reached:
        others = " | ".join(f"{at(points, size):.2f}" for points in curves.values())
        print(f"| {encoding} | {size:.2f} | {score:.2f} | {others} |")


if __name__ == "__main__":
    main()
