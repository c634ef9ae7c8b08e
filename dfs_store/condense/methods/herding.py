"""Herding: clips whose running mean stays nearest to the mean of their class."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import Event
from dfs_store.condense.methods._clip import Condensed
from dfs_store.condense.methods.coreset import coreset
from dfs_store.videos import VideoDataset

__all__ = ["herd", "herding"]


def herding(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Returns `vpc` real clips of every class, chosen by herding, `key_frames` real frames of each, or all.

    Raises:
        SettingsError: a class has fewer clips than `vpc`, `key_frames` is outside 1..T, or the extractor is
            unusable.
    """
    return coreset(config, videos, tell, herd)


def herd(features: npt.NDArray[np.float64], count: int) -> list[int]:
    """Chooses greedily, without replacement.

    Clip number i (from 0) is the one that minimises ``|| (i + 1) * mean - sum(chosen) - feature ||``, the
    first of equals.

    Args:
        features: (n, F) of one class.
        count: how many, at most n.
    """
    mean, total = features.mean(axis=0), np.zeros(features.shape[1])
    chosen: list[int] = []
    for number in range(count):
        distances = np.linalg.norm((number + 1) * mean - total - features, axis=1)
        distances[chosen] = np.inf
        chosen.append(int(distances.argmin()))
        total += features[chosen[-1]]
    return chosen
