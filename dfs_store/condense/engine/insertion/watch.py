"""Records, for watched clips, how well the gradients of frames and key frames agree at a step."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Watch"]


class Watch:
    """The insertion scores of watched clips at one step, combined over the processes of a run.

    Args:
        clips: numbers of the clips in the finished store; numbers that do not exist are ignored.
        num_frames: T, the number of frames per clip.
    """

    def __init__(self, clips: Sequence[int], num_frames: int) -> None:
        self._rows = {clip: row for row, clip in enumerate(dict.fromkeys(clips))}
        self._scores: npt.NDArray[np.float64] = np.full((len(self._rows), num_frames), np.nan)

    def look(self, cosines: npt.NDArray[np.float64], first_clip: int) -> None:
        """Records the scores of watched clips.

        Args:
            cosines: (2, N, T), cosines of N successive clips.
            first_clip: number of the first of these clips.
        """
        for clip, row in self._rows.items():
            if first_clip <= clip < first_clip + cosines.shape[1]:
                self._scores[row] = cosines[:, clip - first_clip].max(axis=0)

    def numbers(self) -> list[float]:
        """Returns the numbers to sum over processes: all scores, then a 1 or 0 for each (known or not)."""
        known = np.isfinite(self._scores)
        return [*np.where(known, self._scores, 0.0).ravel().tolist(), *known.ravel().astype(float).tolist()]

    def scores(self, totals: Sequence[float]) -> dict[int, tuple[float | None, ...]]:
        """Returns the T scores of every watched clip, given the sums over all processes.

        A score is the larger of a frame's two cosines, or None at a key frame or for a zero gradient.
        """
        values, known = np.asarray(totals, dtype=np.float64).reshape(2, *self._scores.shape)
        return {
            clip: tuple(float(v) if k else None for v, k in zip(values[row], known[row], strict=True))
            for clip, row in self._rows.items()
            if known[row].any()
        }
