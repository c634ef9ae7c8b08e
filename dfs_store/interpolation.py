"""Linear interpolation between key frames (Eq. 3), in NumPy.

Eq. 3 is implemented only here. ``format`` applies the indices and weights to arrays, ``loaders`` to tensors,
and ``condense`` to the clips that it optimises. Positions are 0-based (the paper counts frames from 1).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dfs_store.errors import PositionsError, SettingsError

__all__ = [
    "Neighbours",
    "check_key_frame_count",
    "check_num_frames",
    "check_positions",
    "check_times",
    "matrix_of",
    "neighbours",
    "rebuild",
    "resample_times",
    "weight_matrix",
]

MAX_FRAMES = 65_536  # positions are stored as uint16


class Neighbours(NamedTuple):
    """The two key frames around each output time, and the weight of the second one.

    ``frame = (1 - weight) * key_frames[left] + weight * key_frames[right]``. In the notation of Eq. 3,
    ``weight = 1 - alpha`` with ``alpha = (b - t) / (b - a)``. At a key position, ``left == right`` and
    ``weight == 0``, so the key frame is returned exactly.

    Attributes:
        left: (M,) int64, index of the key frame at or before the time.
        right: (M,) int64, index of the key frame at or after the time.
        weight: (M,) float64 in [0, 1), weight of the right key frame.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]


