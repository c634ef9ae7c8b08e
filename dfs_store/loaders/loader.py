"""DFSLoader rebuilds whole batches. It is the fastest way from a store to a training loop."""

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
from dfs_store.names import counted

__all__ = ["DFSLoader"]

Batch: TypeAlias = tuple[Tensor, Tensor]


@dataclass
class _Progress:
    """Position of a pass over the clips.

    Attributes:
        epoch: number of the epoch.
        batch: number of batches yielded in the epoch, including those before it was resumed.
    """

    epoch: int = 0
    batch: int = 0


class DFSLoader:
    """Batches of clips and labels, rebuilt on the device from key frames.

    Iterating yields ``(clips, labels)``, both on `device`. The clips have the shape (B, C, T, H, W) or (B, T,
    C, H, W), depending on the dataset's layout. The labels are (B,) int64, or (B, classes) float32 if the
    dataset's `target` is "soft". On the CPU, a float32 batch equals the dataset's items bit for bit. On
    other devices and in other dtypes, values differ by at most 2 eps times the largest key-frame value, where
    eps is that of `dtype` or float32, whichever is larger. Key frames are kept on `device` in their stored
    dtype, or are read for each batch if the dataset's `in_memory` is False.

    On the CPU, batches are rebuilt into recycled memory. It is reused only when nothing refers to it any
    more: no batch, view, graph, NumPy array, DLPack capsule or other process. You can therefore keep and
    modify batches freely.

    The order and flips of an epoch depend only on `seed` and the epoch. A new pass starts the next epoch if
    the previous pass yielded all batches, and otherwise repeats its epoch; `set_epoch` overrides this. With
    `state_dict` and `load_state_dict`, a pass resumes in the middle of an epoch and yields exactly the
    remaining batches.

    Args:
        dataset: a dataset that has no per-clip `transform`. Its `target_transform` is called once per class,
            and must return a whole number.
        batch_size: B, at least 1. The last batch of an epoch may be smaller.
        shuffle: whether to use a new order in every epoch.
        device: device that rebuilds batches.
        dtype: floating-point dtype of the clips; float32 if None.
        seed: random seed for the order and flips, at least 0.
        drop_last: whether to drop a smaller last batch and, with replicas, clips that cannot be shared
            equally.
        horizontal_flip: probability that a clip is flipped horizontally, drawn per clip and epoch.
        batch_transform: called on the device with ``(clips, labels)``. Must return both, as torchvision's v2
            MixUp does. The clips are a `torchvision.tv_tensors.Video` (B, T, C, H, W) in both layouts.
            `state_dict` does not save the state of the transform's random number generator.
        num_replicas: number of processes that share each epoch equally. Defaults to the number in
            torch.distributed if it is initialised, and otherwise to 1.
        rank: rank of this process, at least 0. Pass both `num_replicas` and `rank`, or neither.

    Raises:
        SettingsError: an option is invalid, or `drop_last` leaves no batch.
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
        if not isinstance(dataset, DFSDataset):
            raise SettingsError(
                f"dataset must be a DFSDataset, got {type(dataset).__name__}; use "
                "DFSLoader(DFSDataset(path), ...)"
            )
        labels = dataset.labels_for_batches(
            "DFSLoader", "pass batch_transform to DFSLoader, which applies it to batches on the device"
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
                f"drop_last leaves no batch: batch_size is {batch_size}, but a replica has only "
                f"{counted(self._order.clips_per_replica, 'clip')} ({len(dataset)} in total, "
                f"{num_replicas=}); use a smaller batch_size or drop_last=False"
            )
        self._labels = labels.to(self.device)
        table = dataset.key_frame_table
        self._rebuilder = dataset.rebuilder(self.device, None if table is None else table.to(self.device))
        self._buffers = BatchBuffers(self.device, self.dtype)
        self._workspace = Workspace()
        self._progress = _Progress()
        self._resumes = False

    def __len__(self) -> int:
        """Returns the number of batches in a full epoch on this replica."""
        return self._order.num_batches

    @property
    def batch_size(self) -> int:
        """B, the number of clips in a full batch."""
        return self._order.batch_size

    @property
    def epoch(self) -> int:
        """The number of the current epoch or, between two passes, of the next epoch."""
        return self._progress.epoch

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next pass. The epoch that `load_state_dict` loaded keeps its position.

        Raises:
            SettingsError: `epoch` is not a whole number, or is negative.
        """
        epoch = check_whole_number(epoch, "epoch", least=0)
        if epoch != self._progress.epoch or self._is_through():
            self._progress, self._resumes = _Progress(epoch), False

    def __iter__(self) -> Iterator[Batch]:
        # Set here, not at the first batch, so that a second pass that begins before then does not resume too.
        progress = _Progress(
            self._progress.epoch + self._is_through(), self._progress.batch if self._resumes else 0
        )
        self._progress, self._resumes = progress, False
        return self._batches(progress)

    def _is_through(self) -> bool:
        """Returns whether all batches were yielded, even if the caller did not exhaust the iterator."""
        return self._progress.batch >= self._order.num_batches and not self._resumes

    def _batches(self, progress: _Progress) -> Iterator[Batch]:
        order, size = self._order, self._order.batch_size
        clips, mirrored = order.clips(progress.epoch), order.mirrored(progress.epoch)
        while progress.batch < order.num_batches:
            chosen = clips[progress.batch * size : (progress.batch + 1) * size]
            batch = self._batch(chosen, None if mirrored is None else mirrored[chosen])
            progress.batch += 1
            # While suspended, no variable here may refer to the batch, or its memory would not be reused.
            box = [batch]
            del batch
            yield box.pop()
        if self._progress is progress:
            self._progress = _Progress(progress.epoch + 1)

    def _batch(self, chosen: npt.NDArray[np.int64], mirrored: npt.NDArray[np.bool_] | None) -> Batch:
        out = self._buffers.take((len(chosen), *self._rebuilder.clip_shape))
        self._rebuilder.rebuild(chosen, out, self._workspace, mirrored)
        with torch.inference_mode(mode=False):  # like the clips, labels may be used for training later
            labels = self._labels[on_device(chosen, self.device)]
        if self.batch_transform is None:
            return out, labels
        return transform_batch(self.batch_transform, out, labels, self.dataset.layout)

    def state_dict(self) -> dict[str, Any]:
        """Returns the number of batches yielded in the epoch, and the settings that determine their order."""
        return {**asdict(self._progress), "settings": self._settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next pass resume after the last batch that had been yielded when `state` was saved.

        All replicas can load the same state, which does not contain the rank.

        Raises:
            SettingsError: `state` was not returned by `state_dict`, or is from a loader with different
                settings.
        """
        try:
            epoch, batch, settings = state["epoch"], state["batch"], dict(state["settings"])
        except (KeyError, TypeError, ValueError):
            raise SettingsError(
                f"state must be from DFSLoader.state_dict (epoch, batch, settings), got {state!r}"
            ) from None
        for name, value in self._settings().items():
            if settings.get(name) != value:
                raise SettingsError(
                    f"the state is from a loader with {name}={settings.get(name)!r}, but this loader "
                    f"has {name}={value!r}, so the remaining batches would differ; use the same settings"
                )
        epoch = check_whole_number(epoch, "epoch", least=0)
        self._progress = _Progress(epoch, check_whole_number(batch, "batch", least=0))
        self._resumes = True

    def _settings(self) -> dict[str, Any]:
        settings = asdict(self._order)
        del settings["rank"]
        return settings
