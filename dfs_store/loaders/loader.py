"""DFSLoader: the fast path from a store to a training loop, whole batches at a time."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.errors import SettingsError
from dfs_store.loaders.batching.buffers import BatchBuffers, Workspace
from dfs_store.loaders.checks import check_device, check_dtype, check_share, check_whole_number, replica_of
from dfs_store.loaders.dataset import DFSDataset
from dfs_store.loaders.order import EpochOrder
from dfs_store.loaders.transfers import on_device
from dfs_store.loaders.transforms import transform_batch

__all__ = ["DFSLoader"]

Batch: TypeAlias = tuple[Tensor, Tensor]


@dataclass
class _Progress:
    """Where a pass over the clips stands.

    Attributes:
        epoch: number of the pass.
        batch: batches handed out, those before a resumption included.
    """

    epoch: int = 0
    batch: int = 0


class DFSLoader:
    """Batches of clips and labels, rebuilt from key frames that stay where they are used.

    Iterating yields ``(clips, labels)``: clips (B, C, T, H, W) or (B, T, C, H, W) by the dataset's
    layout, labels (B,) int64 or, with the dataset's ``target="soft"``, (B, classes) float32, both on
    `device`. On the CPU a float32 batch is the dataset's items, bit for bit; on other devices and in other
    dtypes it equals them up to rounding: at most 2 eps of `dtype` (and of float32) times the largest
    key-frame value. Key frames lie on `device` in their stored dtype, or are read for each batch where the
    dataset's `in_memory` is False.

    On the CPU batches are rebuilt into recycled memory. It is used again only when nothing refers to
    it any more: not the batch, a view, a graph, a NumPy array or a DLPack capsule made from it, nor
    another process. So batches may be kept and changed at will.

    An epoch's order and flips follow from `seed` and the epoch alone. A new pass counts the epoch up once
    all batches of the former one were handed out; `set_epoch` overrules it. `state_dict` and
    `load_state_dict` resume in the middle of an epoch with exactly the batches that were still to come.

    Args:
        dataset: without a per-clip `transform`. Its `target_transform` is asked once per class, here,
            and must return a whole number.
        batch_size: B, at least 1. The last batch of an epoch may be smaller.
        shuffle: a new order every epoch.
        device: where batches are rebuilt.
        dtype: a floating dtype of the clips; float32 when absent.
        seed: of order and flips, at least 0.
        drop_last: leaves out a last, smaller batch (and, with replicas, clips that do not fill all).
        horizontal_flip: probability that a clip is turned left to right, drawn per clip and epoch.
        batch_transform: gets ``(clips, labels)`` on the device, clips as `torchvision.tv_tensors.Video`
            (B, T, C, H, W) whatever the layout, and returns both, as torchvision's v2 MixUp does.
            Random numbers that it draws are not part of the state.
        num_replicas: processes that share each epoch in equal parts; from torch.distributed where it is
            initialised, else 1.
        rank: of this process; likewise.

    Raises:
        SettingsError: an option is outside its rule, or no batch is left with `drop_last`.
    """

    def __init__(
        self,
        dataset: DFSDataset,
        batch_size: int,
        *,
        shuffle: bool = False,
        device: str | torch.device = "cpu",
        dtype: torch.dtype | None = None,
        seed: int = 0,
        drop_last: bool = False,
        horizontal_flip: float = 0.0,
        batch_transform: Callable[[Tensor, Tensor], Any] | None = None,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        _check_dataset(dataset)
        labels = dataset.labels_for_batches(
            "DFSLoader", "give DFSLoader(batch_transform=...), which gets the batch on the device"
        )
        num_replicas, rank = replica_of(num_replicas, rank)
        self.dataset = dataset
        self.device = check_device(device)
        self.dtype = check_dtype(dtype)
        self.batch_transform = batch_transform
        self._order = EpochOrder(
            num_clips=len(dataset),
            batch_size=check_whole_number(batch_size, "batch_size", least=1),
            shuffle=bool(shuffle),
            seed=check_whole_number(seed, "seed", least=0),
            drop_last=bool(drop_last),
            horizontal_flip=check_share(horizontal_flip, "horizontal_flip"),
            num_replicas=num_replicas,
            rank=rank,
        )
        if self._order.num_batches == 0:
            raise SettingsError(
                f"drop_last leaves no batch: batch_size is {batch_size}, and of {len(dataset)} clips "
                f"{self._order.clips_per_replica} come to each of {num_replicas} replicas"
            )
        self._labels = labels.to(self.device)
        table = dataset.key_frame_table
        self._rebuilder = dataset.rebuilder(self.device, None if table is None else table.to(self.device))
        self._buffers = BatchBuffers(self.device, self.dtype)
        self._workspace = Workspace()
        self._progress = _Progress()
        self._resumes = False

    def __len__(self) -> int:
        """Batches of a full epoch on this replica."""
        return self._order.num_batches

    @property
    def batch_size(self) -> int:
        """B."""
        return self._order.batch_size

    @property
    def epoch(self) -> int:
        """Number of the epoch that is running, or that the next pass will be."""
        return self._progress.epoch

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass that of an epoch; a place in it that `load_state_dict` has set is kept.

        Raises:
            SettingsError: `epoch` is no whole number of at least 0.
        """
        epoch = check_whole_number(epoch, "epoch", least=0)
        if epoch != self._progress.epoch or self._is_through():
            self._progress, self._resumes = _Progress(epoch), False

    def __iter__(self) -> Iterator[Batch]:
        # At the call, not at the first batch, so that a second pass begun meanwhile starts over.
        progress = _Progress(
            self._progress.epoch + self._is_through(), self._progress.batch if self._resumes else 0
        )
        self._progress, self._resumes = progress, False
        return self._batches(progress)

    def _is_through(self) -> bool:
        """Whether a pass handed out all its batches; who counts them (Lightning) does not ask for its end."""
        return self._progress.batch >= self._order.num_batches and not self._resumes

    def _batches(self, progress: _Progress) -> Iterator[Batch]:
        order, size = self._order, self._order.batch_size
        clips, mirrored = order.clips(progress.epoch), order.mirrored(progress.epoch)
        while progress.batch < order.num_batches:
            chosen = clips[progress.batch * size : (progress.batch + 1) * size]
            batch = self._batch(chosen, None if mirrored is None else mirrored[chosen])
            progress.batch += 1
            # Nothing here may hold on to the batch, or its memory would never be free in time.
            box = [batch]
            del batch
            yield box.pop()
        if self._progress is progress:
            self._progress = _Progress(progress.epoch + 1)

    def _batch(self, chosen: npt.NDArray[np.int64], mirrored: npt.NDArray[np.bool_] | None) -> Batch:
        out = self._buffers.take((len(chosen), *self._rebuilder.clip_shape))
        self._rebuilder.rebuild(chosen, out, self._workspace, mirrored)
        with torch.inference_mode(mode=False):  # as the clips: they may be trained on later
            labels = self._labels[on_device(chosen, self.device)]
        if self.batch_transform is None:
            return out, labels
        return transform_batch(self.batch_transform, out, labels, self.dataset.layout)

    def state_dict(self) -> dict[str, Any]:
        """Returns the place in the epoch, counting every batch handed out, and the settings it depends on."""
        return {**asdict(self._progress), "settings": self._settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next pass begin with the batch after those that were handed out when `state` was taken.

        Replicas load the same state: the rank is not part of it.

        Raises:
            SettingsError: `state` is none of `state_dict`, or comes from a loader with other settings.
        """
        try:
            epoch, batch, settings = state["epoch"], state["batch"], dict(state["settings"])
        except (KeyError, TypeError, ValueError):
            raise SettingsError(
                f"the state of a DFSLoader has epoch, batch and settings, got {state!r}"
            ) from None
        for name, value in self._settings().items():
            if settings.get(name) != value:
                raise SettingsError(
                    f"the state comes from a loader with {name} {settings.get(name)!r}, this one has "
                    f"{value!r}; the remaining batches would be others"
                )
        epoch = check_whole_number(epoch, "epoch", least=0)
        self._progress = _Progress(epoch, check_whole_number(batch, "batch", least=0))
        self._resumes = True

    def _settings(self) -> dict[str, Any]:
        settings = asdict(self._order)
        del settings["rank"]
        return settings


def _check_dataset(dataset: object) -> None:
    if not isinstance(dataset, DFSDataset):
        raise SettingsError(
            f"DFSLoader takes a DFSDataset, got {type(dataset).__name__}: DFSLoader(DFSDataset(path), ...)"
        )
