"""The numbers of Eq. 3 for a clip at evenly spaced output times, worked out once, on first need."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.interpolation import neighbours, resample_times

__all__ = ["ClipPlan", "Segment", "plan_of"]

_MOST_KEPT = 256  # output frames: the plans of many long clips would take gigabytes


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


def plan_of(positions: npt.NDArray[np.int64], num_frames: int, num_outputs: int) -> ClipPlan:
    """Returns the plan of a clip for evenly spaced output times; clips with equal positions share it.

    Args:
        positions: (K,) positions of the clip's key frames.
        num_frames: T of the clip.
        num_outputs: M; for M = T the times are the whole frames.
    """
    plan = _plan if num_outputs <= _MOST_KEPT else _plan.__wrapped__
    return plan(positions.tobytes(), num_frames, num_outputs)


# Many clips share their positions: two key frames, or every frame.
@lru_cache(maxsize=2**14)
def _plan(positions: bytes, num_frames: int, num_outputs: int) -> ClipPlan:
    times = resample_times(num_frames, num_outputs)
    near = neighbours(np.frombuffer(positions, dtype=np.int64), num_frames, times=times)
    return ClipPlan(near.left, near.weight.astype(np.float32))
