"""Eq. 3 as one kernel for GPUs, which reads stored key frames and writes each value of a clip once.

Gathering, dequantisation, mirroring and rounding to the output dtype, which take separate passes over memory
with `rebuild_batch`, are done in registers. This module is imported only if a GPU is used, because only
torch's GPU builds include Triton.
"""
# ruff: noqa: ANN001, ANN202, N803 - arguments of a kernel have Triton's types

from contextlib import nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

from dfs_store.loaders.batching.tables import KeyFrameTable
from dfs_store.loaders.rebuild import Layout

__all__ = ["rebuild_fused"]

_PIXELS = 1024  # per program: 8 per thread, so that uint8 values are read in words of 8 bytes


@triton.jit  # type: ignore[untyped-decorator]
def _rebuild_kernel(  # type: ignore[no-untyped-def]
    frames,  # (S, C, H*W)
    scale,  # (S, C) float32
    zero,  # (S, C) float32
    left,  # (B, M) int64
    weight,  # (B, M) float32
    mirrored,  # (B,) uint8
    out,
    num_outputs,
    num_channels,
    num_pixels,
    width,
    clip_stride,
    channel_stride,
    frame_stride,
    QUANTISED: tl.constexpr,
    MIRRORS: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """Rebuilds PIXELS pixels of one channel of one clip, frame by frame."""
    clip = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1)
    pixels = tl.program_id(2) * PIXELS + tl.arange(0, PIXELS)
    inside = pixels < num_pixels
    source = pixels
    if MIRRORS:
        turned = tl.load(mirrored + clip) != 0
        source = tl.where(turned, pixels + (width - 1) - 2 * (pixels % width), pixels)
    target = out + clip * clip_stride + channel * channel_stride + pixels
    for output in range(num_outputs):
        share = tl.load(weight + clip * num_outputs + output)
        plane = tl.load(left + clip * num_outputs + output) * num_channels + channel
        # The next key frame is not read at weight 0: it may be another clip's, or outside the table.
        following = tl.where(share > 0, plane + num_channels, plane)
        value = tl.load(frames + plane * num_pixels + source, mask=inside, other=0).to(tl.float32)
        other = tl.load(frames + following * num_pixels + source, mask=inside, other=0).to(tl.float32)
        if QUANTISED:
            value = value * tl.load(scale + plane) + tl.load(zero + plane)
            other = other * tl.load(scale + following) + tl.load(zero + following)
        # A key position copies its key frame: arithmetic would turn inf into nan, -0 into 0.
        value = tl.where(share > 0, value * (1 - share) + other * share, value)
        tl.store(target + output * frame_stride, value.to(out.dtype.element_ty), mask=inside)


def rebuild_fused(
    table: KeyFrameTable, left: Tensor, weight: Tensor, mirrored: Tensor | None, layout: Layout, out: Tensor
) -> Tensor:
    """Rebuilds a batch of clips into `out` with one kernel, without allocating memory.

    Args:
        table: key frames on the device of `out`, (S, C, H, W).
        left: row of the key frame at or before each output time, (B, M) int64.
        weight: weight of the next key frame, 0 at a key position, (B, M) float32.
        mirrored: 1 for clips to flip horizontally, (B,) uint8, or None to flip none.
        layout: "CTHW" or "TCHW".
        out: contiguous, (B, C, M, H, W) or (B, M, C, H, W), in float32 or a narrower floating-point dtype.
            Values are interpolated in float32 and rounded once.

    Returns:
        `out`.
    """
    num_clips, num_outputs = left.shape
    num_channels, height, width = table.frames.shape[1:]
    clip_stride, first, second = out.stride()[:3]
    channel_stride, frame_stride = (first, second) if layout == "CTHW" else (second, first)
    unused = table.frames  # any pointer will do for arguments that the compiled kernel ignores
    grid = (num_clips, num_channels, triton.cdiv(height * width, _PIXELS))
    with torch.cuda.device(out.device) if out.is_cuda else nullcontext():
        _rebuild_kernel[grid](
            table.frames,
            unused if table.scale is None else table.scale,
            unused if table.zero is None else table.zero,
            left,
            weight,
            unused if mirrored is None else mirrored,
            out,
            num_outputs,
            num_channels,
            height * width,
            width,
            clip_stride,
            channel_stride,
            frame_stride,
            QUANTISED=table.scale is not None,
            MIRRORS=mirrored is not None,
            PIXELS=_PIXELS,
        )
    return out
