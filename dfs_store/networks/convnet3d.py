"""ConvNet3D, the paper's "miniC3D": three 3-D convolution blocks and a 1x1x1 convolutional classifier."""

import copy
import math

import torch
from torch import Tensor, nn

from dfs_store.errors import SettingsError
from dfs_store.networks.drawing import draw_parameters
from dfs_store.networks.mean_pool import MeanPool3d

__all__ = ["SMALLEST_SIZE", "ConvNet3D", "check_convnet3d"]

_WIDTHS = (64, 128, 128)
# The memory format in which each convolution is fastest on a CPU (docs/performance.md). Pooling layers always
# use channels last.
_CPU_ORDERS = (torch.channels_last_3d, torch.contiguous_format, torch.channels_last_3d)
# Without gradients, a CPU processes the first feature maps in pieces of this size, which fit into its caches.
_CPU_PIECE_BYTES = 20 * 2**20
SMALLEST_SIZE = 43  # with fewer pixels, the output of the third pooling layer would be empty
_FEWEST_FRAMES = 4  # two pooling layers each halve the number of frames


class ConvNet3D(nn.Module):
    """The network that DFS uses for condensing, and the default network for evaluation.

    It has no normalisation layers, so the embedding of a clip does not depend on the rest of its batch.

    Args:
        num_classes: number of logits.
        num_frames: T, the number of frames per clip, at least 4.
        size: height and width of the clips in pixels, at least 43.

    Attributes:
        num_features: length of an embedding: 2048 for 16x112x112, 256 for 8x64x64.
        plain: whether weights and maps stay contiguous (`use_plain_order`). If False (the default), layers
            use faster memory formats and, on a CPU, smaller pieces; values are equal up to rounding.

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
                # Before the ReLU: the result is the same, and the ReLU processes fewer values.
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
        self.pool = MeanPool3d((min(2, frames), min(2, side), min(2, side)))
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Conv3d(channels, num_classes, 1)

    def embed(self, clips: Tensor) -> Tensor:
        """Returns the embeddings (N, num_features) of clips (N, T, C, H, W), the features before the head."""
        return self._feature_maps(clips).flatten(1)

    def forward(self, clips: Tensor) -> Tensor:
        """Returns the logits (N, num_classes) of clips (N, T, C, H, W), using the maximum over time."""
        logits = self.classifier(self.dropout(self.pool(self._feature_maps(clips))))
        return torch.amax(logits.flatten(2), dim=2)

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Reinitialises all parameters in place (see `draw_parameters`)."""
        draw_parameters(self, generator)

    @property
    def num_convolutions(self) -> int:
        """Number of convolutions before the head."""
        return len(_WIDTHS)

    def order_weights(self) -> None:
        """Converts the weights of all convolutions to the memory format that `embed` and `forward` use."""
        for number in range(len(_WIDTHS)):
            weight: Tensor = self.features[3 * number].weight  # type: ignore[assignment]
            weight.data = weight.data.contiguous(memory_format=self._order(number))

    def use_plain_order(self) -> None:
        """Makes the weights contiguous, and the feature maps of all later calls as well."""
        self.plain = True
        self.order_weights()

    def in_bfloat16(self) -> "ConvNet3D":
        """Returns a copy with weights and feature maps in bfloat16."""
        twin = copy.deepcopy(self).to(torch.bfloat16)
        twin.order_weights()
        return twin

    def convolve(self, number: int, maps: Tensor) -> Tensor:
        """Applies one convolution to maps (N, C, T, H, W), in the memory format that `embed` uses.

        Args:
            number: 0-based number of the convolution.
            maps: (N, C, T, H, W), input of the convolution.
        """
        convolved: Tensor = self.features[3 * number](maps.contiguous(memory_format=self._order(number)))
        return convolved

    def _order(self, number: int) -> torch.memory_format:
        if self.plain:
            return torch.contiguous_format
        weight = self.classifier.weight
        on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32
        return _CPU_ORDERS[number] if on_cpu else torch.channels_last_3d

    def _feature_maps(self, clips: Tensor) -> Tensor:
        maps = clips.transpose(1, 2).to(self.classifier.weight.dtype)
        if self.plain or maps.device.type != "cpu" or torch.is_grad_enabled():
            return self._through(maps)
        # The first feature maps have a quarter of the pixels; each value takes 4 bytes.
        pieces = torch.split(maps, max(1, _CPU_PIECE_BYTES // (_WIDTHS[0] * math.prod(maps.shape[2:]))))
        return torch.cat([self._through(piece) for piece in pieces])

    def _through(self, maps: Tensor) -> Tensor:
        order = torch.contiguous_format if self.plain else torch.channels_last_3d
        for number in range(len(_WIDTHS)):
            pool, relu = self.features[3 * number + 1], self.features[3 * number + 2]
            maps = relu(pool(self.convolve(number, maps).contiguous(memory_format=order)))
        return maps


def check_convnet3d(num_classes: int, num_frames: int, size: int) -> None:
    """Raises SettingsError if ConvNet3D does not accept these arguments."""
    if num_classes < 1:
        raise SettingsError(f"ConvNet3D needs at least 1 class, got {num_classes}")
    if num_frames < _FEWEST_FRAMES:
        raise SettingsError(
            f"ConvNet3D halves the number of frames twice, so clips must have at least {_FEWEST_FRAMES} "
            f"frames, got {num_frames}; use clips with more frames"
        )
    if size < SMALLEST_SIZE:
        raise SettingsError(
            f"ConvNet3D needs frames of at least {SMALLEST_SIZE} pixels per side, got {size}; use a larger "
            "size"
        )


def _map_side(size: int) -> int:
    for _ in _WIDTHS:
        size = ((size - 1) // 2 + 1) // 2
    return size
