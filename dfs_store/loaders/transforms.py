"""Per-clip transforms of torchvision, which know a clip as a Video of (T, C, H, W)."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from dfs_store.errors import SettingsError
from dfs_store.loaders.rebuild import Layout

__all__ = ["transform_clip"]


def transform_clip(transform: Callable[[Any], Any], clip: Tensor, layout: Layout) -> Tensor:
    """Returns a clip after a transform, as a plain tensor in the layout.

    Args:
        transform: gets a `tv_tensors.Video` (T, C, H, W).
        clip: in the layout.
        layout: "CTHW" or "TCHW".

    Raises:
        SettingsError: what the transform returns has no four dimensions.
    """
    # A second's import that only those who transform need.
    from torchvision.tv_tensors import Video  # type: ignore[import-untyped]

    video = Video(clip.transpose(0, 1) if layout == "CTHW" else clip)
    result = transform(video)
    if not isinstance(result, Tensor) or result.dim() != video.dim():
        found = f"shape {tuple(result.shape)}" if isinstance(result, Tensor) else type(result).__name__
        raise SettingsError(
            f"transform must return a tensor of four dimensions (T, C, H, W), got {found} from "
            f"{transform!r}; for several outputs wrap the dataset"
        )
    plain = result.as_subclass(Tensor)
    return plain.transpose(0, 1).contiguous() if layout == "CTHW" else plain
