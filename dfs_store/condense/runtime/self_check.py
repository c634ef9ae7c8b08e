"""Checks the fast numeric path for embedding clips against plain float32 on the CPU before a run uses it.

Several releases of torch and its kernels have silently computed 3-D convolutions incorrectly. A few random
clips reveal this in less time than a step takes.
"""

import math
import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.settings import Precision
from dfs_store.errors import SettingsError
from dfs_store.loaders.precision import full_float32
from dfs_store.networks import ConvNet3D

__all__ = ["KernelCheck", "bf16_speed", "check_kernels"]

NUM_CLIPS = 2
# Tolerances for relative errors. A different order of sums causes errors of 1e-6 after one convolution and in
# the embedding, TF32 3e-4 after one convolution, bfloat16 1e-3 to 1e-2 in the embedding, and wrong kernels
# 0.1 or more.
CONVOLUTION_TOLERANCE = 1e-4
EMBEDDING_TOLERANCE = 1e-4
# If two values in a max-pooling window are nearly equal, rounding decides which of them receives the
# gradient. One such case changes the error by about 1e-3.
GRADIENT_TOLERANCE = 5e-2
BF16_TOLERANCE = 5e-2
# Minimum speed-up for which bfloat16 is chosen; a smaller one may be measurement noise.
LEAST_SPEED = 1.1
TIMED_CLIPS_CPU = 4
TIMED_CLIPS_CUDA = 32
_TIMED_TURNS = 3


@dataclass(frozen=True)
class KernelCheck:
    """The numeric path with which a run embeds clips.

    Attributes:
        precision: arithmetic of the forward pass of real clips.
        plain: whether the network keeps the default memory layout instead of a faster one.
        error: relative error of the path against plain float32 on the CPU.
        notes: reasons for rejecting faster paths, shown to the user.
        bf16_speed: speed-up of bfloat16 over float32 if the check had to choose, otherwise None.
    """

    precision: Precision
    plain: bool
    error: float
    notes: tuple[str, ...] = ()
    bf16_speed: float | None = None

    def config(self, config: CondenseConfig) -> CondenseConfig:
        """Returns the settings with the precision of this path."""
        return replace(config, precision=self.precision)

    def provenance(self) -> dict[str, Any]:
        """Returns the entry for the store's provenance."""
        order = "plain" if self.plain else "fast"
        kernels = {"precision": self.precision, "order": order, "error": f"{self.error:.0e}"}
        if self.bf16_speed is not None:
            kernels["bf16_speed"] = f"{self.bf16_speed:.2f}"
        return {"kernels": kernels}


class _Layer(NamedTuple):
    """A convolution of the reference: its input, a cotangent, its output and the gradient of its input."""

    maps: Tensor
    cotangent: Tensor
    output: Tensor
    gradient: Tensor


class _Reference(NamedTuple):
    """Reference results of the self-check, computed in float32 on the CPU."""

    layers: list[_Layer]
    embedding: Tensor
    gradient: Tensor


@full_float32()
def check_kernels(network: ConvNet3D, precision: Precision, num_frames: int, size: int) -> KernelCheck:
    """Returns the fastest numeric path whose results agree with plain float32 on the CPU.

    Compares the forward and backward passes of each convolution on the reference's input, and then the whole
    network.

    Args:
        network: network on the device of the run. It is reinitialised and switched to the chosen path.
        precision: requested precision. "auto" chooses bf16 if it is accurate and faster, otherwise float32.
        num_frames: T, the number of frames per clip.
        size: height and width of the clips in pixels.

    Raises:
        SettingsError: no path computes correct embeddings and gradients on this device.
    """
    device = next(network.parameters()).device
    network.reset(torch.Generator(device).manual_seed(0))
    clips = torch.randn(NUM_CLIPS, num_frames, size, size, 3, generator=torch.Generator().manual_seed(1))
    clips = clips.permute(0, 1, 4, 2, 3)  # channels last in memory, as real clips are
    expected = _reference(network, clips)
    notes: tuple[str, ...] = ()
    for plain in (False, True):
        if plain:
            network.use_plain_order()
        error, fault = _compare(network, clips, expected)
        if fault is None:
            break
        notes += (
            f"float32 in {'plain' if plain else 'fast'} order is off by {error:.0e} on {device}: {fault}",
        )
    else:
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        raise SettingsError(
            f"convolutions are not reliable on this device with torch {torch.__version__} and cuDNN {cudnn} "
            f"({'; '.join(notes)}); use --device cpu, or a different release of torch"
        )
    if precision == "float32":
        return KernelCheck("float32", network.plain, error, notes)
    with torch.inference_mode():
        embedding = network.in_bfloat16().embed(clips.to(device)).float()
    rounded = _relative(embedding, expected.embedding)
    if rounded > BF16_TOLERANCE:
        notes += (f"bf16 is off by {rounded:.0e} on {device}: real clips are embedded in float32 instead",)
        return KernelCheck("float32", network.plain, error, notes)
    speed = bf16_speed(network, num_frames, size) if precision == "auto" else None
    if speed is not None and speed < LEAST_SPEED:
        return KernelCheck("float32", network.plain, error, notes, speed)
    return KernelCheck("bf16", network.plain, rounded, notes, speed)


