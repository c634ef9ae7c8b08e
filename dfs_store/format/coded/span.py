"""Which range of pixels the levels of key frames need to stand for."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dfs_store.format.coded.levels import Levels, pixel_levels
from dfs_store.format.spec import CODED_CHANNELS, LEVELS

__all__ = ["PixelRange", "levels_that_span"]

# Least-squares key frames of real clips leave [0, 1] in 1.7 % of their values, and lose 0.03 dB when they are
# clipped. Trained key frames leave it far more often.
_MOST_OUTSIDE = 0.05
_TAIL = 0.001  # share of the values at either end that may be clipped if the range is wider
_STEP = 1 / 64
_REACH = 64  # pixels that are told apart; farther ones count as this far


class PixelRange:
    """Gathers how the pixels of key frames are distributed.

    Args:
        unit: of the values: levels under which [0, 1] are pixels, see `pixel_levels`.
    """

    def __init__(self, unit: Levels) -> None:
        self._unit = unit
        self._counts = np.zeros(2 * int(_REACH / _STEP) + 1, dtype=np.int64)

    def take(self, key_frames: npt.NDArray[np.float32]) -> None:
        """Counts the pixels of key frames (K, C, H, W) float32."""
        pixels = self._unit.to_levels(key_frames) / LEVELS
        bins = np.rint(np.clip(pixels, -_REACH, _REACH) / _STEP).astype(np.int64) + int(_REACH / _STEP)
        self._counts += np.bincount(bins.ravel(), minlength=self._counts.size)

    def bounds(self) -> tuple[float, float]:
        """Returns the pixels that levels 0 and 255 should stand for: 0 and 1 if few are outside."""
        pixels = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
        total = self._counts.sum()
        outside = self._counts[(pixels < -_STEP) | (pixels > 1 + _STEP)].sum()
        if total == 0 or outside <= _MOST_OUTSIDE * total:
            return 0.0, 1.0
        below = np.cumsum(self._counts) / total
        low = float(pixels[np.searchsorted(below, _TAIL)])
        high = float(pixels[np.searchsorted(below, 1 - _TAIL)])
        return min(low, 0.0), max(high, 1.0)


def levels_that_span(
    key_frames: Iterable[npt.NDArray[np.float32]], normalization: Mapping[str, Sequence[float]] | None
) -> Levels:
    """Returns levels for key frames: pixels, or a wider range of them if many values need it.

    Args:
        key_frames: of every clip, (K, 3, H, W) float32.
        normalization: of the values, see `pixel_levels`.
    """
    gathered = PixelRange(pixel_levels(normalization, CODED_CHANNELS))
    for each in key_frames:
        gathered.take(each)
    return pixel_levels(normalization, CODED_CHANNELS, *gathered.bounds())
