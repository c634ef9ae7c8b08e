"""Hypothesis strategies for positions, key frames and whole stores, for testing code that uses them.

Example::

    from hypothesis import given
    from dfs_store import testing

    @given(testing.key_frame_sets())
    def test_something(clip):
        ...
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import MissingDependencyError
from dfs_store.format.writer import StoreWriter

try:
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp
except ImportError as error:
    raise MissingDependencyError(
        "dfs_store.testing needs Hypothesis, which is not installed; "
        "install it with: pip install 'dfs-store[test]'"
    ) from error

__all__ = [
    "KeyFrameSet",
    "StoreContent",
    "StoredClip",
    "attributes",
    "frame_shapes",
    "frames",
    "key_frame_sets",
    "positions",
    "stores",
]

# Within the range of float16, and large enough for visible quantisation errors.
LARGEST_VALUE = 1024.0


@dataclass(frozen=True)
class KeyFrameSet:
    """The key frames of one clip.

    Attributes:
        num_frames: T, the number of frames in the clip.
        positions: (K,) int64, valid positions for T frames.
        key_frames: (K, C, H, W) float32, finite.
    """

    num_frames: int
    positions: npt.NDArray[np.int64]
    key_frames: npt.NDArray[np.float32]


@dataclass(frozen=True)
class StoredClip:
    """The arguments of `StoreWriter.append` for one clip."""

    key_frames: npt.NDArray[np.float32]
    positions: npt.NDArray[np.int64]
    label: int
    inserted_at: npt.NDArray[np.int32] | None = None
    soft_label: npt.NDArray[np.float16] | None = None


@dataclass(frozen=True)
class StoreContent:
    """The content of a store in memory; `write` saves it."""

    num_frames: int
    frame_shape: tuple[int, int, int]
    class_names: list[str]
    dtype: str
    clips: list[StoredClip]
    attributes: dict[str, Any] = field(default_factory=dict)
    encoding: str | None = None

    @property
    def num_key_frames(self) -> int:
        """S, the total number of key frames."""
        return sum(len(clip.positions) for clip in self.clips)

    def write(
        self, path: str | os.PathLike[str], *, compression: str | None = None, overwrite: bool = False
    ) -> None:
        """Writes the store to a path whose suffix selects the container; see `StoreWriter`."""
        with StoreWriter(
            path,
            num_frames=self.num_frames,
            frame_shape=self.frame_shape,
            class_names=self.class_names,
            dtype=self.dtype,
            encoding=self.encoding,
            attributes=self.attributes,
            compression=compression,
            overwrite=overwrite,
        ) as writer:
            for clip in self.clips:
                writer.append(clip.key_frames, clip.positions, clip.label, clip.inserted_at, clip.soft_label)


@st.composite
def positions(draw: st.DrawFn, num_frames: int) -> npt.NDArray[np.int64]:
    """Draws valid positions for T frames, (K,) int64: usually a few, sometimes all frames or only frame 0."""
    if draw(st.integers(0, 9)) == 0:
        return np.zeros(1, dtype=np.int64)
    inner = st.integers(1, num_frames - 2) if num_frames > 2 else st.nothing()
    chosen = draw(st.sets(inner, max_size=num_frames - 2))
    return np.array(sorted({0, num_frames - 1} | chosen), dtype=np.int64)


def frame_shapes(*, max_channels: int = 3, max_side: int = 5) -> st.SearchStrategy[tuple[int, int, int]]:
    """Draws small frame shapes (C, H, W)."""
    side = st.integers(1, max_side)
    return st.tuples(st.integers(1, max_channels), side, side)


def frames(count: int, frame_shape: tuple[int, int, int]) -> st.SearchStrategy[npt.NDArray[np.float32]]:
    """Draws `count` finite frames, (count, C, H, W) float32, with absolute values up to 1024."""
    values = st.floats(-LARGEST_VALUE, LARGEST_VALUE, width=32)
    return hnp.arrays(np.float32, (count, *frame_shape), elements=values)


@st.composite
def key_frame_sets(
    draw: st.DrawFn, *, num_frames: int | None = None, frame_shape: tuple[int, int, int] | None = None
) -> KeyFrameSet:
    """Draws the key frames of one clip. T is drawn from 2..16 if `num_frames` is None."""
    length = draw(st.integers(2, 16)) if num_frames is None else num_frames
    shape = draw(frame_shapes()) if frame_shape is None else frame_shape
    places = draw(positions(length))
    return KeyFrameSet(length, places, draw(frames(len(places), shape)))


def attributes(num_channels: int) -> st.SearchStrategy[dict[str, Any]]:
    """Draws a store's attributes: a normalization (or None), a provenance and some unknown keys."""
    number = st.floats(-10, 10, width=32)
    numbers = st.lists(number, min_size=num_channels, max_size=num_channels)
    above_zero = st.lists(st.floats(0.125, 10, width=32), min_size=num_channels, max_size=num_channels)
    leaf = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | number | st.text(max_size=8)
    json_value = st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    )
    return st.fixed_dictionaries(
        {
            "normalization": st.none() | st.fixed_dictionaries({"mean": numbers, "std": above_zero}),
            "provenance": st.dictionaries(st.text(max_size=6), json_value, max_size=3),
        },
        optional={"fps": st.floats(1, 120), "x_unknown": json_value},
    )


@st.composite
def stores(
    draw: st.DrawFn,
    *,
    max_clips: int = 5,
    dtype: str | None = None,
    encodings: Sequence[str | None] = (None,),
) -> StoreContent:
    """Draws the contents of a small store: up to `max_clips` clips of one to three classes.

    Args:
        draw: supplied by Hypothesis.
        max_clips: maximum number of clips.
        dtype: stored dtype. If None, it is drawn; encoded key frames are always uint8.
        encodings: key-frame encodings to draw from: "webp", "avif:60" (see `StoreWriter`), or None.
    """
    num_frames, shape = draw(st.integers(2, 12)), draw(frame_shapes())
    encoding = draw(st.sampled_from(encodings))
    names = draw(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=3, unique=True))
    stored = draw(st.sampled_from(("float32", "float16", "uint8"))) if dtype is None else dtype
    if encoding is not None:
        shape, stored = (3, *shape[1:]), "uint8"
    with_steps, with_soft_labels = draw(st.booleans()), draw(st.booleans())
    clips, logits = [], st.floats(-LARGEST_VALUE, LARGEST_VALUE, width=16)
    for _ in range(draw(st.integers(1, max_clips))):
        clip = draw(key_frame_sets(num_frames=num_frames, frame_shape=shape))
        count = len(clip.positions)
        steps = draw(hnp.arrays(np.int32, count, elements=st.integers(-1, 5000))) if with_steps else None
        label = draw(st.integers(0, len(names) - 1))
        soft = draw(hnp.arrays(np.float16, len(names), elements=logits)) if with_soft_labels else None
        clips.append(StoredClip(clip.key_frames, clip.positions, label, steps, soft))
    return StoreContent(num_frames, shape, names, stored, clips, draw(attributes(shape[0])), encoding)
