"""DM (distribution matching) trains every frame of every clip, without interpolation."""

from collections.abc import Callable
from dataclasses import replace

from dfs_store.condense.condensed import Condensed
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import Event
from dfs_store.condense.method import MATCHING_SETTINGS, Method
from dfs_store.condense.methods.dfs import trained
from dfs_store.condense.presets import Preset, short_run
from dfs_store.videos import VideoDataset

__all__ = ["METHOD", "dm"]

# The public code uses momentum 0.5 and starts from real clips. We read its lr of 30 as proportional to vpc,
# because a clip's gradient scales as 1 / vpc.
_LR = 30.0


def dm(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Trains clips of T key frames with Eq. 8, using the DFS training loop without insertion."""
    dense = replace(config, initial_key_frames=videos.num_frames, insertion=False)
    return trained(dense, videos, tell, config.notes())


def _preset(dataset: str, vpc: int) -> Preset:
    made = Preset(_LR * vpc, momentum=0.5, init="real", origin="public code of DM")
    return replace(made, **short_run(dataset))


METHOD = Method(
    run=dm,
    settings=(*MATCHING_SETTINGS, "snapshots"),
    preset=_preset,
    shares_classes=True,
    phases=lambda config: config.schedule.phases,
)
