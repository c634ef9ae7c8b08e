"""What every method hands over: one condensed clip."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["CondensedClip"]


class CondensedClip(NamedTuple):
    """One clip, ready for the store.

    Attributes:
        key_frames: (K, C, H, W) float32 in normalised space.
        positions: (K,) int64, 0-based.
        label: class number.
        inserted_at: (K,) int32, step of insertion, -1 for initial ones; None where nothing is inserted.
        source: for key frames that are or started as real frames, where they come from.
    """

    key_frames: npt.NDArray[np.float32]
    positions: npt.NDArray[np.int64]
    label: int
    inserted_at: npt.NDArray[np.int32] | None = None
    source: dict[str, Any] | None = None
