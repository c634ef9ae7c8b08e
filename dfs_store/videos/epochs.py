"""Batches of all real clips in a split, for training the upper bound and the coresets' feature extractor."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dfs_store.loaders.transfers import on_device
from dfs_store.videos.dataset import VideoDataset
from dfs_store.videos.tensors import FLIP_PROBABILITY, normalised_clips

__all__ = ["VideoClips"]


class VideoClips:
    """Provides training batches of all real clips in a split, each flipped with probability 0.5 per epoch.

    Args:
        videos: the real clips.
        device: device of the batches.

    Attributes:
        classes: class names.
    """

    def __init__(self, videos: VideoDataset, device: torch.device | str = "cpu") -> None:
        self._videos = videos
        self._device = torch.device(device)
        self.classes = list(videos.classes)

    def __len__(self) -> int:
        return len(self._videos)

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields clips (N, T, C, H, W) float32 and labels (N,) int64, shuffled by `seed` and `epoch`."""
        generator = np.random.default_rng((seed, epoch))
        order = generator.permutation(len(self))
        flipped = generator.random(len(self)) < FLIP_PROBABILITY
        for start in range(0, len(self), batch_size):
            chosen = order[start : start + batch_size]
            pixels = on_device(np.stack([self._videos.pixels[clip, 0] for clip in chosen]), self._device)
            clips = normalised_clips(pixels, self._videos.normalization, flipped[chosen])
            yield clips, on_device(self._videos.labels[chosen], self._device)
