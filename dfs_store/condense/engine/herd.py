"""Herding as a rule: members whose running mean stays nearest to the mean of all."""

import numpy as np
import numpy.typing as npt

__all__ = ["herd"]


def herd(features: npt.NDArray[np.float64], count: int) -> list[int]:
    """Chooses greedily, without replacement.

    Clip number i (from 0) is the one that minimises ``|| (i + 1) * mean - sum(chosen) - feature ||``, the
    first of equals.

    Args:
        features: (n, F) of one class.
        count: how many, at most n.
    """
    mean, total = features.mean(axis=0), np.zeros(features.shape[1])
    chosen: list[int] = []
    for number in range(count):
        distances = np.linalg.norm((number + 1) * mean - total - features, axis=1)
        distances[chosen] = np.inf
        chosen.append(int(distances.argmin()))
        total += features[chosen[-1]]
    return chosen
