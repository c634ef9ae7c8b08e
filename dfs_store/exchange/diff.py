"""What differs between two stores: settings, positions, values. Light: no torch."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.format import KeyFrameStore, open_store

__all__ = ["ArrayDifference", "StoreDifference", "ValueDifference", "diff_stores"]

OnProgress = Callable[[int, int], None]
# Of the making, not of what a store is: two runs of equal settings may differ in them.
_NOT_SETTINGS = {"created", "software", "sources", "source_bytes", "config", "frame_encoding", "kernels"}


@dataclass(frozen=True)
class ArrayDifference:
    """In how many clips something small differs: positions, or labels.

    Attributes:
        num_clips: clips in which it differs, of those that both stores have.
        first: the first of them: its number, and what either store has there; None if there is none.
    """

    num_clips: int
    first: tuple[int, list[int], list[int]] | None


@dataclass(frozen=True)
class ValueDifference:
    """How much rebuilt clips differ, in the normalised units of the stores.

    Attributes:
        num_clips: clips with any difference.
        largest: the largest absolute difference of a value.
        rms: root of the mean squared difference over all values of all clips.
        largest_clip: number of the clip with the largest difference; None if there is none.
    """

    num_clips: int
    largest: float
    rms: float
    largest_clip: int | None


@dataclass(frozen=True)
class StoreDifference:
    """What differs between two stores.

    Attributes:
        settings: by name what either store has: of the header, of the settings it was condensed with, and how
            it is stored. Only those that differ.
        positions: of key frames.
        labels: of clips.
        values: of rebuilt clips; None if their shapes differ, so that they cannot be compared.
        native: names of the native arrays that differ or that one of the stores lacks.
    """

    settings: dict[str, tuple[Any, Any]]
    positions: ArrayDifference
    labels: ArrayDifference
    values: ValueDifference | None
    native: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        same = self.values is not None and not self.values.num_clips
        parts = (self.positions, self.labels)
        return not (self.settings or self.native or any(each.num_clips for each in parts)) and same

    def to_json(self) -> dict[str, Any]:
        """Returns the difference as a JSON object."""
        return {"equal": self.equal, **asdict(self)}


def diff_stores(
    first: str | os.PathLike[str], second: str | os.PathLike[str], *, on_progress: OnProgress | None = None
) -> StoreDifference:
    """Compares two stores, clip by clip in their order.

    The container is no difference, and neither is when, where and with which versions a store was made.
    Values are those of rebuilt clips, so that stores with other positions can be compared, too.

    Args:
        first: path or URL.
        second: path or URL.
        on_progress: called with the number of clips compared and of all.

    Raises:
        StoreNotFoundError, NotAStoreError, NewerFormatError, DamagedStoreError: as `open_store`.
        ClipTooLargeError: a rebuilt clip would take more than `DFS_MAX_CLIP_BYTES`.
    """
    with open_store(first) as one, open_store(second) as other:
        settings = {}
        left, right = _settings(one), _settings(other)
        for name in dict.fromkeys([*left, *right]):
            if left.get(name) != right.get(name):
                settings[name] = (left.get(name), right.get(name))
        common = range(min(len(one), len(other)))
        positions = [(one.positions(clip).tolist(), other.positions(clip).tolist()) for clip in common]
        labels = [([int(one.labels[clip])], [int(other.labels[clip])]) for clip in common]
        return StoreDifference(
            settings=settings,
            positions=_array_difference(positions),
            labels=_array_difference(labels),
            values=_values(one, other, on_progress or _nobody),
            native=_native(one, other),
        )


def _settings(store: KeyFrameStore) -> dict[str, Any]:
    """Returns all that is compared by name, as plain JSON values."""
    provenance = store.attributes.get("provenance") or {}
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
    # A converted store keeps the settings it was condensed with; the header says how it is stored now.
    content = {**made, **store.provenance_object("config"), **header}
    found: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return found


def _array_difference(pairs: list[tuple[list[int], list[int]]]) -> ArrayDifference:
    differing = [(clip, *pair) for clip, pair in enumerate(pairs) if pair[0] != pair[1]]
    return ArrayDifference(len(differing), differing[0] if differing else None)


def _values(one: KeyFrameStore, other: KeyFrameStore, on_progress: OnProgress) -> ValueDifference | None:
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
        on_progress(clip + 1, clips)
    return ValueDifference(number, largest, (total / count) ** 0.5 if count else 0.0, largest_clip)


def _native(one: KeyFrameStore, other: KeyFrameStore) -> tuple[str, ...]:
    left, right = (_arrays(store) for store in (one, other))
    return tuple(
        name
        for name in sorted({*left, *right})
        if name not in left or name not in right or not np.array_equal(left[name], right[name])
    )


def _arrays(store: KeyFrameStore) -> dict[str, npt.NDArray[Any]]:
    return {} if store.native_method is None else store.native_arrays()


def _nobody(_done: int, _total: int) -> None:
    pass
