"""Represents dense clips to import from any source."""

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
        name: name of the file or folder, for messages.
        clips: yields the clips, (T, C, H, W) each, as uint8 pixels or floating-point values.
        num_frames: T, the number of frames per clip.
        frame_shape: (C, H, W).
        are_pixels: whether the values are 8-bit pixels.
        labels: one label per clip.
        class_names: names of the classes, indexed by label.
        normalization: normalization of the values according to the source; None if unknown.
        is_normalised: False if the source declares that its values are pixels in [0, 1].
        fps: frames per second; None if unknown.
        provenance: provenance of the store to write.
        sources: origin of each clip; None if all clips are from one file.
        notes: remarks for the user, one sentence each.
    """

    name: str
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
