"""Where motion is not linear: the gradient-guided insertion of key frames (Eq. 4-7).

A candidate, a position that is no key frame, qualifies when its gradient disagrees with the gradients of
BOTH adjacent key frames. All cosines of a clip come from one matrix of dot products between the gradients
of its rendered frames, taken over all C*H*W values in float32: they are small, and bfloat16 would flip
their signs.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.key_frames import KeyFrameSet

__all__ = ["InsertionRule", "adjacent_cosines", "gradient_dots"]

Metric = Literal["cosine", "l2"]
Selection = Literal["lowest", "random"]
Insertions = Literal["one", "all"]
GradientReading = Literal["frame", "accumulated"]

DEFAULT_EPSILON: dict[str, float] = {"cosine": 0.0, "l2": 0.141}


def gradient_dots(gradient: Tensor) -> Tensor:
    """Returns the dot products between the gradients of all rendered frames of a clip.

    Args:
        gradient: (N, T, C, H, W) of the loss with respect to the rendered clips.

    Returns:
        (N, T, T) float64 on the same device, multiplied in float32.
    """
    flat = gradient.flatten(2).to(torch.float32)
    return torch.bmm(flat, flat.transpose(1, 2)).to(torch.float64)


def adjacent_cosines(dots: Tensor, key_frames: KeyFrameSet, reading: GradientReading) -> Tensor:
    """Returns for every frame the cosines of its gradient with those of its adjacent key frames (Eq. 4, 5).

    Args:
        dots: (N, T, T) from `gradient_dots`.
        key_frames: the N clips.
        reading: which gradient is that of a key frame. "frame": that of the rendered frame at its position.
            "accumulated": its full parameter gradient, which sums over all frames that it takes part in.

    Returns:
        (2, N, T) float64 on the CPU, to the left and to the right key frame. Not-a-number at key positions
        and where a gradient is zero, so that these never qualify.
    """
    if reading == "accumulated":
        mix = key_frames.weights.to(torch.float64)  # (N, T, K): a key frame's gradient = sum of rows * weight
    else:
        mix = (key_frames.weights == 1).to(torch.float64)  # exactly 1 at the key frame's own position only
    key_dots = torch.bmm(mix.transpose(1, 2), dots)  # (N, K, T): key gradient with frame gradient
    key_norms = (key_dots * mix.transpose(1, 2)).sum(2).clamp(min=0).sqrt()  # (N, K)
    frame_norms = dots.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()  # (N, T)
    cosines = key_dots / (key_norms[:, :, None] * frame_norms[:, None, :])
    sides = torch.stack(
        [cosines.gather(1, side[:, None, :]).squeeze(1) for side in (key_frames.left, key_frames.right)]
    )
    is_key = key_frames.left == key_frames.right
    sides[:, is_key] = torch.nan
    return torch.where(sides.isfinite(), sides, torch.nan).cpu()


@dataclass(frozen=True)
class InsertionRule:
    """Which candidates become key frames, once their cosines are known (Eq. 6, 7 and Table 6).

    Attributes:
        metric: "cosine": both cosines below epsilon. "l2" (Table 6C): the distances of the unit-normalised
            gradients, sqrt(2 - 2 cos), both above epsilon.
        epsilon: the threshold, 0 for cosine and 0.141 for l2 in the paper.
        selection: "lowest": the candidate furthest from agreement, scored by the larger of its two cosines.
            "random" (Table 6B): the same trigger, but the position uniform over all non-key positions.
        insertions: "one" per clip and step, or "all" that qualify at once (Eq. 7 read literally).
        gradient: how a key frame's gradient is read, see `adjacent_cosines`.
    """

    metric: Metric = "cosine"
    epsilon: float = 0.0
    selection: Selection = "lowest"
    insertions: Insertions = "one"
    gradient: GradientReading = "frame"

    def choose(self, cosines: Tensor, generator: np.random.Generator) -> list[tuple[int, int]]:
        """Picks the positions to insert.

        Args:
            cosines: (2, N, T) from `adjacent_cosines`.
            generator: for the random selection only.

        Returns:
            (clip, position) pairs, at most one per clip where `insertions` is "one"; ties go to the earlier.
        """
        # The worse of the two sides: a candidate must disagree with both adjacent key frames.
        score: npt.NDArray[np.float64] = cosines.amax(0).numpy()
        if self.metric == "l2":
            distance = np.sqrt(np.maximum(2 - 2 * score, 0))
            qualifies = distance > self.epsilon
        else:
            qualifies = score < self.epsilon
        chosen: list[tuple[int, int]] = []
        for clip in np.flatnonzero(qualifies.any(axis=1)):
            positions = np.flatnonzero(qualifies[clip])
            count = positions.size if self.insertions == "all" else 1
            if self.selection == "random":
                candidates = np.flatnonzero(~np.isnan(score[clip]))
                positions = np.sort(generator.choice(candidates, size=count, replace=False))
            else:
                positions = np.sort(positions[np.argsort(score[clip, positions], kind="stable")[:count]])
            chosen += [(int(clip), int(position)) for position in positions]
        return chosen
