"""Torch's global generators, borrowed for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["seeded"]


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seeds the global generator of the CPU, and that of a GPU, and puts them back at the end.

    `torch.manual_seed` would reseed the generators of all GPUs, those of the caller included.

    Args:
        seed: of both.
        device: the GPU whose generator is used, too; None or a CPU for none.
    """
    gpus = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            number = torch.cuda.current_device() if gpu.index is None else gpu.index
            torch.cuda.default_generators[number].manual_seed(seed)
        yield
