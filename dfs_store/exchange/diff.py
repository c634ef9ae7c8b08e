"""Compares two stores: settings, positions and values. Does not import torch."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dfs_store.format import KeyFrameStore, open_store

__all__ = ["ArrayDifference", "StoreDifference", "ValueDifference", "diff_stores"]

OnProgress = Callable[[int, int], None]
# Provenance that can differ between two runs with the same settings.
_NOT_SETTINGS = {"created", "software", "sources", "source_bytes", "config", "frame_encoding", "kernels"}


@dataclass(frozen=True)
class ArrayDifference:
    """Differences in the positions or labels of clips.

    Attributes:
        num_clips: number of clips that differ, among the clips in both stores.
        first: number of the first clip that differs, and its values in both stores; None if no clip differs.
    """

    num_clips: int
    first: tuple[int, list[int], list[int]] | None


@dataclass(frozen=True)
class ValueDifference:
    """Differences between rebuilt clips, in the stores' normalised units.

    Attributes:
        num_clips: number of clips that differ.
        largest: largest absolute difference between two values.
        rms: root-mean-square difference over all values of all clips.
        largest_clip: number of the clip with the largest difference; None if no clip differs.
    """

    num_clips: int
    largest: float
    rms: float
    largest_clip: int | None


@dataclass(frozen=True)
class StoreDifference:
    """Differences between two stores.

    Attributes:
        settings: settings that differ, with their values in both stores. These include the header, the
            condensation settings, and how the clips are stored.
        positions: differences between key-frame positions.
        labels: differences between labels.
        values: differences between rebuilt clips; None if the clips have different shapes.
        native: names of the native arrays that differ or exist in only one store.
    """

    settings: dict[str, tuple[Any, Any]]
    positions: ArrayDifference
    labels: ArrayDifference
    values: ValueDifference | None
    native: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether the stores are equal."""
        same = self.values is not None and not self.values.num_clips
        parts = (self.positions, self.labels)
        return not (self.settings or self.native or any(each.num_clips for each in parts)) and same

    def to_json(self) -> dict[str, Any]:
        """Returns the difference as a JSON object."""
        return {"equal": self.equal, **asdict(self)}


def diff_stores(
    first: str | os.PathLike[str], second: str | os.PathLike[str], *, on_progress: OnProgress | None = None
) -> StoreDifference:
    """Compares two stores clip by clip, in order.

    The comparison ignores the container, and when, where and with which software versions a store was made.
    Values are compared on rebuilt clips, so the stores can have different positions.

    Args:
        first: path or URL of a store.
        second: path or URL of the other store.
        on_progress: called with the number of clips compared and the total.

    Raises:
        StoreNotFoundError, NotAStoreError, NewerFormatError, DamagedStoreError: see `open_store`.
        ClipTooLargeError: a rebuilt clip exceeds `DFS_MAX_CLIP_BYTES`.
    """
    with open_store(first) as one, open_store(second) as other:
        left, right = _settings(one), _settings(other)
        settings = {name: (left.get(name), right.get(name)) for name in [*left, *right]}
        common = range(min(len(one), len(other)))
        positions = [(one.positions(clip).tolist(), other.positions(clip).tolist()) for clip in common]
        labels = [([int(one.labels[clip])], [int(other.labels[clip])]) for clip in common]
        return StoreDifference(
            settings={name: pair for name, pair in settings.items() if pair[0] != pair[1]},
            positions=_array_difference(positions),
            labels=_array_difference(labels),
            values=_values(one, other, on_progress),
            native=_native(one, other),
        )


def _settings(store: KeyFrameStore) -> dict[str, Any]:
    provenance = store.provenance
    header = {
        "clips": len(store),
        "num_frames": store.num_frames,
        "frame_shape": list(store.frame_shape),
        "class_names": store.class_names,
        "normalization": store.normalization,
        "fps": store.fps,
        "dtype": store.dtype,
        "frame_encoding": store.attributes.get("frame_encoding"),
        "native": store.native_method,
    }
    made = {name: value for name, value in provenance.items() if name not in _NOT_SETTINGS}
    # The header of a converted store overrides the settings that the store was condensed with.
    content = {**made, **store.provenance_object("config"), **header}
    found: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return found


def _array_difference(pairs: list[tuple[list[int], list[int]]]) -> ArrayDifference:
    differing = [(clip, *pair) for clip, pair in enumerate(pairs) if pair[0] != pair[1]]
    return ArrayDifference(len(differing), differing[0] if differing else None)


def _values(
    one: KeyFrameStore, other: KeyFrameStore, on_progress: OnProgress | None
) -> ValueDifference | None:
    if (one.num_frames, one.frame_shape) != (other.num_frames, other.frame_shape):
        return None
    number, total, count = 0, 0.0, 0
    largest, largest_clip = 0.0, None
    clips = min(len(one), len(other))
    for clip in range(clips):
        most = 0.0
        for left, right in zip(one.clip_blocks(clip), other.clip_blocks(clip), strict=True):
            gap = np.abs(left.astype(np.float64) - right)
            total, count = total + float(np.square(gap).sum()), count + gap.size
            most = max(most, float(gap.max()))
        number += most > 0
        if most > largest:
            largest, largest_clip = most, clip
        if on_progress is not None:
            on_progress(clip + 1, clips)
    return ValueDifference(number, largest, (total / count) ** 0.5 if count else 0.0, largest_clip)


def _native(one: KeyFrameStore, other: KeyFrameStore) -> tuple[str, ...]:
    left, right = ({} if each.native_method is None else each.native_arrays() for each in (one, other))
    return tuple(
        name
        for name in sorted({*left, *right})
        if name not in left or name not in right or not np.array_equal(left[name], right[name])
    )
