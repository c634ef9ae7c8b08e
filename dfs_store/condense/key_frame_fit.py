"""The few key frames from which linear interpolation rebuilds a real clip best.

Errors are sums of squares over all values of a clip, in whatever unit its frames have. All of them follow
from the clip's Gram matrix, the (T, T) inner products of its frames, so a clip is read once to choose its
positions, however many key frames are tried.
"""

import heapq
import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.interpolation import weight_matrix

__all__ = ["Fit", "best_fits", "fewest_within", "fitted_key_frames", "gram_matrix", "share_out"]

Floats = npt.NDArray[np.float64]

# Sums of squares differ by this share from rounding alone (float64, with room to spare).
_ROUNDING = 1e-12


class Fit(NamedTuple):
    """Positions of key frames, and what is lost.

    Attributes:
        positions: (K,) int64.
        error: sum of squared errors of the clip rebuilt from the least-squares key frames at these positions.
    """

    positions: npt.NDArray[np.int64]
    error: float


def gram_matrix(frames: npt.NDArray[np.float32]) -> Floats:
    """Returns the inner products (T, T) float64 of the frames (T, ...) of a clip."""
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    return flat @ flat.T


def best_fits(gram: Floats) -> list[Fit]:
    """Returns for every number of key frames K = 1..T the best fit found, errors never rising with K.

    Positions are optimal, by dynamic programming over the clip, for key frames that are frames of the clip
    (then a stretch between two key frames depends on these two alone). Least squares then moves the values of
    all key frames together, which can only lower the error. One key frame is the mean frame. Where another
    key frame would not help, the fit with fewer is repeated.

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
        # total[i, j]: reach frame i with one key frame less, then go on to frame j.
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
        fits: of 1, 2, ... key frames, see `best_fits`; the last is taken where none is good enough.
        max_error: in the unit of the frames.
        num_values: of the whole clip.
    """
    allowed = max_error**2 * num_values
    return next((fit for fit in fits if fit.error <= allowed), fits[-1])


def fitted_key_frames(
    frames: npt.NDArray[np.float32], positions: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Returns the key frames (K, ...) float32 at `positions` that rebuild a clip (T, ...) best (Eq. 3)."""
    weights = weight_matrix(positions, len(frames)).astype(np.float64)
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    values = np.linalg.solve(weights.T @ weights, weights.T @ flat)
    return values.astype(np.float32).reshape(len(positions), *frames.shape[1:])


def share_out(errors: list[list[float]], num_key_frames: int) -> list[int]:
    """Shares key frames out among clips so that the sum of their errors is small.

    Each clip has one at first. The rest go, again and again, where they lower the error most per key frame
    (along the lower convex hull of each clip's errors): the optimum, but for the last few key frames, which
    may be too few for the next step of any clip.

    Args:
        errors: per clip, its error with 1, 2, ... key frames, never rising.
        num_key_frames: at most so many in all, at least one per clip.

    Returns:
        The number of key frames of every clip.
    """
    steps = [_hull_steps(curve) for curve in errors]
    # The next step of every clip, the one that gains most per key frame on top.
    ready = [(-_gain(own[0]), clip, 0) for clip, own in enumerate(steps) if own]
    heapq.heapify(ready)
    counts = [1] * len(errors)
    left = num_key_frames - len(errors)
    while ready:
        _, clip, number = heapq.heappop(ready)
        start, end, *_ = steps[clip][number]
        if end - start > left:
            continue  # and with it all later steps of this clip
        counts[clip] = end + 1
        left -= end - start
        if number + 1 < len(steps[clip]):
            heapq.heappush(ready, (-_gain(steps[clip][number + 1]), clip, number + 1))
    return counts


def _gain(step: tuple[int, int, float, float]) -> float:
    start, end, before, after = step
    return (before - after) / (end - start)


def _hull_steps(curve: list[float]) -> list[tuple[int, int, float, float]]:
    """Returns the edges (start, end, value there, value here) of the lower convex hull that go down."""
    hull: list[int] = []
    for number in range(len(curve)):
        while len(hull) > 1 and _above(curve, hull[-2], hull[-1], number):
            hull.pop()
        hull.append(number)
    edges = [(a, b, curve[a], curve[b]) for a, b in itertools.pairwise(hull)]
    return [edge for edge in edges if edge[3] < edge[2]]


def _above(curve: list[float], left: int, middle: int, right: int) -> bool:
    slope = (curve[right] - curve[left]) / (right - left)
    return curve[middle] > curve[left] + slope * (middle - left)


def _stretch_errors(gram: Floats) -> Floats:
    """Returns (T, T): the error of all frames between i and j, interpolated from frames i < j; else inf."""
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
    return max(0.0, float(np.trace(gram) - np.trace(explained)))  # rounding may go below zero
