"""Key frames of real clips as image files: what every choice costs and loses, measured on the files."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfs_store.condense.fitting.key_frame_fit import Fit, fitted_key_frames
from dfs_store.condense.fitting.share_out import Option
from dfs_store.format.accounting import count_index
from dfs_store.format.coded.encoder import encode_clip
from dfs_store.format.coded.encoding import FrameEncoding
from dfs_store.format.coded.levels import Levels
from dfs_store.interpolation import weight_matrix

__all__ = ["CodedClip", "CodedOption", "coded_clip", "coded_options"]

Floats = npt.NDArray[np.float32]

# Qualities that a budget chooses from; each takes about 1.3 to 1.5 times the bytes of the one before.
QUALITIES = {"webp": (0, 5, 12, 25, 45, 65, 80, 90, 95), "avif": (0, 10, 20, 30, 41, 52, 64, 76, 88)}
# Options of a clip that cost so many times its share of the budget, or a share of it, are not measured.
_REACH = 4
# A frame of a real clip is in 8-bit levels already.
_PIXELS = Levels(np.ones(3, dtype=np.float32), np.zeros(3, dtype=np.float32))


@dataclass(frozen=True)
class CodedClip:
    """Key frames of a clip as image files.

    Attributes:
        positions: (K,) int64.
        files: one per key frame, or one sequence.
        error: sum of squared errors of the clip rebuilt from the decoded files, in 8-bit levels.
        clipped: share of the key frames' values that were outside 0..255.
        quality: of the encoder.
    """

    positions: npt.NDArray[np.int64]
    files: list[bytes]
    error: float
    clipped: float
    quality: int


@dataclass(frozen=True)
class CodedOption:
    """A number of key frames and a quality, and what they cost.

    Attributes:
        count: K.
        quality: of the encoder.
        option: bytes of files and index, and the error of `CodedClip`.
    """

    count: int
    quality: int
    option: Option


def coded_clip(frames: Floats, fit: Fit, encoding: FrameEncoding) -> CodedClip:
    """Encodes the least-squares key frames of a clip, and measures the clip rebuilt from the files.

    Args:
        frames: (T, 3, H, W) in 8-bit levels.
        fit: positions of the key frames.
        encoding: how.
    """
    # If all frames are key frames, they are the frames: nothing is to be solved.
    key_frames = frames if len(fit.positions) == len(frames) else fitted_key_frames(frames, fit.positions)
    done = encode_clip(key_frames, encoding, _PIXELS)
    weights = weight_matrix(fit.positions, len(frames)).astype(np.float32)
    rebuilt = weights @ done.levels.reshape(len(key_frames), -1).astype(np.float32)
    error = float(np.square(rebuilt - frames.reshape(len(frames), -1)).sum(dtype=np.float64))
    return CodedClip(fit.positions, done.files, error, done.clipped, encoding.quality)


def coded_options(
    frames: Floats, fits: Sequence[Fit], encoding: FrameEncoding, *, any_quality: bool, share_bytes: float
) -> list[CodedOption]:
    """Measures choices of a number of key frames and a quality for a clip.

    Measured are those that cost about as much as the clip's share of the budget: the bytes of the others are
    not worth the time of encoding them.

    Args:
        frames: (T, 3, H, W) in 8-bit levels.
        fits: of 1, 2, ... T key frames.
        encoding: its quality is the one to take, unless `any_quality`.
        any_quality: tries several qualities.
        share_bytes: bytes of one clip if all had the same.
    """
    qualities = QUALITIES[encoding.name] if any_quality else (encoding.quality,)
    measured: list[CodedOption] = []
    start = len(qualities) // 2
    for count in _counts(len(fits)):
        fit = fits[count - 1]
        if len(fit.positions) < count:
            continue  # so many do not help; fewer come later
        # Encoding only adds to the error of a fit: what costs more than an option with less error is no use.
        beaten = min(
            (each.option.cost for each in measured if each.option.error <= fit.error), default=math.inf
        )
        most = min(_REACH * share_bytes, beaten)
        found = list(_walk(frames, fit, encoding.name, qualities, start, share_bytes / _REACH, most))
        nearest = min(found, key=lambda each: abs(each.option.cost - min(share_bytes, most)))
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
    """Measures qualities from one on up, until they cost more than `most`, then down to less than `least`."""
    for step, first in ((1, start), (-1, start - 1)):
        place = first
        while 0 <= place < len(qualities):
            option = _measured(frames, fit, FrameEncoding(name, qualities[place]))
            yield option
            if option.option.cost > most if step == 1 else option.option.cost < least:
                break
            place += step


def _index_bytes(count: int, encoding: FrameEncoding) -> int:
    """Returns the bytes that a clip of K key frames adds to the small arrays of a store."""
    sizes = [count_index(clips * count, clips, 3, "uint8", encoding=encoding.name) for clips in (1, 2)]
    return sizes[1] - sizes[0]


def _measured(frames: Floats, fit: Fit, encoding: FrameEncoding) -> CodedOption:
    coded = coded_clip(frames, fit, encoding)
    count = len(fit.positions)
    size_bytes = sum(len(data) for data in coded.files) + _index_bytes(count, encoding)
    return CodedOption(count, encoding.quality, Option(size_bytes, coded.error))


def _counts(most: int) -> list[int]:
    """Returns the numbers of key frames to try, most first: steps of about a half."""
    counts = {most, 1, 2, 3} & set(range(1, most + 1))
    count = 4.0
    while count < most:
        counts.add(round(count))
        count *= 1.5
    return sorted(counts, reverse=True)
