"""Random draws real clips and keeps them unchanged. It is the baseline that every method must beat."""

from collections.abc import Callable

from dfs_store.condense.condensed import Condensed, kept_clips, real_key_frames
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.real_starts import chosen_real_clips
from dfs_store.condense.events import Event, RunStarted
from dfs_store.condense.method import Method
from dfs_store.videos import VideoDataset

__all__ = ["METHOD", "random"]


def random(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Returns `vpc` random real clips of every class, with `key_frames` real frames each, or all frames.

    Raises:
        SettingsError: a class has fewer clips than `vpc`, or `key_frames` is outside 1..T.
    """
    chosen = chosen_real_clips(videos, config.vpc, config.seed).tolist()
    tell(RunStarted(step=0, iterations=0, num_clips=len(chosen), device="cpu", notes=config.notes()))
    return kept_clips(videos, chosen, config.key_frames)


METHOD = Method(run=random, settings=("key_frames",), key_frames=real_key_frames, needs_real_clips=True)
