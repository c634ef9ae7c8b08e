"""Maps the 8-bit levels of encoded frames to values. All frames of a store share one map."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.format.spec import LEVELS

__all__ = ["Levels", "pixel_levels", "psnr"]

Floats = npt.NDArray[np.float32]


class Levels(NamedTuple):
    """An affine map from levels to values in float32: value = zero + scale * level.

    Attributes:
        scale: scale of each channel, (C,) float32 above 0.
        zero: value of level 0 in each channel, (C,) float32.
    """

    scale: Floats
    zero: Floats

    def to_levels(self, values: Floats) -> Floats:
        """Converts values (K, C, H, W) float32 to levels of the same shape, without rounding or clipping."""
        return (values - self.zero[:, None, None]) / self.scale[:, None, None]

    def equals(self, other: "Levels") -> bool:
        """Returns whether two maps are equal, bit for bit."""
        return bool(np.array_equal(self.scale, other.scale) and np.array_equal(self.zero, other.zero))


def pixel_levels(
    normalization: Mapping[str, Sequence[float]] | None,
    num_channels: int,
    low: float = 0.0,
    high: float = 1.0,
) -> Levels:
    """Returns the map whose levels 0 to 255 represent pixel values from `low` to `high`.

    Args:
        normalization: {"mean": [...], "std": [...]} with C numbers each, or None if the values are pixels.
        num_channels: C.
        low: pixel value of level 0.
        high: pixel value of level 255. Trained key frames need a wider range than [0, 1].
    """
    mean = np.zeros(num_channels) if normalization is None else np.array(normalization["mean"])
    std = np.ones(num_channels) if normalization is None else np.array(normalization["std"])
    scale, zero = (high - low) / (LEVELS * std), (low - mean) / std
    return Levels(scale.astype("<f4"), zero.astype("<f4"))


def psnr(mean_square: float) -> float:
    """Returns the PSNR in dB for a mean squared error in 8-bit levels, infinite for 0."""
    return math.inf if mean_square == 0 else 10 * math.log10(LEVELS**2 / mean_square)
