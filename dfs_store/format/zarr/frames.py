"""The array key_frames of a local Zarr store: shard indexes are checked at opening, frames are mapped."""

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
        about: metadata of key_frames, in the layout of dfs-store.
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
        """Number of shards of all key frames."""
        return -(-self.shape[0] // self.length)

    def bounds(self, shard: int) -> tuple[int, int]:
        """Returns the first frame of a shard, and the frame after its last."""
        return shard * self.length, min((shard + 1) * self.length, self.shape[0])

    def pieces(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Returns frames start..stop as (shard, first, last), with numbers relative to the shard."""
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
        """Returns the error for a file that is shorter than its index."""
        return DamagedStoreError(
            f"{self.files.where(self.file(shard))}: an index of {self.length:,} frames needs "
            f"{self.index_bytes:,} bytes, the file has {size_bytes:,}"
        )

    def shaped(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Returns the bytes of whole frames as (K, C, H, W)."""
        count = data.size // self.frame_bytes
        return data.view(FRAME_DTYPES[self.dtype]).reshape(count, *self.shape[1:])


@dataclass(frozen=True)
class _Shard:
    """A checked shard. `file` is that of the opened store, even if the path was replaced."""

    file: ByteSource
    index: ShardIndex


class ZarrFrames:
    """Frames of the array key_frames (see `dfs_store.format.container.RowSource`).

    Safe for threads and under fork without a lock, which a fork could inherit locked.
    """

    def __init__(self, files: ZarrFiles, about: ArrayMetadata) -> None:
        self._sharding = Sharding(files, about)
        self.shape = self._sharding.shape
        self.dtype = self._sharding.dtype
        self._length = self._sharding.length
        self._frame_bytes = self._sharding.frame_bytes
        self._shards: dict[int, _Shard] = {}

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Checks every shard's file and index, and stores the positions of the frames."""
        found = []
        for shard in range(self._sharding.num_shards):
            try:
                self._shards[shard] = self._open(shard)
            except DamagedStoreError as error:
                frames = self._sharding.bounds(shard)
                found.append(Problem(str(error), self._sharding.file(shard), frames=frames))
        return found

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns frames start..stop as stored, read-only; a view of the file if they are contiguous."""
        length = self._length
        shard, last = start // length, (stop - 1) // length
        if shard == last:
            return self._slice(shard, start - shard * length, stop - shard * length)
        joined = np.concatenate([self._slice(*piece) for piece in self._sharding.pieces(start, stop)])
        joined.setflags(write=False)
        return joined

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns several runs of frames, each as returned by `read`."""
        return [self.read(*span) for span in spans]

    def file_of(self, frame: int) -> str:
        """Returns the shard file that contains a frame."""
        return self._sharding.file(frame // self._length)

    def close(self) -> None:
        """Releases the maps. Returned arrays stay valid."""
        self._shards.clear()

    def _open(self, shard: int) -> _Shard:
        mapped = self._sharding.files.mapped(self._sharding.file(shard))
        end = mapped.size_bytes - self._sharding.index_bytes
        if end < 0:
            raise self._sharding.short(shard, mapped.size_bytes)
        return _Shard(mapped, self._sharding.parse_index(mapped.bytes()[end:].tobytes(), shard, end))

    def _slice(self, number: int, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns frames start..stop of one shard, a view if they are uncompressed and in order."""
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
