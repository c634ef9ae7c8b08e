"""Reinitialises the parameters of a network from PyTorch's default distributions."""

import math

import torch
from torch import nn

__all__ = ["draw_parameters"]


def draw_parameters(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Reinitialises the weights and biases of all convolutions and linear layers in place.

    Args:
        network: the network. Its other layers keep their parameters.
        generator: random number generator on the parameters' device. Defaults to PyTorch's global generator.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
                nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
                if module.bias is not None:
                    bound = 1.0 / math.sqrt(module.weight[0].numel())
                    nn.init.uniform_(module.bias, -bound, bound, generator=generator)
