"""The byte budget of a run that inserts key frames, shared equally among the classes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.initialise import Group
from dfs_store.format.accounting import key_frames_within

__all__ = ["Room", "affordable_key_frames"]


def affordable_key_frames(config: CondenseConfig, num_clips: int, frame_shape: tuple[int, int, int]) -> int:
    """Returns how many key frames, including their index and insertion steps, the budget allows in total."""
    assert config.budget_bytes is not None
    return key_frames_within(
        config.budget_bytes, num_clips, frame_shape, config.stored_dtype, with_steps=True
    )


class Room:
    """Tracks how many more key frames may be inserted into each class of a group.

    Each class has its own share, so that insertion does not depend on the number of processes or chunks.

    Args:
        config: resolved settings. If there is no budget, room is unlimited.
        group: key frames of all clips of some classes.
        num_classes: number of classes of the dataset.
    """

    def __init__(self, config: CondenseConfig, group: Group, num_classes: int) -> None:
        self._left: dict[int, int] | None = None
        if config.budget is None:
            return
        channels, height, width = group[0].frames.shape[1:]
        share = (
            affordable_key_frames(config, num_classes * config.per_class, (channels, height, width))
            // num_classes
        )
        self._left = {}
        for chunk in group:
            for label, count in zip(*np.unique(chunk.labels[chunk.clips], return_counts=True), strict=True):
                self._left[int(label)] = self._left.get(int(label), share) - int(count)

    def take(self, chosen: Sequence[tuple[int, int]], labels: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        """Returns the (clip, position) pairs for which there is room, and reserves that room.

        Args:
            chosen: pairs in the order of insertion.
            labels: (N,) class of every clip.
        """
        if self._left is None:
            return list(chosen)
        kept = []
        for clip, position in chosen:
            if self._left[int(labels[clip])] > 0:
                self._left[int(labels[clip])] -= 1
                kept.append((clip, position))
        return kept
