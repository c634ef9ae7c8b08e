"""Converts uint8 frames to normalised tensors, the form in which key frames are optimised."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.loaders.normalization import PIXELS, stored_space
from dfs_store.loaders.transfers import on_device

__all__ = ["FLIP_PROBABILITY", "normalised_clips"]

# Horizontal flips are the only augmentation of real clips, chosen anew each time a clip is drawn.
FLIP_PROBABILITY = 0.5


def normalised_clips(
    pixels: Tensor,
    normalization: dict[str, list[float]] | None,
    flipped: npt.NDArray[np.bool_] | Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Converts uint8 clips to normalised floats and flips some of them horizontally.

    Args:
        pixels: (N, T, H, W, C) uint8.
        normalization: "mean" and "std" per channel, for pixels in [0, 1]; if None, values stay in [0, 1].
        flipped: (N,) bool, whether to flip each clip: an array, or a tensor on the device of `pixels`. If
            None, no clip is flipped.
        dtype: dtype of the result, float32 or bfloat16. Values are rounded only once.

    Returns:
        (N, T, C, H, W) of type `dtype` on the device of `pixels`, in channels-last memory order, which is
        the fastest for convolutions.
    """
    if flipped is not None:
        where = flipped if isinstance(flipped, Tensor) else on_device(flipped, pixels.device)
        pixels = torch.where(where.view(-1, 1, 1, 1, 1), pixels.flip(3), pixels)
    *leading, width, num_channels = pixels.shape
    space = stored_space(normalization) or PIXELS
    means, deviations = (tuple(part) * (num_channels // len(part)) for part in space)
    mean, scale, shift = _row_constants(means, deviations, width, pixels.device)
    flat = pixels.flatten(-2)
    if pixels.device.type == "cpu":
        clips = flat.to(torch.float32).sub_(mean).mul_(scale).to(dtype)
    else:  # one pass over memory
        clips = torch.addcmul(shift, flat, scale, out=flat.new_empty(flat.shape, dtype=dtype))
    return clips.view(*leading, width, num_channels).permute(0, 1, 4, 2, 3)


@lru_cache(maxsize=16)
def _row_constants(
    mean: tuple[float, ...], std: tuple[float, ...], width: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns mean, scale and -mean * scale for the values of a row, as tensors (width * C,) float32.

    The constants are repeated along the row because subtracting three numbers at a time is slow. They are
    cached because copying them to a GPU makes the host wait.
    """
    with torch.inference_mode(mode=False):  # cached tensors are used in inference mode and outside it
        means = (torch.tensor(mean, device="cpu") * 255).repeat(width)
        scale = (1 / (torch.tensor(std, device="cpu") * 255)).repeat(width)
        return means.to(device), scale.to(device), (-means * scale).to(device)
