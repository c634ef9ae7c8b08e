"""Measures what untrained features separate: the share of test clips nearest to their class's mean.

    python benchmarks/untrained_features.py --dataset stick-figures
    python benchmarks/untrained_features.py --dataset ucf101 --root UCF101 --frames 8 --size 64

DFS and DM match class means of the features of untrained networks, so they can transfer only what these
features separate. For each dataset the script prints, over several untrained ConvNet3D:

- with classes' means over all training clips, and over as many as a step uses (`--batch`): a step that uses
  few clips has a noisy target;
- the same for clips that are replaced by copies of their first frame, so that nothing moves;
- the signal of a step: the variance between the classes' means as a share of the variance of a mean of
  `--batch` clips, averaged over the features.
"""

import argparse

import numpy as np
import torch

from dfs_store import open_videos
from dfs_store.networks.convnet3d import ConvNet3D
from dfs_store.networks.convnet3d_norm import ConvNet3DNorm
from dfs_store.videos.dataset import VideoDataset

MODELS = {"convnet3d": ConvNet3D, "convnet3d-norm": ConvNet3DNorm}


def features(videos: VideoDataset, network: ConvNet3D, *, still: bool) -> np.ndarray:
    """Returns the features (clips, features) of all clips."""
    parts = []
    for start in range(0, len(videos), 64):
        numbers = range(start, min(start + 64, len(videos)))
        clips = torch.stack([videos[number][0] for number in numbers]).transpose(1, 2)
        if still:
            clips = clips[:, :1].expand(-1, clips.shape[1], -1, -1, -1)
        with torch.inference_mode():
            parts.append(network.embed(clips).numpy())
    return np.concatenate(parts)


def nearest_mean(seen: np.ndarray, labels: np.ndarray, asked: np.ndarray, wanted: np.ndarray) -> float:
    means = np.stack([seen[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    distances = (asked**2).sum(1)[:, None] - 2 * asked @ means.T + (means**2).sum(1)
    return float((distances.argmin(axis=1) == wanted).mean())


def few(labels: np.ndarray, batch: int, generator: np.random.Generator) -> np.ndarray:
    """Returns the numbers of `batch` clips of each class."""
    groups = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    return np.concatenate([generator.choice(group, batch, replace=False) for group in groups])


def signal(seen: np.ndarray, labels: np.ndarray, batch: int) -> float:
    groups = [seen[labels == label] for label in range(labels.max() + 1)]
    between = np.var([group.mean(axis=0) for group in groups], axis=0)
    within = np.mean([group.var(axis=0) for group in groups], axis=0) / batch
    alive = within > 0
    return float((between[alive] / within[alive]).mean())


def main() -> None:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shape)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--root", help="folder of the dataset's videos")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--size", type=int)
    parser.add_argument("--batch", type=int, default=8, help="clips of a class that a step sees")
    parser.add_argument("--model", choices=sorted(MODELS), default="convnet3d")
    parser.add_argument("--networks", type=int, default=5)
    arguments = parser.parse_args()
    how = {"root": arguments.root, "frames": arguments.frames, "size": arguments.size}
    train, test = (open_videos(arguments.dataset, split=split, **how) for split in ("train", "test"))
    labels, wanted = np.asarray(train.labels), np.asarray(test.labels)
    rows: dict[str, list[float]] = {}
    for seed in range(arguments.networks):
        frames, size = train.sampling.frames, train.sampling.size
        network = MODELS[arguments.model](len(train.classes), frames, size).eval()
        network.reset(torch.Generator().manual_seed(seed))
        drawn = few(labels, arguments.batch, np.random.default_rng(seed))
        for still in (False, True):
            seen, asked = (features(videos, network, still=still) for videos in (train, test))
            kind = "first frame repeated" if still else "moving"
            scores = {
                f"{kind}, means of all clips": 100 * nearest_mean(seen, labels, asked, wanted),
                f"{kind}, means of {arguments.batch} clips": 100
                * nearest_mean(seen[drawn], labels[drawn], asked, wanted),
                f"{kind}, signal of a step": signal(seen, labels, arguments.batch),
            }
            for name, score in scores.items():
                rows.setdefault(name, []).append(score)
    chance = 100 / len(train.classes)
    print(f"{train.name}, {len(train)} training and {len(test)} test clips, chance {chance:.1f} %")
    for name, scores in rows.items():
        mean, spread = np.mean(scores), np.std(scores, ddof=1)
        print(f"{name:45} {mean:6.2f} ± {spread:.2f}   {np.round(scores, 1).tolist()}")


if __name__ == "__main__":
    main()
