"""Rebuilds the clips to export, block by block, as values or as pixels."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.exchange.pixels import to_pixels, to_rgb
from dfs_store.format import KeyFrameStore
from dfs_store.format.copying.convert import kept_classes, soft_label_of
from dfs_store.format.source_paths import portable
from dfs_store.names import counted

__all__ = ["ClipToExport", "ExportedClips"]

OnProgress = Callable[[int, int], None]


class ClipToExport(NamedTuple):
    """A clip to export.

    Attributes:
        number: number of the clip in the store.
        label: label in the export, where the exported classes are renumbered.
        class_name: name of the class.
        positions: 0-based positions of the clip's key frames.
        soft_label: a teacher's logits for the exported classes; None if the store has none.
    """

    number: int
    label: int
    class_name: str
    positions: list[int]
    soft_label: list[float] | None

    @property
    def stem(self) -> str:
        """The clip's file name without a suffix."""
        return f"clip_{self.number:05d}"

    def to_json(self) -> dict[str, Any]:
        """Returns the metadata of the clip as a JSON object."""
        found = {
            "label": self.label,
            "class_name": self.class_name,
            "clip": self.number,
            "num_key_frames": len(self.positions),
            "positions": self.positions,
        }
        return found if self.soft_label is None else {**found, "soft_label": self.soft_label}


class ExportedClips:
    """Clips of some or all of a store's classes. Only one block of one clip is in memory at a time.

    Attributes:
        store: the open store.
        path: path or URL of the store.
        class_names: names of the exported classes, in the store's order.
        numbers: (N,) numbers of the clips in the store.
        subset: whether only some of the classes are exported.
        provenance: the store's provenance, without the names of folders on this machine.
        num_clipped: number of values clipped to [0, 1] so far.
        num_values: number of values converted to pixels so far.
    """

    def __init__(
        self,
        store: KeyFrameStore,
        path: str | os.PathLike[str],
        classes: Sequence[str] | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.store, self.path = store, path
        self.class_names = kept_classes(store, classes)
        self.subset = classes is not None
        self.provenance = portable(store.provenance)
        self._names = store.class_names
        self._labels = {self._names.index(name): number for number, name in enumerate(self.class_names)}
        self.numbers = np.flatnonzero(np.isin(store.labels, list(self._labels)))
        self._on_progress = on_progress
        self.num_clipped = self.num_values = 0

    def __len__(self) -> int:
        return int(self.numbers.size)

    def __iter__(self) -> Iterator[ClipToExport]:
        for done, clip in enumerate(self.described(), start=1):
            yield clip
            if self._on_progress is not None:
                self._on_progress(done, len(self))

    def described(self) -> Iterator[ClipToExport]:
        """Yields the clips, without reporting progress."""
        for number in self.numbers.tolist():
            label = int(self.store.labels[number])
            soft = soft_label_of(self.store, number, self.class_names)
            yield ClipToExport(
                number,
                self._labels[label],
                self._names[label],
                self.store.positions(number).tolist(),
                None if soft is None else soft.tolist(),
            )

    @property
    def summary(self) -> str:
        """A description of the clips in two sentences."""
        source = self.provenance.get("dataset") or "an unrecorded dataset"
        method = self.provenance.get("method") or "an unrecorded method"
        return (
            f"{counted(len(self), 'clip')} of {counted(self.store.num_frames, 'frame')} in "
            f"{counted(len(self.class_names), 'class')}, made from {source} with the method {method} by "
            "dfs-store. Each clip is stored as a few key frames; the frames between them are interpolated "
            "linearly."
        )

    @property
    def num_key_frames(self) -> int:
        """Number of key frames in all clips."""
        return int(np.diff(self.store.offsets)[self.numbers].sum())

    def values(self, clip: ClipToExport) -> Iterator[npt.NDArray[np.float32]]:
        """Yields a rebuilt clip as the store's values, block by block, (m, C, H, W) float32."""
        return self.store.clip_blocks(clip.number)

    def pixels(self, clip: ClipToExport) -> Iterator[npt.NDArray[np.uint8]]:
        """Yields a rebuilt clip as pixels, block by block, (m, C, H, W) uint8."""
        for block in self.values(clip):
            found = to_pixels(block, self.store.normalization)
            self.num_clipped += found.num_clipped
            self.num_values += found.pixels.size
            yield found.pixels

    def key_frames_rgb(self, clip: ClipToExport) -> npt.NDArray[np.uint8]:
        """Returns the key frames of a clip as RGB pixels, (K, H, W, 3) uint8."""
        return to_rgb(to_pixels(self.store.key_frames(clip.number), self.store.normalization).pixels)

    def rgb(self, clip: ClipToExport) -> Iterator[npt.NDArray[np.uint8]]:
        """Yields the frames of a rebuilt clip as RGB pixels, (H, W, 3) uint8."""
        for block in self.pixels(clip):
            yield from to_rgb(block)
