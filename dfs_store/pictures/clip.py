"""Converts clips of a store to pixels for drawing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.format import KeyFrameStore
from dfs_store.format.rebuilding import block_frames
from dfs_store.names import counted
from dfs_store.pictures.pixels import to_pixels

__all__ = ["MOST_SHOWN", "ClipPixels", "PicturedClip", "first_of_each_class", "pictured"]


# The largest number of frames that a sheet or page shows of a clip.
MOST_SHOWN = 480


class ClipPixels:
    """The rebuilt frames of a clip as pixels, with only the current block in memory.

    `pixels[3]` is a frame (H, W, 3) uint8, and `np.asarray(pixels)` returns all frames, (M, H, W, 3).

    Args:
        store: the store, open for reading.
        clip: number of the clip.
        positions: positions of the frames, ascending, (M,).
    """

    def __init__(self, store: KeyFrameStore, clip: int, positions: npt.NDArray[np.int64]) -> None:
        self.shape = (len(positions), *store.frame_shape[1:], 3)
        self._store, self._clip, self._positions = store, clip, positions
        self._rows = block_frames(store.frame_shape)
        self._held, self._block = -1, np.empty(0, np.uint8)
        # Interpolated values never leave the range of the key frames.
        self._span = None if store.normalization is not None else _span(store, clip)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, number: int) -> npt.NDArray[np.uint8]:
        number = range(len(self))[number]
        block, row = divmod(number, self._rows)
        if block != self._held:
            times = self._positions[block * self._rows : (block + 1) * self._rows]
            frames = np.concatenate(list(self._store.clip_blocks(self._clip, times=times)))
            normalization, span = self._store.normalization, self._span
            self._block = np.stack([to_pixels(frame, normalization, span) for frame in frames])
            self._held = block
        frame: npt.NDArray[np.uint8] = self._block[row]
        return frame

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        for number in range(len(self)):
            yield self[number]
        self._held, self._block = -1, np.empty(0, np.uint8)  # frees the memory of the last block

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("the pixels of a clip are rebuilt and cannot be returned without a copy")
        return np.stack(list(self)).astype(dtype or np.uint8, copy=False)


def _span(store: KeyFrameStore, clip: int) -> tuple[float, float]:
    spans = [(block.min(), block.max()) for block in store.clip_blocks(clip, times=store.positions(clip))]
    return float(min(low for low, _ in spans)), float(max(high for _, high in spans))


@dataclass(frozen=True, eq=False)
class PicturedClip:
    """A rebuilt clip as pixels, with its labels.

    Attributes:
        pixels: the frames to show, (M, H, W, 3) uint8 RGB.
        positions: 0-based positions of the key frames, (K,).
        inserted_at: 0-based step at which each key frame was inserted, -1 for initial ones, (K,); None if
            unknown.
        class_name: name of the clip's class.
        title: name of the clip, for example "clip 3"; in a sheet, the title may have several lines.
        flat: whether to draw key frames and rebuilt frames alike. Used for a row of optical flow, which has
            one frame fewer than its clip.
        late_from: first step whose inserted key frames are marked, because they were trained for only a few
            steps; no marks if None.
        shown: positions of the frames to show, (M,); all frames if None.
        length: T. Defaults to the length of `pixels`.
    """

    pixels: npt.NDArray[np.uint8] | ClipPixels
    positions: npt.NDArray[np.int64]
    inserted_at: npt.NDArray[np.int32] | None
    class_name: str
    title: str
    flat: bool = False
    late_from: int | None = None
    shown: npt.NDArray[np.int64] | None = None
    length: int | None = None

    @property
    def num_frames(self) -> int:
        """T, the number of frames."""
        return int(self.pixels.shape[0]) if self.length is None else self.length

    @property
    def shown_positions(self) -> list[int]:
        """Positions of the M frames to show, ascending."""
        return list(range(self.num_frames)) if self.shown is None else self.shown.tolist()

    @property
    def count_text(self) -> str:
        """Text with the number of key frames and frames; "" for optical flow."""
        if self.flat:
            return ""
        return f"{counted(len(self.positions), 'key frame')}, {counted(self.num_frames, 'frame')}"

    def is_late(self, step: int | None) -> bool:
        """Returns whether a key frame inserted at a step is marked as late."""
        return step is not None and self.late_from is not None and step >= self.late_from

    def steps_by_position(self) -> dict[int, int | None]:
        """Returns the step of insertion by key position: -1 for initial key frames, None if unknown."""
        if self.inserted_at is None:
            return {int(position): None for position in self.positions}
        return {int(p): int(step) for p, step in zip(self.positions, self.inserted_at, strict=True)}


def pictured(store: KeyFrameStore, clip: int, most: int | None = MOST_SHOWN) -> PicturedClip:
    """Returns a clip in a store as pixels, which are rebuilt when they are read.

    Args:
        store: the store, open for reading.
        clip: number of the clip.
        most: maximum number of frames to show; all if None. Key frames have priority, and the others are
            spaced evenly.

    Raises:
        ClipTooLargeError: the clip is larger than the store's limit.
        DamagedStoreError: a frame does not match its checksum.
    """
    store.check_clip_bytes(store.num_frames)
    keys, length = store.positions(clip), store.num_frames
    shown = np.arange(length) if most is None or length <= most else _chosen(keys, length, most)
    return PicturedClip(
        pixels=ClipPixels(store, clip, shown),
        positions=keys,
        inserted_at=store.inserted_at(clip),
        class_name=store.class_names[int(store.labels[clip])],
        title=f"clip {clip}",
        shown=shown if len(shown) < length else None,
        length=length,
    )


def _chosen(keys: npt.NDArray[np.int64], length: int, most: int) -> npt.NDArray[np.int64]:
    if len(keys) >= most:
        return _spread(keys, most)
    others = np.setdiff1d(np.arange(length), keys)
    return np.sort(np.concatenate([keys, _spread(others, most - len(keys))]))


def _spread(positions: npt.NDArray[np.int64], number: int) -> npt.NDArray[np.int64]:
    spread: npt.NDArray[np.int64] = positions[
        np.linspace(0, len(positions) - 1, number).round().astype(np.int64)
    ]
    return spread


def first_of_each_class(store: KeyFrameStore, most: int) -> list[int]:
    """Returns the index of the first clip of each class, in ascending order, for at most `most` classes."""
    first = np.unique(store.labels, return_index=True)[1]
    return sorted(first.tolist())[:most]
