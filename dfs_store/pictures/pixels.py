"""Converts stored values to pixels."""

import numpy as np
import numpy.typing as npt

__all__ = ["to_pixels"]

_LEAST, _MOST = -0.5, 1.5  # values in this range are treated as [0, 1] with some overshoot


def to_pixels(
    values: npt.NDArray[np.float32],
    normalization: dict[str, list[float]] | None,
    span: tuple[float, float] | None = None,
) -> npt.NDArray[np.uint8]:
    """Converts frames to RGB pixels.

    Values outside [0, 1] are clipped, since synthetic frames may overshoot. Without a normalization, values
    below -0.5 or above 1.5 have unknown units, so the range of the clip is stretched to [0, 1] instead. A
    constant clip becomes grey.

    Args:
        values: frames, (..., C, H, W) float32. They are RGB if C is 3; otherwise, their mean is drawn as
            grey.
        normalization: {"mean": [...], "std": [...]} with C numbers each, or None for values in [0, 1].
        span: smallest and largest value of the clip that contains the frames. Defaults to those of `values`.

    Returns:
        (..., H, W, 3) uint8.
    """
    shown = np.asarray(values, dtype=np.float64)  # large float32 values would overflow
    if normalization is not None:
        mean, std = (np.asarray(normalization[key], np.float64)[:, None, None] for key in ("mean", "std"))
        shown = shown * std + mean
    elif shown.size:
        low, high = span if span is not None else (float(shown.min()), float(shown.max()))
        if low < _LEAST or high > _MOST:
            shown = (shown - low) / (high - low) if high > low else np.full_like(shown, 0.5)
    if shown.shape[-3] != 3:
        shown = np.repeat(shown.mean(axis=-3, keepdims=True), 3, axis=-3)
    pixels: npt.NDArray[np.uint8] = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(pixels, -3, -1))
