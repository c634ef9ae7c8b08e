"""A batch of clips, from the numbers of its clips to frames in given memory: the one path of all loaders."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.loaders.buffers import Workspace
from dfs_store.loaders.normalization import Space
from dfs_store.loaders.plans import ClipPlans
from dfs_store.loaders.rebuild import Layout, dense_weights, rebuild_batch
from dfs_store.loaders.sources import ClipSource
from dfs_store.loaders.tables import KeyFrameTable

__all__ = ["BatchRebuilder"]


class BatchRebuilder:
    """Rebuilds batches of clips of a source.

    Everything that concerns values (dequantisation, normalisation, mirroring) is done to the key
    frames, since it commutes with interpolation; each clip's own memory is written exactly once.

    Args:
        source: the clips.
        wanted: the value space for each store of the source; None as stored.
        num_outputs: M, frames of a rebuilt clip.
        layout: "CTHW" or "TCHW".
        device: where clips are rebuilt.
        table: all key frames of the source, on the device; None reads those of each batch from disk.
    """

    def __init__(
        self,
        source: ClipSource,
        wanted: list[Space | None] | None,
        num_outputs: int,
        layout: Layout,
        device: torch.device,
        table: KeyFrameTable | None,
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._layout = layout
        self._device = device
        self._table = table
        self._plans = ClipPlans(source.positions, source.offsets, source.num_frames, num_outputs)
        num_channels, height, width = source.frame_shape
        self.clip_shape = (
            (num_channels, num_outputs, height, width)
            if layout == "CTHW"
            else (num_outputs, num_channels, height, width)
        )

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
            clips: (B,) clip numbers, B at least 1.
            out: contiguous (B, *clip_shape), floating, on the device.
            workspace: memory for the steps in between.
            mirrored: (B,) clips to turn left to right; None for none.

        Returns:
            `out`.

        Raises:
            DamagedStoreError, SettingsError: as `ClipSource.load`.
        """
        table, rows = self._rows(clips)
        key_frames = table.gather(rows.to(self._device), self._layout, workspace)
        if mirrored is not None and mirrored.any():
            chosen = torch.from_numpy(np.flatnonzero(mirrored)).to(self._device)
            key_frames[chosen] = key_frames[chosen].flip(-1)
        left, weight = self._plans.of(clips)
        weights = dense_weights(
            torch.from_numpy(left).to(self._device), torch.from_numpy(weight).to(self._device), rows.shape[1]
        )
        if out.dtype == torch.float32:
            return rebuild_batch(key_frames, weights, self._layout, out)
        if self._device.type == "cpu" and out.dtype != torch.float64:
            # Few CPUs multiply halves; most take twenty times as long as for float32.
            wide = workspace.take("clips", out.shape, torch.float32, self._device)
            return out.copy_(rebuild_batch(key_frames, weights, self._layout, wide))
        return rebuild_batch(key_frames.to(out.dtype), weights.to(out.dtype), self._layout, out)

    def _rows(self, clips: npt.NDArray[np.int64]) -> tuple[KeyFrameTable, Tensor]:
        """Returns a table and the (B, K) rows of the clips in it, short clips filled with their last one."""
        starts = self._source.offsets[clips]
        counts = self._source.offsets[clips + 1] - starts
        table = self._table
        if table is None:
            table = self._source.load(self._source.spans_of(clips), self._wanted)
            if self._device.type != "cpu":
                table = table.to(self._device)
            starts = np.cumsum(counts) - counts
        columns = np.minimum(np.arange(counts.max()), counts[:, None] - 1)
        return table, torch.from_numpy(starts[:, None] + columns)
