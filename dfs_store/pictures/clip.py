"""One clip, ready to be drawn."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfs_store.format import KeyFrameStore
from dfs_store.names import counted
from dfs_store.pictures.pixels import to_pixels

__all__ = ["PicturedClip", "first_of_each_class", "pictured"]


@dataclass(frozen=True, eq=False)
class PicturedClip:
    """A rebuilt clip as pixels, with what is said beside it.

    Attributes:
        pixels: (T, H, W, 3) uint8 RGB, all frames.
        positions: (K,) 0-based positions of the key frames.
        inserted_at: (K,) the 0-based step at which each was inserted (-1: initial), or None.
        class_name: name of its class.
        title: what clip it is, e.g. "clip 3".
        flat: all frames are shown as they are, none is a key frame or rebuilt: a row of optical flow, which
            has a frame less than its clip.
        late_from: the first step of the last fifth of the run; key frames inserted from then on are marked,
            as they have been trained little. None marks none.
    """

    pixels: npt.NDArray[np.uint8]
    positions: npt.NDArray[np.int64]
    inserted_at: npt.NDArray[np.int32] | None
    class_name: str
    title: str
    flat: bool = False
    late_from: int | None = None

    @property
    def num_frames(self) -> int:
        """T."""
        return int(self.pixels.shape[0])

    @property
    def count_text(self) -> str:
        """How many key frames it has, and how many frames they rebuild, in words."""
        if self.flat:
            return ""
        return f"{counted(len(self.positions), 'key frame')}, {counted(self.num_frames, 'frame')}"

    def is_late(self, step: int | None) -> bool:
        """Whether a key frame inserted at a step is marked as late."""
        return step is not None and self.late_from is not None and step >= self.late_from

    def steps_by_position(self) -> dict[int, int | None]:
        """Returns for every key position the step of its insertion, -1 for an initial one, None unknown."""
        if self.inserted_at is None:
            return {int(position): None for position in self.positions}
        return {int(p): int(step) for p, step in zip(self.positions, self.inserted_at, strict=True)}


def pictured(store: KeyFrameStore, clip: int) -> PicturedClip:
    """Rebuilds a clip of a store and turns it into pixels.

    Raises:
        DamagedStoreError: a frame does not match its checksum.
    """
    return PicturedClip(
        pixels=to_pixels(store.clip(clip), store.normalization),
        positions=store.positions(clip),
        inserted_at=store.inserted_at(clip),
        class_name=store.class_names[int(store.labels[clip])],
        title=f"clip {clip}",
    )


def first_of_each_class(store: KeyFrameStore, most: int) -> list[int]:
    """Returns the number of the first clip of every class that has one, `most` at most, ascending."""
    first = np.unique(store.labels, return_index=True)[1]
    return sorted(first.tolist())[:most]
