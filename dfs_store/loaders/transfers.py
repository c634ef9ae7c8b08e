"""Copies values between the host and a device, without blocking if possible."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["indexed_device", "on_device", "on_host"]


def indexed_device(device: torch.device) -> torch.device:
    """Returns a device with its index, since plain "cuda" never equals the device of a tensor."""
    if device == torch.device("cuda"):
        return torch.device("cuda", torch.cuda.current_device())
    return device


def on_device(values: npt.NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """Copies values from the host to a device.

    Copies to a GPU use pinned memory, so that the host does not wait for the GPU; torch keeps that memory
    until the copy is complete.

    Args:
        values: an array, or a tensor on the CPU.
        device: target device.
    """
    here = values if isinstance(values, Tensor) else torch.from_numpy(values)
    if device.type != "cuda":
        return here.to(device)
    pinned = here if here.is_pinned() else here.pin_memory()
    return pinned.to(device, non_blocking=True)


def on_host(values: Sequence[Tensor]) -> list[npt.NDArray[np.float64]]:
    """Copies small tensors from one device to the host in a single transfer.

    Args:
        values: float32 or float64 tensors of any shapes.

    Returns:
        float64 arrays of the same shapes.
    """
    if not values:
        return []
    flat = torch.cat([value.detach().flatten().to(torch.float64) for value in values]).cpu().numpy()
    ends = np.cumsum([value.numel() for value in values])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(value.shape) for part, value in zip(parts, values, strict=True)]
