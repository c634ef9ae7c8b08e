"""A ConvNet for single frames, used in gradient matching (DC), CNN+GRU and CNN+LSTM."""

import torch
from torch import Tensor, nn

from dfs_store.errors import SettingsError
from dfs_store.networks.drawing import draw_parameters

__all__ = ["SMALLEST_SIZE", "FrameConvNet", "frame_blocks", "frame_features"]

_WIDTH = 128
_BLOCKS = 3  # for every size, as in the public code of DC and of the baseline's recurrent networks
SMALLEST_SIZE = 2**_BLOCKS  # pixels; leaves one value per channel


def frame_blocks() -> nn.Sequential:
    """Returns three blocks of convolution, instance normalisation, ReLU and 2x2 average pooling."""
    blocks: list[nn.Module] = []
    channels = 3
    for _ in range(_BLOCKS):
        blocks += [
            nn.Conv2d(channels, _WIDTH, 3, padding=1),
            # One group per channel makes this instance normalisation with affine parameters.
            nn.GroupNorm(_WIDTH, _WIDTH),
            nn.ReLU(),
            nn.AvgPool2d(2),
        ]
        channels = _WIDTH
    return nn.Sequential(*blocks)


def frame_features(size: int) -> int:
    """Returns the number of values that `frame_blocks` outputs for a frame of `size` pixels: 8192 for 64."""
    return _WIDTH * (size >> _BLOCKS) ** 2


class FrameConvNet(nn.Module):
    """Classifies single frames with three blocks of 128 channels and a linear layer.

    Args:
        num_classes: number of logits.
        size: height and width of the frames in pixels, at least 8.

    Raises:
        SettingsError: an argument is below its minimum.
    """

    def __init__(self, num_classes: int, size: int) -> None:
        super().__init__()
        if num_classes < 1 or size < SMALLEST_SIZE:
            raise SettingsError(
                f"FrameConvNet needs num_classes >= 1 and size >= {SMALLEST_SIZE}, "
                f"got {num_classes} and {size}"
            )
        self.features = frame_blocks()
        self.classifier = nn.Linear(frame_features(size), num_classes)

    def forward(self, frames: Tensor) -> Tensor:
        """Returns the logits (N, num_classes) of frames (N, C, H, W)."""
        logits: Tensor = self.classifier(self.features(frames).flatten(1))
        return logits

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Reinitialises all parameters in place (see `draw_parameters`)."""
        draw_parameters(self, generator)
