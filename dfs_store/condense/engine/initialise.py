"""Makes the initial key frames from noise or real frames, in chunks that fit on the device."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.condense.engine.randomness import Purpose, torch_generator
from dfs_store.condense.fitting.key_frame_fit import best_fits, fitted_key_frames, gram_matrix
from dfs_store.condense.runtime.device import chunk_clips, total_memory_bytes
from dfs_store.interpolation import check_key_frame_count
from dfs_store.videos import VideoDataset
from dfs_store.videos.tensors import normalised_clips

if TYPE_CHECKING:
    from dfs_store.condense.config import CondenseConfig

__all__ = [
    "clip_groups",
    "clips_together",
    "even_positions",
    "grouped_clips",
    "initial_key_frames",
    "key_frames_device",
    "real_frames",
]

# Key frames and their momentum stay on the device if T key frames per clip need at most this share of its
# memory.
KEY_FRAME_SHARE = 0.3

# Clips of whole classes that are matched together: one chunk, or several if a class exceeds a chunk.
Group = list[TrainableKeyFrames]
# The clip numbers of a group, chunk by chunk.
ClipGroup = list[Sequence[int]]
# Classes are divided among this many groups, which processes share. Groups are filled one after another, so
# there may be fewer (9 classes make 5 groups).
FEWEST_PARTS = 8
CLASSES_PER_PART = 4


def even_positions(count: int, num_frames: int, flag: str = "--initial-key-frames") -> npt.NDArray[np.int64]:
    """Returns `count` evenly spaced positions from 0 to T-1 (Table 5), or only 0 if `count` is 1.

    Args:
        count: K, at least 1.
        num_frames: T, at least `count`.
        flag: the option that sets `count`, for the error message.

    Raises:
        SettingsError: `count` is outside 1..T.
    """
    check_key_frame_count(count, num_frames, flag)
    if count == 1:
        return np.zeros(1, dtype=np.int64)
    return np.round(np.linspace(0, num_frames - 1, count)).astype(np.int64)


def key_frames_device(num_clips: int, clip_values: int, device: torch.device) -> torch.device:
    """Returns where to keep key frames and momentum: on the device, or in host memory if they may not fit.

    Args:
        num_clips: N, the number of clips.
        clip_values: T*C*H*W, the maximum number of values of a clip.
        device: device on which clips are rebuilt.
    """
    memory = total_memory_bytes(device) if device.type == "cuda" else None
    if memory is not None and num_clips * clip_values * 4 * 2 > KEY_FRAME_SHARE * memory:
        return torch.device("cpu")
    return device


def initial_key_frames(
    config: "CondenseConfig",
    videos: VideoDataset,
    device: torch.device,
    starts: npt.NDArray[np.int64] | None,
    groups: Sequence[ClipGroup] | None = None,
) -> list[Group]:
    """Makes the initial key frames of a run, class by class, with `vpc` clips per class.

    With `init` "pack", a clip starts from the positions and key frames from which linear interpolation best
    rebuilds the real clip. There are at most `initial_key_frames` of them, and fewer if more would not help.
    With any other `init`, positions are evenly spaced.

    Args:
        config: resolved settings.
        videos: the real clips; only their shape is used for noise.
        device: device on which clips are rebuilt.
        starts: (N,) numbers of the real clips from which the clips start (`real_starts`); None for noise.
        groups: the groups from `clip_groups` to make; all by default.

    Raises:
        SettingsError: there are more initial key frames than frames.
    """
    positions = even_positions(config.initial_key_frames, videos.num_frames)
    num_clips = len(videos.classes) * config.per_class
    home = key_frames_device(num_clips, videos.num_frames * int(np.prod(videos.frame_shape)), device)

    def start_of(clip: int) -> tuple[Tensor, npt.NDArray[np.int64]]:
        if starts is None:
            generator = torch_generator(config.seed, Purpose.INITIAL_FRAMES, clip)
            return torch.randn(positions.size, *videos.frame_shape, generator=generator).to(home), positions
        if config.init != "pack":
            return real_frames(videos, int(starts[clip]), positions).to(home), positions
        frames = real_frames(videos, int(starts[clip]), np.arange(videos.num_frames)).numpy()
        fit = best_fits(gram_matrix(frames))[positions.size - 1]
        return torch.from_numpy(fitted_key_frames(frames, fit.positions)).to(home), fit.positions

    def chunk_of(clips: Sequence[int]) -> TrainableKeyFrames:
        frames, places = zip(*map(start_of, clips), strict=True)
        labels = [clip // config.per_class for clip in clips]
        return TrainableKeyFrames(frames, places, labels, videos.num_frames, device=device)

    chosen = clip_groups(config, videos, device) if groups is None else groups
    return [[chunk_of(chunk) for chunk in group] for group in chosen]


def clip_groups(config: "CondenseConfig", videos: VideoDataset, device: torch.device) -> list[ClipGroup]:
    """Returns the clip numbers of a run in groups of whole classes, each in chunks that fit on the device.

    There are enough groups for several processes to share. Neither the groups nor the result depend on the
    number of processes.
    """
    num_classes = len(videos.classes)
    largest = chunk_clips(device, videos.num_frames, videos.frame_shape)
    return grouped_clips(
        num_classes, config.per_class, largest, min(largest, clips_together(num_classes, config.per_class))
    )


def clips_together(num_classes: int, vpc: int) -> int:
    """Returns the number of clips in a group, assuming that they fit on the device."""
    parts = max(FEWEST_PARTS, num_classes // CLASSES_PER_PART)
    return -(-num_classes // parts) * vpc


def grouped_clips(num_classes: int, vpc: int, largest: int, together: int | None = None) -> list[ClipGroup]:
    """Splits all clips into groups of whole classes, and each group into chunks of at most `largest` clips.

    A group has at most `together` clips (default `largest`), unless a single class has more.
    """
    classes_at_once = max(1, (largest if together is None else together) // vpc)
    groups: list[ClipGroup] = []
    for first in range(0, num_classes, classes_at_once):
        clips = range(first * vpc, min(first + classes_at_once, num_classes) * vpc)
        groups.append([clips[start : start + largest] for start in range(0, len(clips), largest)])
    return groups


def real_frames(videos: VideoDataset, clip: int, positions: npt.NDArray[np.int64]) -> Tensor:
    """Returns frames of a real clip in normalised space, (K, C, H, W) float32."""
    pixels = torch.from_numpy(np.array(videos.pixels[clip, 0])[positions])
    return normalised_clips(pixels[None], videos.normalization)[0].contiguous()
