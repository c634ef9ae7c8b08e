"""What is trained on: the clips of a store, or the pairs of memories that it was condensed to."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.static_dynamic import (
    MEMORIES_PER_VIDEO,
    METHOD,
    MemoryClips,
    StaticDynamicMemory,
)
from dfs_store.condense.steps import reproducible_float32
from dfs_store.errors import DamagedStoreError
from dfs_store.format import KeyFrameStore, open_store
from dfs_store.loaders import DFSDataset, DFSLoader
from dfs_store.networks.out_of_memory import out_of_memory_named

__all__ = ["StaticDynamicClips", "StoreClips", "clips_of"]


def clips_of(
    path: str | os.PathLike[str], device: torch.device | str = "cpu"
) -> "StoreClips | StaticDynamicClips":
    """Returns what a store is evaluated on: its clips, or pairs of memories where its method has them."""
    with open_store(path) as store:
        native = store.native_method
    return StaticDynamicClips(path, device) if native == METHOD else StoreClips(path, device)


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


class StaticDynamicClips:
    """The videos of a static-dynamic store, in batches for training, their pairs drawn afresh every epoch.

    Args:
        path: of the store.
        device: where batches are wanted.

    Attributes:
        classes: class names.

    Raises:
        DamagedStoreError: its memories are missing, damaged or of shapes that do not fit together.
    """

    def __init__(self, path: str | os.PathLike[str], device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        with open_store(path) as store:
            self.classes = store.class_names
            arrays = store.native_arrays()
            try:
                _check_memories(arrays, store)
            except (KeyError, ValueError) as error:
                raise DamagedStoreError(
                    f"{path}: its native arrays are no static-dynamic memories: {error}"
                ) from error
        with out_of_memory_named("use --device cpu"):
            self._memory = StaticDynamicMemory.of_arrays(arrays, self._device)

    def __len__(self) -> int:
        return len(self._memory)

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields every video once, (N, T, C, H, W) float32 and (N,) int64, by the draws of (seed, epoch)."""
        draws = np.random.default_rng((seed, epoch))
        order = draws.permutation(len(self))
        picks = draws.integers(0, MEMORIES_PER_VIDEO, (len(self), 2))
        for start in range(0, len(order), batch_size):
            videos = order[start : start + batch_size]
            clips = MemoryClips(self._memory, videos, picks[videos])
            with reproducible_float32():
                rendered = clips.render()
            yield rendered, torch.from_numpy(clips.labels).to(self._device)


def _check_memories(arrays: dict[str, npt.NDArray[Any]], store: KeyFrameStore) -> None:
    """Raises KeyError or ValueError unless the arrays are memories of the store's clips."""
    vpc, rest = divmod(len(store), len(store.class_names))
    if rest or not np.array_equal(store.labels, np.repeat(np.arange(len(store.class_names)), vpc)):
        raise ValueError("the clips must lie class after class, as many of each")
    count, size = MEMORIES_PER_VIDEO * vpc, store.frame_shape[1:]
    wanted = {
        "static": (len(store.class_names) * count, 3, *size),
        "dynamic": (len(store.class_names), count, store.num_frames, 1, *size),
        "integrator_weight": (3, 4, 3, 3, 3),
        "integrator_bias": (3,),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise ValueError(
                f"{name} must be {shape} of float32, got {arrays[name].shape} of {arrays[name].dtype}"
            )
