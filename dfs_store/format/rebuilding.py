"""Rebuilds clips of a store block by block, and limits their size.

A valid store of a few kilobytes can describe clips of many gigabytes: two key frames suffice for 65,536.
So no clip is rebuilt in one piece, and larger clips than the user allows raise an error.
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

__all__ = ["BLOCK_BYTES", "VARIABLE", "block_frames", "check_clip_bytes", "rebuilt_blocks"]

BLOCK_BYTES = 16 * 2**20  # about 64 MiB with intermediate results
VARIABLE = "DFS_MAX_CLIP_BYTES"
_DEFAULT_BYTES = 2 * 2**30


def check_clip_bytes(
    name: object, num_frames: int, frame_shape: tuple[int, int, int], allowed: int | None = None
) -> None:
    """Raises an error if rebuilt clips would be too large.

    Args:
        name: name of the store in error messages.
        num_frames: number of frames of a rebuilt clip.
        frame_shape: (C, H, W).
        allowed: largest size of a clip in bytes; `DFS_MAX_CLIP_BYTES`, else 2 GiB, if None.

    Raises:
        ClipTooLargeError: a clip is larger.
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
            f"and at most {allowed:,} are allowed; if you trust the store, allow more with "
            f"open_store(path, max_clip_bytes={size_bytes}) or {VARIABLE}={size_bytes}"
        )


def block_frames(frame_shape: tuple[int, int, int]) -> int:
    """Returns the number of rebuilt frames (C, H, W) per block: at most 16 MiB, but at least one frame."""
    return max(1, BLOCK_BYTES // (4 * math.prod(frame_shape)))


def rebuilt_blocks(store: "KeyFrameStore", clip: int, near: Neighbours) -> Iterator[npt.NDArray[np.float32]]:
    """Yields the frames of a clip, (m, C, H, W) float32, in blocks of at most 16 MiB or one frame.

    Reads only the key frames that each block needs.

    Args:
        store: the store, open for reading.
        clip: number of the clip, 0 to N-1.
        near: neighbours of the M output times.

    Raises:
        DamagedStoreError: a frame does not match its checksum.
    """
    first, stop = int(store.offsets[clip]), int(store.offsets[clip + 1])
    # One image file contains all key frames of such a clip, and would be decoded again for each block.
    whole = store.stored_frames(first, stop) if store.frame_encoding == "avif" else None
    rows = block_frames(store.frame_shape)
    for start in range(0, near.left.size, rows):
        part = slice(start, start + rows)
        left, right = near.left[part], near.right[part]
        needed = np.unique(np.concatenate([left, right]))
        there = Neighbours(np.searchsorted(needed, left), np.searchsorted(needed, right), near.weight[part])
        stored = whole[needed] if whole is not None else _stored(store, first + needed)
        yield rebuild(_values(store, stored, first + needed), there)


def _stored(store: "KeyFrameStore", rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), rows.size]
    spans = [(int(rows[start]), int(rows[stop - 1]) + 1) for start, stop in pairwise(edges)]
    parts = store.stored_spans(spans)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _values(
    store: "KeyFrameStore", stored: npt.NDArray[Any], rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    if store.scale is None or store.zero is None:
        return decode(stored)
    return decode(stored, store.scale[rows], store.zero[rows])
