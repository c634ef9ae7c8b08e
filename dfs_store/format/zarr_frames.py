"""key_frames of a Zarr store: shard indexes checked at open, frames mapped from their files."""

import os
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.expand import expand
from dfs_store.format.files import MappedFile, inside
from dfs_store.format.problems import Problem
from dfs_store.format.spec import FRAME_DTYPES, FRAMES, frame_size_bytes
from dfs_store.format.zarr_metadata import parse_frames

__all__ = ["ZarrFrames"]

_ENTRY_BYTES = 16  # offset and length of one frame in a shard's index
_CRC_BYTES = 4
_ABSENT = np.iinfo(np.uint64).max


@dataclass(frozen=True)
class _Shard:
    """A checked shard.

    Attributes:
        file: mapped, so that it is that of the store which was opened, whatever takes its path later.
        starts: where each of its frames starts.
        sizes: of each of its frames in the file, in bytes.
        in_order: whether they follow without a gap.
    """

    file: MappedFile
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    in_order: bool


class ZarrFrames:
    """Frames of the array key_frames (see `dfs_store.format.container.FrameSource`).

    Safe for threads and under fork without a lock, which a fork could inherit locked.
    """

    def __init__(self, root: str, text: bytes) -> None:
        metadata = parse_frames(text, os.path.join(root, FRAMES))
        self.shape = metadata.shape
        self.dtype = metadata.dtype
        self._root = root
        self._metadata = metadata
        self._frame_bytes = frame_size_bytes(metadata.shape[1:], metadata.dtype)
        self._shards: dict[int, _Shard] = {}

    def problems(self) -> list[Problem]:
        """Checks every shard's file and index, and keeps where the frames lie."""
        found = []
        length = self._metadata.shard_length
        for shard in range(-(-self.shape[0] // length)):
            first, last = shard * length, min((shard + 1) * length, self.shape[0])
            try:
                self._shards[shard] = self._read_index(shard, last - first)
            except DamagedStoreError as error:
                found.append(Problem(str(error), self.file_of(first), frames=(first, last)))
        return found

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns frames start..stop as stored, read-only; a view of the file where they lie in one run."""
        length = self._metadata.shard_length
        shard, last = start // length, (stop - 1) // length
        if shard == last:
            return self._slice(shard, start - shard * length, stop - shard * length)
        joined = np.concatenate(
            [
                self._slice(number, max(start - number * length, 0), min(stop - number * length, length))
                for number in range(shard, last + 1)
            ]
        )
        joined.setflags(write=False)
        return joined

    def file_of(self, frame: int) -> str:
        """Returns the shard file that holds a frame."""
        return f"{FRAMES}/{self._metadata.shard_file(frame // self._metadata.shard_length)}"

    def close(self) -> None:
        """Lets go of the maps; arrays handed out keep theirs."""
        self._shards.clear()

    def _read_index(self, shard: int, count: int) -> _Shard:
        """Checks a shard's index with whole-array tests that cannot overflow."""
        file, size = inside(self._root, f"{FRAMES}/{self._metadata.shard_file(shard)}")
        index_bytes = self._metadata.shard_length * _ENTRY_BYTES
        end = size - index_bytes - _CRC_BYTES
        if end < 0:
            raise DamagedStoreError(
                f"{file}: an index of {self._metadata.shard_length:,} frames needs "
                f"{index_bytes + _CRC_BYTES:,} bytes, the file has {size:,}"
            )
        mapped = MappedFile(file)
        if mapped.size_bytes != size:
            raise DamagedStoreError(f"{file}: had {size:,} bytes and now has {mapped.size_bytes:,}")
        tail = mapped.bytes()[end:].tobytes()
        if google_crc32c.value(tail[:index_bytes]) != int.from_bytes(tail[index_bytes:], "little"):
            raise DamagedStoreError(f"{file}: its index does not match its checksum")
        entries = np.frombuffer(tail, dtype="<u8", count=2 * self._metadata.shard_length).reshape(-1, 2)[
            :count
        ]
        starts, sizes = entries[:, 0], entries[:, 1]
        if self._in_one_run(starts, sizes, end):
            return _Shard(mapped, starts.astype(np.int64), sizes.astype(np.int64), in_order=True)
        lost = np.flatnonzero((starts == _ABSENT) & (sizes == _ABSENT))
        if lost.size:
            raise DamagedStoreError(f"{file}: frame {lost[0]} of the shard is missing ({lost.size} in all)")
        # Sizes first: only once both are below `end` can their sum not wrap around.
        outside = (sizes > end) | (starts > end) | (sizes > end - np.minimum(starts, end))
        if outside.any():
            frame = int(np.flatnonzero(outside)[0])
            raise DamagedStoreError(
                f"{file}: frame {frame} of the shard claims bytes {starts[frame]:,} + {sizes[frame]:,}, "
                f"and the frames end at {end:,}"
            )
        order = np.argsort(starts, kind="stable")
        if (starts[order][1:] < (starts + sizes)[order][:-1]).any():
            raise DamagedStoreError(f"{file}: frames of the shard overlap")
        if self._metadata.compressor is None and (sizes != self._frame_bytes).any():
            raise DamagedStoreError(
                f"{file}: a frame of shape {self.shape[1:]} in {self.dtype} has {self._frame_bytes:,} bytes, "
                f"the index says {sizes[sizes != self._frame_bytes][0]:,}"
            )
        return _Shard(mapped, starts.astype(np.int64), sizes.astype(np.int64), in_order=False)

    def _in_one_run(self, starts: npt.NDArray[np.uint64], sizes: npt.NDArray[np.uint64], end: int) -> bool:
        """Returns whether whole frames follow each other before `end`, as writers leave them."""
        first = int(starts[0])
        if self._metadata.compressor is not None or first + starts.size * self._frame_bytes > end:
            return False
        expected = first + np.arange(starts.size, dtype=np.uint64) * self._frame_bytes
        return bool((sizes == self._frame_bytes).all() and (starts == expected).all())

    def _slice(self, number: int, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns frames start..stop of one shard, a view where they lie plain and in order."""
        shard = self._shards[number]
        content = shard.file.bytes()
        first = shard.starts[start:stop].tolist()
        if shard.in_order:
            data = content[first[0] : first[0] + self._frame_bytes * len(first)]
        else:
            sizes = shard.sizes[start:stop].tolist()
            stored = [content[begin : begin + size] for begin, size in zip(first, sizes, strict=True)]
            data = np.concatenate(
                stored if self._metadata.compressor is None else self._expand(stored, number)
            )
            data.setflags(write=False)
        return data.view(FRAME_DTYPES[self.dtype]).reshape(stop - start, *self.shape[1:])

    def _expand(self, stored: list[npt.NDArray[np.uint8]], number: int) -> list[npt.NDArray[np.uint8]]:
        assert self._metadata.compressor is not None
        try:
            return [expand(self._metadata.compressor, frame, self._frame_bytes) for frame in stored]
        except ValueError as error:
            file = os.path.join(self._root, FRAMES, self._metadata.shard_file(number))
            raise DamagedStoreError(f"{file}: a frame cannot be expanded ({error})") from error
