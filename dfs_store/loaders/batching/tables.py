"""Keeps key frames as tensors in their stored dtype, and computes their values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dfs_store.loaders.batching.buffers import Memory, Workspace, cpu_memory
from dfs_store.loaders.rebuild import Layout

__all__ = ["KeyFrameTable"]


@dataclass(frozen=True)
class KeyFrameTable:
    """The key frames of several clips, with value = scale * frames + zero per key frame and channel.

    Attributes:
        frames: contiguous (S, C, H, W), float32, float16 or uint8.
        scale: (S, C) float32, or None if the stored values need no conversion.
        zero: (S, C) float32, or None if `scale` is None.
    """

    frames: Tensor
    scale: Tensor | None = None
    zero: Tensor | None = None

    def to(self, device: torch.device) -> "KeyFrameTable":
        """Returns the table with its tensors on a device."""
        return self._each(lambda part: part.to(device, non_blocking=True))

    def rows(self, rows: Tensor, memory: Memory = cpu_memory) -> "KeyFrameTable":
        """Returns a new table with the rows of this one that have the given numbers, (K,) int64."""

        def chosen(part: Tensor) -> Tensor:
            out = memory((len(rows), *part.shape[1:]), part.dtype)
            return torch.index_select(part, 0, rows, out=out)

        return self._each(chosen)

    def pin_memory(self) -> "KeyFrameTable":
        """Returns the table in pinned memory."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "KeyFrameTable":
        if self.scale is None or self.zero is None:
            return KeyFrameTable(change(self.frames))
        return KeyFrameTable(change(self.frames), change(self.scale), change(self.zero))

    @staticmethod
    def joined(tables: Sequence["KeyFrameTable"]) -> "KeyFrameTable":
        """Concatenates several tables of one dataset."""
        frames = torch.cat([table.frames for table in tables])
        scales = [table.scale for table in tables if table.scale is not None]
        zeros = [table.zero for table in tables if table.zero is not None]
        return KeyFrameTable(frames, torch.cat(scales), torch.cat(zeros)) if scales else KeyFrameTable(frames)

    def holds_values(self, dtype: torch.dtype) -> bool:
        """Returns whether `frames` contains the values themselves, in `dtype`."""
        return self.scale is None and self.frames.dtype == dtype

    def values(self, start: int, stop: int, dtype: torch.dtype, workspace: Workspace) -> Tensor:
        """Returns the values of consecutive key frames.

        Args:
            start: row of the first key frame.
            stop: row after the last key frame.
            dtype: float32 or float64.
            workspace: memory for the result, which is valid until the next call.

        Returns:
            (K, C, H, W) in `dtype`, contiguous.
        """
        stored = self.frames[start:stop]
        values = workspace.take("values", stored.shape, dtype, stored.device).copy_(stored)
        if self.scale is not None and self.zero is not None:
            values.mul_(self.scale[start:stop, :, None, None]).add_(self.zero[start:stop, :, None, None])
        return values

    def gather(self, rows: Tensor, layout: Layout, workspace: Workspace) -> Tensor:
        """Returns the values of key frames, with the dimensions in the order that `rebuild_batch` expects.

        Args:
            rows: rows of the key frames in the table, (B, K) int64.
            layout: "CTHW" or "TCHW".
            workspace: memory for the result, which is valid until the next call.

        Returns:
            (B, C, K, H, W) for CTHW, (B, K, C, H, W) for TCHW, float32, contiguous.
        """
        num_rows, num_channels, height, width = self.frames.shape
        channels = torch.arange(num_channels, device=rows.device)
        if layout == "CTHW":
            planes = rows.unsqueeze(1) * num_channels + channels[:, None]
        else:
            planes = rows.unsqueeze(2) * num_channels + channels
        shape = (*planes.shape, height, width)
        planes = planes.flatten()
        table = self.frames.view(num_rows * num_channels, height * width)
        size = (len(planes), height * width)
        stored = workspace.take("stored", size, table.dtype, table.device)
        torch.index_select(table, 0, planes, out=stored)
        values = stored
        if table.dtype != torch.float32:
            values = workspace.take("values", size, torch.float32, table.device).copy_(stored)
        if self.scale is not None and self.zero is not None:
            values.mul_(self.scale.flatten()[planes, None]).add_(self.zero.flatten()[planes, None])
        return values.view(shape)
