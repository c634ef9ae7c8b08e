"""The clips of a store as an export sees them: rebuilt one at a time, as values or as pixels."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.exchange.pixels import to_pixels, to_rgb
from dfs_store.format import KeyFrameStore
from dfs_store.format.convert import kept_classes

__all__ = ["ClipToExport", "StoreClips"]

OnProgress = Callable[[int, int], None]


class ClipToExport(NamedTuple):
    """One clip of a store.

    Attributes:
        number: in the store.
        label: in the export: the classes that are kept, numbered anew.
        class_name: its true name.
        positions: 0-based numbers of its key frames.
    """

    number: int
    label: int
    class_name: str
    positions: list[int]

    @property
    def stem(self) -> str:
        """Name of its file, without a suffix."""
        return f"clip_{self.number:05d}"

    def to_json(self) -> dict[str, Any]:
        """Returns what goes beside the clip's pixels."""
        return {
            "label": self.label,
            "class_name": self.class_name,
            "clip": self.number,
            "num_key_frames": len(self.positions),
            "positions": self.positions,
        }


class StoreClips:
    """The clips of some or all classes of a store; only one is in memory at a time.

    Attributes:
        store: open for reading.
        path: of the store, as it was given.
        class_names: of the classes that are kept, in the store's order.
        subset: whether some classes of the store are left out.
        num_clipped: values outside [0, 1] that were cut so far.
        num_values: values that became pixels so far.
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
        labels = {store.class_names.index(name): number for number, name in enumerate(self.class_names)}
        self._clips = [
            ClipToExport(clip, labels[label], store.class_names[label], store.positions(clip).tolist())
            for clip, label in enumerate(store.labels.tolist())
            if label in labels
        ]
        self._on_progress = on_progress
        self.num_clipped = self.num_values = 0

    def __len__(self) -> int:
        return len(self._clips)

    def __iter__(self) -> Iterator[ClipToExport]:
        for done, clip in enumerate(self._clips):
            yield clip
            if self._on_progress is not None:
                self._on_progress(done + 1, len(self._clips))

    def quietly(self) -> list[ClipToExport]:
        """Returns what the clips are called, without progress: nothing is rebuilt."""
        return list(self._clips)

    @property
    def numbers(self) -> list[int]:
        """Numbers of the clips in the store."""
        return [clip.number for clip in self._clips]

    @property
    def labels(self) -> list[int]:
        """Labels of the clips, numbered anew."""
        return [clip.label for clip in self._clips]

    def values(self, clip: ClipToExport) -> npt.NDArray[np.float32]:
        """Returns a rebuilt clip in the store's values, (T, C, H, W) float32."""
        return self.store.clip(clip.number)

    def pixels(self, clip: ClipToExport) -> npt.NDArray[np.uint8]:
        """Returns a rebuilt clip as pixels, (T, C, H, W) uint8."""
        found = to_pixels(self.store.clip(clip.number), self.store.normalization)
        self.num_clipped += found.num_clipped
        self.num_values += found.pixels.size
        return found.pixels

    def rgb(self, clip: ClipToExport) -> npt.NDArray[np.uint8]:
        """Returns a rebuilt clip as RGB pixels, (T, H, W, 3) uint8."""
        return to_rgb(self.pixels(clip))
