"""Pixels as tensors: uint8 frames into the normalised space that key frames live in."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.loaders.normalization import PIXELS, stored_space

__all__ = ["FLIP_PROBABILITY", "normalised_clips"]

# The one augmentation of real clips, wherever they are drawn: a coin per clip and draw.
FLIP_PROBABILITY = 0.5


def normalised_clips(
    pixels: Tensor,
    normalization: dict[str, list[float]] | None,
    flipped: npt.NDArray[np.bool_] | None = None,
) -> Tensor:
    """Turns uint8 clips into normalised floats, flipping some of them from left to right.

    Args:
        pixels: (N, T, H, W, C) uint8.
        normalization: "mean" and "std" per channel, of values in [0, 1]; None leaves them in [0, 1].
        flipped: (N,) bool, which clips to flip; none when None.

    Returns:
        (N, T, C, H, W) float32 on the device of `pixels`. The channels stay last in memory, which is what
        convolutions run fastest on.
    """
    if flipped is not None and flipped.any():
        where = torch.from_numpy(flipped).to(pixels.device)
        pixels = pixels.clone()
        pixels[where] = pixels[where].flip(3)
    *leading, width, num_channels = pixels.shape
    # Repeated along a row, since three numbers at a time are slow to subtract.
    space = stored_space(normalization) or PIXELS
    mean, std = (
        torch.tensor(part, device=pixels.device).mul(255).expand(num_channels).repeat(width) for part in space
    )
    clips = pixels.flatten(-2).to(torch.float32).sub_(mean).mul_(1 / std)
    return clips.view(*leading, width, num_channels).permute(0, 1, 4, 2, 3)
