"""Eq. 3 for tensors: a differentiable function, and functions that write into existing memory."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.errors import PositionsError, SettingsError
from dfs_store.interpolation import Neighbours, neighbours
from dfs_store.loaders.batching.plans import Segment
from dfs_store.loaders.checks import check_whole_number
from dfs_store.loaders.precision import full_float32
from dfs_store.loaders.transfers import on_device

__all__ = ["Layout", "dense_weights", "interpolate", "planes_of", "rebuild_batch", "rebuild_clip"]

Layout = Literal["CTHW", "TCHW"]

_FRAME_DIMS = 3  # (C, H, W)


def interpolate(
    key_frames: Tensor,
    positions: npt.ArrayLike | Tensor,
    num_frames: int,
    *,
    times: npt.ArrayLike | Tensor | None = None,
) -> Tensor:
    """Rebuilds clips from key frames by linear interpolation in time (Eq. 3).

    Differentiable to any order with respect to the key frames. Runs on their device and in their dtype. At a
    key position, the key frame itself is returned, bit for bit. Dtypes narrower than float32 are interpolated
    in float32 and rounded once.

    Args:
        key_frames: key frames of any floating-point dtype, (..., K, C, H, W) with leading batch dimensions. A
            tensor with fewer than 4 dimensions is one clip whose first dimension is K.
        positions: 0-based positions, whole numbers: (K,) for all clips in the batch, or (..., K) with one row
            per clip. They increase strictly from 0 to `num_frames` - 1. A single key frame, at position 0, is
            repeated.
        num_frames: T, the number of frames in the clip.
        times: output times in frames, (M,) floats in [0, T-1]. Defaults to all T frames. Not differentiable.

    Returns:
        (..., M, C, H, W) in the dtype of `key_frames`; M = T if `times` is None.

    Raises:
        PositionsError: the positions are invalid, or do not match the shape of `key_frames`.
        SettingsError: the dtype is not floating-point, `num_frames` is not a whole number in 2..65536, or a
            time is outside [0, T-1].
    """
    _check_key_frames(key_frames)
    num_frames = check_whole_number(num_frames, "num_frames")
    axis = max(key_frames.dim() - _FRAME_DIMS - 1, 0)
    lead, num_keys, frame = key_frames.shape[:axis], key_frames.shape[axis], key_frames.shape[axis + 1 :]
    rows = _positions_array(positions, lead, num_keys)
    moments = _to_numpy(times) if times is not None else None
    plans = [neighbours(row, num_frames, times=moments) for row in rows.reshape(-1, num_keys)]
    num_clips = lead.numel()
    if rows.ndim == 1:
        plans = plans * num_clips
    flat = key_frames.reshape(num_clips * num_keys, *frame)
    num_outputs = num_frames if moments is None else moments.size
    return _mix(flat, _stack(plans, num_keys)).reshape(*lead, num_outputs, *frame)


def _stack(plans: list[Neighbours], num_keys: int) -> Neighbours:
    if not plans:
        nothing = np.zeros(0, dtype=np.int64)
        return Neighbours(nothing, nothing, np.zeros(0))
    return Neighbours(
        np.concatenate([plan.left + clip * num_keys for clip, plan in enumerate(plans)]),
        np.concatenate([plan.right + clip * num_keys for clip, plan in enumerate(plans)]),
        np.concatenate([plan.weight for plan in plans]),
    )


def _mix(flat: Tensor, near: Neighbours) -> Tensor:
    left, right = on_device(near.left, flat.device), on_device(near.right, flat.device)
    wide = flat if flat.dtype in (torch.float32, torch.float64) else flat.to(torch.float32)
    weight = on_device(torch.from_numpy(near.weight).to(wide.dtype), flat.device)
    weight = weight.reshape(-1, *(1,) * (flat.dim() - 1))
    before, after = wide.index_select(0, left), wide.index_select(0, right)
    mixed = before * (1 - weight) + after * weight
    # A key position copies its key frame: arithmetic would turn inf into nan, -0 into 0.
    return torch.where(weight == 0, before, mixed).to(flat.dtype)


def _check_key_frames(key_frames: Tensor) -> None:
    if not isinstance(key_frames, Tensor):
        raise SettingsError(
            f"key_frames must be a torch tensor, got {type(key_frames).__name__}; use torch.from_numpy"
        )
    if not key_frames.is_floating_point():
        raise SettingsError(
            f"key_frames must be floating-point, got {key_frames.dtype}: interpolating whole numbers would "
            "truncate them; convert them with .float() first"
        )
    if key_frames.dim() == 0:
        raise SettingsError("key_frames must have at least one dimension, for the key frames, got a scalar")


def _positions_array(
    positions: npt.ArrayLike | Tensor, lead: torch.Size, num_keys: int
) -> npt.NDArray[np.generic]:
    try:
        array = _to_numpy(positions)
    except ValueError as error:
        raise PositionsError(
            "positions must be one row, or one row per clip, all of equal length; for clips with different "
            f"numbers of key frames, call interpolate once per clip ({error})"
        ) from error
    if array.ndim == 0 or array.shape not in ((num_keys,), (*lead, num_keys)):
        wanted = f"({num_keys},)" + (f" or {(*lead, num_keys)}" if lead else "")
        raise PositionsError(
            f"positions must have shape {wanted}, one position per key frame, got shape {array.shape} for "
            f"key frames with leading dimensions {(*lead, num_keys)}"
        )
    return array


def _to_numpy(values: npt.ArrayLike | Tensor) -> npt.NDArray[Any]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def dense_weights(left: Tensor, weight: Tensor, num_key_frames: int) -> Tensor:
    """Returns Eq. 3 for a batch of clips as matrices, such that clip = weights @ key_frames.

    Args:
        left: index of the key frame at or before each output time, (B, M) int64.
        weight: weight of the next key frame, 0 at a key position, (B, M) floating-point.
        num_key_frames: K, the largest number of key frames in a clip. For clips with fewer, the remaining
            columns are zero.

    Returns:
        (B, M, K) in the dtype of `weight`.
    """
    matrices = weight.new_zeros(*left.shape, num_key_frames)
    right = torch.where(weight > 0, left + 1, left)
    matrices.scatter_(2, right.unsqueeze(2), weight.unsqueeze(2))
    # Written last, so that the entry is exactly 1 at a key position, where left == right.
    return matrices.scatter_(2, left.unsqueeze(2), (1 - weight).unsqueeze(2))


def rebuild_batch(key_frames: Tensor, weights: Tensor, layout: Layout, out: Tensor) -> Tensor:
    """Rebuilds a batch of clips into `out` with one batched product, without large temporary tensors.

    Args:
        key_frames: contiguous, (B, C, K, H, W) for layout CTHW or (B, K, C, H, W) for TCHW; clips with
            fewer than K key frames are padded with any finite values.
        weights: matrices from `dense_weights`, (B, M, K) in the dtype of `key_frames`.
        layout: "CTHW" or "TCHW".
        out: contiguous, (B, C, M, H, W) or (B, M, C, H, W), in the dtype of `key_frames`.

    Returns:
        `out`.
    """
    num_clips, num_outputs, num_keys = weights.shape
    if layout == "CTHW":
        # One product per channel, which writes the clip in its final order.
        num_channels = key_frames.shape[1]
        weights = weights.repeat_interleave(num_channels, dim=0)
        num_clips *= num_channels
    with full_float32():
        torch.bmm(
            weights,
            key_frames.view(num_clips, num_keys, -1),
            out=out.view(num_clips, num_outputs, -1),
        )
    return out


def planes_of(frames: Tensor, layout: Layout) -> Tensor:
    """Returns a view of frames as planes: runs of a frame's values that are contiguous in a clip.

    Args:
        frames: contiguous (..., C, M, H, W) for layout CTHW, (..., M, C, H, W) for TCHW.
        layout: "CTHW" or "TCHW".

    Returns:
        (..., C, M, H*W) for CTHW or (..., 1, M, C*H*W) for TCHW.
    """
    return frames.flatten(-2) if layout == "CTHW" else frames.flatten(-3).unsqueeze(-3)


def rebuild_clip(keys: Tensor, first: int, segments: Sequence[Segment], out: Tensor) -> Tensor:
    """Rebuilds one clip into `out`, segment by segment, without large temporary tensors.

    On a CPU, this reads key frames in place and writes each value of the clip once. Gathering the key frames
    for a batched product would take longer, as would the product itself, because most weights are zero.

    Args:
        keys: planes of key frames, (P, S, L) float32 or float64. A clip's key frames are consecutive.
        first: index of the clip's first key frame among the S.
        segments: segments of the clip's `ClipPlan`.
        out: planes of the clip, (P, M, L), in the dtype of `keys`.

    Returns:
        `out`.
    """
    for start, length, key, num_keys, weight in segments:
        frames = out.narrow(1, start, length)
        left = keys.narrow(1, first + key, num_keys)
        if weight is None:
            frames.copy_(left)
        else:
            torch.lerp(left, keys.narrow(1, first + key + 1, 1), weight.to(keys.dtype), out=frames)
    return out
