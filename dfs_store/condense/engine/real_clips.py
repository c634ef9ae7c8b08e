"""Batches of real clips for matching, kept on the device as uint8 if they fit, else read from the cache."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.engine.randomness import Purpose, numpy_generator
from dfs_store.condense.runtime.device import total_memory_bytes
from dfs_store.videos import VideoDataset
from dfs_store.videos.tensors import FLIP_PROBABILITY, normalised_clips

__all__ = ["RealClips", "real_clips_fit"]

# Share of the device's memory for real clips; the rest is for synthetic clips and networks.
DEVICE_SHARE = 0.4

# The pixels (N, T, H, W, C) uint8 of a class's batch, and which of its clips are flipped.
Drawn = tuple[Tensor, npt.NDArray[np.bool_]]


class RealClips:
    """Draws the real batches of every step: per class, without replacement, each clip flipped at random.

    The draws depend only on the seed, the step and the class.

    Args:
        videos: the real clips.
        batch_real: clips per class in each step; all of them if a class has fewer.
        seed: seed of the run.
        device: device of the batches.
        labels: the classes to draw from; all by default.
    """

    def __init__(
        self,
        videos: VideoDataset,
        batch_real: int,
        seed: int,
        device: torch.device,
        labels: range | None = None,
    ) -> None:
        self.num_classes = len(videos.classes)
        self.labels = range(self.num_classes) if labels is None else labels
        self._videos = videos
        self._batch_real = batch_real
        self._seed = seed
        self._device = device
        order = np.argsort(videos.labels, kind="stable")
        counts = np.bincount(videos.labels, minlength=len(videos.classes))
        self._members = np.split(order, np.cumsum(counts)[:-1])
        self._pixels: Tensor | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._ahead: tuple[int, Future[list[Drawn]]] | None = None
        if device.type == "cuda":
            if real_clips_fit(len(videos) * int(np.prod(videos.pixels.shape[2:])), device):
                self._pixels = torch.from_numpy(np.ascontiguousarray(videos.pixels[:, 0])).to(device)
            else:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="real-clips")

    def __enter__(self) -> "RealClips":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def batches(self, step: int) -> Iterator[Tensor]:
        """Yields a batch (N, T, C, H, W) float32 in normalised space for each class of `labels`."""
        if self._thread is None:
            for label in self.labels:
                yield self._normalised(*self._gather(step, label))
            return
        # Streaming: the thread reads the next step's batches while the device works on this one.
        ahead, self._ahead = self._ahead, None
        read = ahead[1].result() if ahead is not None and ahead[0] == step else self._read(step)
        self._ahead = (step + 1, self._thread.submit(self._read, step + 1))
        for pixels, flipped in read:
            yield self._normalised(pixels.to(self._device, non_blocking=True), flipped)

    def _read(self, step: int) -> list[Drawn]:
        drawn = (self._gather(step, label) for label in self.labels)
        return [(pixels.pin_memory(), flipped) for pixels, flipped in drawn]

    def _draw(self, step: int, label: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Returns which clips of the class, and which of them are flipped."""
        generator = numpy_generator(self._seed, Purpose.REAL_BATCH, step, label)
        members = self._members[label]
        chosen = generator.choice(members, size=min(self._batch_real, members.size), replace=False)
        return chosen, generator.random(chosen.size) < FLIP_PROBABILITY

    def _normalised(self, pixels: Tensor, flipped: npt.NDArray[np.bool_]) -> Tensor:
        return normalised_clips(pixels.to(self._device), self._videos.normalization, flipped)

    def _gather(self, step: int, label: int) -> Drawn:
        chosen, flipped = self._draw(step, label)
        if self._pixels is not None:
            return self._pixels[torch.from_numpy(chosen).to(self._device)], flipped
        # Disks read faster in sorted order; the clips are then returned in the order drawn.
        order = np.argsort(chosen)
        pixels = np.empty((chosen.size, *self._videos.pixels.shape[2:]), dtype=np.uint8)
        for place in order:
            pixels[place] = self._videos.pixels[chosen[place], 0]
        return torch.from_numpy(pixels), flipped


def real_clips_fit(size_bytes: int, device: torch.device) -> bool:
    """Whether real clips of `size_bytes` as uint8 may stay on a CUDA device."""
    return size_bytes <= DEVICE_SHARE * (total_memory_bytes(device) or 0)
