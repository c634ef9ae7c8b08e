"""How fast a network trains on a device, from a few steps that are really taken."""

import contextlib
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dfs_store.networks.training import ClipBatches, TrainingSettings, train

__all__ = ["TIMED_STEPS", "seconds_per_pass", "synchronised_clock"]

TIMED_STEPS = 2  # after one to warm up
_LONG_SECONDS = 20.0  # a first step that takes so long is no slower than the next, and is enough


def seconds_per_pass(network: nn.Module, source: ClipBatches, settings: TrainingSettings) -> float:
    """Returns about how many seconds a pass over the clips takes, by the mean of two training steps.

    Args:
        network: on its device; it is trained, so give one that is not used afterwards.
        source: the clips; of three batches at most, each the first of a pass.
        settings: of the training.
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
    timed = len(times) - 2 or 1  # without the step that warms up, if there are others
    return (times[-1] - times[-1 - timed]) / timed * len(source) / one.batch_clips


def synchronised_clock(device: torch.device) -> float:
    """Returns `time.perf_counter` once a device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class _EnoughError(Exception):
    """Ends a training."""


class _FirstBatches:
    """The first batch of every pass over other clips."""

    def __init__(self, source: ClipBatches) -> None:
        self._source = source
        self.batch_clips = 1

    def __len__(self) -> int:
        return len(self._source)

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields one batch."""
        clips, labels = next(iter(self._source.batches(batch_size, epoch, seed)))
        self.batch_clips = len(clips)
        yield clips, labels
