"""Gradient-guided insertion of key frames where motion is not linear (Eq. 4-7).

A candidate, which is a position without a key frame, qualifies if its gradient disagrees with the gradients
of BOTH adjacent key frames. All cosines of a clip are computed from the dot products between the gradients of
its rebuilt frames, in float32: cosines are small, and bfloat16 would flip their signs.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.engine.insertion.evidence import Evidence
from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.condense.settings import (
    Gathering,
    GradientReading,
    Insertions,
    Metric,
    Score,
    Selection,
)

__all__ = ["InsertionRule", "adjacent_cosines", "gradient_dots"]


DEFAULT_EPSILON: dict[str, float] = {"cosine": 0.0, "l2": 0.141}


def gradient_dots(gradient: Tensor) -> Tensor:
    """Returns the dot products between the gradients of all frames of each clip.

    Args:
        gradient: (N, T, C, H, W), gradient of the loss with respect to the rebuilt clips.

    Returns:
        (N, T, T) float64 on the same device, computed in float32.
    """
    flat = gradient.flatten(2).to(torch.float32)
    return torch.bmm(flat, flat.transpose(1, 2)).to(torch.float64)


def adjacent_cosines(dots: Tensor, key_frames: TrainableKeyFrames, reading: GradientReading) -> Tensor:
    """Returns the cosines between each frame's gradient and its adjacent key frames' gradients (Eq. 4, 5).

    Args:
        dots: (N, T, T) from `gradient_dots`.
        key_frames: key frames of the N clips.
        reading: which gradient to use for a key frame. "frame" is the gradient of the rebuilt frame at the
            key frame's position. "accumulated" is the key frame's parameter gradient, summed over all frames
            to which it contributes.

    Returns:
        (2, N, T) float64 on the device: cosines with the left and with the right key frame. NaN at key
        positions and for zero gradients, so that these never qualify.
    """
    if reading == "accumulated":
        mix = key_frames.weights.to(torch.float64)  # (N, T, K): a key frame's gradient = sum of rows * weight
    else:
        mix = (key_frames.weights == 1).to(torch.float64)  # 1 only at the key frame's own position
    key_dots = torch.bmm(mix.transpose(1, 2), dots)  # (N, K, T): key gradient with frame gradient
    key_norms = (key_dots * mix.transpose(1, 2)).sum(2).clamp(min=0).sqrt()  # (N, K)
    frame_norms = dots.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()  # (N, T)
    cosines = key_dots / (key_norms[:, :, None] * frame_norms[:, None, :])
    sides = torch.stack(
        [cosines.gather(1, side[:, None, :]).squeeze(1) for side in (key_frames.left, key_frames.right)]
    )
    known = sides.isfinite() & (key_frames.left != key_frames.right)
    return torch.where(known, sides, torch.nan)


@dataclass(frozen=True)
class InsertionRule:
    """Chooses which candidates become key frames (Eq. 6, 7 and Table 6).

    Attributes:
        metric: how gradients are compared. With "cosine", a candidate disagrees if both cosines are below
            epsilon; with "l2" (Table 6C), if the distances between the unit-normalised gradients,
            sqrt(2 - 2 cos), are both above epsilon.
        epsilon: the threshold, 0 for cosine and 0.141 for l2 in the paper.
        selection: which position to insert. "lowest" is the qualifying candidate furthest from agreement.
            "random" (Table 6B) is drawn from all positions without a key frame, if any candidate qualifies.
        insertions: how many positions to insert per clip at a test: "one", or "all" that qualify (Eq. 7 taken
            literally).
        gradient: which gradient to use for a key frame, see `adjacent_cosines`.
        evidence: the evidence that a test uses. "last" means the cosines of the test's own step, as in the
            paper. "mean" averages each cosine over the steps since the last test. "persistent" uses the
            fraction of those steps at which the candidate disagrees.
        persistence: for "persistent", the fraction of steps at which a candidate must disagree to qualify.
        score: whether candidates are ranked by the "larger" or the "smaller" of their two cosines. With
            "persistent", candidates are ranked by the fraction of steps, and the mean cosine breaks ties.
    """

    metric: Metric = "cosine"
    epsilon: float = 0.0
    selection: Selection = "lowest"
    insertions: Insertions = "one"
    gradient: GradientReading = "frame"
    evidence: Gathering = "last"
    persistence: float = 0.5
    score: Score = "larger"

    def gather(self, cosines: npt.NDArray[np.float64], evidence: Evidence) -> None:
        """Adds the cosines (2, N, T) of a step, from `adjacent_cosines`, to the evidence of N clips."""
        if self.evidence == "last":
            evidence.clear()
        evidence.add(cosines, self._disagrees(cosines))

    def choose(self, evidence: Evidence, generator: np.random.Generator) -> list[tuple[int, int]]:
        """Chooses the positions to insert.

        Args:
            evidence: evidence for N clips since the last test.
            generator: used only by random selection.

        Returns:
            (clip, position) pairs, at most one per clip if `insertions` is "one". Ties go to the first
            position.
        """
        score, shares = self.scores(evidence), evidence.opposed_shares
        if self.evidence == "persistent":
            qualifies, first = shares >= self.persistence, -shares
        else:
            qualifies, first = self._disagrees(evidence.mean_cosines), np.zeros_like(score)
        chosen: list[tuple[int, int]] = []
        for clip in np.flatnonzero(qualifies.any(axis=1)):
            positions = np.flatnonzero(qualifies[clip])
            count = positions.size if self.insertions == "all" else 1
            if self.selection == "random":
                candidates = np.flatnonzero(~np.isnan(score[clip]))
                positions = np.sort(generator.choice(candidates, size=count, replace=False))
            else:
                order = np.lexsort((score[clip, positions], first[clip, positions]))
                positions = np.sort(positions[order[:count]])
            chosen += [(int(clip), int(position)) for position in positions]
        return chosen

    def count_candidates(self, cosines: npt.NDArray[np.float64]) -> int:
        """Returns the number of frames that qualify based on the cosines (2, N, T) of one step."""
        return int(self._disagrees(cosines).sum())

    def scores(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """Returns the larger (or smaller) of each frame's two mean cosines, (N, T) float64."""
        means = evidence.mean_cosines
        scores: npt.NDArray[np.float64] = means.max(axis=0) if self.score == "larger" else means.min(axis=0)
        return scores

    def _disagrees(self, cosines: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        larger = cosines.max(axis=0)
        if self.metric == "l2":
            return np.asarray(np.sqrt(np.maximum(2 - 2 * larger, 0)) > self.epsilon)
        return np.asarray(larger < self.epsilon)
