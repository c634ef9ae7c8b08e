"""Reads the array key_frames of a local Zarr store. Shards are checked on opening, frames memory-mapped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.checks.problems import Problem
from dfs_store.format.io.files import ByteSource
from dfs_store.format.spec import FRAME_DTYPES, FRAMES, frame_size_bytes
from dfs_store.format.zarr.files import ZarrFiles
from dfs_store.format.zarr.metadata import ArrayMetadata, chunk_file
from dfs_store.format.zarr.shard_index import ShardIndex, index_size_bytes, parse_index

__all__ = ["Sharding", "ZarrFrames"]


class Sharding:
    """The division of key_frames into shards.

    Args:
        files: files of the store.
        about: metadata of key_frames, in dfs-store's layout.
    """

    def __init__(self, files: ZarrFiles, about: ArrayMetadata) -> None:
        assert about.shard_length is not None
        self.files = files
        self.shape = about.shape
        self.dtype = about.dtype
        self.length = about.shard_length
        self.frame_bytes = frame_size_bytes(about.shape[1:], about.dtype)
        self.index_bytes = index_size_bytes(self.length)

    @property
    def num_shards(self) -> int:
        """The number of shards."""
        return -(-self.shape[0] // self.length)

    def bounds(self, shard: int) -> tuple[int, int]:
        """Returns the first frame of a shard, and the frame after its last."""
        return shard * self.length, min((shard + 1) * self.length, self.shape[0])

    def pieces(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Returns frames start..stop as (shard, start, stop), numbered within each shard."""
        return [
            (shard, max(start - shard * self.length, 0), min(stop - shard * self.length, self.length))
            for shard in range(start // self.length, (stop - 1) // self.length + 1)
        ]

    def file(self, shard: int) -> str:
        """Returns the name of a shard's file."""
        return f"{FRAMES}/{chunk_file(shard, len(self.shape))}"

    def parse_index(self, tail: bytes, shard: int, end: int | None) -> ShardIndex:
        """Checks a shard's index. Raises the errors of `dfs_store.format.zarr.shard_index.parse_index`."""
        first, last = self.bounds(shard)
        return parse_index(tail, last - first, self.files.where(self.file(shard)), end, self.frame_bytes)

    def short(self, shard: int, size_bytes: int) -> DamagedStoreError:
        """Returns the error for a file that is too short for its index."""
        return DamagedStoreError(
            f"{self.files.where(self.file(shard))}: an index of {self.length:,} frames needs "
            f"{self.index_bytes:,} bytes, but the file has {size_bytes:,}"
        )

    def problem(self, shard: int, error: DamagedStoreError) -> Problem:
        """Returns the report of a damaged shard."""
        return Problem(str(error), self.file(shard), frames=self.bounds(shard))

    def shaped(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Returns the bytes of whole frames (n,) uint8 as (K, C, H, W) of the stored dtype."""
        return data.view(FRAME_DTYPES[self.dtype]).reshape(-1, *self.shape[1:])


@dataclass(frozen=True)
class _Shard:
    """A checked shard. `file` belongs to the opened store, even if the path has been replaced."""

    file: ByteSource
    index: ShardIndex


class ZarrFrames:
    """Frames of the array key_frames (see `dfs_store.format.container.RowSource`).

    Thread-safe and fork-safe without a lock, which a forked process could inherit locked.
    """

    def __init__(self, files: ZarrFiles, about: ArrayMetadata) -> None:
        self._sharding = Sharding(files, about)
        self.shape = self._sharding.shape
        self.dtype = self._sharding.dtype
        self._frame_bytes = self._sharding.frame_bytes
        self._shards: dict[int, _Shard] = {}

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Checks the file and index of every shard, and keeps them for reading."""
        found = []
        for shard in range(self._sharding.num_shards):
            try:
                self._shards[shard] = self._open(shard)
            except DamagedStoreError as error:
                found.append(self._sharding.problem(shard, error))
        return found

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns several runs of frames, as views of the files if they are contiguous."""
        return [self._read(*span) for span in spans]

    def file_of(self, frame: int) -> str:
        """Returns the shard file that contains a frame."""
        return self._sharding.file(frame // self._sharding.length)

    def close(self) -> None:
        """Closes the files. Returned arrays stay valid."""
        self._shards.clear()

    def _read(self, start: int, stop: int) -> npt.NDArray[Any]:
        parts = [self._slice(*piece) for piece in self._sharding.pieces(start, stop)]
        if len(parts) == 1:
            return parts[0]
        joined = np.concatenate(parts)
        joined.setflags(write=False)
        return joined

    def _open(self, shard: int) -> _Shard:
        mapped = self._sharding.files.mapped(self._sharding.file(shard))
        end = mapped.size_bytes - self._sharding.index_bytes
        if end < 0:
            raise self._sharding.short(shard, mapped.size_bytes)
        return _Shard(mapped, self._sharding.parse_index(mapped.bytes()[end:].tobytes(), shard, end))

    def _slice(self, number: int, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns frames start..stop of one shard, as a view if they follow each other in the file."""
        shard = self._shards[number]
        content = shard.file.bytes()
        index = shard.index
        if index.in_order:
            first = int(index.starts[start])
            data = content[first : first + self._frame_bytes * (stop - start)]
        else:
            starts = index.starts[start:stop].tolist()
            data = np.concatenate([content[begin : begin + self._frame_bytes] for begin in starts])
            data.setflags(write=False)
        return self._sharding.shaped(data)
