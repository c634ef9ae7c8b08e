"""Parses the index of a shard of key frames, which records where each frame is in the shard's file."""

from typing import NamedTuple

import google_crc32c
import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError

__all__ = ["ABSENT", "ShardIndex", "index_size_bytes", "parse_index"]

_ENTRY_BYTES = 16  # offset and length of one frame
_CRC_BYTES = 4
ABSENT = np.iinfo(np.uint64).max
_NO_END = 2**62  # assumed end of the frames if the size of the file is unknown


class ShardIndex(NamedTuple):
    """The checked index of a shard.

    Attributes:
        starts: byte offset of each frame in the file, (count,) int64.
        in_order: whether frames follow one another without gaps.
    """

    starts: npt.NDArray[np.int64]
    in_order: bool


def index_size_bytes(shard_length: int) -> int:
    """Returns the size in bytes of the index at the end of a shard's file, including its checksum."""
    return shard_length * _ENTRY_BYTES + _CRC_BYTES


def parse_index(tail: bytes, count: int, file: str, end: int | None, frame_bytes: int) -> ShardIndex:
    """Parses and checks a shard's index, with vectorised tests that cannot overflow.

    Args:
        tail: the last `index_size_bytes` of the file.
        count: number of frames in the shard.
        file: name of the file in error messages.
        end: end of the frames and start of the index; None if the size of the file is unknown.
        frame_bytes: size of one frame in bytes.

    Raises:
        DamagedStoreError: the index is damaged, or a frame is missing, has a wrong size or exceeds the file.
    """
    index = tail[:-_CRC_BYTES]
    if google_crc32c.value(index) != int.from_bytes(tail[-_CRC_BYTES:], "little"):
        raise DamagedStoreError(f"{file}: the index of the shard does not match its checksum")
    entries = np.frombuffer(index, dtype="<u8").reshape(-1, 2)[:count]
    starts, sizes = entries[:, 0], entries[:, 1]
    limit = _NO_END if end is None else end
    if _in_one_run(starts, sizes, limit, frame_bytes):
        return ShardIndex(starts.astype(np.int64), in_order=True)
    lost = np.flatnonzero((starts == ABSENT) & (sizes == ABSENT))
    if lost.size:
        raise DamagedStoreError(f"{file} lacks {lost.size} of its frames, beginning with frame {lost[0]}")
    # Sizes are compared with the space after the start, because start + size could overflow.
    outside = (sizes > limit) | (starts > limit) | (sizes > limit - np.minimum(starts, limit))
    if outside.any():
        frame = int(np.flatnonzero(outside)[0])
        raise DamagedStoreError(
            f"{file}: frame {frame} of the shard claims {sizes[frame]:,} bytes at offset {starts[frame]:,}, "
            f"but the frames end at {limit:,}"
        )
    order = np.argsort(starts, kind="stable")
    if (starts[order][1:] < (starts + sizes)[order][:-1]).any():
        raise DamagedStoreError(f"{file}: frames of the shard overlap")
    if (sizes != frame_bytes).any():
        raise DamagedStoreError(
            f"{file}: a frame has {frame_bytes:,} bytes, but the index states "
            f"{sizes[sizes != frame_bytes][0]:,}"
        )
    return ShardIndex(starts.astype(np.int64), in_order=False)


def _in_one_run(
    starts: npt.NDArray[np.uint64], sizes: npt.NDArray[np.uint64], end: int, frame_bytes: int
) -> bool:
    """Returns whether frames follow one another without gaps and end at or before `end`."""
    first = int(starts[0])
    if first + starts.size * frame_bytes > end:
        return False
    expected = first + np.arange(starts.size, dtype=np.uint64) * frame_bytes
    return bool((sizes == frame_bytes).all() and (starts == expected).all())
