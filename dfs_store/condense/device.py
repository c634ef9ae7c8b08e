"""Choosing the device, and how much of it a run takes."""

import torch

from dfs_store.errors import SettingsError

__all__ = ["chunk_clips", "clip_activation_bytes", "resolve_device", "total_memory_bytes"]

# On the CPU more clips at a time bring no speed, only memory.
CPU_CHUNK_CLIPS = 32
LARGEST_CHUNK_CLIPS = 512
# Share of the device's memory that the activations of one chunk of synthetic clips may take.
CHUNK_SHARE = 0.25


def resolve_device(name: str) -> torch.device:
    """Returns the device named "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        SettingsError: there is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"--device must be auto, cpu, cuda or cuda:N, got {name!r}") from error
    if device.type not in ("cpu", "cuda"):
        raise SettingsError(f"--device must be auto, cpu, cuda or cuda:N, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"--device {name}: torch sees {torch.cuda.device_count()} CUDA devices here; use --device cpu"
        )
    return device


def total_memory_bytes(device: torch.device) -> int | None:
    """Returns the memory of a CUDA device in bytes; None for the CPU."""
    if device.type != "cuda":
        return None
    return int(torch.cuda.get_device_properties(device).total_memory)


def clip_activation_bytes(num_frames: int, frame_shape: tuple[int, int, int]) -> int:
    """Returns about how many bytes ConvNet3D keeps of one clip between forward and backward pass.

    The first convolution dominates: 64 maps of half the height and width, before and after ReLU, and their
    pooled quarter; the clip itself and its gradient come on top.
    """
    channels, height, width = frame_shape
    first = 64 * num_frames * ((height + 1) // 2) * ((width + 1) // 2) * 4
    return int(2.75 * first) + 3 * channels * num_frames * height * width * 4


def chunk_clips(device: torch.device, num_frames: int, frame_shape: tuple[int, int, int]) -> int:
    """Returns how many synthetic clips are rendered at a time.

    It depends on the size of the device, not on what is free at the moment, so that a run repeats exactly.
    """
    memory = total_memory_bytes(device)
    if memory is None:
        return CPU_CHUNK_CLIPS
    fitting = int(CHUNK_SHARE * memory / clip_activation_bytes(num_frames, frame_shape))
    return max(1, min(LARGEST_CHUNK_CLIPS, fitting))
