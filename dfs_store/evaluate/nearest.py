"""Finds the real clip most similar to a condensed clip."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.names import known_name

if TYPE_CHECKING:
    from dfs_store.videos import VideoDataset

__all__ = ["nearest_real_clip"]


def nearest_real_clip(
    pixels: npt.NDArray[np.uint8], videos: "VideoDataset", class_name: str
) -> tuple[int, float]:
    """Finds the real clip of a class with the smallest mean squared difference from a condensed clip.

    Args:
        pixels: (T, H, W, 3) uint8, the condensed clip.
        videos: real clips of the same shape.
        class_name: the class to search.

    Returns:
        The clip's index in `videos`, and the root-mean-square difference in 8-bit levels.

    Raises:
        SettingsError: there are no real clips of the class, or their shape differs.
    """
    known_name(class_name, videos.classes, "the class of the real clips")
    candidates = np.flatnonzero(videos.labels == videos.class_to_idx[class_name]).tolist()
    if not candidates or videos.pixels[candidates[0], 0].shape != pixels.shape:
        found = videos.pixels[candidates[0], 0].shape if candidates else "none"
        raise SettingsError(
            f"the real clips of class {class_name!r} must have shape {pixels.shape} (T, H, W, 3), "
            f"got {found}; open the real clips with the same number of frames and size"
        )
    wanted = pixels.astype(np.float32)
    squares = [float(np.square(wanted - videos.pixels[clip, 0]).mean()) for clip in candidates]
    best = int(np.argmin(squares))
    return candidates[best], squares[best] ** 0.5
