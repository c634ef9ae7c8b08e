"""CNN+GRU and CNN+LSTM: a small image network for every frame, and a recurrent layer over the frames."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from dfs_store.errors import SettingsError
from dfs_store.networks.frame_convnet import SMALLEST_SIZE, frame_blocks, frame_features

__all__ = ["CNNGRU", "CNNLSTM"]

_LARGEST_SIDE = 64  # larger frames are cropped to the centre


class _CNNRecurrent(nn.Module):
    """Applies 2-D blocks to each frame, then a recurrent layer, the mean over time and a linear head.

    Args:
        num_classes: number of logits.
        num_frames: T, the number of frames per clip, at least 1.
        size: height and width of the clips in pixels, at least 8.

    Attributes:
        num_features: number of values per frame that are passed to the recurrent layer: 8192 for 64 pixels or
            more.

    Raises:
        SettingsError: an argument is below its minimum.
    """

    _layer: ClassVar[type[nn.GRU | nn.LSTM]]
    _share: ClassVar[int]  # features per value of the hidden state

    def __init__(self, num_classes: int, num_frames: int, size: int) -> None:
        super().__init__()
        self._side = min(size, _LARGEST_SIDE)
        if num_classes < 1 or num_frames < 1 or self._side < SMALLEST_SIZE:
            raise SettingsError(
                f"{type(self).__name__} needs num_classes >= 1, num_frames >= 1 and size >= {SMALLEST_SIZE}, "
                f"got {num_classes}, {num_frames} and {size}"
            )
        self.features = frame_blocks()
        self.num_features = frame_features(self._side)
        hidden = self.num_features // self._share
        self.recurrent = self._layer(self.num_features, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Returns the logits (N, num_classes) of clips (N, T, C, H, W)."""
        margin_y, margin_x = ((extent - self._side) // 2 for extent in clips.shape[-2:])
        centre = clips[..., margin_y : margin_y + self._side, margin_x : margin_x + self._side]
        features = self.features(centre.flatten(0, 1)).flatten(1).unflatten(0, clips.shape[:2])
        states, _ = self.recurrent(features)
        logits: Tensor = self.classifier(torch.mean(states, dim=1))
        return logits


class CNNGRU(_CNNRecurrent):
    """CNN+GRU, whose hidden state has an eighth as many values as a frame's features (1024 at 64 pixels)."""

    _layer = nn.GRU
    _share = 8


class CNNLSTM(_CNNRecurrent):
    """CNN+LSTM, whose hidden state is as long as a frame's features (8192, 537 M parameters at 64 pixels)."""

    _layer = nn.LSTM
    _share = 1
