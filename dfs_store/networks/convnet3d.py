"""ConvNet3D, the paper's "miniC3D": three 3-D convolution blocks and a 1x1x1 convolutional classifier."""

import math

import torch
from torch import Tensor, nn

from dfs_store.errors import SettingsError
from dfs_store.networks.drawing import draw_parameters

__all__ = ["SMALLEST_SIZE", "ConvNet3D", "check_convnet3d"]

_WIDTHS = (64, 128, 128)
# The memory order in which each convolution is fastest on a CPU (docs/performance.md). Poolings use channels
# last.
_CPU_ORDERS = (torch.channels_last_3d, torch.contiguous_format, torch.channels_last_3d)
# Without gradients, a CPU processes the first feature maps in pieces of this size, which fit into its caches.
_CPU_PIECE_BYTES = 20 * 2**20
SMALLEST_SIZE = 43  # the input of the third pooling would be empty below
_FEWEST_FRAMES = 4  # two poolings halve the number of frames


class ConvNet3D(nn.Module):
    """The network with which DFS condenses, and the default network for evaluation.

    There are no normalisation layers, so the embedding of a clip does not depend on the rest of its batch.

    Args:
        num_classes: number of logits.
        num_frames: T of the clips, at least 4.
        size: height and width of the clips in pixels, at least 43.

    Attributes:
        num_features: length of an embedding: 2048 for 16x112x112, 256 for 8x64x64.
        plain: if False (the default), CPUs use other memory orders and smaller batches, which gives the same
            values up to rounding. If True, the layers are run as defined.

    Raises:
        SettingsError: an argument is below its minimum.
    """

    def __init__(self, num_classes: int, num_frames: int, size: int) -> None:
        super().__init__()
        check_convnet3d(num_classes, num_frames, size)
        blocks: list[nn.Module] = []
        channels = 3
        for number, width in enumerate(_WIDTHS):
            window = (1, 2, 2) if number == 0 else (2, 2, 2)
            blocks += [
                nn.Conv3d(channels, width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3)),
                # Before the ReLU, with which it commutes, because the ReLU then has fewer values.
                nn.MaxPool3d(window, window),
                nn.ReLU(),
            ]
            channels = width
        self.plain = False
        self.features = nn.Sequential(*blocks)
        frames, side = num_frames // 4, _map_side(size)
        self.num_features = channels * frames * side * side
        # The public code pools by (2, 2, 2) at 112 pixels and by (2, 1, 1) at 64, and crashes for sizes in
        # between. This rule covers both.
        window = (min(2, frames), min(2, side), min(2, side))
        self.pool = nn.AvgPool3d(window, stride=1)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Conv3d(channels, num_classes, 1)

    def embed(self, clips: Tensor) -> Tensor:
        """Returns the embeddings (N, num_features) of clips (N, T, C, H, W): the features before the head."""
        return self._feature_maps(clips).flatten(1)

    def forward(self, clips: Tensor) -> Tensor:
        """Returns the logits (N, num_classes) of clips (N, T, C, H, W): the maximum over time."""
        logits = self.classifier(self.dropout(self.pool(self._feature_maps(clips))))
        return torch.amax(logits.flatten(2), dim=2)

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Reinitialises all parameters in place (see `draw_parameters`)."""
        draw_parameters(self, generator)

    def order_weights(self) -> None:
        """Sets the memory order of the weights to the fastest one on a CPU; does nothing on other devices."""
        for number, order in enumerate(_CPU_ORDERS):
            weight = self.features[3 * number].weight
            if weight.device.type == "cpu":
                weight.data = weight.data.contiguous(memory_format=order)

    def _feature_maps(self, clips: Tensor) -> Tensor:
        maps = clips.transpose(1, 2)
        if self.plain or maps.device.type != "cpu":
            deepest: Tensor = self.features(maps)
            return deepest
        if torch.is_grad_enabled():
            return self._on_cpu(maps)
        # The first feature maps have a quarter of the pixels; each value takes 4 bytes.
        pieces = torch.split(maps, max(1, _CPU_PIECE_BYTES // (_WIDTHS[0] * math.prod(maps.shape[2:]))))
        return torch.cat([self._on_cpu(piece) for piece in pieces])

    def _on_cpu(self, maps: Tensor) -> Tensor:
        for number, order in enumerate(_CPU_ORDERS):
            convolution, pool, relu = self.features[3 * number : 3 * number + 3]
            maps = convolution(maps.contiguous(memory_format=order))
            maps = relu(pool(maps.contiguous(memory_format=torch.channels_last_3d)))
        return maps


def check_convnet3d(num_classes: int, num_frames: int, size: int) -> None:
    """Raises SettingsError if ConvNet3D does not accept these arguments."""
    if num_classes < 1:
        raise SettingsError(f"ConvNet3D needs at least 1 class, got {num_classes}")
    if num_frames < _FEWEST_FRAMES:
        raise SettingsError(
            f"ConvNet3D needs at least {_FEWEST_FRAMES} frames, because it halves their number twice, got "
            f"{num_frames}"
        )
    if size < SMALLEST_SIZE:
        raise SettingsError(
            f"ConvNet3D needs frames of at least {SMALLEST_SIZE} pixels, got size {size}; use a larger size"
        )


def _map_side(size: int) -> int:
    for _ in _WIDTHS:
        size = ((size - 1) // 2 + 1) // 2
    return size
