"""Chooses the range of pixel values that the 8-bit levels of key frames represent."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dfs_store.format.coded.levels import Levels, pixel_levels
from dfs_store.format.spec import CODED_CHANNELS, LEVELS

__all__ = ["PixelRange", "levels_that_span"]

# In least-squares key frames of real clips, 1.7 % of the values are outside [0, 1], and clipping them costs
# 0.03 dB. In trained key frames, far more values are outside.
_MOST_OUTSIDE = 0.05
_TAIL = 0.001  # share of values that a wider range may clip at either end
_ROUNDING = 1 / (2 * LEVELS)
_PER_CLIP = 4096  # sampled values per clip
_MOST_VALUES = 2**22  # sampled values in total


class PixelRange:
    """Samples the pixels of key frames to choose the range that the levels represent.

    Args:
        unit: levels that represent pixels from 0 to 1, see `pixel_levels`.
    """

    def __init__(self, unit: Levels) -> None:
        self._unit = unit
        self._sample: list[npt.NDArray[np.float32]] = []
        self._size = 0

    def take(self, key_frames: npt.NDArray[np.float32]) -> None:
        """Samples the pixels of key frames (K, C, H, W) float32."""
        pixels = self._unit.to_levels(key_frames).ravel() / np.float32(LEVELS)
        chosen = pixels[:: max(1, pixels.size // _PER_CLIP)].copy()
        self._sample.append(chosen)
        self._size += chosen.size
        if self._size > _MOST_VALUES:
            self._sample = [part[::2].copy() for part in self._sample]
            self._size = sum(part.size for part in self._sample)

    def bounds(self) -> tuple[float, float]:
        """Returns the pixel values of levels 0 and 255: 0 and 1, unless many pixels are outside [0, 1]."""
        if not self._sample:
            return 0.0, 1.0
        pixels = np.concatenate(self._sample)
        outside = np.mean((pixels < -_ROUNDING) | (pixels > 1 + _ROUNDING))
        if outside <= _MOST_OUTSIDE:
            return 0.0, 1.0
        low, high = np.quantile(pixels, [_TAIL, 1 - _TAIL])
        return min(float(low), 0.0), max(float(high), 1.0)


def levels_that_span(
    key_frames: Iterable[npt.NDArray[np.float32]], normalization: Mapping[str, Sequence[float]] | None
) -> Levels:
    """Returns levels that represent pixels from 0 to 1, or from a wider range if many pixels need it.

    `key_frames` contains the normalised key frames of each clip, (K, 3, H, W) float32.
    """
    gathered = PixelRange(pixel_levels(normalization, CODED_CHANNELS))
    for each in key_frames:
        gathered.take(each)
    return pixel_levels(normalization, CODED_CHANNELS, *gathered.bounds())
