"""Converts frames to their stored dtype and back: float32, float16 or uint8.

uint8 frames have a scale and a zero point for each frame and channel. The error of a value x has the
following bound, where M is the largest |x| in the same frame and channel:

* float32: 0.
* float16: max(2**-11 * |x|, 2**-25). Values that round to more than 65504 raise an error.
* uint8: scale / 2 + 2**-22 * M. The second term bounds the rounding of ``zero + scale * stored`` in float32.
  A constant channel has scale 0 and is exact.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.errors import ClipError
from dfs_store.format.spec import LEVELS

__all__ = ["Encoded", "decode", "encode", "error_bound"]

FLOAT16_MAX = 65_504.0


class Encoded(NamedTuple):
    """Frames in a stored dtype.

    Attributes:
        frames: (K, C, H, W) in the stored dtype, little-endian.
        scale: scales of the quantisation, (K, C) float32, for uint8; otherwise None.
        zero: zero points of the quantisation, (K, C) float32, for uint8; otherwise None.
    """

    frames: npt.NDArray[Any]
    scale: npt.NDArray[np.float32] | None = None
    zero: npt.NDArray[np.float32] | None = None


def encode(frames: npt.NDArray[np.float32], dtype: str) -> Encoded:
    """Converts finite float32 frames (K, C, H, W) to the stored dtype.

    Raises:
        ClipError: a value is too large for the dtype.
    """
    if dtype == "float32":
        return Encoded(frames.astype("<f4"))
    if dtype == "float16":
        with np.errstate(over="ignore"):
            halves = frames.astype("<f2")
        if not np.isfinite(halves).all():
            raise ClipError(
                f"float16 supports values up to {FLOAT16_MAX:.0f}, got {np.abs(frames).max():g}; "
                "use float32, or normalise the clip"
            )
        return Encoded(halves)
    return _encode_uint8(frames)


def _encode_uint8(frames: npt.NDArray[np.float32]) -> Encoded:
    low = frames.min(axis=(2, 3)).astype(np.float64)
    reach = frames.max(axis=(2, 3)) - low
    scale = (reach / LEVELS).astype("<f4")
    # Increase the scales that float32 rounded down, so that the largest value stays within half a step.
    short = scale.astype(np.float64) * LEVELS < reach
    scale[short] = np.nextafter(scale[short], np.float32(np.inf))
    # Decoding multiplies in float32, which must not overflow.
    if (scale.astype(np.float64) * LEVELS > np.finfo(np.float32).max).any():
        raise ClipError(
            f"uint8 supports a range of up to 3.4e38 within one channel of a frame, got {reach.max():g}; "
            "use float32, or normalise the clip"
        )
    steps = np.where(scale > 0, scale, 1).astype(np.float64)[:, :, None, None]
    levels = np.rint((frames - low[:, :, None, None]) / steps)
    return Encoded(np.clip(levels, 0, LEVELS).astype(np.uint8), scale, low.astype("<f4"))


def decode(
    frames: npt.NDArray[Any],
    scale: npt.NDArray[np.float32] | None = None,
    zero: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """Converts stored frames (K, C, H, W) to a new, writable float32 array of the same shape.

    Args:
        frames: frames in a stored dtype.
        scale: scales of uint8 frames, (K, C) float32: value = zero + scale * stored.
        zero: zero points of uint8 frames, (K, C) float32.
    """
    values = frames.astype(np.float32)
    if scale is not None and zero is not None:
        values *= scale[:, :, None, None]
        values += zero[:, :, None, None]
    return values


def error_bound(frames: npt.NDArray[np.float32], dtype: str) -> npt.NDArray[np.float64]:
    """Returns a bound on the error of storing each value of float32 frames (K, C, H, W) as `dtype`."""
    values = np.abs(frames.astype(np.float64))
    if dtype == "float32":
        return np.zeros_like(values)
    if dtype == "float16":
        return np.maximum(values * 2.0**-11, 2.0**-25)
    scale = _encode_uint8(frames).scale
    assert scale is not None
    largest = values.max(axis=(2, 3), keepdims=True)
    return np.broadcast_to(scale.astype(np.float64)[:, :, None, None] / 2 + largest * 2.0**-22, values.shape)
