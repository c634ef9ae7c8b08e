"""Does DFS benefit from training for the image encoder? Compares ways of training by stored size.

    python benchmarks/training_for_codecs.py --out codecs --seeds 2
    python benchmarks/training_for_codecs.py --out codecs --seeds 2 --only after late

    after      trained as ever, encoded afterwards by `dfs convert`: what the product does
    every      the network sees the decoded WebP images at every step; the gradient passes straight through
    late       the same in the last fifth of the steps only
    half       key frames have half the resolution and are upsampled (bilinear) when clips are rebuilt
    chroma     the same for the two colour channels only
    smooth     every step is followed by a little diffusion, which makes frames cheaper
    four-bit   the network sees 16 levels for each value; the gradient passes straight through

Choose a way by the hold-out, which is the default: a fifth of the training clips are excluded from condensing
and used for testing. Every store is made with the stick-figures preset. Finished parts are not repeated.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from running import dfs, evaluated
from torch import Tensor
from torch.nn.functional import interpolate, pad

from dfs_store import KeyFrameStore, StoreWriter, open_store, open_videos
from dfs_store.condense import CondenseConfig, condense
from dfs_store.condense.engine import initialise
from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.format.coded.encoder import encode_levels
from dfs_store.format.coded.encoding import FrameEncoding
from dfs_store.format.coded.levels import Levels, pixel_levels
from dfs_store.format.quantization import decode

QUALITY = 10
RANGE = (-0.5, 1.5)  # pixels that the levels stand for if the encoder is in the loop
DIFFUSION = 0.01  # share of the Laplacian that a step adds
# An orthonormal change of colours: brightness first.
COLOURS = torch.tensor([[1.0, 1, 1], [1, 0, -1], [-1, 2, -1]])
COLOURS /= COLOURS.norm(dim=1, keepdim=True)


class Plain(TrainableKeyFrames):
    """Key frames as in the product, with three places to change what is trained."""

    steps = 200
    levels: Levels

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.number = 0
        self.frames = self.restricted(self.frames)

    def render(self) -> Tensor:
        trained, self.frames = self.frames, self.seen(self.frames)
        try:
            return super().render()
        finally:
            self.frames = trained

    def step(self, gradient: Tensor, *, lr: float, momentum: float) -> None:
        super().step(self.restricted(gradient), lr=lr, momentum=momentum)
        self.number += 1
        self.after_step()

    def seen(self, frames: Tensor) -> Tensor:
        """Returns the frames from which clips are rendered."""
        return frames

    def restricted(self, frames: Tensor) -> Tensor:
        """Projects frames, or their gradient, onto the space that is trained."""
        return frames

    def after_step(self) -> None:
        """Changes the frames after a step."""


class Every(Plain):
    """The encoder in the loop."""

    def seen(self, frames: Tensor) -> Tensor:
        scale, zero = self.levels.scale[None], self.levels.zero[None]
        levels = self.levels.to_levels(frames.numpy())
        return torch.from_numpy(decode(encode_levels(levels, FrameEncoding("webp", QUALITY))[1], scale, zero))

    def after_step(self) -> None:
        low, high = (self.levels.zero + self.levels.scale * level for level in (0, 255))
        least, most = (torch.from_numpy(bound)[:, None, None] for bound in (low, high))
        torch.minimum(torch.maximum(self.frames, least), most, out=self.frames)


class Late(Every):
    """The encoder in the last fifth of the loop."""

    def seen(self, frames: Tensor) -> Tensor:
        return super().seen(frames) if self.number >= 0.8 * self.steps else frames


class FourBit(Every):
    """16 levels."""

    def seen(self, frames: Tensor) -> Tensor:
        return sixteen_levels(frames, self.levels)


def sixteen_levels(frames: Tensor, levels: Levels) -> Tensor:
    """Rounds frames (S, C, H, W) to every 17th level."""
    scale, zero = (torch.from_numpy(part)[:, None, None] for part in levels)
    return torch.round((frames - zero) / (scale * 17)) * (scale * 17) + zero


def through_half(frames: Tensor) -> Tensor:
    """Applies U U^T to frames, where U upsamples twofold, scaled so that a constant frame does not change."""
    size = frames.shape[-2] // 2, frames.shape[-1] // 2

    def up(small: Tensor) -> Tensor:
        return interpolate(small, scale_factor=2, mode="bilinear") / 2

    _, adjoint = torch.func.vjp(up, frames.new_zeros(*frames.shape[:2], *size))
    return up(*adjoint(frames))


class Half(Plain):
    """Half the resolution."""

    def restricted(self, frames: Tensor) -> Tensor:
        return through_half(frames)


class Chroma(Plain):
    """Half the resolution in the two channels that are not brightness."""

    def restricted(self, frames: Tensor) -> Tensor:
        channels = torch.einsum("dc,schw->sdhw", COLOURS, frames)
        channels[:, 1:] = through_half(channels[:, 1:])
        return torch.einsum("dc,sdhw->schw", COLOURS, channels)


class Smooth(Plain):
    """A little diffusion after every step."""

    def after_step(self) -> None:
        wide = pad(self.frames, (1, 1, 1, 1), mode="replicate")
        near = wide[..., 2:, 1:-1] + wide[..., :-2, 1:-1] + wide[..., 1:-1, 2:] + wide[..., 1:-1, :-2]
        self.frames += DIFFUSION * (near - 4 * self.frames)


WAYS = {
    "after": Plain,
    "late": Late,
    "half": Half,
    "chroma": Chroma,
    "smooth": Smooth,
    "four-bit": FourBit,
    "every": Every,
}
STORED = {"every": [f"webp:{QUALITY}"], "late": [f"webp:{QUALITY}"], "four-bit": ["16 levels"]}


def trained(arguments: argparse.Namespace, way: str, seed: int) -> Path:
    """Returns the float32 store of a way of training."""
    path = arguments.out / f"{way}-{seed}.zarr"
    if not path.exists():
        videos = open_videos(arguments.dataset)
        kind = WAYS[way]
        kind.levels = pixel_levels(videos.normalization, 3, *RANGE)
        initialise.TrainableKeyFrames = kind
        print("+ condense", path, flush=True)
        config = CondenseConfig(
            dataset=arguments.dataset,
            vpc=arguments.vpc,
            seed=seed,
            dtype="float32",
            hold_out=arguments.hold_out or None,
            out=str(path),
        )
        condense(config, videos).close()
    return path


def stored(source: Path, kind: str, way: str) -> tuple[Path, float]:
    """Returns an encoded copy of a store, and the size of its key frames and index."""
    path = source.with_name(f"{source.stem}-{kind.replace(':', '').replace(' ', '-')}.zarr")
    in_loop = way in ("every", "late", "four-bit")
    if not path.exists() and in_loop:
        with open_store(source) as store:
            levels = pixel_levels(store.normalization, 3, *RANGE)
        with open_store(source) as store, writer_of(path, store, kind, levels) as writer:
            for clip in range(len(store)):
                frames = torch.from_numpy(store.key_frames(clip).copy())
                if way == "four-bit":
                    frames = sixteen_levels(frames, levels)
                writer.append(frames.numpy(), store.positions(clip), int(store.labels[clip]))
    elif not path.exists():
        dfs("convert", str(source), str(path), "--encoding", kind, "-q")
    with open_store(path) as store:
        report = store.storage
        bits = 4 / 32 if way == "four-bit" else 1
        return path, report.key_frame_bytes * bits + report.index_bytes


def writer_of(path: Path, store: KeyFrameStore, kind: str, levels: Levels) -> StoreWriter:
    encoded = kind.startswith("webp")
    return StoreWriter(
        path,
        num_frames=store.num_frames,
        frame_shape=store.frame_shape,
        class_names=store.class_names,
        encoding=kind if encoded else None,
        levels=levels if encoded else None,
        attributes={key: store.attributes[key] for key in ("normalization", "fps", "provenance")},
    )


def measured(arguments: argparse.Namespace, way: str, kind: str, seed: int) -> tuple[float, float]:
    """Returns bytes and top-1 in %."""
    path, size = stored(trained(arguments, way, seed), kind, way)
    held = ["--hold-out", str(arguments.hold_out)] if arguments.hold_out else []
    how = f"--protocol strict --epochs 100 --lr 0.005 --runs 1 --seed {1000 * seed}"
    words = ("--dataset", arguments.dataset, *held, *how.split())
    return size, evaluated(path.with_suffix(".json"), path, *words)["top1"]["mean"]


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dataset", default="stick-figures")
    parser.add_argument("--vpc", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--hold-out", type=float, default=0.2, help="0 tests on the test clips")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = ["| trained | stored as | kB | top-1 by seed | mean |", "|---|---|---|---|---|"]
    for way in arguments.only:
        for kind in STORED.get(way, ["webp:0", f"webp:{QUALITY}"]):
            found = np.array([measured(arguments, way, kind, seed) for seed in range(arguments.seeds)])
            size, score = found.mean(axis=0)
            scores = ", ".join(f"{each:.1f}" for each in found[:, 1])
            lines.append(f"| {way} | {kind} | {size / 1000:.1f} | {scores} | {score:.1f} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
