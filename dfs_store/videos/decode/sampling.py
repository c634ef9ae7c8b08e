"""Sampling rules: which frames of a video form a clip, and at what size. Does not open any video.

Frames are numbered in presentation order from 0, even if the frame rate varies. A random start is derived
from a hash of (seed, split, file, view), so it does not depend on the order of the files, the worker that
decodes them, or the version of a random-number library.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.interpolation import check_num_frames
from dfs_store.names import known_name

__all__ = ["Sampling", "centre_crop_offsets", "frame_numbers", "resized_shape"]

RULES = ("interval", "middle", "even")
RESIZES = ("stretch-crop", "keep-crop", "direct")

# The field of view of the paper's protocol: a 112 x 112 crop of 160 x 120 pixels.
_REFERENCE_WIDTH, _REFERENCE_HEIGHT, _REFERENCE_CROP = 160, 120, 112

_MIN_SIZE_PIXELS, _MAX_SIZE_PIXELS = 8, 4096


@dataclass(frozen=True)
class Sampling:
    """How a clip is cut from a video.

    Attributes:
        frames: T, the number of frames per clip, 2..65536.
        stride: distance between sampled frames, for the rule `interval`; None for the other rules.
        size: height and width of a frame in pixels, 8..4096.
        rule: which frames to use. `interval` (UCF101, HMDB51, folders) selects every `stride`-th frame from a
            random start, `middle` (Kinetics-400) selects frames from a few seconds around the middle, and
            `even` (Something-Something V2) selects frames evenly spaced over the whole video.
        resize: how to resize frames. `stretch-crop` (UCF101, HMDB51) resizes to 160 x 120 and crops the
            centre 112 x 112, with the same proportions at other sizes. `keep-crop` (folders) has the same
            field of view but keeps the aspect ratio, so that both yield the same pixels for 4:3 videos.
            `direct` resizes the whole frame to a square.

    Raises:
        SettingsError: a value is invalid.
    """

    frames: int = 16
    stride: int | None = 4
    size: int = 112
    rule: str = "interval"
    resize: str = "stretch-crop"

    def __post_init__(self) -> None:
        check_num_frames(self.frames)
        if not _MIN_SIZE_PIXELS <= self.size <= _MAX_SIZE_PIXELS:
            raise SettingsError(
                f"size must be between {_MIN_SIZE_PIXELS} and {_MAX_SIZE_PIXELS} pixels, got {self.size}"
            )
        known_name(self.rule, RULES, "rule")
        known_name(self.resize, RESIZES, "resize")
        if self.rule == "interval" and (self.stride is None or self.stride < 1):
            raise SettingsError(f"stride must be at least 1 frame, got {self.stride}")
        if self.rule != "interval" and self.stride is not None:
            raise SettingsError(
                f"stride must be None for the rule {self.rule!r}, which spaces frames by the length of the "
                f"video, got {self.stride}"
            )

    @property
    def has_random_start(self) -> bool:
        """Whether two views of one video can differ."""
        return self.rule == "interval"

    def num_views(self, split: str, random_starts: int = 0) -> int:
        """Returns V: 1, plus `random_starts` for test clips if the rule has random starts."""
        return 1 + random_starts if split != "train" and self.has_random_start else 1

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as a JSON object."""
        return asdict(self)


def frame_numbers(
    sampling: Sampling, length: int, fps: float, *, seed: int, split: str, file: str, view: int = 0
) -> npt.NDArray[np.int64]:
    """Returns the frame numbers of one view of a clip.

    Training clips have one view, with a random start. View 0 of a test clip is the centre; the other views
    have random starts. The rules `middle` and `even` are deterministic.

    Args:
        sampling: the rule, the number of frames and the stride.
        length: number of frames in the video, at least 1. If the video is shorter than the clip, frames are
            repeated.
        fps: frames per second of the video; used only by the rule `middle`.
        seed: seed of the random starts.
        split: "train" or "test".
        file: path of the video relative to the dataset, with forward slashes.
        view: number of the view.

    Returns:
        (T,) int64, non-decreasing, in 0..length-1.

    Raises:
        SettingsError: `length` is below 1.
    """
    if length < 1:
        raise SettingsError(f"a video must have at least one frame, got length {length}")
    if sampling.rule == "middle":
        return _middle(sampling.frames, length, fps)
    if sampling.rule == "even":
        return _even(sampling.frames, length)
    assert sampling.stride is not None
    if length < sampling.frames:
        return _repeated(sampling.frames, length)
    interval = sampling.stride if length >= sampling.frames * sampling.stride else length // sampling.frames
    num_starts = length - (sampling.frames - 1) * interval
    if split != "train" and view == 0:
        start = (num_starts - 1) // 2
    else:
        start = _draw(num_starts, seed, split, file, view)
    return start + interval * np.arange(sampling.frames, dtype=np.int64)


def _draw(count: int, seed: int, split: str, file: str, view: int) -> int:
    """Returns a number in 0..count-1 that is determined by the other arguments."""
    digest = hashlib.sha256("\0".join((str(seed), split, file, str(view))).encode()).digest()
    return (int.from_bytes(digest[:8], "big") * count) >> 64


def _repeated(frames: int, length: int) -> npt.NDArray[np.int64]:
    """Returns frame numbers that repeat the frames of a video shorter than the clip."""
    return np.arange(frames, dtype=np.int64) * length // frames


def _middle(frames: int, length: int, fps: float) -> npt.NDArray[np.int64]:
    """Selects frames for Kinetics-400, from the middle 4 s (2, 1 or 2/3 s of videos under 4, 2 or 1 s).

    With 8 frames, that is 2, 4, 8 or 12 frames per second. Clips with a different number of frames span the
    same time.
    """
    seconds = length / fps
    window = 4.0 if seconds >= 4 else 2.0 if seconds >= 2 else 1.0 if seconds >= 1 else 8 / 12
    start = max(0.0, seconds / 2 - window / 2)
    times = start + window / frames * np.arange(frames)
    nearest: npt.NDArray[np.int64] = np.floor(times * fps + 0.5).astype(np.int64)
    return np.minimum(nearest, length - 1)


def _even(frames: int, length: int) -> npt.NDArray[np.int64]:
    """Selects frames for Something-Something V2, at the largest interval that fits, centred in the video."""
    if length < frames:
        return _repeated(frames, length)
    interval = (length - 1) // (frames - 1)
    start = (length - 1 - (frames - 1) * interval) // 2
    return start + interval * np.arange(frames, dtype=np.int64)


def resized_shape(sampling: Sampling, width: float, height: float) -> tuple[int, int]:
    """Returns the (width, height) in pixels to which a frame is scaled before it is cropped.

    Args:
        sampling: the size and the resizing rule.
        width: width of the frame as displayed, that is, upright and in its display aspect ratio.
        height: height of the frame as displayed.
    """
    size = sampling.size
    if sampling.resize == "direct":
        return size, size
    short = round(_REFERENCE_HEIGHT * size / _REFERENCE_CROP)
    if sampling.resize == "stretch-crop":
        return round(_REFERENCE_WIDTH * size / _REFERENCE_CROP), short
    scale = short / min(width, height)
    # In steps of two pixels, so that the same number is cropped on both sides.
    long = size + 2 * max(0, round((max(width, height) * scale - size) / 2))
    return (long, short) if width >= height else (short, long)


def centre_crop_offsets(width: int, height: int, size: int) -> tuple[int, int]:
    """Returns the offsets (left, top) of the centre crop in pixels."""
    return (width - size) // 2, (height - size) // 2
