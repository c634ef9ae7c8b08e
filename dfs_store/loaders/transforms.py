"""Applies torchvision's transforms, which expect a Video (..., T, C, H, W), to clips in either layout."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from dfs_store.errors import SettingsError
from dfs_store.loaders.rebuild import Layout

__all__ = ["transform_batch", "transform_clip"]


def transform_clip(transform: Callable[[Any], Any], clip: Tensor, layout: Layout) -> Tensor:
    """Applies a transform to a clip and returns a plain tensor in the same layout.

    Args:
        transform: called with a `tv_tensors.Video` (T, C, H, W).
        clip: four-dimensional clip in the layout.
        layout: "CTHW" or "TCHW".

    Raises:
        SettingsError: the transform does not return a four-dimensional tensor.
    """
    return _from_video(transform(_as_video(clip, layout)), clip.dim(), layout, f"transform {transform!r}")


def transform_batch(
    transform: Callable[[Any, Tensor], Any], clips: Tensor, labels: Tensor, layout: Layout
) -> tuple[Tensor, Any]:
    """Applies a transform to a batch; returns the new clips (a plain tensor in the same layout) and labels.

    Args:
        transform: called with a `tv_tensors.Video` (B, T, C, H, W) and the labels; returns both.
        clips: clips in the layout, (B, ...).
        labels: (B,) int64, or soft labels (B, classes) float32.
        layout: "CTHW" or "TCHW".

    Raises:
        SettingsError: the transform does not return a pair, or its clips are not a five-dimensional tensor.
    """
    name = f"batch_transform {transform!r}"
    result = transform(_as_video(clips, layout), labels)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise SettingsError(f"{name} must return (clips, labels), got {type(result).__name__}")
    return _from_video(result[0], clips.dim(), layout, name), result[1]


def _as_video(clips: Tensor, layout: Layout) -> Any:  # noqa: ANN401 - torchvision is not annotated
    # Imported here because the import takes a second.
    from torchvision.tv_tensors import Video  # type: ignore[import-untyped]

    return Video(clips.transpose(-4, -3) if layout == "CTHW" else clips)


def _from_video(result: object, num_dims: int, layout: Layout, name: str) -> Tensor:
    if not isinstance(result, Tensor) or result.dim() != num_dims:
        found = f"shape {tuple(result.shape)}" if isinstance(result, Tensor) else type(result).__name__
        wanted = "(T, C, H, W)" if num_dims == 4 else "(B, T, C, H, W)"
        raise SettingsError(f"{name} must return clips of shape {wanted}, got {found}")
    plain = result.as_subclass(Tensor)
    return (plain.transpose(-4, -3) if layout == "CTHW" else plain).contiguous()
