"""Herding chooses real clips whose running mean stays closest to the mean of their class."""

from collections.abc import Callable

from dfs_store.condense.condensed import Condensed, real_key_frames
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.herd import herd
from dfs_store.condense.events import Event
from dfs_store.condense.method import Method
from dfs_store.condense.methods._coreset import coreset
from dfs_store.videos import VideoDataset

__all__ = ["METHOD", "herding"]


def herding(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Returns `vpc` herded real clips of every class, with `key_frames` real frames each, or all frames.

    Raises:
        SettingsError: a class has fewer clips than `vpc`, `key_frames` is outside 1..T, or the extractor
            cannot be used.
    """
    return coreset(config, videos, tell, herd)


METHOD = Method(
    run=herding, settings=("extractor", "key_frames"), key_frames=real_key_frames, needs_real_clips=True
)
