"""Checks and reads arrays in layouts that dfs-store does not write, for both containers.

A store copied by another tool contains the same arrays with different chunks or compressors. zarr-python or
h5py reads these arrays if their metadata are within the limits below. The digest and checksums verify values.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import DamagedStoreError
from dfs_store.format.checks.problems import Problem
from dfs_store.format.spec import CODED, FRAME_DTYPES, FRAMES, MAX_FRAME_BYTES, frame_size_bytes

__all__ = ["MAX_SMALL_BYTES", "GeneralRows", "check_chunks", "check_row_chunks", "check_rows", "check_small"]

Array = npt.NDArray[Any]

# Small arrays are read whole. The limit allows 16 million key frames, or 5 million with scales in RGB.
MAX_SMALL_BYTES = 64 * 2**20
# Maximum number of chunks per read, unless they are large. Missing chunks take no space, but time to read.
_MAX_CHUNKS = 4096
_SMALL_CHUNK_BYTES = 16 * 2**10
# Maximum number of decompressed bytes per read, for chunks that extend far beyond the rows to read.
_MAX_READ_BYTES = 4 * 2**30
# Number of chunks that zarr-python decompresses at the same time.
_AT_ONCE = 10
# Size limit of chunks that extend beyond their array, for example to leave room for more rows.
_MAX_OVERHANG_BYTES = 64 * 2**20
_BLOCK_BYTES = 64 * 2**20


def check_small(where: str, claimed_bytes: int, limit_bytes: int) -> None:
    """Raises DamagedStoreError if an array is too large to be read at once."""
    if claimed_bytes > limit_bytes:
        raise DamagedStoreError(
            f"{where} takes {claimed_bytes:,} bytes, but chunked or compressed arrays are limited to "
            f"{limit_bytes:,}; store the array contiguously and uncompressed"
        )


def check_chunks(where: str, shape: Sequence[int], chunks: Sequence[int], itemsize: int, rows: int) -> None:
    """Checks the memory and number of chunks needed to read rows of an array, before decompressing any chunk.

    Args:
        where: name of the array in error messages.
        shape: shape of the array.
        chunks: shape of a chunk.
        itemsize: size of a value in bytes.
        rows: number of rows (first axis) that are read together.

    Raises:
        DamagedStoreError: the chunks are too large, or there are too many of them.
    """
    if len(chunks) != len(shape) or min(chunks, default=1) < 1:
        raise DamagedStoreError(
            f"{where}: chunks of shape {tuple(chunks)} do not fit the array's shape {tuple(shape)}"
        )
    size_bytes = math.prod(chunks) * itemsize
    read = (min(rows, shape[0]), *shape[1:])
    count = math.prod(-(-side // chunk) for side, chunk in zip(read, chunks, strict=True))
    most = max(_MAX_CHUNKS, math.prod(read) * itemsize // _SMALL_CHUNK_BYTES)
    if count > most:
        raise DamagedStoreError(
            f"{where} has {count:,} chunks, but at most {most:,} may be read at once; use larger chunks"
        )
    inside = all(chunk <= max(side, 1) for chunk, side in zip(chunks, shape, strict=True))
    limit = MAX_FRAME_BYTES if inside else _MAX_OVERHANG_BYTES
    together = max(1, min(count, _AT_ONCE))
    if size_bytes * together > limit or size_bytes * count > _MAX_READ_BYTES:
        raise DamagedStoreError(
            f"{where}: {count:,} chunks of shape {tuple(chunks)} take {size_bytes:,} bytes each, but one "
            f"chunk may take at most {limit:,} bytes, and all chunks of a read {_MAX_READ_BYTES:,}; use "
            "smaller chunks"
        )


def check_rows(where: str, name: str, shape: Sequence[int], dtype: str) -> None:
    """Raises DamagedStoreError unless the format allows the large array's dimensions and dtype."""
    if name == CODED and (dtype != "uint8" or len(shape) != 1):
        raise DamagedStoreError(
            f"{where}: {CODED} must be a one-dimensional uint8 array, got shape {tuple(shape)} and dtype "
            f"{dtype[:80]}"
        )
    if name == FRAMES and (dtype not in FRAME_DTYPES or len(shape) != 4):
        raise DamagedStoreError(
            f"{where}: {FRAMES} must be a four-dimensional array of little-endian {', '.join(FRAME_DTYPES)}, "
            f"got shape {tuple(shape)} and dtype {dtype[:80]}"
        )


def check_row_chunks(where: str, shape: Sequence[int], chunks: Sequence[int], itemsize: int) -> None:
    """Checks the memory and number of chunks needed to read one row of the large array, see `check_chunks`.

    An image file spans as many rows of coded_frames as it has bytes, so all chunks of that array are counted.
    """
    check_chunks(where, shape, chunks, itemsize, 1)
    count = -(-shape[0] // chunks[0])
    if len(shape) == 1 and count > (most := max(_MAX_CHUNKS, shape[0] // _SMALL_CHUNK_BYTES)):
        raise DamagedStoreError(
            f"{where} has {count:,} chunks, but at most {most:,} are allowed; use larger chunks"
        )


class GeneralRows:
    """Reads the large array through zarr-python or h5py (see `dfs_store.format.container.RowSource`).

    Caches the last block of rows, at most 64 MiB, so that consecutive reads decompress a chunk only once.
    Thread-safe: at worst, two threads read the same block.

    Args:
        shape: (S, C, H, W) for key_frames, or (B,) for coded_frames.
        dtype: "float32", "float16" or "uint8".
        chunk_length: number of rows in a chunk.
        fetch: function that returns rows start..stop, or raises DamagedStoreError.
        file: name of the file in error messages.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: str,
        chunk_length: int,
        fetch: Callable[[int, int], Array],
        file: str,
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self._fetch: Callable[[int, int], Array] | None = fetch
        self._file = file
        most = max(1, _BLOCK_BYTES // max(1, frame_size_bytes(shape[1:], dtype)))
        self._length = min(max(1, chunk_length), most)
        self._block: tuple[int, Array] | None = None

    def problems(self, *, thorough: bool = False) -> list[Problem]:
        """Returns an empty list. Missing chunks are read as the fill value and detected by the checksums."""
        return []

    def read_spans(self, spans: Sequence[tuple[int, int]]) -> list[Array]:
        """Returns several runs of rows."""
        return [self._read(*span) for span in spans]

    def file_of(self, row: int) -> str:
        """Returns the file that contains the row; if it is unknown, the folder of the array."""
        return self._file

    def close(self) -> None:
        """Releases the last block and the files. Returned arrays stay valid."""
        self._block = self._fetch = None

    def _read(self, start: int, stop: int) -> Array:
        assert self._fetch is not None
        if self._length == 1:
            return self._read_only(self._fetch(start, stop))
        parts = []
        try:
            for number in range(start // self._length, (stop - 1) // self._length + 1):
                first = number * self._length
                parts.append(self._find_block(number)[max(start - first, 0) : stop - first])
        except DamagedStoreError:  # the damaged chunk may contain only other rows
            parts = [self._fetch(start, stop)]
        return self._read_only(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def _find_block(self, number: int) -> Array:
        kept = self._block
        if kept is None or kept[0] != number:
            assert self._fetch is not None
            first = number * self._length
            kept = number, self._fetch(first, min(first + self._length, self.shape[0]))
            self._block = kept
        return kept[1]

    def _read_only(self, frames: Array) -> Array:
        frames = np.ascontiguousarray(frames, dtype=FRAME_DTYPES[self.dtype])
        frames.setflags(write=False)
        return frames
