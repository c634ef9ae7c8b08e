"""Reads the array key_frames of a remote Zarr store. A shard's index is read with its first frame."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.checks.problems import Problem
from dfs_store.format.io.files import missing
from dfs_store.format.io.remote import Want
from dfs_store.format.zarr.files import RemoteZarrFiles
from dfs_store.format.zarr.frames import Sharding
from dfs_store.format.zarr.metadata import ArrayMetadata
from dfs_store.format.zarr.shard_index import ShardIndex

__all__ = ["RemoteZarrFrames"]


class RemoteZarrFrames:
    """Frames of the array key_frames (see `dfs_store.format.container.RowSource`).

    Thread-safe and fork-safe: it keeps indexes, but no connection.
    """

    def __init__(self, files: RemoteZarrFiles, about: ArrayMetadata) -> None:
        self._files = files
        self._sharding = Sharding(files, about)
        self.shape = self._sharding.shape
        self.dtype = self._sharding.dtype
        self._indexes: dict[int, ShardIndex] = {}

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Checks every shard's index if the check is `thorough`, since each needs a request."""
        if not thorough:
            return []
        found = []
        for shard, index in self._read_indexes(range(self._sharding.num_shards)):
            if isinstance(index, DamagedStoreError):
                found.append(self._sharding.problem(shard, index))
            else:
                self._indexes[shard] = index
        return found

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns several runs of frames, all requested at once."""
        pieces = [self._sharding.pieces(*span) for span in spans]
        touched = {shard for each in pieces for shard, _, _ in each}
        for shard, index in self._read_indexes(sorted(touched - self._indexes.keys())):
            if isinstance(index, DamagedStoreError):
                raise index
            self._indexes[shard] = index
        wants = [[want for piece in each for want in self._wants(*piece)] for each in pieces]
        found = iter(self._files.gather([want for each in wants for want in each]))
        return [self._joined([next(found) for _ in each]) for each in wants]

    def file_of(self, frame: int) -> str:
        """Returns the shard file that contains a frame."""
        return self._sharding.file(frame // self._sharding.length)

    def close(self) -> None:
        """Discards the indexes."""
        self._indexes.clear()

    def _wants(self, shard: int, start: int, stop: int) -> list[Want]:
        """Returns the ranges of frames start..stop of a shard, or one range if they are contiguous."""
        index, name = self._indexes[shard], self._sharding.file(shard)
        starts, size = index.starts[start:stop].tolist(), self._sharding.frame_bytes
        if index.in_order:
            return [Want(name, starts[0], starts[-1] + size)]
        return [Want(name, begin, begin + size) for begin in starts]

    def _joined(self, stored: list[npt.NDArray[np.uint8]]) -> npt.NDArray[Any]:
        data = stored[0] if len(stored) == 1 else np.concatenate(stored)
        data.setflags(write=False)
        return self._sharding.shaped(data)

    def _read_indexes(self, shards: Sequence[int]) -> list[tuple[int, ShardIndex | DamagedStoreError]]:
        tails = self._files.tails(
            [self._sharding.file(shard) for shard in shards], self._sharding.index_bytes
        )
        found: list[tuple[int, ShardIndex | DamagedStoreError]] = []
        for shard, tail in zip(shards, tails, strict=True):
            try:
                found.append((shard, self._check(shard, tail)))
            except DamagedStoreError as error:
                found.append((shard, error))
        return found

    def _check(self, shard: int, tail: bytes | None) -> ShardIndex:
        if tail is None:
            raise missing(self._files.where(self._sharding.file(shard)))
        if len(tail) != self._sharding.index_bytes:
            raise self._sharding.short(shard, len(tail))
        return self._sharding.parse_index(tail, shard, None)
