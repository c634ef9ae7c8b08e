"""Measures how fast a network trains on a device."""

import contextlib
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dfs_store.networks.training import ClipBatches, TrainingSettings, train

__all__ = ["TIMED_STEPS", "seconds_per_pass", "synchronised_clock"]

TIMED_STEPS = 2  # after one warm-up step
_LONG_SECONDS = 20.0  # for steps this long, warm-up does not matter, so one step suffices


def seconds_per_pass(network: nn.Module, source: ClipBatches, settings: TrainingSettings) -> float:
    """Estimates the time in seconds for a pass over the clips, from the mean of two training steps.

    Args:
        network: network on its device. It is trained, so do not use it afterwards.
        source: the clips. At most three batches are read, each of them the first batch of a pass.
        settings: training settings.
    """
    device = next(network.parameters()).device
    times = [synchronised_clock(device)]

    def note(number: int, _loss: float) -> None:
        times.append(synchronised_clock(device))
        if number == TIMED_STEPS or times[-1] - times[0] > _LONG_SECONDS:
            raise _EnoughError

    one = _FirstBatches(source)
    with contextlib.suppress(_EnoughError):
        train(network, one, settings, on_pass=note)
    timed = len(times) - 2 or 1  # without the warm-up step, if there are other steps
    return (times[-1] - times[-1 - timed]) / timed * len(source) / one.batch_clips


def synchronised_clock(device: torch.device) -> float:
    """Returns `time.perf_counter()` after a device has finished its pending work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class _EnoughError(Exception):
    """Stops the training after enough steps."""


class _FirstBatches:
    """Yields only the first batch of every pass over a source."""

    def __init__(self, source: ClipBatches) -> None:
        self._source = source
        self.batch_clips = 1

    def __len__(self) -> int:
        return len(self._source)

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the first batch of an epoch."""
        clips, labels = next(iter(self._source.batches(batch_size, epoch, seed)))
        self.batch_clips = len(clips)
        yield clips, labels
