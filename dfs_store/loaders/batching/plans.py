"""Plans how to interpolate a clip (Eq. 3) at evenly spaced output times, and caches the plans."""

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

_MOST_KEPT = 256  # output frames; cached plans for many longer clips would take gigabytes


class Segment(NamedTuple):
    """Consecutive output frames that one operation can compute.

    If there is a weight, every frame interpolates the same two neighbouring key frames. Otherwise, the frames
    are copies of consecutive key frames, or of a single, repeated key frame.

    Attributes:
        start: index of the first output frame.
        length: number of output frames.
        key: index of the first key frame, within the clip.
        num_keys: number of key frames to copy; always 1 if there is a weight, although the next key frame
            is then used as well.
        weight: weight of the next key frame, (length, 1) float32 in [0, 1], or None.
    """

    start: int
    length: int
    key: int
    num_keys: int
    weight: Tensor | None


@dataclass(frozen=True)
class ClipPlan:
    """How Eq. 3 interpolates all clips with the same key-frame positions.

    Attributes:
        left: index of the key frame at or before each output time, (M,) int64.
        weight: weight of the next key frame, (M,) float32 in [0, 1).
    """

    left: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float32]

    @cached_property
    def segments(self) -> list[Segment]:
        """Segments that cover the output frames in order, at most one per interval between key frames."""
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
    if segments and new.length == 1:
        last = segments[-1]
        if last.weight is not None and new.key == last.key + 1:
            # At weight 1, `torch.lerp` returns its end point unchanged.
            end = torch.ones(1, 1, dtype=last.weight.dtype, device=last.weight.device)
            segments[-1] = last._replace(length=last.length + 1, weight=torch.cat([last.weight, end]))
            return
        if last.weight is None and last.length == last.num_keys and new.key == last.key + last.num_keys:
            segments[-1] = last._replace(length=last.length + 1, num_keys=last.num_keys + 1)
            return
    segments.append(new)


def plan_of(positions: npt.NDArray[np.int64], num_frames: int, num_outputs: int) -> ClipPlan:
    """Returns the plan for a clip at evenly spaced output times. Clips with equal positions share a plan.

    Args:
        positions: positions of the clip's key frames, (K,).
        num_frames: T, the number of frames in the clip.
        num_outputs: M, the number of output frames. If M = T, the times are 0, 1, ..., T-1.
    """
    plan = _plan if num_outputs <= _MOST_KEPT else _plan.__wrapped__
    return plan(positions.tobytes(), num_frames, num_outputs)


# Many clips have the same positions: two key frames, or every frame.
@lru_cache(maxsize=2**14)
def _plan(positions: bytes, num_frames: int, num_outputs: int) -> ClipPlan:
    times = resample_times(num_frames, num_outputs)
    near = neighbours(np.frombuffer(positions, dtype=np.int64), num_frames, times=times)
    return ClipPlan(near.left, near.weight.astype(np.float32))
