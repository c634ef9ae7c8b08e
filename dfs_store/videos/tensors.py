"""Converts uint8 frames to normalised tensors, the space in which key frames are optimised."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.loaders.normalization import PIXELS, stored_space

__all__ = ["FLIP_PROBABILITY", "normalised_clips"]

# The only augmentation of real clips, decided anew each time that a clip is drawn.
FLIP_PROBABILITY = 0.5


def normalised_clips(
    pixels: Tensor,
    normalization: dict[str, list[float]] | None,
    flipped: npt.NDArray[np.bool_] | None = None,
) -> Tensor:
    """Converts uint8 clips to normalised floats and flips some of them horizontally.

    Args:
        pixels: (N, T, H, W, C) uint8.
        normalization: "mean" and "std" per channel, for values in [0, 1]; None leaves them in [0, 1].
        flipped: (N,) bool, which clips to flip; none if None.

    Returns:
        (N, T, C, H, W) float32 on the device of `pixels`, in channels-last memory order, in which
        convolutions are fastest.
    """
    if flipped is not None and flipped.any():
        where = torch.from_numpy(flipped).to(pixels.device)
        pixels = pixels.clone()
        pixels[where] = pixels[where].flip(3)
    *leading, width, num_channels = pixels.shape
    # Repeated along a row: subtracting three numbers at a time is slow.
    space = stored_space(normalization) or PIXELS
    mean, std = (
        torch.tensor(part, device=pixels.device).mul(255).expand(num_channels).repeat(width) for part in space
    )
    clips = pixels.flatten(-2).to(torch.float32).sub_(mean).mul_(1 / std)
    return clips.view(*leading, width, num_channels).permute(0, 1, 4, 2, 3)
