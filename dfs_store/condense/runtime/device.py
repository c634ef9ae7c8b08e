"""Chooses the device and limits the memory that a run uses."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dfs_store.errors import SettingsError
from dfs_store.loaders.transfers import indexed_device
from dfs_store.names import counted

__all__ = [
    "CONTEXT_BYTES",
    "chunk_clips",
    "clip_activation_bytes",
    "clip_forward_bytes",
    "limited_memory",
    "real_clips_at_a_time",
    "resolve_device",
    "total_memory_bytes",
]

# On the CPU, larger chunks need more memory and are not faster.
CPU_CHUNK_CLIPS = 32
LARGEST_CHUNK_CLIPS = 512
# Memory that Python and torch use before any computation.
_PROCESS_BYTES = 2**30
# GPU memory that the CUDA context and the workspaces of cuDNN and cuBLAS use.
CONTEXT_BYTES = 2**30
# Share of the device's memory for the activations of one chunk of synthetic clips.
CHUNK_SHARE = 0.25


def resolve_device(name: str) -> torch.device:
    """Returns the device with the name "auto", "cpu", "cuda" (the current GPU) or "cuda:N".

    Raises:
        SettingsError: this machine does not have such a device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"--device must be auto, cpu, cuda or cuda:N, got {name!r}") from error
    if device.type not in ("cpu", "cuda"):
        raise SettingsError(f"--device must be auto, cpu, cuda or cuda:N, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"--device {name} is not available, because torch finds "
            f"{counted(torch.cuda.device_count(), 'CUDA device')}; use --device cpu"
        )
    return indexed_device(device)


@contextmanager
def limited_memory(device: torch.device, count_bytes: int | None) -> Iterator[None]:
    """Limits the GPU memory of this process or, if the device is the CPU, its main memory.

    Args:
        device: device of the run.
        count_bytes: limit in bytes; None for no limit.

    Raises:
        SettingsError: the limit is smaller than the memory that any run needs.
    """
    if count_bytes is None:
        yield
    elif device.type == "cuda":
        former = torch.cuda.get_per_process_memory_fraction(device)
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, count_bytes / total), device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(former, device)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if count_bytes <= _PROCESS_BYTES:
            raise SettingsError(
                f"--max-memory must be more than the {_PROCESS_BYTES:,} bytes that Python and torch need, "
                f"got {count_bytes:,}"
            )
        allowed = [limit for limit in (count_bytes, soft, hard) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(allowed), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def total_memory_bytes(device: torch.device) -> int | None:
    """Returns the number of bytes of device memory that a run may use, or None if there is no limit.

    Excludes the memory that Python, torch and CUDA need for themselves.
    """
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        return max(1, int(total * torch.cuda.get_per_process_memory_fraction(device)) - CONTEXT_BYTES)
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if soft == resource.RLIM_INFINITY else max(1, soft - _PROCESS_BYTES)


def clip_activation_bytes(num_frames: int, frame_shape: tuple[int, int, int]) -> int:
    """Estimates the number of bytes that ConvNet3D keeps per clip between the forward and the backward pass.

    The first convolution dominates: 64 maps of half the height and width and their gradient, the pooled maps
    (a quarter) before and after ReLU, and their max-pooling indices (8 bytes each). The clip and its gradient
    are added.
    """
    channels, height, width = frame_shape
    first = _first_map_bytes(num_frames, height, width)
    return int(3.25 * first) + 3 * channels * num_frames * height * width * 4


def clip_forward_bytes(num_frames: int, frame_shape: tuple[int, int, int]) -> int:
    """Estimates the number of bytes that ConvNet3D needs to embed a real clip, without a graph.

    Counts the pixels before and after flipping, the normalised clip, the first feature maps, the pooled maps
    (a quarter), and their max-pooling indices (8 bytes each).
    """
    channels, height, width = frame_shape
    first = _first_map_bytes(num_frames, height, width)
    return int(1.75 * first) + (3 + 4) * channels * num_frames * height * width


def _first_map_bytes(num_frames: int, height: int, width: int) -> int:
    return 64 * num_frames * ((height + 1) // 2) * ((width + 1) // 2) * 4


def chunk_clips(device: torch.device, num_frames: int, frame_shape: tuple[int, int, int]) -> int:
    """Returns the maximum number of synthetic clips to rebuild at a time.

    The number depends on the total memory, not on the memory that is free, so that runs are reproducible.
    """
    memory = total_memory_bytes(device)
    largest = LARGEST_CHUNK_CLIPS if device.type == "cuda" else CPU_CHUNK_CLIPS
    if memory is None:
        return largest
    fitting = int(CHUNK_SHARE * memory / clip_activation_bytes(num_frames, frame_shape))
    return max(1, min(largest, fitting))


def real_clips_at_a_time(
    device: torch.device, num_frames: int, frame_shape: tuple[int, int, int], batch_real: int
) -> int:
    """Returns the maximum number of real clips to embed at a time.

    On a CPU, this is one class unless memory is limited. On a GPU, it is the largest number that fits, as
    small batches would leave the GPU idle.
    """
    if device.type == "cuda":
        return chunk_clips(device, num_frames, frame_shape)
    if total_memory_bytes(device) is None:
        return batch_real
    return min(batch_real, chunk_clips(device, num_frames, frame_shape))
