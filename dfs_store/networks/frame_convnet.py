"""ConvNet on single frames: what gradient matching (DC) uses, and the first part of CNN+GRU and CNN+LSTM."""

import torch
from torch import Tensor, nn

from dfs_store.errors import SettingsError
from dfs_store.networks.drawing import draw_parameters

__all__ = ["WIDTH", "FrameConvNet", "frame_blocks"]

WIDTH = 128
_LAST_SIDE = 4  # DC adds blocks until the maps are this small or a little larger: 3 blocks at 32 pixels


def frame_blocks(count: int) -> nn.Sequential:
    """Returns blocks of convolution, instance normalisation, ReLU and 2x2 mean; each halves the size."""
    blocks: list[nn.Module] = []
    channels = 3
    for _ in range(count):
        blocks += [
            nn.Conv2d(channels, WIDTH, 3, padding=1),
            # One group per channel: instance normalisation with affine parameters.
            nn.GroupNorm(WIDTH, WIDTH),
            nn.ReLU(),
            nn.AvgPool2d(2),
        ]
        channels = WIDTH
    return nn.Sequential(*blocks)


class FrameConvNet(nn.Module):
    """Classifies single frames: blocks of 128 channels, then a linear layer.

    Args:
        num_classes: number of logits.
        size: height and width of the frames in pixels, at least 8.

    Raises:
        SettingsError: an argument is below its minimum.
    """

    def __init__(self, num_classes: int, size: int) -> None:
        super().__init__()
        count = (size // _LAST_SIDE).bit_length() - 1
        if num_classes < 1 or count < 1:
            raise SettingsError(
                f"FrameConvNet needs at least 1 class and {2 * _LAST_SIDE} pixels, "
                f"got {num_classes} and size {size}"
            )
        self.features = frame_blocks(count)
        self.classifier = nn.Linear(WIDTH * (size >> count) ** 2, num_classes)

    def forward(self, frames: Tensor) -> Tensor:
        """Returns the logits (N, num_classes) of frames (N, C, H, W)."""
        logits: Tensor = self.classifier(self.features(frames).flatten(1))
        return logits

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draws all parameters afresh, in place (see `draw_parameters`)."""
        draw_parameters(self, generator)
