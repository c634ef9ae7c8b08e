"""K-center chooses real clips that cover their class, so that no clip is far from a chosen one."""

import numpy as np
import numpy.typing as npt

from dfs_store.condense.methods._coreset import coreset

__all__ = ["METHOD", "cover"]


def cover(features: npt.NDArray[np.float64], count: int) -> list[int]:
    """Chooses the clip nearest to the mean, then repeatedly the one farthest from all chosen clips.

    The largest distance from a clip to the nearest chosen clip is then at most twice the optimum for any
    choice with the same first clip (Gonzalez, 1985). Ties go to the first clip.

    Args:
        features: (n, F) features of one class.
        count: number of clips to choose, at most n.
    """
    chosen = [int(np.linalg.norm(features - features.mean(axis=0), axis=1).argmin())]
    nearest = np.linalg.norm(features - features[chosen[0]], axis=1)
    while len(chosen) < count:
        nearest[chosen] = -np.inf  # never choose a clip twice: its duplicates also have distance 0
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(features - features[chosen[-1]], axis=1))
    return chosen


METHOD = coreset(cover)
