"""Tests a trained network on real clips with one of two protocols."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dfs_store.evaluate.published import PAPER_TEST_PASSES
from dfs_store.loaders.transfers import on_device
from dfs_store.networks.training import Standardisation, standardised
from dfs_store.videos import VideoDataset
from dfs_store.videos.tensors import FLIP_PROBABILITY, normalised_clips

__all__ = [
    "PROTOCOLS",
    "Answers",
    "Protocol",
    "answers_on",
    "num_test_passes",
    "random_starts",
    "standardisation_of",
]

Protocol = Literal["paper", "strict"]
PROTOCOLS: tuple[Protocol, ...] = ("paper", "strict")


class Answers(NamedTuple):
    """Test results of one trained network.

    Attributes:
        top1, top5: accuracy in percent, the mean over the passes. Top-5 is 100 for five or fewer classes.
        confusion: (classes, classes) int64, number of clips by true class (row) and predicted class (column),
            summed over the passes.
    """

    top1: float
    top5: float
    confusion: npt.NDArray[np.int64]


def standardisation_of(protocol: Protocol) -> Standardisation:
    """Returns how clips are standardised for training and testing."""
    return "batch" if protocol == "paper" else "clip"


def random_starts(protocol: Protocol, runs: int) -> int:
    """Returns the number of random starts per test clip: one for each pass of each run."""
    return runs * PAPER_TEST_PASSES if protocol == "paper" else 0


def num_test_passes(protocol: Protocol) -> int:
    """Returns the number of passes over the test clips in each run."""
    return PAPER_TEST_PASSES if protocol == "paper" else 1


def answers_on(
    network: nn.Module,
    videos: VideoDataset,
    protocol: Protocol,
    *,
    seed: int,
    run: int = 0,
    batch_size: int = 64,
) -> Answers:
    """Tests a network on real clips.

    "paper" averages three passes, each with random horizontal flips and its own random starts (a view of the
    prepared clips that no other pass of any run uses). Clips are in class order, and each batch is
    standardised as a whole. "strict" makes one pass over the centre clips, without flips. Each clip is
    standardised on its own, so that the scores depend neither on chance nor on the other clips.

    Args:
        network: maps clips (N, T, C, H, W) to logits (N, classes).
        videos: the real test clips. If they have a single view, every pass uses that view.
        protocol: "paper" or "strict".
        seed: seed of the flips.
        run: 0-based number of the run, which selects the views.
        batch_size: number of clips per batch.
    """
    network.eval()
    order = np.argsort(videos.labels, kind="stable")
    labels = torch.from_numpy(videos.labels[order])
    hits = []
    confusion = np.zeros((len(videos.classes), len(videos.classes)), dtype=np.int64)
    for number in range(num_test_passes(protocol)):
        # View 0 is the centre; the others have random starts.
        has_starts = protocol == "paper" and videos.num_views > 1
        view = 1 + run * PAPER_TEST_PASSES + number if has_starts else 0
        logits = torch.cat(list(_logits(network, videos, order, view, protocol, (seed, number), batch_size)))
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices
        right = best == labels[:, None]
        hits.append((right[:, 0].double().mean().item(), right.any(1).double().mean().item()))
        np.add.at(confusion, (videos.labels[order], best[:, 0].numpy()), 1)
    top1, top5 = np.mean(hits, axis=0) * 100
    return Answers(float(top1), float(top5), confusion)


def _logits(
    network: nn.Module,
    videos: VideoDataset,
    order: npt.NDArray[np.int64],
    view: int,
    protocol: Protocol,
    seed_and_pass: tuple[int, int],
    batch_size: int,
) -> Iterator[Tensor]:
    device = next(network.parameters()).device
    generator = np.random.default_rng(seed_and_pass)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        flipped = generator.random(len(chosen)) < FLIP_PROBABILITY if protocol == "paper" else None
        pixels = on_device(np.stack([videos.pixels[clip, view] for clip in chosen]), device)
        clips = normalised_clips(pixels, videos.normalization, flipped)
        with torch.inference_mode():
            yield network(standardised(clips, standardisation_of(protocol))).float().cpu()
