"""Packed batches: DataLoader workers send key frames, and the main process rebuilds the clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch.utils.data._utils.collate import default_collate_fn_map

from dfs_store.loaders.batching.buffers import BatchBuffers, Workspace, fresh_memory
from dfs_store.loaders.batching.tables import KeyFrameTable
from dfs_store.loaders.checks import check_device, check_dtype
from dfs_store.loaders.transfers import on_device

if TYPE_CHECKING:
    from dfs_store.loaders.dataset import DFSDataset

__all__ = ["PackedBatch", "PackedDataset"]


@dataclass(frozen=True)
class PackedBatch:
    """The key frames of a batch of clips.

    Attributes:
        clips: numbers of the clips in the dataset, (B,) int64.
        key_frames: key frames of exactly these clips, in the same order.
    """

    clips: npt.NDArray[np.int64]
    key_frames: KeyFrameTable

    def __len__(self) -> int:
        """Returns B, the number of clips."""
        return len(self.clips)

    def pin_memory(self) -> "PackedBatch":
        """Returns the batch in pinned memory. A DataLoader with ``pin_memory=True`` calls this."""
        return PackedBatch(self.clips, self.key_frames.pin_memory())


class PackedDataset(Dataset[PackedBatch]):
    """The clips of a `DFSDataset` as packed batches, for a DataLoader with workers; see `DFSDataset.packed`.

    Workers read, check and decode key frames. In the training process, `rebuild` rebuilds the clips on the
    device. A packed batch has the size of its key frames in their stored dtype.

    Example:
        >>> packed = DFSDataset("ucf.zarr", in_memory=False).packed(device="cuda")  # doctest: +SKIP
        >>> for batch in DataLoader(packed, 64, shuffle=True, num_workers=4):  # doctest: +SKIP
        ...     clips, labels = packed.rebuild(batch)

    Args:
        dataset: a dataset that has no per-clip `transform`. Its `target_transform` must return whole numbers.
        device: device that rebuilds clips.
        dtype: floating-point dtype of the clips; float32 if None.

    Raises:
        SettingsError: an option is invalid.
    """

    def __init__(
        self, dataset: "DFSDataset", device: str | torch.device = "cpu", dtype: torch.dtype | None = None
    ) -> None:
        self.dataset = dataset
        self.device = check_device(device)
        self.dtype = check_dtype(dtype)
        self._set_up()

    def _set_up(self) -> None:
        self._labels = self.dataset.labels_for_batches("DFSDataset.packed()", "transform the rebuilt batch")
        self._buffers = BatchBuffers(self.device, self.dtype)
        self._workspace = Workspace()
        self._reader = self.dataset.rebuilder(torch.device("cpu"), self.dataset.key_frame_table)
        self._rebuilder = self.dataset.rebuilder(self.device, None)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int | list[int] | tuple[int, ...]) -> PackedBatch:
        return self.__getitems__(index if isinstance(index, list | tuple) else [index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[PackedBatch]:
        """Returns the clips as one packed batch in a list, since a DataLoader collates lists of items."""
        clips = self.dataset.clip_numbers(indices)
        return [PackedBatch(clips, self._reader.read(clips, fresh_memory))]

    @torch.inference_mode(mode=False)  # a batch made during inference must still be usable for training
    @torch.no_grad()
    def rebuild(self, batch: PackedBatch) -> tuple[Tensor, Tensor]:
        """Rebuilds the clips of a batch, as a DFSLoader would.

        Args:
            batch: a batch from this dataset.

        Returns:
            The clips and their labels, both on the device. The clips have the shape (B, C, M, H, W) or (B, M,
            C, H, W), depending on the dataset's layout, and use recycled memory on the CPU. The labels are
            (B,) int64, or (B, classes) float32 if they are soft.
        """
        chosen = self._rebuilder.choose(batch.clips, packed=batch.key_frames)
        out = self._buffers.take((len(batch), *self._rebuilder.clip_shape))
        self._rebuilder.write(chosen, out, self._workspace)
        return out, on_device(self._labels[torch.from_numpy(batch.clips)], self.device)

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in ("dataset", "device", "dtype")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set_up()


def _collate(batches: Sequence[PackedBatch], *, collate_fn_map: Any = None) -> PackedBatch:  # noqa: ANN401
    """Joins packed batches. There is only one batch if the DataLoader requested a whole batch."""
    if len(batches) == 1:
        return batches[0]
    clips = np.concatenate([batch.clips for batch in batches])
    return PackedBatch(clips, KeyFrameTable.joined([batch.key_frames for batch in batches]))


default_collate_fn_map[PackedBatch] = _collate
