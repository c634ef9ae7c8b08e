"""From stored values to what a screen shows."""

import numpy as np
import numpy.typing as npt

__all__ = ["to_pixels"]

_LEAST, _MOST = -0.5, 1.5  # what still counts as [0, 1] with some overshoot


def to_pixels(
    values: npt.NDArray[np.float32],
    normalization: dict[str, list[float]] | None,
    span: tuple[float, float] | None = None,
) -> npt.NDArray[np.uint8]:
    """Turns frames into RGB pixels.

    Synthetic frames leave [0, 1]: what is outside is cut off. Values of a store without a normalization
    that lie far outside (below -0.5 or above 1.5) are in no known units, and are stretched from their
    smallest to their largest instead; a clip of one value is grey.

    Args:
        values: (..., C, H, W) float32. C of 3 is RGB; of any other number the mean is shown as grey.
        normalization: {"mean": [...], "std": [...]} of C numbers each, or None for values in [0, 1].
        span: the smallest and the largest value of the clip that the frames are a part of; those of `values`
            when None.

    Returns:
        (..., H, W, 3) uint8.
    """
    shown = np.asarray(values, dtype=np.float64)  # float32 would overflow at its own extremes
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
