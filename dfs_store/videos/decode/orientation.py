"""The eight orientations that cameras record in metadata instead of rotating the pixels."""

import struct
from typing import Any, NamedTuple

import numpy.typing as npt

__all__ = ["UPRIGHT", "Orientation", "from_display_matrix", "from_exif", "of_frame"]

_MAX_SHEAR = 0.035  # about 2 degrees; FFmpeg has the same tolerance for quarter turns


class Orientation(NamedTuple):
    """Operations that turn stored pixels into displayed pixels, in this order.

    Attributes:
        transpose: swap rows and columns.
        flip_x: flip horizontally.
        flip_y: flip vertically.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def stored_size(self, width: int, height: int) -> tuple[int, int]:
        """Returns the stored (width, height) of pixels that are displayed at `width` x `height`."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns a view of (H, W, C) pixels as they are displayed."""
        shown = pixels.transpose(1, 0, 2) if self.transpose else pixels
        return shown[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


UPRIGHT = Orientation()

_EXIF = {
    1: UPRIGHT,
    2: Orientation(flip_x=True),
    3: Orientation(flip_x=True, flip_y=True),
    4: Orientation(flip_y=True),
    5: Orientation(transpose=True),
    6: Orientation(transpose=True, flip_x=True),
    7: Orientation(transpose=True, flip_x=True, flip_y=True),
    8: Orientation(transpose=True, flip_y=True),
}


def from_exif(value: Any) -> Orientation:  # noqa: ANN401 - any value in a file
    """Returns the orientation for a value of EXIF tag 0x112. Values outside 1..8 mean upright."""
    return _EXIF.get(value, UPRIGHT) if isinstance(value, int) else UPRIGHT


def from_display_matrix(matrix: bytes) -> Orientation | None:
    """Returns the orientation of a display matrix, or None for rotations other than quarter turns.

    Args:
        matrix: FFmpeg's nine int32 values in native byte order: x' = a x + c y, y' = b x + d y.
    """
    a, b, _, c, d, *_ = struct.unpack("9i", matrix)
    straight, crossed = max(abs(a), abs(d)), max(abs(b), abs(c))
    if straight == crossed == 0:
        return UPRIGHT  # not a matrix; FFmpeg ignores it as well
    if crossed <= _MAX_SHEAR * straight:
        return Orientation(flip_x=a < 0, flip_y=d < 0)
    if straight <= _MAX_SHEAR * crossed:
        return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)
    return None


def of_frame(frame: Any) -> Orientation | None:  # noqa: ANN401 - a frame of PyAV
    """Returns the orientation of a decoded frame, or None for rotations other than quarter turns.

    If PyAV cannot list the frame's side data, because it supports fewer types than FFmpeg, only the rotation
    angle is used, and mirroring is lost.
    """
    try:
        found = [bytes(item) for item in frame.side_data if item.type.name == "DISPLAYMATRIX"]
    except ValueError:
        turns = frame.rotation / 90
        quarters = {0: UPRIGHT, 1: _EXIF[8], 2: _EXIF[3], 3: _EXIF[6]}
        return quarters[round(turns) % 4] if abs(turns - round(turns)) < _MAX_SHEAR else None
    return from_display_matrix(found[0]) if found else UPRIGHT
