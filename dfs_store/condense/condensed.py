"""The result of a method: condensed clips, and the real clips from which they were made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.condense.engine.initialise import even_positions, real_frames
from dfs_store.videos import VideoDataset

if TYPE_CHECKING:
    from dfs_store.condense.config import CondenseConfig

__all__ = ["Condensed", "CondensedClip", "kept_clips", "kept_frames", "real_key_frames"]


class CondensedClip(NamedTuple):
    """A condensed clip, ready to be stored.

    Attributes:
        key_frames: (K, C, H, W) float32 in normalised space; empty if `files` is set.
        positions: (K,) int64, 0-based.
        label: class number.
        inserted_at: (K,) int32, step of insertion, or -1 for initial key frames; None if no key frames were
            inserted.
        files: the key frames as image files if the method encodes them itself; otherwise None.
    """

    key_frames: npt.NDArray[np.float32]
    positions: npt.NDArray[np.int64]
    label: int
    inserted_at: npt.NDArray[np.int32] | None = None
    files: Sequence[bytes] | None = None


class Condensed(NamedTuple):
    """The result of a method.

    Attributes:
        clips: an iterator, so that the clips need not all be in memory at once.
        sources: for each clip, a description of the real clip on which its key frames are based; None if they
            are not based on real clips.
        provenance: additional entries for the store's provenance.
        native: arrays, by name, that the method stores in addition to key frames.
        chosen: numbers of the real clips that were chosen; None if all were used.
    """

    clips: Iterator[CondensedClip]
    sources: list[dict[str, Any]] | None = None
    provenance: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never changed
    native: dict[str, npt.NDArray[Any]] | None = None
    chosen: Sequence[int] | None = None


def kept_clips(
    videos: VideoDataset,
    chosen: Sequence[int],
    key_frames: int | None,
    provenance: Mapping[str, Any] | None = None,
) -> Condensed:
    """Returns real clips whose key frames are all or some of their original frames.

    Args:
        videos: the real clips.
        chosen: numbers of the clips to keep, in the order of the store.
        key_frames: number of frames to keep from each clip, see `kept_frames`.
        provenance: additional entries for the store's provenance.

    Raises:
        SettingsError: `key_frames` is outside 1..T.
    """
    frames, positions = kept_frames(videos.num_frames, key_frames)
    clips = (
        CondensedClip(real_frames(videos, clip, frames).numpy(), positions, int(videos.labels[clip]))
        for clip in chosen
    )
    sources = [videos.source(clip) for clip in chosen]
    if key_frames is not None:
        sources = [_with_frames(source, frames) for source in sources]
    return Condensed(clips, sources, dict(provenance or {}), chosen=chosen)


def kept_frames(
    num_frames: int, key_frames: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns which frames of a real clip to keep, and their positions in the store.

    The two differ only for a single key frame. The format stores it at position 0, but the kept frame is the
    middle one, T // 2, because the first frame shows little of an action that has just begun.

    Args:
        num_frames: T, the number of frames per clip.
        key_frames: number of frames to keep, evenly spaced from the first to the last; None keeps all T.

    Returns:
        The kept frames and their positions, two arrays (K,) int64, 0-based.

    Raises:
        SettingsError: `key_frames` is outside 1..T.
    """
    count = num_frames if key_frames is None else key_frames
    positions = even_positions(count, num_frames, "--key-frames")
    return (np.array([num_frames // 2]) if count == 1 else positions), positions


def real_key_frames(config: "CondenseConfig", num_frames: int) -> tuple[int, int]:
    """Returns the minimum and maximum number of frames that `kept_clips` keeps from each clip.

    Raises:
        SettingsError: see `kept_frames`.
    """
    count = kept_frames(num_frames, config.key_frames)[0].size
    return count, count


def _with_frames(source: dict[str, Any], frames: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Returns the source with "frames" set to the original frame numbers of the kept frames."""
    numbers = source.get("frames")
    kept = frames.tolist() if numbers is None else [numbers[frame] for frame in frames]
    return {**source, "frames": kept}
