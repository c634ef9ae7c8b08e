"""Seeds torch's global random generators temporarily."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dfs_store.loaders.transfers import indexed_device

__all__ = ["seeded"]


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seeds the global generators of the CPU and of a GPU, and restores their state on exit.

    `torch.manual_seed` would also reseed the caller's generators on all other GPUs.

    Args:
        seed: seed of both generators.
        device: the GPU whose generator to seed. If this is None or a CPU, only the CPU generator is seeded.
    """
    gpus = [indexed_device(device)] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            torch.cuda.default_generators[gpu.index].manual_seed(seed)
        yield
