"""Reads the array key_frames of a Zarr store in dfs-store's layout, through the indexes of its shards."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.checks.problems import Problem
from dfs_store.format.io.files import missing
from dfs_store.format.io.remote import Want
from dfs_store.format.spec import FRAME_DTYPES, FRAMES, frame_size_bytes
from dfs_store.format.zarr.files import RemoteZarrFiles, ZarrFiles
from dfs_store.format.zarr.metadata import ArrayMetadata, chunk_file
from dfs_store.format.zarr.shard_index import ShardIndex, index_size_bytes, parse_index

__all__ = ["ZarrFrames"]


class ZarrFrames:
    """Frames of the array key_frames (see `dfs_store.format.container.RowSource`).

    In a local store, indexes are checked on opening, and frames are memory-mapped. In a remote store, an
    index is read with the first frame of its shard, because reading it needs a request. Thread-safe and
    fork-safe. There is no lock, because a forked process could inherit it in the locked state.

    `remote` is the same object as `files` if the store is on a server, otherwise None.
    """

    def __init__(self, files: ZarrFiles, about: ArrayMetadata, remote: RemoteZarrFiles | None = None) -> None:
        assert about.shard_length is not None
        self.shape = about.shape
        self.dtype = about.dtype
        self._files, self._remote = files, remote
        self._length = about.shard_length
        self._num_shards = -(-self.shape[0] // self._length)
        self._frame_bytes = frame_size_bytes(about.shape[1:], about.dtype)
        self._index_bytes = index_size_bytes(self._length)
        self._indexes: dict[int, ShardIndex] = {}

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Returns a problem for each damaged shard or index; for a remote store, only if `thorough`."""
        if self._remote is not None and not thorough:
            return []
        found = []
        for shard, index in self._read_indexes(range(self._num_shards)):
            if isinstance(index, DamagedStoreError):
                found.append(Problem(str(index), self._file(shard), frames=self._bounds(shard)))
            else:
                self._indexes[shard] = index
        return found

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[npt.NDArray[Any]]:
        """Returns several runs of frames, all requested at once. Contiguous local frames are views."""
        if len(self._indexes) < self._num_shards:
            touched = {shard for span in spans for shard in self._shards(*span)}
            for shard, index in self._read_indexes(sorted(touched - self._indexes.keys())):
                if isinstance(index, DamagedStoreError):
                    raise index
                self._indexes[shard] = index
        wants = [self._wants(*span) for span in spans]
        found = iter(self._files.gather([want for each in wants for want in each]))
        return [self._joined([next(found) for _ in each]) for each in wants]

    def file_of(self, frame: int) -> str:
        """Returns the shard file that contains a frame."""
        return self._file(frame // self._length)

    def close(self) -> None:
        """Closes the files. Returned arrays stay valid."""
        self._indexes.clear()
        self._files.release()

    def _file(self, shard: int) -> str:
        return f"{FRAMES}/{chunk_file(shard, len(self.shape))}"

    def _bounds(self, shard: int) -> tuple[int, int]:
        return shard * self._length, min((shard + 1) * self._length, self.shape[0])

    def _shards(self, start: int, stop: int) -> range:
        return range(start // self._length, (stop - 1) // self._length + 1)

    def _wants(self, start: int, stop: int) -> list[Want]:
        """Returns the byte ranges of frames start..stop: one per shard, or one per frame if not in order."""
        wants = []
        for shard in self._shards(start, stop):
            index, name, size = self._indexes[shard], self._file(shard), self._frame_bytes
            first, last = max(start - shard * self._length, 0), min(stop - shard * self._length, self._length)
            if index.in_order:
                begin = int(index.starts[first])
                wants.append(Want(name, begin, begin + size * (last - first)))
            else:
                wants += [Want(name, begin, begin + size) for begin in index.starts[first:last].tolist()]
        return wants

    def _joined(self, stored: list[npt.NDArray[np.uint8]]) -> npt.NDArray[Any]:
        if len(stored) == 1:
            data = stored[0]
        else:
            data = np.concatenate(stored)
            data.setflags(write=False)
        return data.view(FRAME_DTYPES[self.dtype]).reshape(-1, *self.shape[1:])

    def _read_indexes(self, shards: Sequence[int]) -> Iterator[tuple[int, ShardIndex | DamagedStoreError]]:
        """Yields the index of each shard, or an error instead of the index."""
        if self._remote is None:
            tails: list[bytes | None] = [None] * len(shards)
        else:
            tails = self._remote.tails([self._file(shard) for shard in shards], self._index_bytes)
        for shard, tail in zip(shards, tails, strict=True):
            try:
                yield shard, self._local_index(shard) if self._remote is None else self._parse(shard, tail)
            except DamagedStoreError as error:
                yield shard, error

    def _local_index(self, shard: int) -> ShardIndex:
        name = self._file(shard)
        size = self._files.size_of(name)
        end = max(0, size - self._index_bytes)
        (tail,) = self._files.gather([Want(name, end, size)])
        return self._parse(shard, tail.tobytes(), end)

    def _parse(self, shard: int, tail: bytes | None, end: int | None = None) -> ShardIndex:
        file = self._files.where(self._file(shard))
        if tail is None:
            raise missing(file)
        if len(tail) != self._index_bytes:
            raise DamagedStoreError(
                f"{file}: an index of {self._length:,} frames needs {self._index_bytes:,} bytes, "
                f"but the file has {len(tail):,}"
            )
        first, last = self._bounds(shard)
        return parse_index(tail, last - first, file, end, self._frame_bytes)
