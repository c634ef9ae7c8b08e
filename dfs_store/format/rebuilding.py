"""Rebuilds clips of a store block by block, and limits their size.

A valid store of a few kilobytes can describe clips of many gigabytes: two key frames can define 65,536
frames. Clips are therefore rebuilt in blocks, and a clip larger than the user allows raises an error.
"""

import math
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dfs_store.byte_sizes import parse_bytes
from dfs_store.errors import ClipTooLargeError, SettingsError
from dfs_store.format.quantization import decode
from dfs_store.interpolation import Neighbours, rebuild

if TYPE_CHECKING:
    from dfs_store.format.store import KeyFrameStore

__all__ = ["BLOCK_BYTES", "VARIABLE", "block_frames", "check_clip_bytes", "decoded_rows", "rebuilt_blocks"]

BLOCK_BYTES = 16 * 2**20  # rebuilding a block takes about 64 MiB with intermediate results
VARIABLE = "DFS_MAX_CLIP_BYTES"
_DEFAULT_BYTES = 2 * 2**30


def check_clip_bytes(
    name: object, num_frames: int, frame_shape: tuple[int, int, int], allowed: int | None = None
) -> None:
    """Raises an error if rebuilt clips would be too large.

    Args:
        name: name of the store in error messages.
        num_frames: number of frames in a rebuilt clip.
        frame_shape: (C, H, W).
        allowed: size limit of a clip in bytes. Defaults to the environment variable DFS_MAX_CLIP_BYTES, or to
            2 GiB if it is not set.

    Raises:
        ClipTooLargeError: a clip exceeds the limit.
        SettingsError: the limit is not a size of at least one byte.
    """
    if allowed is not None and (isinstance(allowed, bool) or not isinstance(allowed, int) or allowed < 1):
        raise SettingsError(f"max_clip_bytes must be a whole number of at least 1, got {allowed!r}")
    if allowed is None:
        text = os.environ.get(VARIABLE)
        allowed = parse_bytes(text, VARIABLE) if text else _DEFAULT_BYTES
    size_bytes = num_frames * math.prod(frame_shape) * 4
    if size_bytes > allowed:
        frame = "x".join(map(str, frame_shape))
        raise ClipTooLargeError(
            f"{name}: a rebuilt clip takes {size_bytes:,} bytes ({num_frames:,} frames of {frame}, float32), "
            f"but at most {allowed:,} are allowed; if you trust the store, allow more with "
            f"open_store(path, max_clip_bytes={size_bytes}) or {VARIABLE}={size_bytes}"
        )


def block_frames(frame_shape: tuple[int, int, int]) -> int:
    """Returns how many rebuilt frames (C, H, W) fit into a block of 16 MiB, but at least 1."""
    return max(1, BLOCK_BYTES // (4 * math.prod(frame_shape)))


def rebuilt_blocks(store: "KeyFrameStore", clip: int, near: Neighbours) -> Iterator[npt.NDArray[np.float32]]:
    """Yields a rebuilt clip in float32 blocks (m, C, H, W) of at most 16 MiB, or of one larger frame.

    Reads only the key frames that each block needs.

    Args:
        store: the store, open for reading.
        clip: number of the clip, 0 to N-1.
        near: the neighbouring key frames of each of the M output times, with their weights.

    Raises:
        DamagedStoreError: a frame does not match its checksum.
    """
    first, stop = int(store.offsets[clip]), int(store.offsets[clip + 1])
    # An AVIF file contains all key frames of a clip, so decode it only once instead of for each block.
    whole = store.stored_frames(first, stop) if store.frame_encoding == "avif" else None
    rows = block_frames(store.frame_shape)
    for start in range(0, near.left.size, rows):
        part = slice(start, start + rows)
        left, right = near.left[part], near.right[part]
        needed = np.unique(np.concatenate([left, right]))
        local = Neighbours(np.searchsorted(needed, left), np.searchsorted(needed, right), near.weight[part])
        stored = whole[needed] if whole is not None else _stored(store, first + needed)
        yield rebuild(decoded_rows(store, stored, first + needed), local)


def _stored(store: "KeyFrameStore", rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), rows.size]
    spans = [(int(rows[start]), int(rows[stop - 1]) + 1) for start, stop in pairwise(edges)]
    parts = store.stored_spans(spans)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def decoded_rows(
    store: "KeyFrameStore", stored: npt.NDArray[Any], rows: npt.NDArray[np.int64] | slice
) -> npt.NDArray[np.float32]:
    """Returns stored key frames (K, C, H, W) as float32; `rows` are their numbers in the store."""
    if store.scale is None or store.zero is None:
        return decode(stored)
    return decode(stored, store.scale[rows], store.zero[rows])
