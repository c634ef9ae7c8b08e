"""Finds the key frames from which linear interpolation best rebuilds a real clip.

Errors are sums of squared differences over all values of a clip. They depend only on the clip's Gram matrix,
the (T, T) inner products of its frames, so the clip is read only once to choose positions for any number of
key frames.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.condense.fitting.share_out import PricedOption, share_out
from dfs_store.interpolation import weight_matrix

__all__ = ["Fit", "best_fits", "fewest_within", "fitted_key_frames", "gram_matrix", "share_out_key_frames"]

Floats = npt.NDArray[np.float64]

# Relative rounding error of sums of squares in float64, with a margin.
_ROUNDING = 1e-12


class Fit(NamedTuple):
    """Positions of key frames, and the resulting error.

    Attributes:
        positions: (K,) int64, positions of the key frames.
        error: sum of squared errors of the clip rebuilt from the least-squares key frames at these positions.
    """

    positions: npt.NDArray[np.int64]
    error: float


def gram_matrix(frames: npt.NDArray[np.float32]) -> Floats:
    """Returns the inner products of a clip's frames (T, ...) as a (T, T) float64 array."""
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    return flat @ flat.T


def best_fits(gram: Floats) -> list[Fit]:
    """Returns the best fit found for every number of key frames K = 1..T; errors never increase with K.

    Dynamic programming finds the optimal positions for key frames that are frames of the clip, so that each
    segment depends only on its two key frames. Least squares then adjusts the values of all key frames
    jointly, which can only lower the error. A single key frame is the mean frame. If an additional key frame
    does not help, the previous fit is repeated.

    Args:
        gram: (T, T), see `gram_matrix`.
    """
    length = len(gram)
    stretch = _stretch_errors(gram)
    least_gain = _ROUNDING * float(np.trace(gram))
    reached = np.full(length, np.inf)
    reached[0] = 0.0
    came_from: list[npt.NDArray[np.int64]] = []
    fits = [Fit(np.zeros(1, dtype=np.int64), _least_squares_error(gram, np.zeros(1, dtype=np.int64)))]
    for _ in range(1, length):
        # total[i, j] is the error of the frames up to j if the key frame before j is frame i.
        total = reached[:, None] + stretch
        came_from.append(total.argmin(axis=0))
        reached = total.min(axis=0)
        positions = [length - 1]
        for back in reversed(came_from):
            positions.append(int(back[positions[-1]]))
        found = np.array(positions[::-1], dtype=np.int64)
        fit = Fit(found, _least_squares_error(gram, found))
        fits.append(fit if fit.error < fits[-1].error - least_gain else fits[-1])
    return fits


def fewest_within(fits: list[Fit], max_error: float, num_values: int) -> Fit:
    """Returns the fit with the fewest key frames whose root-mean-square error is at most `max_error`.

    Args:
        fits: fits with 1, 2, ... key frames, see `best_fits`. If none is good enough, the last one is
            returned.
        max_error: maximum error, in the unit of the frames.
        num_values: number of values in the clip.
    """
    allowed = max_error**2 * num_values
    return next((fit for fit in fits if fit.error <= allowed), fits[-1])


def fitted_key_frames(
    frames: npt.NDArray[np.float32], positions: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Returns the key frames (K, ...) float32 at `positions` that best rebuild a clip (T, ...) (Eq. 3)."""
    weights = weight_matrix(positions, len(frames)).astype(np.float64)
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    values = np.linalg.solve(weights.T @ weights, weights.T @ flat)
    return values.astype(np.float32).reshape(len(positions), *frames.shape[1:])


def share_out_key_frames(errors: list[list[float]], num_key_frames: int, fewest: int = 1) -> list[int]:
    """Returns the number of key frames to use for each clip, so that the sum of errors is small.

    Args:
        errors: for each clip, its errors with 1, 2, ... key frames, which never increase.
        num_key_frames: maximum number of key frames in all clips, at least `fewest` per clip.
        fewest: minimum number of key frames per clip.
    """
    options = [own[fewest - 1 :] for own in map(_options, errors)]
    return [number + fewest for number in share_out(options, num_key_frames)]


def _options(errors: list[float]) -> list[PricedOption]:
    """Returns the options with 1, 2, ... key frames; a key frame that does not lower the error is free."""
    options: list[PricedOption] = []
    for count, error in enumerate(errors, start=1):
        helps = not options or error < options[-1].error
        options.append(PricedOption(count if helps else options[-1].cost, error))
    return options


def _stretch_errors(gram: Floats) -> Floats:
    """Returns the errors (T, T) of interpolating between frames i and j for all i < j; inf elsewhere."""
    length = len(gram)
    errors = np.full((length, length), np.inf)
    for i in range(length):
        for j in range(i + 1, length):
            between = np.arange(i + 1, j)
            weight = (between - i) / (j - i)
            errors[i, j] = np.sum(
                gram[between, between]
                + (1 - weight) ** 2 * gram[i, i]
                + weight**2 * gram[j, j]
                - 2 * (1 - weight) * gram[between, i]
                - 2 * weight * gram[between, j]
                + 2 * weight * (1 - weight) * gram[i, j]
            )
    return errors


def _least_squares_error(gram: Floats, positions: npt.NDArray[np.int64]) -> float:
    weights = weight_matrix(positions, len(gram)).astype(np.float64)
    explained = np.linalg.solve(weights.T @ weights, weights.T @ gram @ weights)
    return max(0.0, float(np.trace(gram) - np.trace(explained)))  # rounding can make it negative