def check_positions(positions: npt.ArrayLike, num_frames: int) -> npt.NDArray[np.int64]:
    """Checks key-frame positions and returns them as (K,) int64.

    Args:
        positions: K integers, the 0-based frame numbers of the key frames.
        num_frames: T, the number of frames in the clip, at least 2.

    Raises:
        PositionsError: the first position is not 0, the last is not T-1, or they do not strictly increase.
            A single key frame at position 0 is allowed; its clip is a still image.
        SettingsError: `num_frames` is outside 2..65536.
    """
    check_num_frames(num_frames)
    array = np.asarray(positions)
    if array.ndim != 1 or array.size == 0:
        raise PositionsError(f"positions must be a non-empty list of frame numbers, got shape {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise PositionsError(f"positions must be whole numbers, got dtype {array.dtype}")
    array = array.astype(np.int64)
    if array[0] != 0:
        raise PositionsError(f"the first position must be 0, got {array[0]} in {_shown(array)}")
    if array.size > 1 and array[-1] != num_frames - 1:
        raise PositionsError(
            f"the last position must be num_frames - 1 = {num_frames - 1}, got {array[-1]} in {_shown(array)}"
        )
    if (np.diff(array) <= 0).any():
        raise PositionsError(f"positions must strictly increase, got {_shown(array)}")
    return array


def _shown(array: npt.NDArray[np.int64]) -> str:
    return np.array2string(array, threshold=12)


def check_num_frames(num_frames: int) -> None:
    """Raises SettingsError unless 2 <= num_frames <= 65536."""
    if not 2 <= num_frames <= MAX_FRAMES:
        raise SettingsError(
            f"num_frames must be between 2 and {MAX_FRAMES} (a clip has a first and a last frame, and "
            f"positions are 16-bit), got {num_frames}"
        )


def check_key_frame_count(count: int, num_frames: int, flag: str) -> None:
    """Raises SettingsError unless 1 <= count <= num_frames; `flag` names the option in the message."""
    if not 1 <= count <= num_frames:
        raise SettingsError(
            f"{flag} must be between 1 and {num_frames} for clips of {num_frames} frames, got {count}"
        )


def neighbours(
    positions: npt.ArrayLike, num_frames: int, *, times: npt.ArrayLike | None = None
) -> Neighbours:
    """Finds the two key frames around each output time, and their weights (Eq. 3).

    Args:
        positions: (K,) integers, see `check_positions`.
        num_frames: T, the number of frames in the clip.
        times: output times in frames, (M,) floats in [0, T-1]. Defaults to 0, 1, ..., T-1.

    Returns:
        `Neighbours` for the M times.

    Raises:
        PositionsError: the positions are invalid.
        SettingsError: `num_frames` is outside 2..65536, or a time is outside [0, T-1] or NaN.
    """
    keys = check_positions(positions, num_frames)
    moments = check_times(times, num_frames)
    left = np.searchsorted(keys, moments, side="right") - 1
    right = np.minimum(left + 1, keys.size - 1)
    gap = keys[right] - keys[left]
    weight = np.where(gap > 0, (moments - keys[left]) / np.maximum(gap, 1), 0.0)
    return Neighbours(left, np.where(weight > 0, right, left), weight)


def rebuild(key_frames: npt.NDArray[np.float32], near: Neighbours) -> npt.NDArray[np.float32]:
    """Rebuilds a clip from its key frames (Eq. 3). The key frames are reproduced exactly.

    Args:
        key_frames: the key frames, (K, C, H, W) float32.
        near: neighbours for the M output times.

    Returns:
        (M, C, H, W) float32, a new array.
    """
    weight = near.weight[:, None, None, None]
    rebuilt: npt.NDArray[np.float32] = key_frames[near.left] * (1.0 - weight).astype(np.float32)
    mixed = np.flatnonzero(near.weight)  # nothing is added at key positions, so those frames stay exact
    rebuilt[mixed] += key_frames[near.right[mixed]] * weight[mixed].astype(np.float32)
    return rebuilt


def check_times(times: npt.ArrayLike | None, num_frames: int) -> npt.NDArray[np.float64]:
    """Checks output times and returns them as (M,) float64; None means 0, 1, ..., T-1.

    Raises:
        SettingsError: the times are not one-dimensional, or a time is outside [0, T-1] or NaN.
    """
    if times is None:
        return np.arange(num_frames, dtype=np.float64)
    moments = np.asarray(times, dtype=np.float64)
    if moments.ndim != 1:
        raise SettingsError(f"times must be a one-dimensional list of numbers, got shape {moments.shape}")
    outside = ~((moments >= 0) & (moments <= num_frames - 1))
    if outside.any():
        raise SettingsError(
            f"times must be in [0, num_frames - 1] = [0, {num_frames - 1}], got {moments[outside][0]}"
        )
    return moments


def resample_times(num_frames: int, num_output_frames: int) -> npt.NDArray[np.float64]:
    """Returns M evenly spaced times from the first to the last frame of a clip of T frames.

    For M = 1, the time is the middle of the clip. For M = T, the times are exactly 0, 1, ..., T-1.

    Raises:
        SettingsError: `num_output_frames` is below 1.
    """
    if num_output_frames < 1:
        raise SettingsError(f"the number of output frames must be at least 1, got {num_output_frames}")
    if num_output_frames == 1:
        return np.array([(num_frames - 1) / 2])
    return np.linspace(0, num_frames - 1, num_output_frames)


def weight_matrix(
    positions: npt.ArrayLike, num_frames: int, *, times: npt.ArrayLike | None = None
) -> npt.NDArray[np.float32]:
    """Returns the matrix W that expresses Eq. 3 as a product: clip = W @ key_frames.

    Returns:
        (M, K) float32. Every row is non-negative, sums to 1 and has at most two nonzero entries.

    Raises:
        PositionsError, SettingsError: see `neighbours`.
    """
    return matrix_of(neighbours(positions, num_frames, times=times), np.size(positions))


def matrix_of(near: Neighbours, num_key_frames: int) -> npt.NDArray[np.float32]:
    """Returns the matrix of `weight_matrix`, (M, K) float32, for neighbours that are already known."""
    rows = np.arange(near.left.size)
    matrix = np.zeros((near.left.size, num_key_frames), dtype=np.float32)
    matrix[rows, near.right] = near.weight
    # Assigned last, so that the entry at a key position (left == right) is exactly 1.
    matrix[rows, near.left] = 1.0 - near.weight
    return matrix
