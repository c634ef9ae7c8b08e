"""The values of the 8-bit levels of encoded frames: one map for all frames of a store."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.format.spec import LEVELS

__all__ = ["Levels", "pixel_levels", "psnr"]

Floats = npt.NDArray[np.float32]


class Levels(NamedTuple):
    """An affine map in float32: value = zero + scale * level.

    Attributes:
        scale: scale of each channel, (C,) float32 above 0.
        zero: value of level 0 in each channel, (C,) float32.
    """

    scale: Floats
    zero: Floats

    def to_levels(self, values: Floats) -> Floats:
        """Returns the levels of values (K, C, H, W) float32, without rounding or clipping."""
        return (values - self.zero[:, None, None]) / self.scale[:, None, None]

    def equals(self, other: "Levels") -> bool:
        """Returns whether both maps are equal, bit by bit."""
        return bool(np.array_equal(self.scale, other.scale) and np.array_equal(self.zero, other.zero))


def pixel_levels(
    normalization: Mapping[str, Sequence[float]] | None,
    num_channels: int,
    low: float = 0.0,
    high: float = 1.0,
) -> Levels:
    """Returns the map from levels to values for which levels are pixels.

    Args:
        normalization: {"mean", "std"} of the values, C numbers each; None if they are pixels in [0, 1].
        num_channels: C.
        low: pixel of level 0.
        high: pixel of level 255. Trained key frames leave [0, 1], so they need a wider range.
    """
    mean = np.zeros(num_channels) if normalization is None else np.array(normalization["mean"])
    std = np.ones(num_channels) if normalization is None else np.array(normalization["std"])
    scale, zero = (high - low) / (LEVELS * std), (low - mean) / std
    return Levels(scale.astype("<f4"), zero.astype("<f4"))


def psnr(mean_square: float) -> float:
    """Returns the peak signal-to-noise ratio in dB of an error in 8-bit levels, infinite for 0."""
    return math.inf if mean_square == 0 else 10 * math.log10(LEVELS**2 / mean_square)
