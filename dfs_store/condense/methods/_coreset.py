"""Coresets: real clips of every class, chosen by their features and kept unchanged."""

from collections.abc import Callable
from typing import Any

from dfs_store.condense.condensed import Condensed, kept_clips, real_key_frames
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.extractor import extractor_network
from dfs_store.condense.engine.real_starts import (
    Choose,
    check_real_clips,
    chosen_by_features,
    chosen_real_clips,
    clips_per_class,
)
from dfs_store.condense.events import Event, RunStarted
from dfs_store.condense.method import Method
from dfs_store.condense.runtime.device import resolve_device
from dfs_store.videos import VideoDataset

__all__ = ["coreset", "ranked_clips"]


def ranked_clips(
    config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None], choose: Choose
) -> tuple[list[int], dict[str, Any]]:
    """Chooses `vpc` real clips of every class by their features, or all of them if `vpc` is "all".

    Args:
        config: resolved settings.
        videos: the real clips.
        tell: called with the events of the extractor's training.
        choose: the selection rule.

    Returns:
        Clip numbers, class by class, in the order in which they were chosen; and the extractor's entry for
        the provenance, empty if no extractor was needed.

    Raises:
        SettingsError: a class has fewer clips than `vpc`, or the extractor cannot be used.
    """
    check_real_clips(clips_per_class(videos), config.vpc)
    device = resolve_device(config.device)
    num_clips = sum(map(config.clips_of, clips_per_class(videos).values()))
    tell(RunStarted(step=0, iterations=0, num_clips=num_clips, device=str(device), notes=config.notes()))
    if config.vpc == "all":
        return chosen_real_clips(videos, config.vpc, config.seed).tolist(), {}
    network, origin = extractor_network(config.extractor, videos, config.seed, device, tell)
    about = {"extractor": origin}
    return chosen_by_features(network, videos, config.vpc, choose).tolist(), about


def coreset(choose: Choose) -> Method:
    """Returns a method that keeps the clips selected by `choose`, with all or `key_frames` frames of each."""

    def run(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
        chosen, about = ranked_clips(config, videos, tell, choose)
        return kept_clips(videos, chosen, config.key_frames, about)

    return Method(
        run=run, settings=("extractor", "key_frames"), key_frames=real_key_frames, needs_real_clips=True
    )