def bf16_speed(network: ConvNet3D, num_frames: int, size: int) -> float:
    """Returns the measured speed-up of bfloat16 over float32 for embedding clips on the network's device."""
    device = next(network.parameters()).device
    count = TIMED_CLIPS_CUDA if device.type == "cuda" else TIMED_CLIPS_CPU
    clips = torch.zeros(count, num_frames, size, size, 3, device=device).permute(0, 1, 4, 2, 3)
    twin = network.in_bfloat16()
    both = (network, clips), (twin, clips.to(torch.bfloat16))
    times: tuple[list[float], list[float]] = ([], [])
    with torch.inference_mode():
        for turn in range(_TIMED_TURNS + 1):  # alternates, because other programs may slow the machine down
            for (each, given), taken in zip(both, times, strict=True):
                started = time.perf_counter()
                float(each.embed(given).sum())  # waits for a GPU
                if turn > 0:  # the first turn warms up
                    taken.append(time.perf_counter() - started)
    return min(times[0]) / min(times[1])


def _reference(network: ConvNet3D, clips: Tensor) -> _Reference:
    """Returns the results of a plain copy of the network on the CPU, layer by layer and as a whole."""
    with torch.random.fork_rng([]):  # keeps the caller's generator unchanged
        plain = ConvNet3D(network.classifier.out_channels, clips.shape[1], clips.shape[-1])
    plain.load_state_dict({name: value.cpu() for name, value in network.state_dict().items()})
    plain.requires_grad_(False).use_plain_order()
    generator = torch.Generator().manual_seed(2)
    layers, maps = [], clips.transpose(1, 2)
    for number in range(plain.num_convolutions):
        with torch.no_grad():
            output = plain.convolve(number, maps)
        cotangent = torch.randn(output.shape, generator=generator)
        layers.append(_Layer(maps, cotangent, *_both_passes(plain, number, maps, cotangent)))
        with torch.no_grad():
            maps = plain.features[3 * number + 1 : 3 * number + 3](output)
    return _Reference(layers, *_embedding_and_gradient(plain, clips))


def _compare(network: ConvNet3D, clips: Tensor, expected: _Reference) -> tuple[float, str | None]:
    """Returns the embedding's error and None, or the first error above its tolerance and where it arose."""
    device = next(network.parameters()).device
    for number, layer in enumerate(expected.layers):
        found = _both_passes(network, number, layer.maps.to(device), layer.cotangent.to(device))
        pairs = zip(("forward", "backward"), found, (layer.output, layer.gradient), strict=True)
        for which, one, other in pairs:
            if not (error := _relative(one, other)) <= CONVOLUTION_TOLERANCE:
                return error, f"convolution {number + 1}, {which} pass"
    embedding, gradient = _embedding_and_gradient(network, clips.to(device))
    off = _relative(embedding, expected.embedding)
    if off > EMBEDDING_TOLERANCE:
        return off, "embeddings"
    if (error := _relative(gradient, expected.gradient)) > GRADIENT_TOLERANCE:
        return error, "gradients"
    return off, None


def _both_passes(network: ConvNet3D, number: int, maps: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor]:
    given = maps.detach().requires_grad_()
    output = network.convolve(number, given)
    (gradient,) = torch.autograd.grad(output, given, grad_outputs=cotangent)
    return output.detach(), gradient


def _embedding_and_gradient(network: ConvNet3D, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Returns embeddings computed as for real clips, and a gradient computed as for synthetic clips."""
    with torch.inference_mode():
        embedding = network.embed(clips)
    given = clips.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network.embed(given).square().sum(), given)
    return embedding, gradient


def _relative(found: Tensor, expected: Tensor) -> float:
    """Returns the relative error, or infinity if it is NaN."""
    error = float((found.cpu() - expected).norm() / expected.norm())
    return math.inf if math.isnan(error) else error
