"""Batches of real clips for matching, read from the device if all clips fit on it, or from the cache."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.engine.randomness import Purpose, numpy_generator
from dfs_store.condense.runtime.device import total_memory_bytes
from dfs_store.loaders.transfers import on_device
from dfs_store.videos import VideoDataset
from dfs_store.videos.tensors import FLIP_PROBABILITY, normalised_clips

__all__ = ["RealBatch", "RealClips", "real_clips_fit"]

# Share of the device's memory that real clips may use; the rest is for synthetic clips and networks.
DEVICE_SHARE = 0.35
_CLIPS_PER_READ = 256

Numbers = npt.NDArray[np.int64]
Coins = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RealBatch:
    """Real clips of successive classes, normalised on access.

    For example, ``batch[3:7]`` returns four normalised clips (4, T, C, H, W) on the device. Memory is needed
    only for the clips that are embedded at a time, so a batch can exceed the device's memory.

    Attributes:
        counts: number of clips of each class.
        make: function that returns the clips in a slice.
    """

    counts: tuple[int, ...]
    make: Callable[[slice], Tensor]

    def __len__(self) -> int:
        return sum(self.counts)

    def __getitem__(self, part: slice) -> Tensor:
        return self.make(part)

    def classes(self) -> Iterator[Tensor]:
        """Yields the clips (N, T, C, H, W) of each class."""
        start = 0
        for count in self.counts:
            yield self[start : start + count]
            start += count


class Drawn(NamedTuple):
    """The random draws of a step, class by class.

    Attributes:
        counts: number of clips of each class.
        clips: (N,) numbers of the clips.
        flipped: (N,) whether each clip is flipped.
    """

    counts: tuple[int, ...]
    clips: Numbers
    flipped: Coins


class RealClips:
    """Draws real clips of each class for every step, without replacement, and flips them at random.

    The draws depend only on the seed, the step and the class.

    Args:
        videos: the real clips.
        batch_real: clips per class in each step; a class with fewer clips uses all of them.
        seed: seed of the run.
        device: device of the batches.
        labels: the classes from which to draw; all by default.
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
        self._ahead: tuple[int, Future[tuple[Drawn, Tensor]]] | None = None
        if device.type == "cuda":
            own = np.concatenate([self._members[label] for label in self.labels])
            self._rows = np.full(len(videos), -1)
            self._rows[own] = np.arange(own.size)
            if real_clips_fit(own.size * int(np.prod(videos.pixels.shape[2:])), device):
                self._pixels = self._loaded(own)
            else:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="real-clips")

    def _loaded(self, clips: Numbers) -> Tensor:
        """Returns clips on the device. They are read in parts because they may not fit in host memory."""
        shape = self._videos.pixels.shape[2:]
        pixels = torch.empty((clips.size, *shape), dtype=torch.uint8, device=self._device)
        for start in range(0, clips.size, _CLIPS_PER_READ):
            part = clips[start : start + _CLIPS_PER_READ]
            read = np.empty((part.size, *shape), dtype=np.uint8)
            self._gather(part, read)
            pixels[start : start + part.size].copy_(on_device(read, self._device))
        return pixels

    def __enter__(self) -> "RealClips":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def batches(self, step: int, dtype: torch.dtype = torch.float32) -> Iterator[RealBatch]:
        """Yields the clips drawn for a step: one batch per class on the CPU, or a single batch on a GPU.

        Args:
            step: 0-based number of the step.
            dtype: dtype of the clips, float32 or bfloat16.
        """
        if self._device.type != "cuda":
            for label in self.labels:
                yield self._from_host(self._draw(step, [label]), dtype)
        elif self._pixels is not None:
            yield self._resident(self._draw(step, self.labels), self._pixels, dtype)
        else:
            assert self._thread is not None
            # The thread reads the next step's clips while the device works on this step.
            ahead, self._ahead = self._ahead, None
            read = ahead[1].result() if ahead is not None and ahead[0] == step else self._read(step)
            self._ahead = (step + 1, self._thread.submit(self._read, step + 1))
            yield self._streamed(*read, dtype)

    def _from_host(self, drawn: Drawn, dtype: torch.dtype) -> RealBatch:
        def make(part: slice) -> Tensor:
            chosen = drawn.clips[part]
            pixels = np.empty((chosen.size, *self._videos.pixels.shape[2:]), dtype=np.uint8)
            self._gather(chosen, pixels)
            return self._normalised(torch.from_numpy(pixels), drawn.flipped[part], dtype)

        return RealBatch(drawn.counts, make)

    def _resident(self, drawn: Drawn, pixels: Tensor, dtype: torch.dtype) -> RealBatch:
        # One copy to the device per step.
        rows = on_device(np.stack([self._rows[drawn.clips], drawn.flipped.astype(np.int64)]), self._device)

        def make(part: slice) -> Tensor:
            chosen = pixels.index_select(0, rows[0, part])
            return self._normalised(chosen, rows[1, part] != 0, dtype)

        return RealBatch(drawn.counts, make)

    def _streamed(self, drawn: Drawn, pinned: Tensor, dtype: torch.dtype) -> RealBatch:
        flipped = on_device(drawn.flipped, self._device)

        def make(part: slice) -> Tensor:
            return self._normalised(on_device(pinned[part], self._device), flipped[part], dtype)

        return RealBatch(drawn.counts, make)

    def _read(self, step: int) -> tuple[Drawn, Tensor]:
        """Draws the clips of a step and reads their pixels into pinned memory."""
        drawn = self._draw(step, self.labels)
        shape = (drawn.clips.size, *self._videos.pixels.shape[2:])
        pinned = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._gather(drawn.clips, pinned.numpy())
        return drawn, pinned

    def _draw(self, step: int, labels: Iterable[int]) -> Drawn:
        chosen, flipped = list[Numbers](), list[Coins]()
        for label in labels:
            generator = numpy_generator(self._seed, Purpose.REAL_BATCH, step, label)
            members = self._members[label]
            size = min(self._batch_real, members.size)
            chosen.append(generator.choice(members, size=size, replace=False))
            flipped.append(generator.random(size) < FLIP_PROBABILITY)
        counts = tuple(each.size for each in chosen)
        return Drawn(counts, np.concatenate(chosen), np.concatenate(flipped))

    def _normalised(self, pixels: Tensor, flipped: Coins | Tensor, dtype: torch.dtype) -> Tensor:
        return normalised_clips(pixels, self._videos.normalization, flipped, dtype)

    def _gather(self, chosen: Numbers, pixels: npt.NDArray[np.uint8]) -> None:
        # Disks read faster in sorted order; the clips are returned in the order drawn.
        for place in np.argsort(chosen):
            pixels[place] = self._videos.pixels[chosen[place], 0]


def real_clips_fit(size_bytes: int, device: torch.device) -> bool:
    """Returns whether real clips that take `size_bytes` as uint8 can be kept on a CUDA device."""
    return size_bytes <= DEVICE_SHARE * (total_memory_bytes(device) or 0)
