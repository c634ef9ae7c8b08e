"""Dense clips on their way into a store, wherever they come from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dfs_store.exchange.imports.arrays import Array
from dfs_store.exchange.pixels import Normalization

__all__ = ["DenseClips"]


@dataclass(frozen=True)
class DenseClips:
    """N clips of T frames that are read one at a time.

    Attributes:
        clips: yields them, (T, C, H, W) each, uint8 pixels or floating values.
        num_frames: T.
        frame_shape: (C, H, W).
        are_pixels: whether they are uint8.
        labels: one per clip.
        class_names: label i is class_names[i].
        normalization: that the source says its values have; None where it says nothing.
        is_normalised: False where the source says that its values are pixels in [0, 1].
        fps: frames per second, None where nobody knows.
        provenance: what the store should say about the source.
        sources: per clip, where it came from; None where that is all one file.
        notes: what people should know, in words.
    """

    clips: Callable[[], Iterator[Array]]
    num_frames: int
    frame_shape: tuple[int, int, int]
    are_pixels: bool
    labels: list[int]
    class_names: list[str]
    normalization: Normalization | None = None
    is_normalised: bool = True
    fps: float | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    sources: list[dict[str, Any]] | None = None
    notes: list[str] = field(default_factory=list)
