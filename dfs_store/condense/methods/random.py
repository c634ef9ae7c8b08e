"""Random: real clips drawn at random, all frames kept. The least that every method must beat."""

from collections.abc import Callable, Iterator

import numpy as np

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import Event, RunStarted
from dfs_store.condense.initialise import chosen_real_clips, real_frames
from dfs_store.condense.methods._clip import Condensed, CondensedClip
from dfs_store.videos import VideoDataset

__all__ = ["random"]


def random(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Returns `vpc` random real clips of every class, T key frames each.

    Raises:
        SettingsError: a class has fewer clips than `vpc`.
    """
    chosen = np.concatenate(chosen_real_clips(videos, config.vpc, config.seed)).tolist()
    tell(RunStarted(step=0, iterations=0, num_clips=len(chosen), device="cpu", notes=config.notes()))
    return Condensed(_clips(videos, chosen), [videos.source(clip) for clip in chosen])


def _clips(videos: VideoDataset, chosen: list[int]) -> Iterator[CondensedClip]:
    positions = np.arange(videos.num_frames)
    for clip in chosen:
        yield CondensedClip(real_frames(videos, clip, positions).numpy(), positions, int(videos.labels[clip]))
