"""Converts stored values to 8-bit pixels and back."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.format.spec import IMAGENET

__all__ = [
    "PEAK",
    "PIXEL_RANGE",
    "GreyLevels",
    "Normalization",
    "normalised",
    "parse_normalization",
    "to_pixels",
    "to_rgb",
]

Normalization = dict[str, list[float]]
PIXEL_RANGE = "0-255"  # value of `--normalization` for 8-bit pixels stored as floats
PEAK = 255.0  # the value of white


class GreyLevels(NamedTuple):
    """A clip as pixels.

    Attributes:
        pixels: (T, C, H, W) uint8.
        num_clipped: number of values that were clipped by more than half a grey level.
    """

    pixels: npt.NDArray[np.uint8]
    num_clipped: int


def to_pixels(clip: npt.NDArray[np.float32], normalization: Normalization | None) -> GreyLevels:
    """Converts a clip (T, C, H, W) float32 to 8-bit pixels.

    Args:
        clip: the store's values.
        normalization: the store's {"mean", "std"}; None if its values are pixels in [0, 1].
    """
    levels = clip.astype(np.float32, copy=True)
    if normalization is not None:
        levels *= _column(normalization["std"])
        levels += _column(normalization["mean"])
    levels *= PEAK
    outside = int(np.count_nonzero((levels < -0.5) | (levels > PEAK + 0.5)))
    return GreyLevels(np.rint(levels.clip(0, PEAK, out=levels), out=levels).astype(np.uint8), outside)


def to_rgb(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Converts pixels (T, C, H, W) with one or three channels to contiguous RGB (T, H, W, 3).

    Raises:
        SettingsError: the number of channels is not 1 or 3.
    """
    channels = pixels.shape[1]
    if channels not in (1, 3):
        raise SettingsError(
            f"videos and images must have 1 or 3 channels, but these clips have {channels}; use --to npz, "
            "which supports any number of channels"
        )
    if channels == 1:
        pixels = np.repeat(pixels, 3, axis=1)
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))


def normalised(pixels: npt.NDArray[np.uint8], normalization: Normalization | None) -> npt.NDArray[np.float32]:
    """Converts 8-bit pixels (T, C, H, W) to float32 in [0, 1], and applies the normalization, if any."""
    values = pixels.astype(np.float32) / np.float32(PEAK)
    if normalization is not None:
        values -= _column(normalization["mean"])
        values /= _column(normalization["std"])
    return values


def parse_normalization(text: str, num_channels: int) -> Normalization | None:
    """Parses `--normalization`: imagenet, none, or MEAN/STD, each one number or one per channel.

    Raises:
        SettingsError: the text has a different form, or does not match the number of channels.
    """
    rule = (
        "--normalization must be imagenet, none, 0-255, or MEAN/STD, for example 0.5/0.25, where each is one "
        f"number or {num_channels} numbers separated by commas, and STD is above 0; got {text!r}"
    )
    if text == "none":
        return None
    if text == "imagenet":
        if num_channels != len(IMAGENET["mean"]):
            raise SettingsError(
                f"--normalization imagenet needs 3 channels, but the clips have {num_channels}; use "
                "--normalization none or MEAN/STD"
            )
        return IMAGENET
    parts = text.split("/")
    try:
        mean, std = (_numbers(part, num_channels) for part in parts)
    except ValueError:
        raise SettingsError(rule) from None
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and min(std) > 0):
        raise SettingsError(rule)
    return {"mean": mean, "std": std}


def _numbers(text: str, count: int) -> list[float]:
    numbers = [float(part) for part in text.split(",")]
    if len(numbers) not in (1, count):
        raise ValueError
    return numbers * count if len(numbers) == 1 else numbers


def _column(numbers: Sequence[float]) -> npt.NDArray[np.float32]:
    return np.array(numbers, dtype=np.float32)[:, None, None]
