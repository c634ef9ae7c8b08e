"""Counts the real clips for a plan, from their files (without decoding) or in an open dataset."""

from typing import NamedTuple

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.real_starts import clips_per_class
from dfs_store.videos import VideoDataset
from dfs_store.videos.built_in import BUILT_IN
from dfs_store.videos.files.hold_out import group_of_file, held_out_groups
from dfs_store.videos.of_store import clips_named_by
from dfs_store.videos.opening import describe, find_clips, resolve_sampling

__all__ = ["TrainingClips", "count_training_clips"]


class TrainingClips(NamedTuple):
    """Counts and shape of a run's real clips, excluding held-out clips.

    Attributes:
        per_class: number of clips by class name.
        num_frames: T, the number of frames per clip.
        frame_shape: shape of a frame, (C, H, W).
    """

    per_class: dict[str, int]
    num_frames: int
    frame_shape: tuple[int, int, int]

    @classmethod
    def of(cls, videos: VideoDataset) -> "TrainingClips":
        """Returns the counts and shape of the clips in an open dataset."""
        return cls(clips_per_class(videos), videos.num_frames, videos.frame_shape)


def count_training_clips(config: CondenseConfig) -> TrainingClips:
    """Counts the training clips that the settings select, without decoding any.

    Raises:
        DatasetNotFoundError, EmptyClassError, SettingsError: see `open_videos`.
    """
    info = describe(config.dataset)
    sampling = resolve_sampling(info, frames=config.frames, stride=config.stride, size=config.size)
    if info.is_built_in:
        generator = BUILT_IN[info.name]
        kept = config.classes or generator.class_names
        generator.check_class_names(kept)
        groups = {name: [str(n) for n in range(generator.train_clips_per_class)] for name in kept}
    else:
        found = find_clips(**clips_named_by(config))
        groups = {name: [] for name in found.classes}
        for clip in found.clips:
            groups[clip.class_name].append(group_of_file(info.layout, clip.class_name, clip.file))
    if config.hold_out is not None:
        held = {name: held_out_groups(name, each, config.hold_out) for name, each in groups.items()}
        groups = {name: [group for group in groups[name] if group not in held[name]] for name in groups}
    numbers = {name: len(each) for name, each in groups.items()}
    return TrainingClips(numbers, sampling.frames, (3, sampling.size, sampling.size))
