"""Measures accuracy against stored bytes: real, packed and trained clips, as numbers, images or videos.

    python benchmarks/frontier.py --out results/frontier --seeds 3
    python benchmarks/frontier.py --out results/frontier --seeds 3 --only DFS random

Every point is a store (or, for H.264, one video per clip) that is made, stored in the given way, and
evaluated: `--protocol strict`, hard labels, equal epochs and learning rate. Each seed is a separate
condensation or draw. Bytes are those of key frames and index. A store's description (attributes, provenance,
the arrays' metadata) takes 7 to 14 kB more on disk, which the table includes; videos have no such
description. Stores are encoded after training by `dfs convert`, from float32. Finished parts are not
repeated, so a run that was stopped can continue. The last part prints the table and draws `frontier.png` from
all existing results.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from running import condensed, dfs, evaluated
from video_codecs import video

from dfs_store import StoreWriter, open_store

QUALITIES = (0, 10, 50)


@dataclass(frozen=True)
class Point:
    """One point of the plot.

    Attributes:
        curve: name of the curve that the point is on: "random", "DFS".
        clips: flags of `dfs condense` that choose or train the clips.
        stored: "float32", "uint8", "webp:Q", or "h264:CRF".
        vpc: videos per class.
    """

    curve: str
    clips: str
    stored: str
    vpc: int

    @property
    def source(self) -> str:
        """Name of the store before it is converted, without the seed."""
        words = f"vpc{self.vpc} {self.clips}".replace("--", "").replace(":", "").split()
        return "-".join(word for word in words if word != "method")

    @property
    def name(self) -> str:
        return f"{self.source}-{self.stored.replace(':', '')}"


def points() -> Iterator[Point]:
    """Yields the points, cheapest first."""
    for vpc, keys in ((1, 2), (1, 4), (2, 2), (2, 4), (4, 2), (4, 4), (8, 2), (8, 4)):
        for stored in ("uint8", *(f"webp:{quality}" for quality in QUALITIES)):
            yield Point("random", f"--method random --key-frames {keys}", stored, vpc)
    yield Point("random", "--method random --key-frames 2", "webp:0", 16)
    for vpc in (1, 2, 4):
        for stored in ("float32", "uint8", *(f"webp:{quality}" for quality in QUALITIES)):
            yield Point("DFS", "--method dfs", stored, vpc)
    for vpc in (1, 2):
        for stored in ("float32", "uint8", *(f"webp:{quality}" for quality in QUALITIES)):
            yield Point("DM", "--method dm", stored, vpc)
        for stored in ("float32", "uint8", "h264:30", "h264:40", "h264:50"):
            yield Point("random, dense", "--method random", stored, vpc)
    for vpc, keys in ((2, 4), (4, 4), (8, 2)):
        for stored in ("uint8", *(f"webp:{quality}" for quality in QUALITIES)):
            yield Point("pack", f"--method pack --key-frames {keys}", stored, vpc)
        yield Point("herding", f"--method herding --key-frames {keys}", "webp:10", vpc)


class Row(NamedTuple):
    """The measurements of a point: bytes, bytes on disk (means), and top-1 in % by seed."""

    point: Point
    size: float
    on_disk: float
    scores: np.ndarray


def source_store(arguments: argparse.Namespace, point: Point, seed: int) -> Path:
    """Returns the store of a point's clips as chosen or trained, and makes it if it does not exist."""
    flags = ("--vpc", str(point.vpc), *point.clips.split(), "--dtype", "float32", "--seed", str(seed))
    return condensed(arguments.out / f"{point.source}-{seed}.zarr", *arguments.data, *flags)


def stored(arguments: argparse.Namespace, point: Point, seed: int) -> tuple[Path, int | None]:
    """Returns the store to evaluate and the size of its videos, or None if the store's own size counts."""
    source = source_store(arguments, point, seed)
    if point.stored == "float32":
        return source, None
    path = arguments.out / f"{point.name}-{seed}.zarr"
    kind, _, quality = point.stored.partition(":")
    if kind == "h264":
        return path, store_of_videos(source, path, int(quality))
    if not path.exists():
        how = ["--encoding", point.stored] if kind == "webp" else ["--dtype", kind]
        dfs("convert", str(source), str(path), *how, "-q")
    return path, None


def store_of_videos(source: Path, path: Path, crf: int) -> int:
    """Stores a store's clips as decoded from H.264, one video per clip. Returns the videos' size."""
    clips = open_store(source)
    mean, std = (np.array(clips.normalization[key])[:, None, None] for key in ("mean", "std"))
    total = 0
    with StoreWriter(
        path,
        num_frames=clips.num_frames,
        frame_shape=clips.frame_shape,
        class_names=clips.class_names,
        attributes={"normalization": clips.normalization, "provenance": clips.attributes["provenance"]},
        overwrite=True,
    ) as writer:
        for clip, label in enumerate(clips.labels.tolist()):
            pixels = np.rint(np.clip((clips.clip(clip) * std + mean) * 255, 0, 255)).astype(np.uint8)
            size, decoded = video(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), "H.264", crf)
            total += size
            frames = (decoded.transpose(0, 3, 1, 2) / 255 - mean) / std
            writer.append(frames, np.arange(clips.num_frames), label)
    return total


