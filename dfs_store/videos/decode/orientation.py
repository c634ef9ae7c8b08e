"""Which way up a picture is shown: the eight orientations that cameras note instead of turning pixels."""

import struct
from typing import Any, NamedTuple

import numpy.typing as npt

__all__ = ["UPRIGHT", "Orientation", "from_display_matrix", "from_exif", "of_frame"]

_MAX_SHEAR = 0.035  # of a side, about 2 degrees: FFmpeg, too, takes a matrix this close for a quarter turn


class Orientation(NamedTuple):
    """What to do with stored pixels, in this order, to get what is shown.

    Attributes:
        transpose: mirror at the diagonal, so that rows become columns.
        flip_x: mirror left and right.
        flip_y: mirror top and bottom.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def stored_size(self, width: int, height: int) -> tuple[int, int]:
        """Returns the (width, height) to store for pixels that are shown at these."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns a view of (H, W, C) pixels as they are shown."""
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


def from_exif(value: Any) -> Orientation:  # noqa: ANN401 - whatever is in the file
    """Returns the orientation of EXIF's tag 0x112; anything but 1..8 is upright, as in browsers."""
    return _EXIF.get(value, UPRIGHT) if isinstance(value, int) else UPRIGHT


def from_display_matrix(matrix: bytes) -> Orientation | None:
    """Returns the orientation of a display matrix, None if it turns by other than a quarter.

    Args:
        matrix: nine int32 in the machine's byte order, as FFmpeg has them: x' = a x + c y, y' = b x + d y.
    """
    a, b, _, c, d, *_ = struct.unpack("9i", matrix)
    straight, crossed = max(abs(a), abs(d)), max(abs(b), abs(c))
    if straight == crossed == 0:
        return UPRIGHT  # no matrix at all; FFmpeg, too, ignores it
    if crossed <= _MAX_SHEAR * straight:
        return Orientation(flip_x=a < 0, flip_y=d < 0)
    if straight <= _MAX_SHEAR * crossed:
        return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)
    return None


def of_frame(frame: Any) -> Orientation | None:  # noqa: ANN401 - a frame of PyAV
    """Returns how a decoded frame is to be shown, None if it is to be turned by other than a quarter.

    Where PyAV cannot list what goes with a frame (it knows fewer kinds than its FFmpeg), the angle alone is
    used, and a mirrored picture is taken for a turned one.
    """
    try:
        found = [bytes(item) for item in frame.side_data if item.type.name == "DISPLAYMATRIX"]
    except ValueError:
        turns = frame.rotation / 90
        quarters = {0: UPRIGHT, 1: _EXIF[8], 2: _EXIF[3], 3: _EXIF[6]}
        return quarters[round(turns) % 4] if abs(turns - round(turns)) < _MAX_SHEAR else None
    return from_display_matrix(found[0]) if found else UPRIGHT
