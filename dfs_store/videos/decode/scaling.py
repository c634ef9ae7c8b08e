"""Turns decoded frames into the pixels of a clip: scales, rotates and crops them."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from dfs_store.errors import DecodeError
from dfs_store.videos.decode.orientation import Orientation
from dfs_store.videos.decode.sampling import Sampling, centre_crop_offsets, resized_shape

__all__ = ["Pixels", "Scaler", "arrange", "crop", "shown_shape"]

Pixels = npt.NDArray[np.uint8]

_MAX_LONG_SIDE_RATIO = 32  # scaling a frame of 1 x 4000 pixels would take gigabytes


def shown_shape(width: int, height: int, pixel_aspect: Fraction, way_up: Orientation) -> tuple[float, float]:
    """Returns the (width, height) of a frame as displayed, in units of the height of a pixel.

    Raises:
        DecodeError: the aspect ratio is above 32.
    """
    shown = float(width * pixel_aspect), float(height)
    if max(shown) > _MAX_LONG_SIDE_RATIO * min(shown):
        as_pixels = "" if pixel_aspect == 1 else f" with a pixel aspect ratio of {pixel_aspect}"
        raise DecodeError(
            f"frames of {width} x {height} pixels{as_pixels} are too narrow; the long side may be at most "
            f"{_MAX_LONG_SIDE_RATIO} times the short one"
        )
    return (shown[1], shown[0]) if way_up.transpose else shown


class Scaler:
    """Scales and crops the frames of one video.

    Args:
        sampling: size and resizing rule.
        pixel_aspect: width of a stored pixel divided by its height.
        way_up: orientation of the frames.
    """

    def __init__(self, sampling: Sampling, pixel_aspect: Fraction, way_up: Orientation) -> None:
        self._sampling = sampling
        self._pixel_aspect = pixel_aspect
        self._way_up = way_up
        self._reformatter = VideoReformatter()  # kept, because it reuses its tables

    def __call__(self, frame: VideoFrame) -> Pixels:
        """Returns a frame, scaled and cropped to (size, size, 3) uint8.

        Raises:
            DecodeError: see `shown_shape`.
        """
        shown = shown_shape(frame.width, frame.height, self._pixel_aspect, self._way_up)
        width, height = self._way_up.stored_size(*resized_shape(self._sampling, *shown))
        scaled = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            interpolation=Interpolation.BILINEAR,
            threads=1,
        ).to_ndarray()
        return crop(self._way_up.apply(scaled), self._sampling.size)


def crop(frame: Pixels, size: int) -> Pixels:
    """Returns a copy of the centre square of `size` x `size` pixels."""
    left, top = centre_crop_offsets(frame.shape[1], frame.shape[0], size)
    return np.ascontiguousarray(frame[top : top + size, left : left + size])


def arrange(found: Mapping[int, Pixels], numbers: npt.NDArray[np.int64]) -> Pixels:
    """Stacks the frames with the given numbers (V, T) into a clip (V, T, H, W, 3)."""
    return np.stack([np.stack([found[int(number)] for number in view]) for view in numbers])
