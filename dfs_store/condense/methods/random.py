"""Random: real clips drawn at random, all frames kept. The least that every method must beat."""

from collections.abc import Callable, Iterator

import numpy as np

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import Event, RunStarted
from dfs_store.condense.initialise import chosen_real_clips, real_frames
from dfs_store.condense.methods._clip import CondensedClip
from dfs_store.videos import VideoDataset

__all__ = ["random"]


def random(
    config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]
) -> Iterator[CondensedClip]:
    """Yields `vpc` random real clips of every class, T key frames each.

    Raises:
        SettingsError: a class has fewer clips than `vpc`.
    """
    chosen = chosen_real_clips(videos, config.vpc, config.seed)
    tell(RunStarted(step=0, iterations=0, num_clips=len(chosen) * config.vpc, device="cpu"))
    positions = np.arange(videos.num_frames)
    for label, clips in enumerate(chosen):
        for clip in clips.tolist():
            frames = real_frames(videos, clip, positions).numpy()
            yield CondensedClip(frames, positions, label, source=videos.source(clip))
