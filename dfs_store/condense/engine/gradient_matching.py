"""Gradient matching (DC, Zhao et al. 2021) on single frames, used in the first stage of static-dynamic.

For each class, a newly initialised network computes the loss of a batch of real frames and of the synthetic
frames. The gradients of both losses with respect to the network's parameters are compared layer by layer.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["gradient_distance", "match_gradients"]


def gradient_distance(real: Sequence[Tensor], synthetic: Sequence[Tensor]) -> Tensor:
    """Returns the cosine distance between two lists of gradients, summed over output channels and layers.

    Parameters with one dimension (biases, normalisation layers) are ignored, as in the public code of DC.

    Args:
        real: one gradient per parameter, with output channels as the first dimension.
        synthetic: gradients of the same shapes.

    Returns:
        A scalar that is differentiable with respect to both lists.
    """
    total = torch.zeros((), device=real[0].device)
    for one, other in zip(real, synthetic, strict=True):
        if one.ndim > 1:
            total = total + (1 - F.cosine_similarity(one.flatten(1), other.flatten(1), dim=1)).sum()
    return total


def match_gradients(network: nn.Module, real: Tensor, synthetic: Tensor, label: int) -> tuple[Tensor, Tensor]:
    """Compares a network's parameter gradients for real and for synthetic frames of a class.

    Args:
        network: maps frames (N, C, H, W) to logits. Its parameters are not changed.
        real: (N, C, H, W) real frames.
        synthetic: (M, C, H, W) synthetic frames.
        label: class of all frames.

    Returns:
        The distance, a scalar on the device, and its gradient (M, C, H, W) with respect to `synthetic`.
    """
    parameters = list(network.parameters())
    wanted = [g.detach() for g in torch.autograd.grad(_loss(network, real, label), parameters)]
    frames = synthetic.detach().requires_grad_()
    found = torch.autograd.grad(_loss(network, frames, label), parameters, create_graph=True)
    distance = gradient_distance(wanted, found)
    (gradient,) = torch.autograd.grad(distance, frames)
    return distance.detach(), gradient


def _loss(network: nn.Module, frames: Tensor, label: int) -> Tensor:
    labels = torch.full((len(frames),), label, dtype=torch.int64, device=frames.device)
    return F.cross_entropy(network(frames), labels)
