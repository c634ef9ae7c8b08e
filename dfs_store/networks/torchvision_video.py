"""torchvision's video models with untrained weights, adapted to clips (N, T, C, H, W)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfs_store.errors import SettingsError
from dfs_store.names import first_line
from dfs_store.networks.mean_pool import MeanPool3d

__all__ = ["TORCHVISION_MODELS", "ChannelsFirst", "answer_to_a_clip", "torchvision_model"]

TORCHVISION_MODELS = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t")

_MVIT_SHAPE = (16, 224, 224)


class ChannelsFirst(nn.Module):
    """Adapts a network with torchvision's input layout (N, C, T, H, W) to clips (N, T, C, H, W).

    Args:
        network: maps (N, C, T, H, W) to logits.
        shape: the shape (T, H, W) that the network requires. Clips with different shapes are resampled
            (trilinear). None if the network accepts any shape.
    """

    def __init__(self, network: nn.Module, shape: tuple[int, int, int] | None = None) -> None:
        super().__init__()
        self.network = network
        self.shape = shape

    def forward(self, clips: Tensor) -> Tensor:
        """Returns the logits (N, num_classes) of clips (N, T, C, H, W)."""
        clips = clips.transpose(1, 2)
        if self.shape is not None and clips.shape[2:] != self.shape:
            clips = F.interpolate(clips, size=self.shape, mode="trilinear", align_corners=False)
        logits: Tensor = self.network(clips)
        return logits


def torchvision_model(name: str, num_classes: int, num_frames: int, size: int) -> ChannelsFirst:
    """Builds one of `TORCHVISION_MODELS` with untrained weights, for clips (N, T, C, H, W).

    Clips for mvit_v2_s are resampled to 16x224x224, the only shape that it accepts. The last pooling window
    of s3d (2x7x7) is reduced to the size of the feature map if that is smaller.

    Raises:
        SettingsError: the model does not accept clips of this shape.
    """
    from torchvision.models import video  # type: ignore[import-untyped]

    try:
        network = getattr(video, name)(weights=None, num_classes=num_classes)
        if name == "s3d":
            network.avgpool = _pooling_that_fits(network.features, num_frames, size)
        adapted = ChannelsFirst(network, _MVIT_SHAPE if name == "mvit_v2_s" else None)
        answer_to_a_clip(adapted, num_frames, size)
    except (RuntimeError, ValueError) as error:
        raise SettingsError(
            f"--model {name} does not accept clips of {num_frames}x{size}x{size} "
            f"({first_line(error)}); choose a different --model, or use a larger --frames or --size"
        ) from error
    return adapted


def _pooling_that_fits(features: nn.Module, num_frames: int, size: int) -> MeanPool3d:
    with torch.inference_mode():
        features.eval()
        map_shape = features(torch.zeros(1, 3, num_frames, size, size)).shape[2:]
    frames, height, width = map_shape
    return MeanPool3d((min(2, frames), min(7, height), min(7, width)))


def answer_to_a_clip(network: nn.Module, num_frames: int, size: int) -> Tensor:
    """Returns the output for a clip of zeros, in order to detect unsuitable networks before training."""
    network.eval()
    with torch.no_grad():  # not inference mode: lazy layers create their parameters here
        answer: Tensor = network(torch.zeros(1, num_frames, 3, size, size))
    network.train()
    return answer
