"""For every clip of a dataset the numbers of Eq. 3 at the output times, worked out once, on first need."""

import numpy as np
import numpy.typing as npt

from dfs_store.interpolation import neighbours, resample_times

__all__ = ["ClipPlans"]


class ClipPlans:
    """Neighbours and weights of each clip at M evenly spaced output times.

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
        num_clips = len(num_frames)
        # Pages of these are taken from the system only as clips are asked for.
        self._left = np.empty((num_clips, num_outputs), dtype=np.int64)
        self._weight = np.empty((num_clips, num_outputs), dtype=np.float32)
        self._known = np.zeros(num_clips, dtype=bool)
        self._times = {
            int(length): resample_times(int(length), num_outputs) for length in np.unique(num_frames)
        }
        # Many clips share their positions: two key frames, or every frame.
        self._first_with: dict[tuple[int, bytes], int] = {}

    def of(self, clips: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Returns (left (B, M) int64, weight (B, M) float32) of B clips, see `dense_weights`."""
        for clip in clips[~self._known[clips]].tolist():
            self._work_out(clip)
        return self._left[clips], self._weight[clips]

    def _work_out(self, clip: int) -> None:
        positions = self._positions[self._offsets[clip] : self._offsets[clip + 1]]
        num_frames = int(self._num_frames[clip])
        first = self._first_with.setdefault((num_frames, positions.tobytes()), clip)
        if first != clip:
            self._left[clip], self._weight[clip] = self._left[first], self._weight[first]
        else:
            near = neighbours(positions, num_frames, times=self._times[num_frames])
            self._left[clip], self._weight[clip] = near.left, near.weight
        self._known[clip] = True
