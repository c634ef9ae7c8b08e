"""Checks the fast numeric path for embedding clips against plain float32 on the CPU before a run uses it.

Several releases of torch and its kernels computed convolutions over time incorrectly, without an error. A few
random clips reveal this in less time than a step takes.
"""

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.runtime.steps import reproducible_float32
from dfs_store.condense.settings import Precision
from dfs_store.errors import SettingsError
from dfs_store.networks import ConvNet3D

__all__ = ["KernelCheck", "check_kernels"]

NUM_CLIPS = 2
# Relative errors: a different order of sums gives 1e-6, bfloat16 1e-3 to 1e-2, wrong kernels 0.1 and more.
FLOAT32_TOLERANCE = 1e-3
BF16_TOLERANCE = 5e-2


@dataclass(frozen=True)
class KernelCheck:
    """The numeric path with which a run embeds clips.

    Attributes:
        precision: arithmetic of the real clips' forward pass.
        plain: whether the network runs its layers as written, without a faster memory layout.
        error: relative error of the path against plain float32 on the CPU.
        notes: why faster paths were rejected, shown to the user.
    """

    precision: Precision
    plain: bool
    error: float
    notes: tuple[str, ...] = ()

    def config(self, config: CondenseConfig) -> CondenseConfig:
        """Returns the settings with the precision of this path."""
        return replace(config, precision=self.precision)

    def provenance(self) -> dict[str, Any]:
        """Returns the entry for the store's provenance."""
        order = "plain" if self.plain else "fast"
        return {"kernels": {"precision": self.precision, "order": order, "error": f"{self.error:.0e}"}}


@reproducible_float32()
def check_kernels(network: ConvNet3D, precision: Precision, num_frames: int, size: int) -> KernelCheck:
    """Returns the fastest numeric path whose results agree with plain float32 on the CPU.

    Args:
        network: a network on the device of the run; its weights are drawn afresh, and it is set to that path.
        precision: the requested precision.
        num_frames: T.
        size: height and width of the clips in pixels.

    Raises:
        SettingsError: no path computes correct embeddings and gradients on this device.
    """
    device = next(network.parameters()).device
    network.reset(torch.Generator(device).manual_seed(0))
    clips = torch.randn(NUM_CLIPS, num_frames, size, size, 3, generator=torch.Generator().manual_seed(1))
    clips = clips.permute(0, 1, 4, 2, 3)  # channels last in memory, as real clips are
    reference = copy.deepcopy(network).to("cpu")
    reference.plain = True
    expected = _embedding_and_gradient(reference, clips)
    notes: tuple[str, ...] = ()
    for plain in (False, True):
        network.plain = plain
        found = _embedding_and_gradient(network, clips.to(device))
        error = max(_relative(*pair) for pair in zip(found, expected, strict=True))
        if error <= FLOAT32_TOLERANCE:
            break
        notes += (f"float32 in {'plain' if plain else 'fast'} order is off by {error:.0e} on {device}",)
    else:
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        raise SettingsError(
            f"{'; '.join(notes)}, with torch {torch.__version__} and cuDNN {cudnn}: "
            "its convolutions cannot be trusted here; use --device cpu or another release of torch"
        )
    if precision == "bf16":
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            embedding = network.embed(clips.to(device)).float()
        if (rounded := _relative(embedding, expected[0])) <= BF16_TOLERANCE:
            return KernelCheck("bf16", network.plain, rounded, notes)
        notes += (f"bf16 is off by {rounded:.0e} on {device}: real clips are embedded in float32 instead",)
    return KernelCheck("float32", network.plain, error, notes)


def _embedding_and_gradient(network: ConvNet3D, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Returns an embedding without a graph, as for real clips, and a gradient, as for synthetic ones."""
    with torch.inference_mode():
        embedding = network.embed(clips)
    given = clips.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network.embed(given).square().sum(), given)
    return embedding, gradient


def _relative(found: Tensor, expected: Tensor) -> float:
    """Returns the relative error, infinity instead of NaN."""
    error = float((found.cpu() - expected).norm() / expected.norm())
    return math.inf if math.isnan(error) else error
