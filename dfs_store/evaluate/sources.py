"""What is trained on: the clips of a store, or all real clips (the upper bound)."""

import os
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dfs_store.loaders import DFSDataset, DFSLoader
from dfs_store.videos import VideoDataset
from dfs_store.videos.tensors import normalised_clips

__all__ = ["StoreClips", "VideoClips"]

FLIP_PROBABILITY = 0.5


class StoreClips:
    """The rebuilt clips of a store, without any augmentation, in batches for training.

    Args:
        path: of the store.
        device: where batches are wanted.

    Attributes:
        classes: class names.
    """

    def __init__(self, path: str | os.PathLike[str], device: torch.device | str = "cpu") -> None:
        self._dataset = DFSDataset(path, layout="TCHW")
        self._device = torch.device(device)
        self._loader: DFSLoader | None = None
        self._made_for: tuple[int, int] | None = None
        self.classes = list(self._dataset.classes)

    def __len__(self) -> int:
        return len(self._dataset)

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields every clip once, (N, T, C, H, W) float32 and (N,) int64, in the order of (seed, epoch)."""
        if self._loader is None or self._made_for != (batch_size, seed):
            self._loader = DFSLoader(
                self._dataset,
                batch_size,
                shuffle=True,
                device=self._device,
                seed=seed,
                num_replicas=1,
                rank=0,
            )
            self._made_for = (batch_size, seed)
        self._loader.set_epoch(epoch)
        yield from self._loader


class VideoClips:
    """All real clips of a split, each flipped by a coin per epoch, in batches for training.

    Args:
        videos: the real clips.
        device: where batches are wanted.

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
        """Yields every clip once, (N, T, C, H, W) float32 and (N,) int64, in the order of (seed, epoch)."""
        generator = np.random.default_rng((seed, epoch))
        order = generator.permutation(len(self))
        flipped = generator.random(len(self)) < FLIP_PROBABILITY
        for start in range(0, len(self), batch_size):
            chosen = order[start : start + batch_size]
            pixels = torch.from_numpy(np.stack([self._videos.pixels[clip, 0] for clip in chosen]))
            clips = normalised_clips(pixels.to(self._device), self._videos.normalization, flipped[chosen])
            yield clips, torch.from_numpy(self._videos.labels[chosen]).to(self._device)
