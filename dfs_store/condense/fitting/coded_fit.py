"""Encodes key frames of real clips as image files, and measures the size and error of each choice."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfs_store.condense.fitting.key_frame_fit import Fit, fitted_key_frames
from dfs_store.condense.fitting.share_out import PricedOption
from dfs_store.format.accounting import count_index
from dfs_store.format.coded.encoder import encode_clip
from dfs_store.format.coded.encoding import FrameEncoding
from dfs_store.format.coded.levels import Levels
from dfs_store.interpolation import weight_matrix

__all__ = ["CodedClip", "CodedOption", "coded_clip", "coded_options"]

Floats = npt.NDArray[np.float32]

# Qualities to choose from within a budget. Each needs about 1.3 to 1.5 times the bytes of the previous one.
QUALITIES = {"webp": (0, 5, 12, 25, 45, 65, 80, 90, 95), "avif": (0, 10, 20, 30, 41, 52, 64, 76, 88)}
# Options are measured only if their cost is within this factor of a clip's share of the budget.
_REACH = 4
# No scaling is needed, because the frames of real clips are already in 8-bit levels.
_PIXELS = Levels(np.ones(3, dtype=np.float32), np.zeros(3, dtype=np.float32))


@dataclass(frozen=True)
class CodedClip:
    """Key frames of a clip as image files.

    Attributes:
        positions: (K,) int64, positions of the key frames.
        files: one image per key frame, or one image sequence.
        error: sum of squared errors of the clip rebuilt from the decoded files, in 8-bit levels.
        clipped: share of the key frames' values that were outside 0..255.
        quality: quality of the encoder.
    """

    positions: npt.NDArray[np.int64]
    files: list[bytes]
    error: float
    clipped: float
    quality: int


@dataclass(frozen=True)
class CodedOption(PricedOption):
    """A number of key frames and a quality, with the resulting size (files and index) and error.

    Attributes:
        count: K, the number of key frames.
        quality: quality of the encoder.
    """

    count: int
    quality: int


def coded_clip(frames: Floats, fit: Fit, encoding: FrameEncoding) -> CodedClip:
    """Encodes the least-squares key frames of a clip, and measures the error of the rebuilt clip.

    Args:
        frames: (T, 3, H, W) float32, in 8-bit levels.
        fit: positions of the key frames.
        encoding: encoding and quality.
    """
    # If all frames are key frames, there is nothing to solve.
    key_frames = frames if len(fit.positions) == len(frames) else fitted_key_frames(frames, fit.positions)
    done = encode_clip(key_frames, encoding, _PIXELS)
    weights = weight_matrix(fit.positions, len(frames)).astype(np.float32)
    rebuilt = weights @ done.levels.reshape(len(key_frames), -1).astype(np.float32)
    error = float(np.square(rebuilt - frames.reshape(len(frames), -1)).sum(dtype=np.float64))
    return CodedClip(fit.positions, done.files, error, done.clipped, encoding.quality)


def coded_options(
    frames: Floats, fits: Sequence[Fit], encoding: FrameEncoding, *, any_quality: bool, share_bytes: float
) -> list[CodedOption]:
    """Measures the options of a clip, each a number of key frames and a quality.

    Only options whose size is near the clip's share of the budget are measured, because encoding takes time.

    Args:
        frames: (T, 3, H, W) float32, in 8-bit levels.
        fits: fits with 1, 2, ... T key frames.
        encoding: encoding, and the quality to use unless `any_quality` is set.
        any_quality: whether to try several qualities.
        share_bytes: the clip's share of the budget in bytes if it is divided equally.
    """
    qualities = QUALITIES[encoding.name] if any_quality else (encoding.quality,)
    measured: list[CodedOption] = []
    start = len(qualities) // 2
    for count in _counts(len(fits)):
        fit = fits[count - 1]
        if len(fit.positions) < count:
            continue  # the last key frames do not help; smaller numbers are tried later
        # Encoding can only add to a fit's error, so a cheaper option with less error is always better.
        beaten = min((each.cost for each in measured if each.error <= fit.error), default=math.inf)
        most = min(_REACH * share_bytes, beaten)
        found = list(_walk(frames, fit, encoding.name, qualities, start, share_bytes / _REACH, most))
        nearest = min(found, key=lambda each: abs(each.cost - min(share_bytes, most)))
        start = qualities.index(nearest.quality)
        measured += found
    return measured


def _walk(
    frames: Floats,
    fit: Fit,
    name: str,
    qualities: Sequence[int],
    start: int,
    least: float,
    most: float,
) -> Iterator[CodedOption]:
    """Measures qualities from `start` upwards to the cost `most`, and then downwards to the cost `least`."""
    for step, first in ((1, start), (-1, start - 1)):
        place = first
        while 0 <= place < len(qualities):
            option = _measured(frames, fit, FrameEncoding(name, qualities[place]))
            yield option
            if option.cost > most if step == 1 else option.cost < least:
                break
            place += step


def _index_bytes(count: int, encoding: FrameEncoding) -> int:
    """Returns the number of bytes that a clip with K key frames adds to a store's small arrays."""
    sizes = [count_index(clips * count, clips, 3, "uint8", encoding=encoding.name) for clips in (1, 2)]
    return sizes[1] - sizes[0]


def _measured(frames: Floats, fit: Fit, encoding: FrameEncoding) -> CodedOption:
    coded = coded_clip(frames, fit, encoding)
    count = len(fit.positions)
    size_bytes = sum(len(data) for data in coded.files) + _index_bytes(count, encoding)
    return CodedOption(size_bytes, coded.error, count, encoding.quality)


def _counts(most: int) -> list[int]:
    """Returns the numbers of key frames to try, largest first, each about 2/3 of the previous one."""
    counts = {most, 1, 2, 3} & set(range(1, most + 1))
    count = 4.0
    while count < most:
        counts.add(round(count))
        count *= 1.5
    return sorted(counts, reverse=True)
