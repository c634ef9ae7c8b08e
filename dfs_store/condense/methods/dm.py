"""DM (distribution matching): every frame of every clip is trained, nothing is interpolated."""

from collections.abc import Callable
from dataclasses import replace

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import Event
from dfs_store.condense.methods._clip import Condensed
from dfs_store.condense.methods.dfs import trained
from dfs_store.videos import VideoDataset

__all__ = ["dm"]


def dm(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Returns clips of T key frames, trained with Eq. 8: the loop of DFS with nothing left to insert."""
    dense = replace(config, initial_key_frames=videos.num_frames, insertion=False)
    return trained(dense, videos, tell, config.notes())
