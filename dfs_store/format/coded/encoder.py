"""Encodes key frames in several threads, returns the files in order, and measures the error."""

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.format.coded.codec import codec_versions, decode_file, encode_files
from dfs_store.format.coded.encoding import FrameEncoding
from dfs_store.format.coded.levels import Levels, psnr
from dfs_store.format.spec import LEVELS

__all__ = ["EncodedClip", "FrameEncoder", "encode_clip", "encode_levels", "encoding_threads"]

_PER_THREAD = 4  # maximum number of queued clips per thread


class EncodedClip(NamedTuple):
    """The key frames of a clip as image files.

    Attributes:
        files: one file per key frame, or one sequence for all of them.
        levels: levels of the decoded files, (K, 3, H, W) uint8.
        mean_square: mean squared error of the decoded levels, compared with unrounded, unclipped levels.
        clipped: share of values that are outside 0..255 by more than a rounding error.
    """

    files: list[bytes]
    levels: npt.NDArray[np.uint8]
    mean_square: float
    clipped: float


def encode_clip(key_frames: npt.NDArray[np.float32], encoding: FrameEncoding, levels: Levels) -> EncodedClip:
    """Encodes finite key frames (K, 3, H, W) float32, and decodes them to measure the error."""
    exact = levels.to_levels(key_frames)
    files, decoded = encode_levels(exact, encoding)
    clipped = np.count_nonzero((exact < -0.5) | (exact > LEVELS + 0.5)) / exact.size
    mean_square = float(np.mean((decoded - exact.astype(np.float64)) ** 2))
    return EncodedClip(files, decoded, mean_square, clipped)


def encode_levels(
    exact: npt.NDArray[np.float32], encoding: FrameEncoding
) -> tuple[list[bytes], npt.NDArray[np.uint8]]:
    """Encodes key frames (K, 3, H, W), given as fractional levels. Returns the files and decoded levels."""
    rounded = np.clip(np.rint(exact), 0, LEVELS).astype(np.uint8)
    files = encode_files(rounded, encoding.name, encoding.quality)
    each = len(rounded) // len(files)
    decoded = [decode_file(data, encoding.name, each, rounded.shape[2:]) for data in files]
    return files, np.concatenate(decoded)


def encoding_threads() -> int:
    """Returns the number of encoding threads, one for each processor available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class FrameEncoder:
    """Encodes clips in one thread per processor, and returns the encoded clips in order."""

    def __init__(self, encoding: FrameEncoding, levels: Levels) -> None:
        self._encoding, self._levels = encoding, levels
        threads = encoding_threads()
        self._most = _PER_THREAD * threads
        self._pool = ThreadPoolExecutor(threads)
        self._waiting: deque[Future[EncodedClip]] = deque()
        self._psnrs: list[float] = []
        self._clipped: list[float] = []

    def submit(self, key_frames: npt.NDArray[np.float32]) -> Iterator[EncodedClip]:
        """Queues a clip. If too many clips are queued, waits for the oldest ones and yields them."""
        self._waiting.append(self._pool.submit(encode_clip, key_frames, self._encoding, self._levels))
        while len(self._waiting) > self._most:
            yield self._next()

    def finish(self) -> Iterator[EncodedClip]:
        """Yields all remaining clips."""
        while self._waiting:
            yield self._next()

    def close(self) -> None:
        """Stops the threads, and discards clips that have not been encoded yet."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def describe(self) -> dict[str, Any]:
        """Returns a description of the encoding for the provenance. All clips must have been encoded."""
        finite = [value for value in self._psnrs if math.isfinite(value)]
        return {
            "quality": self._encoding.quality,
            "software": codec_versions(self._encoding.name),
            # None if every clip is exact.
            "psnr": round(float(np.mean(finite)), 2) if finite else None,
            "psnr_of": "key frames before and after encoding, peak 255, mean of the clips' dB",
            "clipped_share": float(np.mean(self._clipped)),
        }

    def _next(self) -> EncodedClip:
        done = self._waiting.popleft().result()
        self._psnrs.append(psnr(done.mean_square))
        self._clipped.append(done.clipped)
        return done
