"""Networks by name, and training one from scratch."""

from dfs_store.errors import SettingsError
from dfs_store.networks.convnet3d import ConvNet3D
from dfs_store.networks.training import ClipSource, TrainingSettings, train

__all__ = [
    "NETWORKS",
    "ClipSource",
    "ConvNet3D",
    "TrainingSettings",
    "build_network",
    "train",
]


NETWORKS = {"convnet3d": ConvNet3D}


def build_network(name: str, num_classes: int, num_frames: int, size: int) -> ConvNet3D:
    """Builds a network by name.

    Args:
        name: one of `NETWORKS`.
        num_classes: number of logits.
        num_frames: T of the clips.
        size: height and width of the clips in pixels.

    Raises:
        SettingsError: no such network, or clips too small for it.
    """
    if name not in NETWORKS:
        raise SettingsError(f"--model must be one of {', '.join(NETWORKS)}, got {name!r}")
    return NETWORKS[name](num_classes, num_frames, size)
