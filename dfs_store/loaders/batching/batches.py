"""Rebuilds batches of clips, given their numbers, for all loaders."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.loaders.batching.buffers import Memory, Workspace, cpu_memory
from dfs_store.loaders.batching.fused import FusedRebuild, fused_rebuild
from dfs_store.loaders.batching.plans import ClipPlan, plan_of
from dfs_store.loaders.batching.tables import KeyFrameTable
from dfs_store.loaders.normalization import Space
from dfs_store.loaders.rebuild import Layout, dense_weights, planes_of, rebuild_batch, rebuild_clip
from dfs_store.loaders.sources import OpenStores
from dfs_store.loaders.transfers import on_device

__all__ = ["BatchRebuilder"]


class Chosen(NamedTuple):
    """The key frames of a batch, and how to interpolate them.

    Attributes:
        table: key frames of the clips, on the device.
        starts: row in the table of each clip's first key frame, (B,).
        stops: row after each clip's last key frame, (B,).
        plans: plan of each clip.
        mirrored: which clips to flip horizontally, (B,), or None to flip none.
    """

    table: KeyFrameTable
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    plans: list[ClipPlan]
    mirrored: npt.NDArray[np.bool_] | None


class BatchRebuilder:
    """Rebuilds batches of clips from open stores.

    Dequantisation, normalisation and mirroring commute with interpolation. They are applied to the key
    frames, so that each clip's memory is written exactly once.

    Args:
        source: the stores.
        spaces: value space in which to rebuild the clips of each store; None for pixels.
        num_outputs: M, the number of frames in a rebuilt clip.
        layout: "CTHW" or "TCHW".
        device: device that rebuilds clips.
        table: all key frames of the source, on the device. If None, the key frames of each batch are read
            from disk.
    """

    def __init__(
        self,
        source: OpenStores,
        spaces: Sequence[Space | None],
        num_outputs: int,
        layout: Layout,
        device: torch.device,
        table: KeyFrameTable | None,
    ) -> None:
        self._source = source
        self._spaces = spaces
        self._layout = layout
        self._device = device
        self._table = table
        self._num_outputs = num_outputs

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """The shape of a rebuilt clip.

        Raises:
            ClipTooLargeError: a clip would take more than `DFS_MAX_CLIP_BYTES`.
        """
        self._source.stores[0].check_clip_bytes(self._num_outputs)
        num_channels, height, width = self._source.frame_shape
        if self._layout == "CTHW":
            return num_channels, self._num_outputs, height, width
        return self._num_outputs, num_channels, height, width

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def rebuild(
        self,
        clips: npt.NDArray[np.int64],
        out: Tensor,
        workspace: Workspace,
        mirrored: npt.NDArray[np.bool_] | None = None,
    ) -> Tensor:
        """Writes clips into `out`.

        Args:
            clips: numbers of the clips, (B,), at least one.
            out: contiguous, floating-point (B, *clip_shape) on the device.
            workspace: memory for intermediate results.
            mirrored: which clips to flip horizontally, (B,), or None to flip none.

        Returns:
            `out`.

        Raises:
            DamagedStoreError, SettingsError: see `OpenStores.load`.
        """

        def recycled(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
            return workspace.take("key frames", shape, dtype, torch.device("cpu"))

        return self.write(self.choose(clips, mirrored=mirrored, memory=recycled), out, workspace)

    def choose(
        self,
        clips: npt.NDArray[np.int64],
        packed: KeyFrameTable | None = None,
        mirrored: npt.NDArray[np.bool_] | None = None,
        memory: Memory = cpu_memory,
    ) -> Chosen:
        """Finds or reads the key frames of clips, and plans their interpolation.

        Args:
            clips: numbers of the clips, (B,).
            packed: key frames of exactly these clips, from `read`. If None, the key frames are taken from the
                table, or read if there is no table.
            mirrored: which clips to flip horizontally, (B,), or None to flip none.
            memory: allocates memory for key frames that are read.

        Raises:
            DamagedStoreError, SettingsError: see `OpenStores.load`.
        """
        starts, stops = self._source.offsets[clips], self._source.offsets[clips + 1]
        plans = [
            plan_of(self._source.positions[start:stop], num_frames, self._num_outputs)
            for start, stop, num_frames in zip(
                starts.tolist(), stops.tolist(), self._source.num_frames[clips].tolist(), strict=True
            )
        ]
        if packed is None and self._table is not None:
            return Chosen(self._table, starts, stops, plans, mirrored)
        table = (self.read(clips, memory) if packed is None else packed).to(self._device)
        ends = np.cumsum(stops - starts)
        return Chosen(table, ends - (stops - starts), ends, plans, mirrored)

    def read(self, clips: npt.NDArray[np.int64], memory: Memory = cpu_memory) -> KeyFrameTable:
        """Returns the key frames of exactly the given clips, in order, from the table or from disk.

        Args:
            clips: numbers of the clips, (B,).
            memory: allocates memory for the key frames.

        Raises:
            DamagedStoreError, SettingsError: see `OpenStores.load`.
        """
        if self._table is None:
            return self._source.load(self._source.spans_of(clips), self._spaces, memory)
        starts, stops = self._source.offsets[clips], self._source.offsets[clips + 1]
        spans = [np.arange(*span) for span in zip(starts, stops, strict=True)]
        return self._table.rows(torch.from_numpy(np.concatenate(spans)), memory)

    def write(self, chosen: Chosen, out: Tensor, workspace: Workspace) -> Tensor:
        """Rebuilds clips chosen by `choose` into `out`, in the fastest way for the device."""
        if self._device.type == "cpu":
            return self.one_by_one(chosen, out, workspace)
        if self._device.type == "cuda" and out.dtype != torch.float64:
            kernel = fused_rebuild(self._device)
            if kernel is not None:
                return self.fused(chosen, out, kernel)
        return self.at_once(chosen, out, workspace)

    def one_by_one(self, chosen: Chosen, out: Tensor, workspace: Workspace) -> Tensor:
        """Rebuilds one clip at a time, so that its key frames fit into a CPU's caches."""
        table, starts, stops, plans, mirrored = chosen
        dtype = out.dtype if out.dtype in (torch.float32, torch.float64) else torch.float32
        ready = self._key_planes(table.frames) if table.holds_values(dtype) else None
        for number, clip in enumerate(planes_of(out, self._layout).unbind()):
            start, stop, plan = int(starts[number]), int(stops[number]), plans[number]
            turned = mirrored is not None and bool(mirrored[number])
            if ready is not None and not turned:
                keys, first = ready, start
            else:
                values = table.values(start, stop, dtype, workspace)
                keys, first = self._key_planes(values.flip(-1) if turned else values), 0
            if dtype == out.dtype:
                rebuild_clip(keys, first, plan.segments, clip)
            else:
                # Narrower dtypes are interpolated in float32 and rounded once.
                wide = workspace.take("clip", clip.shape, dtype, self._device)
                clip.copy_(rebuild_clip(keys, first, plan.segments, wide))
        return out

    def _key_planes(self, key_frames: Tensor) -> Tensor:
        ordered = key_frames.transpose(0, 1) if self._layout == "CTHW" else key_frames
        return planes_of(ordered, self._layout)

    def fused(self, chosen: Chosen, out: Tensor, kernel: FusedRebuild) -> Tensor:
        """Rebuilds the batch with one kernel, which writes each value once and allocates nothing."""
        left = np.stack([plan.left for plan in chosen.plans]) + chosen.starts[:, None]
        weight = np.stack([plan.weight for plan in chosen.plans])
        mirrored = None
        if chosen.mirrored is not None and chosen.mirrored.any():
            mirrored = self._on_device(chosen.mirrored.astype(np.uint8))
        return kernel(
            chosen.table, self._on_device(left), self._on_device(weight), mirrored, self._layout, out
        )

    def at_once(self, chosen: Chosen, out: Tensor, workspace: Workspace) -> Tensor:
        """Rebuilds the batch with one batched matrix product, which needs few kernel launches."""
        table, starts, stops, plans, mirrored = chosen
        most = int((stops - starts).max())
        # Clips with fewer key frames are padded with their last key frame, at weight 0.
        rows = np.minimum(starts[:, None] + np.arange(most), stops[:, None] - 1)
        key_frames = table.gather(self._on_device(rows), self._layout, workspace)
        if mirrored is not None and mirrored.any():
            turned = self._on_device(np.flatnonzero(mirrored))
            key_frames[turned] = key_frames[turned].flip(-1)
        left = self._on_device(np.stack([plan.left for plan in plans]))
        weight = self._on_device(np.stack([plan.weight for plan in plans]))
        weights = dense_weights(left, weight, most).to(out.dtype)
        return rebuild_batch(key_frames.to(out.dtype), weights, self._layout, out)

    def _on_device(self, numbers: npt.NDArray[Any]) -> Tensor:
        return on_device(numbers, self._device)
