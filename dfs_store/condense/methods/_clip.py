"""What every method hands over: condensed clips, and where real ones come from."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.condense.initialise import real_frames
from dfs_store.videos import VideoDataset

__all__ = ["Condensed", "CondensedClip", "whole_clips"]


class CondensedClip(NamedTuple):
    """One clip, ready for the store.

    Attributes:
        key_frames: (K, C, H, W) float32 in normalised space.
        positions: (K,) int64, 0-based.
        label: class number.
        inserted_at: (K,) int32, step of insertion, -1 for initial ones; None where nothing is inserted.
    """

    key_frames: npt.NDArray[np.float32]
    positions: npt.NDArray[np.int64]
    label: int
    inserted_at: npt.NDArray[np.int32] | None = None


class Condensed(NamedTuple):
    """The result of a method.

    Attributes:
        clips: one after the other, so that they need not all be in memory.
        sources: per clip the real clip that its key frames are, or started as; None where there is none.
        provenance: what else the store should say about how it was made.
        native: arrays that the method needs beside key frames, by name.
    """

    clips: Iterator[CondensedClip]
    sources: list[dict[str, Any]] | None = None
    provenance: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never changed
    native: dict[str, npt.NDArray[Any]] | None = None


def whole_clips(videos: VideoDataset, chosen: Sequence[int]) -> Iterator[CondensedClip]:
    """Yields real clips with all their frames as key frames, in the order of `chosen`."""
    positions = np.arange(videos.num_frames)
    for clip in chosen:
        yield CondensedClip(real_frames(videos, clip, positions).numpy(), positions, int(videos.labels[clip]))
