"""K-center chooses real clips that cover their class, so that no clip is far from a chosen one."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dfs_store.condense.condensed import Condensed, real_key_frames
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import Event
from dfs_store.condense.method import Method
from dfs_store.condense.methods._coreset import coreset
from dfs_store.videos import VideoDataset

__all__ = ["METHOD", "cover", "k_center"]


def k_center(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Returns `vpc` real clips that cover every class, with `key_frames` real frames each, or all frames.

    Raises:
        SettingsError: a class has fewer clips than `vpc`, `key_frames` is outside 1..T, or the extractor
            cannot be used.
    """
    return coreset(config, videos, tell, cover)


def cover(features: npt.NDArray[np.float64], count: int) -> list[int]:
    """Chooses the clip nearest to the mean, then repeatedly the one farthest from all chosen clips.

    The largest distance from a clip to the nearest chosen clip is then at most twice the optimum for any
    choice with the same first clip (Gonzalez, 1985). Ties go to the first clip.

    Args:
        features: (n, F) features of one class.
        count: number of clips to choose, at most n.
    """
    chosen = [int(np.linalg.norm(features - features.mean(axis=0), axis=1).argmin())]
    nearest = np.linalg.norm(features - features[chosen[0]], axis=1)
    while len(chosen) < count:
        nearest[chosen] = -np.inf  # never choose a clip twice: its duplicates have distance 0 too
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(features - features[chosen[-1]], axis=1))
    return chosen


METHOD = Method(
    run=k_center, settings=("extractor", "key_frames"), key_frames=real_key_frames, needs_real_clips=True
)
