"""The matching loss (Eq. 8): the squared distance between mean real and synthetic embeddings of a class."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.engine.real_clips import RealBatch
from dfs_store.condense.runtime.clips_at_a_time import ClipsAtATime, Rendered
from dfs_store.networks import ConvNet3D

__all__ = ["LabelledClips", "class_means", "match"]


class LabelledClips(Rendered, Protocol):
    """Synthetic clips with labels, computed from trained parameters.

    Attributes:
        labels: (N,) int64, class of each clip.
    """

    labels: npt.NDArray[np.int64]


Clips = TypeVar("Clips", bound=LabelledClips)


def class_means(
    network: ConvNet3D,
    batches: Iterable[RealBatch | Tensor],
    *,
    precision: str = "float32",
    at_a_time: ClipsAtATime | None = None,
) -> Tensor:
    """Returns the mean embedding of the real clips of each class, without an autograd graph.

    Args:
        network: a network whose `embed` maps (N, T, C, H, W) to (N, F).
        batches: clips of successive classes; a tensor (N, T, C, H, W) contains one class.
        precision: "float32", or "bf16" for weights, clips and feature maps in bfloat16 (approximate).
        at_a_time: the number of clips to embed at a time; whole batches by default.

    Returns:
        (classes, F) float32.
    """
    means = []
    at_a_time = at_a_time or ClipsAtATime()
    if precision == "bf16":
        network = network.in_bfloat16()
    for clips in batches:
        counts = (len(clips),) if isinstance(clips, Tensor) else clips.counts
        with torch.inference_mode():
            embeddings = at_a_time.embed_real(network.embed, clips).float()
            if len(set(counts)) == 1:
                means.append(embeddings.view(len(counts), -1, embeddings.shape[1]).mean(1))
            else:
                means.append(torch.stack([own.mean(0) for own in torch.split(embeddings, list(counts))]))
    # Cloned outside inference mode, so that autograd accepts them.
    return torch.cat(means).clone()


def match(
    network: ConvNet3D,
    chunks: Sequence[Clips],
    real_means: Tensor,
    first_label: int = 0,
    at_a_time: ClipsAtATime | None = None,
) -> Iterator[tuple[Clips, Tensor, Tensor]]:
    """Matches the synthetic clips of some classes to the real clips (Eq. 8) and computes their gradients.

    The loss is summed over the embedding dimensions and the classes; only embeddings are averaged. A class
    with several chunks is embedded twice: once for the mean of the class, and once chunk by chunk for the
    gradient, which is exact and needs the memory of only one chunk. If a chunk does not fit in the device's
    memory, it is split and processed in the same way.

    Args:
        network: a frozen network whose `embed` maps (N, T, C, H, W) to (N, F).
        chunks: all clips of successive classes, in the order of classes, with the same number of clips per
            class.
        real_means: (classes, F), mean real embeddings of successive classes.
        first_label: label of the first of these classes.
        at_a_time: the number of clips to embed at a time; whole chunks by default.

    Yields:
        For each chunk: the chunk; its share of the loss, a scalar on the device (the loss of all classes for
        the first chunk, 0 for the others); and the gradient (N, T, C, H, W) of the loss with respect to the
        chunk's rebuilt clips.
    """
    labels = np.concatenate([chunk.labels for chunk in chunks])
    first, num_classes = int(labels[0]), int(labels[-1] - labels[0]) + 1
    vpc = labels.size // num_classes
    assert np.array_equal(labels, first + np.repeat(np.arange(num_classes), vpc)), labels
    targets = real_means[first - first_label : first - first_label + num_classes]

    at_a_time = at_a_time or ClipsAtATime()
    recorded = at_a_time.embed_with_graph(network, chunks[0]) if len(chunks) == 1 else None
    if recorded is not None:
        embeddings = recorded[1].detach()
    else:
        embeddings = torch.cat([at_a_time.embed(network, chunk) for chunk in chunks])
    # A sum over a view, because `index_add` has no fixed order on CUDA.
    sums = embeddings.view(num_classes, vpc, -1).sum(1)
    residual = sums / vpc - targets
    loss = residual.square().sum()
    # d loss / d embedding of a clip = 2 * residual of its class / number of clips of its class.
    cotangent = (2 * residual / vpc).unsqueeze(1).expand(-1, vpc, -1).flatten(0, 1)

    start = 0
    for chunk in chunks:
        part = cotangent[start : start + len(chunk)]
        gradient = None
        if recorded is not None:
            rendered, embedded = recorded
            gradient = at_a_time.pull_back(embedded, rendered, part)
            del rendered, embedded
            recorded = None
        if gradient is None:
            gradient = at_a_time.gradient(network, chunk, part)
        yield chunk, loss, gradient
        start, loss = start + len(chunk), torch.zeros_like(loss)
