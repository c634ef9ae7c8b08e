"""For every clip of a dataset the numbers of Eq. 3 at the output times, worked out once, on first need."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.interpolation import neighbours, resample_times

__all__ = ["ClipPlan", "ClipPlans", "Segment"]


class Segment(NamedTuple):
    """Successive output frames that are made alike, so that one operation makes them all.

    With a weight, every frame mixes the same two neighbouring key frames. Without one, the frames are
    key frames: as many successive ones, or a single one that is repeated.

    Attributes:
        start: first of the M output frames.
        length: how many there are.
        key: the key frame of the clip that they start from.
        num_keys: key frames that are taken as they are; 1 with a weight, whose other one is the next.
        weight: (length, 1) float32 in [0, 1], weight of the next key frame; or None.
    """

    start: int
    length: int
    key: int
    num_keys: int
    weight: Tensor | None


@dataclass(frozen=True)
class ClipPlan:
    """Eq. 3 of one clip, or of all with the same positions.

    Attributes:
        left: (M,) int64, number of the key frame at or before each output time.
        weight: (M,) float32 in [0, 1), weight of the next key frame.
    """

    left: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float32]

    @cached_property
    def segments(self) -> list[Segment]:
        """The output frames in order, in as few segments as there are intervals between key frames."""
        starts = [0, *(np.flatnonzero(np.diff(self.left)) + 1).tolist(), len(self.left)]
        segments: list[Segment] = []
        for start, stop in pairwise(starts):
            key, weight = int(self.left[start]), self.weight[start:stop, None]
            if weight.any():
                segments.append(Segment(start, stop - start, key, 1, torch.from_numpy(weight)))
            else:
                _append_key_frame(segments, Segment(start, stop - start, key, 1, None))
        return segments


def _append_key_frame(segments: list[Segment], new: Segment) -> None:
    """Adds outputs that are all one key frame, to the last segment where that can make them too."""
    if segments and new.length == 1:
        last = segments[-1]
        if last.weight is not None and new.key == last.key + 1:
            # Where the weight is 1, `torch.lerp` returns its end untouched.
            end = torch.ones(1, 1, dtype=last.weight.dtype, device=last.weight.device)
            segments[-1] = last._replace(length=last.length + 1, weight=torch.cat([last.weight, end]))
            return
        if last.weight is None and last.length == last.num_keys and new.key == last.key + last.num_keys:
            segments[-1] = last._replace(length=last.length + 1, num_keys=last.num_keys + 1)
            return
    segments.append(new)


class ClipPlans:
    """The plan of each clip at M evenly spaced output times.

    Args:
        positions: (S,) positions of all key frames.
        offsets: (N+1,) first key frame of each clip.
        num_frames: (N,) T of each clip.
        num_outputs: M; for M = T the times are the whole frames.
    """

    def __init__(
        self,
        positions: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        num_frames: npt.NDArray[np.int64],
        num_outputs: int,
    ) -> None:
        self._positions = positions
        self._offsets = offsets
        self._num_frames = num_frames
        self._times = {
            int(length): resample_times(int(length), num_outputs) for length in np.unique(num_frames)
        }
        # Many clips share their positions: two key frames, or every frame.
        self._plans: dict[tuple[int, bytes], ClipPlan] = {}

    def of(self, clip: int) -> ClipPlan:
        """Returns the plan of a clip by its number."""
        positions = self._positions[self._offsets[clip] : self._offsets[clip + 1]]
        num_frames = int(self._num_frames[clip])
        key = (num_frames, positions.tobytes())
        plan = self._plans.get(key)
        if plan is None:
            near = neighbours(positions, num_frames, times=self._times[num_frames])
            plan = self._plans[key] = ClipPlan(near.left, near.weight.astype(np.float32))
        return plan
