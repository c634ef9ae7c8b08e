"""Evidence for insertion, accumulated for every frame over the steps between two tests."""

import numpy as np
import numpy.typing as npt

__all__ = ["Evidence"]


class Evidence:
    """Accumulates how well the gradient of each frame agrees with the gradients of its adjacent key frames.

    A step is not counted for a frame if one of the frame's two cosines is unknown, as at a key frame or if a
    gradient is zero.

    Attributes:
        cosine_sums: (N, 2, T) float64, cosines with the left and right key frames, summed over steps.
        opposed: (N, T) int64, number of steps at which the frame disagreed with both key frames.
        steps: (N, T) int64, number of steps counted.
    """

    def __init__(self, num_clips: int, num_frames: int) -> None:
        self.cosine_sums: npt.NDArray[np.float64] = np.zeros((num_clips, 2, num_frames))
        self.opposed: npt.NDArray[np.int64] = np.zeros((num_clips, num_frames), dtype=np.int64)
        self.steps: npt.NDArray[np.int64] = np.zeros((num_clips, num_frames), dtype=np.int64)

    def add(self, cosines: npt.NDArray[np.float64], opposed: npt.NDArray[np.bool_]) -> None:
        """Adds the cosines of a step.

        Args:
            cosines: (2, N, T), cosines with the left and right key frames; NaN if unknown.
            opposed: (N, T), whether the frame disagrees with both adjacent key frames; False if unknown.
        """
        known = ~np.isnan(cosines).any(axis=0)
        self.cosine_sums += np.where(known, cosines, 0.0).swapaxes(0, 1)
        self.opposed += opposed
        self.steps += known

    def restore(
        self,
        cosine_sums: npt.NDArray[np.float64],
        opposed: npt.NDArray[np.int64],
        steps: npt.NDArray[np.int64],
    ) -> None:
        """Restores a saved state of the same N clips; see the attributes."""
        self.cosine_sums[...] = cosine_sums
        self.opposed[...] = opposed
        self.steps[...] = steps

    def clear(self) -> None:
        """Discards the accumulated evidence."""
        for array in (self.cosine_sums, self.opposed, self.steps):
            array.fill(0)

    @property
    def mean_cosines(self) -> npt.NDArray[np.float64]:
        """Mean cosines over steps, (2, N, T) float64; NaN for frames without a counted step."""
        steps = np.where(self.steps > 0, self.steps, np.nan)
        means: npt.NDArray[np.float64] = self.cosine_sums.swapaxes(0, 1) / steps
        return means

    @property
    def opposed_shares(self) -> npt.NDArray[np.float64]:
        """Fraction of steps at which frames disagreed, (N, T) float64; NaN if no steps were counted."""
        shares: npt.NDArray[np.float64] = self.opposed / np.where(self.steps > 0, self.steps, np.nan)
        return shares
