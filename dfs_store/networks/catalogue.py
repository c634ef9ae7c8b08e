"""Builds the available networks by name."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean
from dfs_store.networks.cnn_rnn import CNNGRU, CNNLSTM
from dfs_store.networks.convnet3d import ConvNet3D
from dfs_store.networks.convnet3d_norm import ConvNet3DNorm
from dfs_store.networks.seeding import seeded
from dfs_store.networks.torchvision_video import TORCHVISION_MODELS, torchvision_model
from dfs_store.networks.user_class import user_network

__all__ = ["NETWORKS", "build_network", "check_network_name", "fast_order"]

NETWORKS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "convnet3d": ConvNet3D,
    "convnet3d-norm": ConvNet3DNorm,
    "cnn-gru": CNNGRU,
    "cnn-lstm": CNNLSTM,
    **{name: partial(torchvision_model, name) for name in TORCHVISION_MODELS},
}


def check_network_name(name: str) -> None:
    """Raises SettingsError unless `name` is one of `NETWORKS` or has the form module:Class."""
    if name not in NETWORKS and ":" not in name:
        raise SettingsError(
            f"--model must be one of {', '.join(NETWORKS)}, or your own module:Class, got {name!r}"
            f"{did_you_mean(name, NETWORKS)}"
        )


def build_network(name: str, num_classes: int, num_frames: int, size: int, *, seed: int) -> nn.Module:
    """Builds an untrained network that maps clips (N, T, C, H, W) to logits (N, num_classes).

    Args:
        name: one of `NETWORKS`, or "module:Class" (see `dfs_store.networks.user_class`).
        num_classes: number of logits.
        num_frames: T, the number of frames per clip.
        size: height and width of the clips in pixels.
        seed: seed of the parameters. Drawing them does not change the state of torch's global generator.

    Raises:
        SettingsError: there is no such network, or the network does not accept clips of this shape.
    """
    check_network_name(name)
    make = NETWORKS.get(name) or partial(user_network, name)
    with seeded(seed):
        return make(num_classes, num_frames, size)


def fast_order(network: nn.Module) -> nn.Module:
    """Converts the weights of convolutions in place to the fastest memory format.

    This format is channels-last, except for ConvNet3D layers that are faster in a different format on a CPU.
    """
    if isinstance(network, ConvNet3D):
        network.order_weights()
        return network
    for parameter in network.parameters():
        if parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
        elif parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