def measured(arguments: argparse.Namespace, point: Point, seed: int) -> dict:
    """Returns the result of a point, evaluating it if this is not done yet."""
    file = arguments.out / f"{point.name}-{seed}.json"
    if not file.exists():
        path, video_bytes = stored(arguments, point, seed)
        flags = f"--protocol strict --epochs {arguments.epochs} --lr {arguments.lr} --runs {arguments.runs}"
        result = file.with_suffix(".result.json")
        found = evaluated(result, path, *arguments.data, *flags.split(), "--seed", str(1000 * seed))
        storage = found["storage"]
        found["bytes"] = video_bytes or storage["key_frame_bytes"] + storage["index_bytes"]
        found["on_disk_bytes"] = video_bytes or storage["on_disk_bytes"]
        file.write_text(json.dumps(found))
        result.unlink()
    return json.loads(file.read_text())


def table(rows: list[Row]) -> str:
    lines = [
        "| clips | VPC | stored as | kB | kB on disk | top-1 by seed | mean ± std |",
        "|---|---|---|---|---|---|---|",
    ]
    for point, size, on_disk, scores in sorted(rows, key=lambda row: row.size):
        spread = f" ± {scores.std(ddof=1):.1f}" if len(scores) > 1 else ""
        clips = point.clips.replace("--method ", "").replace("--key-frames", "key frames")
        lines.append(
            f"| {clips} | {point.vpc} | {point.stored} | {size / 1000:.1f} | {on_disk / 1000:.1f} | "
            f"{', '.join(f'{score:.1f}' for score in scores)} | {scores.mean():.1f}{spread} |"
        )
    return "\n".join(lines)


def draw(rows: list[Row], chance: float, path: Path) -> None:
    """Draws every point and, for each curve, the best score up to each size."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for curve in dict.fromkeys(point.curve for point, *_ in rows):
        own = sorted((size / 1000, scores.mean()) for point, size, _, scores in rows if point.curve == curve)
        sizes, means = (np.array(part) for part in zip(*own, strict=True))
        line = axes.step(sizes, np.maximum.accumulate(means), where="post", label=curve)[0]
        axes.scatter(sizes, means, s=14, color=line.get_color())
    axes.axhline(chance, color="grey", linestyle=":", label="chance")
    axes.set(xscale="log", xlabel="kB of key frames and index", ylabel="top-1 accuracy in %")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dataset", default="stick-figures")
    parser.add_argument("--root", help="folder of the dataset")
    parser.add_argument("--hold-out", help="share of the training clips that is tested on, to choose by")
    parser.add_argument(
        "--only", nargs="+", help="only these curves, or points by the beginning of their name"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=1, help="trainings of each store")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--dry-run", action="store_true", help="makes nothing; shows what is there")
    arguments = parser.parse_args()
    arguments.data = ["--dataset", arguments.dataset]
    for flag, value in (("--root", arguments.root), ("--hold-out", arguments.hold_out)):
        arguments.data += [flag, value] if value else []
    arguments.out.mkdir(parents=True, exist_ok=True)
    same_settings(arguments)
    rows, chance = [], 0.0
    every = [point for point in points() if chosen(point, arguments.only)]
    if not arguments.dry_run:
        for seed in range(arguments.seeds):
            for point in every:
                measured(arguments, point, seed)
    for point in every:
        files = [arguments.out / f"{point.name}-{seed}.json" for seed in range(arguments.seeds)]
        found = [json.loads(file.read_text()) for file in files if file.exists()]
        if found:
            chance = found[0]["chance"]
            sizes = (float(np.mean([each[key] for each in found])) for key in ("bytes", "on_disk_bytes"))
            rows.append(Row(point, *sizes, np.array([each["top1"]["mean"] for each in found])))
    if not rows:
        sys.exit("nothing has been measured yet")
    print(table(rows))
    draw(rows, chance, arguments.out / "frontier.png")


def same_settings(arguments: argparse.Namespace) -> None:
    """Ends the program if the folder contains results of different settings, which would be mixed up."""
    names = ("dataset", "root", "hold_out", "runs", "epochs", "lr")
    settings = {name: getattr(arguments, name) for name in names}
    file = arguments.out / "settings.json"
    if file.exists() and json.loads(file.read_text()) != settings:
        sys.exit(f"{arguments.out} has results of other settings, {file.read_text()}; choose another --out")
    file.write_text(json.dumps(settings))


def chosen(point: Point, only: list[str] | None) -> bool:
    return only is None or any(point.curve == each or point.name.startswith(each) for each in only)


if __name__ == "__main__":
    main()
