"""Checks the kernel in `triton_rebuild` against plain torch before it is used."""

import importlib
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from dfs_store.loaders.batching.tables import KeyFrameTable
from dfs_store.loaders.rebuild import Layout, dense_weights

__all__ = ["FusedRebuild", "fused_rebuild"]

FusedRebuild = Callable[[KeyFrameTable, Tensor, Tensor, Tensor | None, Layout, Tensor], Tensor]

_KERNEL = "dfs_store.loaders.batching.triton_rebuild"
_TOLERANCE = 1e-5  # reordered float32 operations differ by 1e-7 for values up to 2, a wrong pixel by about 1


@cache
def fused_rebuild(device: torch.device) -> FusedRebuild | None:
    """Returns the fused kernel, or None without Triton. Warns and returns None if it fails on this GPU."""
    try:
        kernel: FusedRebuild = importlib.import_module(_KERNEL).rebuild_fused
    except ImportError:
        return None  # this build of torch does not include Triton
    try:
        error = _error(kernel, device)
    except Exception as failure:  # noqa: BLE001 - compilers and drivers raise many types
        reason = f"failed: {failure}"
    else:
        if error <= _TOLERANCE:
            return kernel
        reason = f"is off by {error:.0e}"
    warnings.warn(
        f"the fused kernel that rebuilds clips {reason} on {device} with torch {torch.__version__}; "
        "using plain torch instead, which is slower but returns the same result",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def _error(kernel: FusedRebuild, device: torch.device) -> float:
    """Returns the largest difference between clips from the kernel and from float32 torch on the CPU."""
    # Devices and dtypes are explicit, since the caller may have changed torch's defaults.
    cpu: dict[str, Any] = {"device": "cpu", "generator": torch.Generator("cpu").manual_seed(0)}
    # More pixels than one program handles, and an odd width.
    stored = torch.randint(256, (5, 3, 33, 35), dtype=torch.uint8, **cpu)
    scale, zero = torch.rand(2, 5, 3, dtype=torch.float32, **cpu)
    scale = scale / 255
    left = torch.tensor([[0, 0, 1, 2], [3, 3, 3, 4]], device="cpu")
    weight = torch.tensor([[0.0, 0.25, 0.5, 0.0], [0.0, 0.5, 0.75, 0.0]], dtype=torch.float32, device="cpu")
    mirrored = torch.tensor([0, 1], dtype=torch.uint8, device="cpu")
    values = stored * scale[:, :, None, None] + zero[:, :, None, None]
    expected = torch.einsum("bmk,kchw->bcmhw", dense_weights(left, weight, len(stored)), values)
    expected[1] = expected[1].flip(-1)
    out = torch.full(expected.shape, torch.nan, dtype=torch.float32, device=device)
    table = KeyFrameTable(stored, scale, zero).to(device)
    kernel(table, left.to(device), weight.to(device), mirrored.to(device), "CTHW", out)
    return float((out.cpu() - expected).abs().nan_to_num(torch.inf).max())
