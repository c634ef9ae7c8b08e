"""Herding chooses clips whose running mean of features stays closest to the mean of all clips."""

import numpy as np
import numpy.typing as npt

__all__ = ["herd"]


def herd(features: npt.NDArray[np.float64], count: int) -> list[int]:
    """Returns the numbers of the chosen clips, selected greedily without replacement.

    Choice i, counted from 0, minimises ``|| (i + 1) * mean - sum(chosen) - feature ||``. Ties go to the first
    clip.

    Args:
        features: (n, F) features of one class.
        count: number of clips to choose, at most n.
    """
    mean, total = features.mean(axis=0), np.zeros(features.shape[1])
    chosen: list[int] = []
    for number in range(count):
        distances = np.linalg.norm((number + 1) * mean - total - features, axis=1)
        distances[chosen] = np.inf
        chosen.append(int(distances.argmin()))
        total += features[chosen[-1]]
    return chosen
