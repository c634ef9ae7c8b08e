"""The matching loss (Eq. 8): per class, the squared distance of mean real and synthetic embeddings."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.runtime.clips_at_a_time import ClipsAtATime
from dfs_store.networks import ConvNet3D

__all__ = ["Rendered", "class_means", "match"]


class Rendered(Protocol):
    """Synthetic clips, rendered from trained parameters.

    Attributes:
        labels: (N,) int64, class of each clip.
    """

    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """N, the number of clips."""
        ...

    def render(self) -> Tensor:
        """Returns the clips, (N, T, C, H, W) float32, without an autograd graph."""
        ...


_ALL = 2**62  # clips at a time
Clips = TypeVar("Clips", bound=Rendered)


def class_means(
    network: ConvNet3D,
    batches: Iterator[Tensor],
    *,
    precision: str = "float32",
    at_a_time: ClipsAtATime | None = None,
) -> Tensor:
    """Returns the mean embedding of real clips per class, without a graph.

    Args:
        network: its `embed` maps (N, T, C, H, W) to (N, F).
        batches: one tensor (N, T, C, H, W) per class; N may differ.
        precision: "float32", or "bf16" to run the forward pass in bfloat16 (approximate).
        at_a_time: how many clips to embed at a time; whole batches by default.

    Returns:
        (classes, F) float32.
    """
    means = []
    at_a_time = at_a_time or ClipsAtATime(_ALL, _ALL)
    for clips in batches:
        with torch.inference_mode(), torch.autocast(clips.device.type, torch.bfloat16, precision == "bf16"):
            means.append(at_a_time.embed_real(network.embed, clips).float().mean(0))
    # Cloned outside inference mode, so that autograd accepts them.
    return torch.stack(means).clone()


def match(
    network: ConvNet3D,
    chunks: Sequence[Clips],
    real_means: Tensor,
    first_label: int = 0,
    at_a_time: ClipsAtATime | None = None,
) -> Iterator[tuple[Clips, float, Tensor]]:
    """Matches the synthetic clips of some classes to the real ones (Eq. 8) and computes their gradients.

    The loss is summed over the embedding dimensions and the classes; only embeddings are averaged. A class
    with several chunks is embedded twice: once for the mean of the class, once chunk by chunk for the
    gradient, which is exact and needs the memory of one chunk only. The same applies, in parts, to a chunk
    with which the device runs out of memory.

    Args:
        network: frozen; its `embed` maps (N, T, C, H, W) to (N, F).
        chunks: all the clips of one or more classes.
        real_means: (classes, F), mean real embeddings of successive classes.
        first_label: label of the first of these classes.
        at_a_time: how many clips to embed at a time; whole chunks by default.

    Yields:
        For each chunk: the chunk, its part of the loss (the first chunk gets all of it, the others 0), and
        the gradient (N, T, C, H, W) of the loss with respect to its rendered clips.
    """
    labels = np.concatenate([chunk.labels for chunk in chunks])
    classes, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    device = real_means.device
    member_of = torch.from_numpy(members).to(device)
    sizes = torch.from_numpy(counts).to(device, torch.float32)
    targets = real_means[torch.from_numpy(classes - first_label).to(device)]

    at_a_time = at_a_time or ClipsAtATime(_ALL, _ALL)
    recorded, rendered = None, torch.empty(0)
    if len(chunks) == 1:
        rendered = chunks[0].render().requires_grad_()
        recorded = at_a_time.embed_with_graph(network, rendered)
    if recorded is not None:
        embeddings = recorded.detach()
    else:
        embeddings = torch.cat([at_a_time.embed(network, chunk.render()) for chunk in chunks])
    sums = torch.zeros_like(targets).index_add_(0, member_of, embeddings)
    residual = sums / sizes[:, None] - targets
    loss = float(residual.square().sum())
    # d loss / d embedding of a clip = 2 * residual of its class / number of clips of its class.
    cotangent = (2 * residual / sizes[:, None])[member_of]

    start = 0
    for chunk in chunks:
        part = cotangent[start : start + len(chunk)]
        gradient = None
        if recorded is not None:
            gradient = at_a_time.pull_back(recorded, rendered, part)
            recorded = None
        if gradient is None:
            gradient = at_a_time.gradient(network, chunk.render(), part)
        yield chunk, loss, gradient
        start, loss = start + len(chunk), 0.0
